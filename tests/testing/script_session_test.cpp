// What the recorder of scripts keeps; the scripts themselves are played in raw_origin_test.
#include "testing/script_session.hpp"

#include <gtest/gtest.h>

#include "hearth/testing/h2_frames.hpp"
#include "testing/plain_client.hpp"
#include "testing/server.hpp"

namespace {

using namespace hearth::testing;
using namespace hearth::testing::internal;
using hearth::support::plain_client;

TEST(ScriptSessionTest, TheRecorderKeepsTheFirstMebibyteOfEachConnection) {
    recorder record;
    record.add(3, "abc");
    record.add(3, "def");
    EXPECT_EQ(record.of(3), "abcdef");
    EXPECT_EQ(record.of(4), "");
    for (int i = 0; i < 30; ++i) record.add(4, std::string(100'000, 'x'));
    EXPECT_EQ(record.of(4).size(), std::size_t{1} << 20U);
}

TEST(ScriptSessionTest, TheRecorderForgetsTheOldestOfManyConnections) {
    recorder record;
    for (std::uint64_t i = 0; i <= 4096; ++i) record.add(i, "abc");
    EXPECT_EQ(record.of(0), "");
    EXPECT_EQ(record.of(1), "abc");
    EXPECT_EQ(record.of(4096), "abc");
}

TEST(ScriptSessionTest, RequestsThatArriveTogetherAreTakenOneByOne) {
    recorder record;
    server listening({.tls = false}, [&](connection& owner) {
        return std::make_unique<script_session>(
            owner, script{expect_request(), send("1"), expect_request(), send("2"), close()},
            record);
    });
    const std::string request = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab";
    for (std::size_t cut = 1; cut < 2 * request.size(); ++cut) {
        plain_client client(listening.port());
        client.send((request + request).substr(0, cut));
        client.send((request + request).substr(cut));
        ASSERT_EQ(client.read_all(), "12") << cut;
    }
    EXPECT_EQ(listening.counts().snapshot().requests, 2 * (2 * request.size() - 1));
}

TEST(ScriptSessionTest, ExpectsFramesPastThePrefaceAndOthers) {
    raw_origin server({.tls = false}, {expect_frame(h2::headers_frame), send("first"),
                                       expect_frame(h2::ping_frame), send("second"), close()});
    plain_client client(server.port());
    const std::string frames = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2::settings() +
                               h2::headers(1, {{":method", "GET"}}) + h2::data(1, "body");
    client.send(std::string_view(frames).substr(0, 30));
    client.send(std::string_view(frames).substr(30));
    EXPECT_EQ(client.read_octets(5), "first");
    client.send(h2::ping(1));
    EXPECT_EQ(client.read_all(), "second");
}

}  // namespace
