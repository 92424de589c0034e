#include "client/send_flow.hpp"

#include <boost/asio/error.hpp>
#include <chrono>
#include <new>
#include <utility>

#include "client/client_state.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// The completion of one attempt, called by its shard after a turn like a handler of the caller.
class flow_step final : public pending_handler<error_code, response> {
public:
    explicit flow_step(std::shared_ptr<send_flow> flow) : flow_(std::move(flow)) {}
    asio::cancellation_slot slot() const override { return {}; }
    void run(call_ptr self) override {
        const auto flow = std::move(flow_);
        auto result = std::move(*this->result_);
        self.reset();
        flow->on_result(std::get<0>(result), std::move(std::get<1>(result)));
    }

private:
    std::shared_ptr<send_flow> flow_;
};

}  // namespace

bool send_flow::is_needed(const request& what, const call_defaults& defaults) {
    return what.follow_redirects.value_or(defaults.follows_redirects) ||
           what.max_attempts.value_or(defaults.max_attempts) > 1;
}

send_flow::send_flow(std::shared_ptr<client_state> state, const request& what, send_handler handler)
    : state_(std::move(state)),
      values_(state_->current()),
      handler_(std::move(handler)),
      started_(std::chrono::steady_clock::now()),
      max_attempts_(what.max_attempts.value_or(values_->retry.max_attempts)) {
    const redirect_config& redirect = values_->redirect;
    if (what.follow_redirects.value_or(redirect.enabled)) redirects_.emplace(what, redirect);
}

void send_flow::start(std::shared_ptr<client_state> state, request what, send_handler handler) {
    const auto flow = std::make_shared<send_flow>(std::move(state), what, std::move(handler));
    flow->connect_slot();
    const auto& total = flow->values_->timeouts.total;
    if (!what.deadline && total) what.deadline = base::after(flow->started_, *total);
    flow->launch(std::move(what), base::time_point{});
}

/// The slot reaches the flow while it lives: it must not keep what owns its own handler.
void send_flow::connect_slot() {
    auto slot = handler_->slot();
    if (!slot.is_connected()) return;
    slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
        const auto strong = asio::cancellation_type::terminal | asio::cancellation_type::partial;
        if (const auto flow = weak.lock()) {
            flow->cancel((type & strong) == asio::cancellation_type::none);
        }
    });
}

void send_flow::cancel(bool only_unsent) {
    const std::lock_guard lock(mutex_);
    if (only_unsent && !log_.empty()) return;  // an attempt was made: something was sent
    if (!only_unsent) cancelled_ = true;
    if (!current_) return;
    current_->owner->submit_late(
        [handle = current_, only_unsent] { handle->owner->cancel(handle, only_unsent); });
}

std::shared_ptr<cancel_handle> send_flow::attach(std::shared_ptr<shard> owner) {
    auto handle = std::make_shared<cancel_handle>();
    handle->owner = std::move(owner);
    const std::lock_guard lock(mutex_);
    handle->cancelled = cancelled_;
    current_ = handle;
    return handle;
}

bool send_flow::is_cancelled() {
    const std::lock_guard lock(mutex_);
    return cancelled_;
}

void send_flow::launch(request what, base::time_point not_before) {
    ++attempt_;
    began_ = std::chrono::steady_clock::now();
    paused_ = not_before > began_ ? not_before - began_ : base::duration::zero();
    report_ = {};
    call next;
    next.what = std::move(what);
    next.send = std::make_unique<flow_step>(shared_from_this());
    next.flow = shared_from_this();
    next.not_before = not_before;
    start_call(*state_, std::move(next));
}

void send_flow::note(error_code error, const response& got) {
    attempt_record record;
    record.error = error;
    record.status = got.status;
    record.phase = error ? got.failure.phase : phase::none;
    record.began = began_ + paused_ - started_;
    record.took =
        std::max(std::chrono::steady_clock::now() - began_ - paused_, base::duration::zero());
    record.paused = paused_;
    record.budget_spent = report_.budget_spent;
    put_on_connections_ += got.attempts;
    maybe_processed_ |= got.failure.maybe_processed;
    const std::lock_guard lock(mutex_);
    log_.push_back(record);
}

void send_flow::on_result(error_code error, response got) {
    try {
        take_result(error, std::move(got));
    } catch (const std::bad_alloc&) {
        if (!handler_) throw;  // it has been called
        response none;
        none.failure.phase = phase::queue;
        none.failure.maybe_processed = maybe_processed_ || put_on_connections_ != 0;
        none.timings.total = std::chrono::steady_clock::now() - started_;
        complete(errc::out_of_memory, std::move(none));
    }
}

void send_flow::take_result(error_code error, response got) {
    note(error, got);
    attempt_report report = std::exchange(report_, {});
    const bool goes_on = report.what && !is_cancelled();
    if (goes_on && report.pause) {
        launch(std::move(*report.what),
               base::after(std::chrono::steady_clock::now(), *report.pause));
        return;
    }
    if (error || !redirects_ || !report.what) {
        finish(error, std::move(got));
        return;
    }
    redirect_outcome next = redirects_->next(*report.what, got, report.is_replayable);
    if (next.verdict == redirect_verdict::final) {
        finish(error, std::move(got));
        return;
    }
    if (next.verdict == redirect_verdict::follow && goes_on) {
        attempt_ = 0;
        launch(std::move(*report.what), base::time_point{});
        return;
    }
    got.failure.phase = phase::body;
    got.failure.attempt = got.attempts;
    got.failure.detail = std::move(next.detail);
    maybe_processed_ = true;
    error = next.error;
    if (next.verdict == redirect_verdict::follow) {
        error = asio::error::operation_aborted;
        got.failure.detail = "The caller cancelled the exchange.";
    }
    finish(error, std::move(got));
}

void send_flow::complete(error_code error, response got) {
    handler_->set_result(error, std::move(got));
    pending_call* const done = handler_.get();
    done->run(std::move(handler_));
}

void send_flow::finish(error_code error, response got) {
    got.timings.total = std::chrono::steady_clock::now() - started_;
    got.attempts = put_on_connections_;
    if (redirects_) got.redirects = redirects_->hops();
    if (error) {
        got.failure.maybe_processed |= maybe_processed_;
        got.failure.attempt_log = log_;
    }
    got.attempt_log = log_;
    complete(error, std::move(got));
}

}  // namespace hearth::detail
