// Other settings for a running pool, and what they leave too much of. Part of pool_core's inside,
// see pool_state.hpp.
//
// A limit that was lowered below what is open opens nothing more. Connections beyond it end when
// their exchange does; those that rest, and multiplexed ones, are ended a few at a time, so that no
// turn is long. No exchange is cut.
#include <algorithm>

#include "core/pool_state.hpp"

namespace hearth::core {

using implementation = pool_core::implementation;

namespace {

// Some hundred a second: a close costs a system call or two.
constexpr int closes_at_once = 8;
// Whoever asks for places does not tell more of them apart.
constexpr std::uint32_t enough_places = 255;
constexpr std::chrono::milliseconds pause_between_closes{10};
// What a shorter timeout ends at once ends within this time.
constexpr std::chrono::seconds spread{1};

[[nodiscard]] dial_timeouts dial_timeouts_of(const pool_settings& settings) {
    return {settings.timeouts.name, settings.timeouts.connect, settings.timeouts.handshake,
            settings.attempt_delay};
}

}  // namespace

void implementation::update(time_point now, const pool_settings& settings) {
    advance(now);
    const pool_settings before = std::exchange(settings_, settings);
    settings_.overload.schedule_handshakes = before.overload.schedule_handshakes;
    settings_.permits = before.permits;
    dial_timeouts_ = dial_timeouts_of(settings_);
    backoff_bounds_ = {settings_.pool.min_backoff, settings_.pool.max_backoff};
    scheduler_.set_limits(settings_.handshake);
    limits_.set_total(settings_.pool.max_connections);
    origins_.for_each([this](origin_id id, origin_record& origin) {
        limits_.set_limit(id.index, most_connections(origin));
        origin.pool.set_order(settings_.pool.idle_order);
        touch(origin);
        excessive_.push_back(id.index);
    });
    tables_.connections.for_each([&](connection_id, connection_record& connection) {
        if (is_ready(connection.state)) shorten_life(connection, before.pool);
        if (connection.is_multiplexed) {
            connection.max_exchanges =
                std::min(connection.max_exchanges, settings_.http2.max_streams);
            reconsider(connection);
        }
    });
    watch_excess();
    settle();
}

std::uint32_t implementation::most_connections(const origin_record& origin) const {
    const std::uint32_t own = origin.settings.max_connections;
    return origin.settings.part.of_connections(
        own != 0 ? own : settings_.pool.max_connections_per_origin);
}

std::uint32_t implementation::most_multiplexed(const origin_record& origin) const {
    return origin.settings.part.of_connections(settings_.http2.max_connections);
}

void implementation::set_part(time_point now, origin_id name, const origin_part& part) {
    advance(now);
    origin_record* origin = origins_.find(name);
    HEARTH_ASSERT(origin != nullptr);
    if (origin != nullptr && origin->settings.part != part) {
        origin->settings.part = part;
        limits_.set_limit(name.index, most_connections(*origin));
        // More than that would never come.
        const std::uint32_t most = limits_.limit(name.index);
        for (std::uint32_t i = origin->warm_ups.front(); i != no_index;
             i = warm_ups_.at(i).links.next) {
            warm_ups_.at(i).count = std::min(warm_ups_.at(i).count, most);
        }
        origin->warm_target = std::min(origin->warm_target, most);
        touch(*origin);
        excessive_.push_back(name.index);
        watch_excess();
    }
    settle();
}

bool implementation::is_within_part(origin_id name) const {
    const origin_record* origin = origins_.find(name);
    if (origin == nullptr) return true;
    const origin_pool& pool = origin->pool;
    return limits_.beyond(name.index) == 0 &&
           (!origin->is_multiplexed || pool.coming() + pool.ready() <= most_multiplexed(*origin));
}

// Of an origin that is asked by as many as it answers in time, nobody else is of use to the caller.
bool implementation::is_full(origin_id name) const {
    const origin_record* origin = origins_.find(name);
    if (origin == nullptr || origin->pool.available() != 0 || is_crowded(*origin)) return false;
    std::uint64_t coming = origin->pool.coming();
    if (dial_hold(*origin) <= now_ && (limits_.has_lease() || limits_.may_grow())) {
        const std::uint32_t room = limits_.room(name.index) + room_to_make(*origin);
        coming += std::min(room, dials_for_streams(*origin));
    }
    return origin->pool.waiters() >= coming * origin->exchanges_per_connection;
}

std::uint32_t implementation::places(origin_id name, std::uint32_t spare_leases) const {
    const origin_record* origin = origins_.find(name);
    if (origin == nullptr || is_draining_ || is_crowded(*origin)) return 0;
    const std::uint64_t idle = origin->pool.count(connection_state::idle);
    const std::uint32_t each = origin->exchanges_per_connection;
    const auto ready = static_cast<std::uint32_t>(std::min<std::uint64_t>(
        idle * each + origin->pool.room(tables_, enough_places), enough_places));
    const bool is_held = dial_hold(*origin) > now_ || origin->is_rationed;
    if (is_held || origin->backoff.is_failing()) return ready;
    const std::uint32_t room = std::min(limits_.room(name.index), limits_.spare() + spare_leases);
    const std::uint64_t coming =
        std::uint64_t{origin->pool.coming()} + std::min(room, dials_for_streams(*origin));
    const std::uint64_t covered = coming * each;
    const std::uint64_t waiters = origin->pool.waiters();
    const std::uint64_t more = covered > waiters ? covered - waiters : 0;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(ready + more, enough_places));
}

