// The warm path allocates nothing.
#include "core/pool_core.hpp"
#include "core/pool_harness.hpp"
#include "support/allocations.hpp"

namespace hearth::core {
namespace {

// Runs `rounds` of acquire, assign and done at one origin after the other, without the harness's
// records. Returns how many exchanges were assigned.
std::uint64_t run_warm(pool_core& pool, time_point& now, const std::vector<origin_id>& origins,
                       int rounds) {
    std::uint64_t assigned = 0;
    std::uint32_t generation = 1000;
    for (int i = 0; i < rounds; ++i) {
        now += 1us;
        const exchange_id exchange{0, ++generation};
        pool.acquire(now, {exchange, origins[static_cast<std::size_t>(i) % origins.size()]});
        action next;
        connection_id connection;
        while (pool.poll_action(next)) {
            if (next.kind == action_kind::assign) {
                connection = next.connection;
                ++assigned;
            }
        }
        pool.on_first_byte(now, connection, exchange);
        pool.on_exchange_done(now, connection, exchange, exchange_outcome::reusable);
        while (pool.poll_action(next)) {
        }
        if (pool.next_deadline() <= now) pool.on_timer(now);
    }
    return assigned;
}

TEST(PoolAllocationTest, WarmExchangesAllocateNothing) {
    pool_harness h;
    std::vector<origin_id> origins;
    for (int i = 0; i < 20; ++i) {
        origins.push_back(h.add_origin());
        (void)h.make_idle(origins.back());
    }
    (void)run_warm(h.pool, h.now, origins, 100);
    const std::uint64_t before = support::allocations();
    const std::uint64_t assigned = run_warm(h.pool, h.now, origins, 10'000);
    EXPECT_EQ(support::allocations() - before, 0U);
    EXPECT_EQ(assigned, 10'000U);
}

TEST(PoolAllocationTest, MultiplexedWarmExchangesAllocateNothing) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    const exchange_id kept = h.acquire(origin);
    h.finish_dial(h.last(action_kind::dial).connection,
                  {.is_multiplexed = true, .max_streams = 100});
    const exchange_id also_kept = h.acquire(origin);
    ASSERT_NE(kept, also_kept);
    // The exchange of `run_warm` has index 0; `kept` lives there.
    h.done(h.last(action_kind::assign).connection, kept);
    const std::vector<origin_id> origins{origin};
    (void)run_warm(h.pool, h.now, origins, 100);
    const std::uint64_t before = support::allocations();
    const std::uint64_t assigned = run_warm(h.pool, h.now, origins, 10'000);
    EXPECT_EQ(support::allocations() - before, 0U);
    EXPECT_EQ(assigned, 10'000U);
}

TEST(PoolAllocationTest, WaitingAllocatesNothingOnceTheQueueHasBeenAsLong) {
    pool_settings settings;
    settings.pool.max_connections_per_origin = 1;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    exchange_id running = h.acquire(origin);
    const connection_id connection = h.last(action_kind::dial).connection;
    h.finish_dial(connection);
    std::uint64_t before = 0;
    for (int round = 0; round < 3; ++round) {
        before = support::allocations();
        for (std::uint32_t i = 10; i < 50; ++i) {
            h.pool.acquire(h.now, {{i, static_cast<std::uint32_t>(round) + 1}, origin});
        }
        action next;
        for (int i = 0; i < 41; ++i) {
            h.pool.on_exchange_done(h.now, connection, running, exchange_outcome::reusable);
            while (h.pool.poll_action(next)) running = next.exchange;
        }
        h.pool.acquire(h.now, {{0, static_cast<std::uint32_t>(round) + 2}, origin});
        while (h.pool.poll_action(next)) running = next.exchange;
    }
    EXPECT_EQ(support::allocations() - before, 0U);
}

}  // namespace
}  // namespace hearth::core
