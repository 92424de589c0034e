// Multiplexed connections: how many exchanges they take, what a cancelled one costs, and how many
// connections an origin gets. Part of pool_core's inside, see pool_state.hpp.
//
// A cancelled exchange resets its stream, which the peer counts (reset_budget). When the budget is
// spent, the stream goes on silently: it keeps its place until its response has ended, or for
// `pool.drain_timeout` at most, when it is reset as the budget comes in. A connection crowded with
// such streams, or old, is replaced: another one comes up, then this one gets no more exchanges.
#include <algorithm>
#include <utility>

#include "core/pool_state.hpp"

namespace hearth::core {

using implementation = pool_core::implementation;

namespace {

// Between two looks at what goes on silently on a connection.
constexpr duration shortest_look = std::chrono::milliseconds{10};

// Three quarters of silent streams: enough is left for live ones while the replacement comes up.
[[nodiscard]] bool is_spent(const connection_record& connection, time_point now) {
    const bool is_crowded =
        connection.silent != 0 &&
        std::uint64_t{connection.silent} * 4 >= std::uint64_t{connection.max_exchanges} * 3;
    return is_crowded || connection.retire_at <= now;
}

}  // namespace

// What an origin speaks is remembered from its last connection, so that the next burst dials as
// many as it needs at once.
void implementation::note_protocol(origin_record& origin, const ready_facts& facts) {
    origin.is_protocol_known = true;
    origin.is_multiplexed = facts.is_multiplexed;
    origin.wants_spare = false;
    if (!facts.is_multiplexed) {
        origin.exchanges_per_connection = 1;
        return;
    }
    const std::uint32_t most = most_multiplexed(origin);
    for (std::uint32_t i = origin.warm_ups.front(); i != no_index; i = warm_ups_.at(i).links.next) {
        warm_ups_.at(i).count = std::min(warm_ups_.at(i).count, most);
    }
    origin.warm_target = std::min(origin.warm_target, most);
}

void implementation::allow_streams(connection_record& connection, std::uint32_t max_streams) {
    connection.max_exchanges = std::min(max_streams, settings_.http2.max_streams);
    origin_of(connection).exchanges_per_connection = std::max(connection.max_exchanges, 1U);
}

// Files a multiplexed connection by the room it has.
void implementation::show_room(connection_record& connection) {
    const bool has_room = connection.has_room();
    origin_of(connection)
        .pool.change(tables_, connection,
                     has_room ? connection_event::taken : connection_event::filled);
    if (connection.exchanges != 0 || has_room) return;
    if (is_draining_) return close(connection, close_reason::client_closed);
    connection.idle_since = now_;
    if (connection.timer == 0) arm(connection, timed_kind::idle, connection.idle_end());
}

// The room of a multiplexed connection has changed.
void implementation::reconsider(connection_record& connection) {
    touch(origin_of(connection));
    const bool rests_on = connection.state == connection_state::idle && connection.has_room();
    if (!is_ready(connection.state) || rests_on) return;
    if (connection.exchanges == 0 && connection.retire_at <= now_ && may_go(connection)) {
        return close(connection, reason_of(connection));
    }
    offer(connection);
}

void implementation::on_streams_changed(time_point now, connection_id name,
                                        std::uint32_t max_streams) {
    advance(now);
    connection_record* connection = tables_.connections.find(name);
    if (connection == nullptr || !connection->is_multiplexed) {
        ++stale_facts_;
    } else {
        allow_streams(*connection, max_streams);
        reconsider(*connection);
    }
    settle();
}

void implementation::on_resets_seen(time_point now, connection_id name, std::uint32_t count) {
    advance(now);
    connection_record* connection = tables_.connections.find(name);
    if (connection == nullptr || !connection->is_multiplexed) {
        ++stale_facts_;
    } else {
        connection->held -= std::min(connection->held, count);
        reconsider(*connection);
    }
    settle();
}

void implementation::on_doubt(time_point now, connection_id name, bool in_doubt) {
    advance(now);
    connection_record* connection = tables_.connections.find(name);
    if (connection == nullptr || !connection->is_multiplexed) {
        ++stale_facts_;
    } else if (connection->is_in_doubt != in_doubt) {
        connection->is_in_doubt = in_doubt;
        reconsider(*connection);
    }
    settle();
}

// The caller of an exchange on a multiplexed connection is gone. A request that is not complete
// cannot end by itself: it is reset at any price.
void implementation::cancel_stream(connection_record& connection, std::uint32_t index,
                                   bool is_complete) {
    const bool may_reset = connection.resets.take(now_, reset_limits());
    if (!may_reset && is_complete) return leave_silently(connection, index);
    if (!may_reset) connection.resets.force(now_, reset_limits());
    reset_stream(connection, index);
    release(connection);
}

// The place of a stream that was reset stays taken until the peer has seen it: it may still be at
// work for it.
void implementation::reset_stream(connection_record& connection, std::uint32_t index) {
    origin_record& origin = origin_of(connection);
    emit({.kind = action_kind::reset,
          .connection = connection.id,
          .exchange = tables_.exchanges.id_of(index),
          .origin = origin.id});
    ++origin.counters->streams_reset;
    detach(connection, index);
    ++connection.held;
}

void implementation::leave_silently(connection_record& connection, std::uint32_t index) {
    exchange_record& exchange = tables_.exchanges.at(index);
    origin_record& origin = origin_of(connection);
    exchange.state = exchange_state::cancelled;
    exchange.since = now_;
    ++connection.silent;
    emit({.kind = action_kind::drain,
          .connection = connection.id,
          .exchange = tables_.exchanges.id_of(index),
          .origin = origin.id});
    if (connection.silent_timer == 0) {
        const duration patience = std::max<duration>(settings_.pool.drain_timeout, shortest_look);
        const time_point when = base::after(now_, patience);
        deadlines_.set(connection.silent_timer, when, {timed_kind::silent, connection.id.index});
    }
    if (is_ready(connection.state)) replace_spent(connection);
    touch(origin);
}

// A connection that carries exchanges and is spent gets no more as soon as another one can take
// them, which is asked for.
void implementation::replace_spent(connection_record& connection) {
    if (connection.exchanges == 0 || !is_spent(connection, now_)) return;
    origin_record& origin = origin_of(connection);
    using enum connection_state;
    const std::uint32_t have_room = origin.pool.count(idle) + origin.pool.count(active);
    const bool counts_itself = connection.state == active;
    const bool is_old = connection.retire_at <= now_;
    // At a limit of one there is no other way.
    const bool has_to_go_first =
        is_old && streams_room(origin) == 0 && limits_.has_room(connection.origin);
    if (have_room > (counts_itself ? 1U : 0U) || has_to_go_first) {
        retire(connection, is_old ? reason_of(connection) : close_reason::not_reusable);
        origin.pool.change(tables_, connection, connection_event::drain);
        touch(origin);
    } else if (!origin.wants_spare && origin.pool.coming() == 0) {
        origin.wants_spare = true;
        touch(origin);
    }
}

// One that ends, or takes no more, before it has answered anybody counts as a failed dial: an
// origin that does this all the time is dialled with pauses.
void implementation::note_useless(connection_record& connection) {
    if (!connection.is_multiplexed || connection.has_served || !connection.has_carried) return;
    if (std::exchange(connection.is_useless, true)) return;
    origin_record& origin = origin_of(connection);
    origin.backoff.on_failure(now_, connection.dial.began(), backoff_bounds_, random_);
    origin.has_to_prove_itself = true;
    touch(origin);
}

// Resets what has gone on silently for too long, oldest first, as far as the budget goes.
void implementation::on_silent_due(connection_record& connection) {
    if (connection.silent == 0) return;  // they have ended by themselves
    time_point next = base::never;
    for (std::uint32_t i = connection.assigned.front(); i != no_index;) {
        const exchange_record& exchange = tables_.exchanges.at(i);
        const std::uint32_t following = exchange.links.next;
        if (exchange.state == exchange_state::cancelled) {
            const time_point due = base::after(exchange.since, settings_.pool.drain_timeout);
            const time_point affordable = connection.resets.next(now_, reset_limits());
            if (due > now_) {
                next = std::min(next, due);
            } else if (affordable > now_ && affordable != base::never) {
                next = std::min(next, affordable);
            } else {  // without a budget: nothing goes on for ever
                connection.resets.force(now_, reset_limits());
                reset_stream(connection, i);
            }
        }
        i = following;
    }
    if (connection.silent != 0) {
        const time_point when = std::max(next, now_ + shortest_look);
        deadlines_.set(connection.silent_timer, when, {timed_kind::silent, connection.id.index});
    }
    release(connection);  // its state may have changed, and it may be nobody's any more
}

// Once every connection carries `ideal_streams`, another one comes up.
void implementation::watch_load(connection_record& connection) {
    if (connection.streams() < ideal_streams()) return;
    origin_record& origin = origin_of(connection);
    if (origin.wants_spare || origin.pool.coming() != 0) return;
    if (streams_room(origin) == 0) return;
    const std::uint32_t least = origin.pool.pick(false, ideal_streams());
    if (least != no_index && tables_.connections.at(least).streams() < ideal_streams()) return;
    origin.wants_spare = true;
    touch(origin);
}

// Connections more that an origin with multiplexed ones may have.
std::uint32_t implementation::streams_room(const origin_record& origin) const {
    const std::uint32_t most = most_multiplexed(origin);
    const std::uint32_t have = origin.pool.coming() + origin.pool.ready();
    return most > have ? most - have : 0;
}

// Dials that may begin now as far as streams are concerned: one at a time to find out what the
// origin speaks, since one connection may be all that is needed (`dial_hold` spaces them).
std::uint32_t implementation::dials_for_streams(const origin_record& origin) const {
    if (!origin.is_protocol_known) return 1;
    if (!origin.is_multiplexed) return no_index;
    return streams_room(origin) + std::min(origin.pool.fresh_waiters(), origin.pool.idle_used());
}

// A fresh connection can neither be dialled nor take the place of an idle one: one that carries
// others is proven to live, and is the next best.
bool implementation::is_fresh_out_of_reach(const origin_record& origin) const {
    if (!origin.is_multiplexed || origin.pool.idle_used() != 0) return false;
    if (origin.pool.coming() != 0) return false;
    return streams_room(origin) == 0 || !limits_.has_room(origin.id.index);
}

}  // namespace hearth::core
