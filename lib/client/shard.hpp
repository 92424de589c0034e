// shard: one thread's (or strand's) world, and the only place that sees both core and io. It turns
// what happens on sockets, timers and in calls into facts for core, and core's actions into work.
//
// A turn: an event comes in (`enter`), the clock is read once, octets that were read ahead are
// looked at, they and the event become facts, core's actions are carried out until there are none,
// touched connections are flushed, the timer is armed; only then are user handlers called. Nothing
// of the caller's runs inside a turn. Handshake slices run in turns of their own, queued behind
// whatever sockets are ready, so that established connections go first. Everything but `submit`
// and the constants is touched on the shard's executor only.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/deadline_queue.hpp"
#include "base/prng.hpp"
#include "base/slab.hpp"
#include "client/call_queue.hpp"
#include "client/exchange.hpp"
#include "client/fork_count.hpp"
#include "client/link.hpp"
#include "client/origin_entry.hpp"
#include "client/own_places.hpp"
#include "client/placement.hpp"
#include "client/pool_key.hpp"
#include "client/proxy_rules.hpp"
#include "client/slice_clock.hpp"
#include "client/stats_sum.hpp"
#include "core/load_watch.hpp"
#include "core/pool_core.hpp"
#include "io/answer_box.hpp"
#include "io/readiness_set.hpp"
#include "io/resolver.hpp"
#include "io/standing_post.hpp"
#include "io/timer.hpp"
#include "proto/tls_chain_cache.hpp"
#include "proto/tls_session_cache.hpp"