// Longer times hold for connections made from now on: what this one's peer said of its patience is
// in the time it has.
void implementation::shorten_life(connection_record& connection, const pool_config& before) {
    const pool_config& pool = settings_.pool;
    const auto until_soon = [this] {
        return std::chrono::duration_cast<duration>(spread * random_.unit());
    };
    if (pool.max_lifetime < before.max_lifetime && !connection.is_outdated) {
        const duration lifetime = jittered(pool.max_lifetime, pool.jitter, random_);
        const bool is_shorter = base::after(now_, lifetime) < connection.retire_at;
        if (is_shorter && !connection.is_leaving) watch_lifetime(connection, lifetime);
    }
    if (pool.idle_timeout < before.idle_timeout) {
        duration most = jittered(pool.idle_timeout, pool.jitter, random_);
        if (connection.exchanges == 0) {
            most = std::max(most, now_ - connection.idle_since + until_soon());
        }
        connection.idle_timeout = std::min(connection.idle_timeout, most);
    }
    if (connection.state == connection_state::idle) {
        arm(connection, timed_kind::idle, connection.idle_end());
    } else if (connection.exchanges != 0) {  // armed anew when it rests
        deadlines_.remove(connection.timer);
    }
}

// Connections of an origin that are to end, and do not yet.
std::uint32_t implementation::excess(const origin_record& origin) const {
    const origin_pool& pool = origin.pool;
    const std::uint32_t beyond = limits_.beyond(origin.id.index);
    const std::uint32_t ending = pool.count(connection_state::draining) - pool.cancelled();
    std::uint32_t result = beyond > ending ? beyond - ending : 0;
    const std::uint32_t most = most_multiplexed(origin);
    if (origin.is_multiplexed && pool.ready() > most) {
        result = std::max(result, pool.ready() - most);
    }
    return result;
}

std::uint32_t implementation::excess_idle(const origin_record& origin) const {
    const std::uint32_t idle = origin.pool.count(connection_state::idle);
    const std::uint32_t most = most_idle(origin);
    return idle > most ? idle - most : 0;
}

void implementation::watch_excess() {
    std::erase_if(excessive_, [this](std::uint32_t index) {
        const origin_record& origin = origins_.at(index);
        return excess(origin) == 0 && excess_idle(origin) == 0;
    });
    if (excess_timer_ != 0 || (excessive_.empty() && limits_.owed() == 0)) return;
    deadlines_.set(excess_timer_, now_ + pause_between_closes, {timed_kind::excess, 0});
}

void implementation::on_excess_due() {
    int left = closes_at_once;
    for (const std::uint32_t index : excessive_) {
        origin_record& origin = origins_.at(index);
        while (left > 0 && shrink(origin)) --left;
    }
    while (left > 0 && limits_.owed() != 0 && shrink_any()) --left;
    watch_excess();
}

// Ends one connection that the origin has too much, if one can be; false if none.
bool implementation::shrink(origin_record& origin) {
    const bool has_excess = excess(origin) != 0;
    if (!has_excess && excess_idle(origin) == 0) return false;
    const std::uint32_t idle = origin.pool.oldest_idle(tables_);
    if (idle != no_index) {
        close(tables_.connections.at(idle),
              has_excess ? close_reason::over_limit : close_reason::idle_limit);
        return true;
    }
    if (!has_excess) return false;
    if (origin.pool.cancelled() != 0) {
        close(tables_.connections.at(origin.pool.youngest_draining()), close_reason::gave_way);
        return true;
    }
    connection_record* least = nullptr;  // one of HTTP/1.1 ends with its exchange
    tables_.connections.for_each([&](connection_id, connection_record& connection) {
        const bool is_one = connection.origin == origin.id.index && connection.is_multiplexed &&
                            is_ready(connection.state);
        if (is_one && (least == nullptr || connection.exchanges < least->exchanges)) {
            least = &connection;
        }
    });
    if (least == nullptr) return false;
    end_softly(*least, close_reason::over_limit);
    return true;
}

// The same of whatever origin: leases are owed.
bool implementation::shrink_any() {
    if (make_lease()) {
        pay_leases();
        return true;
    }
    std::uint32_t ending = 0;
    connection_record* candidate = nullptr;
    tables_.connections.for_each([&](connection_id, connection_record& connection) {
        if (connection.is_retiring) ++ending;
        if (connection.is_multiplexed && is_ready(connection.state)) candidate = &connection;
    });
    if (candidate == nullptr || ending >= limits_.owed()) return false;
    end_softly(*candidate, close_reason::over_limit);
    return true;
}

// No new exchange; what it carries may end.
void implementation::end_softly(connection_record& connection, close_reason reason) {
    retire(connection, reason);
    if (connection.exchanges == 0) return close(connection, connection.retire_reason);
    origin_record& origin = origin_of(connection);
    origin.pool.change(tables_, connection, connection_event::drain);
    touch(origin);
}

void implementation::on_lease_debt(time_point now, std::uint32_t owed) {
    advance(now);
    limits_.set_owed(owed);
    watch_excess();
    settle();
}

void implementation::pay_leases() {
    const std::uint32_t paid = limits_.pay();
    if (paid != 0) emit({.kind = action_kind::return_lease, .value = paid});
}

}  // namespace hearth::core
