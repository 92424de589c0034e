// Time and limits: idle and old connections, draining, warm-up, leases between shards, and the end.
#include "core/pool_core.hpp"
#include "core/pool_harness.hpp"

namespace hearth::core {
namespace {

using kind = action_kind;

pool_settings steady_settings() {
    pool_settings settings;
    settings.pool.jitter = 0;
    settings.pool.idle_timeout = 10s;
    settings.pool.max_lifetime = 1h;
    return settings;
}

// Connections of `origin` that carry an exchange each, all at once.
struct busy {
    connection_id connection;
    exchange_id exchange;
};
std::vector<busy> make_busy(pool_harness& h, origin_id origin, int count) {
    std::vector<busy> made;
    for (int i = 0; i < count; ++i) {
        const exchange_id exchange = h.acquire(origin);
        const connection_id connection = h.last(kind::dial).connection;
        h.finish_dial(connection);
        made.push_back({connection, exchange});
    }
    return made;
}

TEST(PoolUpkeepTest, IdleConnectionExpires) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    const connection_id connection = h.make_idle(origin);
    h.wait(10s - 1ns);
    EXPECT_EQ(h.count(kind::close), 0U);
    h.wait(1ns);
    EXPECT_EQ(h.last(kind::close).connection, connection);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::idle_timeout);
    EXPECT_EQ(h.pool.next_deadline(), base::never);
}

TEST(PoolUpkeepTest, UsePostponesExpiry) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    const connection_id connection = h.make_idle(origin);
    h.wait(6s);
    h.done(connection, h.acquire(origin));
    h.wait(6s);
    EXPECT_EQ(h.count(kind::close), 0U);
    h.wait(4s);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::idle_timeout);
}

TEST(PoolUpkeepTest, ConnectionThatExpiresNowIsNotHandedOut) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    const connection_id connection = h.make_idle(origin);
    (void)h.take();
    h.now += 10s;
    (void)h.acquire(origin);
    EXPECT_EQ(h.last(kind::close).connection, connection);
    EXPECT_EQ(h.count(kind::assign), 0U);
    EXPECT_EQ(h.count(kind::dial), 1U);
}

TEST(PoolUpkeepTest, PeersOwnPatienceEndsAnIdleConnectionEarlier) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    const connection_id connection = h.make_idle(origin);
    h.wait(5s);  // its deadline of 10 s is armed
    const exchange_id exchange = h.acquire(origin);
    h.pool.on_keep_alive(h.now, connection, 2s);
    h.done(connection, exchange);
    h.wait(1500ms - 1ns);  // a quarter off
    EXPECT_EQ(h.count(kind::close), 0U);
    h.wait(1ns);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::idle_timeout);
    h.pool.check_invariants();
}

TEST(PoolUpkeepTest, PeersLongerPatienceChangesNothing) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    const connection_id connection = h.make_idle(origin);
    const exchange_id exchange = h.acquire(origin);
    h.pool.on_keep_alive(h.now, connection, 1h);
    h.done(connection, exchange);
    h.wait(10s - 1ns);
    EXPECT_EQ(h.count(kind::close), 0U);
    h.wait(1ns);
    EXPECT_EQ(h.count(kind::close), 1U);
    h.pool.on_keep_alive(h.now, connection, 1s);  // gone: a stale fact
    EXPECT_EQ(h.pool.stale_facts(), 1U);
}

// An idle connection whose peer closes it after so long.
void let_peer_close(pool_harness& h, origin_id origin, base::duration idle) {
    const connection_id connection = h.make_idle(origin);
    h.wait(idle);
    h.closed(connection);
}

TEST(PoolUpkeepTest, ConnectionsCloseBeforeAnOriginThatAlwaysClosesThem) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    for (int i = 0; i < 3; ++i) let_peer_close(h, origin, 5s);
    h.make_idle(origin);
    h.wait(4s - 1ns);
    EXPECT_EQ(h.count(kind::close), 0U);
    h.wait(1ns);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::idle_timeout);
    h.pool.check_invariants();
}

