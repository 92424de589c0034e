// Exchanges: assignment, waiting, the bounds of the queue, cancelling, and what a freed connection
// does.
#include "core/pool_core.hpp"

#include "core/pool_harness.hpp"

namespace hearth::core {
namespace {

using kind = action_kind;

pool_settings settings_with(std::uint32_t per_origin, std::uint32_t waiters = 10'000) {
    pool_settings settings;
    settings.pool.max_connections_per_origin = per_origin;
    settings.pool.max_waiters = waiters;
    settings.pool.jitter = 0;
    return settings;
}

TEST(PoolCoreTest, FirstExchangeDialsAndIsAssignedWhenTheConnectionIsReady) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    const exchange_id x = h.acquire(origin);
    const auto actions = h.take();
    ASSERT_EQ(actions.size(), 1U);
    EXPECT_EQ(actions[0].kind, kind::dial);
    EXPECT_EQ(actions[0].origin, origin);
    h.finish_dial(actions[0].connection);
    EXPECT_EQ(h.last(kind::assign).exchange, x);
    EXPECT_EQ(h.last(kind::assign).connection, actions[0].connection);
}

TEST(PoolCoreTest, WarmExchangeIsAssignedAtOnce) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    const connection_id connection = h.make_idle(origin);
    (void)h.take();
    const exchange_id x = h.acquire(origin);
    ASSERT_EQ(h.actions.size(), 1U);
    EXPECT_EQ(h.actions[0].kind, kind::assign);
    EXPECT_EQ(h.actions[0].connection, connection);
    EXPECT_EQ(h.actions[0].exchange, x);
}

TEST(PoolCoreTest, FreedConnectionServesTheFirstWaiterWhoeverAskedForTheDial) {
    pool_harness h(settings_with(2));
    const origin_id origin = h.add_origin();
    const exchange_id a = h.acquire(origin);
    const connection_id first = h.last(kind::dial).connection;
    h.finish_dial(first);
    const exchange_id b = h.acquire(origin);
    const connection_id second = h.last(kind::dial).connection;
    h.done(first, a);
    EXPECT_EQ(h.last(kind::assign).exchange, b) << "it does not wait for its own dial";
    EXPECT_EQ(h.last(kind::assign).connection, first);
    h.finish_dial(second);
    EXPECT_EQ(h.stats(origin).idle, 1U) << "the dial goes on and warms the pool";
}

TEST(PoolCoreTest, WaitersAreServedInTheOrderTheyCame) {
    pool_harness h(settings_with(1));
    const origin_id origin = h.add_origin();
    std::vector<exchange_id> exchanges;
    for (int i = 0; i < 4; ++i) exchanges.push_back(h.acquire(origin));
    const connection_id connection = h.last(kind::dial).connection;
    h.finish_dial(connection);
    for (const exchange_id x : exchanges) {
        EXPECT_EQ(h.last(kind::assign).exchange, x);
        h.done(connection, x);
    }
    EXPECT_EQ(h.count(kind::assign), 4U);
    EXPECT_EQ(h.count(kind::dial), 1U);
}

TEST(PoolCoreTest, CancelledWaiterLeavesItsDialRunning) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    const exchange_id x = h.acquire(origin);
    h.cancel(x);
    h.finish_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.count(kind::assign), 0U);
    EXPECT_EQ(h.count(kind::close), 0U);
    EXPECT_EQ(h.stats(origin).idle, 1U);
    h.cancel(x);
    EXPECT_EQ(h.pool.stale_facts(), 1U) << "cancelled twice";
}

TEST(PoolCoreTest, CancelledCallersDialServesTheNextCaller) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    h.cancel(h.acquire(origin));
    const exchange_id x = h.acquire(origin);
    EXPECT_EQ(h.count(kind::dial), 1U);
    h.finish_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.last(kind::assign).exchange, x);
}

TEST(PoolCoreTest, DialsForEveryWaiterUpToTheOriginsLimit) {
    pool_harness h(settings_with(3));
    const origin_id origin = h.add_origin();
    for (int i = 0; i < 5; ++i) (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::dial), 3U);
    EXPECT_EQ(h.stats(origin).waiting, 5U);
    EXPECT_EQ(h.stats(origin).dialing, 3U);
}

