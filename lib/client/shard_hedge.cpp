// shard, hedging: a second attempt for an exchange whose answer is late, and which of the two is
// the caller's.
//
// The pair are two exchanges of this shard that name each other (`twin`); one of them has the
// caller. The first good head wins: it gets the caller if it has not got it, and the other is
// cancelled like any cancelled exchange: its stream is reset, its response drained, or its
// connection closed. Over HTTP/2 the second attempt takes another connection than the first one's
// where one with room is there, else a stream of the same: no connection is dialled for it that
// exchanges would not need anyway. An attempt that fails, or whose answer is a 5xx, loses while the
// other one is under way. What ends the call (its caller, its deadline, the client's end) ends
// both.
#include <boost/asio/error.hpp>
#include <utility>

#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

bool has_caller(const live_exchange& x) { return x.send || x.open || x.control; }

bool ends_call(error_code error) {
    return error == asio::error::operation_aborted || error == errc::deadline_exceeded ||
           error == errc::client_closed || error == errc::body_limit;
}

}  // namespace

/// An exchange was put on a connection: sets the time of its hedge, if it may have one.
void shard::arm_hedge(live_exchange& x) {
    x.hedge_at = base::never;
    if (!config_.hedge.enabled || !x.send || x.is_hedge || x.twin.is_valid()) return;
    const bool has_source = std::holds_alternative<body::source_type>(x.what.body.value());
    if (!x.what.idempotent.value_or(x.what.method.is_idempotent()) || has_source) return;
    origin_entry& origin = origins_[x.origin.index];
    if (!origin.hedging) origin.hedging.emplace(config_.hedge.percentile);
    x.may_hedge = true;
    if (const auto delay = origin.hedging->delay()) {
        x.hedge_at = base::after(now_, std::max<base::duration>(*delay, config_.hedge.min_delay));
    }
}

/// The answer of an exchange is late.
void shard::on_hedge_time(exchange_id id) {
    live_exchange& x = exchanges_[id];
    x.hedge_at = base::never;
    if (x.stage != exchange_stage::assigned || x.head_at != base::never || !x.send) return;
    origin_entry& origin = origins_[x.origin.index];
    x.may_hedge = false;  // what it teaches is taught now
    const bool is_worth_it = origin.hedging->on_late();
    if (!is_worth_it || draining_ || !origin.budget.take(now_, extra_work_of(origin))) {
        ++origin.hedges_withheld;
        return;
    }
    ++origin.hedges;
    call again;
    again.what = x.what;
    again.where = x.where;
    again.started = now_;
    const exchange_id other = exchanges_.emplace(std::move(again));
    live_exchange& y = exchanges_[other];
    y.id = other;
    y.is_hedge = true;
    y.twin = id;
    y.origin = x.origin;
    ++origin.exchanges;
    y.deadline = x.deadline;
    x.twin = other;
    admit(y, other);
}

/// The head of one of a pair is here. False: it has lost, and is being cancelled.
bool shard::settle_hedge(live_exchange& x, exchange_id id, unsigned status) {
    if (x.may_hedge) {
        x.may_hedge = false;
        origins_[x.origin.index].hedging->on_answer(now_ - x.assigned);
    }
    x.hedge_at = base::never;
    if (!x.twin.is_valid()) return true;
    live_exchange* twin = exchanges_.find(x.twin);
    const exchange_id other = std::exchange(x.twin, {});
    if (twin == nullptr) return true;
    twin->twin = {};
    if (status >= 500) {
        if (has_caller(x)) give_caller(x, *twin, other);
        x.discard_limit = config_.pool.drain_bytes;  // its body may be in this very read
        cancel_attempt(id);
        return false;
    }
    if (!has_caller(x)) {
        ++origins_[x.origin.index].hedges_won;
        give_caller(*twin, x, id);
    }
    cancel_attempt(other);
    return true;
}

/// One of a pair has ended: the call goes on with the other, or that ends, too.
void shard::part_twins(live_exchange& x, error_code error) {
    const exchange_id other = std::exchange(x.twin, {});
    live_exchange* twin = exchanges_.find(other);
    if (twin == nullptr) return;
    twin->twin = {};
    if (!has_caller(x)) return;
    if (ends_call(error)) {
        cancel_attempt(other);
    } else {
        give_caller(x, *twin, other);
    }
}

void shard::give_caller(live_exchange& from, live_exchange& to, exchange_id id) {
    to.send = std::move(from.send);
    to.flow = std::move(from.flow);
    to.started = from.started;
    to.cancellation = std::move(from.cancellation);
    if (to.cancellation) to.cancellation->exchange = id;
    to.result.hedged = true;
    to.result.attempts += from.result.attempts;
    to.result.failure.maybe_processed |= from.result.failure.maybe_processed;
}

/// Ends an attempt that has no caller. One that core knows as a waiter may have got a connection in
/// this very turn: it is ended when core's actions have been carried out.
void shard::cancel_attempt(exchange_id id) {
    live_exchange& x = exchanges_[id];
    if (x.stage == exchange_stage::assigned) {
        x.discard_limit = config_.pool.drain_bytes;  // its answer may be in this very turn
        fail_assigned(id, asio::error::operation_aborted, "The other attempt was quicker.");
    } else if (x.held) {
        complete_exchange(id, asio::error::operation_aborted);
    } else {
        lost_attempts_.push_back(id);
    }
}

/// True: something happened.
bool shard::end_lost() {
    if (lost_attempts_.empty()) return false;
    std::vector<exchange_id> ids;
    ids.swap(lost_attempts_);
    for (const exchange_id id : ids) {
        const live_exchange* x = exchanges_.find(id);
        if (x == nullptr || x->stage == exchange_stage::detached) continue;
        if (x->stage == exchange_stage::waiting) {
            core_.cancel(now_, id);
            complete_exchange(id, asio::error::operation_aborted);
        } else {
            cancel_attempt(id);
        }
    }
    return true;
}

}  // namespace hearth::detail
