#include "base/time.hpp"

#include <gtest/gtest.h>

namespace hearth::base {
namespace {

using namespace std::chrono_literals;

TEST(TimeTest, AfterAdds) {
    EXPECT_EQ(after(time_point{10s}, 5s), time_point{15s});
    EXPECT_EQ(after(time_point{10s}, -5s), time_point{5s});
    EXPECT_EQ(after(time_point{10s}, 0s), time_point{10s});
}

TEST(TimeTest, AfterNeverOverflows) {
    EXPECT_EQ(after(time_point{10s}, duration::max()), never);
    EXPECT_EQ(after(never, 1s), never);
    EXPECT_EQ(after(never, -1s), never);
    EXPECT_EQ(after(never - 1s, 2s), never);
    EXPECT_EQ(after(never - 1s, 1s), never);
    EXPECT_LT(after(time_point{-10s}, duration::max()), never);
}

}  // namespace
}  // namespace hearth::base
