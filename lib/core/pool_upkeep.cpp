// Deadlines, warm-up, what origins want and get (limits, leases), and the end of the pool. Part of
// pool_core's inside, see pool_state.hpp.
#include <algorithm>

#include "core/pool_state.hpp"

namespace hearth::core {

using implementation = pool_core::implementation;

namespace {

// At the least, before a connection that could not go yet is looked at again.
constexpr std::chrono::milliseconds look_again{1};

}  // namespace

void implementation::set_time(time_point now) {
    HEARTH_ASSERT(now >= now_);
    now_ = std::max(now_, now);
}

void implementation::advance(time_point now) {
    set_time(now);
    timed what;
    while (deadlines_.pop_due(now_, what)) on_due(what);
}

void implementation::on_timer(time_point now) {
    advance(now);
    settle();
}

void implementation::on_due(const timed& what) {
    switch (what.kind) {
        case timed_kind::dial: {
            connection_record& connection = tables_.connections.at(what.index);
            connection.timer = 0;
            return apply(connection, connection.dial.on_timer(now_, dial_timeouts_));
        }
        case timed_kind::idle: return on_idle_due(what.index);
        case timed_kind::drain: {
            connection_record& connection = tables_.connections.at(what.index);
            connection.timer = 0;
            return close(connection, close_reason::drain_limit);
        }
        case timed_kind::leave: {
            connection_record& connection = tables_.connections.at(what.index);
            connection.leave_timer = 0;
            origin_of(connection).pool.leave(connection);
            if (connection.is_outdated) {
                deadlines_.set(connection.leave_timer, connection.gone_at,
                               {timed_kind::gone, what.index});
            }
            return touch(origin_of(connection));
        }
        case timed_kind::gone: {
            connection_record& connection = tables_.connections.at(what.index);
            connection.leave_timer = 0;
            return on_gone(connection);
        }
        case timed_kind::silent: {
            connection_record& connection = tables_.connections.at(what.index);
            connection.silent_timer = 0;
            return on_silent_due(connection);
        }
        case timed_kind::waiter: return on_waiter_due(what.index);
        case timed_kind::origin: {
            origin_record& origin = origins_.at(what.index);
            origin.timer = 0;
            return touch(origin);
        }
        case timed_kind::warm_up:
            warm_ups_.at(what.index).timer = 0;
            return end_warm_up(what.index, wait_failure::deadline);
        case timed_kind::ceiling: ceiling_timer_ = 0; return on_ceiling_due();
        case timed_kind::excess: excess_timer_ = 0; return on_excess_due();
    }
}

void implementation::on_idle_due(std::uint32_t index) {
    connection_record& connection = tables_.connections.at(index);
    connection.timer = 0;
    // Else armed again when it rests. One that has room for nobody rests too.
    if (connection.exchanges != 0 || !is_ready(connection.state)) return;
    const time_point end = connection.idle_end();
    if (end > now_) return arm(connection, timed_kind::idle, end);
    const bool is_old = connection.retire_at <= now_;
    const bool has_patience = base::after(connection.idle_since, connection.idle_timeout) > now_;
    if (is_old && has_patience && !may_go(connection)) {  // others come first
        connection.retire_at = now_ + (connection.gone_at - now_) / 8 + look_again;
        return arm(connection, timed_kind::idle, connection.idle_end());
    }
    close(connection, is_old ? reason_of(connection) : close_reason::idle_timeout);
}

void implementation::touch(origin_record& origin) {
    if (origin.is_touched) return;
    origin.is_touched = true;
    touched_.push_back(origin.id.index);
}

// Works off what was touched. Ends: each round hands out dials (bounded by demand) or closes
// connections.
void implementation::settle() {
    do {
        while (!touched_.empty()) {
            origin_record& origin = origins_.at(touched_.back());
            touched_.pop_back();
            origin.is_touched = false;
            balance(origin);
        }
        if (limits_.first_in_line() != no_index) hand_out();
    } while (!touched_.empty());
    if (limits_.owed() != 0) pay_leases();
    if (limits_.recalled() != 0) answer_recall();
    if (owes_drained_ && exchanges_ == 0 && tables_.connections.size() == 0) {
        owes_drained_ = false;
        emit({.kind = action_kind::drained});
    }
}

// Computes anew what an origin wants, and when to look at it again.
void implementation::balance(origin_record& origin) {
    fail_impatient(origin);
    serve_waiters(origin);
    end_warm_ups(origin, wait_failure::none);
    if (is_draining_) wind_down(origin);
    ration(origin);
    if (origin.has_lost_one && !is_short(origin)) origin.has_lost_one = false;
    const demand wanted = demand_of(origin);
    limits_.set_demand(origin.id.index, wanted.for_waiters, wanted.in_all);

    time_point again = base::never;
    const bool wants_dials =
        uncovered(origin) != 0 || origin.warm_target > origin.pool.ready() || origin.wants_spare;
    const time_point refill = refill_at(origin);
    if (wants_dials && dial_hold(origin) > now_) again = dial_hold(origin);
    if (std::max(refill, dial_hold(origin)) > now_ && refill != base::never) {
        again = std::min(again, std::max(refill, dial_hold(origin)));
    }
    const std::uint32_t waiter = origin.pool.first_waiter(tables_);
    if (waiter != no_index && origin.backoff.failures() >= 2 &&
        limits_.count(origin.id.index) == 0) {
        const time_point patience_ends =
            base::after(tables_.exchanges.at(waiter).since, settings_.pool.dial_patience);
        again = std::min(again, patience_ends);
    }
    if (origin.timer != 0 || again != base::never) {
        deadlines_.set(origin.timer, again, {timed_kind::origin, origin.id.index});
    }
}

// Connections that would serve all waiters, dials in progress included.
std::uint32_t implementation::connections_needed(const origin_record& origin) const {
    const std::uint32_t fresh = origin.pool.fresh_waiters();
    const std::uint32_t ordinary = origin.pool.waiters() - fresh;
    const std::uint32_t each = origin.exchanges_per_connection;
    return fresh + (ordinary + each - 1) / each;
}

// Of these, how many no dial in progress will bring.
std::uint32_t implementation::uncovered(const origin_record& origin) const {
    if (is_crowded(origin)) return 0;
    const std::uint32_t needed = connections_needed(origin);
    if (!origin.is_protocol_known) return std::min(needed, 1U);  // a probe may hang, see dial_hold
    return needed > origin.pool.coming() ? needed - origin.pool.coming() : 0;
}

// No dial to `origin` before then; in the past if nothing holds it.
time_point implementation::dial_hold(const origin_record& origin) const {
    const bool has_any = limits_.count(origin.id.index) != 0;
    time_point until = origin.backoff.until();
    if (has_any) until = std::max(until, origin.no_ports_until);
    if (origin.is_rationed) until = std::max(until, origin.ration.next());
    const bool is_probed = !origin.is_protocol_known && origin.pool.coming() != 0;
    if (is_probed) until = std::max(until, origin.probe_holds_until);
    return until;
}

// Connections of the origin itself that would be closed for a live waiter at its limit: those that
// only drain, and for waiters that want a fresh connection any idle one.
std::uint32_t implementation::room_to_make(const origin_record& origin) const {
    if (limits_.beyond(origin.id.index) != 0) return 0;  // one less would still be too many
    const std::uint32_t for_fresh = std::min(origin.pool.fresh_waiters(), origin.pool.idle_used());
    return origin.pool.cancelled() + for_fresh;
}

// Dials that may begin now. Of those with TLS, as many as keep the CPU busy are enough: others
// would only queue for it, and be of no use by the time they get it. That is what the CPU can do
// while one waits for the network (twice that, because waits vary), and a few. Without a
// measurement it is twice as many as may be past their ClientHello. Fewer where those who wait are
// served by what comes free before a dial that begins now is through: of the last ones begun after
// a restart nobody would have any use. One that tries its next address holds up nobody.
std::uint32_t implementation::dials_allowed(const origin_record& origin) const {
    if (!origin.settings.tls || !settings_.overload.schedule_handshakes) return no_index;
    // In the simulated storms 2, 4, 8, 10 and 16 answer 84, 86, 92, 92 and 87 % in time where slow
    // calls fill the CPU (a call each 60 us, a tenth slow); elsewhere they differ in handshakes
    // only, after a restart 62, 71, 87 and 92 with 2, 4, 8 and 16.
    constexpr std::int64_t a_few = 8;
    std::int64_t most = std::int64_t{2} * settings_.handshake.max_concurrent;
    const duration cost = scheduler_.hello_cost() + scheduler_.flight_cost();
    const duration wait = origin.flight_wait + origin.answers.round_trip();
    if (origin.flight_wait != duration::zero() && cost != duration::zero()) {
        most = std::min(most, a_few + 2 * wait / cost);
    }
    const std::int64_t coming = origin.pool.coming();
    constexpr std::int64_t relieved = 4;
    const duration dial = 2 * wait + cost * (coming + 1);
    const double enough = connections_needed(origin);
    if (enough <= static_cast<double>(coming) + origin.releases.within(now_, dial)) {
        most = std::min(most, relieved);
    }
    most += origin.slow_dials;
    return most > coming ? static_cast<std::uint32_t>(most - coming) : 0;
}

implementation::demand implementation::demand_of(const origin_record& origin) const {
    if (dial_hold(origin) > now_) return {};
    const std::uint32_t room = limits_.room(origin.id.index);
    const std::uint32_t coming = origin.pool.coming();
    const std::uint32_t ready = origin.pool.ready();
    const std::uint32_t for_waiters = std::min(uncovered(origin), room + room_to_make(origin));
    const std::uint32_t missing_warm = origin.warm_target > ready ? origin.warm_target - ready : 0;
    const std::uint32_t for_warm = missing_warm > coming ? missing_warm - coming : 0;
    const bool wants_one = origin.wants_spare || refill_at(origin) <= now_;
    const std::uint32_t spare = wants_one && coming == 0 ? 1 : 0;
    const std::uint32_t unasked = std::min(std::max(for_warm, spare), room);
    demand wanted{for_waiters, std::max(for_waiters, unasked)};
    const std::uint32_t allowed = std::min(dials_allowed(origin), dials_for_streams(origin));
    wanted.for_waiters = std::min(wanted.for_waiters, allowed);
    wanted.in_all = std::min(wanted.in_all, allowed);
    if (origin.backoff.is_failing() || origin.is_rationed) {  // one at a time
        wanted.for_waiters = std::min(wanted.for_waiters, 1U);
        wanted.in_all = std::min(wanted.in_all, 1U);
    }
    return wanted;
}

// Starts dials in the order of the lines, as far as leases are there or can be made.
void implementation::hand_out() {
    for (std::uint32_t index = limits_.first_in_line(); index != no_index;
         index = limits_.first_in_line()) {
        origin_record& origin = origins_.at(index);
        if (dial_hold(origin) > now_) {  // since it went into the line
            touch(origin);
            limits_.set_demand(index, 0, 0);
            continue;
        }
        const bool has_streams_room = !origin.is_multiplexed || streams_room(origin) != 0;
        const bool has_room = (limits_.has_room(index) && has_streams_room) || make_room(origin);
        HEARTH_ASSERT(has_room);  // else it would not stand in line
        if (!has_room) {
            limits_.set_demand(index, 0, 0);
            continue;
        }
        const bool may_make_lease = limits_.waiters_in_line() && limits_.owed() == 0;
        if (!limits_.has_lease() && !(may_make_lease && make_lease())) break;
        begin_dial(origin);
        const demand left = demand_of(origin);
        limits_.set_demand(index, left.for_waiters, left.in_all);
        limits_.rotate(index);
        // To look again after the pause.
        const bool has_hold = origin.is_rationed || !origin.is_protocol_known;
        if (origin.backoff.is_failing() || has_hold) touch(origin);
    }
    const std::uint32_t more = limits_.first_in_line() == no_index ? 0 : limits_.take_request();
    if (more != 0) emit({.kind = action_kind::want_lease, .value = more});
}

bool implementation::make_room(origin_record& origin) {
    const bool can_use_idle = origin.pool.fresh_waiters() != 0 && origin.pool.idle_used() != 0;
    const std::uint32_t index =
        can_use_idle ? origin.pool.oldest_used() : origin.pool.youngest_draining();
    if (index == no_index) return false;
    close(tables_.connections.at(index),
          can_use_idle ? close_reason::evicted : close_reason::gave_way);
    return true;
}

// Closes what is needed least, of any origin: the longest idle connection, else the one that began
// to drain last, which has the longest to go.
bool implementation::make_lease() {
    const std::uint32_t idle = tables_.least_recently_used();
    if (idle != no_index) {
        close(tables_.connections.at(idle), close_reason::evicted);
        return true;
    }
    if (tables_.draining_by_age.empty()) return false;
    close(tables_.connections.at(tables_.draining_by_age.back()), close_reason::gave_way);
    return true;
}

void implementation::on_lease(time_point now, std::uint32_t granted) {
    advance(now);
    limits_.grant(granted);
    settle();
}

void implementation::on_lease_recall(time_point now, std::uint32_t wanted) {
    advance(now);
    limits_.set_recall(wanted);
    settle();
}

// Gives back what is unused, and what only rests here while nobody here waits for it.
void implementation::answer_recall() {
    std::uint64_t returned = 0;
    while (limits_.recalled() != 0 && !limits_.waiters_in_line()) {
        if (limits_.give_back()) {
            ++returned;
        } else if (!make_lease()) {
            break;
        }
    }
    if (returned != 0) emit({.kind = action_kind::return_lease, .value = returned});
    if (!touched_.empty()) settle();  // ends: what is recalled only shrinks
}

void implementation::warm(time_point now, origin_id name, std::uint32_t count, std::uint64_t ticket,
                          time_point deadline) {
    advance(now);
    origin_record* origin = origins_.find(name);
    if (origin == nullptr || is_draining_ || deadline <= now_) {
        const std::uint32_t ready = origin == nullptr ? 0 : origin->pool.ready();
        emit({.kind = action_kind::warmed,
              .failure = is_draining_ ? wait_failure::draining : wait_failure::deadline,
              .origin = name,
              .value = ticket,
              .count = ready});
        return settle();
    }
    // More than the limits allow would never come, or be closed as soon as it rests.
    std::uint32_t possible = limits_.limit(name.index);
    possible = std::min(possible, most_idle(*origin));
    if (origin->is_multiplexed) possible = std::min(possible, most_multiplexed(*origin));
    const warm_id id = warm_ups_.emplace();
    warm_record& record = warm_ups_[id];
    record.id = id;
    record.origin = name.index;
    record.count = std::min(count, possible);
    record.ticket = ticket;
    deadlines_.set(record.timer, deadline, {timed_kind::warm_up, id.index});
    origin->warm_ups.push_back(id.index, warm_links());
    origin->warm_target = std::max(origin->warm_target, record.count);
    touch(*origin);
    settle();
}

// Ends the warm-ups that have what they asked for, and if something went wrong all others too.
void implementation::end_warm_ups(origin_record& origin, wait_failure why) {
    if (is_draining_) why = wait_failure::draining;
    for (std::uint32_t index = origin.warm_ups.front(); index != no_index;) {
        const warm_record& record = warm_ups_.at(index);
        const std::uint32_t next = record.links.next;
        if (record.count <= origin.pool.ready()) {
            end_warm_up(index, wait_failure::none);
        } else if (why != wait_failure::none) {
            end_warm_up(index, why);
        }
        index = next;
    }
}

void implementation::end_warm_up(std::uint32_t index, wait_failure why) {
    warm_record& record = warm_ups_.at(index);
    origin_record& origin = origins_.at(record.origin);
    emit({.kind = action_kind::warmed,
          .failure = why,
          .origin = origin.id,
          .value = record.ticket,
          .count = origin.pool.ready()});
    deadlines_.remove(record.timer);
    origin.warm_ups.remove(index, warm_links());
    warm_ups_.erase(record.id);
    origin.warm_target = 0;
    for (std::uint32_t i = origin.warm_ups.front(); i != no_index; i = warm_ups_.at(i).links.next) {
        origin.warm_target = std::max(origin.warm_target, warm_ups_.at(i).count);
    }
    touch(origin);
}

void implementation::drain(time_point now) {
    advance(now);
    is_draining_ = true;
    owes_drained_ = true;
    origins_.for_each([this](origin_id, origin_record& origin) { touch(origin); });
    tables_.connections.for_each([this](connection_id, connection_record& connection) {
        const bool has_room_for_nobody =
            connection.state == connection_state::full && connection.exchanges == 0;
        if (has_room_for_nobody) close(connection, close_reason::client_closed);
    });
    settle();
}

// While the pool drains: ends what nobody can use any more.
void implementation::wind_down(origin_record& origin) {
    origin.wants_spare = false;
    for (std::uint32_t i = origin.pool.oldest_idle(tables_); i != no_index;
         i = origin.pool.oldest_idle(tables_)) {
        close(tables_.connections.at(i), close_reason::client_closed);
    }
    while (origin.pool.cancelled() != 0) {
        close(tables_.connections.at(origin.pool.oldest_draining()), close_reason::client_closed);
    }
    while (origin.pool.coming() > connections_needed(origin)) {
        close(tables_.connections.at(origin.pool.youngest_coming()), close_reason::unused_dial);
    }
}

void implementation::shut_down(time_point now) {
    set_time(now);
    is_draining_ = true;
    for (std::uint32_t i = 0; i < tables_.exchanges.size(); ++i) {
        if (tables_.exchanges.at(i).state == exchange_state::waiting) end_waiter(i);
    }
    warm_ups_.for_each([this](warm_id, warm_record& record) {
        deadlines_.remove(record.timer);
        origins_.at(record.origin).warm_ups = {};
        origins_.at(record.origin).warm_target = 0;
    });
    warm_ups_.clear();
    origins_.for_each([this](origin_id, origin_record& origin) { touch(origin); });
    tables_.connections.for_each([this](connection_id, connection_record& connection) {
        close(connection, close_reason::client_closed);
    });
    advance(now);  // what was due all the same finds nothing left to end
    settle();
}

}  // namespace hearth::core
