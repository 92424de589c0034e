#include "proto/h2_flood_guard.hpp"

#include <gtest/gtest.h>

#include <array>

namespace hearth::proto {
namespace {

constexpr std::array all_kinds{h2_nuisance::settings,    h2_nuisance::ping,
                               h2_nuisance::stray_reset, h2_nuisance::window_update,
                               h2_nuisance::priority,    h2_nuisance::empty_data,
                               h2_nuisance::other};

h2_settings small() {
    h2_settings settings;
    settings.settings_frames = settings.pings = settings.stray_resets = {3, 2};
    settings.window_updates = settings.priorities = settings.empty_data = {3, 2};
    settings.other_frames = {3, 2};
    return settings;
}

/// How many more of a kind are allowed.
int left_of(h2_flood_guard& guard, h2_nuisance kind) {
    int count = 0;
    while (count < 100 && guard.spend(kind)) ++count;
    return count;
}

TEST(H2FloodGuardTest, AllowsABurstOfEachKind) {
    h2_flood_guard guard(small());
    for (const h2_nuisance kind : all_kinds) {
        EXPECT_EQ(left_of(guard, kind), 3) << flood_detail(kind);
        EXPECT_FALSE(flood_detail(kind).empty());
    }
}

TEST(H2FloodGuardTest, RefillsEachKindWithTimeUpToItsBurst) {
    h2_flood_guard guard(small());
    for (const h2_nuisance kind : all_kinds) {
        EXPECT_EQ(left_of(guard, kind), 3);
        guard.on_time_passed(1);
        EXPECT_EQ(left_of(guard, kind), 2);
        guard.on_time_passed(4'000'000'000);
        EXPECT_EQ(left_of(guard, kind), 3);
    }
}

TEST(H2FloodGuardTest, UsefulFramesAllowPingsAndEmptyData) {
    h2_flood_guard guard(small());
    for (const h2_nuisance kind : all_kinds) EXPECT_EQ(left_of(guard, kind), 3);
    guard.on_useful_frame();
    EXPECT_EQ(left_of(guard, h2_nuisance::ping), 1);
    EXPECT_EQ(left_of(guard, h2_nuisance::empty_data), 1);
    EXPECT_EQ(left_of(guard, h2_nuisance::settings), 0);
}

TEST(H2FloodGuardTest, RequestsAllowWhatConcernsStreams) {
    h2_flood_guard guard(small());
    for (const h2_nuisance kind : all_kinds) EXPECT_EQ(left_of(guard, kind), 3);
    guard.on_request();
    EXPECT_EQ(left_of(guard, h2_nuisance::stray_reset), 1);
    EXPECT_EQ(left_of(guard, h2_nuisance::priority), 1);
    EXPECT_EQ(left_of(guard, h2_nuisance::window_update), 2);
    EXPECT_EQ(left_of(guard, h2_nuisance::ping), 0);
}

TEST(H2FloodGuardTest, OctetsSentAllowWindowUpdatesWithoutLosingRests) {
    h2_flood_guard guard(small());
    EXPECT_EQ(left_of(guard, h2_nuisance::window_update), 3);
    guard.on_sent(511);
    EXPECT_EQ(left_of(guard, h2_nuisance::window_update), 0);
    guard.on_sent(1);
    EXPECT_EQ(left_of(guard, h2_nuisance::window_update), 1);
    guard.on_sent(1 << 20);
    EXPECT_EQ(left_of(guard, h2_nuisance::window_update), 3);
}

}  // namespace
}  // namespace hearth::proto
