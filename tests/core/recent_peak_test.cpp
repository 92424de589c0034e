#include "core/recent_peak.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

constexpr base::time_point t0{std::chrono::hours{1}};
constexpr base::duration window = recent_peak::window;

TEST(RecentPeakTest, IsTheLargestValueOfLate) {
    recent_peak peak;
    EXPECT_EQ(peak.value(t0), 0U) << "nothing was noted";
    peak.note(t0, 3);
    peak.note(t0 + 1ms, 7);
    peak.note(t0 + 2ms, 2);
    EXPECT_EQ(peak.value(t0 + 3ms), 7U);
}

TEST(RecentPeakTest, IsRememberedForAWindowAndForgottenAfterTwo) {
    recent_peak peak;
    peak.note(t0, 1);
    peak.note(t0 + window - 1ms, 9);
    peak.note(t0 + window, 2);
    EXPECT_EQ(peak.value(t0 + 2 * window - 1ms), 9U);
    EXPECT_EQ(peak.value(t0 + 2 * window), 2U);
    peak.note(t0 + 2 * window, 1);
    EXPECT_EQ(peak.value(t0 + 2 * window), 2U) << "the window before still counts";
    peak.note(t0 + 3 * window, 1);
    EXPECT_EQ(peak.value(t0 + 3 * window), 1U);
}

TEST(RecentPeakTest, IsNothingAfterALull) {
    recent_peak peak;
    peak.note(t0, 5);
    EXPECT_EQ(peak.value(t0 + 2 * window), 0U);
    peak.note(t0 + 10 * window, 1);
    EXPECT_EQ(peak.value(t0 + 10 * window), 1U) << "what was before the lull is over";
}

}  // namespace
}  // namespace hearth::core
