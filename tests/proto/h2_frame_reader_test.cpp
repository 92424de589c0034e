#include "proto/h2_frame_reader.hpp"

#include <gtest/gtest.h>

#include <string>

#include "support/h2_frames.hpp"

namespace hearth::proto {
namespace {

namespace h2 = hearth::testing::h2;

std::span<const std::byte> octets(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(H2FrameReaderTest, ReadsAHeaderCutAnywhere) {
    const std::string text = h2::frame_head(0x123456, 7, 0xa5, 0x7fabcdef);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        h2_frame_reader reader;
        auto first = octets(std::string_view(text).substr(0, cut));
        auto second = octets(std::string_view(text).substr(cut));
        EXPECT_EQ(reader.read_header(first), cut == text.size());
        if (cut != text.size()) {
            EXPECT_EQ(reader.is_at_boundary(), cut == 0);
            EXPECT_TRUE(reader.read_header(second));
        }
        EXPECT_EQ(reader.header().length, 0x123456U);
        EXPECT_TRUE(reader.header().is(h2_frame_type::goaway));
        EXPECT_EQ(reader.header().flags, 0xa5);
        EXPECT_EQ(reader.header().stream, 0x7fabcdef);
        EXPECT_EQ(reader.payload_left(), 0x123456U);
    }
}

TEST(H2FrameReaderTest, IgnoresTheReservedBit) {
    h2_frame_reader reader;
    const std::string text = h2::frame_head(0, 0, 0, 0x80000001);
    auto input = octets(text);
    ASSERT_TRUE(reader.read_header(input));
    EXPECT_EQ(reader.header().stream, 1);
    EXPECT_TRUE(reader.is_at_boundary());
}

TEST(H2FrameReaderTest, CountsThePayload) {
    h2_frame_reader reader;
    const std::string text = h2::frame(h2::data_frame, h2::end_stream, 3, "abcde");
    auto input = octets(text);
    ASSERT_TRUE(reader.read_header(input));
    EXPECT_EQ(input.size(), 5U);
    EXPECT_TRUE(reader.header().has(h2_frame_header::end_stream));
    reader.skip_payload(2);
    EXPECT_EQ(reader.payload_left(), 3U);
    EXPECT_FALSE(reader.is_at_boundary());
    reader.skip_payload(3);
    EXPECT_TRUE(reader.is_at_boundary());
}

}  // namespace
}  // namespace hearth::proto
