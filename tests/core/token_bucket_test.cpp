#include "core/token_bucket.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;
const base::time_point t0{1000s};

TEST(TokenBucketTest, BurstThenRate) {
    token_bucket subject(100.0, 5);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(subject.take(t0)) << i;
    EXPECT_FALSE(subject.take(t0));
    EXPECT_EQ(subject.next_at(), t0 + 10ms);
    EXPECT_EQ(subject.next_at(3), t0 + 40ms);
    EXPECT_FALSE(subject.take(t0 + 10ms - 1ns));
    EXPECT_TRUE(subject.take(t0 + 10ms));
    EXPECT_FALSE(subject.take(t0 + 10ms));
}

TEST(TokenBucketTest, NothingIsSavedBeyondTheBurst) {
    token_bucket subject(100.0, 5);
    int taken = 0;
    while (subject.take(t0 + 1h)) ++taken;
    EXPECT_EQ(taken, 5);
}

TEST(TokenBucketTest, RateHoldsOverTime) {
    token_bucket subject(333.0, 2);
    int taken = 0;
    for (int i = 0; i < 10'000; ++i) taken += subject.take(t0 + 1ms * i) ? 1 : 0;
    EXPECT_NEAR(taken, 3330, 2);
}

TEST(TokenBucketTest, DrainedBucketHasItsNextTokenAStepLater) {
    token_bucket subject(10.0, 5);
    subject.drain(t0);
    EXPECT_FALSE(subject.take(t0));
    EXPECT_TRUE(subject.take(t0 + 100ms));
    EXPECT_FALSE(subject.take(t0 + 100ms));
}

}  // namespace
}  // namespace hearth::core
