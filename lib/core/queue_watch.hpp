// queue_watch: is a queue of waiters in sustained overload, and which of them are shed?
//
// Theory. First come, first served is fair while the queue drains. When it does not, it gives every
// connection to the waiter that is nearest to its end: all are served late and none in time. So the
// oldest waiter is watched: once it has waited longer than `target` throughout `interval`, and
// waiters ran out of time meanwhile (a long queue that everybody survives is a batch, not
// overload), the queue is overloaded: those who came last are served first, and the oldest are
// shed, one at first and then ever faster, `interval / sqrt(n)` apart (CoDel's law). Ends when the
// oldest has waited less than `target`, or the queue is empty.
//
// Called by the pool, one per origin, whenever a waiter is to be served.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/time.hpp"

namespace hearth::core {

class queue_watch {
public:
    /// The oldest waiter came at `oldest`; `lost` waiters ran out of time so far, ever.
    void look(base::time_point now, base::time_point oldest, std::uint64_t lost,
              base::duration target, base::duration interval) {
        if (now - oldest < target) return calm();
        if (since_ == base::never) {
            since_ = now;
            lost_before_ = lost;
        } else if (!is_overloaded_ && now - since_ >= interval && lost != lost_before_) {
            is_overloaded_ = true;
            next_shed_ = now;
        }
    }
    void calm() {
        since_ = base::never;
        is_overloaded_ = false;
        shed_ = 0;
    }
    [[nodiscard]] bool is_overloaded() const { return is_overloaded_; }
    /// Whether the oldest waiter is to be shed now; if so it is counted.
    [[nodiscard]] bool sheds(base::time_point now, base::duration interval) {
        if (!is_overloaded_ || now < next_shed_) return false;
        ++shed_;
        const double pause = static_cast<double>(interval.count()) / std::sqrt(shed_);
        next_shed_ = base::after(now, base::duration(static_cast<base::duration::rep>(pause)));
        return true;
    }

private:
    base::time_point since_ = base::never;  // the oldest waits too long since then
    base::time_point next_shed_{};
    std::uint64_t lost_before_ = 0;
    std::uint32_t shed_ = 0;
    bool is_overloaded_ = false;
};

}  // namespace hearth::core
