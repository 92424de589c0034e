// release_pace: how fast the connections of an origin come free.
//
// Theory. Who waits is served by whatever is free first: a new connection, or one that another
// exchange leaves. Where the latter will be enough by the time a dial is through, the dial is of no
// use to anybody who waits now. The pace is that of the last window of 10 ms which has ended, so it
// follows a change within two; a pause ends it, and so does the loss of a connection in use, which
// takes away what was counted on.
//
// Called by the pool, one per origin; `now` never goes back.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/time.hpp"

namespace hearth::core {

class release_pace {
public:
    /// An exchange has left a connection that can be used again.
    void note(base::time_point now) {
        const base::duration length = now - since_;
        if (length >= window) {
            last_ = length < 2 * window ? window_pace(length) : 0.0;
            since_ = now;
            count_ = 0;
        }
        ++count_;
    }
    void reset() { *this = {}; }
    /// How many will come free within `span`; 0 if that is not known.
    [[nodiscard]] double within(base::time_point now, base::duration span) const {
        const base::duration length = now - since_;
        const double pace = length >= window ? window_pace(length) : last_;
        return pace * static_cast<double>(span.count());
    }

private:
    static constexpr std::chrono::milliseconds window{10};

    [[nodiscard]] double window_pace(base::duration length) const {
        return static_cast<double>(count_) / static_cast<double>(length.count());
    }

    base::time_point since_{};
    std::uint32_t count_ = 0;
    double last_ = 0.0;  // per nanosecond
};

}  // namespace hearth::core
