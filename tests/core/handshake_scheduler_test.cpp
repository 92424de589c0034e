#include "core/handshake_scheduler.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;
using enum handshake_need;

connection_id name(std::uint32_t index) { return {index, 1}; }

// Adds connections 0..count-1, older first, all with a ClientHello to say.
void add_hellos(handshake_scheduler& scheduler, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
        scheduler.add(name(i), i);
        EXPECT_TRUE(scheduler.set_need(name(i), hello));
    }
}

// Runs one slice in a turn of its own.
connection_id run(handshake_scheduler& scheduler, slice_outcome outcome = slice_outcome::waiting,
                  duration cost = 1ms) {
    scheduler.begin_turn();
    const connection_id connection = scheduler.next();
    if (connection.is_valid()) {
        EXPECT_TRUE(scheduler.on_slice_done(connection, cost, outcome));
    }
    return connection;
}

TEST(HandshakeSchedulerTest, RunsTheOldestHelloFirst) {
    handshake_scheduler scheduler({.max_concurrent = 8});
    for (const std::uint32_t i : {2U, 0U, 1U}) {
        scheduler.add(name(i), i);
        ASSERT_TRUE(scheduler.set_need(name(i), hello));
    }
    EXPECT_EQ(run(scheduler), name(0));
    EXPECT_EQ(run(scheduler), name(1));
    EXPECT_EQ(run(scheduler), name(2));
    EXPECT_EQ(run(scheduler), connection_id{});
}

TEST(HandshakeSchedulerTest, RunsNearCompleteHandshakeFirst) {
    handshake_scheduler scheduler({.max_concurrent = 8});
    add_hellos(scheduler, 4);
    EXPECT_EQ(run(scheduler), name(0));
    EXPECT_EQ(run(scheduler), name(1));
    ASSERT_TRUE(scheduler.set_need(name(1), flight));
    ASSERT_TRUE(scheduler.set_need(name(0), flight));
    EXPECT_EQ(run(scheduler, slice_outcome::done), name(0)) << "flights by age of the dial";
    EXPECT_EQ(run(scheduler, slice_outcome::done), name(1));
    EXPECT_EQ(run(scheduler), name(2)) << "then hellos";
}

TEST(HandshakeSchedulerTest, KeepsAtMostMaxConcurrentPastTheirHello) {
    handshake_scheduler scheduler({.max_concurrent = 2});
    add_hellos(scheduler, 3);
    EXPECT_EQ(run(scheduler), name(0));
    EXPECT_EQ(run(scheduler), name(1));
    EXPECT_FALSE(scheduler.wants_turn());
    EXPECT_EQ(run(scheduler), connection_id{});
    EXPECT_EQ(scheduler.past_hello(), 2U);
    ASSERT_TRUE(scheduler.set_need(name(1), flight));
    EXPECT_TRUE(scheduler.wants_turn()) << "an answer here always runs";
    EXPECT_EQ(run(scheduler, slice_outcome::done), name(1));
    EXPECT_EQ(run(scheduler), name(2)) << "a finished one made room";
}

TEST(HandshakeSchedulerTest, AHandshakeThatGoesAwayMakesRoom) {
    handshake_scheduler scheduler({.max_concurrent = 1});
    add_hellos(scheduler, 2);
    EXPECT_EQ(run(scheduler), name(0));
    EXPECT_FALSE(scheduler.wants_turn());
    scheduler.remove(name(0));
    EXPECT_EQ(scheduler.past_hello(), 0U);
    EXPECT_EQ(run(scheduler), name(1));
}

TEST(HandshakeSchedulerTest, RunsSlicesPerTurnInOneTurn) {
    handshake_scheduler scheduler({.max_concurrent = 8, .slices_per_turn = 3});
    add_hellos(scheduler, 5);
    EXPECT_EQ(scheduler.next(), connection_id{}) << "no turn has begun";
    scheduler.begin_turn();
    EXPECT_EQ(scheduler.next(), name(0));
    EXPECT_EQ(scheduler.next(), name(1));
    EXPECT_EQ(scheduler.next(), name(2));
    EXPECT_EQ(scheduler.next(), connection_id{});
    scheduler.begin_turn();
    EXPECT_EQ(scheduler.next(), name(3));
}

