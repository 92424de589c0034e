#include "base/prng.hpp"

#include <gtest/gtest.h>

namespace hearth::base {
namespace {

TEST(PrngTest, IsSplitmix64) {
    // The reference sequence of splitmix64 for seed 1234567.
    prng random(1234567);
    EXPECT_EQ(random.next(), 6457827717110365317ULL);
    EXPECT_EQ(random.next(), 3203168211198807973ULL);
    EXPECT_EQ(random.next(), 9817491932198370423ULL);
}

TEST(PrngTest, SameSeedSameNumbers) {
    prng a(9);
    prng b(9);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(a.next(), b.next());
}

TEST(PrngTest, BelowStaysBelowAndReachesBothEnds) {
    prng random(1);
    bool low = false;
    bool high = false;
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t value = random.below(10);
        ASSERT_LT(value, 10U);
        low |= value == 0;
        high |= value == 9;
    }
    EXPECT_TRUE(low && high);
    EXPECT_EQ(random.below(0), 0U);
    EXPECT_EQ(random.below(1), 0U);
}

TEST(PrngTest, UnitIsUniform) {
    prng random(1);
    double sum = 0;
    for (int i = 0; i < 10'000; ++i) {
        const double value = random.unit();
        ASSERT_GE(value, 0.0);
        ASSERT_LT(value, 1.0);
        sum += value;
    }
    EXPECT_NEAR(sum / 10'000, 0.5, 0.02);
}

}  // namespace
}  // namespace hearth::base