TEST(PoolUpkeepTest, WhatAnOriginDoesToIdleConnectionsIsIgnoredIfAsked) {
    pool_settings settings = steady_settings();
    settings.pool.learn_idle_timeout = false;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    for (int i = 0; i < 3; ++i) let_peer_close(h, origin, 5s);
    h.make_idle(origin);
    h.wait(9s);
    EXPECT_EQ(h.count(kind::close), 0U);
}

TEST(PoolUpkeepTest, OldConnectionClosesWhenItBecomesFree) {
    pool_settings settings = steady_settings();
    settings.pool.max_lifetime = 5s;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const busy one = make_busy(h, origin, 1)[0];
    h.wait(6s);
    EXPECT_EQ(h.count(kind::close), 0U) << "not under its exchange";
    h.done(one.connection, one.exchange);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::lifetime);
}

TEST(PoolUpkeepTest, OldIdleConnectionClosesInTime) {
    pool_settings settings = steady_settings();
    settings.pool.max_lifetime = 5s;
    pool_harness h(settings);
    h.make_idle(h.add_origin());
    h.wait(5s);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::lifetime);
}

TEST(PoolUpkeepTest, TheOnlyMultiplexedConnectionThereMayBeRetiresAtItsAge) {
    pool_settings settings = steady_settings();
    settings.http2.max_connections = 1;
    settings.pool.max_lifetime = 5s;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const exchange_id a = h.acquire(origin);
    const connection_id connection = h.last(kind::dial).connection;
    h.finish_dial(connection, {.is_multiplexed = true, .max_streams = 8});
    const exchange_id b = h.acquire(origin);
    h.wait(6s);
    h.done(connection, a);
    EXPECT_EQ(h.stats(origin).draining, 1U);
    h.done(connection, b);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::lifetime);
}

TEST(PoolUpkeepTest, LifetimesAreJittered) {
    pool_settings settings = steady_settings();
    settings.pool.jitter = 0.5;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const std::vector<busy> all = make_busy(h, origin, 50);
    for (const busy& b : all) h.done(b.connection, b.exchange);
    (void)h.take();
    h.wait(5s);
    EXPECT_EQ(h.count(kind::close), 0U) << "at most half is taken off";
    h.wait(2500ms);
    EXPECT_GT(h.count(kind::close), 10U);
    EXPECT_LT(h.count(kind::close), 40U);
    h.wait(2500ms);
    EXPECT_EQ(h.count(kind::close), 50U);
}

TEST(PoolUpkeepTest, IdleLimitClosesTheLongestIdle) {
    pool_settings settings = steady_settings();
    settings.pool.max_idle_per_origin = 2;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const std::vector<busy> all = make_busy(h, origin, 3);
    for (const busy& b : all) h.done(b.connection, b.exchange);
    ASSERT_EQ(h.count(kind::close), 1U);
    EXPECT_EQ(h.last(kind::close).connection, all[0].connection);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::idle_limit);
}

TEST(PoolUpkeepTest, IdleLimitOfNoneClosesEveryConnectionAfterUse) {
    pool_settings settings = steady_settings();
    settings.pool.max_idle_per_origin = 0;
    pool_harness h(settings);
    h.make_idle(h.add_origin());
    EXPECT_EQ(h.last(kind::close).reason, close_reason::idle_limit);
}

// Draining.

TEST(PoolUpkeepTest, CancelledExchangeIsDrainedAndItsConnectionUsedAgain) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    const busy one = make_busy(h, origin, 1)[0];
    h.cancel_assigned(one.connection, one.exchange);
    EXPECT_EQ(h.last(kind::drain).exchange, one.exchange);
    EXPECT_EQ(h.last(kind::drain).value, pool_config{}.drain_bytes);
    EXPECT_EQ(h.stats(origin).draining, 1U);
    h.done(one.connection, one.exchange);
    EXPECT_EQ(h.stats(origin).idle, 1U);
    EXPECT_EQ(h.count(kind::close), 0U);
}

