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
    void set_part(const origin_part& part) {
        h.pool.set_part(h.now, origin, part);
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

TEST(PoolUpdateTest, SmallerPartEndsWhatIsBeyondItAndSaysWhen) {
    busy b(20);
    for (int i = 0; i < 5; ++i) b.end_one();
    EXPECT_TRUE(b.h.pool.is_within_part(b.origin));
    b.set_part({.index = 1, .count = 2});
    EXPECT_FALSE(b.h.pool.is_within_part(b.origin));
    b.h.wait(100ms);
    EXPECT_EQ(b.stats().idle, 0U);
    EXPECT_EQ(b.stats().active, 15U) << "no exchange is cut";
    EXPECT_FALSE(b.h.pool.is_within_part(b.origin));
    for (int i = 0; i < 5; ++i) b.end_one();
    EXPECT_TRUE(b.h.pool.is_within_part(b.origin));
    b.end_all();
    EXPECT_EQ(b.stats().idle, 10U);
    b.set_part({});
    for (int i = 0; i < 20; ++i) (void)b.h.acquire(b.origin);
    EXPECT_EQ(b.h.count(kind::dial), 30U) << "it may have twenty again";
}

TEST(PoolUpdateTest, PartIsFullWhereAnExchangeWouldWaitForAnother) {
    busy b(15);
    EXPECT_FALSE(b.h.pool.is_full(b.origin));
    EXPECT_EQ(b.h.pool.places(b.origin, 0), 5U);
    b.set_part({.index = 1, .count = 2});
    EXPECT_TRUE(b.h.pool.is_full(b.origin)) << "no other connection may be made";
    EXPECT_EQ(b.h.pool.places(b.origin, 0), 0U);
    b.end_all();
    EXPECT_FALSE(b.h.pool.is_full(b.origin));
    EXPECT_EQ(b.h.pool.places(b.origin, 0), 10U) << "ten are idle";
    for (int i = 0; i < 9; ++i) (void)b.h.acquire(b.origin);
    EXPECT_FALSE(b.h.pool.is_full(b.origin));
    const exchange_id last = b.h.acquire(b.origin);
    EXPECT_TRUE(b.h.pool.is_full(b.origin));
    b.h.cancel_assigned(b.h.last(kind::assign).connection, last);
    EXPECT_EQ(b.stats().draining, 1U);
    EXPECT_FALSE(b.h.pool.is_full(b.origin)) << "what drains gives way";
    EXPECT_EQ(b.h.pool.places(b.origin, 0), 0U) << "not to others";
}

TEST(PoolUpdateTest, PartIsNotFullWhileDialsCanServeOneMore) {
    pool_settings settings = calm_settings();
    settings.handshake.max_concurrent = 2;
    pool_harness h(settings, 40);
    const origin_id origin = h.add_origin({.tls = true});
    for (std::uint32_t i = 0; i < 20; ++i) {
        EXPECT_FALSE(h.pool.is_full(origin)) << i;
        EXPECT_EQ(h.pool.places(origin, 0), 20 - i);
        (void)h.acquire(origin);
    }
    EXPECT_LT(h.count(kind::dial), 20U) << "a few at a time";
    EXPECT_TRUE(h.pool.is_full(origin)) << "each that may come is for somebody";
    EXPECT_EQ(h.pool.places(origin, 0), 0U);
}

TEST(PoolUpdateTest, PartOfStreamsIsFullWhenAllOfItsConnectionsAre) {
    pool_settings settings = calm_settings();
    settings.http2.max_connections = 4;
    pool_harness h(settings, 40);
    const origin_id origin =
        h.add_origin({.tls = false, .may_multiplex = true, .part = {.index = 1, .count = 2}});
    for (int i = 0; i < 4; ++i) {
        EXPECT_FALSE(h.pool.is_full(origin)) << i;
        (void)h.acquire(origin);
        if (h.stats(origin).dialing == 0) continue;
        h.finish_dial(h.last(kind::dial).connection, {.is_multiplexed = true, .max_streams = 2});
    }
    EXPECT_TRUE(h.pool.is_full(origin));
    EXPECT_EQ(h.pool.places(origin, 0), 0U);
    h.done(h.last(kind::assign).connection, h.last(kind::assign).exchange);
    EXPECT_FALSE(h.pool.is_full(origin));
    EXPECT_EQ(h.pool.places(origin, 0), 1U);
    for (const action& one : h.all(kind::assign)) {
        if (one.exchange != h.last(kind::assign).exchange) h.done(one.connection, one.exchange);
    }
    EXPECT_EQ(h.pool.places(origin, 0), 4U) << "two streams on each of two connections";
}

TEST(PoolUpdateTest, PartWithoutLeasesHasNoPlaces) {
    pool_harness h(calm_settings(), 3);
    const origin_id origin = h.add_origin();
    EXPECT_EQ(h.pool.places(origin, 0), 3U);
    EXPECT_EQ(h.pool.places(origin, 2), 5U) << "two may be had";
    for (int i = 0; i < 3; ++i) (void)h.acquire(origin);
    EXPECT_EQ(h.pool.places(origin, 0), 0U);
    EXPECT_FALSE(h.pool.is_full(origin)) << "more may come";
}

TEST(PoolUpdateTest, OriginThatCannotBeDialledHasNoPlaces) {
    pool_harness h(calm_settings(), 40);
    const origin_id origin = h.add_origin();
    const exchange_id waiter = h.acquire(origin);
    h.fail_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.pool.places(origin, 0), 0U);
    EXPECT_TRUE(h.pool.is_full(origin)) << "others may have a connection that lives";
    h.cancel(waiter);
    h.wait(10s);
    EXPECT_EQ(h.pool.places(origin, 0), 0U) << "nobody has tried it since";
}

