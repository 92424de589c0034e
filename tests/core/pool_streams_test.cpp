// Multiplexed connections: probing, room, cancelled streams, replacement.
#include <gtest/gtest.h>

#include "core/pool_harness.hpp"

namespace hearth::core {
namespace {

using kind = action_kind;

pool_settings with(const http2_config& http2) {
    pool_settings settings;
    settings.http2 = http2;
    return settings;
}

class streams_harness : public pool_harness {
public:
    explicit streams_harness(const pool_settings& settings = {})
        : pool_harness(settings), origin(add_origin({.tls = false, .may_multiplex = true})) {}

    connection_id finish(std::uint32_t max_streams) {
        const connection_id connection = last(kind::dial).connection;
        finish_dial(connection, {.is_multiplexed = true, .max_streams = max_streams});
        return connection;
    }
    std::vector<exchange_id> acquire_many(std::size_t count) {
        std::vector<exchange_id> made;
        for (std::size_t i = 0; i < count; ++i) made.push_back(acquire(origin));
        return made;
    }
    void set_streams(connection_id connection, std::uint32_t max_streams) {
        pool.on_streams_changed(now, connection, max_streams);
        drain_actions();
    }
    void see_resets(connection_id connection, std::uint32_t count) {
        pool.on_resets_seen(now, connection, count);
        drain_actions();
    }
    void goaway(connection_id connection) {
        pool.on_draining(now, connection);
        drain_actions();
    }
    void doubt(connection_id connection, bool in_doubt) {
        pool.on_doubt(now, connection, in_doubt);
        drain_actions();
    }
    void answer(connection_id connection, exchange_id exchange) {
        pool.on_first_byte(now, connection, exchange);
        done(connection, exchange);
    }