TEST(HandshakeSchedulerTest, WhatWaitsForTheNetworkIsInNoQueue) {
    handshake_scheduler scheduler({});
    add_hellos(scheduler, 1);
    EXPECT_EQ(run(scheduler), name(0));
    EXPECT_FALSE(scheduler.wants_turn());
    ASSERT_TRUE(scheduler.set_need(name(0), flight));
    ASSERT_TRUE(scheduler.set_need(name(0), none));
    EXPECT_FALSE(scheduler.wants_turn());
}

TEST(HandshakeSchedulerTest, MoreBytesHereMeanAnotherSlice) {
    handshake_scheduler scheduler({});
    add_hellos(scheduler, 1);
    EXPECT_EQ(run(scheduler, slice_outcome::more), name(0));
    EXPECT_EQ(run(scheduler, slice_outcome::done), name(0));
    EXPECT_FALSE(scheduler.wants_turn());
}

TEST(HandshakeSchedulerTest, AFlightThatComesDuringASliceIsKept) {
    handshake_scheduler scheduler({});
    add_hellos(scheduler, 1);
    scheduler.begin_turn();
    ASSERT_EQ(scheduler.next(), name(0));
    ASSERT_TRUE(scheduler.set_need(name(0), flight));
    EXPECT_FALSE(scheduler.wants_turn()) << "it runs already";
    ASSERT_TRUE(scheduler.on_slice_done(name(0), 1ms, slice_outcome::waiting));
    EXPECT_TRUE(scheduler.wants_turn());
}

TEST(HandshakeSchedulerTest, AnAnswerBeforeTheHelloDoesNotBypassTheLimit) {
    handshake_scheduler scheduler({.max_concurrent = 1});
    add_hellos(scheduler, 2);
    EXPECT_EQ(run(scheduler), name(0));
    ASSERT_TRUE(scheduler.set_need(name(1), flight));
    EXPECT_FALSE(scheduler.wants_turn());
}

TEST(HandshakeSchedulerTest, LearnsTheCostOfEachKindOfSlice) {
    handshake_scheduler scheduler({.max_concurrent = 64});
    add_hellos(scheduler, 40);
    for (int i = 0; i < 20; ++i) (void)run(scheduler, slice_outcome::waiting, 70us);
    EXPECT_EQ(scheduler.hello_cost(), 70us);
    EXPECT_EQ(scheduler.flight_cost(), 0us);
    ASSERT_TRUE(scheduler.set_need(name(0), flight));
    (void)run(scheduler, slice_outcome::done, 500us);
    EXPECT_EQ(scheduler.flight_cost(), 500us);
    for (int i = 0; i < 20; ++i) (void)run(scheduler, slice_outcome::waiting, 140us);
    EXPECT_GT(scheduler.hello_cost(), 120us);
    EXPECT_LE(scheduler.hello_cost(), 140us);
}

TEST(HandshakeSchedulerTest, OldNamesOfAReusedPlaceAreUnknown) {
    handshake_scheduler scheduler({});
    scheduler.add({3, 1}, 1);
    scheduler.remove({3, 1});
    scheduler.add({3, 2}, 2);
    EXPECT_FALSE(scheduler.set_need({3, 1}, hello));
    scheduler.remove({3, 1});
    EXPECT_EQ(scheduler.size(), 1U);
    EXPECT_TRUE(scheduler.set_need({3, 2}, hello));
}

// Every place a handshake can be in against every input: accepted or not, and what can run then.
struct place_case {
    std::string name;
    std::function<void(handshake_scheduler&)> reach;
    bool takes_hello, takes_flight, takes_none, takes_done;
    bool runs_after_hello, runs_after_flight, runs_after_none, runs_after_done;
};

