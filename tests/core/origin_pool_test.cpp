#include "core/origin_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/prng.hpp"

namespace hearth::core {
namespace {

using namespace std::chrono_literals;
using event = connection_event;

const base::time_point t0{1h};

class OriginPoolTest : public ::testing::Test {
protected:
    connection_record& make_ready(std::uint32_t max_exchanges = 1) {
        const connection_id id = tables.connections.emplace();
        connection_record& connection = tables.connections[id];
        connection.id = id;
        connection.origin = 0;
        connection.max_exchanges = max_exchanges;
        pool.add(tables, connection);
        connection.idle_since = now;
        now += 1s;
        pool.change(tables, connection, event::ready);
        return connection;
    }
    // One exchange more, or one less.
    void book(connection_record& connection) {
        ++connection.exchanges;
        pool.change(tables, connection, connection.has_room() ? event::taken : event::filled);
        connection.has_carried = true;
    }
    void unbook(connection_record& connection) {
        --connection.exchanges;
        connection.idle_since = now;
        now += 1s;
        pool.change(tables, connection, connection.exchanges == 0 ? event::emptied : event::taken);
    }
    std::uint32_t make_waiter(bool fresh = false) {
        const exchange_id id{next_exchange++, 1};
        exchange_record& exchange = *tables.exchanges.open(id);
        exchange.state = exchange_state::waiting;
        exchange.origin = 0;
        exchange.wants_fresh = fresh;
        exchange.since = now;
        exchange.timer = 1;
        now += 1s;
        pool.enqueue(tables, id.index);
        return id.index;
    }