TEST(PoolCoreTest, OriginMayHaveALimitOfItsOwn) {
    pool_harness h(settings_with(3));
    const origin_id origin = h.add_origin({.tls = false, .max_connections = 1});
    for (int i = 0; i < 5; ++i) (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::dial), 1U);
}

TEST(PoolCoreTest, QueueBoundDoesNotCountWhoADialWillServe) {
    pool_harness h(settings_with(2, 1));
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    (void)h.acquire(origin);
    (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::fail), 0U);
    const exchange_id refused = h.acquire(origin);
    EXPECT_EQ(h.last(kind::fail).exchange, refused);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::queue_full);
    EXPECT_EQ(h.stats(origin).queue_refused, 1U);
}

TEST(PoolCoreTest, NoWaitersAllowedStillMayDial) {
    pool_harness h(settings_with(1, 0));
    const origin_id origin = h.add_origin();
    const exchange_id x = h.acquire(origin);
    EXPECT_EQ(h.count(kind::fail), 0U);
    (void)h.acquire(origin);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::queue_full);
    h.cancel(x);
    (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::fail), 1U) << "the dial of a caller who left is free";
}

TEST(PoolCoreTest, WaiterFailsWithItsDeadlineOrTheQueueTimeout) {
    pool_settings settings = settings_with(1);
    settings.timeouts.queue = 10s;
    settings.timeouts.name = 1h;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const exchange_id patient = h.acquire(origin);
    const exchange_id pressed = h.acquire(origin, h.now + 3s);
    EXPECT_EQ(h.pool.next_deadline(), t0 + 3s);
    h.wait(3s);
    EXPECT_EQ(h.last(kind::fail).exchange, pressed);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::deadline);
    h.wait(7s);
    EXPECT_EQ(h.last(kind::fail).exchange, patient);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::queue_timeout);
    EXPECT_EQ(h.stats(origin).queue_timeouts, 2U);
}

TEST(PoolCoreTest, ExpiredWaiterGetsNoConnectionEvenIfTheTimerIsLate) {
    pool_harness h(settings_with(1));
    const origin_id origin = h.add_origin();
    const exchange_id a = h.acquire(origin);
    const connection_id connection = h.last(kind::dial).connection;
    h.finish_dial(connection);
    const exchange_id late = h.acquire(origin, h.now + 1s);
    const exchange_id next = h.acquire(origin);
    h.now += 1s;
    h.done(connection, a);
    EXPECT_EQ(h.last(kind::fail).exchange, late);
    EXPECT_EQ(h.last(kind::assign).exchange, next);
}

TEST(PoolCoreTest, DeadlineAlreadyPassedFailsAtOnce) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin, h.now);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::deadline);
    EXPECT_EQ(h.count(kind::dial), 0U);
}

TEST(PoolCoreTest, FreshExchangePassesOverUsedConnections) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    const connection_id used = h.make_idle(origin);
    (void)h.take();
    const exchange_id x = h.acquire(origin, base::never, true);
    EXPECT_EQ(h.count(kind::assign), 0U);
    const connection_id fresh = h.last(kind::dial).connection;
    const exchange_id other = h.acquire(origin);
    EXPECT_EQ(h.last(kind::assign).connection, used);
    h.done(used, other);
    h.finish_dial(fresh);
    EXPECT_EQ(h.last(kind::assign).exchange, x);
    EXPECT_EQ(h.last(kind::assign).connection, fresh);
}

TEST(PoolCoreTest, FreshExchangeAtTheLimitReplacesTheConnectionThatComesToRest) {
    pool_harness h(settings_with(2));
    const origin_id origin = h.add_origin();
    const connection_id first = h.make_idle(origin);
    const exchange_id one = h.acquire(origin);
    const exchange_id other = h.acquire(origin);
    const connection_id second = h.last(kind::dial).connection;
    h.finish_dial(second);
    EXPECT_EQ(h.last(kind::assign).exchange, other);
    const exchange_id x =
        h.acquire(origin, base::never, true);  // nothing rests, nor may be dialled
    (void)h.take();
    h.done(first, one);
    EXPECT_EQ(h.last(kind::close).connection, first);
    EXPECT_EQ(h.count(kind::dial), 1U);
    h.finish_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.last(kind::assign).exchange, x);
}

