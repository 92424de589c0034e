// Time as the sans-I/O layers see it: values that are passed in, never read from a clock.
#pragma once

#include <chrono>

namespace hearth::base {

using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;

/// Later than anything: "no deadline".
inline constexpr time_point never = time_point::max();

/// `from + wait`, or `never` instead of an overflow.
[[nodiscard]] constexpr time_point after(time_point from, duration wait) {
    if (from == never) return never;
    if (wait > duration::zero() && from > never - wait) return never;
    return from + wait;
}

}  // namespace hearth::base
