#include "core/repeat_policy.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

const base::time_point t0{1000s};
const repeat_rule rule{3, 20ms, 100ms, 2s};

repeat_facts repeatable() {
    repeat_facts facts;
    facts.is_transient = true;
    facts.is_idempotent = true;
    facts.is_replayable = true;
    return facts;
}

std::optional<base::duration> pause(const repeat_facts& facts, const repeat_rule& with = rule) {
    base::prng random(7);
    return pause_before_repeat(t0, facts, with, random);
}

TEST(RepeatPolicyTest, OnlyWhatIsTransientSafeAndReplayableIsRepeated) {
    for (int bits = 0; bits < 16; ++bits) {
        repeat_facts facts;
        facts.is_transient = (bits & 1) != 0;
        facts.is_unprocessed = (bits & 2) != 0;
        facts.is_idempotent = (bits & 4) != 0;
        facts.is_replayable = (bits & 8) != 0;
        const bool expected = facts.is_transient && facts.is_replayable &&
                              (facts.is_unprocessed || facts.is_idempotent);
        EXPECT_EQ(pause(facts).has_value(), expected) << bits;
    }
}

TEST(RepeatPolicyTest, AttemptsAreBounded) {
    repeat_facts facts = repeatable();
    facts.attempts = 2;
    EXPECT_TRUE(pause(facts));
    facts.attempts = 3;
    EXPECT_FALSE(pause(facts));
    facts.attempts = 1;
    EXPECT_FALSE(pause(facts, repeat_rule{}));  // off
}

TEST(RepeatPolicyTest, PauseIsUniformBelowADoublingBound) {
    base::prng random(1);
    repeat_rule many = rule;
    many.max_attempts = 10;
    const base::duration bounds[] = {20ms, 40ms, 80ms, 100ms, 100ms};
    for (std::uint32_t attempts = 1; attempts <= 5; ++attempts) {
        repeat_facts facts = repeatable();
        facts.attempts = attempts;
        base::duration longest{};
        base::duration shortest = 1h;
        for (int i = 0; i < 500; ++i) {
            const base::duration got = pause_before_repeat(t0, facts, many, random).value();
            longest = std::max(longest, got);
            shortest = std::min(shortest, got);
        }
        EXPECT_LT(longest, bounds[attempts - 1]);
        EXPECT_GT(longest, bounds[attempts - 1] * 9 / 10);
        EXPECT_LT(shortest, bounds[attempts - 1] / 10);
    }
}

TEST(RepeatPolicyTest, RetryAfterIsALeastPauseWithinItsBound) {
    repeat_facts facts = repeatable();
    facts.retry_after = 1s;
    EXPECT_GE(pause(facts).value(), 1s);
    EXPECT_LT(pause(facts).value(), 1s + 20ms);
    facts.retry_after = 3s;
    EXPECT_FALSE(pause(facts));
}

TEST(RepeatPolicyTest, PauseThatTheDeadlineCannotHoldIsNone) {
    repeat_facts facts = repeatable();
    facts.retry_after = 1s;
    facts.deadline = t0 + 1s;
    EXPECT_FALSE(pause(facts));
    facts.deadline = t0 + 2s;
    EXPECT_TRUE(pause(facts));
    facts.deadline = t0;
    facts.retry_after.reset();
    EXPECT_FALSE(pause(facts, {3, 0ms, 0ms, 0ms}));
}

}  // namespace
}  // namespace hearth::core
