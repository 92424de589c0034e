#include "proto/h2_settings.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace hearth::proto {
namespace {

TEST(H2SettingsTest, DefaultsAreWithinTheirRanges) {
    const h2_settings defaults;
    const h2_settings same = clamped(defaults);
    EXPECT_EQ(same.max_header_bytes, defaults.max_header_bytes);
    EXPECT_EQ(same.max_continuations, defaults.max_continuations);
    EXPECT_EQ(same.max_frame_bytes, defaults.max_frame_bytes);
    EXPECT_EQ(same.initial_stream_window, defaults.initial_stream_window);
    EXPECT_EQ(same.initial_connection_window, defaults.initial_connection_window);
    EXPECT_EQ(same.max_window, defaults.max_window);
    EXPECT_EQ(same.max_window_growth, defaults.max_window_growth);
    EXPECT_EQ(same.pings.burst, defaults.pings.burst);
    EXPECT_EQ(same.max_pending_acks, defaults.max_pending_acks);
}

TEST(H2SettingsTest, MovesWhatIsTooSmallUp) {
    h2_settings none;
    none.max_header_bytes = none.max_header_count = none.max_continuations = 0;
    none.max_header_block_bytes = none.max_frame_bytes = none.max_settings_entries = 0;
    none.max_request_header_bytes = none.send_buffer_bytes = none.assumed_max_streams = 0;
    none.initial_stream_window = none.initial_connection_window = none.max_window = 0;
    none.pings = {0, 0};
    none.max_pending_acks = 0;
    const h2_settings legal = clamped(none);
    EXPECT_EQ(legal.max_header_bytes, 1024U);
    EXPECT_EQ(legal.max_header_count, 8U);
    EXPECT_EQ(legal.max_continuations, 1U);
    EXPECT_EQ(legal.max_frame_bytes, 16'384U);
    EXPECT_EQ(legal.initial_stream_window, 65'535U);
    EXPECT_EQ(legal.initial_connection_window, 65'535U);
    EXPECT_EQ(legal.max_window, 65'535U);
    EXPECT_EQ(legal.assumed_max_streams, 1U);
    EXPECT_EQ(legal.pings.burst, 1U);
    EXPECT_EQ(legal.max_pending_acks, 16U);
}

TEST(H2SettingsTest, MovesWhatIsTooLargeDown) {
    constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
    h2_settings all;
    all.max_frame_bytes = all.max_window = all.initial_stream_window = most;
    all.decoder_table_bytes = all.encoder_table_bytes = all.max_informational = most;
    all.other_frames = {most, most};
    const h2_settings legal = clamped(all);
    EXPECT_EQ(legal.max_frame_bytes, 1024U * 1024);
    EXPECT_EQ(legal.initial_stream_window, 0x7fffffffU);
    EXPECT_EQ(legal.max_window, 0x7fffffffU);
    EXPECT_EQ(legal.decoder_table_bytes, 1024U * 1024);
    EXPECT_EQ(legal.encoder_table_bytes, 64U * 1024);
    EXPECT_EQ(legal.max_informational, 1000U);
    EXPECT_EQ(legal.other_frames.burst, 1'000'000U);
    EXPECT_EQ(legal.other_frames.per_second, 1'000'000U);
}

}  // namespace
}  // namespace hearth::proto
