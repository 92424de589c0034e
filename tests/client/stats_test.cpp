#include "hearth/stats.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace hearth {
namespace {

using std::chrono::milliseconds;

TEST(StatsTest, CloseReasonsHaveDistinctWords) {
    std::set<std::string_view> seen;
    for (int i = 0; i < static_cast<int>(close_reason::count_); ++i) {
        const std::string_view word = to_string(static_cast<close_reason>(i));
        EXPECT_NE(word, "unknown");
        EXPECT_TRUE(seen.insert(word).second) << word;
    }
    EXPECT_EQ(to_string(close_reason::count_), "unknown");
}

TEST(StatsTest, TotalAddsCountsAndTakesTheOldestWait) {
    origin_stats one;
    one.open = 3;
    one.opened = 5;
    one.closed = 2;
    one.closed_by_reason[1] = 2;
    one.handshakes_full = 4;
    one.handshake_cpu = milliseconds(7);
    one.oldest_wait = milliseconds(30);
    origin_stats other = one;
    other.open = 1;
    other.oldest_wait = milliseconds(20);
    stats all;
    all.origins = {one, other};
    const origin_stats sum = all.total();
    EXPECT_EQ(sum.open, 4U);
    EXPECT_EQ(sum.opened, 10U);
    EXPECT_EQ(sum.closed, 4U);
    EXPECT_EQ(sum.closed_by_reason[1], 4U);
    EXPECT_EQ(sum.handshakes_full, 8U);
    EXPECT_EQ(sum.handshake_cpu, milliseconds(14));
    EXPECT_EQ(sum.oldest_wait, milliseconds(30));
    EXPECT_TRUE(sum.origin.empty());
}

TEST(StatsTest, TotalOfNothingIsZero) { EXPECT_EQ(stats{}.total().opened, 0U); }

}  // namespace
}  // namespace hearth