    origin_id origin;
};

TEST(PoolStreamsTest, UnknownProtocolIsFoundOutByOneDial) {
    streams_harness h;
    (void)h.acquire_many(50);
    EXPECT_EQ(h.count(kind::dial), 1U);
    h.finish(100);
    EXPECT_EQ(h.count(kind::dial), 1U);
    EXPECT_EQ(h.count(kind::assign), 50U);
}

TEST(PoolStreamsTest, ProbeThatFindsHttp1FansOut) {
    streams_harness h;
    (void)h.acquire_many(10);
    h.finish_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.count(kind::assign), 1U);
    EXPECT_EQ(h.count(kind::dial), 10U) << "one for each of the nine that wait";
}

TEST(PoolStreamsTest, FailedProbeIsRepeatedAlone) {
    streams_harness h;
    (void)h.acquire_many(10);
    h.fail_dial(h.last(kind::dial).connection);
    h.wait(100ms);
    EXPECT_EQ(h.count(kind::dial), 2U);
    h.finish(100);
    EXPECT_EQ(h.count(kind::assign), 10U);
}

TEST(PoolStreamsTest, HangingProbeDoesNotHoldUpTheOthersForEver) {
    streams_harness h;
    (void)h.acquire_many(10);
    h.wait(400ms);
    EXPECT_EQ(h.count(kind::dial), 1U);
    h.wait(200ms);
    EXPECT_EQ(h.count(kind::dial), 2U);
    h.wait(1s);
    EXPECT_EQ(h.count(kind::dial), 4U) << "one more each half second";
    h.finish_dial(h.last(kind::dial).connection, {.is_multiplexed = true, .max_streams = 100});
    EXPECT_EQ(h.count(kind::assign), 10U);
    h.wait(1s);
    EXPECT_EQ(h.count(kind::dial), 4U) << "nobody waits any more";
}

TEST(PoolStreamsTest, WarmUpOfAnUnknownOriginProbesFirstAndIsClipped) {
    streams_harness h(with({.max_connections = 3}));
    h.pool.warm(h.now, h.origin, 8, 1, h.now + 1s);
    h.drain_actions();
    EXPECT_EQ(h.count(kind::dial), 1U);
    h.finish(10);
    EXPECT_EQ(h.count(kind::dial), 3U);
    for (const action& a : h.all(kind::dial)) {
        if (a.connection == h.all(kind::dial)[0].connection) continue;
        h.finish_dial(a.connection, {.is_multiplexed = true, .max_streams = 10});
    }
    EXPECT_EQ(h.last(kind::warmed).count, 3U);
    EXPECT_EQ(h.last(kind::warmed).failure, wait_failure::none);
}

TEST(PoolStreamsTest, ConnectionsOfAMultiplexedOriginAreLimited) {
    streams_harness h(with({.max_connections = 2}));
    (void)h.acquire_many(1);
    h.finish(1);
    (void)h.acquire_many(5);
    EXPECT_EQ(h.count(kind::dial), 2U);
    h.finish(1);
    EXPECT_EQ(h.count(kind::dial), 2U);
    EXPECT_EQ(h.stats(h.origin).waiting, 4U);
}

TEST(PoolStreamsTest, FreshConnectionTakesThePlaceOfAnIdleOneAtTheLimit) {
    streams_harness h(with({.max_connections = 1}));
    const exchange_id first = h.acquire(h.origin);
    const connection_id old = h.finish(10);
    h.answer(old, first);
    (void)h.acquire(h.origin, base::never, true);
    EXPECT_EQ(h.count(kind::dial), 2U);
    EXPECT_EQ(h.last(kind::close).connection, old);
    h.finish(10);
    EXPECT_EQ(h.count(kind::assign), 2U);
}

TEST(PoolStreamsTest, BusyConnectionWillDoForWhoWantsAFreshOneAtTheLimit) {
    streams_harness h(with({.max_connections = 1}));
    const exchange_id first = h.acquire(h.origin);
    const connection_id only = h.finish(1);
    const exchange_id second = h.acquire(h.origin, base::never, true);
    EXPECT_EQ(h.count(kind::assign), 1U) << "its only stream is taken";
    h.set_streams(only, 2);
    EXPECT_EQ(h.count(kind::assign), 2U);
    h.answer(only, first);
    (void)h.acquire(h.origin, base::never, true);
    EXPECT_EQ(h.count(kind::assign), 3U);
    h.answer(only, second);
    EXPECT_EQ(h.count(kind::dial), 1U);
}

TEST(PoolStreamsTest, OwnLimitOfStreamsHoldsBelowThePeers) {
    streams_harness h(with({.max_streams = 3}));
    (void)h.acquire_many(4);
    h.finish(100);
    EXPECT_EQ(h.count(kind::assign), 3U);
}

TEST(PoolStreamsTest, PeerMayChangeItsLimitInMidFlight) {
    streams_harness h(with({.max_connections = 1}));
    auto x = h.acquire_many(6);
    const connection_id c = h.finish(4);
    EXPECT_EQ(h.count(kind::assign), 4U);
    h.set_streams(c, 2);
    h.answer(c, x[0]);
    h.answer(c, x[1]);
    EXPECT_EQ(h.count(kind::assign), 4U) << "two are still on it";
    h.answer(c, x[2]);
    EXPECT_EQ(h.count(kind::assign), 5U);
    h.set_streams(c, 10);
    EXPECT_EQ(h.count(kind::assign), 6U);
}

TEST(PoolStreamsTest, PeerThatAllowsNoStreamsIsWaitedForAndExpires) {
    pool_settings settings = with({.max_connections = 1});
    settings.pool.idle_timeout = 5s;
    streams_harness h(settings);
    const exchange_id x = h.acquire(h.origin);
    const connection_id c = h.finish(4);
    h.set_streams(c, 0);
    h.answer(c, x);
    (void)h.acquire(h.origin);
    EXPECT_EQ(h.count(kind::assign), 1U);
    EXPECT_EQ(h.stats(h.origin).idle, 0U) << "it has room for nobody";
    h.set_streams(c, 1);
    EXPECT_EQ(h.count(kind::assign), 2U);
    h.done(c, h.last(kind::assign).exchange);
    h.set_streams(c, 0);
    h.wait(6s);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::idle_timeout);
}

TEST(PoolStreamsTest, DrainEndsAConnectionThatHasRoomForNobody) {
    streams_harness h;
    const exchange_id x = h.acquire(h.origin);
    const connection_id c = h.finish(4);
    h.set_streams(c, 0);
    h.answer(c, x);
    h.pool.drain(h.now);
    h.drain_actions();
    EXPECT_EQ(h.last(kind::close).reason, close_reason::client_closed);
    EXPECT_EQ(h.count(kind::drained), 1U);
}

