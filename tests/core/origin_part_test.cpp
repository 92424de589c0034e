// Parts of limits: that they add up to the limit.
#include "core/origin_part.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

TEST(OriginPartTest, PartsAddUpToTheLimit) {
    for (std::uint32_t limit = 0; limit < 50; ++limit) {
        for (std::uint32_t count = 1; count < 9; ++count) {
            std::uint32_t sum = 0;
            std::uint32_t most = 0;
            std::uint32_t least = limit;
            for (std::uint32_t i = 0; i < count; ++i) {
                const std::uint32_t part = origin_part{i, count}.of(limit);
                sum += part;
                most = std::max(most, part);
                least = std::min(least, part);
            }
            EXPECT_EQ(sum, limit);
            EXPECT_LE(most - least, 1U);
        }
    }
}

TEST(OriginPartTest, WholeIsTheDefault) {
    EXPECT_EQ(origin_part{}.of(7), 7U);
    EXPECT_EQ(origin_part{}.of(0xffffffff), 0xffffffffU);
    EXPECT_FALSE(origin_part{}.is_none());
}

TEST(OriginPartTest, WithoutAPartThereIsNothing) {
    constexpr origin_part none{0, 0};
    EXPECT_TRUE(none.is_none());
    EXPECT_EQ(none.of(100), 0U);
    EXPECT_EQ(none.of_connections(100), 0U);
}

TEST(OriginPartTest, WhoHasAPartMayHaveAConnection) {
    constexpr origin_part last{3, 4};
    EXPECT_EQ(last.of(2), 0U);
    EXPECT_EQ(last.of_connections(2), 1U);
    EXPECT_EQ(last.of_connections(9), 2U);
    EXPECT_EQ(last.of_connections(0), 0U) << "a limit of none stays one";
}

}  // namespace
}  // namespace hearth::core
