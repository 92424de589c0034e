// Outdated connections: replaced ahead, spread over the time allowed, never below what must be
// ready.
#include "core/pool_harness.hpp"

namespace hearth::core {
namespace {

using kind = action_kind;

pool_settings steady_settings(std::uint32_t min_ready = 0) {
    pool_settings settings;
    settings.pool.jitter = 0;
    settings.pool.max_lifetime = 1h;
    settings.pool.idle_timeout = 1h;
    settings.pool.min_ready = min_ready;
    return settings;
}

// An origin in use: so many exchanges at once, again and again. Dials succeed while it `is_up`.
struct steady {
    explicit steady(std::size_t exchanges, const pool_settings& settings = steady_settings())
        : h(settings), count(exchanges), origin(h.add_origin()) {
        use();
    }
    void use() {
        const std::size_t before = h.count(kind::assign);
        for (std::size_t i = 0; i < count; ++i) (void)h.acquire(origin);
        finish_dials();
        const auto assigned = h.all(kind::assign);
        for (std::size_t i = before; i < assigned.size(); ++i) {
            h.done(assigned[i].connection, assigned[i].exchange);
        }
    }
    void finish_dials() {
        for (auto all = h.all(kind::dial); finished < all.size(); all = h.all(kind::dial)) {
            if (is_up) {
                h.finish_dial(all[finished++].connection);
            } else {
                h.fail_dial(all[finished++].connection);
            }
        }
    }
    // Uses it throughout, and notes how few were ready.
    void pass(duration time) {
        for (const time_point end = h.now + time; h.now < end;) {
            h.wait(10ms);
            finish_dials();
            use();
            const origin_stats now = h.stats(origin);
            least = std::min(least, now.idle + now.active);
        }
    }
    void outdate(duration within = 4s) {
        for (const action& a : h.all(kind::dial)) {
            h.pool.on_outdated(h.now, a.connection, within);
            h.drain_actions();
            old.push_back(a.connection);
        }
    }
    [[nodiscard]] std::size_t old_ones_closed() const {
        const auto closes = h.all(kind::close);
        return static_cast<std::size_t>(
            std::count_if(closes.begin(), closes.end(),
                          [](const action& a) { return a.reason == close_reason::outdated; }));
    }

