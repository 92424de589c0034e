// Other settings for a running pool: what holds at once, and how it shrinks to a lowered limit.
#include "core/pool_harness.hpp"

namespace hearth::core {
namespace {

using kind = action_kind;

pool_settings calm_settings() {
    pool_settings settings;
    settings.pool.jitter = 0;
    settings.pool.max_connections_per_origin = 20;
    settings.pool.max_connections = 40;
    settings.pool.replace_ahead = {};
    return settings;
}

// An origin with connections that carry an exchange each.
struct busy {
    explicit busy(std::size_t count, const pool_settings& values = calm_settings())
        : settings(values), h(values, values.pool.max_connections) {
        origin = h.add_origin();
        for (std::size_t i = 0; i < count; ++i) (void)h.acquire(origin);
        std::size_t finished = 0;
        for (auto dials = h.all(kind::dial); finished < dials.size(); dials = h.all(kind::dial)) {
            h.finish_dial(dials[finished++].connection);
        }
        EXPECT_EQ(h.stats(origin).active, count);
    }
    void update() {
        h.pool.update(h.now, settings);
        h.drain_actions();
    }
    void end_one() {
        const action one = h.all(kind::assign).at(ended++);
        h.done(one.connection, one.exchange);
    }
    void end_all() {
        while (ended < h.count(kind::assign)) end_one();
    }
    [[nodiscard]] origin_stats stats() const { return h.stats(origin); }