TEST(PoolUpdateTest, WithoutAPartNothingIsLeftAndNothingOpens) {
    pool_settings settings = calm_settings();
    settings.pool.min_ready = 4;
    busy b(6, settings);
    b.end_all();
    b.set_part({.index = 0, .count = 0});
    b.h.wait(1s);
    EXPECT_EQ(b.stats().open, 0U);
    EXPECT_EQ(b.stats().dialing, 0U) << "nor is anything kept ready";
    EXPECT_TRUE(b.h.pool.is_within_part(b.origin));
}

TEST(PoolUpdateTest, WarmUpDoesNotWaitForWhatASmallerPartForbids) {
    pool_harness h(calm_settings(), 40);
    const origin_id origin = h.add_origin();
    h.pool.warm(h.now, origin, 20, 7, h.now + 10s);
    h.drain_actions();
    h.pool.set_part(h.now, origin, {.index = 0, .count = 2});
    h.drain_actions();
    std::size_t finished = 0;
    for (auto dials = h.all(kind::dial); finished < dials.size(); dials = h.all(kind::dial)) {
        if (h.count(kind::warmed) != 0) break;
        h.finish_dial(dials[finished++].connection);
    }
    ASSERT_EQ(h.count(kind::warmed), 1U);
    EXPECT_EQ(h.last(kind::warmed).failure, wait_failure::none);
    EXPECT_EQ(h.last(kind::warmed).count, 10U);
}

TEST(PoolUpdateTest, DialBeyondASmallerPartCountsUntilItIsGone) {
    pool_harness h(calm_settings(), 40);
    const origin_id origin = h.add_origin();
    const exchange_id waiter = h.acquire(origin);
    h.pool.set_part(h.now, origin, {.index = 0, .count = 0});
    h.drain_actions();
    h.cancel(waiter);
    EXPECT_FALSE(h.pool.is_within_part(origin));
    h.finish_dial(h.last(kind::dial).connection);
    h.wait(50ms);
    EXPECT_TRUE(h.pool.is_within_part(origin));
    EXPECT_EQ(h.stats(origin).open, 0U);
}

TEST(PoolUpdateTest, PartsHoldForMultiplexedConnectionsAndWaiters) {
    pool_settings settings = calm_settings();
    settings.http2.max_connections = 4;
    settings.pool.max_waiters = 3;
    pool_harness h(settings, 40);
    const origin_id origin =
        h.add_origin({.tls = false, .may_multiplex = true, .part = {.index = 1, .count = 2}});
    for (int i = 0; i < 8; ++i) (void)h.acquire(origin);
    std::size_t finished = 0;
    for (auto dials = h.all(kind::dial); finished < dials.size(); dials = h.all(kind::dial)) {
        h.finish_dial(dials[finished++].connection, {.is_multiplexed = true, .max_streams = 2});
    }
    EXPECT_EQ(h.stats(origin).open, 2U);
    EXPECT_EQ(h.count(kind::assign), 4U);
    ASSERT_EQ(h.stats(origin).waiting, 4U) << "as long as a dial was under way they might";
    const exchange_id refused = h.acquire(origin);
    EXPECT_EQ(h.last(kind::fail).exchange, refused);
    for (int i = 0; i < 4; ++i) {
        const action one = h.all(kind::assign).at(static_cast<std::size_t>(i));
        h.done(one.connection, one.exchange);
    }
    (void)h.acquire(origin);
    EXPECT_EQ(h.stats(origin).waiting, 1U);
    (void)h.acquire(origin);
    EXPECT_EQ(h.stats(origin).waiting, 1U) << "one is its part of three";
    h.pool.update(h.now, settings);
    h.wait(50ms);
    EXPECT_EQ(h.stats(origin).open, 2U) << "other settings leave the part as it is";
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