TEST(PoolStreamsTest, ActiveConnectionsAreSharedBeforeIdleOnesAreUsed) {
    streams_harness h(with({.max_connections = 2}));
    auto x = h.acquire_many(1);
    const connection_id first = h.finish(2);
    auto more = h.acquire_many(2);
    const connection_id second = h.finish(2);
    EXPECT_EQ(h.last(kind::assign).connection, second);
    h.answer(second, more[1]);
    EXPECT_EQ(h.stats(h.origin).idle, 1U);
    h.answer(first, x[0]);
    (void)h.acquire(h.origin);
    EXPECT_EQ(h.last(kind::assign).connection, first) << "so that the other one can age out";
}

TEST(PoolStreamsTest, IdealLoadOpensAnotherConnectionAheadOfNeed) {
    streams_harness h(with({.ideal_streams = 2, .max_connections = 2}));
    (void)h.acquire_many(1);
    const connection_id first = h.finish(100);
    (void)h.acquire(h.origin);
    EXPECT_EQ(h.count(kind::dial), 2U) << "the ideal load is reached";
    (void)h.acquire(h.origin);
    EXPECT_EQ(h.last(kind::assign).connection, first) << "nobody waits for the new one";
    const connection_id second = h.finish(100);
    (void)h.acquire(h.origin);
    EXPECT_EQ(h.last(kind::assign).connection, second);
    (void)h.acquire_many(10);
    EXPECT_EQ(h.count(kind::dial), 2U) << "no more than the limit";
    EXPECT_EQ(h.count(kind::assign), 14U);
}

TEST(PoolStreamsTest, ResetHoldsItsPlaceUntilThePeerHasSeenIt) {
    streams_harness h(with({.max_connections = 1}));
    auto x = h.acquire_many(3);
    const connection_id c = h.finish(2);
    h.cancel_assigned(c, x[0]);
    EXPECT_EQ(h.last(kind::reset).exchange, x[0]);
    EXPECT_EQ(h.count(kind::assign), 2U);
    h.see_resets(c, 1);
    EXPECT_EQ(h.last(kind::assign).exchange, x[2]);
    EXPECT_EQ(h.stats(h.origin).streams_reset, 1U);
    h.see_resets(c, 7);
    EXPECT_EQ(h.stats(h.origin).active, 1U) << "more than there are is no fault of core's";
}

TEST(PoolStreamsTest, BeyondTheBudgetStreamsGoOnSilently) {
    streams_harness h(with({.reset_burst = 2, .reset_rate = 1}));
    auto x = h.acquire_many(4);
    const connection_id c = h.finish(100);
    for (const exchange_id each : x) h.cancel_assigned(c, each);
    EXPECT_EQ(h.count(kind::reset), 2U);
    EXPECT_EQ(h.count(kind::drain), 2U);
    h.done(c, x[2]);
    h.done(c, x[3]);
    h.see_resets(c, 2);
    EXPECT_EQ(h.count(kind::close), 0U);
    EXPECT_EQ(h.stats(h.origin).idle, 1U);
    EXPECT_EQ(h.stats(h.origin).drained, 2U);
}

TEST(PoolStreamsTest, CancelInMidUploadAlwaysResets) {
    streams_harness h(with({.reset_burst = 1, .reset_rate = 1}));
    auto x = h.acquire_many(3);
    const connection_id c = h.finish(100);
    for (const exchange_id each : x) h.cancel_assigned(c, each, {.request_complete = false});
    EXPECT_EQ(h.count(kind::reset), 3U);
    EXPECT_EQ(h.count(kind::drain), 0U);
}

TEST(PoolStreamsTest, SilentStreamsAreResetAfterTheDrainTimeoutAsTheBudgetComesIn) {
    pool_settings settings = with({.reset_burst = 1, .reset_rate = 1});
    settings.pool.drain_timeout = 2s;
    streams_harness h(settings);
    auto x = h.acquire_many(5);
    const connection_id c = h.finish(100);
    for (const exchange_id each : x) h.cancel_assigned(c, each);
    EXPECT_EQ(h.count(kind::reset), 1U);
    h.wait(1900ms);
    EXPECT_EQ(h.count(kind::reset), 1U);
    h.wait(200ms);
    EXPECT_EQ(h.count(kind::reset), 2U);
    EXPECT_EQ(h.last(kind::reset).exchange, x[1]) << "the oldest first";
    h.wait(4s);
    EXPECT_EQ(h.count(kind::reset), 5U);
    h.see_resets(c, 5);
    EXPECT_EQ(h.stats(h.origin).idle, 1U);
    EXPECT_EQ(h.count(kind::close), 0U);
}

