// dial_ration: dials to an origin that answers nobody in time, paced to a share of the CPU.
//
// Theory. A dial for a waiter of such an origin most likely serves nobody, yet one connection must
// be free when it recovers. So dials begin at least `interval` apart, two at first; the pool
// derives the interval from what a handshake costs. Used only while the origin is silent; a pace
// kept from an earlier silence holds nothing.
#pragma once

#include <algorithm>

#include "base/time.hpp"

namespace hearth::core {

class dial_ration {
public:
    /// A dial begins now.
    void take(base::time_point now, base::duration interval) {
        next_ = base::after(std::max(next_, now - interval), interval);
    }
    /// No dial before then.
    [[nodiscard]] base::time_point next() const { return next_; }

private:
    base::time_point next_{};
};

}  // namespace hearth::core
