// Dials: the way to a usable connection, its timeouts, and whom a failure fails.
#include "core/pool_core.hpp"
#include "core/pool_harness.hpp"

namespace hearth::core {
namespace {

using kind = action_kind;

pool_settings patient_settings() {
    pool_settings settings;
    settings.pool.jitter = 0;
    settings.pool.dial_patience = 250ms;
    settings.pool.min_backoff = 20ms;
    settings.pool.max_backoff = 100ms;
    return settings;
}

// A TLS dial as far as TCP.
connection_id connect_tls(pool_harness& h, origin_id origin) {
    (void)h.acquire(origin);
    const connection_id connection = h.last(kind::dial).connection;
    h.resolved(connection);
    h.connected(connection);
    return connection;
}
void need(pool_harness& h, connection_id connection, handshake_need value) {
    h.pool.on_handshake_need(h.now, connection, value);
    h.drain_actions();
}
void turn(pool_harness& h) {
    h.pool.on_turn(h.now);
    h.drain_actions();
}
void slice_done(pool_harness& h, connection_id connection, slice_outcome outcome,
                duration cost = 1ms) {
    h.pool.on_slice_done(h.now, connection, cost, outcome);
    h.drain_actions();
}
std::size_t waiting(const pool_harness& h, origin_id origin) { return h.stats(origin).waiting; }

TEST(PoolDialsTest, TlsDialGoesThroughItsSlices) {
    pool_harness h;
    const origin_id origin = h.add_origin({.tls = true});
    const connection_id connection = connect_tls(h, origin);
    EXPECT_EQ(h.stats(origin).handshaking, 1U);
    EXPECT_FALSE(h.pool.wants_turn());
    need(h, connection, handshake_need::hello);
    EXPECT_TRUE(h.pool.wants_turn());
    EXPECT_EQ(h.count(kind::step), 0U) << "only a turn runs it";
    turn(h);
    EXPECT_EQ(h.last(kind::step).connection, connection);
    slice_done(h, connection, slice_outcome::waiting, 70us);
    EXPECT_FALSE(h.pool.wants_turn());
    need(h, connection, handshake_need::flight);
    turn(h);
    EXPECT_EQ(h.count(kind::step), 2U);
    slice_done(h, connection, slice_outcome::done, 500us);
    EXPECT_EQ(h.count(kind::assign), 0U);
    h.ready(connection);
    EXPECT_EQ(h.count(kind::assign), 1U);
    EXPECT_EQ(h.stats(origin).handshakes_full, 1U);
    EXPECT_EQ(h.stats(origin).handshake_cpu, 570us);
}

TEST(PoolDialsTest, PlaintextDialHasNoHandshake) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    h.make_idle(origin);
    EXPECT_EQ(h.count(kind::step), 0U);
    EXPECT_EQ(h.stats(origin).handshakes_full, 0U);
    EXPECT_EQ(h.stats(origin).handshakes_wasted, 0U);
}

TEST(PoolDialsTest, ReadyBeforeConnectedIsStale) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    h.ready(h.last(kind::dial).connection);
    EXPECT_EQ(h.pool.stale_facts(), 1U);
    EXPECT_EQ(h.stats(origin).dialing, 1U);
}

TEST(PoolDialsTest, ConnectsAreStaggeredAndLosersCancelled) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    const connection_id connection = h.last(kind::dial).connection;
    h.resolved(connection, 3);
    EXPECT_EQ(h.count(kind::connect), 1U);
    h.wait(250ms);
    h.wait(250ms);
    EXPECT_EQ(h.count(kind::connect), 3U);
    EXPECT_EQ(h.last(kind::connect).value, 2U);
    h.connected(connection, 1);
    const auto cancelled = h.all(kind::cancel_connect);
    ASSERT_EQ(cancelled.size(), 2U);
    EXPECT_EQ(cancelled[0].value, 0U);
    EXPECT_EQ(cancelled[1].value, 2U);
    h.connected(connection, 2);
    EXPECT_EQ(h.pool.stale_facts(), 1U) << "the loser connected after all";
    h.ready(connection);
    EXPECT_EQ(h.count(kind::assign), 1U);
}