TEST(PoolUpkeepTest, DrainedConnectionGoesToAWaiter) {
    pool_settings settings = steady_settings();
    settings.pool.max_connections_per_origin = 1;
    settings.pool.min_backoff = 1h;
    settings.pool.max_backoff = 1h;
    pool_harness h(settings);
    const origin_id origin = h.add_origin({.tls = false, .max_connections = 2});
    const busy one = make_busy(h, origin, 1)[0];
    const exchange_id waiter = h.acquire(origin);
    h.fail_dial(h.last(kind::dial).connection);
    h.cancel_assigned(one.connection, one.exchange);
    EXPECT_EQ(h.count(kind::drain), 1U) << "no dial could use its place now";
    h.done(one.connection, one.exchange);
    EXPECT_EQ(h.last(kind::assign).exchange, waiter);
    EXPECT_EQ(h.last(kind::assign).connection, one.connection);
}

TEST(PoolUpkeepTest, DrainEndsAtItsTimeout) {
    pool_settings settings = steady_settings();
    settings.pool.drain_timeout = 2s;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const busy one = make_busy(h, origin, 1)[0];
    h.cancel_assigned(one.connection, one.exchange);
    h.wait(2s);
    EXPECT_EQ(h.last(kind::close).connection, one.connection);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::drain_limit);
    h.done(one.connection, one.exchange);
    EXPECT_EQ(h.pool.stale_facts(), 1U);
}

TEST(PoolUpkeepTest, CancelClosesWhereDrainingIsRuledOut) {
    struct ruled_out {
        const char* why;
        cancel_facts facts;
        cancel_policy policy = cancel_policy::adaptive;
        std::uint32_t max_draining = 10;
        std::uint64_t bytes = 1000;
        milliseconds timeout{1000};
    };
    const cancel_facts good{.request_complete = true, .response_delimited = true};
    const ruled_out cases[] = {
        {"request is not complete", {.request_complete = false, .response_delimited = true}},
        {"response has no end", {.request_complete = true, .response_delimited = false}},
        {"policy", good, cancel_policy::close},
        {"number", good, cancel_policy::drain, 0},
        {"octets", good, cancel_policy::drain, 10, 0},
        {"time", good, cancel_policy::drain, 10, 1000, milliseconds{0}},
    };
    for (const ruled_out& c : cases) {
        pool_settings settings = steady_settings();
        settings.pool.on_cancel = c.policy;
        settings.pool.max_draining_per_origin = c.max_draining;
        settings.pool.drain_bytes = c.bytes;
        settings.pool.drain_timeout = c.timeout;
        pool_harness h(settings);
        const busy one = make_busy(h, h.add_origin(), 1)[0];
        h.cancel_assigned(one.connection, one.exchange, c.facts);
        EXPECT_EQ(h.count(kind::drain), 0U) << c.why;
        EXPECT_EQ(h.last(kind::close).reason, close_reason::cancelled) << c.why;
    }
}

TEST(PoolUpkeepTest, ConnectionThatWillNotBeUsedAgainIsNotDrained) {
    pool_settings settings = steady_settings();
    settings.pool.max_lifetime = 5s;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const std::vector<busy> all = make_busy(h, origin, 2);
    h.pool.on_draining(h.now, all[0].connection);
    h.drain_actions();
    h.cancel_assigned(all[0].connection, all[0].exchange);
    h.wait(5s);
    h.cancel_assigned(all[1].connection, all[1].exchange);
    EXPECT_EQ(h.count(kind::drain), 0U);
    EXPECT_EQ(h.count(kind::close), 2U);
}

