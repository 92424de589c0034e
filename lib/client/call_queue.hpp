// call_queue: calls of handlers in line, first come first served, and what becomes of calls that
// are lost to an exception. No memory is needed to stand in it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hearth/handler.hpp"

HEARTH_BEGIN_NAMESPACE
namespace detail {

class call_queue {
public:
    call_queue() = default;
    ~call_queue();
    call_queue(const call_queue&) = delete;
    call_queue& operator=(const call_queue&) = delete;

    void push(call_ptr call) noexcept;
    void push_front(call_ptr call) noexcept;
    /// Moves the oldest out; false if there is none.
    [[nodiscard]] bool pop(call_ptr& call) noexcept;
    void clear() noexcept;
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

private:
    pending_call* first_ = nullptr;
    pending_call* last_ = nullptr;
    std::size_t size_ = 0;
};

/// Which calls are kept.
enum class rescued : std::uint8_t {
    all,
    due,  ///< Those on their way to their executor.
};

/// While it lives, calls that an exception ends on this thread go to a queue instead. The innermost
/// one counts.
class call_rescue {
public:
    call_rescue(call_queue& to, rescued which) noexcept;
    ~call_rescue();
    call_rescue(const call_rescue&) = delete;
    call_rescue& operator=(const call_rescue&) = delete;

private:
    friend struct call_deleter;

    call_queue& to_;
    const rescued which_;
    const int exceptions_;  // under way when it was made
    call_rescue* const outer_;
};

/// Whether the exception for lack of memory that was just caught on this thread is the caller's
/// own. It is not any more when this is asked again.
[[nodiscard]] bool is_own_exception() noexcept;

}  // namespace detail
HEARTH_END_NAMESPACE