TEST(PoolStreamsTest, SilentStreamsThatHaveEndedDoNotKeepTheirConnectionFromExpiring) {
    pool_settings settings = with({.reset_burst = 0});
    settings.pool.idle_timeout = 3s;
    settings.pool.jitter = 0;
    streams_harness h(settings);
    const exchange_id x = h.acquire(h.origin);
    const connection_id c = h.finish(100);
    h.cancel_assigned(c, x);
    h.done(c, x);
    h.wait(2900ms);
    EXPECT_EQ(h.count(kind::close), 0U);
    h.wait(200ms);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::idle_timeout);
}

TEST(PoolStreamsTest, WithoutABudgetSilentStreamsAreResetAfterTheDrainTimeout) {
    streams_harness h(with({.reset_burst = 0, .reset_rate = 0}));
    auto x = h.acquire_many(5);
    const connection_id c = h.finish(100);
    for (const exchange_id each : x) h.cancel_assigned(c, each);
    EXPECT_EQ(h.count(kind::reset), 0U);
    h.wait(2100ms);
    EXPECT_EQ(h.count(kind::reset), 5U);
}

TEST(PoolStreamsTest, ConnectionCrowdedWithSilentStreamsIsReplaced) {
    streams_harness h(with({.reset_burst = 0, .reset_rate = 0}));
    auto x = h.acquire_many(5);
    const connection_id crowded = h.finish(8);
    for (const exchange_id each : x) h.cancel_assigned(crowded, each);
    EXPECT_EQ(h.count(kind::dial), 1U);
    h.cancel_assigned(crowded, h.acquire(h.origin));
    EXPECT_EQ(h.count(kind::dial), 2U) << "three quarters of it are taken";
    const exchange_id meanwhile = h.acquire(h.origin);
    EXPECT_EQ(h.last(kind::assign).connection, crowded) << "nobody waits for the new one";
    const connection_id fresh = h.finish(8);
    EXPECT_EQ(h.stats(h.origin).draining, 1U);
    (void)h.acquire(h.origin);
    EXPECT_EQ(h.last(kind::assign).connection, fresh);
    for (const exchange_id each : x) h.done(crowded, each);
    h.done(crowded, meanwhile);
    EXPECT_EQ(h.count(kind::close), 0U);
    h.done(crowded, exchange_id{5, 1});
    EXPECT_EQ(h.last(kind::close).connection, crowded);
}

TEST(PoolStreamsTest, OldConnectionUnderLoadIsReplacedBeforeItGoes) {
    pool_settings settings;
    settings.pool.max_lifetime = 10s;
    streams_harness h(settings);
    auto x = h.acquire_many(3);
    const connection_id old = h.finish(100);
    h.wait(11s);
    h.done(old, x[0]);
    EXPECT_EQ(h.count(kind::dial), 2U);
    const exchange_id meanwhile = h.acquire(h.origin);
    EXPECT_EQ(h.last(kind::assign).connection, old);
    const connection_id fresh = h.finish(100);
    EXPECT_EQ(h.stats(h.origin).draining, 1U);
    (void)h.acquire(h.origin);
    EXPECT_EQ(h.last(kind::assign).connection, fresh);
    h.done(old, x[1]);
    h.done(old, x[2]);
    h.done(old, meanwhile);
    EXPECT_EQ(h.last(kind::close).reason, close_reason::lifetime);
}

TEST(PoolStreamsTest, GoawayOfABusyConnectionIsReplacedAtOnce) {
    streams_harness h;
    auto x = h.acquire_many(2);
    const connection_id c = h.finish(100);
    h.answer(c, x[0]);
    h.goaway(c);
    EXPECT_EQ(h.count(kind::dial), 2U) << "before anybody has to wait for it";
    const connection_id fresh = h.finish(100);
    h.done(c, x[1]);
    EXPECT_EQ(h.last(kind::close).connection, c);
    (void)h.acquire(h.origin);
    EXPECT_EQ(h.last(kind::assign).connection, fresh);
}

