// Dials nobody waits for: `min_ready`, and connections that are replaced before they are missed.
// Part of pool_core's inside, see pool_state.hpp.
//
// A connection leaves `pool.replace_ahead` before its lifetime ends: it serves on, but another one
// is dialled if those that last are fewer than were in use at once of late. So the close costs
// nobody a handshake. One that its origin ends gets no more exchanges and is replaced as soon as
// that may be. All such dials are one at a time, at a tenth of a core, behind those for waiters,
// and of what is free only.
#include <algorithm>

#include "core/pool_state.hpp"

namespace hearth::core {

using implementation = pool_core::implementation;

// When a refill calls for a dial, `never` if none does. Asking for leases would close what rests
// elsewhere, which would then be refilled in turn.
time_point implementation::refill_at(const origin_record& origin) const {
    if (is_draining_ || origin.pool.coming() != 0 || !is_short(origin)) return base::never;
    const time_point last = origin.answers.last_answer();
    const bool is_used = last != time_point::min() && now_ - last <= settings_.pool.max_lifetime;
    if (!is_used || !limits_.has_lease()) return base::never;
    return std::max(origin.refill.next(), now_);
}

bool implementation::is_short(const origin_record& origin) const {
    if (origin.pool.ready() < origin.part_of(settings_.pool.min_ready)) return true;
    if (origin.pool.to_replace() == 0 && !origin.has_lost_one) return false;
    if (origin.pool.count(connection_state::idle) >= most_idle(origin)) return false;
    return origin.pool.lasting() < refill_target(origin);
}

// Connections that `min_ready` or the use of late needs.
std::uint32_t implementation::refill_target(const origin_record& origin) const {
    return std::max(
        {origin.part_of(settings_.pool.min_ready), origin.used.value(now_), origin.pool.in_use()});
}

void implementation::watch_lifetime(connection_record& connection, duration lifetime) {
    connection.retire_at = base::after(now_, lifetime);
    if (!settings_.pool.replace_ahead) return;
    const duration ahead = std::min<duration>(*settings_.pool.replace_ahead, lifetime / 4);
    deadlines_.set(connection.leave_timer, connection.retire_at - ahead,
                   {timed_kind::leave, connection.id.index});
}

// A dial is done. One that nobody waited for stands for one that leaves.
void implementation::note_refill(connection_record& connection) {
    origin_record& origin = origin_of(connection);
    origin.has_lost_one = false;
    if (connection.is_refill && origin.pool.to_replace() != 0) origin.pool.replace();
}

// The origin has ended a connection that served.
void implementation::note_goaway(origin_record& origin) {
    if (!settings_.pool.replace_ahead) return;
    origin.has_lost_one = true;
    touch(origin);
}

}  // namespace hearth::core