TEST(PoolCoreTest, FreshExchangeAtTheLimitReplacesAnIdleConnection) {
    pool_harness h(settings_with(1));
    const origin_id origin = h.add_origin();
    const connection_id used = h.make_idle(origin);
    const exchange_id x = h.acquire(origin, base::never, true);
    EXPECT_EQ(h.last(kind::close).connection, used);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::evicted);
    h.finish_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.last(kind::assign).exchange, x);
}

TEST(PoolCoreTest, ConnectionThatCannotBeReusedIsClosedAndReplacedForWaiters) {
    pool_harness h(settings_with(1));
    const origin_id origin = h.add_origin();
    const exchange_id a = h.acquire(origin);
    const connection_id connection = h.last(kind::dial).connection;
    h.finish_dial(connection);
    (void)h.acquire(origin);
    (void)h.take();
    h.done(connection, a, exchange_outcome::not_reusable);
    ASSERT_EQ(h.actions.size(), 2U);
    EXPECT_EQ(h.actions[0].kind, kind::close);
    EXPECT_EQ(h.actions[0].reason, close_reason::not_reusable);
    EXPECT_EQ(h.actions[1].kind, kind::dial);
    EXPECT_NE(h.actions[1].connection, connection) << "ids are not used twice";
}

TEST(PoolCoreTest, BrokenExchangeClosesItsConnection) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    const exchange_id x = h.acquire(origin);
    const connection_id connection = h.last(kind::dial).connection;
    h.finish_dial(connection);
    h.done(connection, x, exchange_outcome::failed);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::peer_error);
    h.closed(connection);
    EXPECT_EQ(h.pool.stale_facts(), 1U) << "the shard's own report comes too late, legally";
    EXPECT_EQ(h.stats(origin).closed, 1U);
}

TEST(PoolCoreTest, ClosedIdleConnectionIsNotUsedAgain) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    h.closed(h.make_idle(origin));
    (void)h.take();
    (void)h.acquire(origin);
    EXPECT_EQ(h.last(kind::dial).kind, kind::dial);
    EXPECT_EQ(h.count(kind::assign), 0U);
    const auto reason = static_cast<std::size_t>(close_reason::peer);
    EXPECT_EQ(h.stats(origin).closed_by_reason[reason], 1U);
}

TEST(PoolCoreTest, FactsAboutTheDeadAreCountedAndDropped) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    const connection_id connection = h.make_idle(origin);
    h.closed(connection);
    (void)h.take();
    const exchange_id nobody{77, 1};
    h.done(connection, nobody);
    h.closed(connection);
    h.ready(connection);
    h.resolved(connection);
    h.connected(connection);
    h.fail_dial(connection);
    h.pool.on_connect_failed(h.now, connection, 0);
    h.pool.on_handshake_need(h.now, connection, handshake_need::hello);
    h.pool.on_slice_done(h.now, connection, 1ms, slice_outcome::done);
    h.pool.on_draining(h.now, connection);
    h.pool.on_first_byte(h.now, connection, nobody);
    h.cancel_assigned(connection, nobody);
    EXPECT_EQ(h.pool.stale_facts(), 12U);
    EXPECT_TRUE(h.actions.empty());
}

TEST(PoolCoreTest, MultiplexedConnectionServesManyWaiters) {
    pool_harness h(settings_with(4));
    const origin_id origin = h.add_origin();
    std::vector<exchange_id> exchanges;
    for (int i = 0; i < 10; ++i) exchanges.push_back(h.acquire(origin));
    const connection_id connection = h.all(kind::dial)[0].connection;
    h.finish_dial(connection, {.is_multiplexed = true, .max_streams = 8});
    EXPECT_EQ(h.count(kind::assign), 8U);
    EXPECT_EQ(h.stats(origin).active, 1U);
    EXPECT_EQ(h.stats(origin).waiting, 2U);
    h.done(connection, exchanges[3]);
    EXPECT_EQ(h.last(kind::assign).exchange, exchanges[8]);
}

