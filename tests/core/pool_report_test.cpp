// Statistics: each number tells what it says, at every moment of a connection's life.
#include "core/pool_core.hpp"
#include "core/pool_harness.hpp"

namespace hearth::core {
namespace {

using kind = action_kind;

// What exists now, in the order: dialing, handshaking, idle, active, draining, waiting.
std::vector<std::uint64_t> now_of(const origin_stats& s) {
    EXPECT_EQ(s.open, s.idle + s.active + s.draining);
    EXPECT_EQ(s.opened, s.closed + s.open + s.dialing + s.handshaking);
    return {s.dialing, s.handshaking, s.idle, s.active, s.draining, s.waiting};
}
using counts = std::vector<std::uint64_t>;

TEST(PoolReportTest, CountsFollowAConnectionThroughItsLife) {
    pool_harness h;
    const origin_id origin = h.add_origin({.tls = true});
    EXPECT_EQ(now_of(h.stats(origin)), (counts{0, 0, 0, 0, 0, 0}));
    const exchange_id x = h.acquire(origin);
    const connection_id connection = h.last(kind::dial).connection;
    EXPECT_EQ(now_of(h.stats(origin)), (counts{1, 0, 0, 0, 0, 1}));
    h.resolved(connection);
    h.connected(connection);
    EXPECT_EQ(now_of(h.stats(origin)), (counts{0, 1, 0, 0, 0, 1}));
    h.ready(connection);
    EXPECT_EQ(now_of(h.stats(origin)), (counts{0, 0, 0, 1, 0, 0}));
    h.cancel_assigned(connection, x);
    EXPECT_EQ(now_of(h.stats(origin)), (counts{0, 0, 0, 0, 1, 0}));
    h.done(connection, x);
    EXPECT_EQ(now_of(h.stats(origin)), (counts{0, 0, 1, 0, 0, 0}));
    h.closed(connection);
    EXPECT_EQ(now_of(h.stats(origin)), (counts{0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(h.stats(origin).exchanges, 1U);
}

TEST(PoolReportTest, ReasonsAddUpToClosed) {
    pool_settings settings;
    settings.pool.max_idle_per_origin = 1;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    h.closed(h.make_idle(origin), close_reason::peer_error);
    for (int i = 0; i < 3; ++i) (void)h.acquire(origin);
    const auto dials = h.all(kind::dial);
    h.finish_dial(dials[1].connection);
    h.finish_dial(dials[2].connection);
    h.done(dials[1].connection, {1, 1});
    h.done(dials[2].connection, {2, 1}, exchange_outcome::not_reusable);
    h.fail_dial(dials[3].connection);
    const origin_stats stats = h.stats(origin);
    std::uint64_t sum = 0;
    for (const std::uint64_t each : stats.closed_by_reason) sum += each;
    EXPECT_EQ(sum, stats.closed);
    EXPECT_GE(stats.closed, 2U);
    EXPECT_EQ(stats.closed_by_reason[static_cast<std::size_t>(close_reason::peer_error)], 1U);
}

TEST(PoolReportTest, UnknownOriginHasEmptyStatistics) {
    const pool_harness h;
    const origin_stats stats = h.pool.stats(h.now, {99, 1});
    EXPECT_EQ(stats.opened, 0U);
    EXPECT_EQ(h.pool.origin_count(), 0U);
}

TEST(PoolReportTest, LeasesInUseAreConnectionsOfAllOrigins) {
    pool_harness h({}, 10);
    const origin_id a = h.add_origin();
    const origin_id b = h.add_origin();
    (void)h.make_idle(a);
    (void)h.acquire(b);
    EXPECT_EQ(h.pool.leases_held(), 10U);
    EXPECT_EQ(h.pool.leases_used(), 2U);
    EXPECT_EQ(h.pool.origin_count(), 2U);
}

// The ledger: what handshakes cost, and which of them served somebody.
TEST(PoolReportTest, LedgerTellsUsefulHandshakesFromWasted) {
    pool_harness h;
    const origin_id origin = h.add_origin({.tls = true});
    const auto connect = [&] {
        const exchange_id exchange = h.acquire(origin);
        const connection_id connection = h.last(action_kind::dial).connection;
        h.resolved(connection);
        h.connected(connection);
        h.pool.on_handshake_need(h.now, connection, handshake_need::hello);
        h.pool.on_turn(h.now);
        h.pool.on_slice_done(h.now, connection, 100us, slice_outcome::done);
        h.ready(connection);
        return std::pair(connection, exchange);
    };
    const auto [good, answered] = connect();
    h.pool.on_first_byte(h.now, good, answered);
    h.drain_actions();
    EXPECT_EQ(h.stats(origin).answered, 1U) << "the head is enough";
    const auto [late, cancelled] = connect();
    h.cancel_assigned(late, cancelled);
    h.pool.on_first_byte(h.now, late, cancelled);
    h.done(late, cancelled);
    const auto [lost, broken] = connect();
    EXPECT_EQ(lost, late) << "it was drained and is idle";
    h.done(lost, broken, exchange_outcome::failed);
    h.done(good, answered);
    const origin_stats stats = h.stats(origin);
    EXPECT_EQ(stats.handshakes_full, 2U);
    EXPECT_EQ(stats.handshakes_useful, 1U);
    EXPECT_EQ(stats.handshake_cpu, 200us);
    EXPECT_EQ(stats.handshake_cpu_useful, 100us);
    EXPECT_EQ(stats.exchanges, 3U);
    EXPECT_EQ(stats.answered, 1U);
    EXPECT_EQ(stats.drained, 1U);
}

}  // namespace
}  // namespace hearth::core
