// Dials nobody waits for: connections are replaced before they are missed. `min_ready` itself is
// in pool_upkeep_test.cpp.
#include "core/pool_harness.hpp"

namespace hearth::core {
namespace {

using kind = action_kind;

pool_settings aging_settings() {
    pool_settings settings;
    settings.pool.jitter = 0;
    settings.pool.max_lifetime = 100s;
    settings.pool.idle_timeout = 1h;
    settings.pool.replace_ahead = 5s;
    return settings;
}

// An origin, and the dials it makes, which succeed at once.
struct aging {
    explicit aging(const pool_settings& settings = aging_settings(),
                   const ready_facts& connections = {})
        : h(settings), facts(connections) {
        origin = h.add_origin({.tls = false, .may_multiplex = connections.is_multiplexed});
    }
    // `count` exchanges at once, which end after `time`.
    void use(std::size_t count, duration time = 1ms) {
        for (std::size_t i = 0; i < count; ++i) (void)h.acquire(origin);
        finish_dials();
        wait(time);
        const auto assigned = h.all(kind::assign);
        for (std::size_t i = assigned.size() - count; i < assigned.size(); ++i) {
            h.done(assigned[i].connection, assigned[i].exchange);
        }
    }
    void finish_dials() {
        for (auto all = h.all(kind::dial); finished < all.size(); all = h.all(kind::dial)) {
            h.finish_dial(all[finished++].connection, facts);
        }
    }
    void wait(duration time) {
        const time_point end = h.now + time;
        while (h.now < end) {
            h.wait(std::min<duration>(end - h.now, 100us));
            EXPECT_LE(h.stats(origin).dialing, 1U);
            finish_dials();
        }
    }
    // Lets time pass in which nothing is due for long.
    void skip_to(duration age) { h.wait(t0 + age - h.now); }

    [[nodiscard]] std::size_t dials() const { return h.count(kind::dial); }