TEST(PoolDialsTest, NextAddressIsTriedAtOnceAfterAFailure) {
    pool_harness h;
    (void)h.acquire(h.add_origin());
    const connection_id connection = h.last(kind::dial).connection;
    h.resolved(connection, 2);
    h.pool.on_connect_failed(h.now, connection, 0);
    h.drain_actions();
    EXPECT_EQ(h.last(kind::connect).value, 1U);
    h.pool.on_connect_failed(h.now, connection, 1);
    h.drain_actions();
    EXPECT_EQ(h.last(kind::close).connection, connection);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::dial_failed);
    EXPECT_EQ(h.last(kind::close).dial, dial_failure::connect_failed);
}

TEST(PoolDialsTest, EachPhaseHasItsTimeout) {
    pool_settings settings = patient_settings();
    settings.timeouts.name = 1s;
    settings.timeouts.connect = 2s;
    settings.timeouts.handshake = 3s;
    for (int phase = 0; phase < 3; ++phase) {
        pool_harness h(settings);
        const origin_id origin = h.add_origin({.tls = true});
        (void)h.acquire(origin);
        const connection_id connection = h.last(kind::dial).connection;
        if (phase >= 1) h.resolved(connection);
        if (phase >= 2) h.connected(connection);
        const duration limit = std::chrono::seconds{phase + 1};
        h.wait(limit - 1ms);
        EXPECT_EQ(h.count(kind::close), 0U) << phase;
        h.wait(1ms);
        const dial_failure expected[] = {dial_failure::name_timeout, dial_failure::connect_timeout,
                                         dial_failure::handshake_timeout};
        EXPECT_EQ(h.last(kind::close).connection, connection) << phase;
        EXPECT_EQ(h.last(kind::close).dial, expected[phase]) << phase;
        EXPECT_EQ(h.stats(origin).handshakes_failed, phase == 2 ? 1U : 0U);
    }
}

TEST(PoolDialsTest, PatientHeadWaiterOutlivesAFailedDial) {
    pool_harness h(patient_settings());
    const origin_id origin = h.add_origin();
    const exchange_id x = h.acquire(origin);
    h.fail_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.count(kind::fail), 0U);
    EXPECT_EQ(h.count(kind::dial), 1U) << "the origin backs off";
    h.wait(20ms);
    EXPECT_EQ(h.count(kind::dial), 2U);
    h.finish_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.last(kind::assign).exchange, x);
    EXPECT_EQ(h.stats(origin).failed_dials, 1U);
}

TEST(PoolDialsTest, FailedDialFailsTheHeadWaiterWhosePatienceIsOver) {
    pool_harness h(patient_settings());
    const origin_id origin = h.add_origin();
    const exchange_id head = h.acquire(origin);
    const connection_id first = h.last(kind::dial).connection;
    (void)h.acquire(origin);
    h.wait(250ms);
    h.fail_dial(first);
    ASSERT_EQ(h.count(kind::fail), 1U) << "never all of them";
    EXPECT_EQ(h.last(kind::fail).exchange, head);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::dial);
    EXPECT_EQ(waiting(h, origin), 1U);
}

TEST(PoolDialsTest, WaitersThatSawTwoFailuresFailWhenTheirPatienceIsOver) {
    pool_harness h(patient_settings());
    const origin_id origin = h.add_origin();
    std::vector<connection_id> dials;
    for (int i = 0; i < 3; ++i) {
        (void)h.acquire(origin);
        dials.push_back(h.last(kind::dial).connection);
    }
    h.wait(100ms);
    const exchange_id young = h.acquire(origin);
    h.wait(150ms);
    h.fail_dial(dials[0]);
    EXPECT_EQ(waiting(h, origin), 3U);
    h.fail_dial(dials[1]);
    EXPECT_EQ(waiting(h, origin), 1U) << "two had patience no more and saw both";
    h.finish_dial(dials[2]);
    EXPECT_EQ(h.last(kind::assign).exchange, young);
}

