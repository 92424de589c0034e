// backoff: when an origin may be dialled again after a dial to it failed.
//
// Theory. A failed dial is followed by a pause, uniform in [0, bound) (full jitter, so that clients
// do not come back together); the bound doubles with each failure in a row, up to a maximum. Dials
// that were under way together fail together: only the first of such a wave counts. While the last
// word is a failure, dials are probes: one per pause. A dial that succeeds ends it all.
#pragma once

#include <cstdint>

#include "base/prng.hpp"
#include "base/time.hpp"

namespace hearth::core {

using base::duration;
using base::time_point;

struct backoff_bounds {
    duration min;  ///< Of the first pause.
    duration max;
};

class backoff {
public:
    /// A dial that began at `began` has failed.
    void on_failure(time_point now, time_point began, const backoff_bounds& within,
                    base::prng& random);
    void on_success();
    /// A dial starts although the last one failed: the next one waits for its answer, or a pause.
    void on_probe(time_point now, const backoff_bounds& within);

    [[nodiscard]] bool is_failing() const { return failures_ != 0; }
    /// Failures in a row, waves counted once.
    [[nodiscard]] std::uint32_t failures() const { return failures_; }
    /// No dial before then; in the past when nothing holds.
    [[nodiscard]] time_point until() const { return until_; }

private:
    [[nodiscard]] duration bound(const backoff_bounds& within) const;

    time_point until_ = time_point::min();
    time_point last_failure_ = time_point::min();
    std::uint32_t failures_ = 0;
};

}  // namespace hearth::core