TEST(HandshakeSchedulerTest, EveryPlaceTakesEveryInput) {
    const auto nothing = [](handshake_scheduler&) {};
    const auto add = [](handshake_scheduler& s) { s.add(name(0), 0); };
    const auto queue_hello = [add](handshake_scheduler& s) {
        add(s);
        (void)s.set_need(name(0), hello);
    };
    const auto running = [queue_hello](handshake_scheduler& s) {
        queue_hello(s);
        s.begin_turn();
        (void)s.next();
    };
    const auto parked = [running](handshake_scheduler& s) {
        running(s);
        (void)s.on_slice_done(name(0), 1ms, slice_outcome::waiting);
    };
    const auto queue_flight = [parked](handshake_scheduler& s) {
        parked(s);
        (void)s.set_need(name(0), flight);
    };
    const auto finished = [running](handshake_scheduler& s) {
        running(s);
        (void)s.on_slice_done(name(0), 1ms, slice_outcome::done);
    };
    const std::vector<place_case> cases{
        {"absent", nothing, false, false, false, false, false, false, false, false},
        {"added", add, true, true, true, false, true, true, false, false},
        {"hello queued", queue_hello, true, true, true, false, true, true, false, true},
        {"running", running, true, true, true, true, false, false, false, false},
        {"parked", parked, false, true, true, false, false, true, false, false},
        {"flight queued", queue_flight, false, true, true, false, true, true, false, true},
        {"finished", finished, false, false, false, false, false, false, false, false},
    };
    for (const place_case& c : cases) {
        const auto expect = [&](const char* input, bool takes, bool runs, const auto& apply) {
            handshake_scheduler scheduler({});
            c.reach(scheduler);
            EXPECT_EQ(apply(scheduler), takes) << c.name << ' ' << input;
            EXPECT_EQ(scheduler.wants_turn(), runs) << c.name << ' ' << input;
            scheduler.remove(name(0));
            EXPECT_EQ(scheduler.past_hello(), 0U) << c.name << ' ' << input;
            EXPECT_EQ(scheduler.size(), 0U) << c.name << ' ' << input;
            EXPECT_FALSE(scheduler.wants_turn()) << c.name << ' ' << input;
        };
        const auto need = [](handshake_need value) {
            return [value](handshake_scheduler& s) { return s.set_need(name(0), value); };
        };
        expect("hello", c.takes_hello, c.runs_after_hello, need(hello));
        expect("flight", c.takes_flight, c.runs_after_flight, need(flight));
        expect("none", c.takes_none, c.runs_after_none, need(none));
        expect("done", c.takes_done, c.runs_after_done, [](handshake_scheduler& s) {
            return s.on_slice_done(name(0), 1ms, slice_outcome::done);
        });
    }
}

// Slices on threads of their own.

TEST(HandshakeSchedulerTest, RunsAsManySlicesAsThereAreThreads) {
    handshake_scheduler scheduler({.max_concurrent = 8, .threads = 2});
    add_hellos(scheduler, 4);
    scheduler.begin_turn();
    EXPECT_EQ(scheduler.next(), name(0));
    EXPECT_EQ(scheduler.next(), name(1));
    EXPECT_EQ(scheduler.next(), connection_id{});
    scheduler.begin_turn();
    EXPECT_EQ(scheduler.next(), connection_id{}) << "a turn makes no thread free";
    EXPECT_FALSE(scheduler.wants_turn());
    ASSERT_TRUE(scheduler.on_slice_done(name(0), 1ms, slice_outcome::waiting));
    EXPECT_TRUE(scheduler.wants_turn());
    ASSERT_TRUE(scheduler.set_need(name(0), flight));
    scheduler.begin_turn();
    EXPECT_EQ(scheduler.next(), name(0)) << "flights first, as ever";
    EXPECT_EQ(scheduler.next(), connection_id{});
}

TEST(HandshakeSchedulerTest, ThreadOfARemovedHandshakeIsFree) {
    handshake_scheduler scheduler({.max_concurrent = 8, .threads = 1});
    add_hellos(scheduler, 2);
    scheduler.begin_turn();
    EXPECT_EQ(scheduler.next(), name(0));
    scheduler.remove(name(0));
    EXPECT_TRUE(scheduler.wants_turn());
    scheduler.begin_turn();
    EXPECT_EQ(scheduler.next(), name(1));
    EXPECT_FALSE(scheduler.on_slice_done(name(0), 1ms, slice_outcome::done)) << "it is unknown";
    EXPECT_FALSE(scheduler.wants_turn());
}

TEST(HandshakeSchedulerTest, LowerLimitHoldsBackHellosAndCutsNothing) {
    handshake_scheduler scheduler({.max_concurrent = 3});
    add_hellos(scheduler, 4);
    for (int i = 0; i < 3; ++i) (void)run(scheduler);
    scheduler.set_limits({.max_concurrent = 1});
    EXPECT_EQ(scheduler.past_hello(), 3U);
    EXPECT_TRUE(scheduler.is_within_limit());
    EXPECT_FALSE(run(scheduler).is_valid());
    for (std::uint32_t i = 0; i < 2; ++i) scheduler.remove(name(i));
    EXPECT_FALSE(run(scheduler).is_valid()) << "one is still past its hello";
    scheduler.remove(name(2));
    EXPECT_EQ(run(scheduler), name(3));
    EXPECT_EQ(scheduler.most_past_hello(), 3U);
}

}  // namespace
}  // namespace hearth::core
