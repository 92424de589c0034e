// A simulated world around pool_core: callers, origins, a network, a CPU, and other shards that
// hold leases. One seed decides everything: settings, load, latencies, faults, and what core draws
// itself.
//
// Theory. The world is a discrete-event simulation with a virtual clock. It plays the shard: it
// gives core commands and facts, drains the actions after each, and acts on them. Beside core it
// keeps a mirror of what must be true (`mirror_*` below), written from the contract and not from
// core's code, and checks every action against it (world_checks.cpp). Every `scan_interval` steps
// the mirror is compared with core's numbers in full and core scans itself. README.md lists the
// invariants.
//
// A broken one prints the seed, the commit and the command that replays it, and aborts.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/prng.hpp"
#include "core/pool_core.hpp"

namespace hearth::sim {

using base::duration;
using base::time_point;

/// How a world is made. Shares are probabilities.
struct world_settings {
    core::pool_settings pool;
    std::uint32_t origins = 8;
    std::uint32_t first_leases = 64;  ///< Of `pool.pool.max_connections`; the rest are elsewhere.
    double tls_share = 0.5;
    double multiplexed_share = 0.3;
    duration between_arrivals = std::chrono::microseconds{100};  ///< Mean.
    duration service = std::chrono::milliseconds{2};             ///< Mean.
    duration round_trip = std::chrono::microseconds{500};
    double slow_share = 0.01;   ///< Answers that take a second or more.
    double cancel_share = 0.1;  ///< Callers that leave at a random moment.
    double deadline_share = 0.7;
    double fault_share = 0.02;     ///< Of each thing that can go wrong.
    double outage_share = 0.2;     ///< Of the time an origin spends refusing, silent or rejecting.
    bool has_late_callers = true;  ///< Some come when the pool drains already.
    bool ends_abruptly = false;    ///< `shut_down` in the middle instead of `drain` at the end.
};

/// Settings for a seed: from a calm pool to one with limits of one and faults everywhere.
[[nodiscard]] world_settings draw_settings(std::uint64_t seed);

/// What happened in a world, or in several.
struct world_totals {
    std::uint64_t exchanges = 0;
    std::uint64_t answered = 0;
    std::uint64_t broken = 0;     ///< Their connection broke under them.
    std::uint64_t cancelled = 0;  ///< By their caller or deadline after they were assigned.
    std::uint64_t withdrawn = 0;  ///< By their caller while they waited.
    std::uint64_t forgotten = 0;  ///< By `shut_down`.
    std::array<std::uint64_t, 9> failed{};  ///< By `core::wait_failure`.
    std::uint64_t retried = 0;
    std::uint64_t dials = 0;
    std::uint64_t connections = 0;  ///< Dials that became usable.
    std::uint64_t slices = 0;
    std::uint64_t drained = 0;  ///< Cancelled responses that core had drained.
    std::array<std::uint64_t, static_cast<std::size_t>(close_reason::count_)> closed{};
    std::uint64_t leases_moved = 0;
    std::uint64_t stale_facts = 0;
    std::uint64_t steps = 0;
    std::uint64_t scans = 0;

    void add(const world_totals& other);
};

class world {
public:
    world(std::uint64_t seed, std::uint64_t exchanges, const world_settings& settings);
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    /// Runs until all exchanges have ended and the pool is drained.
    void run();
    /// Prints every step to stderr.
    void set_trace(bool on) { trace_ = on; }

    [[nodiscard]] const world_totals& totals() const { return totals_; }
    /// Of every action with its time, in order.
    [[nodiscard]] std::uint64_t action_hash() const { return hash_; }

private:
    static constexpr std::uint64_t scan_interval = 1000;

    enum class event_kind : std::uint8_t {
        arrival,
        cancel,
        answer,
        overdue,  // exchanges
        name,
        connected,
        connect_failed,
        flight,
        slice_done,
        ready,  // dials
        reset,
        goaway,
        resets_seen,
        streams,
        doubt,  // connections
        turn,
        grant,
        recall,
        warm,
        mood,
        shut_down,  // the rest
    };
    struct event {
        time_point when;
        std::uint64_t sequence = 0;
        event_kind kind = event_kind::arrival;
        std::uint8_t value = 0;
        connection_id connection{};
        exchange_id exchange{};
        [[nodiscard]] bool operator<(const event& other) const {  // a heap's top is its largest
            return when != other.when ? when > other.when : sequence > other.sequence;
        }
    };