    base::time_point now = t0;
    record_tables tables;
    origin_pool pool;
    std::uint32_t next_exchange = 0;
};

TEST_F(OriginPoolTest, PicksNothingWhenEmpty) {
    EXPECT_EQ(pool.pick(false), no_index);
    EXPECT_EQ(pool.pick(true), no_index);
    EXPECT_EQ(pool.oldest_idle(tables), no_index);
    EXPECT_EQ(pool.first_waiter(tables), no_index);
}

TEST_F(OriginPoolTest, PicksTheMostRecentlyUsedIdleConnection) {
    connection_record& a = make_ready();
    connection_record& b = make_ready();
    book(a);
    book(b);
    unbook(b);
    unbook(a);
    EXPECT_EQ(pool.pick(false), a.id.index);
    EXPECT_EQ(pool.oldest_idle(tables), b.id.index);
    EXPECT_EQ(tables.idle_count, 2U);
    pool.check_invariants(tables, 0);
}

TEST_F(OriginPoolTest, PicksTheLeastRecentlyUsedOneIfAsked) {
    pool = origin_pool(idle_order::least_recent);
    connection_record& a = make_ready();
    connection_record& b = make_ready();
    connection_record& unused = make_ready();
    book(a);
    book(b);
    unbook(b);
    unbook(a);
    EXPECT_EQ(pool.pick(false), b.id.index);
    EXPECT_EQ(pool.pick(true), unused.id.index);
    book(b);
    EXPECT_EQ(pool.pick(false), a.id.index);
    unbook(b);
    EXPECT_EQ(pool.pick(false), a.id.index) << "in turn";
    pool.check_invariants(tables, 0);
}

TEST_F(OriginPoolTest, KeepsUnusedConnectionsForThoseWhoWantThem) {
    connection_record& used = make_ready();
    book(used);
    unbook(used);
    connection_record& unused = make_ready();
    EXPECT_EQ(pool.pick(false), used.id.index);
    EXPECT_EQ(pool.pick(true), unused.id.index);
    book(used);
    EXPECT_EQ(pool.pick(false), unused.id.index);
}

TEST_F(OriginPoolTest, PicksTheLeastLoadedActiveConnection) {
    connection_record& a = make_ready(4);
    connection_record& b = make_ready(4);
    for (int i = 0; i < 3; ++i) book(a);
    for (int i = 0; i < 2; ++i) book(b);
    EXPECT_EQ(pool.pick(false), b.id.index);
    book(b);
    book(b);
    EXPECT_EQ(b.state, connection_state::full);
    EXPECT_EQ(pool.pick(false), a.id.index);
    unbook(a);
    unbook(b);
    unbook(b);
    unbook(b);
    EXPECT_EQ(pool.pick(false), b.id.index);
    pool.check_invariants(tables, 0);
}

TEST_F(OriginPoolTest, OneIsPassedOverWhereAnotherHasRoom) {
    connection_record& a = make_ready(4);
    book(a);
    ASSERT_EQ(pool.pick(false), a.id.index);
    EXPECT_EQ(pool.pick_besides(tables, a.id.index), a.id.index);
    connection_record& b = make_ready(4);
    book(b);
    book(b);
    EXPECT_EQ(pool.pick_besides(tables, a.id.index), b.id.index) << "busier";
    connection_record& idle = make_ready(4);
    EXPECT_EQ(pool.pick_besides(tables, a.id.index), idle.id.index);
    book(idle);
    EXPECT_EQ(pool.pick_besides(tables, a.id.index), idle.id.index) << "as busy";
    for (int i = 0; i < 3; ++i) book(idle);
    for (int i = 0; i < 2; ++i) book(b);
    EXPECT_EQ(pool.pick_besides(tables, a.id.index), a.id.index) << "the others are full";
}

TEST_F(OriginPoolTest, ManyStreamsShareTheLastBucket) {
    connection_record& a = make_ready(100'000);
    for (int i = 0; i < 1000; ++i) book(a);
    EXPECT_EQ(pool.pick(false), a.id.index);
    for (int i = 0; i < 1000; ++i) unbook(a);
    EXPECT_EQ(a.state, connection_state::idle);
    pool.check_invariants(tables, 0);
}

TEST_F(OriginPoolTest, WaitersAreFirstComeFirstServed) {
    const std::uint32_t first = make_waiter();
    const std::uint32_t second = make_waiter();
    const std::uint32_t third = make_waiter();
    EXPECT_EQ(pool.first_waiter(tables), first);
    pool.dequeue(tables, second);
    pool.dequeue(tables, first);
    EXPECT_EQ(pool.first_waiter(tables), third);
    EXPECT_EQ(pool.waiters(), 1U);
}

TEST_F(OriginPoolTest, UsedConnectionsPassOverWaitersForFreshOnes) {
    const std::uint32_t fresh = make_waiter(true);
    const std::uint32_t ordinary = make_waiter();
    EXPECT_EQ(pool.first_waiter_for(tables, true), ordinary);
    EXPECT_EQ(pool.first_waiter_for(tables, false), fresh);
    EXPECT_EQ(pool.first_waiter(tables), fresh);
    EXPECT_EQ(pool.fresh_waiters(), 1U);
    pool.dequeue(tables, fresh);
    EXPECT_EQ(pool.first_waiter_for(tables, false), ordinary);
}

TEST_F(OriginPoolTest, DialsKeepTheirOrderThroughTheHandshake) {
    std::uint32_t indices[2];
    for (std::uint32_t& index : indices) {
        const connection_id id = tables.connections.emplace();
        connection_record& connection = tables.connections[id];
        connection.id = id;
        connection.origin = 0;
        pool.add(tables, connection);
        index = id.index;
    }
    pool.change(tables, tables.connections.at(indices[0]), event::connected);
    EXPECT_EQ(pool.youngest_coming(), indices[1]);
    EXPECT_EQ(pool.coming(), 2U);
    EXPECT_EQ(pool.count(connection_state::handshaking), 1U);
}

TEST_F(OriginPoolTest, OnlyCancelledDrainersAreListed) {
    connection_record& leaving = make_ready(2);
    book(leaving);
    pool.change(tables, leaving, event::drain);
    EXPECT_EQ(pool.cancelled(), 0U);
    EXPECT_EQ(pool.count(connection_state::draining), 1U);

    connection_record& a = make_ready();
    connection_record& b = make_ready();
    for (connection_record* c : {&b, &a}) {
        book(*c);
        c->is_cancelled = true;
        pool.change(tables, *c, event::drain);
    }
    EXPECT_EQ(pool.oldest_draining(), b.id.index);
    EXPECT_EQ(tables.draining_by_age.front(), b.id.index);
    pool.change(tables, b, event::close);
    EXPECT_EQ(pool.oldest_draining(), a.id.index);
}

TEST_F(OriginPoolTest, ActiveConnectionsNeverGetLostInTheBuckets) {
    std::vector<connection_record*> connections;
    for (int i = 0; i < 5; ++i) connections.push_back(&make_ready(8));
    base::prng random(7);
    for (int step = 0; step < 5000; ++step) {
        connection_record& c = *connections[random.below(connections.size())];
        const bool wants_more = random.below(2) == 0;
        if (wants_more && c.has_room()) book(c);
        if (!wants_more && c.exchanges != 0) unbook(c);
        pool.check_invariants(tables, 0);
        std::uint32_t least = 8;  // of those that carry any
        bool has_idle = false;
        for (const connection_record* each : connections) {
            if (each->exchanges == 0)
                has_idle = true;
            else
                least = std::min(least, each->exchanges);
        }
        const std::uint32_t picked = pool.pick(false);
        ASSERT_EQ(picked == no_index, least == 8 && !has_idle);
        if (picked != no_index) {
            ASSERT_EQ(tables.connections.at(picked).exchanges, least == 8 ? 0 : least);
        }
        const std::uint32_t below_ideal = pool.pick(false, 3);
        if (least >= 3 && has_idle) {
            ASSERT_EQ(tables.connections.at(below_ideal).exchanges, 0U);
        } else {
            ASSERT_EQ(below_ideal, picked);
        }
    }
}

}  // namespace
}  // namespace hearth::core
