// The inside of pool_core: its tables, and the steps its inputs are made of.
//
// Every input does the same four things: it moves the time on and runs the deadlines that are due
// (`advance`), applies itself, marks the origins it touched (`touch`), and lets `settle` work these
// off: what a touched origin wants is computed anew from its counts, never patched. Outputs go into
// the ring of actions at once; nothing outside is called.
//
// Sources: pool_core.cpp exchanges; pool_streams.cpp multiplexed connections; pool_dials.cpp dials
// and handshakes; pool_refill.cpp dials nobody waits for; pool_upkeep.cpp deadlines, warm-up,
// leases and the end; pool_update.cpp other settings, and what they leave too much of;
// pool_rotation connections that are outdated, and origins that are forgotten; pool_overload.cpp
// origins that answer nobody in time; pool_report.cpp statistics and the full scan.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "base/prng.hpp"
#include "base/ring.hpp"
#include "core/handshake_scheduler.hpp"
#include "core/limits.hpp"
#include "core/origin_record.hpp"
#include "core/pool_core.hpp"
#include "core/records.hpp"

namespace hearth::core {

/// `value` less a random part of at most `share` of it.
[[nodiscard]] inline duration jittered(duration value, double share, base::prng& random) {
    const double part = share * random.unit();
    return value - std::chrono::duration_cast<duration>(value * part);
}

class pool_core::implementation {
public:
    implementation(const pool_settings& settings, std::uint64_t seed, std::uint32_t leases,
                   std::uint32_t first_generation);

    /// One that no name which this has given has.
    [[nodiscard]] std::uint32_t unused_generation() const {
        return std::max(tables_.connections.unused_generation(), origins_.unused_generation());
    }
    void update(time_point now, const pool_settings& settings);
    [[nodiscard]] origin_id add_origin(time_point now, const origin_settings& settings);
    void set_part(time_point now, origin_id origin, const origin_part& part);
    [[nodiscard]] bool is_within_part(origin_id origin) const;
    [[nodiscard]] bool is_full(origin_id origin) const;
    [[nodiscard]] std::uint32_t places(origin_id origin, std::uint32_t spare_leases) const;
    [[nodiscard]] origin_use use_of(origin_id origin) const;
    void forget_origin(time_point now, origin_id origin);
    [[nodiscard]] refusal ask(time_point now, origin_id origin, time_point deadline);
    void acquire(time_point now, const acquire_params& params);
    void cancel(time_point now, exchange_id exchange);
    void cancel_assigned(time_point now, connection_id connection, exchange_id exchange,
                         const cancel_facts& facts);
    void warm(time_point now, origin_id origin, std::uint32_t count, std::uint64_t ticket,
              time_point deadline);
    void drain(time_point now);
    void shut_down(time_point now);
    void on_resolved(time_point now, connection_id connection, std::size_t addresses);
    void on_connected(time_point now, connection_id connection, std::uint32_t address);
    void on_connect_failed(time_point now, connection_id connection, std::uint32_t address);
    void on_handshake_need(time_point now, connection_id connection, handshake_need need);
    void on_slice_done(time_point now, connection_id connection, duration cost,
                       slice_outcome outcome);
    void on_ready(time_point now, connection_id connection, const ready_facts& facts);
    void on_dial_failed(time_point now, connection_id connection, dial_failure failure);
    void on_first_byte(time_point now, connection_id connection, exchange_id exchange);
    void on_exchange_done(time_point now, connection_id connection, exchange_id exchange,
                          exchange_outcome outcome);
    void on_draining(time_point now, connection_id connection);
    void on_streams_changed(time_point now, connection_id connection, std::uint32_t max_streams);
    void on_resets_seen(time_point now, connection_id connection, std::uint32_t count);
    void on_doubt(time_point now, connection_id connection, bool in_doubt);
    void on_keep_alive(time_point now, connection_id connection, duration patience);
    void on_closed(time_point now, connection_id connection, close_reason reason);
    void on_turn(time_point now);
    void on_permits(time_point now);
    void on_timer(time_point now);
    void on_lease(time_point now, std::uint32_t granted);
    void on_lease_recall(time_point now, std::uint32_t wanted);
    void on_lease_debt(time_point now, std::uint32_t owed);
    void on_outdated(time_point now, connection_id connection, duration within);

