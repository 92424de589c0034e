#include "client/own_places.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace hearth::detail {
namespace {

using namespace std::chrono_literals;

const base::time_point start{1h};

TEST(OwnPlacesTest, SlotsAreWholeUntilSomebodySaysOtherwise) {
    const auto places = std::make_unique<own_places>();
    EXPECT_EQ(places->part(5), core::origin_part{});
    places->set_part(5, {1, 3});
    EXPECT_EQ(places->part(5), (core::origin_part{1, 3}));
    EXPECT_FALSE(places->has_none(5));
    places->set_part(5, {0, 0});
    EXPECT_TRUE(places->has_none(5));
    EXPECT_FALSE(places->has_none(6));
}

TEST(OwnPlacesTest, LaterOrderOfASlotReplacesTheOneBefore) {
    const auto places = std::make_unique<own_places>();
    places->add_order({.slot = 1, .number = 1, .part = {0, 2}});
    places->add_order({.slot = 2, .number = 2, .part = {0, 2}});
    places->add_order({.slot = 1, .number = 3, .part = {0, 0}});
    ASSERT_EQ(places->orders().size(), 2U);
    EXPECT_EQ(places->orders()[0].number, 3U);
    places->remove_order(0);
    ASSERT_EQ(places->orders().size(), 1U);
    EXPECT_EQ(places->orders()[0].number, 2U);
}

TEST(OwnPlacesTest, OrderThatWasOvertakenIsNotAdded) {
    const auto places = std::make_unique<own_places>();
    EXPECT_TRUE(places->add_order({.slot = 1, .number = 3, .part = {0, 2}}));
    EXPECT_FALSE(places->add_order({.slot = 1, .number = 2, .part = {0, 0}}));
    EXPECT_TRUE(places->add_order({.slot = 2, .number = 2, .part = {0, 0}}));
    ASSERT_EQ(places->orders().size(), 2U);
    EXPECT_EQ(places->orders()[0].number, 3U);
}

TEST(OwnPlacesTest, AsManyOrdersAsMayBeUnderWayFit) {
    const auto places = std::make_unique<own_places>();
    for (std::uint32_t i = 0; i < placement::most_changes; ++i)
        places->add_order({.slot = i, .number = i, .part = {}});
    EXPECT_EQ(places->orders().size(), placement::most_changes);
}

TEST(OwnPlacesTest, PartsAreTouchedOncePerTurnAndOnlySharedOnes) {
    const auto places = std::make_unique<own_places>();
    places->touch({7, {1, 1}});
    EXPECT_TRUE(places->touched().empty()) << "it is nobody else's";
    for (std::uint32_t slot = 7; slot < 100; ++slot) places->set_part(slot, {0, 2});
    places->touch({7, {1, 1}});
    places->touch({7, {2, 1}});
    ASSERT_EQ(places->touched().size(), 1U);
    EXPECT_EQ(places->touched()[0].origin, (origin_id{1, 1}));
    for (std::uint32_t slot = 8; slot < 100; ++slot) places->touch({slot, {slot, 1}});
    EXPECT_EQ(places->touched().size(), own_places::most_touched);
    places->forget_touched();
    EXPECT_TRUE(places->touched().empty());
}

TEST(OwnPlacesTest, LoadIsCpuTimeAgainstTheClock) {
    const auto places = std::make_unique<own_places>();
    EXPECT_TRUE(places->is_due(start));
    EXPECT_EQ(places->measure(start, 5s), 0.0) << "nothing to compare with yet";
    EXPECT_FALSE(places->is_due(start + placement::look_every / 2));
    EXPECT_TRUE(places->is_due(start + placement::look_every));
    EXPECT_DOUBLE_EQ(places->measure(start + 100ms, 5s + 90ms), 0.9);
    EXPECT_DOUBLE_EQ(places->measure(start + 1100ms, 5s + 190ms), 0.1);
    EXPECT_EQ(places->measure(start + 1100ms, 6s), 0.0) << "no time has passed";
}

TEST(OwnPlacesTest, CallsAreCountedUntilTheyAreForgotten) {
    const auto places = std::make_unique<own_places>();
    places->count_call(9);
    places->count_call(9);
    EXPECT_EQ(places->calls()[9], 2U);
    places->forget_calls();
    EXPECT_EQ(places->calls()[9], 0U);
}

TEST(OwnPlacesTest, ShareOfWhatIsInFlightIsPassedOnOnce) {
    const auto places = std::make_unique<own_places>();
    EXPECT_FALSE(places->take_pass());
    places->set_passes(0.25, 9);
    int passed = 0;
    while (places->take_pass()) ++passed;
    EXPECT_EQ(passed, 3);
    places->set_passes(0, 9);
    EXPECT_FALSE(places->take_pass());
}

}  // namespace
}  // namespace hearth::detail