    pool_settings settings;
    pool_harness h;
    origin_id origin;
    std::size_t ended = 0;
};

std::uint64_t over_limit(const origin_stats& all) {
    return all.closed_by_reason[static_cast<std::size_t>(close_reason::over_limit)];
}

TEST(PoolUpdateTest, HigherLimitServesWaitersAtOnce) {
    pool_settings small = calm_settings();
    small.pool.max_connections_per_origin = 2;
    busy b(2, small);
    (void)b.h.acquire(b.origin);
    ASSERT_EQ(b.h.count(kind::dial), 2U);
    b.settings.pool.max_connections_per_origin = 3;
    b.update();
    EXPECT_EQ(b.h.count(kind::dial), 3U);
}

TEST(PoolUpdateTest, LowerLimitCutsNoExchange) {
    busy b(10);
    b.settings.pool.max_connections_per_origin = 4;
    b.update();
    b.h.wait(1s);
    EXPECT_EQ(b.h.count(kind::close), 0U);
    for (int i = 0; i < 6; ++i) b.end_one();
    EXPECT_EQ(over_limit(b.stats()), 6U) << "each ends with its exchange";
    b.end_all();
    EXPECT_EQ(b.stats().idle, 4U);
    EXPECT_EQ(over_limit(b.stats()), 6U);
}

TEST(PoolUpdateTest, WaitersGetConnectionsOnceTheLimitHolds) {
    busy b(10);
    b.settings.pool.max_connections_per_origin = 9;
    b.update();
    (void)b.h.acquire(b.origin);
    b.end_one();
    EXPECT_EQ(b.h.count(kind::assign), 10U) << "that one was too many";
    b.end_one();
    EXPECT_EQ(b.h.count(kind::assign), 11U);
    EXPECT_EQ(b.h.count(kind::dial), 10U);
}

TEST(PoolUpdateTest, IdleConnectionsBeyondALowerLimitGoAFewAtATime) {
    busy b(20);
    b.end_all();
    b.settings.pool.max_connections_per_origin = 2;
    b.update();
    EXPECT_EQ(b.h.count(kind::close), 0U);
    b.h.wait(10ms);
    EXPECT_EQ(b.stats().idle, 12U);
    b.h.wait(30ms);
    EXPECT_EQ(b.stats().idle, 2U);
    EXPECT_EQ(over_limit(b.stats()), 18U);
}

TEST(PoolUpdateTest, FewerIdleConnectionsAreKept) {
    busy b(10);
    b.end_all();
    b.settings.pool.max_idle_per_origin = 3;
    b.update();
    b.h.wait(100ms);
    EXPECT_EQ(b.stats().idle, 3U);
    EXPECT_EQ(b.stats().closed_by_reason[static_cast<std::size_t>(close_reason::idle_limit)], 7U);
}

TEST(PoolUpdateTest, DrainingConnectionsGiveWayToALowerLimit) {
    pool_settings settings = calm_settings();
    settings.pool.on_cancel = cancel_policy::drain;
    busy b(4, settings);
    const action first = b.h.all(kind::assign).front();
    b.h.cancel_assigned(first.connection, first.exchange);
    ASSERT_EQ(b.stats().draining, 1U);
    b.settings.pool.max_connections_per_origin = 3;
    b.update();
    b.h.wait(10ms);
    EXPECT_EQ(b.stats().draining, 0U);
    EXPECT_EQ(b.stats().active, 3U);
}

TEST(PoolUpdateTest, DrainingConnectionMakesNoRoomBeyondALowerLimit) {
    pool_settings settings = calm_settings();
    settings.pool.on_cancel = cancel_policy::drain;
    busy b(4, settings);
    const action first = b.h.all(kind::assign).front();
    b.h.cancel_assigned(first.connection, first.exchange);
    b.settings.pool.max_connections_per_origin = 2;
    b.update();
    (void)b.h.acquire(b.origin);
    EXPECT_EQ(b.h.count(kind::dial), 4U) << "three would be too many";
    EXPECT_EQ(b.stats().waiting, 1U);
}

TEST(PoolUpdateTest, MultiplexedConnectionsBeyondALowerLimitEndWithTheirExchanges) {
    pool_harness h(calm_settings());
    const origin_id origin = h.add_origin({.tls = false, .may_multiplex = true});
    for (int i = 0; i < 6; ++i) (void)h.acquire(origin);
    std::size_t finished = 0;
    for (auto dials = h.all(kind::dial); finished < dials.size(); dials = h.all(kind::dial)) {
        h.finish_dial(dials[finished++].connection, {.is_multiplexed = true, .max_streams = 2});
    }
    ASSERT_EQ(h.stats(origin).active, 3U);
    pool_settings fewer = calm_settings();
    fewer.http2.max_connections = 1;
    h.pool.update(h.now, fewer);
    h.wait(50ms);
    EXPECT_EQ(h.count(kind::close), 0U);
    EXPECT_EQ(h.stats(origin).active, 1U);
    EXPECT_EQ(h.stats(origin).draining, 2U);
    for (const action& a : h.all(kind::assign)) h.done(a.connection, a.exchange);
    EXPECT_EQ(h.stats(origin).open, 1U);
    EXPECT_EQ(over_limit(h.stats(origin)), 2U);
}

TEST(PoolUpdateTest, DebtOfLeasesIsPaidByWhatEnds) {
    busy b(10);
    b.h.pool.on_lease_debt(b.h.now, 34);
    b.h.drain_actions();
    EXPECT_EQ(b.h.last(kind::return_lease).value, 30U) << "those that were not in use";
    (void)b.h.take();
    b.h.pool.on_lease_debt(b.h.now, b.h.pool.leases_owed());
    (void)b.h.acquire(b.origin);
    EXPECT_EQ(b.h.count(kind::dial), 0U);
    EXPECT_EQ(b.h.pool.leases_owed(), 4U);
}

TEST(PoolUpdateTest, IdleConnectionsPayADebtAFewAtATime) {
    busy b(20);
    b.end_all();
    b.h.pool.on_lease_debt(b.h.now, 32);
    b.h.drain_actions();
    EXPECT_EQ(b.stats().idle, 20U);
    b.h.wait(10ms);
    EXPECT_EQ(b.stats().idle, 12U);
    b.h.wait(10ms);
    EXPECT_EQ(b.stats().idle, 8U);
    EXPECT_EQ(b.h.pool.leases_held(), 8U);
    EXPECT_EQ(b.h.pool.leases_owed(), 0U);
}

TEST(PoolUpdateTest, ShorterIdleTimeoutHoldsForWhatRests) {
    busy b(4);
    b.end_all();
    b.h.wait(5s);
    b.settings.pool.idle_timeout = 2s;
    b.update();
    b.h.wait(1s);
    EXPECT_EQ(b.stats().idle, 0U) << "within a second";
}

TEST(PoolUpdateTest, ShorterIdleTimeoutHoldsForWhatIsBusy) {
    busy b(2);
    b.settings.pool.idle_timeout = 2s;
    b.update();
    b.end_all();
    b.h.wait(1900ms);
    EXPECT_EQ(b.stats().idle, 2U);
    b.h.wait(200ms);
    EXPECT_EQ(b.stats().idle, 0U);
}

TEST(PoolUpdateTest, ShorterLifetimeCountsFromTheUpdate) {
    busy b(2);
    b.end_all();
    b.h.wait(10s);
    b.settings.pool.max_lifetime = 20s;
    b.update();
    b.h.wait(19s);
    EXPECT_EQ(b.stats().idle, 2U);
    b.h.wait(2s);
    EXPECT_EQ(b.stats().closed_by_reason[static_cast<std::size_t>(close_reason::lifetime)], 2U);
}

TEST(PoolUpdateTest, ShorterPatienceFailsWhoWaits) {
    pool_settings settings = calm_settings();
    settings.pool.max_connections_per_origin = 1;
    busy b(1, settings);
    b.settings.timeouts.queue = 100ms;
    b.update();
    const exchange_id late = b.h.acquire(b.origin);
    b.h.wait(101ms);
    EXPECT_EQ(b.h.last(kind::fail).exchange, late);
    EXPECT_EQ(b.h.last(kind::fail).failure, wait_failure::queue_timeout);
}

TEST(PoolUpdateTest, FewerWaitersAreTaken) {
    pool_settings settings = calm_settings();
    settings.pool.max_connections_per_origin = 1;
    busy b(1, settings);
    (void)b.h.acquire(b.origin);
    b.settings.pool.max_waiters = 1;
    b.update();
    EXPECT_EQ(b.h.count(kind::fail), 0U) << "who waits may wait";
    (void)b.h.acquire(b.origin);
    EXPECT_EQ(b.h.last(kind::fail).failure, wait_failure::queue_full);
}

TEST(PoolUpdateTest, FewerStreamsHoldForOpenConnections) {
    pool_harness h(calm_settings());
    const origin_id origin = h.add_origin({.tls = false, .may_multiplex = true});
    (void)h.acquire(origin);
    h.finish_dial(h.last(kind::dial).connection, {.is_multiplexed = true, .max_streams = 100});
    pool_settings fewer = calm_settings();
    fewer.http2.max_streams = 1;
    h.pool.update(h.now, fewer);
    h.drain_actions();
    (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::assign), 1U);
    EXPECT_EQ(h.count(kind::dial), 2U);
}

}  // namespace
}  // namespace hearth::core
