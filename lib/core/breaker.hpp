// breaker: stops asking an origin that fails nearly everything, and finds out when it is back.
//
// Theory. Exchanges with an origin that is down cost its callers their patience and the origin its
// recovery; exchanges with one that is merely worse than usual still bring answers. So the breaker
// opens on a high ratio of failures only, measured over enough of them, and stays open briefly: a
// few probes per second are no load for anybody, and each second of a longer pause would be a
// second of outage that we add. States:
//   closed      everything passes. Opens when `failure_ratio` of at least `min_volume` results
//               within `window` were failures.
//   open        refuses until `until`, but for `panic_share` of the exchanges.
//   half_open   lets `probes` exchanges at once through. As many successes in a row and it
//               recovers; one failure and it is open again. A probe without a result (its caller
//               left) gives its place back.
//   recovering  lets a share through that grows from a tenth to all within `recovery`, so that the
//               callers who waited do not arrive at once. Watched like closed, from nothing.
// Results of exchanges that were let through in an earlier state are ignored: they tell of the
// past. Called by `admission`, one per origin; `now` never goes back.
#pragma once

#include <array>
#include <cstdint>

#include "base/prng.hpp"
#include "base/time.hpp"
#include "hearth/config.hpp"
#include "hearth/stats.hpp"

namespace hearth::core {

/// What an attempt came to, as far as its origin is concerned.
enum class attempt_result : std::uint8_t {
    success,
    failure,
    unknown,  ///< Its caller left, or it failed for reasons of ours.
};

class breaker {
public:
    /// With what an exchange was let through; given back with its result.
    struct ticket {
        std::uint32_t era = 0;  ///< Counts changes of state.
        bool is_probe = false;
    };

    breaker(const breaker_config& rules, std::uint64_t seed) : rules_(rules), random_(seed) {}

    /// Other rules for what happens from now on; one that is switched off has forgotten everything
    /// when it is switched on again.
    void set_rules(const breaker_config& rules);

    /// Whether an exchange may pass now.
    [[nodiscard]] bool admit(base::time_point now, ticket& out);
    void on_result(base::time_point now, ticket which, attempt_result result);
    /// What was counted came from a part of the origin that is asked no more.
    void forget() { window_ = {}; }

    [[nodiscard]] breaker_state state(base::time_point now) const;
    /// While open: when it will probe.
    [[nodiscard]] base::time_point until() const { return until_; }
    /// Failures and results that opened it last.
    [[nodiscard]] std::uint64_t failures() const { return opened_by_.failures; }
    [[nodiscard]] std::uint64_t results() const { return opened_by_.results; }
    [[nodiscard]] std::uint64_t times_opened() const { return times_opened_; }

private:
    static constexpr std::size_t slices = 10;
    struct tally {
        std::uint64_t failures = 0;
        std::uint64_t results = 0;
    };
    void enter(breaker_state next);
    void open(base::time_point now);
    void settle(base::time_point now);
    void count(base::time_point now, bool failed);
    [[nodiscard]] bool pass_share(double share);
    [[nodiscard]] tally sum() const;

    breaker_config rules_;
    base::prng random_;
    breaker_state state_ = breaker_state::closed;
    std::uint32_t era_ = 0;
    base::time_point until_{};  // open: the end of it; recovering: the same
    std::array<tally, slices> window_{};
    std::int64_t slice_ = 0;       // the newest in the window
    std::uint32_t probing_ = 0;    // probes without a result
    std::uint32_t succeeded_ = 0;  // probes in a row
    double share_left_ = 0.0;      // of `pass_share`, carried from call to call
    tally opened_by_{};
    std::uint64_t times_opened_ = 0;
};

}  // namespace hearth::core