TEST(PoolUpkeepTest, AdaptiveDoesNotDrainWhatWillNotEndInTime) {
    pool_settings settings = steady_settings();
    settings.pool.drain_timeout = 1s;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const busy first = make_busy(h, origin, 1)[0];
    h.wait(5s);
    h.pool.on_first_byte(h.now, first.connection, first.exchange);
    h.done(first.connection, first.exchange);  // learned: the first octet takes 5 s
    const exchange_id young = h.acquire(origin);
    h.wait(1s);
    h.cancel_assigned(first.connection, young);
    EXPECT_EQ(h.count(kind::drain), 0U) << "4 s to go";

    const busy second = make_busy(h, origin, 1)[0];
    h.wait(4500ms);
    h.cancel_assigned(second.connection, second.exchange);
    EXPECT_EQ(h.count(kind::drain), 1U) << "half a second to go";
}

TEST(PoolUpkeepTest, DrainersGiveWayAtTheOriginsLimitLatestFirst) {
    pool_settings settings = steady_settings();
    settings.pool.max_connections_per_origin = 3;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const std::vector<busy> all = make_busy(h, origin, 3);
    h.cancel_assigned(all[1].connection, all[1].exchange);
    h.wait(1ms);
    h.cancel_assigned(all[0].connection, all[0].exchange);
    EXPECT_EQ(h.count(kind::drain), 2U);
    (void)h.take();
    (void)h.acquire(origin);
    ASSERT_EQ(h.actions.size(), 2U);
    EXPECT_EQ(h.actions[0].kind, kind::close);
    EXPECT_EQ(h.actions[0].connection, all[0].connection) << "the other one ends sooner";
    EXPECT_EQ(h.actions[0].reason, close_reason::gave_way);
    EXPECT_EQ(h.actions[1].kind, kind::dial);
}

TEST(PoolUpkeepTest, DrainersGiveWayToOtherOriginsAtTheTotalLimit) {
    pool_harness h(steady_settings(), 1);
    const origin_id a = h.add_origin();
    const origin_id b = h.add_origin();
    const busy one = make_busy(h, a, 1)[0];
    h.cancel_assigned(one.connection, one.exchange);
    (void)h.acquire(b);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::gave_way);
    EXPECT_EQ(h.last(kind::dial).origin, b);
}

TEST(PoolUpkeepTest, CancelAtTheLimitClosesForTheLiveWaiter) {
    pool_settings settings = steady_settings();
    settings.pool.max_connections_per_origin = 1;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const busy one = make_busy(h, origin, 1)[0];
    (void)h.acquire(origin);
    h.cancel_assigned(one.connection, one.exchange);
    EXPECT_EQ(h.count(kind::drain), 0U);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::cancelled);
    EXPECT_EQ(h.count(kind::dial), 2U);
}

// Warm-up.

TEST(PoolUpkeepTest, WarmDialsWhatIsMissing) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    (void)h.make_idle(origin);
    (void)h.take();
    h.pool.warm(h.now, origin, 3, 42, base::never);
    h.drain_actions();
    ASSERT_EQ(h.count(kind::dial), 2U);
    for (const action& dial : h.all(kind::dial)) h.finish_dial(dial.connection);
    EXPECT_EQ(h.last(kind::warmed).value, 42U);
    EXPECT_EQ(h.last(kind::warmed).count, 3U);
    EXPECT_EQ(h.last(kind::warmed).failure, wait_failure::none);
    EXPECT_EQ(h.stats(origin).idle, 3U);
}

TEST(PoolUpkeepTest, WarmEndsAtOnceWhenNothingIsMissing) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    (void)make_busy(h, origin, 2);
    h.pool.warm(h.now, origin, 2, 7, base::never);
    h.drain_actions();
    EXPECT_EQ(h.last(kind::warmed).value, 7U) << "busy ones count";
}

TEST(PoolUpkeepTest, WarmEndsAtItsDeadlineOrAFailedDial) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    h.pool.warm(h.now, origin, 2, 1, h.now + 1s);
    h.drain_actions();
    h.finish_dial(h.all(kind::dial)[0].connection);
    h.wait(1s);
    EXPECT_EQ(h.last(kind::warmed).count, 1U);
    EXPECT_EQ(h.last(kind::warmed).failure, wait_failure::deadline);
    h.pool.warm(h.now, origin, 3, 2, base::never);
    h.drain_actions();
    h.fail_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.last(kind::warmed).value, 2U);
    EXPECT_EQ(h.last(kind::warmed).count, 1U);
    EXPECT_EQ(h.last(kind::warmed).failure, wait_failure::dial);
}

