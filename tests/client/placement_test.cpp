// Which shards take whose calls: shards are played by the test, time and loads are given.
#include "client/placement.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <new>
#include <utility>

namespace hearth::detail {
namespace {

using namespace std::chrono_literals;

/// A client of some shards that do what they are told, at once or when `obey` is called.
struct placed {
    explicit placed(std::size_t shards, std::size_t most = takers::most)
        : subject(shards, shards, most, [this](std::size_t index, const placement_order& order) {
              if (has_no_memory) throw std::bad_alloc();
              orders.emplace_back(index, order);
          }) {}

    /// A report of each shard that has a load, and what comes of it.
    void report(const std::map<std::size_t, double>& loads) {
        now += placement::look_every;
        for (const auto& [index, load] : loads) {
            std::vector<std::uint32_t> calls(origin_table::slots);
            for (const auto& [slot, count] : calls_of[index]) calls[slot] = count;
            passing[index] = subject.report(index, now, load, calls);
        }
        if (is_obedient) obey();
    }
    void report(int times, const std::map<std::size_t, double>& loads) {
        for (int i = 0; i < times; ++i) report(loads);
    }
    void obey() {
        while (!orders.empty()) obey_one();
    }
    void obey_one() {
        const auto [index, order] = orders.front();
        orders.pop_front();
        parts[{index, order.slot}] = order.part;
        check_parts(order.slot);
        subject.done(index, order, now);
    }
    /// No part is given twice, whoever has been told and who has not.
    void check_parts(std::uint32_t slot) {
        constexpr std::uint32_t limit = 100;
        std::uint32_t sum = 0;
        for (const auto& [place, part] : parts) {
            if (place.second == slot) sum += part.of(limit);
        }
        EXPECT_LE(sum, limit);
    }
    /// The slot gets its first shard, which need not be told that it has all.
    takers place(std::size_t slot) {
        const takers all = subject.place(slot, now);
        parts.try_emplace({all.first(), slot}, core::origin_part{});
        return all;
    }
    [[nodiscard]] takers at(std::size_t slot) const { return subject.table().load(slot); }

