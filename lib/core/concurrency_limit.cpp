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
constexpr double smoothing = 0.3;

base::duration median(std::vector<base::duration>& samples) {
    const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
    std::nth_element(samples.begin(), middle, samples.end());
    return *middle;
}

}  // namespace

concurrency_limit::concurrency_limit(const concurrency_config& rules, std::uint64_t seed)
    : concurrency_limit(rules, seed, pace{}) {}

concurrency_limit::concurrency_limit(const concurrency_config& rules, std::uint64_t seed,
                                     const pace& how)
    : rules_(rules),
      how_(how),
      random_(seed),
      limit_(bounded(rules.initial_limit)),
      recent_(static_cast<double>(how.crowded.count())) {
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

// Halves the limit for the next window.
void concurrency_limit::measure(base::time_point counts_from) {
    limit_before_ = limit_;
    const double used =
        is_from_a_crowd() && peak_ != 0 ? std::min(limit_, static_cast<double>(peak_)) : limit_;
    limit_ = bounded(used / 2);
    counts_from_ = counts_from;
}

void concurrency_limit::begin_window(base::time_point now) {
    window_began_ = now;
    peak_ = 0;
    samples_.clear();
    answers_ = 0;
    misses_ = 0;
}

void concurrency_limit::begin_if_first(base::time_point now) {
    if (window_began_ != base::never) return;
    begin_window(now);
    measure_at_ = base::after(now, how_.measure_every);
    is_searching_ = is_from_a_crowd();
    if (is_searching_) measure(now + how_.crowded);
}

void concurrency_limit::on_sample(base::time_point now, base::time_point asked, base::duration took,
                                  std::uint32_t in_flight) {
    begin_if_first(now);
    peak_ = std::max(peak_, in_flight);
    if (asked < counts_from_) return;
    ++answers_;
    if (samples_.size() < most_samples) samples_.push_back(took);
    end_if_over(now);
}

void concurrency_limit::on_miss(base::time_point now, base::time_point asked,
                                std::uint32_t in_flight) {
    begin_if_first(now);
    peak_ = std::max(peak_, in_flight);
    if (asked < counts_from_) return;
    ++misses_;
    end_if_over(now);
}

void concurrency_limit::end_if_over(base::time_point now) {
    if (answers_ + misses_ < least_samples || now - window_began_ < least_window) return;
    misses_ > answers_ ? end_vain_window(now) : end_window(now);
}

// A limit that was halved to measure stays so, and what began in a crowd is halved until it shows.
void concurrency_limit::end_vain_window(base::time_point now) {
    if (is_searching_) {
        measure(now);
    } else {
        if (limit_before_ == 0.0) limit_ = bounded(limit_ * (1 - smoothing / 2));
        limit_before_ = 0.0;
        counts_from_ = now;
    }
    begin_window(now);
}

void concurrency_limit::end_window(base::time_point now) {
    const base::duration middle = median(samples_);
    const double recent = std::max(1.0, static_cast<double>(middle.count()));
    if (limit_before_ != 0.0 || quick_ == 0.0) {
        quick_ = recent;
        // Half of the exchanges at once, each in little more than half of the time, are as many.
        const bool is_enough = is_from_a_crowd() && recent <= 0.7 * recent_;
        recent_ = recent;
        if (limit_before_ != 0.0 && !is_enough) limit_ = bounded(limit_before_);
        limit_before_ = 0.0;
        counts_from_ = now;
        is_searching_ = is_enough;
        if (is_enough) measure(now + middle);
        begin_window(now);
        return;
    }
    recent_ = recent;
    // Half of the way only: the quickest of many medians is luck.
    if (recent < quick_) quick_ = (quick_ + recent) / 2;
    const auto tolerated = static_cast<double>(how_.tolerated.count());
    const double longest = std::max(rules_.tolerance * quick_, tolerated);
    const double factor = std::clamp(longest / recent, 0.5, 1.0);
    const double share = is_from_a_crowd() ? 0.9 : 0.5;
    const bool in_use = static_cast<double>(peak_) >= std::floor(limit_) * share;
    if (factor < 1.0 || in_use) {
        const double growth = factor < 1.0 ? 0.0 : limit_ * how_.growth;
        const double more = std::max(std::sqrt(limit_), growth);
        const double wanted = limit_ * factor + more;
        limit_ = bounded(limit_ + smoothing * (wanted - limit_));
    }
    if (now >= measure_at_) {
        measure(now + middle);  // what is under way now still queues
        // It takes two answers and a window: seldom, where those are long.
        const base::duration wait = std::max<base::duration>(how_.measure_every, 20 * middle);
        measure_at_ = base::after(now, wait - wait / 10 * static_cast<int>(random_.below(3)));
    }
    begin_window(now);
}

}  // namespace hearth::core
