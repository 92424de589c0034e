// budget: how much work an origin gets that nobody asked for: repeated attempts now, and whatever
// else multiplies requests (hedges, probes) from the same budget, so that one mechanism cannot
// multiply another.
//
// Theory. Over the last ten seconds, extra work may be a share of the requests asked for, plus a
// floor so that an origin with little traffic can be retried at all. A share bounds the
// amplification whatever fails and however long: at 10 % an origin in trouble gets 1.1 times its
// traffic, where "three attempts each" would give it three times. Nothing is saved up beyond the
// window, and what was saved in it is not spent at once: over the last two seconds extra work is
// half as much again as the share at most (and the floor), so that an origin that begins to fail
// after a calm time does not get all of it in one second. One per origin; touched on its shard
// only.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "base/time.hpp"

namespace hearth::core {

struct budget_limits {
    double share = 0.1;             ///< Extra work per request.
    double floor_per_second = 1.0;  ///< And this much in any case.
};

class budget {
public:
    static constexpr std::uint32_t window_seconds = 10;
    static constexpr std::uint32_t burst_seconds = 2;
    static constexpr double burst_factor = 1.5;  ///< Of the share, over those.

    /// A request was asked for: not a repetition.
    void on_request(base::time_point now);
    /// Takes one piece of extra work; false: the budget is spent.
    [[nodiscard]] bool take(base::time_point now, const budget_limits& limits);

private:
    struct second {
        std::uint64_t requests = 0;
        std::uint64_t extra = 0;
    };
    second& at(base::time_point now);
    [[nodiscard]] second sum_of_last(std::uint32_t count) const;

    std::array<second, window_seconds> seconds_{};
    std::int64_t last_ = -1;  // the newest second in there, from the clock's epoch
};

}  // namespace hearth::core