    pool_harness h;
    ready_facts facts;
    origin_id origin;
    std::size_t finished = 0;
};

constexpr ready_facts multiplexed{.is_multiplexed = true, .max_streams = 8};

TEST(PoolRefillTest, ConnectionInUseIsReplacedBeforeItsLifetimeEnds) {
    aging a;
    a.use(1);
    const connection_id old = a.h.last(kind::dial).connection;
    a.skip_to(94s);
    a.use(1);
    EXPECT_EQ(a.dials(), 1U);
    a.skip_to(95s + 1ms);
    ASSERT_EQ(a.dials(), 2U);
    a.finish_dials();
    EXPECT_EQ(a.h.count(kind::close), 0U) << "the old one serves on";
    a.skip_to(101s);
    EXPECT_EQ(a.h.last(kind::close).connection, old);
    EXPECT_EQ(a.h.last(kind::close).reason, close_reason::lifetime);
    (void)a.h.acquire(a.origin);
    EXPECT_EQ(a.h.count(kind::assign), 3U) << "nobody waits";
    EXPECT_EQ(a.dials(), 2U);
}

TEST(PoolRefillTest, ConnectionNobodyUsedOfLateIsNotReplaced) {
    aging a;
    a.use(1);
    a.skip_to(200s);
    EXPECT_EQ(a.dials(), 1U);
    EXPECT_EQ(a.h.stats(a.origin).open, 0U);
}

TEST(PoolRefillTest, AsManyAreReplacedAsWereInUseAtOnce) {
    aging a;
    a.use(10);
    EXPECT_EQ(a.dials(), 10U);
    a.skip_to(90s);
    a.use(3);
    a.skip_to(95s);
    a.wait(20ms);
    EXPECT_EQ(a.dials(), 13U) << "all ten leave at the same time";
    a.skip_to(101s);
    EXPECT_EQ(a.h.stats(a.origin).idle, 3U);
}

TEST(PoolRefillTest, ReplacementsArePaced) {
    aging a;
    a.use(10);
    a.skip_to(94s);
    a.use(10);
    (void)a.h.take();
    a.finished = 0;
    a.skip_to(95s + 1ms);
    a.finish_dials();
    a.wait(1ms);
    EXPECT_GE(a.dials(), 1U);
    EXPECT_LE(a.dials(), 5U) << "ten connections at 50 us each are 5 ms at a tenth of a core";
    a.wait(20ms);
    EXPECT_EQ(a.dials(), 10U);
}

TEST(PoolRefillTest, BusyConnectionsAreReplacedToo) {
    aging a;
    a.use(2);
    a.skip_to(90s);
    (void)a.h.acquire(a.origin);
    const exchange_id ended = a.h.acquire(a.origin);
    const connection_id its = a.h.last(kind::assign).connection;
    a.skip_to(94s);
    a.h.done(its, ended);
    a.skip_to(95s);
    a.wait(10ms);
    EXPECT_EQ(a.dials(), 4U);
}

TEST(PoolRefillTest, MultiplexedConnectionIsReplacedOnce) {
    aging a(aging_settings(), multiplexed);
    a.use(3);
    const connection_id old = a.h.last(kind::dial).connection;
    a.skip_to(94s);
    for (int i = 0; i < 100; ++i) a.use(3, 60ms);  // until 100 s, on both of them
    EXPECT_EQ(a.dials(), 2U);
    a.skip_to(101s);
    a.use(3);
    EXPECT_EQ(a.h.last(kind::close).connection, old);
    EXPECT_EQ(a.dials(), 2U);
}

TEST(PoolRefillTest, NothingIsReplacedAheadWhereThatIsOff) {
    pool_settings settings = aging_settings();
    settings.pool.replace_ahead.reset();
    aging a(settings);
    a.use(1);
    a.skip_to(94s);
    a.use(1);
    a.skip_to(101s);
    EXPECT_EQ(a.dials(), 1U);
    EXPECT_EQ(a.h.stats(a.origin).open, 0U);
}

TEST(PoolRefillTest, MinReadyCountsOnlyWhatLasts) {
    pool_settings settings = aging_settings();
    settings.pool.min_ready = 2;
    aging a(settings);
    a.use(1);
    a.wait(10ms);
    ASSERT_EQ(a.dials(), 2U);
    a.skip_to(95s);
    a.wait(20ms);
    EXPECT_EQ(a.dials(), 4U) << "nobody used them of late, but two are to be ready";
    a.skip_to(101s);
    EXPECT_EQ(a.h.stats(a.origin).idle, 2U);
}

TEST(PoolRefillTest, ReplacementTakesNoPlaceThatIsNotFree) {
    pool_settings settings = aging_settings();
    settings.pool.max_connections_per_origin = 1;
    aging a(settings);
    a.use(1);
    a.skip_to(94s);
    a.use(1);
    a.skip_to(99s);
    EXPECT_EQ(a.dials(), 1U);
    EXPECT_EQ(a.h.count(kind::close), 0U);
}

TEST(PoolRefillTest, ReplacementIsNoMoreThanMayRest) {
    pool_settings settings = aging_settings();
    settings.pool.max_idle_per_origin = 1;
    aging a(settings);
    a.use(1);
    a.skip_to(94s);
    a.use(1);
    a.skip_to(99s);
    EXPECT_EQ(a.dials(), 1U) << "it would push out the one that is there";
}

TEST(PoolRefillTest, FailedReplacementIsTriedAgainAfterAPause) {
    aging a;
    a.use(1);
    a.skip_to(94s);
    a.use(1);
    (void)a.h.take();
    std::size_t failed = 0;
    for (a.skip_to(95s); a.h.now < t0 + 100s; a.h.wait(10ms)) {
        const auto all = a.h.all(kind::dial);
        for (; failed < all.size(); ++failed) a.h.fail_dial(all[failed].connection);
    }
    EXPECT_GE(failed, 3U);
    EXPECT_LE(failed, 40U) << "with the back-off of failed dials";
}

TEST(PoolRefillTest, ShortLifetimesAreReplacedInTheirLastQuarter) {
    pool_settings settings = aging_settings();
    settings.pool.max_lifetime = 4s;
    aging a(settings);
    a.use(1);
    a.skip_to(2999ms);
    EXPECT_EQ(a.dials(), 1U);
    a.skip_to(3s + 10ms);
    EXPECT_EQ(a.dials(), 2U);
}

TEST(PoolRefillTest, RestingConnectionThatItsOriginEndsIsReplaced) {
    aging a(aging_settings(), multiplexed);
    a.use(1);
    a.h.pool.on_draining(a.h.now, a.h.last(kind::dial).connection);
    a.h.drain_actions();
    EXPECT_EQ(a.h.count(kind::close), 1U);
    a.h.wait(10ms);
    ASSERT_EQ(a.dials(), 2U);
    // One that served nobody is not: an origin could make us dial for ever.
    a.finish_dials();
    a.h.pool.on_draining(a.h.now, a.h.last(kind::dial).connection);
    a.h.drain_actions();
    a.h.wait(10s);
    EXPECT_EQ(a.dials(), 2U);
}

TEST(PoolRefillTest, ConnectionThatItsOriginEndsIsNotReplacedWithoutUse) {
    aging a(aging_settings(), multiplexed);
    a.use(1);
    a.skip_to(20s);
    a.h.pool.on_draining(a.h.now, a.h.last(kind::dial).connection);
    a.h.drain_actions();
    a.h.wait(10s);
    EXPECT_EQ(a.dials(), 1U);
}

}  // namespace
}  // namespace hearth::core
