// Seeds of the simulated world: the invariants hold in all of them, and a seed decides everything.
#include <gtest/gtest.h>

#include "sim/world.hpp"

namespace hearth::sim {
namespace {

using namespace std::chrono_literals;

// A pool that has room for its load and an outside without faults.
world_settings calm_settings() {
    world_settings s;
    s.pool.pool.max_connections = 1000;
    s.first_leases = 1000;
    s.origins = 4;
    s.slow_share = 0;
    s.cancel_share = 0;
    s.deadline_share = 0;
    s.fault_share = 0;
    s.outage_share = 0;
    s.has_late_callers = false;
    return s;
}

class PoolWorldTest : public ::testing::Test {
protected:
    static void SetUpTestSuite() { announce_world_on_abort(); }
};

TEST_F(PoolWorldTest, InvariantsHoldForEverySeed) {
    world_totals totals;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        world one(seed, 1000, draw_settings(seed));
        one.run();
        totals.add(one.totals());
    }
    EXPECT_GT(totals.exchanges, 200'000U);
    EXPECT_GT(totals.answered, 10'000U);
    EXPECT_GT(totals.scans, 300U);
}

// Of many more worlds than run here, those in which something was wrong.
TEST_F(PoolWorldTest, NothingIsFoundAgainWhereSomethingWasFound) {
    for (const std::uint64_t seed : {10'075, 68'490}) {
        world one(seed, 1800, draw_settings(seed));
        one.run();
        EXPECT_GT(one.totals().answered, 0U) << "seed " << seed;
    }
}

TEST_F(PoolWorldTest, WorldsReachWhatTheyAreMadeToTest) {
    world_totals totals;
    for (std::uint64_t seed = 1000; seed < 1200; ++seed) {
        world one(seed, 1000, draw_settings(seed));
        one.run();
        totals.add(one.totals());
    }
    using core::wait_failure;
    for (const wait_failure failure :
         {wait_failure::queue_full, wait_failure::queue_timeout, wait_failure::deadline,
          wait_failure::would_miss_deadline, wait_failure::shed, wait_failure::dial,
          wait_failure::descriptor_limit, wait_failure::draining}) {
        EXPECT_GT(totals.failed[static_cast<std::size_t>(failure)], 0U)
            << "failure " << static_cast<int>(failure);
    }
    for (std::size_t i = 0; i < totals.closed.size(); ++i) {
        const auto reason = static_cast<close_reason>(i);
        if (reason == close_reason::peer || reason == close_reason::upgraded) continue;
        // Nothing of these worlds is replaced, and no limit is lowered.
        if (reason == close_reason::outdated || reason == close_reason::over_limit) continue;
        EXPECT_GT(totals.closed[i], 0U) << "reason " << i;
    }
    EXPECT_GT(totals.broken, 0U);
    EXPECT_GT(totals.cancelled, 0U);
    EXPECT_GT(totals.withdrawn, 0U);
    EXPECT_GT(totals.forgotten, 0U);
    EXPECT_GT(totals.retried, 0U);
    EXPECT_GT(totals.drained, 0U);
    EXPECT_GT(totals.leases_moved, 0U);
    EXPECT_GT(totals.stale_facts, 0U);
}

TEST_F(PoolWorldTest, SameSeedGivesTheSameActions) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        world first(seed, 2000, draw_settings(seed));
        world second(seed, 2000, draw_settings(seed));
        first.run();
        second.run();
        EXPECT_EQ(first.action_hash(), second.action_hash()) << seed;
        EXPECT_EQ(first.totals().steps, second.totals().steps) << seed;
    }
}

TEST_F(PoolWorldTest, AnotherSeedGivesOtherActions) {
    world first(1, 2000, calm_settings());
    world second(2, 2000, calm_settings());
    first.run();
    second.run();
    EXPECT_NE(first.action_hash(), second.action_hash());
}

TEST_F(PoolWorldTest, CalmWorldAnswersEverybody) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        world one(seed, 3000, calm_settings());
        one.run();
        EXPECT_EQ(one.totals().answered, 3000U) << seed;
    }
}

TEST_F(PoolWorldTest, CalmWorldDialsForItsPeakOnly) {
    world_settings settings = calm_settings();
    settings.origins = 1;
    settings.tls_share = 1;
    settings.multiplexed_share = 0;
    world one(5, 20'000, settings);
    one.run();
    EXPECT_EQ(one.totals().answered, 20'000U);
    EXPECT_LT(one.totals().dials, 400U) << "some 20 in flight on average";
}

TEST_F(PoolWorldTest, BurstBeyondEveryLimitIsAnsweredInTurn) {
    world_settings settings = calm_settings();
    settings.origins = 3;
    settings.pool.pool.max_connections = 4;
    settings.pool.pool.max_connections_per_origin = 3;
    settings.first_leases = 2;
    settings.between_arrivals = 20us;
    settings.service = 500us;
    settings.multiplexed_share = 0;
    settings.pool.timeouts.queue = 600'000ms;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        world one(seed, 2000, settings);
        one.run();
        EXPECT_EQ(one.totals().answered, 2000U) << seed;
    }
}

}  // namespace
}  // namespace hearth::sim
