// reset_budget: how many streams of one connection may be reset.
//
// Theory. A peer must do work for each request it is then told to forget, so servers count resets
// and drop connections that send too many (CVE-2023-44487): nghttp2 allows 1,000, and 33 more per
// second. This is the same bucket with a margin: what it refuses is left to end by itself.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace hearth::core {

class reset_budget {
public:
    struct bounds {
        std::uint32_t burst = 0;
        std::uint32_t per_second = 0;
    };

    void begin(base::time_point now, const bounds& within) {
        tokens_ = within.burst;
        since_ = now;
    }
    /// Takes one reset; false: the budget is spent.
    [[nodiscard]] bool take(base::time_point now, const bounds& within) {
        refill(now, within);
        if (tokens_ < 1.0) return false;
        tokens_ -= 1.0;
        return true;
    }
    /// Takes one that cannot be left out, in advance if need be: others wait for longer.
    void force(base::time_point now, const bounds& within) {
        refill(now, within);
        tokens_ = std::max(tokens_ - 1.0, -1.0 * within.burst);
    }
    /// When `take` could say true; `never` without a refill.
    [[nodiscard]] base::time_point next(base::time_point now, const bounds& within) {
        refill(now, within);
        if (tokens_ >= 1.0) return now;
        if (within.per_second == 0 || within.burst == 0) return base::never;
        const double seconds = (1.0 - tokens_) / within.per_second;
        return base::after(now, std::chrono::duration_cast<base::duration>(
                                    std::chrono::duration<double>(seconds)) +
                                    base::duration{1});
    }

private:
    void refill(base::time_point now, const bounds& within) {
        const double seconds = std::chrono::duration<double>(now - since_).count();
        since_ = now;
        tokens_ = std::min<double>(tokens_ + seconds * within.per_second, within.burst);
    }

    double tokens_ = 0;
    base::time_point since_{};
};

}  // namespace hearth::core