TEST(PoolDialsTest, PermanentFailureFailsTheHeadWaiterAtOnce) {
    for (const dial_failure failure :
         {dial_failure::certificate_rejected, dial_failure::name_not_found,
          dial_failure::handshake_failed}) {
        pool_harness h(patient_settings());
        const origin_id origin = h.add_origin();
        std::vector<connection_id> dials;
        for (int i = 0; i < 4; ++i) {
            (void)h.acquire(origin);
            dials.push_back(h.last(kind::dial).connection);
        }
        h.fail_dial(dials[0], failure);
        EXPECT_EQ(h.count(kind::fail), 1U);
        h.fail_dial(dials[1], failure);
        EXPECT_EQ(h.count(kind::fail), 4U) << "it is certain now";
    }
}

TEST(PoolDialsTest, NoPatienceMeansTheFirstFailureIsItsOwn) {
    pool_settings settings = patient_settings();
    settings.pool.dial_patience = 0ms;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    h.fail_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.count(kind::fail), 1U);
}

TEST(PoolDialsTest, OriginThatOnlyFailsIsProbedOneDialAtATime) {
    pool_settings settings = patient_settings();
    settings.pool.dial_patience = 1h;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    std::vector<connection_id> dials;
    for (int i = 0; i < 8; ++i) {
        (void)h.acquire(origin);
        dials.push_back(h.last(kind::dial).connection);
    }
    for (const connection_id dial : dials) h.fail_dial(dial);
    (void)h.take();
    h.wait(20ms);
    EXPECT_EQ(h.count(kind::dial), 1U);
    h.finish_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.count(kind::dial), 8U) << "the origin answers: all others are dialled";
}

TEST(PoolDialsTest, HangingProbeDoesNotHoldUpTheNextOneForEver) {
    pool_settings settings = patient_settings();
    settings.pool.dial_patience = 1h;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    (void)h.acquire(origin);
    h.fail_dial(h.all(kind::dial)[0].connection);
    h.fail_dial(h.all(kind::dial)[1].connection);
    (void)h.take();
    h.wait(200ms);
    EXPECT_EQ(h.count(kind::dial), 2U);
}

TEST(PoolDialsTest, BackOffGrowsWhileDialsFailAndEndsWithASuccess) {
    pool_settings settings = patient_settings();
    settings.pool.dial_patience = 1h;
    settings.pool.max_backoff = 10s;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    const time_point begin = h.now;
    for (int i = 0; i < 12; ++i) {
        h.fail_dial(h.last(kind::dial).connection);
        const std::size_t dials = h.count(kind::dial);
        for (int ms = 0; ms < 10'000 && h.count(kind::dial) == dials; ++ms) h.wait(1ms);
        ASSERT_EQ(h.count(kind::dial), dials + 1);
    }
    EXPECT_GT(h.now - begin, 5s) << "12 pauses of up to 20 ms, 40 ms, ..., 10 s";
    h.finish_dial(h.last(kind::dial).connection);
    (void)h.take();
    (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::dial), 1U);
}

TEST(PoolDialsTest, DeadOriginFailsNewcomersWhenTheirPatienceEnds) {
    pool_settings settings = patient_settings();
    settings.pool.min_backoff = 10'000ms;
    settings.pool.max_backoff = 10'000ms;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    for (int i = 0; i < 2; ++i) {
        (void)h.acquire(origin);
        h.wait(10s);
        h.fail_dial(h.last(kind::dial).connection);
        ASSERT_EQ(waiting(h, origin), 0U);
    }
    (void)h.take();
    (void)h.acquire(origin);
    h.wait(249ms);
    ASSERT_EQ(h.count(kind::dial), 0U) << "this seed's pause is longer than the patience";
    EXPECT_EQ(waiting(h, origin), 1U);
    h.wait(1ms);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::dial);
}

TEST(PoolDialsTest, WithoutDescriptorsWaitersTakeWhatIsFreed) {
    pool_harness h(patient_settings());
    const origin_id origin = h.add_origin();
    const exchange_id a = h.acquire(origin);
    const connection_id first = h.last(kind::dial).connection;
    h.finish_dial(first);
    const exchange_id b = h.acquire(origin);
    h.fail_dial(h.last(kind::dial).connection, dial_failure::descriptor_limit);
    h.wait(90ms);
    EXPECT_EQ(h.count(kind::dial), 2U) << "no dial while another connection exists";
    EXPECT_EQ(h.count(kind::fail), 0U);
    h.done(first, a);
    EXPECT_EQ(h.last(kind::assign).exchange, b);
}

