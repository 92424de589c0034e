#include "core/budget.hpp"

#include <algorithm>

namespace hearth::core {

/// The second of `now`; those that have left the window are forgotten.
budget::second& budget::at(base::time_point now) {
    const std::int64_t current =
        std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
    const std::int64_t passed =
        last_ < 0 ? window_seconds : std::clamp<std::int64_t>(current - last_, 0, window_seconds);
    for (std::int64_t i = 0; i < passed; ++i) {
        seconds_[static_cast<std::size_t>((current - i) % window_seconds)] = {};
    }
    last_ = std::max(last_, current);
    return seconds_[static_cast<std::size_t>(last_ % window_seconds)];
}

void budget::on_request(base::time_point now) { ++at(now).requests; }

budget::second budget::sum_of_last(std::uint32_t count) const {
    second sum;
    for (std::int64_t i = 0; i < count; ++i) {
        const second& one = seconds_[static_cast<std::size_t>((last_ - i) % window_seconds)];
        sum.requests += one.requests;
        sum.extra += one.extra;
    }
    return sum;
}

bool budget::take(base::time_point now, const budget_limits& limits) {
    second& current = at(now);
    const auto allows = [&](std::uint32_t seconds, double share) {
        const second sum = sum_of_last(seconds);
        return static_cast<double>(sum.extra + 1) <=
               share * static_cast<double>(sum.requests) + limits.floor_per_second * seconds;
    };
    if (!allows(window_seconds, limits.share)) return false;
    if (!allows(burst_seconds, limits.share * burst_factor)) return false;
    ++current.extra;
    return true;
}

}  // namespace hearth::core
