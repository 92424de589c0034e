// pool_core: the pool's decisions, for the origins one shard owns. No bytes, clocks, threads or
// I/O.
//
// Calling order (the sans-I/O contract, lib/README.md): any input below, with a `now` that never
// goes back; then `poll_action` until it says false; then `next_deadline` to arm the one timer.
// Facts about dead ids are dropped and counted. Core creates connection ids (`action_kind::dial`);
// the shard creates exchange ids. A connection is core's until core says `close` or the shard says
// it is gone (`on_closed`, `on_dial_failed`).
//
// The rules, each of which is a test:
//  - open + dialing connections never exceed the origin's limit, nor all together the leases held.
//  - dials in progress <= waiters not yet served + missing warm connections (late binding: a freed
//    connection or a finished dial goes to the waiter that is next, whoever asked for the dial).
//  - a dial outlives the exchange that wanted it; when it completes unasked it becomes idle.
//  - a failed dial fails at most those waiters whose patience is over (settings below), never all.
//  - each exchange given to `acquire` ends in exactly one `assign` or one `fail`, unless
//    `cancel`led before that.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/id.hpp"
#include "base/time.hpp"
#include "core/action.hpp"
#include "core/handshake_permits.hpp"
#include "core/origin_part.hpp"
#include "hearth/config.hpp"
#include "hearth/stats.hpp"

namespace hearth::core {

using base::duration;
using base::time_point;

/// What config says, validated before.
struct pool_settings {
    pool_config pool;
    handshake_config handshake;
    overload_config overload;
    timeouts_config timeouts;
    http2_config http2;
    duration attempt_delay = std::chrono::milliseconds{250};
    /// Null: this core has `handshake.max_concurrent` for itself.
    std::shared_ptr<handshake_permits> permits{};
};

/// What is fixed about an origin when it is interned.
struct origin_settings {
    bool tls = true;
    /// Per-origin override of `pool.max_connections_per_origin`.
    std::uint32_t max_connections = 0;  // 0 = the pool's
    /// Its connections may turn out to be multiplexed (HTTP/2). Until one has come up, at most one
    /// dial is in progress.
    bool may_multiplex = false;
    /// What this core has of the limits per origin.
    origin_part part{};
};

/// What keeps an origin from being forgotten.
enum class origin_use : std::uint8_t {
    none,      ///< Nothing.
    troubled,  ///< It has nothing, but its last dials failed.
    in_use,    ///< Connections, dials, waiters or warm-ups.
};

struct acquire_params {
    exchange_id exchange;
    origin_id origin;
    time_point deadline = base::never;  ///< Absolute; fails with `deadline` when it passes.
    bool fresh_connection = false;      ///< Only a connection that has carried no exchange yet.
    connection_id avoid{};              ///< Another one is preferred, if there is one with room.
    bool is_reservation = false;        ///< It keeps the connection; it teaches nothing of answers.
    bool is_let_in = false;             ///< `ask` has not refused it.
};

/// That an exchange is not worth acquiring.
struct refusal {
    wait_failure failure = wait_failure::none;  ///< None: it is.
    duration needed{};  ///< With `would_miss_deadline`: what would have to be left until then.
    /// `needed` in hundredths of what the quickest answers take.
    std::uint32_t margin_percent = 100;
};

/// Facts about a connection that became usable.
struct ready_facts {
    bool resumed = false;           ///< TLS session resumption; false on plaintext.
    bool is_multiplexed = false;    ///< HTTP/2.
    std::uint32_t max_streams = 1;  ///< HTTP/2: exchanges at once, as the peer allows. Else 1.
};

/// Facts that price draining against closing when an assigned exchange is cancelled.
struct cancel_facts {
    bool request_complete = false;   ///< The request has left in full.
    bool response_delimited = true;  ///< Not close-delimited, upgraded or already closing.
};

class pool_core {
public:
    /// `leases`: how many connections this core may have at first (of `pool.max_connections`).
    pool_core(const pool_settings& settings, std::uint64_t seed, std::uint32_t leases);
    ~pool_core();
    pool_core(const pool_core&) = delete;
    pool_core& operator=(const pool_core&) = delete;

