// h2_engine with a peer of another make: an nghttp2 server session in the same process.

#include "proto/h2_engine.hpp"

#include <gtest/gtest.h>

#include <string>

#include "proto/h2_script.hpp"
#include "support/h2_server.hpp"

namespace hearth::proto {
namespace {

using hearth::testing::h2_server;
using testing::exchange;
using testing::h2_client;

void get(h2_client& client, std::uint32_t number, const std::string& path) {
    outgoing_head head = h2_client::default_head();
    head.target = path;
    client.engine().begin(exchange(number), head);
}

/// Passes octets both ways until nobody has any; false if that does not come to an end, or one of
/// them does not understand the other.
bool settle(h2_client& client, h2_server& server, int turns = 100'000) {
    for (int i = 0; i < turns; ++i) {
        client.flush(256 * 1024);
        const std::string there = client.take_sent();
        if (!server.receive(there)) return false;
        const std::string back = server.send();
        if (there.empty() && back.empty()) return true;
        client.receive(back, false);
    }
    return false;
}

TEST(H2EngineTest, ServesManyExchangesAtOnce) {
    h2_client client;
    h2_server server;
    std::string expected;
    for (std::uint32_t i = 1; i <= 50; ++i) get(client, i, "/bytes/" + std::to_string(i));
    ASSERT_TRUE(settle(client, server));
    const std::string log = client.take_events();
    for (std::uint32_t i = 1; i <= 50; ++i) {
        const std::string who = std::to_string(i) + " ";
        EXPECT_NE(log.find(who + "head 200 v20 {}\n"), std::string::npos);
        EXPECT_NE(log.find(who + "data " + std::string(i, 'x') + "\n"), std::string::npos);
        EXPECT_NE(log.find(who + "trailers {done=yes}\n"), std::string::npos);
        EXPECT_NE(log.find(who + "end reusable\n"), std::string::npos);
    }
    EXPECT_EQ(client.engine().open_streams(), 0U);
    EXPECT_FALSE(client.engine().wants_flush());
}

TEST(H2EngineTest, DownloadsFarMoreThanItsWindows) {
    h2_client client;
    client.is_brief = true;
    h2_server server;
    constexpr std::uint64_t size = 20'000'000;
    get(client, 1, "/bytes/" + std::to_string(size));
    get(client, 2, "/bytes/" + std::to_string(size));
    ASSERT_TRUE(settle(client, server));
    EXPECT_EQ(client.data_octets, 2 * size);
    EXPECT_EQ(client.engine().open_streams(), 0U);
}

TEST(H2EngineTest, UploadsFarMoreThanThePeersWindows) {
    h2_client client;
    client.is_brief = true;
    h2_server server;
    constexpr std::uint64_t size = 5'000'000;
    client.upload(1, size);
    const std::string piece(50'000, 'u');
    std::uint64_t left = size;
    for (int i = 0; i < 10'000 && left != 0; ++i) {
        const std::size_t part = static_cast<std::size_t>(
            std::min<std::uint64_t>({left, piece.size(), client.engine().writable(exchange(1))}));
        if (part != 0) client.write(1, std::string_view(piece).substr(0, part));
        left -= part;
        ASSERT_LE(client.engine().memory(), 512U * 1024);
        client.flush(64 * 1024);
        ASSERT_TRUE(server.receive(client.take_sent()));
        client.receive(server.send(), false);
    }
    ASSERT_EQ(left, 0U);
    ASSERT_TRUE(settle(client, server));
    EXPECT_EQ(server.requests[1].received, size);
    EXPECT_EQ(client.data_octets, size);
}

TEST(H2EngineTest, OneCallerWhoNeverReadsStallsNobody) {
    h2_client client;
    client.is_brief = true;
    client.consumes = false;
    h2_server server;
    constexpr std::uint64_t size = 3'000'000;
    get(client, 1, "/bytes/" + std::to_string(size));
    ASSERT_TRUE(settle(client, server));
    const std::uint64_t held = client.data_octets;
    EXPECT_EQ(held, h2_settings{}.initial_stream_window);
    client.consumes = true;
    for (std::uint32_t i = 2; i <= 20; ++i) get(client, i, "/bytes/" + std::to_string(size));
    ASSERT_TRUE(settle(client, server));
    EXPECT_EQ(client.data_octets - held, 19 * size);
    EXPECT_EQ(client.engine().open_streams(), 1U);
    client.engine().consume(exchange(1), held);
    ASSERT_TRUE(settle(client, server));
    EXPECT_EQ(client.data_octets, 20 * size);
}

TEST(H2EngineTest, GoesOnWhileACallerHoldsOneOctetBack) {
    h2_client client;
    client.is_brief = true;
    client.consumes = false;
    h2_server server;
    constexpr std::uint64_t size = 3'000'000;
    get(client, 1, "/bytes/" + std::to_string(size));
    std::uint64_t consumed = 0;
    for (int i = 0; i < 1000 && client.data_octets != size; ++i) {
        ASSERT_TRUE(settle(client, server));
        if (client.data_octets == size) break;
        ASSERT_GT(client.data_octets, consumed + 1);
        client.engine().consume(exchange(1), client.data_octets - 1 - consumed);
        consumed = client.data_octets - 1;
    }
    EXPECT_EQ(client.data_octets, size);
}

TEST(H2EngineTest, CancelsCostNothingButTheirStreams) {
    h2_client client;
    client.is_brief = true;
    h2_server server;
    for (std::uint32_t round = 0; round < 200; ++round) {
        const std::uint32_t first = round * 10 + 1;
        for (std::uint32_t i = 0; i < 10; ++i) get(client, first + i, "/bytes/100000");
        if (round % 3 != 0) client.flush(128 * 1024);
        if (round % 3 == 2) {
            ASSERT_TRUE(server.receive(client.take_sent()));
            client.receive(server.send(), false);
        }
        for (std::uint32_t i = 0; i < 5; ++i) {
            client.engine().reset(exchange(first + i), h2_error_code::cancel);
        }
        ASSERT_TRUE(settle(client, server));
        const std::string log = client.take_events();
        ASSERT_EQ(log.find("error"), std::string::npos) << log;
        ASSERT_NE(log.find(std::to_string(first + 9) + " end reusable\n"), std::string::npos);
        ASSERT_EQ(client.engine().open_streams(), 0U);
    }
    EXPECT_LE(client.engine().memory(), 64U * 1024);
}

TEST(H2EngineTest, GrowsItsWindowsWhereTheyAreTheLimit) {
    h2_settings settings;
    settings.initial_stream_window = 65'535;
    settings.initial_connection_window = 65'535;
    h2_client client(settings);
    client.is_brief = true;
    h2_server server;
    get(client, 1, "/bytes/100000000");
    // A round trip per turn: what arrives in one is what the windows allow.
    std::uint64_t largest = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
        if (client.engine().wants_ping()) client.engine().send_ping(i);
        client.flush();
        ASSERT_TRUE(server.receive(client.take_sent()));
        const std::uint64_t before = client.data_octets;
        client.receive(server.send(), false);
        largest = std::max(largest, client.data_octets - before);
    }
    EXPECT_GE(largest, 8U * 1024 * 1024);
    EXPECT_LE(largest, settings.max_window);
}

TEST(H2EngineTest, ObeysAndFollowsThePeersStreamLimit) {
    h2_client client;
    h2_server server({{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2}});
    EXPECT_EQ(client.engine().max_streams(), h2_settings{}.assumed_max_streams);
    ASSERT_TRUE(settle(client, server));
    EXPECT_EQ(client.engine().max_streams(), 2U);
    client.upload(1);
    client.upload(2);
    EXPECT_FALSE(client.engine().can_begin());
    const nghttp2_settings_entry none{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0};
    nghttp2_submit_settings(server.session(), 0, &none, 1);
    ASSERT_TRUE(settle(client, server));
    EXPECT_EQ(client.engine().max_streams(), 0U);
    client.finish(1);
    client.finish(2);
    ASSERT_TRUE(settle(client, server));
    EXPECT_EQ(client.engine().open_streams(), 0U);
    EXPECT_FALSE(client.engine().can_begin());
    const nghttp2_settings_entry many{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 500};
    nghttp2_submit_settings(server.session(), 0, &many, 1);
    ASSERT_TRUE(settle(client, server));
    EXPECT_TRUE(client.engine().can_begin());
}

TEST(H2EngineTest, KeepsGoingWithAPeerWindowOfOneOctet) {
    h2_client client;
    h2_server server({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1}});
    ASSERT_TRUE(settle(client, server));
    client.upload(1, 300);
    client.write(1, std::string(300, 'u'));
    ASSERT_TRUE(settle(client, server));
    EXPECT_EQ(server.requests[1].received, 300U);
    EXPECT_FALSE(client.engine().is_failed());
}

}  // namespace
}  // namespace hearth::proto