    enum class mirror_state : std::uint8_t { absent, waiting, assigned, draining, between };
    struct mirror_exchange {
        std::uint32_t generation = 0;
        mirror_state state = mirror_state::absent;
        bool fresh = false;
        std::uint8_t attempts = 0;
        std::uint32_t origin = 0;
        connection_id connection{};
        time_point deadline{};
        time_point bound{};  ///< A waiter has ended by then.
        time_point queued_at{};
        time_point answer_at{};
        std::uint64_t sequence = 0;  ///< In the order of `acquire`.
        std::uint64_t failures_before = 0;
    };
    enum class mirror_phase : std::uint8_t { absent, resolving, connecting, securing, ready };
    struct mirror_connection {
        std::uint32_t generation = 0;
        mirror_phase phase = mirror_phase::absent;
        core::handshake_need need = core::handshake_need::none;
        bool is_running = false;  ///< A slice of it runs.
        bool is_past_hello = false;
        bool has_carried = false;
        bool is_leaving = false;   ///< GOAWAY, or a fact that rules reuse out.
        bool is_draining = false;  ///< It reads the rest of a cancelled response.
        bool is_in_doubt = false;
        bool has_been_silent = false;  ///< A cancelled stream went on: it may be replaced.
        std::uint32_t held = 0;        ///< Resets whose places are not free yet.
        std::uint32_t origin = 0;
        std::uint32_t max_streams = 1;
        bool is_multiplexed = false;
        std::uint32_t addresses = 0;
        std::uint32_t next_address = 0;
        std::uint64_t attempts = 0;  ///< Running connects, one bit each.
        time_point ready_at{};
        time_point idle_since{};
        std::vector<std::uint32_t> exchanges;

        [[nodiscard]] bool has_room() const {
            return exchanges.size() + held < max_streams && !is_in_doubt;
        }
    };
    enum class origin_mood : std::uint8_t { healthy, refusing, silent, rejecting };
    struct mirror_origin {
        origin_id id;
        bool tls = false;
        std::uint32_t streams = 1;
        origin_mood mood = origin_mood::healthy;
        std::uint32_t limit = 0;
        std::uint32_t connections = 0;
        std::uint32_t coming = 0;
        std::uint32_t ready = 0;  ///< Usable and neither leaving nor draining.
        std::uint32_t waiting = 0;
        std::uint32_t warm_wanted = 0;  ///< The largest of the warm-ups that run.
        std::uint64_t failed_dials = 0;
        std::uint64_t last_ordinary = 0;  ///< Sequence of the last one assigned.
        std::uint64_t last_fresh = 0;
    };
    struct mirror_warm {
        std::uint32_t origin = 0;
        std::uint32_t count = 0;
        time_point deadline{};
    };

    // Events (world.cpp).
    void schedule(duration delay, event_kind kind, connection_id connection = {},
                  exchange_id exchange = {}, std::uint8_t value = 0);
    void begin();
    [[nodiscard]] bool step();
    void handle(const event& e);
    void on_arrival();
    void on_cancel(exchange_id id);
    void on_answer(exchange_id id);
    void on_overdue(exchange_id id);
    void on_name(connection_id id);
    void on_connect_event(const event& e);
    void on_flight(connection_id id);
    void on_slice_done(connection_id id);
    void on_ready(connection_id id);
    void on_reset(connection_id id);
    void on_goaway(connection_id id);
    void on_resets_seen(connection_id id);
    void on_streams(connection_id id);
    void on_doubt(connection_id id);
    template <class Change>
    void change_room(mirror_connection& c, Change&& how);
    void on_turn();
    void on_grant();
    void on_recall();
    void on_warm();
    void on_mood(std::uint32_t origin);
    void on_shut_down();
    void end_world();
    void run_due();