    // Commands.
    /// Other settings from now on. Deadlines that run keep their times, but idle and old
    /// connections end as the new ones say, if that is earlier. `overload.schedule_handshakes` and
    /// `permits` stay. What a lowered limit leaves too much of is closed a few at a time once it
    /// carries no exchange; until then nothing is opened. Leases are a matter of their own:
    /// `on_lease`, `on_lease_debt`.
    void update(time_point now, const pool_settings& settings);
    [[nodiscard]] origin_id add_origin(time_point now, const origin_settings& settings);
    /// Another part of the origin's limits from now on: of connections, with HTTP/2 or without,
    /// idle and ready ones, drains and waiters. What is too much ends as after `update`.
    void set_part(time_point now, origin_id origin, const origin_part& part);
    /// No more connections than its part allows.
    [[nodiscard]] bool is_within_part(origin_id origin) const;
    /// An exchange acquired now would wait for another one to end.
    [[nodiscard]] bool is_full(origin_id origin) const;
    /// How many exchanges acquired now would find a connection, or a dial that nothing holds back.
    /// `spare_leases`: as many may be had beside those that are here. More than 255 are that.
    [[nodiscard]] std::uint32_t places(origin_id origin, std::uint32_t spare_leases) const;
    [[nodiscard]] origin_use use_of(origin_id origin) const;
    /// Forgets an origin that is not `in_use`; its id is dead.
    void forget_origin(time_point now, origin_id origin);
    /// Whether an exchange that is acquired now is refused whatever else there is: `acquire` asks
    /// the same, but to know it before costs less. It counts as refused, or as let in.
    [[nodiscard]] refusal ask(time_point now, origin_id origin, time_point deadline);
    void acquire(time_point now, const acquire_params& params);
    /// Withdraws a waiter. An assigned exchange is withdrawn by `cancel_assigned`.
    void cancel(time_point now, exchange_id exchange);
    /// The caller of an assigned exchange is gone. Answers `drain` (it stays core's until
    /// `on_exchange_done`, `reset` or `close`), `reset` or `close` (core has forgotten it).
    void cancel_assigned(time_point now, connection_id connection, exchange_id exchange,
                         const cancel_facts& facts);
    /// Has `count` connections ready (idle or busy), dialling what is missing. Ends in `warmed`
    /// with `ticket` when they are there, when a dial failed, or at `deadline`.
    void warm(time_point now, origin_id origin, std::uint32_t count, std::uint64_t ticket,
              time_point deadline);
    /// Refuses new exchanges, lets assigned and waiting ones end, closes what is idle, ends in
    /// `drained`.
    void drain(time_point now);
    /// Closes every connection at once with `client_closed`, forgets all waiters (no `fail`) and
    /// all warm-ups (no `warmed`). A drain that was asked for ends.
    void shut_down(time_point now);

    // After an exception for lack of memory, which leaves it in the middle of something.
    /// Forgets everything at once, without an action. Only `restart` may follow.
    void stop() noexcept;
    /// As made anew; but none of the names that it gave before names anything. Throws bad_alloc,
    /// and is stopped then.
    void restart(const pool_settings& settings, std::uint64_t seed, std::uint32_t leases);

    // Facts about dials.
    /// `families`: one entry per address, in the order to try, true for IPv6.
    void on_resolved(time_point now, connection_id connection, std::span<const bool> families);
    /// TCP is up. What follows is `on_handshake_need` with TLS, `on_ready` without.
    void on_connected(time_point now, connection_id connection, std::uint32_t address);
    /// When the last address has failed, core closes the dial with `connect_failed`.
    void on_connect_failed(time_point now, connection_id connection, std::uint32_t address);
    void on_handshake_need(time_point now, connection_id connection, handshake_need need);
    void on_slice_done(time_point now, connection_id connection, duration cost,
                       slice_outcome outcome);
    void on_ready(time_point now, connection_id connection, const ready_facts& facts);
    /// The dial is gone, in whatever phase it was.
    void on_dial_failed(time_point now, connection_id connection, dial_failure failure);

