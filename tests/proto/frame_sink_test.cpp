#include "proto/frame_sink.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proto/h2_script.hpp"

namespace hearth::proto {
namespace {

using testing::exchange;
using testing::h2_client;
namespace h2 = testing::h2;

std::string text_of(std::span<const std::byte> octets) {
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

// Takes what is in the output first, as its contract says.
struct recording_sink final : frame_sink {
    explicit recording_sink(base::byte_queue& output) : out(output) {}
    bool put_frame(std::span<const std::byte> frame, std::size_t /*more*/) override {
        all += text_of(out.data());
        out.clear();
        all += text_of(frame);
        sizes.push_back(frame.size());
        return works;
    }
    base::byte_queue& out;
    std::string all;
    std::vector<std::size_t> sizes;
    bool works = true;
};

struct FrameSinkTest : ::testing::Test {
    h2_client client;
    base::byte_queue out;
    recording_sink sink{out};

    void SetUp() override {
        client.give(h2::settings({{4, 1U << 20U}}) + h2::window_update(0, 1U << 20U));
        (void)client.take_sent();
        client.upload(1, 60'000);
    }
    void flush(std::size_t limit) { client.engine().flush(out, limit, &sink); }
    [[nodiscard]] std::string payload_of(const std::string& octets) const {
        std::string all;
        for (const h2::seen_frame& one : h2::frames_of(octets)) {
            if (one.type == h2::data_frame) all += one.payload;
        }
        return all;
    }
};

TEST_F(FrameSinkTest, GetsLargeFramesBehindWhatIsInTheOutput) {
    const std::string body = std::string(30'000, 'a') + std::string(30'000, 'b');
    client.write(1, body);
    flush(h2_client::no_limit);
    // The first has nothing consumed in front of it that its header could be written over.
    EXPECT_EQ(sink.sizes, (std::vector<std::size_t>{frame_sink::best_size, frame_sink::best_size,
                                                    60'000 - 3 * (frame_sink::best_size - 9) + 9}));
    EXPECT_TRUE(out.empty());
    EXPECT_EQ(payload_of(sink.all), body);
}

TEST_F(FrameSinkTest, SmallFramesStayInTheOutput) {
    client.write(1, std::string(5'000, 'a'));
    flush(h2_client::no_limit);
    client.write(1, std::string(5'000, 'b'));
    flush(h2_client::no_limit);
    EXPECT_TRUE(sink.sizes.empty());
    EXPECT_EQ(payload_of(text_of(out.data())), std::string(5'000, 'a') + std::string(5'000, 'b'));
}

TEST_F(FrameSinkTest, WhatItTookCountsTowardsTheLimit) {
    client.write(1, std::string(60'000, 'a'));
    flush(30'000);
    EXPECT_EQ(sink.sizes.size(), 1U);
    EXPECT_TRUE(client.engine().wants_flush());
    flush(h2_client::no_limit);
    EXPECT_EQ(payload_of(sink.all + text_of(out.data())), std::string(60'000, 'a'));
}

TEST_F(FrameSinkTest, ThatFailsIsAskedNoMore) {
    sink.works = false;
    client.write(1, std::string(60'000, 'a'));
    flush(h2_client::no_limit);
    EXPECT_EQ(sink.sizes.size(), 1U);
}

}  // namespace
}  // namespace hearth::proto