TEST(PoolUpkeepTest, WarmWaitsForTheBackOff) {
    pool_settings settings = steady_settings();
    settings.pool.min_backoff = 1s;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    h.fail_dial(h.last(kind::dial).connection);
    h.cancel({0, 1});
    (void)h.take();
    h.pool.warm(h.now, origin, 1, 5, base::never);
    h.drain_actions();
    EXPECT_TRUE(h.actions.empty());
    h.wait(1s);
    h.finish_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.last(kind::warmed).count, 1U);
}

TEST(PoolUpkeepTest, WarmAsksForNoMoreThanTheLimitsKeep) {
    pool_settings settings = steady_settings();
    settings.pool.max_connections_per_origin = 4;
    settings.pool.max_idle_per_origin = 2;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    h.pool.warm(h.now, origin, 100, 9, base::never);
    h.drain_actions();
    ASSERT_EQ(h.count(kind::dial), 2U);
    for (const action& dial : h.all(kind::dial)) h.finish_dial(dial.connection);
    EXPECT_EQ(h.last(kind::warmed).count, 2U);
}

TEST(PoolUpkeepTest, WarmReplacesWhatIsLostMeanwhile) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    h.pool.warm(h.now, origin, 2, 1, base::never);
    h.drain_actions();
    const auto dials = h.all(kind::dial);
    h.finish_dial(dials[0].connection);
    h.closed(dials[0].connection);
    EXPECT_EQ(h.count(kind::dial), 3U);
}

// Leases.

TEST(PoolUpkeepTest, IdleConnectionOfAnotherOriginIsEvictedLeastRecentlyUsedFirst) {
    pool_harness h(steady_settings(), 2);
    const origin_id a = h.add_origin();
    const origin_id b = h.add_origin();
    const origin_id c = h.add_origin();
    const connection_id of_a = h.make_idle(a);
    const connection_id of_b = h.make_idle(b);
    h.wait(1s);
    h.done(of_a, h.acquire(a));
    (void)h.acquire(c);
    EXPECT_EQ(h.last(kind::close).connection, of_b);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::evicted);
    EXPECT_EQ(h.last(kind::dial).origin, c);
}

TEST(PoolUpkeepTest, ConnectionThatComesToRestGivesItsLeaseToAnotherOriginsWaiter) {
    pool_harness h(steady_settings(), 1);
    const origin_id a = h.add_origin();
    const origin_id b = h.add_origin();
    const busy one = make_busy(h, a, 1)[0];
    (void)h.acquire(b);
    (void)h.take();
    h.done(one.connection, one.exchange);
    EXPECT_EQ(h.last(kind::close).connection, one.connection);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::evicted);
    EXPECT_EQ(h.last(kind::dial).origin, b);
}

TEST(PoolUpkeepTest, LeastRecentlyUsedIsExactWhateverWasUsedMeanwhile) {
    pool_harness h(steady_settings(), 6);
    std::vector<origin_id> origins;
    std::vector<connection_id> order;
    for (int i = 0; i < 6; ++i) {
        origins.push_back(h.add_origin());
        order.push_back(h.make_idle(origins.back()));
        h.wait(1ms);
    }
    for (const std::size_t i : {3U, 0U, 3U, 5U, 1U}) {  // leaves 2, 4, 0, 3, 5, 1
        h.done(order[i], h.acquire(origins[i]));
        h.wait(1ms);
    }
    const origin_id other = h.add_origin();
    for (const std::size_t expected : {2U, 4U, 0U, 3U, 5U, 1U}) {
        (void)h.acquire(other);
        EXPECT_EQ(h.last(kind::close).connection, order[expected]);
    }
}