TEST(PoolStreamsTest, OriginThatEndsEveryConnectionUnansweredIsDialledWithPauses) {
    streams_harness h;
    std::size_t dials = 0;
    exchange_id x = h.acquire(h.origin);
    const time_point end = h.now + 10s;
    while (h.now < end) {
        while (h.count(kind::dial) == dials && h.now < end) h.wait(1ms);
        if (h.count(kind::dial) == dials) break;
        ++dials;
        const connection_id c = h.finish(100);
        h.goaway(c);
        h.done(c, x, exchange_outcome::refused);
        x = h.acquire(h.origin);
    }
    EXPECT_LT(dials, 60U);
    EXPECT_GT(dials, 5U);
}

TEST(PoolStreamsTest, ConnectionThatServesNobodyCountsAsOneFailedDial) {
    const auto pause_after = [](unsigned goaways) {
        streams_harness h;
        const exchange_id x = h.acquire(h.origin);
        const connection_id c = h.finish(100);
        for (unsigned i = 0; i < goaways; ++i) h.goaway(c);
        h.done(c, x, exchange_outcome::refused);
        (void)h.acquire(h.origin);
        const time_point began = h.now;
        while (h.count(kind::dial) < 2 && h.now < began + 60s) h.wait(1ms);
        return h.now - began;
    };
    EXPECT_EQ(pause_after(8), pause_after(1));
}

TEST(PoolStreamsTest, AnAnswerEndsThePauses) {
    pool_settings settings;
    settings.pool.dial_patience = 10s;
    streams_harness h(settings);
    exchange_id x = h.acquire(h.origin);
    for (int i = 0; i < 6; ++i) {
        const connection_id c = h.finish(100);
        h.goaway(c);
        h.done(c, x, exchange_outcome::refused);
        x = h.acquire(h.origin);
        h.wait(1s);
    }
    const connection_id good = h.finish(1);
    h.answer(good, x);
    const auto waiting = h.acquire_many(3);
    EXPECT_EQ(h.stats(h.origin).dialing, 2U) << "not one at a time any more";
    (void)waiting;
}

TEST(PoolStreamsTest, DoubtfulConnectionGetsNoExchangeUntilItAnswers) {
    streams_harness h(with({.max_connections = 2}));
    auto x = h.acquire_many(1);
    const connection_id c = h.finish(100);
    h.doubt(c, true);
    const exchange_id waiter = h.acquire(h.origin);
    EXPECT_EQ(h.count(kind::assign), 1U);
    EXPECT_EQ(h.count(kind::dial), 2U);
    h.doubt(c, false);
    EXPECT_EQ(h.last(kind::assign).exchange, waiter);
    EXPECT_EQ(h.last(kind::assign).connection, c);
    h.doubt(c, true);
    h.answer(c, x[0]);
    h.answer(c, waiter);
    EXPECT_EQ(h.stats(h.origin).idle, 0U);
    h.doubt(c, false);
    EXPECT_EQ(h.stats(h.origin).idle, 1U);
}

TEST(PoolStreamsTest, FactsAboutOtherConnectionsAreStale) {
    streams_harness h;
    const origin_id plain = h.add_origin();
    const connection_id http1 = h.make_idle(plain);
    h.set_streams(http1, 5);
    h.see_resets(http1, 1);
    h.doubt(http1, true);
    const connection_id nobody{77, 1};
    h.set_streams(nobody, 5);
    h.see_resets(nobody, 1);
    h.doubt(nobody, true);
    EXPECT_EQ(h.pool.stale_facts(), 6U);
}

TEST(PoolStreamsTest, QueueIsBoundedWhereNoConnectionMayBeAdded) {
    pool_settings settings;
    settings.http2.max_connections = 1;
    settings.pool.max_waiters = 3;
    pool_harness h(settings);
    const origin_id origin = h.add_origin({.tls = false, .may_multiplex = true});
    (void)h.acquire(origin);
    h.finish_dial(h.last(kind::dial).connection, {.is_multiplexed = true, .max_streams = 2});
    for (int i = 0; i < 10; ++i) (void)h.acquire(origin);
    EXPECT_EQ(h.stats(origin).waiting, 3U);
    EXPECT_EQ(h.count(kind::fail), 6U);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::queue_full);
}

}  // namespace
}  // namespace hearth::core
