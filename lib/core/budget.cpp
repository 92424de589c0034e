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

bool budget::take(base::time_point now, const budget_limits& limits) {
    second& current = at(now);
    std::uint64_t requests = 0;
    std::uint64_t extra = 0;
    for (const second& one : seconds_) {
        requests += one.requests;
        extra += one.extra;
    }
    const double allowed = limits.share * static_cast<double>(requests) +
                           limits.floor_per_second * double{window_seconds};
    if (static_cast<double>(extra + 1) > allowed) return false;
    ++current.extra;
    return true;
}

}  // namespace hearth::core
