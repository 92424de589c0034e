// crowd_door: which part of the calls to a crowded origin is refused before it waits.
//
// Theory. Where calls come faster than they can be served, most waiters are failed in the end, and
// to have them wait, watch their time and fail them costs several times what a refusal costs at
// once: enough, at some rate, to leave no CPU for those that could be served. So of the calls that
// find others waiting only a quarter more is let in than was served of late; the reserve keeps
// somebody waiting for whatever comes free. Per window (25 ms, and 32 calls):
//     let in = (let in + 1.25 * waiters served / calls that found others waiting) / 2
// within 0.05 and 1. Which calls is left to chance. Where fewer than a tenth of them find anybody
// waiting, too many are refused: what is refused is quartered per window then, so that a stall, in
// which nobody is served, is forgotten as soon as it is over.
//
// Called by the pool, one per origin, while the origin is crowded.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/time.hpp"

namespace hearth::core {

class crowd_door {
public:
    /// A call comes, and finds others waiting or does not. Whether it is refused; `draw` is uniform
    /// in [0, 1).
    [[nodiscard]] bool refuses(base::time_point now, bool finds_waiters, double draw) {
        if (asked_ >= least_asked && now - window_began_ >= window) end_window(now);
        ++asked_;
        if (!finds_waiters) return false;
        ++found_waiters_;
        return draw >= let_in_;
    }
    /// A waiter has got a connection.
    void on_served() { ++served_; }
    [[nodiscard]] double let_in() const { return let_in_; }

private:
    static constexpr std::chrono::milliseconds window{25};
    static constexpr std::uint32_t least_asked = 32;
    static constexpr double reserve = 1.25;
    static constexpr double least_let_in = 0.05;

    void end_window(base::time_point now) {
        if (found_waiters_ * 10 < asked_) {
            let_in_ = 1 - (1 - let_in_) / 4;
        } else {
            const double served = static_cast<double>(served_) / found_waiters_;
            let_in_ = std::clamp((let_in_ + reserve * served) / 2, least_let_in, 1.0);
        }
        window_began_ = now;
        asked_ = 0;
        found_waiters_ = 0;
        served_ = 0;
    }

    double let_in_ = 1.0;  // the part
    std::uint32_t asked_ = 0;
    std::uint32_t found_waiters_ = 0;
    std::uint32_t served_ = 0;
    base::time_point window_began_{};
};

}  // namespace hearth::core
