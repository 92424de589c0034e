#include "proto/h2_receive_window.hpp"

#include <gtest/gtest.h>

namespace hearth::proto {
namespace {

constexpr std::uint32_t kib = 1024;

h2_settings windows() {
    h2_settings settings;
    settings.initial_stream_window = 100 * kib;
    settings.initial_connection_window = 200 * kib;
    settings.max_window = 1000 * kib;
    settings.max_window_growth = 500 * kib;
    return settings;
}

/// One round trip in which `octets` arrive; true if the connection's window grows.
bool round_trip(h2_receive_window& window, std::size_t octets) {
    window.on_input();
    window.begin_sample(1);
    window.on_data(octets);
    return window.on_pong(1);
}

TEST(H2ReceiveWindowTest, StaysWhileLittleArrivesInARoundTrip) {
    h2_receive_window window(windows());
    EXPECT_FALSE(round_trip(window, 39 * kib));
    EXPECT_EQ(window.grow(100 * kib), 100 * kib);
    EXPECT_EQ(window.connection(), 200 * kib);
}

TEST(H2ReceiveWindowTest, DoublesWhenARoundTripFillsHalfTheWindow) {
    h2_receive_window window(windows());
    EXPECT_FALSE(round_trip(window, 50 * kib));
    EXPECT_EQ(window.grow(100 * kib), 200 * kib);
    EXPECT_TRUE(round_trip(window, 100 * kib));
    EXPECT_EQ(window.connection(), 400 * kib);
    EXPECT_EQ(window.grow(200 * kib), 400 * kib);
}

TEST(H2ReceiveWindowTest, GrowsToTwiceWhatARoundTripBrings) {
    h2_receive_window window(windows());
    EXPECT_TRUE(round_trip(window, 250 * kib));
    EXPECT_EQ(window.connection(), 500 * kib);
    EXPECT_EQ(window.grow(100 * kib), 500 * kib);
}

TEST(H2ReceiveWindowTest, NeverExceedsItsLimit) {
    h2_receive_window window(windows());
    EXPECT_TRUE(round_trip(window, 900'000 * kib));
    EXPECT_EQ(window.connection(), 1000 * kib);
    EXPECT_FALSE(window.wants_sample());
}

TEST(H2ReceiveWindowTest, GrowthOfAllStreamsSharesABudget) {
    h2_receive_window window(windows());
    EXPECT_TRUE(round_trip(window, 900 * kib));
    EXPECT_EQ(window.grow(100 * kib), 600 * kib);
    EXPECT_EQ(window.grow(100 * kib), 100 * kib);
    window.release(500 * kib);
    EXPECT_EQ(window.grow(100 * kib), 600 * kib);
}

TEST(H2ReceiveWindowTest, SamplesBeginWithWhatArrivedBesideThePing) {
    h2_receive_window window(windows());
    window.on_data(1000 * kib);
    window.on_input();
    window.on_data(150 * kib);
    window.begin_sample(1);
    EXPECT_TRUE(window.on_pong(1));
    EXPECT_EQ(window.connection(), 400 * kib);
    window.begin_sample(2);
    EXPECT_FALSE(window.on_pong(2));
}

TEST(H2ReceiveWindowTest, WantsASampleOnlyWhenDataCame) {
    h2_receive_window window(windows());
    EXPECT_FALSE(window.wants_sample());
    window.on_data(1);
    EXPECT_TRUE(window.wants_sample());
    window.begin_sample(7);
    EXPECT_FALSE(window.wants_sample());
    EXPECT_FALSE(window.on_pong(8));
    EXPECT_FALSE(window.wants_sample());
    EXPECT_FALSE(window.on_pong(7));
    EXPECT_FALSE(window.wants_sample());
    window.on_data(1);
    EXPECT_TRUE(window.wants_sample());
}

}  // namespace
}  // namespace hearth::proto