    [[nodiscard]] bool poll_action(action& out) { return actions_.pop(out); }
    [[nodiscard]] time_point next_deadline() const { return deadlines_.next(); }
    [[nodiscard]] bool wants_turn() const { return scheduler_.wants_turn(); }
    [[nodiscard]] std::size_t origin_count() const { return origins_.size(); }
    [[nodiscard]] origin_stats stats(time_point now, origin_id origin) const;
    [[nodiscard]] std::uint64_t stale_facts() const { return stale_facts_; }
    [[nodiscard]] const core::limits& leases() const { return limits_; }
    [[nodiscard]] std::uint32_t handshakes_at_once() const { return scheduler_.most_past_hello(); }
    void check_invariants() const;

private:
    struct demand {
        std::uint32_t for_waiters = 0;
        std::uint32_t in_all = 0;
    };

    // Every input.
    void advance(time_point now);
    void set_time(time_point now);
    void touch(origin_record& origin);
    void settle();
    void emit(const action& value) { actions_.push(value); }
    [[nodiscard]] origin_record& origin_of(const connection_record& connection) {
        return origins_.at(connection.origin);
    }

    // Exchanges.
    [[nodiscard]] std::uint32_t most_connections(const origin_record& origin) const;
    [[nodiscard]] std::uint32_t most_multiplexed(const origin_record& origin) const;
    [[nodiscard]] std::uint32_t most_idle(const origin_record& origin) const;
    void refuse(const acquire_params& params, const refusal& why);
    void emit_fail(const refusal& why, exchange_id exchange, origin_id origin);
    void wait(origin_record& origin, std::uint32_t exchange);
    [[nodiscard]] bool may_wait(const origin_record& origin, bool fresh) const;
    void assign(connection_record& connection, std::uint32_t exchange);
    [[nodiscard]] bool find_assigned(connection_id connection_name, exchange_id exchange_name,
                                     connection_record*& connection, exchange_record*& exchange);
    void detach(connection_record& connection, std::uint32_t exchange);
    void end_waiter(std::uint32_t exchange);
    void fail_waiter(std::uint32_t exchange, wait_failure failure);
    void release(connection_record& connection);
    void offer(connection_record& connection);
    void rest(connection_record& connection);
    void show_room(connection_record& connection);
    [[nodiscard]] bool is_worth_draining(const connection_record& connection,
                                         const exchange_record& exchange,
                                         const cancel_facts& facts);
    void begin_drain(connection_record& connection, std::uint32_t exchange);
    void retire(connection_record& connection, close_reason reason);

    // Streams.
    void allow_streams(connection_record& connection, std::uint32_t max_streams);
    void note_protocol(origin_record& origin, const ready_facts& facts);
    void cancel_stream(connection_record& connection, std::uint32_t exchange, bool is_complete);
    void reset_stream(connection_record& connection, std::uint32_t exchange);
    void leave_silently(connection_record& connection, std::uint32_t exchange);
    void on_silent_due(connection_record& connection);
    void reconsider(connection_record& connection);
    void replace_spent(connection_record& connection);
    void note_useless(connection_record& connection);
    void watch_load(connection_record& connection);
    [[nodiscard]] std::uint32_t streams_room(const origin_record& origin) const;
    [[nodiscard]] std::uint32_t dials_for_streams(const origin_record& origin) const;
    [[nodiscard]] bool is_fresh_out_of_reach(const origin_record& origin) const;
    [[nodiscard]] std::uint32_t ideal_streams() const {
        return settings_.http2.ideal_streams.value_or(no_index);
    }
    [[nodiscard]] reset_budget::bounds reset_limits() const {
        return {settings_.http2.reset_burst, settings_.http2.reset_rate};
    }

    // Connections and dials.
    void begin_dial(origin_record& origin);
    void apply(connection_record& connection, const dial_effect& effect);
    void close(connection_record& connection, close_reason reason,
               dial_failure failure = dial_failure::none);
    void forget(connection_record& connection, close_reason reason);
    void fail_dial(connection_record& connection, dial_failure failure, bool tell);
    void after_dial_failure(origin_record& origin, dial_failure failure, time_point began);
    void begin_ceiling();
    void on_ceiling_due();
    void fail_waiters_after(origin_record& origin, wait_failure failure, bool is_permanent);
    void fail_impatient(origin_record& origin);
    void note_flight(connection_record& connection);
    void arm(connection_record& connection, timed_kind kind, time_point when);