namespace hearth::detail {

class handshake_workers;
class lease_pool;
class shared_permits;

/// The shards of a client, for each other. Each may have ended.
using shard_list = std::vector<std::weak_ptr<shard>>;

/// Constant for a shard's life.
struct shard_settings {
    std::shared_ptr<const config> values;  // at first
    std::size_t shards = 1;                // that origins are shared out to
    std::uint64_t seed = 0;
    std::size_t index = 0;
    std::uint32_t leases = 0;                 // to begin with
    std::shared_ptr<lease_pool> lender;       // null: the shard has all leases for ever
    std::shared_ptr<shared_permits> permits;  // null: it has all permits for handshakes, too
    std::shared_ptr<void> own_context;        // set: one thread of the client serves the executor
    std::shared_ptr<const std::atomic<double>> reported_load;
    std::shared_ptr<io::system_pool> name_threads;         // where names are asked of getaddrinfo
    std::shared_ptr<handshake_workers> handshake_threads;  // null: slices run here
    std::shared_ptr<hearth::detail::placement> placement;  // null: origins stay where they are
    std::shared_ptr<const shard_list> peers;               // of that placement
};

/// How work gets to an executor; an `io::standing_post` is the other way.
struct ordinary_post {
    template <class Work>
    void operator()(const boost::asio::any_io_executor& executor, Work&& work) const {
        boost::asio::post(executor, std::forward<Work>(work));
    }
};

/// A drain of a client, shared by its shards.
struct drain_call {
    std::atomic<std::size_t> left;
    done_handler handler;
};

class shard final : public io::driver_listener,
                    public io::readiness_owner,
                    public io::timer_listener,
                    public std::enable_shared_from_this<shard> {
public:
    shard(boost::asio::any_io_executor executor, shard_settings settings);
    ~shard() override;

    // From any thread.
    /// Runs `work` in a turn: now if this is the shard's own thread between turns, else posted.
    template <class Work, class Post = ordinary_post>
    void submit(Work&& work, Post&& by = Post());
    /// Runs `work` in a turn if it can be now; else nothing, and false.
    template <class Work>
    [[nodiscard]] bool try_turn(Work&& work);
    /// The same for handles, which may outlive the client and its threads.
    template <class Work, class Post = ordinary_post>
    void submit_late(Work work, Post&& by = Post());
    /// The thread that served the executor has ended its loop: late work goes elsewhere from now
    /// on. `leftovers` runs what was posted until then, one turn at a time with the late ones.
    void stop(const std::function<void()>& leftovers);
    [[nodiscard]] const boost::asio::any_io_executor& executor() const { return executor_; }
    /// True if waiting here for this shard could wait for ever.
    [[nodiscard]] bool runs_here() const;
    /// This process is a fork of the one whose client it is.
    [[nodiscard]] bool is_inherited() const { return forks_ != fork_count(); }
    /// Throws `send_error` (`errc::wrong_process`) if so.
    void require_own_process() const {
        if (is_inherited()) throw_wrong_process();
    }
    /// The thread that serves the executor, where the client owns it.
    void set_thread(std::thread::id thread) { thread_ = thread; }

    // On its own thread, between turns.
    /// One call that is made here is to go to another shard.
    [[nodiscard]] bool take_pass() { return places_ && places_->take_pass(); }

    // In a turn.
    void begin(call&& from, const std::shared_ptr<cancel_handle>& handle);
    /// Completes a call that was found invalid.
    void refuse(call&& from, boost::system::error_code error, failure why);
    void cancel(const std::shared_ptr<cancel_handle>& handle, bool only_unsent);
    void warm(const origin& where, std::uint32_t count, warm_handler handler);
    /// What the placement of origins wants of it.
    void take_order(const placement_order& order);
    void drain(const std::shared_ptr<drain_call>& what);
    /// Obeys other values, and gives up that many leases beside what it owes. Later values have
    /// higher numbers; earlier ones that come late change nothing.
    void change(std::shared_ptr<const config> to, std::uint64_t number, std::uint32_t lease_debt);
    void shut_down();
    [[nodiscard]] shard_snapshot snapshot();
    /// Calls a handler after this turn.
    template <class... Args, class... Values>
    void tell(handler_ptr<Args...> handler, Values... values) {
        complete<Args...>(std::move(handler), Args(std::move(values))...);
    }
    /// `shut_down` in a turn of its own.
    void end();
    /// Posts what ends with that turn.
    template <class Work>
    void post_end(Work&& work) {
        end_post_(executor_, std::forward<Work>(work));
    }
    /// Lets go of everything without a turn: the executor will never run again.
    void abandon();
    /// On its own thread, between turns, after an exception for lack of memory. False: it was a
    /// handler's.
    [[nodiscard]] bool survive() noexcept;
    void look_at_leases();  // the lender has news
    [[nodiscard]] io::standing_post& lease_post() { return lease_post_; }
    void look_at_permits();  // there may be one
    [[nodiscard]] io::standing_post& permit_post() { return permit_post_; }
    // Reserved connections.
    void send_on(reservation& where, call&& from, const std::shared_ptr<cancel_handle>& handle);
    void end_reservation(reservation& where, bool is_reusable);
    // Streamed exchanges.
    void write(exchange_control& control, boost::asio::const_buffer bytes, size_handler handler);
    void finish(exchange_control& control, headers trailers, done_handler handler);
    void read_head(exchange_control& control, head_handler handler);
    void read(exchange_control& control, boost::asio::mutable_buffer bytes, size_handler handler);
    void read_to(exchange_control& control, file_range to, size_handler handler);
    void drop(exchange_control& control);

    // Events, each opens a turn.
    void on_connect_result(connection_id id, std::uint32_t attempt,
                           boost::system::error_code error) override;
    void on_readable(connection_id id) override;
    void on_writable(connection_id id) override;
    void on_batch_told() override;
    void on_timer() override;

private:
    using error_code = boost::system::error_code;

    // Turns (shard.cpp).
    template <class Work>
    void turn(Work&& work);
    template <class Work>
    void enter(Work&& work);  // a turn, then the handlers it completed
    /// The same; when it came of the last socket that was ready, a handshake slice may follow now.
    template <class Work>
    void enter_from_socket(Work&& work);
    void begin_turn();
    void finish_turn();
    void post_slices();
    void perform(const core::action& action);
    void perform_fail(const core::action& action);
    void perform_close(const core::action& action);
    void perform_warmed(const core::action& action);
    void flush_links();
    void write_gathered();
    void call_handlers();
    [[nodiscard]] bool make_call(call_ptr call);
    void post_handlers();
    template <class... Args, class... Values>
    void complete(handler_ptr<Args...> handler, Values&&... values);
    // Lack of memory (shard_memory.cpp).
    void start_over() noexcept;
    [[gnu::cold]] void give_up(live_exchange& x) noexcept;
    [[gnu::cold]] void give_up_streamed(exchange_control& control, live_exchange& x) noexcept;
    [[gnu::cold]] void give_up_read(exchange_control& control) noexcept;
    void forget_everything() noexcept;
    void recover() noexcept;
    // Origins (shard_origins.cpp).
    origin_id intern(const pool_key& key);
    [[nodiscard]] origin_id origin_of(const request& what, const target& called);
    void forget_origins();
    void forget_origin(origin_id id);
    [[nodiscard]] core::origin_use use_of(origin_id id) const;
    void erase_exchange(exchange_id id);
    // Origins on several shards (shard_placement.cpp).
    [[nodiscard]] core::origin_part part_of(std::uint32_t slot) const;
    [[nodiscard]] core::budget_limits extra_work_of(const origin_entry& origin) const;
    bool send_elsewhere(call& from, const std::shared_ptr<cancel_handle>& handle);
    [[nodiscard]] std::shared_ptr<shard> owner_elsewhere(std::uint32_t slot) const;
    [[nodiscard]] std::shared_ptr<shard> better_place(call& from);
    void note_arrival(call& from);
    void touch(origin_id origin) {
        if (places_) places_->touch({origins_[origin.index].slot, origin});
    }
    void tell_free();
    void forget_free() noexcept;
    void keep_part(std::uint32_t slot, const core::origin_part& part);
    void set_part(std::uint32_t slot, const core::origin_part& part);
    [[nodiscard]] bool has_done(const placement_order& order);
    void follow_orders();
    void follow_orders_soon() noexcept;
    void report_load();
    // Other values (shard_update.cpp).
    [[nodiscard]] core::pool_settings core_settings() const;
    bool obey(const config& to);
    void change_leases(std::uint32_t debt);
    [[nodiscard]] std::shared_ptr<const tls_profile> own_profile() const;
    void check_profile(link& l);
    void want_leases(std::uint32_t count);
    void tell_drained(drain_call& what);
    void tell_drained();

    // Dials (shard_dial.cpp).
    void dial(connection_id id, origin_id origin);
    void on_resolved(connection_id id, error_code error, std::string detail,
                     io::address_list addresses);
    void take_addresses(link& l, io::address_list addresses);
    // By a dialer of the caller's (shard_dialer.cpp).
    void begin_dialer(link& l, std::uint32_t attempt);
    void on_dialed(connection_id id, std::uint32_t attempt, std::uint64_t ticket, dialed result);
    void stop_dialer(link& l);
    [[gnu::cold]] void attempt_failed_to_connect(link& l, std::uint32_t attempt, error_code error);
    void begin_handshake(link& l);
    // Through a proxy (shard_proxy.cpp).
    [[nodiscard]] bool needs_tunnel(const link& l) const;
    [[nodiscard]] static bool is_forwarded(const pool_key& key);
    [[nodiscard]] bool needs_proxy_tls(const link& l) const;
    [[nodiscard]] std::unique_ptr<proto::tls_engine> make_proxy_tls(const proxy& via);
    void begin_proxy_tls(link& l);
    void read_proxy_tls(link& l);
    void step_proxy_tls(link& l);
    bool write_proxy_tls(link& l);
    [[gnu::cold]] void proxy_tls_failed(link& l, core::dial_failure failure, error_code error,
                                        const std::string& detail);
    void begin_tunnel(link& l);
    void on_target_resolved(connection_id id, error_code error, std::string detail,
                            const io::address_list& addresses);
    void open_tunnel(link& l, const proto::tunnel_settings& settings);
    bool write_tunnel(link& l);
    void read_tunnel(link& l);

    // Names that change (shard_names.cpp).
    void follow_name(origin_id id);
    void on_name_times();
    void on_name_answer(origin_id id, boost::system::error_code error, io::address_list addresses);
    void replace_old(origin_id id);
    bool retire_old(const core::action& warmed);

    // Handshake slices (shard_slices.cpp).
    void run_slices();
    void run_slice(connection_id id);
    [[nodiscard]] static slice_kind kind_of_slice(const link& l,
                                                  const proto::tls_engine& handshake);
    void send_slice(link& l);
    void finish_slice(link& l, proto::tls_step step, base::duration cost);
    // Verification by the caller (shard_verify.cpp).
    void ask_verifier(link& l, proto::tls_engine& tls);
    void on_verdict(connection_id id, bool is_accepted, const std::string& reason);
    void read_handshake(link& l);
    void report_need(link& l);

    bool take_what_follows(link& l);
    void become_ready(link& l);
    [[gnu::cold]] void dial_failed(link& l, core::dial_failure failure, error_code error,
                                   std::string detail);
    [[gnu::cold]] void note_dial_failure(link& l, phase where, error_code error,
                                         std::string detail);
    [[gnu::cold]] void note_lost(link& l);
    void let_go_address(const core::address_book* book, core::address_book::slot address);
    bool end_vote(live_exchange& x, core::attempt_result result);
    void advance(link& l, phase where);

    // Connections that are usable (shard_link.cpp).
    [[nodiscard]] link* find_link(connection_id id);
    bool poll_link(link& l);
    bool on_event(link& l, proto::event& e);
    void on_link_error(link& l, const proto::event& e);
    [[gnu::cold]] void link_lost(link& l, close_reason reason);
    void erase_link(connection_id id);
    void count_traffic(const link& l);
    void touch(link& l);
    void flush_link(link& l);
    void resume(link& l);

    // HTTP/2 (shard_http2.cpp).
    void begin_http2(link& l);
    void carry(link& l, live_exchange& x);
    void let_go(link& l, const live_exchange& x);
    bool on_http2_event(link& l, proto::event& e);
    void on_pong(link& l);
    [[gnu::cold]] void stream_failed(link& l, live_exchange& x, const proto::event& e);
    [[gnu::cold]] bool move_exchange(live_exchange& x, link& l, bool is_unprocessed, bool lost);
    bool await_extended_connect(live_exchange& x, link& l);
    void begin_awaiting(link& l);
    [[gnu::cold]] void fail_unbegun(live_exchange& x, link& l, error_code error,
                                    std::string detail);
    bool try_elsewhere(live_exchange& x, link& l, const response_head& head);
    bool http2_broke(link& l);
    [[gnu::cold]] void fail_streams(link& l, errc code, std::string_view detail);
    void perform_reset(const core::action& action);
    void credit(live_exchange& x, link& l);
    void before_flush(link& l);
    void heard_from(link& l);
    void watch(link& l);
    void on_link_time(connection_id id);

    // Exchanges (shard_exchange.cpp, shard_stream.cpp).
    void assign(exchange_id id, connection_id connection);
    void assigned_too_late(live_exchange& x);
    void acquire(live_exchange& x, bool fresh);
    [[nodiscard]] base::time_point deadline_of(const request& what, base::time_point started) const;
    [[gnu::cold]] void refuse_starved(call& from) noexcept;
    void begin_call(call& from, const std::shared_ptr<cancel_handle>& handle);
    bool turn_away(call& from);
    [[nodiscard]] error_code error_of(core::wait_failure failure, origin_id origin) const;
    void begin_request(live_exchange& x, link& l);
    void fill_connection(live_exchange& x, const link& l) const;
    [[nodiscard]] std::string finish_fields(live_exchange& x) const;
    void pump_request(live_exchange& x, link& l);
    [[nodiscard]] static bool sends_file(const live_exchange& x, const link& l);
    bool push_file(live_exchange& x, link& l);
    bool put_body(live_exchange& x, link& l, std::span<const std::byte> bytes, bool in_place);
    void end_request(live_exchange& x, link& l);
    void release_body(live_exchange& x, link& l);
    void start_pull(live_exchange& x, exchange_id id);
    void on_informational(live_exchange& x, proto::event& e);
    void on_head(live_exchange& x, link& l, proto::event& e);
    bool on_data(live_exchange& x, link& l, std::span<const std::byte> data);
    void on_end(live_exchange& x, link& l, bool reusable);
    [[gnu::cold]] void attempt_failed(link& l, errc code, std::string detail, bool lost);
    [[gnu::cold]] void fail_assigned(exchange_id id, error_code error, std::string detail);
    [[gnu::cold]] void fail_body_limit(exchange_id id, std::uint64_t limit);
    void complete_exchange(exchange_id id, error_code error);
    void complete_streamed(live_exchange& x, error_code error);
    void describe_failure(live_exchange& x, error_code error, std::string detail = {});
    void end_exchange(exchange_id id);
    void deliver(exchange_control& control, link& l, std::span<const std::byte> data);
    void fill_reader(exchange_control& control, std::size_t size);
    void finish_read(exchange_control& control);
    bool end_reads();
    void serve_reader(exchange_control& control);
    void begin_read(exchange_control& control, size_handler handler);
    void end_read(exchange_control& control, error_code error);
    [[gnu::cold]] void fail_reader(exchange_control& control, error_code error,
                                   std::string_view detail);
    // Into files (shard_file.cpp).
    bool serve_file(exchange_control& control);
    void deliver_to_file(exchange_control& control, link& l, std::span<const std::byte> data);
    bool write_files();
    bool put_file(exchange_control& control, std::span<const std::byte> data);
    [[gnu::cold]] void file_failed(exchange_control& control, int code);
    bool empty_pipe(exchange_control& control, link& l, transfer& count);
    io::io_result splice_body(link& l);
    // Reading (shard_read.cpp).
    // Connections that are looked at in one turn. Their callers wait for all of them to be read.
    static constexpr std::size_t most_together = 16;
    struct received_piece {
        connection_id from;
        std::span<std::byte> room;  // that it was read into
        io::io_result result;
    };
    void take_received();
    void look_at_received();
    void read_link(link& l, int reads = 0);
    void read_link(link& l, const received_piece& piece);
    bool take_result(link& l, const io::io_result& result, std::span<const std::byte> octets);
    void end_reading(link& l);
    void pace_reads(link& l);
    void end_bulk(link& l);
    void on_bulk_times();
    [[nodiscard]] exchange_control* direct_reader(const link& l) const;
    [[nodiscard]] static std::span<std::byte> room_of(const exchange_control& reader,
                                                      const link& l);
    [[nodiscard]] io::io_result read_body(link& l, exchange_control& to);
    bool decrypt_body(link& l);
    void give_direct(exchange_control& control, link& l, std::size_t size);
    // The gate before the pool (shard_admission.cpp).
    [[nodiscard]] core::admission_rules admission_rules() const;
    [[nodiscard]] std::unique_ptr<core::admission> make_admission();
    void admit(live_exchange& x, exchange_id id);
    void on_admission(exchange_id id, const core::admission_answer& answer);
    [[gnu::cold]] void refuse_admission(live_exchange& x, exchange_id id,
                                        const core::admission_answer& answer);
    void end_admission(live_exchange& x, error_code error);
    [[nodiscard]] core::attempt_result result_of(const live_exchange& x, error_code error) const;
    bool serve_held();
    void arm_gate(origin_id id);
    [[nodiscard]] base::time_point next_gate_time();
    void on_gate_time();
    void on_held_time(exchange_id id);
    void add_gate_stats(const origin_entry& entry, origin_stats& out) const;

    // Reserved connections (shard_reserve.cpp).
    void send_on_reserved(reservation& where, call& from,
                          const std::shared_ptr<cancel_handle>& handle);
    void hand_over(live_exchange& x, link& l);
    void end_reserved(live_exchange& x, link& l, bool reusable);
    void give_back(live_exchange& x, bool reusable);
    void release_reserved();

    // Throughput floors (shard_rate.cpp).
    void begin_rate(live_exchange& x, exchange_id id, const std::optional<std::uint64_t>& floor);
    bool check_rate(live_exchange& x, exchange_id id);
    [[nodiscard]] std::uint64_t moved_octets(const live_exchange& x);
    [[nodiscard]] std::uint64_t unsent_octets(const live_exchange& x);
    [[nodiscard]] bool waits_for_network(const live_exchange& x);
    [[nodiscard]] bool waits_for_reader(const live_exchange& x);
    // Hedging (shard_hedge.cpp).
    void arm_hedge(live_exchange& x);
    void on_hedge_time(exchange_id id);
    bool settle_hedge(live_exchange& x, exchange_id id, unsigned status);
    void part_twins(live_exchange& x, error_code error);
    void give_caller(live_exchange& from, live_exchange& to, exchange_id id);
    void cancel_attempt(exchange_id id);
    bool end_lost();

    void on_pause_over(exchange_id id);
    void report_attempt(live_exchange& x, error_code error);
    bool start_decoding(live_exchange& x, response_head& head);
    void decode_whole(live_exchange& x, std::span<const std::byte> data);
    [[nodiscard]] error_code end_decoding(live_exchange& x);
    std::size_t decode_next(exchange_control& control, std::span<std::byte> room);
    bool serve_decoded(exchange_control& control);
    void close_upgraded(live_exchange& x, link& l);
    void write_raw(exchange_control& control, link& l, std::span<const std::byte> data);
    void wait_again(live_exchange& x, bool fresh);
    void set_phase(live_exchange& x, exchange_id id, milliseconds patience, errc code);
    void end_phase(live_exchange& x, exchange_id id);
    void set_timer(live_exchange& x, exchange_id id);
    void on_exchange_time(exchange_id id);
    [[nodiscard]] bool has_written(live_exchange& x);
    [[nodiscard]] phase phase_of(const live_exchange& x) const;
    [[nodiscard]] const std::string& queue_detail(origin_id origin);
    [[nodiscard]] std::string waiting_detail(origin_id origin, base::time_point started);
    [[nodiscard]] std::string missed_detail(origin_id origin, base::time_point started,
                                            base::time_point deadline, const core::refusal& why);

    [[noreturn]] static void throw_wrong_process();

    const std::uint32_t forks_ = fork_count();
    const boost::asio::any_io_executor executor_;
    shard_settings settings_;  // constant, but for the values, which go on in `config_`
    config config_;
    std::uint64_t config_number_ = 0;
    std::shared_ptr<const config> wanted_;  // set: values that are not obeyed yet
    base::time_point replace_until_{};      // when connections of the last profile are gone
    std::atomic<std::thread::id> thread_;
    std::atomic<bool> stopped_{false};
    std::atomic<int> submitting_{0};
    std::mutex late_;  // serialises turns after the client's threads have ended; else never taken

    core::pool_core core_;
    std::unique_ptr<io::resolver> resolver_;
    std::shared_ptr<io::readiness_set> sockets_;
    std::shared_ptr<io::answer_box<dialed>> dialed_;  // made at first use
    std::optional<io::timer> timer_;
    proto::tls_session_cache sessions_;
    proto::tls_chain_cache chains_;
    proto::work_buffers work_;
    std::vector<std::byte> receive_buffer_;
    std::vector<received_piece> received_;  // of this batch, not looked at yet
    std::size_t received_octets_ = 0;       // theirs, at the front of the buffer
    std::vector<std::byte> file_buffer_;    // made at first use
    std::vector<std::byte> decode_buffer_;  // the same
    io::splice_pipe pipe_;                  // opened by the first body that goes through it

    base::slab<live_exchange, exchange_id> exchanges_;
    std::vector<std::unique_ptr<link>> links_;  // by index of the id
    std::vector<origin_entry> origins_;         // by index of the id
    std::unordered_map<pool_key, origin_id, pool_key_hash> origin_ids_;
    std::array<usual_origin, 32> usual_origins_;
    std::unique_ptr<own_places> places_;  // null: origins stay where they are
    base::handle_heap<base::time_point, origin_id> origins_by_use_;  // as it was when they were set
    std::uint64_t origins_forgotten_ = 0;
    base::deadline_queue<exchange_id> exchange_times_;
    slice_clock slice_clock_;
    base::deadline_queue<connection_id> link_times_;       // of HTTP/2 connections with streams
    base::deadline_queue<connection_id> keepalive_times_;  // when the kernel is told to look
    base::deadline_queue<connection_id> bulk_times_;  // of those that want many octets at a time
    base::deadline_queue<origin_id> gate_times_;
    base::deadline_queue<origin_id> name_times_;
    std::vector<origin_id> unserved_;         // whose gate may let somebody in
    std::vector<exchange_id> lost_attempts_;  // of hedged pairs, that are to end in this turn
    core::load_watch load_;
    base::time_point beat_at_ = base::never;  // when our lateness is looked at
    std::vector<connection_id> dirty_;
    std::vector<exchange_id> unwritten_;    // that have octets for their file
    std::vector<exchange_id> filled_;       // whose reader has octets
    std::vector<connection_id> gathering_;  // as `dirty_`, until the handlers have been called
    bool gathers_ = false;
    base::time_point gather_until_;  // set when `gathering_` gets its first
    std::unordered_map<std::uint64_t, std::pair<warm_handler, origin_id>> warming_;
    std::uint64_t next_warm_ = 1;
    std::vector<std::shared_ptr<drain_call>> drained_;  // told when it is

    call_queue handlers_;  // completed, to be called after the turn
    call_queue lost_;      // by the exception that ended the turn
    io::standing_post handlers_post_;
    io::standing_post slices_post_;
    io::standing_post end_post_;
    io::standing_post lease_post_;
    io::standing_post permit_post_;
    base::prng random_;  // of pauses
    base::time_point now_;
    bool in_turn_ = false;
    bool calling_ = false;
    bool call_posted_ = false;
    bool slices_posted_ = false;
    bool slices_due_ = false;  // when the handlers have been called
    bool may_slice_ = false;
    bool closed_ = false;
    bool draining_ = false;
    bool is_starved_ = false;   // core is stopped: there was no memory to begin anew
    std::uint32_t life_ = 0;    // how often it has begun anew
    std::uint32_t leases_ = 0;  // that the lender has given
    std::uint64_t calls_ = 0;
    std::uint64_t completed_ = 0;
    link_traffic closed_traffic_;
};

}  // namespace hearth::detail
