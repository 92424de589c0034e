// How many streams may be reset, and when the next one.
#include "core/reset_budget.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

const base::time_point t0{std::chrono::hours{1}};
constexpr reset_budget::bounds within{.burst = 3, .per_second = 10};

reset_budget spent() {
    reset_budget budget;
    budget.begin(t0, within);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.take(t0, within));
    return budget;
}

TEST(ResetBudgetTest, GivesTheBurstAtOnceAndNoMore) {
    reset_budget budget = spent();
    EXPECT_FALSE(budget.take(t0, within));
    EXPECT_FALSE(budget.take(t0 + 99ms, within));
}

TEST(ResetBudgetTest, RefillsWithTime) {
    reset_budget budget = spent();
    EXPECT_TRUE(budget.take(t0 + 101ms, within));
    EXPECT_FALSE(budget.take(t0 + 102ms, within));
}

TEST(ResetBudgetTest, NeverHoldsMoreThanTheBurst) {
    reset_budget budget = spent();
    const base::time_point later = t0 + 1h;
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.take(later, within));
    EXPECT_FALSE(budget.take(later, within));
}

TEST(ResetBudgetTest, SaysWhenTheNextOneMayBeTaken) {
    reset_budget budget = spent();
    const base::time_point next = budget.next(t0, within);
    EXPECT_GT(next, t0 + 99ms);
    EXPECT_FALSE(budget.take(next - 1ms, within));
    EXPECT_TRUE(budget.take(next, within));
    budget.begin(t0, within);
    EXPECT_EQ(budget.next(t0, within), t0) << "now, if there is one";
}

TEST(ResetBudgetTest, WhatIsForcedIsOwed) {
    reset_budget budget = spent();
    budget.force(t0, within);
    EXPECT_FALSE(budget.take(t0 + 150ms, within)) << "the first tenth of a second pays the debt";
    EXPECT_TRUE(budget.take(t0 + 250ms, within));
    for (int i = 0; i < 1000; ++i) budget.force(t0 + 250ms, within);
    EXPECT_TRUE(budget.take(t0 + 250ms + 500ms, within)) << "a debt is at most a burst";
}

TEST(ResetBudgetTest, WithoutRefillOrBurstThereIsNoNext) {
    reset_budget budget;
    budget.begin(t0, {.burst = 0, .per_second = 30});
    EXPECT_FALSE(budget.take(t0 + 1h, {.burst = 0, .per_second = 30}));
    EXPECT_EQ(budget.next(t0, {.burst = 0, .per_second = 30}), base::never);
    budget.begin(t0, {.burst = 1, .per_second = 0});
    EXPECT_TRUE(budget.take(t0, {.burst = 1, .per_second = 0}));
    EXPECT_EQ(budget.next(t0, {.burst = 1, .per_second = 0}), base::never);
}

}  // namespace
}  // namespace hearth::core