    // Facts about usable connections.
    /// The response head (first octet of the answer) of an exchange is here.
    void on_first_byte(time_point now, connection_id connection, exchange_id exchange);
    /// An exchange has left its connection. After `failed` or `not_reusable` core closes the
    /// connection when its last exchange has left.
    void on_exchange_done(time_point now, connection_id connection, exchange_id exchange,
                          exchange_outcome outcome);
    /// The peer of a multiplexed connection allows this many exchanges at once now, 0 included.
    void on_streams_changed(time_point now, connection_id connection, std::uint32_t max_streams);
    /// The peer has seen the first `count` of the resets it was not known to have seen: what was
    /// held for them is free.
    void on_resets_seen(time_point now, connection_id connection, std::uint32_t count);
    /// A multiplexed connection may be dead: no new exchanges on it until it is not `in_doubt`.
    void on_doubt(time_point now, connection_id connection, bool in_doubt);
    /// No new exchanges on it any more (GOAWAY, `connection: close` seen early).
    void on_draining(time_point now, connection_id connection);
    /// Its peer keeps it for so long without an exchange (Keep-Alive: timeout): it is closed by us
    /// before that, if not earlier for other reasons.
    void on_keep_alive(time_point now, connection_id connection, duration patience);
    /// What it was made with (its TLS profile) was replaced. It ends at a random time between a
    /// quarter and three quarters of `within`, another one in its place first if it is needed and
    /// `min_ready` not undercut; after `within` it gets no exchange in any case.
    void on_outdated(time_point now, connection_id connection, duration within);
    /// The connection is gone: the peer closed or broke it, or a drain went beyond its octets
    /// (`drain_limit`). Exchanges that were not reported before are forgotten with it.
    void on_closed(time_point now, connection_id connection, close_reason reason);

    // Facts about the shard.
    /// Established I/O was served: answers `step` for the slices this turn may run.
    void on_turn(time_point now);
    /// One of the permits for handshakes that this core was refused may be free.
    void on_permits(time_point now);
    void on_timer(time_point now);
    /// `granted` leases came, asked for by `want_lease` or not. What was asked for stays asked for
    /// until it is granted; core does not repeat it.
    void on_lease(time_point now, std::uint32_t granted);
    /// Other shards wait for `wanted` leases: core gives back what is unused, and while nobody here
    /// waits for a lease it closes idle connections for them, now and as they become idle, until
    /// `wanted` are returned. A later call replaces the number, 0 withdraws it.
    void on_lease_recall(time_point now, std::uint32_t wanted);

    /// Fewer connections may exist now: core gives up `owed` leases, unused ones at once and the
    /// others as their connections end. A later call replaces the number.
    void on_lease_debt(time_point now, std::uint32_t owed);

    // Outputs.
    [[nodiscard]] bool poll_action(action& out);
    [[nodiscard]] time_point next_deadline() const;
    /// True if a handshake could run a slice: the shard owes an `on_turn`.
    [[nodiscard]] bool wants_turn() const;
    /// The process has no descriptors for more connections than there are.
    [[nodiscard]] bool lacks_descriptors() const;

    // Getters.
    [[nodiscard]] std::size_t origin_count() const;
    /// Numbers of one origin; `origin` (the text) is left empty.
    [[nodiscard]] origin_stats stats(time_point now, origin_id origin) const;
    [[nodiscard]] std::uint64_t stale_facts() const;
    [[nodiscard]] std::uint32_t leases_held() const;
    [[nodiscard]] std::uint32_t leases_used() const;
    [[nodiscard]] std::uint32_t leases_owed() const;
    /// The most handshakes past their ClientHello at once, ever.
    [[nodiscard]] std::uint32_t handshakes_at_once() const;
    /// Full scan of all invariants; aborts (checked builds) at the first broken one.
    void check_invariants() const;

    class implementation;  // pool_state.hpp

private:
    std::uint32_t first_generation_ = 1;
    std::unique_ptr<implementation> implementation_;
};

}  // namespace hearth::core