TEST(PoolUpkeepTest, WarmUpEvictsNobody) {
    pool_harness h(steady_settings(), 1);
    (void)h.make_idle(h.add_origin());
    const origin_id origin = h.add_origin();
    (void)h.take();
    h.pool.warm(h.now, origin, 1, 1, base::never);
    h.drain_actions();
    EXPECT_EQ(h.count(kind::close), 0U);
    EXPECT_EQ(h.last(kind::want_lease).value, 1U);
}

TEST(PoolUpkeepTest, AsksForMissingLeasesOnceAndDialsWhenGranted) {
    pool_harness h(steady_settings(), 1);
    const origin_id origin = h.add_origin();
    for (int i = 0; i < 3; ++i) (void)h.acquire(origin);
    ASSERT_EQ(h.count(kind::want_lease), 2U);
    EXPECT_EQ(h.all(kind::want_lease)[0].value, 1U);
    EXPECT_EQ(h.all(kind::want_lease)[1].value, 1U);
    h.pool.on_lease(h.now, 2);
    h.drain_actions();
    EXPECT_EQ(h.count(kind::dial), 3U);
    EXPECT_EQ(h.pool.leases_held(), 3U);
    EXPECT_EQ(h.pool.leases_used(), 3U);
}

TEST(PoolUpkeepTest, FreedLeasesGoRoundTheOriginsThatWait) {
    pool_settings settings = steady_settings();
    settings.pool.max_connections = 4;
    pool_harness h(settings, 4);
    const origin_id hog = h.add_origin();
    const std::vector<busy> all = make_busy(h, hog, 4);
    const origin_id a = h.add_origin();
    const origin_id b = h.add_origin();
    for (int i = 0; i < 3; ++i) (void)h.acquire(a);
    for (int i = 0; i < 3; ++i) (void)h.acquire(b);
    EXPECT_EQ(h.count(kind::want_lease), 0U) << "all there are, are here";
    (void)h.take();
    for (const busy& x : all) h.done(x.connection, x.exchange, exchange_outcome::not_reusable);
    const auto dials = h.all(kind::dial);
    ASSERT_EQ(dials.size(), 4U);
    EXPECT_EQ(dials[0].origin, a);
    EXPECT_EQ(dials[1].origin, b);
    EXPECT_EQ(dials[2].origin, a);
    EXPECT_EQ(dials[3].origin, b);
}

TEST(PoolUpkeepTest, RecallGivesBackUnusedLeasesThenIdleConnections) {
    pool_harness h(steady_settings(), 4);
    const origin_id origin = h.add_origin();
    const std::vector<busy> all = make_busy(h, origin, 3);
    h.done(all[1].connection, all[1].exchange);
    (void)h.take();
    h.pool.on_lease_recall(h.now, 3);
    h.drain_actions();
    EXPECT_EQ(h.last(kind::return_lease).value, 2U);
    EXPECT_EQ(h.last(kind::close).connection, all[1].connection);
    (void)h.take();
    h.done(all[0].connection, all[0].exchange);
    EXPECT_EQ(h.last(kind::close).connection, all[0].connection) << "the recall stays in force";
    EXPECT_EQ(h.last(kind::return_lease).value, 1U);
    EXPECT_EQ(h.pool.leases_held(), 1U);
}

TEST(PoolUpkeepTest, RecallTakesNothingFromWhoeverWaitsHere) {
    pool_settings settings = steady_settings();
    pool_harness h(settings, 2);
    const origin_id a = h.add_origin();
    const origin_id b = h.add_origin();
    const std::vector<busy> all = make_busy(h, a, 2);
    (void)h.acquire(b);
    (void)h.take();
    h.pool.on_lease_recall(h.now, 1);
    h.drain_actions();
    EXPECT_EQ(h.count(kind::return_lease), 0U);
    h.done(all[0].connection, all[0].exchange, exchange_outcome::not_reusable);
    EXPECT_EQ(h.last(kind::dial).origin, b);
    EXPECT_EQ(h.count(kind::return_lease), 0U);
}