    // Overload.
    [[nodiscard]] std::uint32_t next_waiter(origin_record& origin, bool has_carried);
    [[nodiscard]] bool is_late(const origin_record& origin, time_point deadline) const;
    [[nodiscard]] duration needed_when_late(const origin_record& origin) const;
    [[nodiscard]] refusal too_late(const origin_record& origin) const;
    [[nodiscard]] bool is_refused(origin_record& origin, time_point deadline);
    [[nodiscard]] refusal turn_away(origin_record& origin, time_point deadline);
    void watch_queue(origin_record& origin);
    void watch_crowd(origin_record& origin);
    void watch_late_ones(origin_record& origin);
    void begin_crowd(origin_record& origin, duration tolerated);
    void look_at_losses(origin_record& origin);
    [[nodiscard]] bool is_crowded(const origin_record& origin) const;
    bool note_crowd(origin_record& origin);
    void end_asking(origin_record& origin, exchange_record& exchange, bool in_vain);
    bool serve_next(connection_record& connection);
    void serve_waiters(origin_record& origin);
    void arm_waiter(std::uint32_t exchange);
    void on_waiter_due(std::uint32_t exchange);
    void note_answer(connection_record& connection, exchange_record& exchange);
    void note_miss(origin_record& origin, const exchange_record& exchange);
    void ration(origin_record& origin);
    [[nodiscard]] duration ration_interval(const origin_record& origin) const;

    // What an origin wants.
    [[nodiscard]] std::uint32_t connections_needed(const origin_record& origin) const;
    [[nodiscard]] std::uint32_t uncovered(const origin_record& origin) const;
    [[nodiscard]] time_point dial_hold(const origin_record& origin) const;
    [[nodiscard]] std::uint32_t room_to_make(const origin_record& origin) const;
    [[nodiscard]] std::uint32_t dials_allowed(const origin_record& origin) const;
    [[nodiscard]] time_point refill_at(const origin_record& origin) const;
    [[nodiscard]] std::uint32_t refill_target(const origin_record& origin) const;
    [[nodiscard]] bool is_short(const origin_record& origin) const;
    void watch_lifetime(connection_record& connection, duration lifetime);
    void note_refill(connection_record& connection);
    void note_goaway(origin_record& origin);
    [[nodiscard]] demand demand_of(const origin_record& origin) const;
    void balance(origin_record& origin);
    void hand_out();
    [[nodiscard]] bool make_room(origin_record& origin);
    [[nodiscard]] bool make_lease();
    void answer_recall();

    // Other settings, and what they leave too much of.
    void shorten_life(connection_record& connection, const pool_config& before);
    [[nodiscard]] std::uint32_t excess(const origin_record& origin) const;
    [[nodiscard]] std::uint32_t excess_idle(const origin_record& origin) const;
    void watch_excess();
    void on_excess_due();
    [[nodiscard]] bool shrink(origin_record& origin);
    [[nodiscard]] bool shrink_any();
    void end_softly(connection_record& connection, close_reason reason);
    void pay_leases();

    // Outdated connections.
    [[nodiscard]] bool may_go(const connection_record& connection) const;
    [[nodiscard]] static close_reason reason_of(const connection_record& connection) {
        return connection.is_outdated ? close_reason::outdated : close_reason::lifetime;
    }
    void on_gone(connection_record& connection);

    // Upkeep.
    void on_due(const timed& what);
    void on_idle_due(std::uint32_t index);
    void end_warm_ups(origin_record& origin, wait_failure why);
    void end_warm_up(std::uint32_t index, wait_failure why);
    void wind_down(origin_record& origin);
    void check_connection(const connection_record& connection) const;

    [[nodiscard]] auto warm_links() {
        return [this](std::uint32_t i) -> base::list_links& { return warm_ups_.at(i).links; };
    }

    pool_settings settings_;
    dial_timeouts dial_timeouts_;
    backoff_bounds backoff_bounds_;
    time_point now_ = time_point::min();
    base::prng random_;
    record_tables tables_;
    base::slab<origin_record, origin_id> origins_;
    core::limits limits_;
    handshake_scheduler scheduler_;
    base::deadline_queue<timed> deadlines_;
    base::ring<action> actions_;
    base::slab<warm_record, warm_id> warm_ups_;
    std::vector<std::uint32_t> touched_;
    std::uint64_t stale_facts_ = 0;
    std::uint64_t dials_begun_ = 0;
    base::deadline_handle ceiling_timer_ = 0;
    base::deadline_handle excess_timer_ = 0;
    std::vector<std::uint32_t> excessive_;  // origins that may have too much
    bool is_ceiling_tried_ = false;         // by a dial beyond it, which has not failed yet
    std::uint32_t rationed_ = 0;            // origins
    std::uint64_t exchanges_ = 0;           // waiting, assigned or being drained
    bool is_draining_ = false;              // no new exchanges
    bool owes_drained_ = false;
};

}  // namespace hearth::core