    // Acting on actions (world.cpp).
    void start_dial(connection_id id);
    void start_connect(connection_id id);
    void start_slice(connection_id id);
    void start_exchange(mirror_exchange& x, exchange_id id);

    // Inputs to core (world.cpp).
    void acquire(std::uint32_t index);
    void cancel_assigned(exchange_id id);
    void fail_dial(connection_id id, core::dial_failure failure);
    template <class Input>
    void input(Input&& give, bool advances = true);
    void drain_actions();

    // The mirror and its checks (world_checks.cpp).
    void apply(const core::action& a);
    void apply_dial(const core::action& a);
    [[nodiscard]] bool may_leave(std::uint32_t origin) const;
    void apply_connect(const core::action& a);
    void apply_step(const core::action& a);
    void apply_assign(const core::action& a);
    void apply_drain(const core::action& a);
    void apply_reset(const core::action& a);
    void apply_close(const core::action& a);
    void apply_fail(const core::action& a);
    void apply_warmed(const core::action& a);
    void apply_leases(const core::action& a);
    void apply_drained();
    void check_close_reason(const core::action& a, const mirror_connection& c);
    void check_after_input(bool advanced);
    void scan();
    void scan_exchanges();
    void scan_origins();
    void check_end();
    [[nodiscard]] mirror_connection* find(connection_id id);
    [[nodiscard]] mirror_exchange* find(exchange_id id);
    [[nodiscard]] mirror_connection& connection_slot(connection_id id);
    void remove_connection(connection_id id, close_reason reason);
    void end_exchange(exchange_id id);
    void leave_connection(mirror_connection& c, std::uint32_t exchange);
    template <class Change>
    void change(mirror_connection& c, Change&& change);
    void note_replay() const;
    void require(bool claim, const char* what);
    [[noreturn]] void report_failure(const char* what);
    void trace(const core::action& a) const;

    // Chance.
    [[nodiscard]] bool chance(double share) { return random_.unit() < share; }
    [[nodiscard]] duration up_to(duration longest);
    [[nodiscard]] duration around(duration mean);

    const std::uint64_t seed_;
    const std::uint64_t exchanges_;
    const world_settings settings_;
    base::prng random_;
    core::pool_core core_;
    time_point now_;
    bool trace_ = false;
    std::vector<event> events_;  // a heap
    std::uint64_t event_sequence_ = 0;

    std::vector<mirror_exchange> exchange_table_;
    std::vector<std::uint32_t> free_exchanges_;
    std::uint64_t alive_exchanges_ = 0;
    std::uint64_t acquire_sequence_ = 0;
    std::vector<mirror_connection> connection_table_;
    std::uint64_t alive_connections_ = 0;
    std::vector<mirror_origin> origins_;
    std::unordered_map<std::uint64_t, mirror_warm> warm_ups_;
    std::uint64_t next_ticket_ = 1;

    std::uint32_t past_hello_ = 0;
    std::uint32_t flights_queued_ = 0;
    std::uint32_t hellos_queued_ = 0;
    bool turn_pending_ = false;
    time_point cpu_free_at_{};

    std::uint32_t leases_here_;
    std::uint32_t leases_elsewhere_;
    std::uint32_t leases_asked_ = 0;
    bool grant_pending_ = false;

    exchange_id cancelling_{};  // the exchange `cancel_assigned` was called for
    exchange_id acquiring_{};   // the exchange `acquire` was called for
    bool is_draining_ = false;
    bool is_shut_down_ = false;
    bool is_drained_ = false;
    std::uint64_t stale_expected_ = 0;
    std::uint64_t hash_ = 0xcbf29ce484222325ULL;
    world_totals totals_;
};

// Changes what decides whether a connection counts as ready.
template <class Change>
void world::change(mirror_connection& c, Change&& change) {
    const auto counts = [&c] {
        return c.phase == mirror_phase::ready && !c.is_leaving && !c.is_draining;
    };
    mirror_origin& origin = origins_[c.origin];
    origin.ready -= counts() ? 1 : 0;
    change();
    origin.ready += counts() ? 1 : 0;
}

/// Says on stderr which world was running if the process aborts (a broken invariant in core).
void announce_world_on_abort();

}  // namespace hearth::sim
