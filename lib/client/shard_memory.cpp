// shard, lack of memory: a turn that stops half-way leaves the shard, core and the connections
// telling different stories, so the shard forgets all of them and begins anew. Each call that it
// had is completed with `errc::out_of_memory`, for which no memory is asked for; what the caller
// has of the client stays valid.
//
// What is kept over it is never left half-done by an exception: the queue of handlers, the set of
// sockets, the tickets and the verified chains, the leases that it may give back.
#include <new>
#include <string_view>
#include <utility>

#include "client/lease_pool.hpp"
#include "client/send_flow.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

using boost::system::error_code;

namespace {

/// A sentence, if there is memory for one.
void explain(failure& why, std::string_view origin) noexcept {
    try {
        why.origin = origin;
        why.detail =
            "There was no memory for the work of the thread that serves the exchange; what it had "
            "under way was ended, and its connections were closed.";
    } catch (const std::bad_alloc&) {
        why.detail.clear();
    }
}

}  // namespace

/// An exception for lack of memory has passed through the middle of something of this shard.
void shard::start_over() noexcept {
    is_starved_ = true;
    exchanges_.for_each([this](exchange_id, live_exchange& x) { give_up(x); });
    completed_ = calls_;
    call_ptr lost;
    while (lost_.pop(lost)) {
        if (lost->fail(errc::out_of_memory)) handlers_.push(std::move(lost));
        lost.reset();
    }
    for (auto& [ticket, waiting] : warming_) {
        complete<error_code, std::uint32_t>(std::move(waiting.first), errc::out_of_memory, 0);
    }
    warming_.clear();
    forget_everything();
    tell_drained();  // there is nothing left
    if (!closed_) {
        recover();
        follow_orders_soon();
    } else if (timer_) {
        timer_->cancel();
    }
}

/// Others wait for the answers.
void shard::follow_orders_soon() noexcept {
    if (!timer_ || !places_ || places_->orders().empty()) return;
    try {
        timer_->arm(places_->orders_at);
    } catch (const std::bad_alloc&) {  // with the next turn, then
    }
}

/// Completes the call of an exchange that is to be forgotten.
void shard::give_up(live_exchange& x) noexcept {
    const error_code error = errc::out_of_memory;
    failure& why = x.result.failure;
    why.phase = phase_of(x);
    why.attempt = x.result.attempts;
    why.maybe_processed |= x.stage == exchange_stage::assigned;
    explain(why, x.origin.is_valid() ? std::string_view(origins_[x.origin.index].name) : "");
    x.result.timings.total = now_ - x.started;
    // Of one that is detached the caller was told before.
    if (x.holder && !x.holder->ended) {
        x.holder->ended = error;
        x.holder->is_usable = false;
    }
    if (x.control && !x.control->final_error) give_up_streamed(*x.control, x);
    complete<error_code, exchange>(std::move(x.open), error, exchange());
    complete<error_code, reserved_connection>(std::move(x.reserve), error, reserved_connection());
    if (x.flow && x.send) x.flow->report({});
    complete<error_code, response>(std::move(x.send), error, std::move(x.result));
}

/// A read of what an exchange that has ended left: nobody else completes it.
void shard::give_up_read(exchange_control& control) noexcept {
    control.final_error = errc::out_of_memory;
    control.unread.clear();
    control.file.reset();
    control.filled = 0;
    complete<error_code, std::size_t>(std::move(control.read), control.final_error, 0);
}

void shard::give_up_streamed(exchange_control& control, live_exchange& x) noexcept {
    const error_code error = errc::out_of_memory;
    control.exchange = {};
    control.timings = x.result.timings;
    control.transfer = x.result.transfer;
    control.failure = std::move(x.result.failure);
    control.decoding.reset();
    control.raw_write = {};
    complete<error_code, std::size_t>(std::move(control.write), error, 0);
    complete<error_code>(std::move(control.finish), error);
    complete<error_code, response_head>(std::move(control.head), error, response_head{});
    give_up_read(control);
}

/// Connections are closed as they are: nothing of theirs can be relied on.
void shard::forget_everything() noexcept {
    forget_free();
    exchanges_.clear();
    if (dialed_) dialed_->shut();  // dialers that are told to stop may answer
    for (const auto& l : links_) {
        if (l) count_traffic(*l);
    }
    links_.clear();
    received_.clear();
    received_octets_ = 0;
    pipe_.drop();
    resolver_.reset();
    dialed_.reset();
    core_.stop();
    origins_forgotten_ += origin_ids_.size();
    usual_origins_.fill({});
    origin_ids_.clear();
    origins_.clear();
    ++life_;
    origins_by_use_ = {};
    exchange_times_ = {};
    link_times_ = {};
    bulk_times_ = {};
    keepalive_times_ = {};
    gate_times_ = {};
    name_times_ = {};
    unserved_.clear();
    lost_attempts_.clear();
    dirty_.clear();
    unwritten_.clear();
    filled_.clear();
    gathering_.clear();
    if (settings_.lender) settings_.lender->leave(settings_.index, std::exchange(leases_, 0));
}

/// Makes what it needs to serve calls again. Without memory for it calls are refused, and the next
/// turn tries again.
void shard::recover() noexcept {
    try {
        if (wanted_) obey(*wanted_);
        core_.restart(core_settings(), random_.next(),
                      settings_.lender ? 0 : config_.pool.max_connections);
        resolver_ = io::make_resolver(executor_, config_.dns,
                                      {settings_.name_threads, config_.timeouts.name});
        is_starved_ = false;
    } catch (const std::bad_alloc&) {
        core_.stop();
    }
}

bool shard::survive() noexcept {
    if (is_own_exception()) return false;
    in_turn_ = true;
    start_over();
    in_turn_ = false;
    calling_ = false;
    post_handlers();
    return true;
}

}  // namespace hearth::detail
