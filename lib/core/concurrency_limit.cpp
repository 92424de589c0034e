#include "core/concurrency_limit.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace hearth::core {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t least_samples = 16;
constexpr std::size_t most_samples = 256;  // of a window; more say the same
constexpr milliseconds least_window{50};
constexpr milliseconds measure_every{10'000};
constexpr double smoothing = 0.3;

base::duration median(std::vector<base::duration>& samples) {
    const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
    std::nth_element(samples.begin(), middle, samples.end());
    return *middle;
}

}  // namespace

concurrency_limit::concurrency_limit(const concurrency_config& rules, std::uint64_t seed)
    : rules_(rules), random_(seed), limit_(bounded(rules.initial_limit)) {
    samples_.reserve(most_samples);
}

double concurrency_limit::bounded(double limit) const {
    return std::clamp(limit, static_cast<double>(rules_.min_limit),
                      static_cast<double>(rules_.max_limit));
}

void concurrency_limit::set_rules(const concurrency_config& rules) {
    rules_ = rules;
    limit_ = bounded(limit_);
    if (limit_before_ != 0.0) limit_before_ = bounded(limit_before_);
}

void concurrency_limit::begin_window(base::time_point now) {
    window_began_ = now;
    peak_ = 0;
    samples_.clear();
}

void concurrency_limit::on_sample(base::time_point now, base::time_point asked, base::duration took,
                                  std::uint32_t in_flight) {
    if (window_began_ == base::never) {
        begin_window(now);
        measure_at_ = now + measure_every;
    }
    peak_ = std::max(peak_, in_flight);
    if (asked < counts_from_) return;
    if (samples_.size() < most_samples) samples_.push_back(took);
    if (samples_.size() >= least_samples && now - window_began_ >= least_window) end_window(now);
}

void concurrency_limit::end_window(base::time_point now) {
    const base::duration middle = median(samples_);
    const double recent = std::max(1.0, static_cast<double>(middle.count()));
    if (limit_before_ != 0.0 || quick_ == 0.0) {
        quick_ = recent;
        if (limit_before_ != 0.0) limit_ = bounded(limit_before_);
        limit_before_ = 0.0;
        counts_from_ = now;
        begin_window(now);
        return;
    }
    // Half of the way only: the quickest of many medians is luck.
    if (recent < quick_) quick_ = (quick_ + recent) / 2;
    const double factor = std::clamp(rules_.tolerance * quick_ / recent, 0.5, 1.0);
    const bool in_use = static_cast<double>(peak_) >= limit_ / 2;
    if (factor < 1.0 || in_use) {
        const double wanted = limit_ * factor + std::sqrt(limit_);
        limit_ = bounded(limit_ + smoothing * (wanted - limit_));
    }
    if (now >= measure_at_) {
        limit_before_ = limit_;
        limit_ = bounded(limit_ / 2);
        counts_from_ = now + middle;  // what is under way now still queues
        const auto wait = std::chrono::duration_cast<base::duration>(measure_every);
        measure_at_ = now + wait - wait / 10 * static_cast<int>(random_.below(3));
    }
    begin_window(now);
}

}  // namespace hearth::core
