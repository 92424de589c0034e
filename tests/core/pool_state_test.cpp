// What all inputs of the pool have in common: time, determinism, and bounded answers.
#include "core/pool_state.hpp"

#include "core/pool_harness.hpp"

namespace hearth::core {
namespace {

using kind = action_kind;

bool operator==(const action& a, const action& b) {
    return a.kind == b.kind && a.reason == b.reason && a.failure == b.failure && a.dial == b.dial &&
           a.connection == b.connection && a.exchange == b.exchange && a.origin == b.origin &&
           a.value == b.value && a.count == b.count;
}

// A short life with failures, whose timing depends on the pool's own draws.
std::vector<std::pair<time_point, action>> live(std::uint64_t seed) {
    pool_settings settings;
    settings.pool.dial_patience = 1h;
    settings.pool.idle_timeout = 10s;
    settings.pool.jitter = 0.5;
    pool_core pool(settings, seed, 10);
    time_point now = t0;
    const origin_id origin = pool.add_origin(now, {.tls = false});
    std::vector<std::pair<time_point, action>> log;
    const bool family[1] = {};
    pool.acquire(now, {{0, 1}, origin});
    for (int i = 0; i < 1000; ++i) {
        action next;
        while (pool.poll_action(next)) {
            log.emplace_back(now, next);
            if (next.kind == kind::dial && log.size() < 6) {
                pool.on_dial_failed(now, next.connection, dial_failure::connect_failed);
            } else if (next.kind == kind::dial) {
                pool.on_resolved(now, next.connection, family);
            } else if (next.kind == kind::connect) {
                pool.on_connected(now, next.connection, 0);
                pool.on_ready(now, next.connection, {});
            } else if (next.kind == kind::assign) {
                pool.on_exchange_done(now, next.connection, next.exchange,
                                      exchange_outcome::reusable);
            }
        }
        if (pool.next_deadline() == base::never) break;
        now = pool.next_deadline();
        pool.on_timer(now);
    }
    return log;
}

TEST(PoolStateTest, SameSeedAndInputsGiveTheSameActions) {
    const auto first = live(7);
    const auto second = live(7);
    ASSERT_EQ(first.size(), second.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
        EXPECT_EQ(first[i].first, second[i].first) << i;
        EXPECT_TRUE(first[i].second == second[i].second) << i;
    }
    EXPECT_EQ(first.back().second.reason, close_reason::idle_timeout);
}

TEST(PoolStateTest, AnotherSeedDrawsOtherPauses) {
    EXPECT_NE(live(7).back().first, live(8).back().first);
}

TEST(PoolStateTest, NothingIsDueAfterTheTimer) {
    pool_settings settings;
    settings.timeouts.name = 1h;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    for (int i = 0; i < 20; ++i) (void)h.acquire(origin, h.now + std::chrono::seconds{i + 1});
    h.now += 10s;
    h.pool.on_timer(h.now);
    h.drain_actions();
    EXPECT_GT(h.pool.next_deadline(), h.now);
    EXPECT_EQ(h.stats(origin).waiting, 10U);
}

TEST(PoolStateTest, AnyInputRunsWhatIsDue) {
    pool_settings settings;
    settings.pool.jitter = 0;
    settings.pool.idle_timeout = 10s;
    pool_harness h(settings);
    const origin_id a = h.add_origin();
    const connection_id idle = h.make_idle(a);
    const origin_id b = h.add_origin();
    h.now += 10s;
    (void)h.acquire(b);
    EXPECT_EQ(h.last(kind::close).connection, idle) << "an exchange of another origin came";
}

TEST(PoolStateTest, CancelOfAWaiterComesBeforeItsExpiry) {
    pool_harness h;
    const origin_id origin = h.add_origin();
    const exchange_id x = h.acquire(origin, h.now + 1s);
    h.now += 1s;
    h.cancel(x);
    h.pool.on_timer(h.now);
    h.drain_actions();
    EXPECT_EQ(h.count(kind::fail), 0U);
    EXPECT_EQ(h.pool.stale_facts(), 0U);
}

TEST(PoolStateTest, ManyOriginsCostNothingToThoseThatAreQuiet) {
    pool_harness h;
    std::vector<origin_id> origins;
    for (int i = 0; i < 1000; ++i) origins.push_back(h.add_origin());
    const connection_id connection = h.make_idle(origins[500]);
    (void)h.take();
    (void)h.acquire(origins[500]);
    ASSERT_EQ(h.actions.size(), 1U);
    EXPECT_EQ(h.actions[0].connection, connection);
}

}  // namespace
}  // namespace hearth::core
