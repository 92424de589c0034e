// recent_peak: the most of something there was at once, of late.
//
// Two windows, this one and the last: what was noted is remembered for one to two of them, in a
// few octets and at two comparisons a note. Called by the pool for the connections of an origin
// that carry exchanges; `now` never goes back.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/time.hpp"

namespace hearth::core {

class recent_peak {
public:
    /// Long enough to see the concurrency of a service that has some traffic, and shorter than a
    /// lull after which idle connections are not missed.
    static constexpr base::duration window = std::chrono::seconds{5};

    void note(base::time_point now, std::uint32_t value) {
        if (now >= ends_) turn(now);
        current_ = std::max(current_, value);
    }
    /// The largest value noted within the last `window`, at most within the last two; 0 if none
    /// was.
    [[nodiscard]] std::uint32_t value(base::time_point now) const {
        if (now < ends_) return std::max(current_, last_);
        return now - ends_ < window ? current_ : 0;
    }

private:
    void turn(base::time_point now) {
        last_ = now - ends_ < window ? current_ : 0;
        current_ = 0;
        ends_ = base::after(now, window);
    }

    std::uint32_t current_ = 0;
    std::uint32_t last_ = 0;
    base::time_point ends_{};  // of the window of `current_`
};

}  // namespace hearth::core
