// shard, reserved connections: an exchange that keeps its connection, and the requests of its owner
// that take its place there one after the other. Core knows of one exchange, from the reservation
// to the end of it.
#include <boost/asio/error.hpp>
#include <new>
#include <utility>
#include <vector>

#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// Nothing is under way on it.
void rest(live_exchange& x) {
    x.deadline = base::never;
    x.phase_until = base::never;
    x.continue_at = base::never;
    x.rate_at = base::never;
    x.timer_at = base::never;
    x.request_complete = true;
    x.more_to_send = false;
    x.body_held = false;
}

void take_place(live_exchange& x, call&& from) {
    x.what = std::move(from.what);
    x.where = std::move(from.where);
    x.send = std::move(from.send);
    x.body = upload(x.what.body);
    x.started = from.started;
    x.result = {};
    x.result.attempts = 1;
    x.decoding.reset();
    x.request_complete = false;
    x.response_begun = false;
    x.discarded = 0;
    x.head_at = base::never;
    x.body_octets = 0;
}

}  // namespace

/// The connection is there: it is the caller's from now on.
void shard::hand_over(live_exchange& x, link& l) {
    --l.served;  // nothing was sent on it
    end_admission(x, {});
    exchange_times_.remove(x.timer);
    rest(x);
    x.cancellation.reset();
    x.holder = std::make_shared<reservation>(shared_from_this(), x.id, l.info);
    ++completed_;
    complete<error_code, reserved_connection>(std::move(x.reserve), error_code{},
                                              reserved_connection(x.holder));
}

void shard::send_on(reservation& where, call&& from, const std::shared_ptr<cancel_handle>& handle) {
    try {
        send_on_reserved(where, from, handle);
    } catch (const std::bad_alloc&) {
        refuse_starved(from);
        throw;
    }
}

void shard::send_on_reserved(reservation& where, call& from,
                             const std::shared_ptr<cancel_handle>& handle) {
    live_exchange* x = exchanges_.find(where.exchange);
    error_code refused;
    failure why;
    why.phase = phase::validation;
    if (handle && handle->cancelled) {
        refused = asio::error::operation_aborted;
    } else if (x == nullptr || x->stage != exchange_stage::assigned) {
        refused = where.ended ? where.ended : error_code(errc::invalid_state);
        why.detail = "The reserved connection has ended.";
    } else if (x->send || where.is_released) {
        refused = errc::invalid_state;
        why.detail = "The reserved connection is released, or carries an exchange already.";
    } else if (!(make_pool_key(from.where->origin, from.what, config_) ==
                 origins_[x->origin.index].key)) {
        refused = errc::invalid_state;
        why.detail = "The reserved connection leads to " + origins_[x->origin.index].name + ".";
    } else if (from.what.deadline && *from.what.deadline <= now_) {
        refused = errc::deadline_exceeded;
    }
    if (refused) return refuse(std::move(from), refused, std::move(why));
    ++calls_;
    take_place(*x, std::move(from));
    x->deadline = x->what.deadline.value_or(base::never);
    if (!x->what.deadline && config_.timeouts.total) {
        x->deadline = base::after(x->started, *config_.timeouts.total);
    }
    if (handle) {
        handle->exchange = x->id;
        x->cancellation = handle;
    }
    link& l = *find_link(x->connection);
    x->assigned = now_;
    ++l.served;
    x->sent_before = l.driver.bytes_sent;
    fill_connection(*x, l);
    set_timer(*x, x->id);
    begin_request(*x, l);
}

/// A response has ended on a reserved connection.
void shard::end_reserved(live_exchange& x, link& l, bool reusable) {
    if (x.head_at != base::never) x.result.timings.body = now_ - x.head_at;
    x.result.timings.total = now_ - x.started;
    exchange_times_.remove(x.timer);
    x.cancellation.reset();
    ++completed_;
    const error_code error = end_decoding(x);
    complete<error_code, response>(std::move(x.send), error, std::move(x.result));
    rest(x);
    const auto& most = config_.pool.max_exchanges_per_connection;
    if (most && l.served >= *most) reusable = false;
    if (!reusable || x.holder->is_released) give_back(x, reusable);
}

/// Ends the reservation of a connection on which nothing is under way.
void shard::give_back(live_exchange& x, bool reusable) {
    const exchange_id id = x.id;
    link& l = *find_link(x.connection);
    if (!x.holder->ended) x.holder->ended = reusable ? errc::invalid_state : errc::peer_closed;
    x.holder->is_usable = false;
    let_go(l, x);
    if (!reusable) l.closing = true;
    exchange_times_.remove(x.timer);
    erase_exchange(id);
    core_.on_exchange_done(
        now_, l.id, id,
        reusable ? core::exchange_outcome::reusable : core::exchange_outcome::not_reusable);
}

/// Its owner has enough of it.
void shard::end_reservation(reservation& where, bool is_reusable) {
    live_exchange* x = exchanges_.find(where.exchange);
    if (x == nullptr || x->stage != exchange_stage::assigned) return;
    if (!x->send) return give_back(*x, is_reusable);
    where.is_released = true;
    if (is_reusable) return;  // when the response has ended
    fail_assigned(where.exchange, asio::error::operation_aborted,
                  "The owner closed the reserved connection.");
}

/// The client drains: reserved connections go when nothing is under way on them.
void shard::release_reserved() {
    std::vector<exchange_id> reserved;
    exchanges_.for_each([&](exchange_id id, live_exchange& x) {
        if (x.holder && x.stage == exchange_stage::assigned) reserved.push_back(id);
    });
    for (const exchange_id id : reserved) {
        live_exchange& x = exchanges_[id];
        if (x.send) {
            x.holder->is_released = true;
        } else {
            give_back(x, true);
        }
    }
}

}  // namespace hearth::detail
