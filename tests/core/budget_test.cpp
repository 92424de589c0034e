#include "core/budget.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

const base::time_point t0{1000s};

std::uint32_t take_all(budget& subject, base::time_point now, const budget_limits& limits) {
    std::uint32_t taken = 0;
    while (taken < 100'000 && subject.take(now, limits)) ++taken;
    return taken;
}

TEST(BudgetTest, ExtraWorkIsAShareOfRequestsAndAFloor) {
    budget subject;
    for (int i = 0; i < 1000; ++i) subject.on_request(t0);
    EXPECT_EQ(take_all(subject, t0, {0.1, 0.0}), 100U);
    EXPECT_EQ(take_all(subject, t0, {0.1, 1.0}), 10U);  // the floor of ten seconds comes on top
    EXPECT_EQ(take_all(subject, t0, {0.1, 1.0}), 0U);
}

TEST(BudgetTest, FloorServesAnOriginWithoutTraffic) {
    budget subject;
    EXPECT_EQ(take_all(subject, t0, {0.1, 0.5}), 5U);
    budget none;
    EXPECT_EQ(take_all(none, t0, {0.0, 0.0}), 0U);
}

TEST(BudgetTest, WhatLeftTheWindowCountsNoMore) {
    budget subject;
    for (int i = 0; i < 100; ++i) subject.on_request(t0);
    EXPECT_EQ(take_all(subject, t0 + 9s, {0.1, 0.0}), 10U);
    EXPECT_EQ(take_all(subject, t0 + 10s, {0.1, 0.0}), 0U);  // the requests are forgotten
    for (int i = 0; i < 100; ++i) subject.on_request(t0 + 12s);
    EXPECT_EQ(take_all(subject, t0 + 12s, {0.1, 0.0}), 0U);  // the extra work is not
    EXPECT_EQ(take_all(subject, t0 + 19s, {0.1, 0.0}), 10U);
    EXPECT_EQ(take_all(subject, t0 + 500s, {0.1, 1.0}), 10U);
}

TEST(BudgetTest, SteadyTrafficIsNeverMultipliedBeyondTheShare) {
    budget subject;
    std::uint32_t extra = 0;
    for (int i = 0; i < 60'000; ++i) {
        const base::time_point now = t0 + i * 1ms;
        subject.on_request(now);
        while (subject.take(now, {0.1, 1.0})) ++extra;  // everything fails, and again
    }
    EXPECT_LE(extra, 60'000U / 10 + 70);
    EXPECT_GE(extra, 60'000U / 10);
}

}  // namespace
}  // namespace hearth::core
