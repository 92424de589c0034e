#include "client/lease_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

namespace hearth::detail {
namespace {

using message = std::pair<std::size_t, std::uint32_t>;

struct recorded {
    std::vector<message> grants;
    std::vector<std::size_t> recalls;
    lease_pool pool;

    recorded(std::uint32_t limit, std::size_t shards)
        : pool(limit, shards, [this](std::size_t shard) { look(shard); }) {}
    void look(std::size_t shard) {
        const lease_pool::news found = pool.collect(shard);
        if (found.granted != 0) {
            grants.emplace_back(shard, found.granted);
        } else {
            recalls.push_back(shard);
        }
    }
};

TEST(LeasePoolTest, GivesWhatIsThere) {
    recorded all(5, 2);
    EXPECT_EQ(all.pool.take(0, 3), 3U);
    EXPECT_EQ(all.pool.take(1, 2), 2U);
    EXPECT_TRUE(all.recalls.empty());
}

TEST(LeasePoolTest, NeverGivesMoreThanTheLimit) {
    recorded all(5, 3);
    EXPECT_EQ(all.pool.take(0, 4), 4U);
    EXPECT_EQ(all.pool.take(1, 4), 1U);
    EXPECT_EQ(all.pool.take(2, 4), 0U);
}

TEST(LeasePoolTest, AsksTheOtherShardsForWhatIsMissing) {
    recorded all(4, 3);
    (void)all.pool.take(0, 4);
    EXPECT_EQ(all.pool.take(1, 3), 0U);
    EXPECT_EQ(all.recalls, (std::vector<std::size_t>{0, 2}));
    EXPECT_EQ(all.pool.wanted_by_others(0), 3U);
    EXPECT_EQ(all.pool.wanted_by_others(1), 0U);
    EXPECT_EQ(all.pool.wanted_by_others(2), 3U);
}

TEST(LeasePoolTest, WithdrawsTheRecallWhenNobodyWaitsAnyMore) {
    recorded all(2, 2);
    (void)all.pool.take(0, 2);
    (void)all.pool.take(1, 2);
    all.recalls.clear();
    all.pool.give(0, 2);
    EXPECT_EQ(all.recalls, (std::vector<std::size_t>{0}));
    EXPECT_EQ(all.pool.wanted_by_others(0), 0U);
}

TEST(LeasePoolTest, ReturnedLeasesGoToWhoWaits) {
    recorded all(2, 2);
    (void)all.pool.take(0, 2);
    EXPECT_EQ(all.pool.take(1, 1), 0U);
    all.pool.give(0, 2);
    EXPECT_EQ(all.grants, (std::vector<message>{{1, 1}}));
    EXPECT_EQ(all.pool.take(0, 2), 1U) << "what nobody waited for is free again";
}

TEST(LeasePoolTest, SharesAmongAllThatWait) {
    recorded all(4, 3);
    (void)all.pool.take(0, 4);
    (void)all.pool.take(1, 4);
    (void)all.pool.take(2, 4);
    all.pool.give(0, 4);
    ASSERT_EQ(all.grants.size(), 2U);
    EXPECT_EQ(all.grants[0].second, 2U);
    EXPECT_EQ(all.grants[1].second, 2U);
}

TEST(LeasePoolTest, FirstToBeServedChanges) {
    recorded all(1, 3);
    (void)all.pool.take(0, 1);
    (void)all.pool.take(1, 100);
    (void)all.pool.take(2, 100);
    std::vector<std::size_t> served;
    std::size_t holder = 0;
    for (int i = 0; i < 6; ++i) {
        all.grants.clear();
        all.pool.give(holder, 1);
        ASSERT_EQ(all.grants.size(), 1U);
        holder = all.grants[0].first;
        served.push_back(all.grants[0].first);
    }
    EXPECT_NE(std::count(served.begin(), served.end(), 1U), 0);
    EXPECT_NE(std::count(served.begin(), served.end(), 2U), 0);
}

TEST(LeasePoolTest, RequestsAddUpUntilTheyAreGranted) {
    recorded all(3, 2);
    (void)all.pool.take(0, 3);
    (void)all.pool.take(1, 2);
    (void)all.pool.take(1, 1);
    all.pool.give(0, 3);
    EXPECT_EQ(all.grants, (std::vector<message>{{1, 3}}));
}

TEST(LeasePoolTest, LowerLimitTakesWhatIsFreeFirst) {
    recorded all(6, 2);
    (void)all.pool.take(0, 2);
    EXPECT_EQ(all.pool.set_limit(3), (std::vector<std::uint32_t>{0, 0}));
    EXPECT_EQ(all.pool.take(1, 3), 1U);
}

TEST(LeasePoolTest, WhatIsHeldBeyondALowerLimitIsOwedAndNotGrantedAgain) {
    recorded all(6, 2);
    (void)all.pool.take(0, 4);
    (void)all.pool.take(1, 2);
    EXPECT_EQ(all.pool.set_limit(3), (std::vector<std::uint32_t>{2, 1}));
    (void)all.pool.take(1, 1);  // waits
    all.pool.give(0, 2);
    EXPECT_TRUE(all.grants.empty()) << "a debt was paid";
    all.pool.give(1, 1);
    EXPECT_TRUE(all.grants.empty());
    all.pool.give(0, 1);
    EXPECT_EQ(all.grants, (std::vector<message>{{1, 1}}));
}

TEST(LeasePoolTest, HigherLimitServesThoseThatWait) {
    recorded all(1, 2);
    (void)all.pool.take(0, 1);
    (void)all.pool.take(1, 3);
    EXPECT_EQ(all.pool.set_limit(3), (std::vector<std::uint32_t>{0, 0}));
    EXPECT_EQ(all.grants, (std::vector<message>{{1, 2}}));
}

TEST(LeasePoolTest, WhoLeavesGivesAllBackAndWaitsNoMore) {
    recorded all(3, 2);
    (void)all.pool.take(0, 2);
    (void)all.pool.take(1, 4);
    (void)all.pool.take(0, 1);
    all.pool.leave(0, 2);
    EXPECT_EQ(all.grants, (std::vector<message>{{1, 2}}));
    EXPECT_EQ(all.pool.wanted_by_others(1), 0U);
    all.grants.clear();
    all.pool.leave(1, 3);
    EXPECT_TRUE(all.grants.empty());
    EXPECT_EQ(all.pool.take(0, 5), 3U);
}

TEST(LeasePoolTest, WhoLeavesPaysHisDebt) {
    recorded all(4, 2);
    (void)all.pool.take(0, 4);
    (void)all.pool.set_limit(1);
    all.pool.leave(0, 4);
    EXPECT_EQ(all.pool.take(1, 4), 1U);
}

TEST(LeasePoolTest, WhoCannotBeToldIsToldWhenLeasesMoveAgain) {
    bool is_short = true;
    std::vector<std::size_t> told;
    lease_pool pool(2, 2, [&](std::size_t shard) {
        if (is_short) throw std::bad_alloc();
        told.push_back(shard);
    });
    (void)pool.take(0, 2);
    (void)pool.take(1, 2);
    pool.give(0, 1);
    EXPECT_TRUE(told.empty());
    is_short = false;
    pool.give(0, 1);
    EXPECT_EQ(told, (std::vector<std::size_t>{1})) << "0 knows of nobody, and nobody waits";
    EXPECT_EQ(pool.collect(1).granted, 2U);
}

TEST(LeasePoolTest, NobodyIsToldTwiceBeforeHeHasLooked) {
    int told = 0;
    lease_pool pool(4, 2, [&](std::size_t) { ++told; });
    (void)pool.take(0, 4);
    (void)pool.take(1, 4);
    EXPECT_EQ(told, 1) << "0, of what 1 wants";
    pool.give(0, 1);
    pool.give(0, 1);
    EXPECT_EQ(told, 2) << "1, of what it was granted";
    EXPECT_EQ(pool.collect(1).granted, 2U);
    EXPECT_EQ(pool.collect(0).wanted_by_others, 2U);
}

TEST(LeasePoolTest, WhatWasNotCollectedGoesBackToo) {
    lease_pool pool(2, 2, [](std::size_t) {});
    (void)pool.take(0, 2);
    (void)pool.take(1, 1);
    pool.give(0, 1);
    pool.leave(1, 0);
    EXPECT_EQ(pool.collect(1).granted, 0U);
    EXPECT_EQ(pool.take(0, 2), 1U);
}

TEST(LeasePoolTest, SpareIsWhatNobodyHasOrWaitsFor) {
    lease_pool pool(10, 2, [](std::size_t) {});
    EXPECT_EQ(pool.spare(), 10U);
    EXPECT_EQ(pool.take(0, 7), 7U);
    EXPECT_EQ(pool.spare(), 3U);
    EXPECT_EQ(pool.take(1, 5), 3U);
    EXPECT_EQ(pool.spare(), 0U);
    pool.give(0, 4);
    EXPECT_EQ(pool.spare(), 2U) << "the others waited for two";
    (void)pool.set_limit(9);
    EXPECT_EQ(pool.spare(), 1U);
    (void)pool.set_limit(20);
    EXPECT_EQ(pool.spare(), 12U);
}

}  // namespace
}  // namespace hearth::detail
