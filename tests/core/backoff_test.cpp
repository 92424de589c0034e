#include "core/backoff.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

const time_point t0{1h};
const backoff_bounds bounds{.min = 20ms, .max = 500ms};

TEST(BackoffTest, HoldsNothingBeforeAFailure) {
    const backoff value;
    EXPECT_FALSE(value.is_failing());
    EXPECT_LT(value.until(), t0);
}

TEST(BackoffTest, PauseIsRandomBelowABoundThatDoublesUpToTheMaximum) {
    duration longest[8] = {};
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        base::prng random(seed);
        backoff value;
        time_point now = t0;
        for (duration& seen : longest) {
            value.on_failure(now, now, bounds, random);
            ASSERT_GE(value.until(), now);
            seen = std::max(seen, value.until() - now);
            now += 1s;
        }
    }
    duration bound = bounds.min;
    for (const duration seen : longest) {
        EXPECT_LT(seen, bound);
        EXPECT_GT(seen, bound * 9 / 10) << "400 draws come near the bound";
        bound = std::min(bound * 2, bounds.max);
    }
}

TEST(BackoffTest, AWaveOfFailuresCountsOnce) {
    base::prng random(1);
    backoff value;
    value.on_failure(t0 + 10ms, t0, bounds, random);
    const time_point until = value.until();
    value.on_failure(t0 + 11ms, t0 + 1ms, bounds, random);
    EXPECT_EQ(value.failures(), 1U);
    EXPECT_EQ(value.until(), until);
    value.on_failure(t0 + 40ms, t0 + 30ms, bounds, random);
    EXPECT_EQ(value.failures(), 2U);
}

TEST(BackoffTest, SuccessEndsIt) {
    base::prng random(1);
    backoff value;
    value.on_failure(t0, t0, bounds, random);
    value.on_success();
    EXPECT_FALSE(value.is_failing());
    EXPECT_LT(value.until(), t0);
    value.on_failure(t0 + 1s, t0, bounds, random);
    EXPECT_EQ(value.failures(), 1U) << "a failure after a success begins anew";
}

TEST(BackoffTest, AProbeHoldsBackTheNextOne) {
    base::prng random(1);
    backoff value;
    value.on_probe(t0, bounds);
    EXPECT_LT(value.until(), t0) << "nothing has failed";
    value.on_failure(t0, t0, bounds, random);
    value.on_probe(t0 + 20ms, bounds);
    EXPECT_EQ(value.until(), t0 + 40ms);
}

TEST(BackoffTest, ZeroBoundsMeanNoPause) {
    base::prng random(1);
    backoff value;
    for (int i = 0; i < 100; ++i) value.on_failure(t0, t0, {0ms, 0ms}, random);
    EXPECT_EQ(value.until(), t0);
}

}  // namespace
}  // namespace hearth::core
