#include "core/hedge_delay.hpp"

#include <algorithm>

namespace hearth::core {
namespace {

constexpr double step = 0.1;                 // of the delay, up
constexpr double memory = 1.0 / 32.0;        // of the smoothed share
constexpr double slowdown = 4.0;             // times the share that is normal
constexpr double most_that_is_normal = 0.5;  // however low the percentile is

}  // namespace

std::optional<base::duration> hedge_delay::delay() const {
    if (count_ < lessons) return {};
    return base::duration(static_cast<base::duration::rep>(delay_));
}

void hedge_delay::on_answer(base::duration took) {
    if (count_ >= lessons) return follow(false);
    learned_[count_++] = took;
    if (count_ < lessons) return;
    const auto rank = static_cast<std::ptrdiff_t>(
        std::min(static_cast<double>(lessons - 1), (1.0 - share_late_) * double{lessons}));
    std::nth_element(learned_.begin(), learned_.begin() + rank, learned_.end());
    delay_ = std::max(1.0, static_cast<double>(learned_[static_cast<std::size_t>(rank)].count()));
}

bool hedge_delay::on_late() {
    if (count_ < lessons) return false;
    follow(true);
    return late_ <= std::min(slowdown * share_late_ + memory, most_that_is_normal);
}

void hedge_delay::follow(bool is_late) {
    late_ += ((is_late ? 1.0 : 0.0) - late_) * memory;
    delay_ *= is_late ? 1.0 + step * (1.0 - share_late_) : 1.0 - step * share_late_;
    delay_ = std::max(delay_, 1.0);
}

}  // namespace hearth::core