TEST(PoolUpkeepTest, WithdrawnRecallTakesNothing) {
    pool_harness h(steady_settings(), 1);
    const origin_id origin = h.add_origin();
    const busy one = make_busy(h, origin, 1)[0];
    h.pool.on_lease_recall(h.now, 1);
    h.pool.on_lease_recall(h.now, 0);
    h.drain_actions();
    h.done(one.connection, one.exchange);
    EXPECT_EQ(h.count(kind::return_lease), 0U);
    EXPECT_EQ(h.stats(origin).idle, 1U);
}

// The end.

TEST(PoolUpkeepTest, DrainLetsExchangesEndAndRefusesNewOnes) {
    pool_settings settings = steady_settings();
    settings.pool.max_connections_per_origin = 1;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const busy one = make_busy(h, origin, 1)[0];
    const exchange_id waiter = h.acquire(origin);
    (void)h.make_idle(h.add_origin());
    (void)h.take();
    h.pool.drain(h.now);
    h.drain_actions();
    EXPECT_EQ(h.last(kind::close).reason, close_reason::client_closed);
    (void)h.acquire(origin);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::draining);
    h.done(one.connection, one.exchange);
    EXPECT_EQ(h.last(kind::assign).exchange, waiter);
    EXPECT_EQ(h.count(kind::drained), 0U);
    h.done(one.connection, waiter);
    EXPECT_EQ(h.actions.back().kind, kind::drained);
    EXPECT_EQ(h.stats(origin).open, 0U);
}

TEST(PoolUpkeepTest, DrainOfAnEmptyPoolEndsAtOnce) {
    pool_harness h;
    h.pool.drain(h.now);
    h.drain_actions();
    ASSERT_EQ(h.actions.size(), 1U);
    EXPECT_EQ(h.actions[0].kind, kind::drained);
}

TEST(PoolUpkeepTest, DrainEndsDialsNobodyNeeds) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    const exchange_id stays = h.acquire(origin);
    const exchange_id leaves = h.acquire(origin);
    h.pool.drain(h.now);
    h.drain_actions();
    EXPECT_EQ(h.count(kind::close), 0U);
    h.cancel(leaves);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::unused_dial);
    h.finish_dial(h.all(kind::dial)[0].connection);
    EXPECT_EQ(h.last(kind::assign).exchange, stays);
}

TEST(PoolUpkeepTest, DrainEndsWarmUpsAndCancelledResponses) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    const busy one = make_busy(h, origin, 1)[0];
    h.cancel_assigned(one.connection, one.exchange);
    h.pool.warm(h.now, origin, 5, 3, base::never);
    h.pool.drain(h.now);
    h.drain_actions();
    EXPECT_EQ(h.last(kind::warmed).value, 3U);
    EXPECT_EQ(h.last(kind::warmed).failure, wait_failure::draining);
    EXPECT_EQ(h.actions.back().kind, kind::drained);
}

TEST(PoolUpkeepTest, ShutDownClosesEverythingAndForgetsWaiters) {
    pool_settings settings = steady_settings();
    settings.pool.max_connections_per_origin = 2;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const busy one = make_busy(h, origin, 1)[0];
    for (int i = 0; i < 3; ++i) (void)h.acquire(origin);
    h.pool.warm(h.now, origin, 2, 3, base::never);
    h.pool.drain(h.now);
    h.drain_actions();
    (void)h.take();
    h.pool.shut_down(h.now);
    h.drain_actions();
    EXPECT_EQ(h.count(kind::fail), 0U);
    EXPECT_EQ(h.count(kind::close), 2U);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::client_closed);
    EXPECT_EQ(h.actions.back().kind, kind::drained);
    EXPECT_EQ(h.pool.next_deadline(), base::never);
    h.done(one.connection, one.exchange);
    EXPECT_EQ(h.pool.stale_facts(), 1U);
    (void)h.acquire(origin);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::draining);
    EXPECT_EQ(h.stats(origin).opened, h.stats(origin).closed);
}

