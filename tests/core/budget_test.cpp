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
    EXPECT_EQ(take_all(subject, t0, {0.1, 0.5}), 1U) << "of two seconds";
    EXPECT_EQ(take_all(subject, t0 + 2s, {0.1, 0.5}), 1U);
    EXPECT_EQ(take_all(subject, t0 + 2s, {0.1, 10.0}), 19U);
    budget none;
    EXPECT_EQ(take_all(none, t0, {0.0, 0.0}), 0U);
}

TEST(BudgetTest, WhatLeftTheWindowCountsNoMore) {
    budget subject;
    for (int i = 0; i < 100; ++i) subject.on_request(t0);
    EXPECT_EQ(take_all(subject, t0 + 1s, {0.1, 0.0}), 10U);
    EXPECT_EQ(take_all(subject, t0 + 10s, {0.1, 0.0}), 0U);
    for (int i = 0; i < 100; ++i) subject.on_request(t0 + 10s);  // those before are forgotten
    EXPECT_EQ(take_all(subject, t0 + 10s, {0.1, 0.0}), 0U);      // the extra work is not
    EXPECT_EQ(take_all(subject, t0 + 11s, {0.1, 0.0}), 10U);
    EXPECT_EQ(take_all(subject, t0 + 500s, {0.1, 1.0}), 2U);
}

// Ten calm seconds have earned a hundred, of which a second of failures gets what two may have.
TEST(BudgetTest, WhatWasSavedIsNotSpentAtOnce) {
    budget subject;
    for (int i = 0; i < 1000; ++i) subject.on_request(t0 + i * 10ms);
    const base::time_point now = t0 + 9990ms;
    EXPECT_EQ(take_all(subject, now, {0.1, 0.0}), 30U) << "of the last 200";
    for (int i = 0; i < 100; ++i) subject.on_request(now + 1s);
    EXPECT_EQ(take_all(subject, now + 1s, {0.1, 0.0}), 0U);
    for (int i = 0; i < 100; ++i) subject.on_request(now + 2s);
    EXPECT_EQ(take_all(subject, now + 2s, {0.1, 0.0}), 30U);
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
