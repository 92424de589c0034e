#include "client/call_queue.hpp"

#include <exception>
#include <utility>

HEARTH_BEGIN_NAMESPACE
namespace detail {

namespace {

thread_local call_rescue* innermost = nullptr;
thread_local bool has_own_exception = false;

}  // namespace

call_queue::~call_queue() { clear(); }

void call_queue::push(call_ptr call) noexcept {
    if (!call) return;
    pending_call* const added = call.release();
    added->next_ = nullptr;
    (last_ != nullptr ? last_->next_ : first_) = added;
    last_ = added;
    ++size_;
}

void call_queue::push_front(call_ptr call) noexcept {
    if (!call) return;
    pending_call* const added = call.release();
    added->next_ = std::exchange(first_, added);
    if (last_ == nullptr) last_ = added;
    ++size_;
}

bool call_queue::pop(call_ptr& call) noexcept {
    if (first_ == nullptr) return false;
    pending_call* const oldest = first_;
    first_ = std::exchange(oldest->next_, nullptr);
    if (first_ == nullptr) last_ = nullptr;
    --size_;
    call.reset(oldest);
    return true;
}

void call_queue::clear() noexcept {
    call_ptr dropped;
    while (pop(dropped)) dropped.reset();
}

call_rescue::call_rescue(call_queue& to, rescued which) noexcept
    : to_(to),
      which_(which),
      exceptions_(std::uncaught_exceptions()),
      outer_(std::exchange(innermost, this)) {}

call_rescue::~call_rescue() { innermost = outer_; }

void note_own_exception() noexcept { has_own_exception = true; }

bool is_own_exception() noexcept { return std::exchange(has_own_exception, false); }

void call_deleter::operator()(pending_call* call) const noexcept {
    call_rescue* const rescue = innermost;
    const bool is_wanted = rescue != nullptr && (rescue->which_ == rescued::all || call->is_due_) &&
                           std::uncaught_exceptions() > rescue->exceptions_;
    if (is_wanted) {
        rescue->to_.push(call_ptr(call));
    } else {
        std::default_delete<pending_call>()(call);
    }
}

}  // namespace detail
HEARTH_END_NAMESPACE
