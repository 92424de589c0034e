// admission: may an exchange go to its origin now? The gate in front of the pool, one per origin,
// made only where the breaker, the rate limit or the concurrency limit is switched on.
//
// The order of the questions: the breaker refuses at once; then a token and a place are needed, and
// who lacks one is held, by class and in order of arrival, for `max_wait` at most. A critical
// exchange is served before all others and has a tenth of the places for itself; a sheddable one
// has three quarters of the places and is never held. What is admitted ends in exactly one `end`.
// Those who are held may leave without a word: the caller of `next` says who is still there.
//
// Called by the shard; `now` never goes back.
#pragma once

#include <array>
#include <deque>
#include <optional>

#include "base/id.hpp"
#include "core/breaker.hpp"
#include "core/concurrency_limit.hpp"
#include "core/token_bucket.hpp"
#include "hearth/config.hpp"

namespace hearth::core {

enum class admission_verdict : std::uint8_t { admitted, held, refused };

enum class admission_refusal : std::uint8_t {
    none,
    breaker,      ///< It is open.
    rate,         ///< No token in time.
    concurrency,  ///< No place in time, or too many are held.
};

struct admission_answer {
    admission_verdict verdict = admission_verdict::admitted;
    admission_refusal refusal = admission_refusal::none;
    base::time_point again_at = base::never;  ///< refused: when it may go better, if known
    breaker::ticket ticket{};                 ///< admitted
};

/// An exchange that was held and is not any more.
struct admission_release {
    exchange_id exchange;
    admission_answer answer;
};

struct admission_rules {
    breaker_config breaker;
    rate_limit_config rate_limit;
    concurrency_config concurrency;
    std::uint32_t max_held = 10'000;

    [[nodiscard]] bool any() const {
        return breaker.enabled || rate_limit.per_second || concurrency.enabled;
    }
};

class admission {
public:
    admission(const admission_rules& rules, std::uint64_t seed);

    /// Other rules from now on. Who is held stays so: ask `next`.
    void set_rules(base::time_point now, const admission_rules& rules);

    [[nodiscard]] admission_answer ask(base::time_point now, exchange_id exchange,
                                       priority_class priority);
    /// The next that is held no more, if there is one; `is_there(id)` says if it still waits.
    template <class IsThere>
    [[nodiscard]] std::optional<admission_release> next(base::time_point now, IsThere is_there) {
        drop_absent(is_there);
        return next_release(now);
    }
    /// An admitted exchange has ended.
    void end(base::time_point now, breaker::ticket ticket, attempt_result result);
    /// The failures so far came from an address that is ejected now: the origin starts afresh.
    void forget_failures() { breaker_.forget(); }
    /// An answer: asked for at `asked`.
    void sample(base::time_point now, base::time_point asked);

    /// When `next` should be asked again, if nothing happens before.
    [[nodiscard]] base::time_point next_time(base::time_point now) const;

    [[nodiscard]] std::size_t held() const;
    [[nodiscard]] std::uint32_t in_flight() const { return in_flight_; }
    /// The concurrency limit now; none where it is off.
    [[nodiscard]] std::optional<std::uint32_t> limit() const;
    [[nodiscard]] const breaker& circuit() const { return breaker_; }
    [[nodiscard]] base::duration max_wait() const { return max_wait_; }

private:
    struct waiter {
        exchange_id exchange;
        base::time_point until;
    };
    static constexpr std::size_t classes = 3;

    template <class IsThere>
    void drop_absent(IsThere is_there) {
        for (auto& queue : held_) {
            while (!queue.empty() && !is_there(queue.front().exchange)) queue.pop_front();
        }
    }
    [[nodiscard]] std::optional<admission_release> next_release(base::time_point now);
    [[nodiscard]] bool has_place(priority_class priority) const;
    [[nodiscard]] bool is_open(base::time_point now) const;
    [[nodiscard]] admission_answer refuse(admission_refusal why, base::time_point again) const;

    void set_waits();

    admission_rules rules_;
    const std::uint64_t seed_;
    base::duration max_wait_{};
    breaker breaker_;
    std::optional<token_bucket> tokens_;
    std::optional<concurrency_limit> places_;
    std::array<std::deque<waiter>, classes> held_;
    std::uint32_t in_flight_ = 0;
};

}  // namespace hearth::core
