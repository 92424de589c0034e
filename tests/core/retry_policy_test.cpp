#include "core/retry_policy.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

// All combinations of the facts, against the rule in words.
TEST(RetryPolicyTest, RepeatsExactlyWhenTheRuleSaysSo) {
    for (unsigned bits = 0; bits < 256; ++bits) {
        attempt_facts facts;
        facts.connection_reused = (bits & 1) != 0;
        facts.connection_lost = (bits & 2) != 0;
        facts.request_reached_kernel = (bits & 4) != 0;
        facts.response_begun = (bits & 8) != 0;
        facts.idempotent = (bits & 16) != 0;
        facts.body_replayable = (bits & 32) != 0;
        facts.stale_retries = (bits & 64) != 0 ? 1 : 0;
        const bool is_allowed = (bits & 128) != 0;
        const bool was_stale = facts.connection_reused && facts.connection_lost;
        const bool is_unprocessed = !facts.request_reached_kernel || facts.idempotent;
        const bool is_safe = is_unprocessed && facts.body_replayable && !facts.response_begun;
        const bool expected = is_allowed && was_stale && is_safe && facts.stale_retries == 0;
        EXPECT_EQ(judge_attempt(facts, is_allowed) == retry_verdict::again_fresh, expected) << bits;
    }
}

TEST(RetryPolicyTest, DefaultFactsFail) { EXPECT_EQ(judge_attempt({}, true), retry_verdict::fail); }

}  // namespace
}  // namespace hearth::core