TEST(PoolUpkeepTest, ShutDownLeavesNothingThatIsDue) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    (void)make_busy(h, origin, 1);
    (void)h.acquire(origin);
    h.fail_dial(h.last(kind::dial).connection, dial_failure::descriptor_limit);
    ASSERT_NE(h.pool.next_deadline(), base::never);
    h.now = h.pool.next_deadline();  // of the ceiling, and the timer is late
    (void)h.take();
    h.pool.shut_down(h.now);
    h.drain_actions();
    EXPECT_EQ(h.count(kind::dial), 0U);
    EXPECT_GT(h.pool.next_deadline(), h.now);
}

// Connections kept ready.

struct refilled {
    explicit refilled(std::uint32_t min_ready, pool_settings settings = {})
        : h([&] {
              settings.pool.jitter = 0;
              settings.pool.min_ready = min_ready;
              return settings;
          }()) {
        origin = h.add_origin();
        h.make_idle(origin);
    }
    // Finishes the dials that come within `time`.
    std::vector<connection_id> dials_within(duration time) {
        std::vector<connection_id> made;
        for (duration at{}; at < time; at += 1ms) {
            h.wait(1ms);
            const auto all = h.all(kind::dial);
            EXPECT_LE(all.size(), seen + 1) << "one at a time";
            for (; seen < all.size(); ++seen) {
                h.finish_dial(all[seen].connection);
                made.push_back(all[seen].connection);
            }
        }
        return made;
    }
    pool_harness h;
    origin_id origin;
    std::size_t seen = 1;
};

TEST(PoolUpkeepTest, KeepsConnectionsReadyOnceAnOriginIsUsed) {
    refilled r(3);
    EXPECT_EQ(r.dials_within(100ms).size(), 2U);
    EXPECT_EQ(r.h.stats(r.origin).idle, 3U);
    pool_settings settings;
    settings.pool.min_ready = 3;
    pool_harness unused(settings);
    (void)unused.add_origin();
    unused.wait(1s);
    EXPECT_EQ(unused.count(action_kind::dial), 0U);
}

TEST(PoolUpkeepTest, RefillsWhatIsLostButNotForAnOriginThatClosesIt) {
    refilled r(2);
    const exchange_id exchange = r.h.acquire(r.origin);
    const connection_id used = r.h.last(action_kind::assign).connection;
    r.h.done(used, exchange);
    EXPECT_EQ(r.dials_within(50ms).size(), 1U);
    r.h.closed(used);
    EXPECT_EQ(r.dials_within(50ms).size(), 1U);
    // From now on each is closed before it was used.
    std::size_t dials = 0;
    for (int i = 0; i < 100; ++i) {
        for (const connection_id unused : r.dials_within(50ms)) {
            ++dials;
            r.h.closed(unused);
        }
    }
    EXPECT_LE(dials, 7U) << "one each `max_backoff`";
}

TEST(PoolUpkeepTest, RefillEndsWithTheUseOfTheOrigin) {
    refilled r(2);
    for (int i = 0; i < 20; ++i) {  // all close when idle for a minute
        (void)r.dials_within(50ms);
        r.h.wait(1min);
    }
    EXPECT_GT(r.seen, 10U);
    EXPECT_EQ(r.h.stats(r.origin).open, 0U) << "ten minutes later nobody needs them";
}

TEST(PoolUpkeepTest, RefillTakesNoPlaceThatIsNotFree) {
    pool_settings settings;
    settings.pool.max_connections = 2;
    settings.pool.max_connections_per_origin = 2;
    refilled r(2, settings);
    const origin_id other = r.h.add_origin();
    const exchange_id busy = r.h.acquire(other);
    r.h.finish_dial(r.h.last(action_kind::dial).connection);
    (void)r.h.take();
    r.h.wait(1s);
    EXPECT_EQ(r.h.count(kind::dial), 0U);
    EXPECT_EQ(r.h.count(kind::want_lease), 0U);
    EXPECT_EQ(r.h.last(kind::fail).exchange, exchange_id{}) << busy.index;
}

}  // namespace
}  // namespace hearth::core