    pool_harness h;
    std::size_t count;
    origin_id origin;
    std::size_t finished = 0;
    bool is_up = true;
    std::uint64_t least = 1'000'000;
    std::vector<connection_id> old;
};

TEST(PoolRotationTest, OthersComeBeforeTheOldOnesGo) {
    steady s(8);
    s.outdate();
    EXPECT_EQ(s.h.count(kind::close), 0U);
    s.pass(4s);
    EXPECT_EQ(s.old_ones_closed(), 8U);
    EXPECT_GE(s.least, 8U) << "as many as are in use at once";
    EXPECT_EQ(s.h.count(kind::fail), 0U);
}

TEST(PoolRotationTest, TheirEndsAreSpread) {
    steady s(16);
    s.outdate();
    s.pass(990ms);
    EXPECT_EQ(s.old_ones_closed(), 0U) << "not before a quarter of the time";
    s.pass(1010ms);
    EXPECT_GT(s.old_ones_closed(), 2U);
    EXPECT_LT(s.old_ones_closed(), 14U);
    s.pass(1100ms);
    EXPECT_EQ(s.old_ones_closed(), 16U) << "all by three quarters of it";
}

TEST(PoolRotationTest, MinReadyIsKeptWhileOthersCannotBeHad) {
    steady s(4, steady_settings(4));
    s.outdate();
    s.is_up = false;
    s.count = 1;
    s.pass(3900ms);
    EXPECT_EQ(s.least, 4U);
    EXPECT_EQ(s.old_ones_closed(), 0U);
    s.h.wait(200ms);
    EXPECT_EQ(s.old_ones_closed(), 4U) << "its time is over";
}

TEST(PoolRotationTest, NobodyUsesItNobodyReplacesIt) {
    steady s(4);
    s.h.wait(2h);
    (void)s.h.take();
    s.finished = 0;
    s.use();
    s.outdate();
    const std::size_t dials = s.h.count(kind::dial);
    s.h.wait(1h);
    EXPECT_EQ(s.old_ones_closed(), 4U);
    EXPECT_LE(s.h.count(kind::dial) - dials, 4U);
}

TEST(PoolRotationTest, LongExchangeIsNotCutAndIsItsLast) {
    steady s(1);
    s.outdate(1s);
    (void)s.h.acquire(s.origin);
    const action longest = s.h.last(kind::assign);
    s.h.wait(10s);
    EXPECT_EQ(s.old_ones_closed(), 0U);
    s.h.done(longest.connection, longest.exchange);
    EXPECT_EQ(s.h.last(kind::close).connection, longest.connection);
    EXPECT_EQ(s.h.last(kind::close).reason, close_reason::outdated);
}

TEST(PoolRotationTest, MultiplexedConnectionGetsNothingOnceItsTimeIsOver) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin({.tls = false, .may_multiplex = true});
    (void)h.acquire(origin);
    const connection_id old = h.last(kind::dial).connection;
    h.finish_dial(old, {.is_multiplexed = true, .max_streams = 100});
    h.pool.on_outdated(h.now, old, 1s);
    h.wait(999ms);
    (void)h.acquire(origin);
    EXPECT_EQ(h.last(kind::assign).connection, old);
    h.wait(2ms);
    (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::assign), 2U);
    h.finish_dial(h.last(kind::dial).connection, {.is_multiplexed = true, .max_streams = 100});
    EXPECT_EQ(h.count(kind::assign), 3U);
    EXPECT_NE(h.last(kind::assign).connection, old);
    EXPECT_EQ(h.count(kind::close), 0U) << "its exchanges go on";
}

TEST(PoolRotationTest, SecondWordAboutOneChangesNothing) {
    steady s(1);
    s.outdate(1s);
    const connection_id old = s.h.last(kind::dial).connection;
    s.h.wait(100ms);
    s.h.pool.on_outdated(s.h.now, old, 1h);
    s.h.wait(1s);
    EXPECT_EQ(s.old_ones_closed(), 1U);
}

TEST(PoolRotationTest, DialInProgressIsNotOutdatedYet) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    (void)h.acquire(origin);
    const std::uint64_t stale = h.pool.stale_facts();
    h.pool.on_outdated(h.now, h.last(kind::dial).connection, 1s);
    EXPECT_EQ(h.pool.stale_facts(), stale + 1);
}

TEST(PoolRotationTest, OriginIsForgottenOnceItHasNothing) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    EXPECT_EQ(h.pool.use_of(origin), origin_use::none);
    const connection_id connection = h.make_idle(origin);
    EXPECT_EQ(h.pool.use_of(origin), origin_use::in_use);
    h.closed(connection);
    h.wait(1s);
    EXPECT_EQ(h.pool.use_of(origin), origin_use::none);
    h.pool.forget_origin(h.now, origin);
    h.drain_actions();
    EXPECT_EQ(h.pool.origin_count(), 0U);
    const origin_id next = h.add_origin();
    EXPECT_EQ(next.index, origin.index);
    EXPECT_NE(next, origin);
    h.make_idle(next);
    EXPECT_EQ(h.stats(next).opened, 1U) << "nothing is left of the one before";
}

TEST(PoolRotationTest, OriginWhoseDialsFailIsInTrouble) {
    pool_harness h(steady_settings());
    const origin_id origin = h.add_origin();
    const exchange_id waiter = h.acquire(origin);
    h.fail_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.pool.use_of(origin), origin_use::in_use) << "somebody waits";
    h.cancel(waiter);
    EXPECT_EQ(h.pool.use_of(origin), origin_use::troubled);
}

}  // namespace
}  // namespace hearth::core
