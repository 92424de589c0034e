// The knobs of an origin that make all its answers late; turned by any thread, read per request.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

class behaviour {
public:
    using clock = std::chrono::steady_clock;
    using duration = std::chrono::nanoseconds;

    /// False while nothing was ever turned: then no clock needs to be read.
    [[nodiscard]] bool is_active() const { return is_active_.load(std::memory_order_relaxed); }

    void stall(clock::time_point now, duration window) {
        const std::lock_guard lock(mutex_);
        stall_until_ = now + window;
        is_active_ = true;
    }
    void slow_down(clock::time_point now, duration window, duration slow) {
        const std::lock_guard lock(mutex_);
        slow_until_ = now + window;
        slow_ = slow;
        is_active_ = true;
    }
    void set_latency(duration latency) {
        const std::lock_guard lock(mutex_);
        latency_ = latency;
        is_active_ = true;
    }

    /// Before when a request that was read at `now` must not be answered.
    [[nodiscard]] clock::time_point earliest_answer(clock::time_point now) const {
        const std::lock_guard lock(mutex_);
        return now + std::max(latency_, now < slow_until_ ? slow_ : duration{0});
    }
    /// When an answer that is ready at `now` may leave.
    [[nodiscard]] clock::time_point release_time(clock::time_point now) const {
        const std::lock_guard lock(mutex_);
        return std::max(now, stall_until_);
    }

private:
    std::atomic<bool> is_active_{false};
    mutable std::mutex mutex_;
    clock::time_point stall_until_{};
    clock::time_point slow_until_{};
    duration slow_{0};
    duration latency_{0};
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