TEST(PoolDialsTest, WithoutDescriptorsAnIdleConnectionElsewhereMakesWay) {
    pool_harness h(patient_settings());
    const connection_id idle = h.make_idle(h.add_origin());
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    const connection_id dial = h.last(kind::dial).connection;
    (void)h.take();
    h.fail_dial(dial, dial_failure::descriptor_limit);
    EXPECT_EQ(h.last(kind::close).connection, idle);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::evicted);
    EXPECT_EQ(h.count(kind::dial), 1U) << "there is room at once";
    h.pool.check_invariants();
}

TEST(PoolDialsTest, WithoutDescriptorsAnOriginWithNothingWaitsForTheOthers) {
    pool_harness h(patient_settings());
    const origin_id busy = h.add_origin();
    const exchange_id first = h.acquire(busy);
    const connection_id only = h.last(kind::dial).connection;
    h.finish_dial(only);
    const origin_id poor = h.add_origin();
    const exchange_id second = h.acquire(poor);
    h.fail_dial(h.last(kind::dial).connection, dial_failure::descriptor_limit);
    EXPECT_TRUE(h.pool.lacks_descriptors());
    (void)h.take();
    for (int i = 0; i < 10; ++i) {
        h.wait(100ms);
        ASSERT_LE(h.count(kind::dial), 1U) << "one dial per pause finds out";
        if (h.count(kind::dial) == 1) {
            h.fail_dial(h.last(kind::dial).connection, dial_failure::descriptor_limit);
        }
        EXPECT_EQ(h.count(kind::fail), 0U) << "longer than anybody's patience with failures";
        (void)h.take();
    }
    h.done(only, first);
    EXPECT_EQ(h.last(kind::close).connection, only);
    h.finish_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.last(kind::assign).exchange, second);
    h.pool.check_invariants();
}

TEST(PoolDialsTest, WhenDescriptorsAreBackDialsFollowTheFirstThatSucceeds) {
    pool_harness h(patient_settings());
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    h.finish_dial(h.last(kind::dial).connection);
    for (int i = 0; i < 8; ++i) (void)h.acquire(origin);
    std::vector<connection_id> dials;
    for (const action& one : h.take()) {
        if (one.kind == kind::dial) dials.push_back(one.connection);
    }
    for (std::size_t i = 1; i < dials.size(); ++i) {
        h.fail_dial(dials[i], dial_failure::descriptor_limit);
    }
    EXPECT_EQ(h.count(kind::dial), 0U);
    h.wait(100ms);
    ASSERT_EQ(h.count(kind::dial), 1U);
    h.finish_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.count(kind::dial), 3U);
    h.finish_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.count(kind::dial), 5U) << "each success is followed by two";
    h.pool.check_invariants();
}

TEST(PoolDialsTest, CeilingThatNobodyTouchesIsLifted) {
    pool_harness h(patient_settings());
    const origin_id origin = h.add_origin();
    const exchange_id exchange = h.acquire(origin);
    const connection_id only = h.last(kind::dial).connection;
    h.finish_dial(only);
    const exchange_id other = h.acquire(origin);
    h.fail_dial(h.last(kind::dial).connection, dial_failure::descriptor_limit);
    h.cancel(other);
    h.done(only, exchange, exchange_outcome::not_reusable);
    EXPECT_FALSE(h.pool.lacks_descriptors());
    h.wait(100ms);
    (void)h.take();
    for (int i = 0; i < 5; ++i) (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::dial), 5U);
}

TEST(PoolDialsTest, LackOfDescriptorsIsTheReasonAtTheEndOfTheWait) {
    pool_settings settings = patient_settings();
    settings.timeouts.queue = 50ms;
    pool_harness h(settings);
    (void)h.acquire(h.add_origin());
    h.finish_dial(h.last(kind::dial).connection);
    const exchange_id poor = h.acquire(h.add_origin());
    h.fail_dial(h.last(kind::dial).connection, dial_failure::descriptor_limit);
    h.wait(50ms);
    EXPECT_EQ(h.last(kind::fail).exchange, poor);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::descriptor_limit);
}

