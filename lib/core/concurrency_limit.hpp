// concurrency_limit: how many exchanges an origin is given at once, learned from how long it takes.
//
// Theory (a gradient limit). What an origin can do at once is not known, and changes. But a request
// beyond it waits there, so answers take longer in proportion: with `quick` the time of an answer
// when nothing queues and `recent` the time now, `tolerance * quick / recent` says by which factor
// the limit is too high. While that is 1 or more the limit grows by its square root, which is the
// queue it needs to find out whether there is more. Per window (at least 16 answers and 50 ms):
//     limit += smoothing * (limit * min(1, tolerance * quick / recent) + sqrt(limit) - limit)
// Medians are compared, so that a few slow answers do not count. The limit grows only while it is
// in use. `quick` cannot be seen while something always queues: every ten seconds the limit is
// halved for one window, and what that window measures is `quick` from then on. That costs a few
// per mille of throughput and keeps the estimate true when the origin becomes slower or quicker.
//
// Only slowness counts: an origin that fails quickly is the breaker's business, not a reason to
// give its good answers fewer places. Called by `admission`, one per origin.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/prng.hpp"
#include "base/time.hpp"
#include "hearth/config.hpp"

namespace hearth::core {

class concurrency_limit {
public:
    /// How it learns.
    struct pace {
        base::duration measure_every = std::chrono::seconds{10};
        double growth = 0;  ///< By this part at least, before smoothing, while nothing queues.
        /// Set: what answers take now, because too many are under way. It begins by measuring, goes
        /// on with what was measured with where that makes answers much quicker, and the limit
        /// stays near what is in use.
        base::duration crowded{};
        base::duration tolerated{};  ///< An answer that takes no longer does not lower the limit.
    };

    concurrency_limit(const concurrency_config& rules, std::uint64_t seed);
    concurrency_limit(const concurrency_config& rules, std::uint64_t seed, const pace& how);

    /// Other bounds; what was learned stays within them.
    void set_rules(const concurrency_config& rules);

    [[nodiscard]] std::uint32_t limit() const { return static_cast<std::uint32_t>(limit_); }
    /// The limit is half of what it was, for this window.
    [[nodiscard]] bool is_measuring() const { return limit_before_ != 0.0; }
    /// An answer came `took` after it was asked for, at `asked`; `in_flight` were under way then,
    /// it included.
    void on_sample(base::time_point now, base::time_point asked, base::duration took,
                   std::uint32_t in_flight);
    /// One that was asked for at `asked` was not waited for any longer. A window in which more miss
    /// than are answered says that the limit is too high, and nothing about `quick`.
    void on_miss(base::time_point now, base::time_point asked, std::uint32_t in_flight);

private:
    [[nodiscard]] bool is_from_a_crowd() const { return how_.crowded != base::duration::zero(); }
    void begin_if_first(base::time_point now);
    void end_if_over(base::time_point now);
    void end_window(base::time_point now);
    void end_vain_window(base::time_point now);
    void begin_window(base::time_point now);
    [[nodiscard]] double bounded(double limit) const;

    void measure(base::time_point counts_from);

    concurrency_config rules_;
    pace how_;
    base::prng random_;
    double limit_;
    double limit_before_ = 0.0;  // set: `quick` is being measured
    bool is_searching_ = false;  // for how few are no crowd
    double quick_ = 0.0;         // nanoseconds; 0: not known yet
    double recent_;              // of the last window
    std::vector<base::duration> samples_;
    std::size_t answers_ = 0;  // in this window
    std::size_t misses_ = 0;   // likewise
    std::uint32_t peak_ = 0;   // most in flight in this window
    base::time_point window_began_ = base::never;
    base::time_point counts_from_{};  // asked before: says nothing about this window
    base::time_point measure_at_ = base::never;
};

}  // namespace hearth::core
