// Connections whose TLS profile was replaced, and origins that are forgotten. Part of pool_core's
// inside, see pool_state.hpp.
//
// An outdated connection is an old one before its time: it leaves as one does whose lifetime is
// nearly over (pool_refill), so others are dialled ahead, paced, if they are needed. The times at
// which those of one moment end are spread over half of what is allowed. Where others cannot be had
// (the origin does not take the new certificate), what `min_ready` asks for stays until the last
// moment, and serves.
#include <algorithm>

#include "core/pool_state.hpp"

namespace hearth::core {

using implementation = pool_core::implementation;

void implementation::on_outdated(time_point now, connection_id name, duration within) {
    advance(now);
    connection_record* connection = tables_.connections.find(name);
    if (connection == nullptr || is_coming(connection->state)) {
        ++stale_facts_;
        return settle();
    }
    if (!std::exchange(connection->is_outdated, true)) {
        connection->gone_at = base::after(now_, within);
        const auto later = std::chrono::duration_cast<duration>(within / 2 * random_.unit());
        const time_point end = now_ + within / 4 + later;
        connection->retire_at = std::min(connection->retire_at, end);
        const timed_kind next = connection->is_leaving ? timed_kind::gone : timed_kind::leave;
        const duration ahead = std::min<duration>(
            settings_.pool.replace_ahead.value_or(milliseconds{5'000}), within / 4);
        deadlines_.set(connection->leave_timer,
                       connection->is_leaving ? connection->gone_at : connection->retire_at - ahead,
                       {next, connection->id.index});
        if (connection->state == connection_state::idle) {
            arm(*connection, timed_kind::idle, connection->idle_end());
        } else if (connection->exchanges != 0 && !connection->is_cancelled) {
            deadlines_.remove(connection->timer);  // armed anew when it rests
        }
    }
    settle();
}

// Whether an old connection may end now. One that is merely outdated must not cost `min_ready`, as
// long as there is room for another.
bool implementation::may_go(const connection_record& connection) const {
    if (!connection.is_outdated || now_ >= connection.gone_at) return true;
    const origin_record& origin = origins_.at(connection.origin);
    if (origin.pool.ready() > origin.part_of(settings_.pool.min_ready)) return true;
    return !limits_.has_room(connection.origin) || !limits_.has_lease();
}

void implementation::on_gone(connection_record& connection) {
    if (is_ready(connection.state))
        end_softly(connection, close_reason::outdated);
    else
        retire(connection, close_reason::outdated);
}

origin_use implementation::use_of(origin_id name) const {
    const origin_record* origin = origins_.find(name);
    if (origin == nullptr) return origin_use::none;
    const bool is_used = limits_.count(name.index) != 0 || origin->pool.waiters() != 0 ||
                         !origin->warm_ups.empty() || origin->is_rationed;
    if (is_used) return origin_use::in_use;
    return origin->backoff.is_failing() ? origin_use::troubled : origin_use::none;
}

void implementation::forget_origin(time_point now, origin_id name) {
    advance(now);
    settle();
    HEARTH_ASSERT(use_of(name) != origin_use::in_use);
    origin_record* origin = origins_.find(name);
    if (origin == nullptr || use_of(name) == origin_use::in_use) return;
    deadlines_.remove(origin->timer);
    limits_.set_demand(name.index, 0, 0);
    limits_.remove_origin(name.index);
    std::erase(excessive_, name.index);
    origins_.erase(name);
}

}  // namespace hearth::core