TEST(PoolDialsTest, WithoutPortsTheOthersAreLeftAlone) {
    pool_harness h(patient_settings());
    (void)h.make_idle(h.add_origin());
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    h.finish_dial(h.last(kind::dial).connection);
    (void)h.acquire(origin);
    const connection_id last = h.last(kind::dial).connection;
    (void)h.take();
    h.fail_dial(last, dial_failure::port_limit);
    EXPECT_FALSE(h.pool.lacks_descriptors());
    h.wait(99ms);
    EXPECT_EQ(h.count(kind::close), 0U) << "their ports are of no use to this origin";
    EXPECT_EQ(h.count(kind::dial), 0U) << "the next one is tried after the pause";
    h.wait(21ms);
    EXPECT_EQ(h.count(kind::dial), 1U);
}

TEST(PoolDialsTest, WithoutDescriptorsAndWithoutConnectionsWaitersFail) {
    pool_settings settings = patient_settings();
    settings.pool.dial_patience = 0ms;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    h.fail_dial(h.last(kind::dial).connection, dial_failure::descriptor_limit);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::descriptor_limit);
}

TEST(PoolDialsTest, HandshakeCountersTellFullResumedFailedAndWasted) {
    pool_settings settings = patient_settings();
    pool_harness h(settings);
    const origin_id origin = h.add_origin({.tls = true});
    const connection_id full = connect_tls(h, origin);
    h.ready(full);
    const connection_id resumed = connect_tls(h, origin);
    h.ready(resumed, {.resumed = true});
    const connection_id failed = connect_tls(h, origin);
    h.fail_dial(failed, dial_failure::handshake_failed);
    h.wait(1s);
    const exchange_id leaves = h.acquire(origin);
    const connection_id wasted = h.last(kind::dial).connection;
    h.cancel(leaves);
    h.resolved(wasted);
    h.connected(wasted);
    h.ready(wasted);
    h.closed(wasted);
    const origin_stats stats = h.stats(origin);
    EXPECT_EQ(stats.handshakes_full, 2U);
    EXPECT_EQ(stats.handshakes_resumed, 1U);
    EXPECT_EQ(stats.handshakes_failed, 1U);
    EXPECT_EQ(stats.handshakes_wasted, 1U);
    EXPECT_EQ(stats.opened, 4U);
    EXPECT_EQ(stats.closed, 2U);
}

TEST(PoolDialsTest, FailedHandshakeMakesRoomForTheNextHello) {
    pool_settings settings = patient_settings();
    settings.handshake.max_concurrent = 1;
    pool_harness h(settings);
    const origin_id origin = h.add_origin({.tls = true});
    const connection_id a = connect_tls(h, origin);
    const connection_id b = connect_tls(h, origin);
    need(h, a, handshake_need::hello);
    need(h, b, handshake_need::hello);
    turn(h);
    slice_done(h, a, slice_outcome::waiting);
    EXPECT_FALSE(h.pool.wants_turn());
    need(h, a, handshake_need::flight);
    turn(h);
    slice_done(h, a, slice_outcome::failed);
    h.fail_dial(a, dial_failure::certificate_rejected);
    EXPECT_TRUE(h.pool.wants_turn());
    turn(h);
    EXPECT_EQ(h.last(kind::step).connection, b);
}

TEST(PoolDialsTest, HandshakeTimeoutCountsTheWaitForItsTurn) {
    pool_settings settings = patient_settings();
    settings.timeouts.handshake = 1s;
    pool_harness h(settings);
    const origin_id origin = h.add_origin({.tls = true});
    const connection_id connection = connect_tls(h, origin);
    need(h, connection, handshake_need::hello);
    h.wait(1s);
    EXPECT_EQ(h.last(kind::close).dial, dial_failure::handshake_timeout);
    EXPECT_FALSE(h.pool.wants_turn()) << "its hello is not said any more";
}

}  // namespace
}  // namespace hearth::core
