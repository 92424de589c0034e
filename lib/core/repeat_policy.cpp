#include "core/repeat_policy.hpp"

#include <algorithm>

namespace hearth::core {
namespace {

base::duration jittered(std::uint32_t attempts, const repeat_rule& rule, base::prng& random) {
    base::duration bound = rule.min_backoff;
    for (std::uint32_t i = 1; i < attempts && bound < rule.max_backoff; ++i) bound *= 2;
    bound = std::min(bound, rule.max_backoff);
    if (bound <= base::duration::zero()) return base::duration::zero();
    return base::duration(
        static_cast<base::duration::rep>(random.below(static_cast<std::uint64_t>(bound.count()))));
}

}  // namespace

std::optional<base::duration> pause_before_repeat(base::time_point now, const repeat_facts& facts,
                                                  const repeat_rule& rule, base::prng& random) {
    if (!facts.is_transient || !facts.is_replayable) return {};
    if (!facts.is_unprocessed && !facts.is_idempotent) return {};
    if (facts.attempts >= rule.max_attempts) return {};
    base::duration pause = jittered(facts.attempts, rule, random);
    if (facts.retry_after) {
        if (*facts.retry_after > rule.max_retry_after) return {};
        pause += *facts.retry_after;
    }
    if (facts.deadline != base::never && facts.deadline - now <= pause) return {};
    return pause;
}

}  // namespace hearth::core