    base::time_point now{1h};
    std::deque<std::pair<std::size_t, placement_order>> orders;
    std::map<std::pair<std::size_t, std::size_t>, core::origin_part> parts;
    std::map<std::size_t, std::map<std::size_t, std::uint32_t>> calls_of;
    std::map<std::size_t, double> passing;
    bool is_obedient = true;
    bool has_no_memory = false;
    placement subject;
};

TEST(PlacementTest, NewOriginsShareOneThreadWhileItHasTime) {
    placed p(4);
    for (std::size_t slot = 0; slot < 20; ++slot) EXPECT_EQ(p.place(slot), takers{}.with(0));
    EXPECT_EQ(p.place(3), takers{}.with(0)) << "and keep it";
}

TEST(PlacementTest, NewOriginGoesToTheBusiestThreadThatHasTime) {
    placed p(3);
    p.report({{0, 0.7}, {1, 0.3}, {2, 0.1}});
    EXPECT_EQ(p.place(1), takers{}.with(1));
    p.report({{0, 0.9}, {1, 0.8}, {2, 0.7}});
    EXPECT_EQ(p.place(2), takers{}.with(2)) << "none has: the least busy one";
}

TEST(PlacementTest, ThreadWithoutAReportOfLateHasTime) {
    placed p(2);
    p.report({{0, 0.9}, {1, 0.2}});
    p.now += 1s;
    EXPECT_EQ(p.place(1), takers{}.with(0));
}

TEST(PlacementTest, NoThreadGetsMoreThanItsShareOfSlots) {
    placed p(4);
    std::map<std::size_t, int> count;
    for (std::size_t slot = 0; slot < origin_table::slots; ++slot) ++count[p.place(slot).first()];
    ASSERT_EQ(count.size(), 4U);
    for (const auto& [shard, slots] : count) EXPECT_EQ(slots, 256) << shard;
}

TEST(PlacementTest, BusyThreadSharesTheOriginThatItServesMostCallsOf) {
    placed p(2);
    p.place(1);
    p.place(2);
    p.calls_of[0] = {{1, 10}, {2, 1000}};
    p.report({{0, 0.95}});
    EXPECT_EQ(p.at(2).count(), 1U) << "once may be chance";
    p.report({{0, 0.95}});
    EXPECT_EQ(p.at(2), takers{}.with(0).with(1));
    EXPECT_EQ(p.at(1).count(), 1U) << "that is enough for now";
    EXPECT_EQ((p.parts[{0, 2}]), (core::origin_part{0, 2}));
    EXPECT_EQ((p.parts[{1, 2}]), (core::origin_part{1, 2}));
}

TEST(PlacementTest, ManySmallOriginsAreSharedTogether) {
    placed p(2);
    for (std::size_t slot = 0; slot < 6; ++slot) {
        p.place(slot);
        p.calls_of[0][slot] = 100;
    }
    p.report(2, {{0, 0.95}, {1, 0.0}});
    std::size_t shared = 0;
    for (std::size_t slot = 0; slot < 6; ++slot) shared += p.at(slot).count() - 1;
    EXPECT_EQ(shared, 5U) << "each moves half of its calls, together two fifths of all";
}

TEST(PlacementTest, NothingChangesWhereNoOtherThreadHasTime) {
    placed p(2);
    p.place(1);
    p.calls_of[0] = {{1, 1000}};
    p.report(10, {{0, 0.95}, {1, 0.7}});
    EXPECT_EQ(p.at(1).count(), 1U);
    p.report(10, {{0, 0.8}, {1, 0.1}});
    EXPECT_EQ(p.at(1).count(), 1U) << "it has time itself";
}

TEST(PlacementTest, ThirdThreadComesWhenTwoAreBusyAndAFourthDoesNot) {
    placed p(4, 3);
    p.place(1);
    for (std::size_t i = 0; i < 4; ++i) p.calls_of[i] = {{1, 1000}};
    p.report(2, {{0, 0.95}});
    p.report(6, {{0, 0.95}, {1, 0.95}});
    EXPECT_EQ(p.at(1).count(), 3U);
    p.report(6, {{0, 0.95}, {1, 0.95}, {2, 0.95}});
    EXPECT_EQ(p.at(1).count(), 3U) << "three are the most there may be";
}

TEST(PlacementTest, WhatAChangeDidIsSeenBeforeTheNext) {
    placed p(4);
    p.place(1);
    for (std::size_t i = 0; i < 4; ++i) p.calls_of[i] = {{1, 1000}};
    p.report(2, {{0, 0.95}});
    ASSERT_EQ(p.at(1).count(), 2U);
    p.report({{0, 0.95}, {1, 0.95}});
    EXPECT_EQ(p.at(1).count(), 2U);
    p.report({{0, 0.95}, {1, 0.95}});
    EXPECT_EQ(p.at(1).count(), 3U);
}

TEST(PlacementTest, ThreadOfTheOriginThatHasTimeIsAskedBeforeAnother) {
    placed p(4);
    p.place(1);
    for (std::size_t i = 0; i < 4; ++i) p.calls_of[i] = {{1, 1000}};
    p.report(2, {{0, 0.95}});
    p.report(10, {{0, 0.95}, {1, 0.3}});
    EXPECT_EQ(p.at(1).count(), 2U);
    EXPECT_GT(p.passing[0], 0.0);
}

TEST(PlacementTest, NewcomerGetsNothingBeforeTheOthersHaveMadeRoom) {
    placed p(3);
    p.is_obedient = false;
    p.place(1);
    ASSERT_TRUE(p.subject.spread(1, 2));
    ASSERT_EQ(p.orders.size(), 1U);
    EXPECT_EQ(p.orders.front().first, 0U);
    EXPECT_EQ(p.at(1).count(), 1U);
    p.obey_one();
    ASSERT_EQ(p.orders.size(), 1U);
    EXPECT_EQ(p.orders.front().first, 2U);
    EXPECT_EQ(p.at(1).count(), 1U) << "it does not know its part yet";
    EXPECT_FALSE(p.subject.spread(1, 1)) << "one change at a time";
    p.obey_one();
    EXPECT_EQ(p.at(1), takers{}.with(0).with(2));
    EXPECT_TRUE(p.orders.empty());
    EXPECT_FALSE(p.subject.spread(1, 2)) << "it is there";
}

TEST(PlacementTest, PartsGrowWhenTheOneThatLeavesHasNothingLeft) {
    placed p(3);
    p.place(1);
    ASSERT_TRUE(p.subject.spread(1, 1));
    p.obey();
    ASSERT_TRUE(p.subject.spread(1, 2));
    p.obey();
    p.is_obedient = false;
    ASSERT_TRUE(p.subject.gather(1));
    EXPECT_EQ(p.at(1), takers{}.with(0).with(1)) << "no new calls for it";
    ASSERT_EQ(p.orders.size(), 1U);
    EXPECT_EQ(p.orders.front().first, 2U);
    EXPECT_TRUE(p.orders.front().second.part.is_none());
    p.obey_one();
    EXPECT_EQ(p.orders.size(), 2U);
    p.obey();
    EXPECT_EQ((p.parts[{0, 1}]), (core::origin_part{0, 2}));
    EXPECT_EQ((p.parts[{1, 1}]), (core::origin_part{1, 2}));
    ASSERT_TRUE(p.subject.gather(1));
    p.obey();
    EXPECT_EQ((p.parts[{0, 1}]), core::origin_part{});
    EXPECT_FALSE(p.subject.gather(1)) << "the first one stays";
}

TEST(PlacementTest, OneThatLeavesMayStay) {
    placed p(2);
    p.place(1);
    ASSERT_TRUE(p.subject.spread(1, 1));
    p.obey();
    p.is_obedient = false;
    ASSERT_TRUE(p.subject.gather(1));
    const auto leave = p.orders.front();
    ASSERT_TRUE(p.subject.spread(1, 1)) << "it carries long exchanges, and is needed again";
    ASSERT_EQ(p.orders.size(), 2U);
    p.obey_one();  // it was gone by then: the answer is late, and changes nothing
    EXPECT_EQ(p.at(1).count(), 1U);
    ASSERT_EQ(p.orders.size(), 1U);
    p.obey_one();
    EXPECT_EQ(p.at(1), takers{}.with(0).with(1));
    p.subject.done(leave.first, leave.second, p.now);
    EXPECT_EQ(p.at(1).count(), 2U);
    EXPECT_EQ((p.parts[{0, 1}]), (core::origin_part{0, 2}));
}

TEST(PlacementTest, ThreadGoesAfterItWasQuietForSeconds) {
    placed p(2);
    p.place(1);
    p.calls_of[0] = {{1, 1000}};
    p.calls_of[1] = {{1, 1000}};
    p.report(2, {{0, 0.95}});
    ASSERT_EQ(p.at(1).count(), 2U);
    p.report(100, {{0, 0.45}, {1, 0.45}});
    EXPECT_EQ(p.at(1).count(), 2U) << "one could not do the work of both";
    p.report(45, {{0, 0.2}, {1, 0.2}});
    p.report({{0, 0.45}, {1, 0.45}});
    p.report(45, {{0, 0.2}, {1, 0.2}});
    EXPECT_EQ(p.at(1).count(), 2U) << "not for long enough at a time";
    p.report(10, {{0, 0.2}, {1, 0.2}});
    EXPECT_EQ(p.at(1), takers{}.with(0));
    EXPECT_EQ((p.parts[{0, 1}]), core::origin_part{});
    EXPECT_TRUE((p.parts[{1, 1}].is_none()));
}

TEST(PlacementTest, ThreadGoesAlsoWhereItIsNotAskedForAnything) {
    placed p(2);
    p.place(1);
    p.calls_of[0] = {{1, 1000}};
    p.report(2, {{0, 0.95}});
    ASSERT_EQ(p.at(1).count(), 2U);
    p.report(60, {{0, 0.3}});
    EXPECT_EQ(p.at(1).count(), 1U);
}

TEST(PlacementTest, BusyWithOtherOriginsIsNoReasonToStay) {
    placed p(2);
    p.place(1);
    p.calls_of[0] = {{1, 1000}};
    p.report(2, {{0, 0.95}});
    ASSERT_EQ(p.at(1).count(), 2U);
    p.calls_of[1] = {{1, 10}, {2, 990}};
    p.report(60, {{0, 0.3}, {1, 0.8}});
    EXPECT_EQ(p.at(1).count(), 1U);
}

TEST(PlacementTest, OriginsComeBackOneByOneWhileThereIsRoom) {
    placed p(2);
    for (std::size_t slot = 0; slot < 10; ++slot) {
        p.place(slot);
        ASSERT_TRUE(p.subject.spread(slot, 1));
        p.obey();
        p.calls_of[0][slot] = 100;
        p.calls_of[1][slot] = 100;
    }
    const auto spread = [&] {
        double count = 0;
        for (std::size_t slot = 0; slot < 10; ++slot) count += p.at(slot).count() == 2 ? 1 : 0;
        return count;
    };
    // What one thread does less the other does more.
    for (int i = 0; i < 200; ++i) {
        for (std::size_t slot = 0; slot < 10; ++slot) {
            p.calls_of[1][slot] = p.at(slot).count() == 2 ? 100 : 0;
        }
        p.report({{0, 0.9 - 0.045 * spread()}, {1, 0.045 * spread()}});
    }
    EXPECT_GT(spread(), 5) << "the first thread was not given more than it has time for";
    EXPECT_LT(spread(), 9);
}

TEST(PlacementTest, ThreadThatCannotLeaveYetHoldsUpNoOtherOrigin) {
    placed p(2);
    constexpr std::size_t many = 12;
    for (std::size_t slot = 0; slot < many; ++slot) {
        p.place(slot);
        ASSERT_TRUE(p.subject.spread(slot, 1));
        p.obey();
    }
    const auto gone = [&] {
        std::size_t count = 0;
        for (std::size_t slot = 0; slot < many; ++slot) count += p.at(slot).count() == 1 ? 1 : 0;
        return count;
    };
    p.is_obedient = false;  // as if it carried an exchange that goes on and on
    p.calls_of[0] = {{1, 10}};
    p.report(55, {{0, 0.1}, {1, 0.1}});
    EXPECT_EQ(gone(), 1U);
    p.report(15, {{0, 0.1}, {1, 0.1}});
    EXPECT_EQ(gone(), 2U) << "a second later what the first did has shown";
    p.report(200, {{0, 0.1}, {1, 0.1}});
    EXPECT_EQ(gone(), placement::most_changes / 2) << "some places are for those that come";
    p.place(many);
    EXPECT_TRUE(p.subject.spread(many, 1));
    p.is_obedient = true;
    p.report(300, {{0, 0.1}, {1, 0.1}});
    EXPECT_EQ(gone(), many);
}

TEST(PlacementTest, LowerMostTakesCallsAtOnceAndThreadsOneByOne) {
    placed p(3);
    p.place(1);
    ASSERT_TRUE(p.subject.spread(1, 1));
    p.obey();
    ASSERT_TRUE(p.subject.spread(1, 2));
    p.obey();
    p.subject.set_most_takers(1);
    EXPECT_EQ(p.at(1), takers{}.with(0));
    p.calls_of[0] = {{1, 10}};
    p.report({{0, 0.95}, {1, 0.95}});
    EXPECT_TRUE((p.parts[{2, 1}].is_none()));
    EXPECT_EQ((p.parts[{0, 1}]), (core::origin_part{0, 2}));
    p.report({{0, 0.95}, {1, 0.95}});
    EXPECT_EQ((p.parts[{0, 1}]), core::origin_part{});
    EXPECT_EQ(p.at(1), takers{}.with(0));
    EXPECT_FALSE(p.subject.spread(1, 2));
}

TEST(PlacementTest, ThreadsHaveCallsAgainWhereTheMostIsRaisedInTime) {
    placed p(3);
    p.place(1);
    ASSERT_TRUE(p.subject.spread(1, 1));
    p.obey();
    p.subject.set_most_takers(1);
    p.subject.set_most_takers(4);
    p.report({{0, 0.95}, {1, 0.95}});
    EXPECT_EQ(p.at(1), takers{}.with(0).with(1));
}

TEST(PlacementTest, ThreadThatCannotMakeRoomGetsItsPartBack) {
    placed p(2);
    p.place(1);
    p.calls_of[0] = {{1, 1000}};
    p.is_obedient = false;
    p.report(2, {{0, 0.95}});
    ASSERT_EQ(p.orders.size(), 1U);
    const auto never_done = p.orders.front();
    p.orders.clear();
    p.report(9, {{0, 0.95}});
    EXPECT_TRUE(p.orders.empty());
    p.report(2, {{0, 0.95}});
    ASSERT_EQ(p.orders.size(), 1U) << "it carries long exchanges; new ones must not wait for them";
    EXPECT_EQ(p.orders.front().second.part, core::origin_part{});
    p.subject.done(never_done.first, never_done.second, p.now);
    EXPECT_EQ(p.at(1).count(), 1U) << "too late";
    p.is_obedient = true;
    p.report(250, {{0, 0.95}});
    EXPECT_EQ(p.at(1).count(), 1U) << "nor is it asked again at once";
    p.report(60, {{0, 0.95}});
    EXPECT_EQ(p.at(1).count(), 2U);
}

TEST(PlacementTest, BusierThreadPassesOnHalfOfWhatItHasMore) {
    placed p(2);
    p.place(1);
    p.calls_of[0] = {{1, 1000}};
    p.calls_of[1] = {{1, 1000}};
    p.report({{0, 0.8}, {1, 0.2}});
    EXPECT_EQ(p.passing[0], 0.0) << "nobody else serves it";
    ASSERT_TRUE(p.subject.spread(1, 1));
    p.obey();
    p.report({{0, 0.8}, {1, 0.2}});
    EXPECT_NEAR(p.passing[0], 0.375, 1e-9);
    EXPECT_EQ(p.passing[1], 0.0);
    p.report(2, {{0, 0.5}, {1, 0.45}});
    EXPECT_EQ(p.passing[0], 0.0) << "that is even";
}

TEST(PlacementTest, OrdersThatCouldNotBeGivenAreGivenLater) {
    placed p(2);
    p.place(1);
    p.has_no_memory = true;
    ASSERT_TRUE(p.subject.spread(1, 1));
    EXPECT_TRUE(p.orders.empty());
    p.has_no_memory = false;
    p.report({{0, 0.1}});
    EXPECT_EQ(p.at(1).count(), 2U);
}

TEST(PlacementTest, ChangesAtOnceAreBounded) {
    placed p(2);
    p.is_obedient = false;
    std::size_t begun = 0;
    for (std::size_t slot = 0; slot < 40; ++slot) {
        p.place(slot);
        begun += p.subject.spread(slot, 1) ? 1 : 0;
    }
    EXPECT_EQ(begun, placement::most_changes);
    p.obey();
    EXPECT_TRUE(p.subject.spread(39, 1));
}

TEST(PlacementTest, SlotOfNobodyCannotBeShared) {
    placed p(2);
    EXPECT_FALSE(p.subject.spread(1, 1));
    EXPECT_FALSE(p.subject.gather(1));
}

TEST(PlacementTest, ThreadsWithoutACoreAreNotUsedOfItsOwnAccord) {
    placement subject(4, 2, takers::most, [](std::size_t, const placement_order&) {});
    std::size_t most = 0;
    for (std::size_t slot = 0; slot < origin_table::slots; ++slot) {
        most = std::max(most, subject.place(slot, {}).first());
    }
    EXPECT_EQ(most, 1U);
    EXPECT_TRUE(subject.spread(1, 3));
}

}  // namespace
}  // namespace hearth::detail
