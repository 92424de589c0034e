// Back-off of failed dials, see backoff.hpp.
#include "core/backoff.hpp"

#include <algorithm>

namespace hearth::core {

void backoff::on_failure(time_point now, time_point began, const backoff_bounds& within,
                         base::prng& random) {
    if (failures_ != 0 && began <= last_failure_) return;  // of a wave already counted
    ++failures_;
    last_failure_ = now;
    const duration range_signed = std::max(bound(within), duration::zero());
    const auto range = static_cast<std::uint64_t>(range_signed.count());
    until_ = base::after(now, duration(static_cast<duration::rep>(random.below(range))));
}

void backoff::on_success() {
    failures_ = 0;
    until_ = time_point::min();
}

void backoff::on_probe(time_point now, const backoff_bounds& within) {
    if (failures_ != 0) until_ = base::after(now, bound(within));
}

duration backoff::bound(const backoff_bounds& within) const {
    duration value = std::min(within.min, within.max);
    for (std::uint32_t i = 1; i < failures_ && value < within.max; ++i) {
        if (value <= duration::zero()) break;
        value = value > within.max / 2 ? within.max : value * 2;
    }
    return value;
}

}  // namespace hearth::core