TEST(PoolCoreTest, DialsForMultiplexedOriginsCountStreams) {
    pool_harness h(settings_with(16));
    const origin_id origin = h.add_origin();
    const exchange_id first = h.acquire(origin);
    const connection_id connection = h.last(kind::dial).connection;
    h.finish_dial(connection, {.is_multiplexed = true, .max_streams = 4});
    h.done(connection, first);
    (void)h.take();
    for (int i = 0; i < 12; ++i) (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::assign), 4U);
    EXPECT_EQ(h.count(kind::dial), 2U) << "8 waiters need 2 connections of 4 streams";
}

TEST(PoolCoreTest, CancelledStreamIsResetAndItsPlaceUsedAgain) {
    pool_harness h(settings_with(1));
    const origin_id origin = h.add_origin();
    std::vector<exchange_id> exchanges;
    for (int i = 0; i < 3; ++i) exchanges.push_back(h.acquire(origin));
    const connection_id connection = h.last(kind::dial).connection;
    h.finish_dial(connection, {.is_multiplexed = true, .max_streams = 2});
    (void)h.take();
    h.cancel_assigned(connection, exchanges[0]);
    ASSERT_EQ(h.actions.size(), 1U);
    EXPECT_EQ(h.actions[0].kind, kind::reset);
    EXPECT_EQ(h.actions[0].exchange, exchanges[0]);
    h.pool.on_resets_seen(h.now, connection, 1);
    h.drain_actions();
    ASSERT_EQ(h.actions.size(), 2U);
    EXPECT_EQ(h.actions[1].kind, kind::assign);
    EXPECT_EQ(h.actions[1].exchange, exchanges[2]);
}

TEST(PoolCoreTest, RefusedStreamKeepsTheConnection) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    const exchange_id x = h.acquire(origin);
    const connection_id connection = h.last(kind::dial).connection;
    h.finish_dial(connection, {.is_multiplexed = true, .max_streams = 10});
    h.done(connection, x, exchange_outcome::refused);
    EXPECT_EQ(h.count(kind::close), 0U);
    EXPECT_EQ(h.stats(origin).idle, 1U);
}

TEST(PoolCoreTest, GoawayLetsStreamsEndAndGetsNoNewOnes) {
    pool_harness h(settings_with(2));
    const origin_id origin = h.add_origin();
    const exchange_id a = h.acquire(origin);
    const connection_id connection = h.last(kind::dial).connection;
    h.finish_dial(connection, {.is_multiplexed = true, .max_streams = 10});
    h.pool.on_first_byte(h.now, connection, a);
    (void)h.take();
    h.pool.on_draining(h.now, connection);
    h.drain_actions();
    EXPECT_EQ(h.count(kind::dial), 1U);
    (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::dial), 1U);
    EXPECT_EQ(h.count(kind::assign), 0U);
    EXPECT_EQ(h.stats(origin).draining, 1U);
    h.done(connection, a);
    EXPECT_EQ(h.last(kind::close).connection, connection);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::not_reusable);
}

TEST(PoolCoreTest, GoawayOnAnIdleConnectionClosesIt) {
    pool_harness h;
    const connection_id connection = h.make_idle(h.add_origin());
    h.pool.on_draining(h.now, connection);
    h.drain_actions();
    EXPECT_EQ(h.last(kind::close).connection, connection);
}

TEST(PoolCoreTest, OldestWaitIsReported) {
    pool_harness h(settings_with(1));
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    h.now += 1s;
    (void)h.acquire(origin);
    h.now += 1s;
    EXPECT_EQ(h.stats(origin).oldest_wait, 2s);
}

TEST(PoolCoreTest, BegunAnewItKnowsNoneOfItsNames) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    const connection_id old = h.last(kind::dial).connection;
    h.finish_dial(old);
    h.pool.stop();
    h.pool.restart({}, 1, 10);
    const std::uint64_t stale = h.pool.stale_facts();
    h.pool.on_closed(h.now, old, close_reason::peer);
    EXPECT_EQ(h.pool.stale_facts(), stale + 1);
    EXPECT_EQ(h.pool.origin_count(), 0U);
    EXPECT_EQ(h.pool.leases_held(), 10U);
    EXPECT_EQ(h.pool.leases_used(), 0U);
    const origin_id again = h.add_origin();
    EXPECT_FALSE(again == origin);
    (void)h.acquire(again);
    EXPECT_FALSE(h.last(kind::dial).connection == old);
    h.pool.check_invariants();
}

}  // namespace
}  // namespace hearth::core
