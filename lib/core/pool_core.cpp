// Exchanges: how they get a connection, wait for one, and leave it. The rest of pool_core's inside
// is in the other pool_*.cpp, see pool_state.hpp.
#include "core/pool_core.hpp"

#include <algorithm>
#include <utility>

#include "core/pool_state.hpp"

namespace hearth::core {

using implementation = pool_core::implementation;

implementation::implementation(const pool_settings& settings, std::uint64_t seed,
                               std::uint32_t leases, std::uint32_t first_generation)
    : settings_(settings),
      dial_timeouts_{settings.timeouts.name, settings.timeouts.connect, settings.timeouts.handshake,
                     settings.attempt_delay},
      backoff_bounds_{settings.pool.min_backoff, settings.pool.max_backoff},
      random_(seed),
      tables_(first_generation),
      origins_(first_generation),
      limits_(leases, settings.pool.max_connections),
      scheduler_(settings.handshake, settings.overload.schedule_handshakes, settings.permits.get()),
      actions_(1024) {}

origin_id implementation::add_origin(time_point now, const origin_settings& settings) {
    set_time(now);
    const origin_id id = origins_.emplace();
    origin_record& origin = origins_[id];
    origin.id = id;
    origin.settings = settings;
    origin.pool = origin_pool(settings_.pool.idle_order);
    if (settings.may_multiplex) {
        origin.is_protocol_known = false;
        origin.exchanges_per_connection = std::max(settings_.http2.assumed_streams, 1U);
    }
    limits_.add_origin(id.index, most_connections(origin));
    touched_.reserve(origins_.size());
    return id;
}

refusal implementation::ask(time_point now, origin_id name, time_point deadline) {
    set_time(now);
    origin_record* origin = origins_.find(name);
    HEARTH_ASSERT(origin != nullptr);
    if (origin == nullptr || is_draining_) return {wait_failure::draining};
    if (deadline <= now_) return {wait_failure::deadline};
    return turn_away(*origin, deadline);
}

void implementation::acquire(time_point now, const acquire_params& params) {
    advance(now);
    exchange_record* exchange = tables_.exchanges.open(params.exchange);
    origin_record* origin = origins_.find(params.origin);
    HEARTH_ASSERT(exchange != nullptr && origin != nullptr);
    if (exchange == nullptr || origin == nullptr || is_draining_) {
        refuse(params, {.failure = wait_failure::draining});
    } else if (params.deadline <= now_) {
        refuse(params, {.failure = wait_failure::deadline});
    } else if (const refusal why =
                   params.is_let_in ? refusal{} : turn_away(*origin, params.deadline);
               why.failure != wait_failure::none) {
        refuse(params, why);
    } else {
        exchange->origin = params.origin.index;
        exchange->wants_fresh = params.fresh_connection;
        exchange->is_answered = params.is_reservation;
        exchange->deadline = params.deadline;
        const bool fresh = params.fresh_connection && !is_fresh_out_of_reach(*origin);
        const bool has_crowd = note_crowd(*origin);
        std::uint32_t picked = has_crowd ? no_index : origin->pool.pick(fresh, ideal_streams());
        if (picked != no_index && tables_.connections.at(picked).id == params.avoid) {
            picked = origin->pool.pick_besides(tables_, picked);
        }
        if (picked != no_index) {
            ++exchanges_;
            assign(tables_.connections.at(picked), params.exchange.index);
        } else if (may_wait(*origin, params.fresh_connection)) {
            ++exchanges_;
            wait(*origin, params.exchange.index);
        } else {
            ++origin->counters->queue_refused;
            const bool has_cause = origin->backoff.is_failing() && origin->pool.ready() == 0;
            refuse(params, {.failure = has_cause ? wait_failure::dial : wait_failure::queue_full});
        }
    }
    settle();
}

void implementation::refuse(const acquire_params& params, const refusal& why) {
    emit_fail(why, params.exchange, params.origin);
}

void implementation::emit_fail(const refusal& why, exchange_id exchange, origin_id origin) {
    emit({.kind = action_kind::fail,
          .failure = why.failure,
          .exchange = exchange,
          .origin = origin,
          .value = static_cast<std::uint64_t>(why.needed.count()),
          .count = why.margin_percent});
}

// A waiter that a dial, in progress or permitted, will serve is not held against the bound.
bool implementation::may_wait(const origin_record& origin, bool fresh) const {
    const std::uint64_t covered =
        std::uint64_t{origin.pool.coming()} * origin.exchanges_per_connection;
    if (origin.pool.waiters() < covered + origin.part_of(settings_.pool.max_waiters)) return true;
    if (dial_hold(origin) > now_ || is_crowded(origin)) return false;
    if (dials_for_streams(origin) == 0 && !(fresh && origin.pool.idle_used() != 0)) return false;
    const bool has_room = limits_.has_room(origin.id.index) || room_to_make(origin) != 0 ||
                          (fresh && origin.pool.idle_used() != 0);
    // "Full" is said only when no other shard can have a lease to give.
    const bool has_lease = limits_.has_lease() || tables_.idle_count != 0 ||
                           !tables_.draining_by_age.empty() || limits_.may_grow();
    return has_room && has_lease;
}

void implementation::wait(origin_record& origin, std::uint32_t index) {
    exchange_record& exchange = tables_.exchanges.at(index);
    exchange.state = exchange_state::waiting;
    exchange.since = now_;
    exchange.failed_dials_before = origin.dial_failures;
    exchange.permanent_failures_before = origin.permanent_failures;
    arm_waiter(index);
    if (origin.pool.waiters() == 0) origin.queue.calm();
    origin.pool.enqueue(tables_, index);
    touch(origin);
}

// Puts an exchange that is in no queue on a connection with room.
void implementation::assign(connection_record& connection, std::uint32_t index) {
    exchange_record& exchange = tables_.exchanges.at(index);
    origin_record& origin = origin_of(connection);
    HEARTH_ASSERT(connection.has_room());
    ++connection.exchanges;
    origin.pool.change(tables_, connection,
                       connection.has_room() ? connection_event::taken : connection_event::filled);
    connection.has_carried = true;
    connection.assigned.push_back(index, tables_.exchange_links());
    exchange.state = exchange_state::assigned;
    exchange.connection = connection.id.index;
    exchange.since = now_;
    ++origin.exchanges;
    if (!exchange.is_answered) {
        origin.answers.on_assigned(now_);
        exchange.is_asking = true;
        ++origin.asking;
    }
    origin.used.note(now_, origin.pool.in_use());
    emit({.kind = action_kind::assign,
          .connection = connection.id,
          .exchange = {index, exchange.generation},
          .origin = origin.id});
    if (connection.is_multiplexed) watch_load(connection);
}

void implementation::cancel(time_point now, exchange_id name) {
    set_time(now);
    exchange_record* exchange = tables_.exchanges.find(name);
    if (exchange == nullptr || exchange->state != exchange_state::waiting) {
        ++stale_facts_;
        return;
    }
    end_waiter(name.index);
    settle();
}

void implementation::end_waiter(std::uint32_t index) {
    exchange_record& exchange = tables_.exchanges.at(index);
    origin_record& origin = origins_.at(exchange.origin);
    origin.pool.dequeue(tables_, index);
    deadlines_.remove(exchange.timer);
    tables_.exchanges.close(index);
    --exchanges_;
    touch(origin);
    if (!settings_.overload.keep_dials && origin.pool.coming() > connections_needed(origin)) {
        close(tables_.connections.at(origin.pool.oldest_coming()), close_reason::unused_dial);
    }
}

void implementation::fail_waiter(std::uint32_t index, wait_failure failure) {
    origin_record& origin = origins_.at(tables_.exchanges.at(index).origin);
    const exchange_id name = tables_.exchanges.id_of(index);
    refusal why{.failure = failure};
    if (failure == wait_failure::queue_timeout || failure == wait_failure::deadline) {
        ++origin.counters->queue_timeouts;
        ++origin.lost_waiters;
    } else if (failure == wait_failure::would_miss_deadline) {
        ++origin.counters->queue_hopeless;
        ++origin.lost_waiters;
        why = too_late(origin);
    } else if (failure == wait_failure::shed) {
        ++origin.counters->queue_shed;
    }
    end_waiter(index);
    emit_fail(why, name, origin.id);
}

bool implementation::find_assigned(connection_id connection_name, exchange_id exchange_name,
                                   connection_record*& connection, exchange_record*& exchange) {
    connection = tables_.connections.find(connection_name);
    exchange = tables_.exchanges.find(exchange_name);
    const bool fits = connection != nullptr && exchange != nullptr &&
                      exchange->state != exchange_state::waiting &&
                      exchange->connection == connection_name.index;
    if (!fits) ++stale_facts_;
    return fits;
}

void implementation::cancel_assigned(time_point now, connection_id connection_name,
                                     exchange_id exchange_name, const cancel_facts& facts) {
    advance(now);
    connection_record* connection = nullptr;
    exchange_record* exchange = nullptr;
    if (!find_assigned(connection_name, exchange_name, connection, exchange)) return;
    if (exchange->state == exchange_state::cancelled) {
        ++stale_facts_;
        return;
    }
    if (!exchange->is_answered) {
        origin_record& origin = origin_of(*connection);
        note_miss(origin, *exchange);
        end_asking(origin, *exchange, true);
    }
    if (connection->is_multiplexed) {
        cancel_stream(*connection, exchange_name.index, facts.request_complete);
    } else if (is_worth_draining(*connection, *exchange, facts)) {
        begin_drain(*connection, exchange_name.index);
    } else {
        close(*connection, close_reason::cancelled);
    }
    settle();
}

// Draining saves a handshake and holds a slot; where it would have to give way at once, would
// surely not end in time, or saves a connection nobody could use again, closing is better.
bool implementation::is_worth_draining(const connection_record& connection,
                                       const exchange_record& exchange, const cancel_facts& facts) {
    const pool_config& pool = settings_.pool;
    const origin_record& origin = origin_of(connection);
    if (pool.on_cancel == cancel_policy::close || is_draining_) return false;
    if (!facts.request_complete || !facts.response_delimited) return false;
    if (connection.is_retiring || connection.retire_at <= now_) return false;
    if (origin.pool.cancelled() >= origin.part_of(pool.max_draining_per_origin)) return false;
    if (pool.drain_bytes == 0 || pool.drain_timeout <= duration::zero()) return false;
    if (pool.on_cancel == cancel_policy::drain) return true;
    const bool is_blocked =
        uncovered(origin) != 0 && dial_hold(origin) <= now_ && !limits_.has_room(connection.origin);
    if (is_blocked || limits_.waiters_in_line()) return false;
    if (exchange.is_answered) return true;
    return origin.answers.typical() - (now_ - exchange.since) <= pool.drain_timeout;
}

void implementation::begin_drain(connection_record& connection, std::uint32_t index) {
    origin_record& origin = origin_of(connection);
    tables_.exchanges.at(index).state = exchange_state::cancelled;
    connection.is_cancelled = true;
    origin.pool.change(tables_, connection, connection_event::drain);
    arm(connection, timed_kind::drain, base::after(now_, settings_.pool.drain_timeout));
    emit({.kind = action_kind::drain,
          .connection = connection.id,
          .exchange = tables_.exchanges.id_of(index),
          .origin = origin.id,
          .value = settings_.pool.drain_bytes});
    touch(origin);  // it is not ready any more, and may have to give way
}

void implementation::on_first_byte(time_point now, connection_id connection_name,
                                   exchange_id exchange_name) {
    advance(now);
    connection_record* connection = nullptr;
    exchange_record* exchange = nullptr;
    if (find_assigned(connection_name, exchange_name, connection, exchange)) {
        note_answer(*connection, *exchange);
    }
    settle();
}

void implementation::on_exchange_done(time_point now, connection_id connection_name,
                                      exchange_id exchange_name, exchange_outcome outcome) {
    advance(now);
    connection_record* connection = nullptr;
    exchange_record* exchange = nullptr;
    if (find_assigned(connection_name, exchange_name, connection, exchange)) {
        const bool has_ended_well =
            outcome == exchange_outcome::reusable || outcome == exchange_outcome::not_reusable;
        if (has_ended_well) note_answer(*connection, *exchange);
        if (connection->is_multiplexed && exchange->state == exchange_state::cancelled) {
            ++origin_of(*connection).counters->drained;
        }
        detach(*connection, exchange_name.index);
        if (outcome == exchange_outcome::failed) {
            retire(*connection, close_reason::peer_error);
        } else if (outcome == exchange_outcome::not_reusable) {
            retire(*connection, close_reason::not_reusable);
        }
        release(*connection);
    }
    settle();
}

void implementation::detach(connection_record& connection, std::uint32_t index) {
    connection.assigned.remove(index, tables_.exchange_links());
    exchange_record& exchange = tables_.exchanges.at(index);
    end_asking(origin_of(connection), exchange, true);
    if (connection.is_multiplexed && exchange.state == exchange_state::cancelled) {
        --connection.silent;
    }
    tables_.exchanges.close(index);
    --connection.exchanges;
    --exchanges_;
}

// No new exchange on it; what it carries may end. The first reason stays.
void implementation::retire(connection_record& connection, close_reason reason) {
    if (connection.is_retiring) return;
    connection.is_retiring = true;
    connection.retire_reason = reason;
}

// An exchange has left `connection`: what becomes of it?
void implementation::release(connection_record& connection) {
    origin_record& origin = origin_of(connection);
    const bool may_be_too_many = excess_timer_ != 0 && connection.exchanges == 0;
    if (may_be_too_many && (limits_.owed() != 0 || excess(origin) != 0)) {
        retire(connection, close_reason::over_limit);
    }
    if (connection.retire_at <= now_ && may_go(connection)) {
        // One that carries others goes on until its replacement is there.
        const bool may_wait = connection.is_multiplexed && is_ready(connection.state);
        if (connection.exchanges == 0 || !may_wait)
            retire(connection, reason_of(connection));
        else
            replace_spent(connection);
    }
    if (connection.is_retiring) {
        if (connection.exchanges == 0) {
            close(connection, connection.retire_reason);
        } else if (connection.state != connection_state::draining) {
            origin.pool.change(tables_, connection, connection_event::drain);
            touch(origin);
        }
        return;
    }
    if (connection.is_cancelled) {
        deadlines_.remove(connection.timer);
        origin.pool.change(tables_, connection, connection_event::recovered);
        connection.is_cancelled = false;
        ++origin.counters->drained;
        touch(origin);
    }
    origin.releases.note(now_);
    offer(connection);
}

// Gives its room to waiters; what is left of it rests.
void implementation::offer(connection_record& connection) {
    origin_record& origin = origin_of(connection);
    while (connection.has_room() && serve_next(connection)) touch(origin);
    if (connection.is_multiplexed && (connection.exchanges != 0 || !connection.has_room())) {
        return show_room(connection);
    }
    if (!connection.has_room()) return;
    connection.idle_since = now_;
    if (connection.state != connection_state::idle) {
        origin.pool.change(tables_, connection, connection_event::emptied);
    }
    rest(connection);
}

// The connection became idle.
void implementation::rest(connection_record& connection) {
    origin_record& origin = origin_of(connection);
    if (is_draining_) return close(connection, close_reason::client_closed);
    // The deadline of an earlier rest is left in place and moved on when it comes: a connection is
    // taken and rests again far more often than it expires, and it never expires earlier than that.
    if (connection.timer == 0) arm(connection, timed_kind::idle, connection.idle_end());
    tables_.note_use(connection);
    if (origin.pool.fresh_waiters() != 0) touch(origin);  // it may make room for one of them
    if (origin.pool.count(connection_state::idle) > most_idle(origin)) {
        close(tables_.connections.at(origin.pool.oldest_idle(tables_)), close_reason::idle_limit);
    }
}

std::uint32_t implementation::most_idle(const origin_record& origin) const {
    const auto& most = settings_.pool.max_idle_per_origin;
    return most ? origin.part_of(*most) : no_index;
}

void implementation::on_keep_alive(time_point now, connection_id name, duration patience) {
    set_time(now);
    connection_record* connection = tables_.connections.find(name);
    if (connection == nullptr || is_coming(connection->state)) {
        ++stale_facts_;
        return;
    }
    // The way there and back, and clocks that do not agree: a request must not meet its close.
    const duration margin = std::min<duration>(std::chrono::seconds(1), patience / 4);
    if (patience - margin >= connection->idle_timeout) return;
    connection->idle_timeout = patience - margin;
    // A deadline of an earlier rest would be too late.
    if (connection->exchanges != 0 && !connection->is_cancelled) {
        deadlines_.remove(connection->timer);
    }
}

void implementation::on_draining(time_point now, connection_id name) {
    advance(now);
    connection_record* connection = tables_.connections.find(name);
    if (connection == nullptr || is_coming(connection->state)) {
        ++stale_facts_;
    } else {
        origin_record& origin = origin_of(*connection);
        const bool is_missed =
            connection->is_multiplexed && connection->has_served && is_ready(connection->state);
        retire(*connection, close_reason::not_reusable);
        note_useless(*connection);
        if (connection->exchanges == 0) {
            close(*connection, connection->retire_reason);
        } else if (connection->state != connection_state::draining) {
            origin.pool.change(tables_, *connection, connection_event::drain);
            // Others will come as these came.
            if (connection->is_multiplexed && origin.pool.pick(false) == no_index) {
                origin.wants_spare = true;
            }
            touch(origin);
        }
        if (is_missed) note_goaway(origin);
    }
    settle();
}

void implementation::on_closed(time_point now, connection_id name, close_reason reason) {
    advance(now);
    connection_record* connection = tables_.connections.find(name);
    if (connection == nullptr) {
        ++stale_facts_;
    } else if (is_coming(connection->state)) {
        fail_dial(*connection, dial_failure::connect_failed, false);
    } else {
        note_useless(*connection);
        if (reason == close_reason::peer && connection->exchanges == 0 && connection->has_carried) {
            origin_of(*connection).idle_closes.on_closed(now_, now_ - connection->idle_since);
        }
        forget(*connection, reason);
    }
    settle();
}

}  // namespace hearth::core
