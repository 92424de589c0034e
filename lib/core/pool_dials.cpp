// Dials, from the decision to dial until the connection is usable or has failed, and the end of
// connections. Part of pool_core's inside, see pool_state.hpp.
#include <algorithm>
#include <utility>

#include "core/pool_state.hpp"

namespace hearth::core {

using implementation = pool_core::implementation;

namespace {

// Repeating the dial would not help: waiting for it is not worth anybody's patience.
[[nodiscard]] bool is_permanent(dial_failure failure) {
    return failure == dial_failure::certificate_rejected ||
           failure == dial_failure::name_not_found || failure == dial_failure::handshake_failed;
}

// While the first dial to an origin tells what it speaks, no other begins: for that long, since it
// may hang.
constexpr std::chrono::milliseconds probe_patience{500};

}  // namespace

void implementation::begin_dial(origin_record& origin) {
    limits_.open(origin.id.index);
    const connection_id id = tables_.connections.emplace();
    connection_record& connection = tables_.connections[id];
    connection.id = id;
    connection.origin = origin.id.index;
    connection.number = dials_begun_++;
    connection.dial.begin(now_, dial_timeouts_);
    origin.pool.add(tables_, connection);
    origin.backoff.on_probe(now_, backoff_bounds_);
    if (origin.is_rationed) origin.ration.take(now_, ration_interval(origin));
    const bool is_refill = origin.pool.waiters() == 0 && origin.warm_target <= origin.pool.ready();
    if (is_refill) {
        connection.is_refill = true;
        origin.refill.take(now_, ration_interval(origin));
    }
    if (!origin.is_protocol_known) origin.probe_holds_until = base::after(now_, probe_patience);
    ++origin.counters->opened;
    arm(connection, timed_kind::dial, connection.dial.deadline());
    emit({.kind = action_kind::dial, .connection = id, .origin = origin.id});
}

void implementation::arm(connection_record& connection, timed_kind kind, time_point when) {
    connection.armed = when;
    deadlines_.set(connection.timer, when, {kind, connection.id.index});
}

void implementation::apply(connection_record& connection, const dial_effect& effect) {
    if (!effect.accepted) {
        ++stale_facts_;
        return;
    }
    if (effect.failure != dial_failure::none) return fail_dial(connection, effect.failure, true);
    action out{.connection = connection.id, .origin = origin_of(connection).id};
    out.kind = action_kind::cancel_connect;
    for (std::uint64_t left = effect.cancel; left != 0; left &= left - 1) {
        out.value = static_cast<std::uint64_t>(__builtin_ctzll(left));
        emit(out);
    }
    if (effect.connect != dial_effect::no_attempt) {
        out.kind = action_kind::connect;
        out.value = effect.connect;
        connection.connect_began = now_;
        if (effect.connect != 0 && !connection.is_slow_dial) {
            connection.is_slow_dial = true;
            ++origin_of(connection).slow_dials;
            touch(origin_of(connection));
        }
        emit(out);
    }
    arm(connection, timed_kind::dial, connection.dial.deadline());
}

void implementation::on_resolved(time_point now, connection_id name, std::size_t addresses) {
    advance(now);
    connection_record* connection = tables_.connections.find(name);
    if (connection == nullptr) {
        ++stale_facts_;
    } else {
        apply(*connection, connection->dial.on_resolved(now_, dial_timeouts_, addresses));
    }
    settle();
}

void implementation::on_connected(time_point now, connection_id name, std::uint32_t address) {
    advance(now);
    connection_record* connection = tables_.connections.find(name);
    if (connection == nullptr) {
        ++stale_facts_;
    } else {
        const dial_effect effect = connection->dial.on_connected(now_, dial_timeouts_, address);
        apply(*connection, effect);
        origin_record& origin = origin_of(*connection);
        if (effect.accepted) origin.answers.on_connected(now_ - connection->connect_began);
        if (effect.accepted && origin.settings.tls) {
            origin.pool.change(tables_, *connection, connection_event::connected);
            scheduler_.add(name, connection->number);
        }
    }
    settle();
}

void implementation::on_connect_failed(time_point now, connection_id name, std::uint32_t address) {
    advance(now);
    connection_record* connection = tables_.connections.find(name);
    if (connection == nullptr) {
        ++stale_facts_;
    } else {
        apply(*connection, connection->dial.on_connect_failed(now_, dial_timeouts_, address));
    }
    settle();
}

void implementation::on_handshake_need(time_point now, connection_id name, handshake_need need) {
    advance(now);
    if (!scheduler_.set_need(name, need)) {
        ++stale_facts_;
    } else if (need == handshake_need::flight) {
        note_flight(tables_.connections[name]);
    }
    settle();
}

void implementation::note_flight(connection_record& connection) {
    if (connection.hello_at == time_point::min()) return;
    const duration waited = now_ - std::exchange(connection.hello_at, time_point::min());
    duration& estimate = origin_of(connection).flight_wait;
    const bool is_lower = estimate == duration::zero() || waited < estimate;
    estimate = is_lower ? waited : estimate + (waited - estimate) / 32;
}

void implementation::on_turn(time_point now) {
    advance(now);
    scheduler_.begin_turn();
    for (connection_id next = scheduler_.next(); next.is_valid(); next = scheduler_.next()) {
        emit({.kind = action_kind::step,
              .connection = next,
              .origin = origin_of(tables_.connections[next]).id});
    }
    settle();
}

void implementation::on_permits(time_point now) {
    set_time(now);
    scheduler_.on_permits();
}

void implementation::on_slice_done(time_point now, connection_id name, duration cost,
                                   slice_outcome outcome) {
    advance(now);
    if (scheduler_.on_slice_done(name, cost, outcome)) {
        connection_record& connection = tables_.connections[name];
        connection.handshake_cpu += cost;
        const bool is_hello = outcome == slice_outcome::waiting && connection.handshake_cpu == cost;
        if (is_hello) connection.hello_at = now_;
        origin_of(connection).counters->handshake_cpu += cost;
    } else {
        ++stale_facts_;
    }
    settle();
}

void implementation::on_ready(time_point now, connection_id name, const ready_facts& facts) {
    advance(now);
    connection_record* connection = tables_.connections.find(name);
    if (connection == nullptr || connection->dial.phase() != dial_phase::securing) {
        ++stale_facts_;
        return settle();
    }
    origin_record& origin = origin_of(*connection);
    scheduler_.remove(name);
    connection->dial.end();
    if (std::exchange(connection->is_slow_dial, false)) --origin.slow_dials;
    deadlines_.remove(connection->timer);
    if (!origin.has_to_prove_itself) origin.backoff.on_success();
    origin.no_ports_until = time_point::min();
    if (is_ceiling_tried_) limits_.raise_ceiling(2);
    note_protocol(origin, facts);
    connection->is_multiplexed = facts.is_multiplexed;
    if (facts.is_multiplexed) {
        connection->resets.begin(now_, reset_limits());
        allow_streams(*connection, facts.max_streams);
    }
    if (origin.settings.tls) {
        connection->is_handshake_complete = true;
        ++(facts.resumed ? origin.counters->handshakes_resumed : origin.counters->handshakes_full);
    }
    const pool_config& pool = settings_.pool;
    duration idle = pool.idle_timeout;
    if (pool.learn_idle_timeout)
        idle = std::min(idle, origin.idle_closes.limit(now_).value_or(idle));
    connection->idle_timeout = jittered(idle, pool.jitter, random_);
    watch_lifetime(*connection, jittered(pool.max_lifetime, pool.jitter, random_));
    connection->idle_since = now_;
    origin.pool.change(tables_, *connection, connection_event::ready);
    note_refill(*connection);
    touch(origin);
    offer(*connection);
    if (facts.is_multiplexed) {  // those it replaces get no more
        tables_.connections.for_each([&](connection_id, connection_record& other) {
            if (other.origin != origin.id.index || !is_ready(other.state)) return;
            if (other.is_multiplexed) replace_spent(other);
        });
    }
    settle();
}

void implementation::on_dial_failed(time_point now, connection_id name, dial_failure failure) {
    advance(now);
    connection_record* connection = tables_.connections.find(name);
    if (connection == nullptr || !is_coming(connection->state)) {
        ++stale_facts_;
    } else {
        fail_dial(*connection, failure, false);
    }
    settle();
}

// Ends a dial that failed. `tell`: core found out, so the shard is told to close it.
void implementation::fail_dial(connection_record& connection, dial_failure failure, bool tell) {
    origin_record& origin = origin_of(connection);
    const time_point began = connection.dial.began();
    ++origin.counters->failed_dials;
    if (connection.state == connection_state::handshaking) ++origin.counters->handshakes_failed;
    if (tell) {
        close(connection, close_reason::dial_failed, failure);
    } else {
        forget(connection, close_reason::dial_failed);
    }
    after_dial_failure(origin, failure, began);
}

void implementation::after_dial_failure(origin_record& origin, dial_failure failure,
                                        time_point began) {
    origin.wants_spare = false;  // the next exchange may want it again
    origin.has_lost_one = false;
    end_warm_ups(origin, wait_failure::dial);
    const bool no_descriptor = failure == dial_failure::descriptor_limit;
    if (no_descriptor && limits_.used() != 0) return begin_ceiling();
    origin.backoff.on_failure(now_, began, backoff_bounds_, random_);
    const bool no_port = failure == dial_failure::port_limit;
    if (no_port && limits_.count(origin.id.index) != 0) {
        // Waiters are better served by what is there; ports come back when connections end.
        origin.no_ports_until = base::after(now_, settings_.pool.max_backoff);
        return;
    }
    ++origin.dial_failures;
    if (is_permanent(failure)) ++origin.permanent_failures;
    const bool is_limit = no_descriptor || no_port;
    fail_waiters_after(origin, is_limit ? wait_failure::descriptor_limit : wait_failure::dial,
                       is_permanent(failure));
}

// As many connections as there are is what the process has descriptors for. Waiters stand in line
// for one of them, as at the limit of all connections: what is idle or drains makes way for them.
void implementation::begin_ceiling() {
    limits_.set_ceiling();
    is_ceiling_tried_ = false;
    deadlines_.set(ceiling_timer_, base::after(now_, settings_.pool.max_backoff),
                   {timed_kind::ceiling, 0});
}

// The rest of the process may have closed something: one dial more finds out, and where it succeeds
// others follow. A ceiling that nobody touches is of no use.
void implementation::on_ceiling_due() {
    if (!limits_.is_at_ceiling()) {
        is_ceiling_tried_ = false;
        return limits_.lift_ceiling();
    }
    limits_.raise_ceiling(1);
    is_ceiling_tried_ = true;
    deadlines_.set(ceiling_timer_, base::after(now_, settings_.pool.max_backoff),
                   {timed_kind::ceiling, 0});
}

// The waiter the dial would have served fails if it has no patience left (a permanent failure
// leaves none to anybody); so do others that have seen it happen twice. Whoever came first has
// waited longest and seen most, so only the front of the queue is looked at.
void implementation::fail_waiters_after(origin_record& origin, wait_failure failure,
                                        bool is_permanent_failure) {
    bool is_head = true;
    for (;;) {
        const std::uint32_t index = origin.pool.first_waiter(tables_);
        if (index == no_index) return;
        const exchange_record& waiter = tables_.exchanges.at(index);
        const bool is_impatient = now_ - waiter.since >= settings_.pool.dial_patience;
        const bool saw_failures =
            is_impatient && origin.dial_failures - waiter.failed_dials_before >= 2;
        const bool saw_permanent =
            is_permanent_failure &&
            origin.permanent_failures - waiter.permanent_failures_before >= 2;
        const bool fails_as_head = is_head && (is_impatient || is_permanent_failure);
        if (!fails_as_head && !saw_failures && !saw_permanent) return;
        fail_waiter(index, failure);
        is_head = false;
    }
}

// An origin that has nothing and only pauses between failures is of no use to whoever has lost
// patience.
void implementation::fail_impatient(origin_record& origin) {
    if (origin.backoff.failures() < 2 || limits_.count(origin.id.index) != 0) return;
    for (;;) {
        const std::uint32_t index = origin.pool.first_waiter(tables_);
        if (index == no_index) return;
        if (now_ - tables_.exchanges.at(index).since < settings_.pool.dial_patience) return;
        fail_waiter(index, wait_failure::dial);
    }
}

void implementation::close(connection_record& connection, close_reason reason,
                           dial_failure failure) {
    emit({.kind = action_kind::close,
          .reason = reason,
          .dial = failure,
          .connection = connection.id,
          .origin = origin_of(connection).id});
    forget(connection, reason);
}

// The connection leaves core, and whatever exchanges were still on it.
void implementation::forget(connection_record& connection, close_reason reason) {
    origin_record& origin = origin_of(connection);
    scheduler_.remove(connection.id);
    deadlines_.remove(connection.timer);
    deadlines_.remove(connection.silent_timer);
    deadlines_.remove(connection.leave_timer);
    if (connection.is_slow_dial) --origin.slow_dials;
    tables_.by_use.remove(connection.use);
    if (!connection.assigned.empty()) origin.releases.reset();
    while (!connection.assigned.empty()) detach(connection, connection.assigned.front());
    origin.pool.change(tables_, connection, connection_event::close);
    ++origin.counters->closed;
    ++origin.counters->closed_by_reason[static_cast<std::size_t>(reason)];
    if (connection.is_handshake_complete && !connection.has_carried) {
        ++origin.counters->handshakes_wasted;
    }
    // An origin that closes what it was not asked on would be dialled for ever.
    const bool is_unwanted = reason == close_reason::peer || reason == close_reason::peer_error;
    if (is_unwanted && !connection.has_carried) {
        origin.refill.take(now_ + settings_.pool.max_backoff, settings_.pool.max_backoff);
    }
    limits_.close(connection.origin);
    origin.no_ports_until = time_point::min();  // this one's is free
    touch(origin);
    tables_.connections.erase(connection.id);
}

}  // namespace hearth::core
