// What h2_engine sends: heads, bodies, trailers, resets, and when.

#include <gtest/gtest.h>

#include <string>

#include "proto/h2_script.hpp"

namespace hearth::proto {
namespace {

using testing::exchange;
using testing::h2_client;
namespace h2 = testing::h2;

/// A client whose peer has sent its settings, and whose own preface is out of the way.
h2_client ready(const std::string& peer_settings = h2::settings(),
                const h2_settings& settings = {}) {
    h2_client client(settings);
    client.give(peer_settings);
    static_cast<void>(client.take_frames());
    static_cast<void>(client.take_events());
    return client;
}

std::string show(const std::vector<h2::seen_frame>& frames) {
    h2::block_reader blocks;
    std::string text;
    for (const h2::seen_frame& one : frames) {
        const std::string stream = std::to_string(one.stream);
        switch (one.type) {
            case h2::headers_frame:
                text += "headers " + stream + " " + blocks.show(one.payload);
                break;
            case h2::data_frame: text += "data " + stream + " " + one.payload; break;
            case h2::rst_stream_frame:
                text += "reset " + stream + " " + std::to_string(one.number_at(0, 4));
                break;
            case h2::window_update_frame:
                text += "window " + stream + " " + std::to_string(one.number_at(0, 4));
                break;
            case h2::ping_frame: text += "ping " + std::to_string(one.number_at(0, 8)); break;
            case h2::goaway_frame: text += "goaway " + std::to_string(one.number_at(4, 4)); break;
            case h2::settings_frame: text += "settings"; break;
            default: text += "frame " + std::to_string(one.type);
        }
        const bool ends = one.type <= h2::headers_frame && one.has(h2::end_stream);
        const bool acks = one.type == h2::settings_frame || one.type == h2::ping_frame;
        text += ends ? " end\n" : acks && one.has(h2::ack) ? " ack\n" : "\n";
    }
    return text;
}

const std::string get_head = "{:method=GET|:scheme=https|:authority=example.com|:path=/}";
const std::string post_head = "{:method=POST|:scheme=https|:authority=example.com|:path=/";

TEST(H2OutputTest, BeginsWithPrefaceSettingsAndWindow) {
    h2_client client;
    const std::string sent = client.take_sent();
    ASSERT_TRUE(sent.starts_with("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    const auto frames = h2::frames_of(std::string_view(sent).substr(24));
    ASSERT_EQ(frames.size(), 2U);
    EXPECT_EQ(frames[0].type, h2::settings_frame);
    EXPECT_EQ(frames[0].payload,
              h2::number(1, 2) + h2::number(4096, 4) + h2::number(2, 2) + h2::number(0, 4) +
                  h2::number(4, 2) + h2::number(512 * 1024, 4) + h2::number(5, 2) +
                  h2::number(16'384, 4) + h2::number(6, 2) + h2::number(64 * 1024, 4));
    EXPECT_EQ(show({frames[1]}), "window 0 " + std::to_string(1024 * 1024 - 65'535) + "\n");
}

TEST(H2OutputTest, CountsTheOctetsOfABodyThatHaveLeft) {
    h2_client client = ready(h2::settings({{4, 3}}));
    client.upload(1, 5);
    client.write(1, "hello");
    EXPECT_EQ(client.engine().sent(exchange(1)), 0U);
    client.flush();
    EXPECT_EQ(client.engine().sent(exchange(1)), 3U);
    client.give(h2::window_update(1, 100));
    client.flush();
    EXPECT_EQ(client.engine().sent(exchange(1)), 5U);
    EXPECT_EQ(client.engine().sent(exchange(2)), 0U);
}

TEST(H2OutputTest, SendsAllFramesOfATurnTogether) {
    h2_client client = ready();
    client.get(1);
    client.upload(2, 5);
    client.write(2, "hello");
    client.engine().send_ping(77);
    EXPECT_EQ(client.take_sent(), "");
    EXPECT_TRUE(client.engine().wants_flush());
    client.flush();
    EXPECT_FALSE(client.engine().wants_flush());
    EXPECT_EQ(show(client.take_frames()), "ping 77\nheaders 1 " + get_head + " end\nheaders 3 " +
                                              post_head + "|content-length=5}\ndata 3 hello end\n");
}

TEST(H2OutputTest, SendsABodyOfUnknownLengthAndItsTrailers) {
    h2_client client = ready();
    client.upload(1, {}, true);
    client.write(1, "one ");
    client.flush();
    client.write(1, "two");
    client.flush();
    EXPECT_FALSE(client.engine().request_complete(exchange(1)));
    client.finish(1, {{"Sum", "9"}});
    client.flush();
    EXPECT_TRUE(client.engine().request_complete(exchange(1)));
    EXPECT_EQ(show(client.take_frames()),
              "headers 1 " + post_head + "}\ndata 1 one \ndata 1 two\nheaders 1 {sum=9} end\n");
}

TEST(H2OutputTest, EndsWithAnEmptyFrameWhenTheEndComesLate) {
    h2_client client = ready();
    client.upload(1);
    client.write(1, "x");
    client.flush();
    client.finish(1);
    client.flush();
    EXPECT_EQ(show(client.take_frames()), "headers 1 " + post_head + "}\ndata 1 x\ndata 1  end\n");
}

TEST(H2OutputTest, EndsAnEmptyBodyWithItsHead) {
    h2_client client = ready();
    client.upload(1, 0);
    client.finish(1);
    client.flush();
    EXPECT_EQ(show(client.take_frames()), "headers 1 " + post_head + "|content-length=0} end\n");
}

TEST(H2OutputTest, RespectsTheWindowOfTheStream) {
    h2_client client = ready(h2::settings({{4, 3}}));
    client.upload(1);
    client.write(1, "abcdefgh");
    client.flush();
    EXPECT_EQ(show(client.take_frames()), "headers 1 " + post_head + "}\ndata 1 abc\n");
    client.give(h2::window_update(1, 1));
    EXPECT_EQ(show(client.take_frames()), "data 1 d\n");
    client.give(h2::settings({{4, 5}}));
    EXPECT_EQ(show(client.take_frames()), "settings ack\ndata 1 ef\n");
    client.give(h2::settings({{4, 0}}) + h2::window_update(1, 4));
    EXPECT_EQ(show(client.take_frames()), "settings ack\n");
    client.give(h2::window_update(1, 2));
    EXPECT_EQ(show(client.take_frames()), "data 1 g\n");
}

TEST(H2OutputTest, RespectsTheWindowOfTheConnectionAndSharesIt) {
    h2_client client = ready(h2::settings({{4, 1 << 20}}));
    client.upload(1);
    client.upload(2);
    client.write(1, std::string(60'000, 'a'));
    client.write(2, std::string(60'000, 'b'));
    client.flush();
    std::size_t octets[4]{};
    for (const h2::seen_frame& one : client.take_frames()) {
        if (one.type == h2::data_frame) octets[one.stream] += one.payload.size();
    }
    EXPECT_EQ(octets[1] + octets[3], 65'535U);
    EXPECT_GE(octets[1], 16'384U);
    EXPECT_GE(octets[3], 16'384U);
}

TEST(H2OutputTest, StopsBodiesAtTheLimitOfTheOutputAndGoesOn) {
    h2_client client = ready();
    client.upload(1);
    client.write(1, std::string(60'000, 'a'));
    client.flush(20'000);
    const std::size_t first = client.take_sent().size();
    EXPECT_GE(first, 20'000U);
    EXPECT_LE(first, 20'000U + 16'384 + 100);
    EXPECT_TRUE(client.engine().wants_flush());
    client.flush();
    EXPECT_GT(first + client.take_sent().size(), 60'000U);
    EXPECT_GT(client.engine().writable(exchange(1)), 0U);
}

TEST(H2OutputTest, SaysWhenABodyMayBeWrittenAgain) {
    h2_settings settings;
    settings.send_buffer_bytes = 1024;
    h2_client client = ready(h2::settings({{4, 600}}), settings);
    client.upload(1);
    EXPECT_EQ(client.engine().writable(exchange(1)), 1024U);
    client.write(1, std::string(1024, 'x'));
    EXPECT_EQ(client.engine().writable(exchange(1)), 0U);
    client.flush();
    EXPECT_EQ(client.take_events(), "") << "in large pieces: an eighth is left then";
    EXPECT_EQ(client.engine().writable(exchange(1)), 600U);
    client.give(h2::window_update(1, 296));
    client.flush();
    EXPECT_EQ(client.take_events(), "1 writable\n");
    EXPECT_EQ(client.engine().writable(exchange(1)), 896U);
}

TEST(H2OutputTest, CancelsWithAResetAndNothingElse) {
    h2_client client = ready();
    client.get(1);
    client.get(2);
    client.flush();
    static_cast<void>(client.take_frames());
    client.engine().reset(exchange(1), h2_error_code::cancel);
    client.flush();
    EXPECT_EQ(show(client.take_frames()), "reset 1 8\n");
    client.give(h2::status(1, "200") + h2::data(1, "late") + h2::status(3, "200", h2::end_stream));
    EXPECT_EQ(client.take_events(), "2 head 200 v20 {}\n2 end reusable\n");
}

TEST(H2OutputTest, NeverSendsWhatWasCancelledBefore) {
    h2_client client = ready();
    client.get(1);
    client.upload(2);
    client.write(2, "never");
    client.engine().reset(exchange(1), h2_error_code::cancel);
    client.engine().reset(exchange(2), h2_error_code::cancel);
    client.flush();
    EXPECT_EQ(show(client.take_frames()), "");
    client.get(3);
    client.flush();
    EXPECT_EQ(show(client.take_frames()), "headers 5 " + get_head + " end\n");
}

TEST(H2OutputTest, CancelsInMidUploadEvenWithinAFrame) {
    h2_client client = ready();
    client.upload(1);
    client.write(1, std::string(60'000, 'a'));
    client.flush(1000);
    static_cast<void>(client.take_sent());
    client.engine().reset(exchange(1), h2_error_code::cancel);
    client.get(2);
    client.flush();
    const std::string sent = show(client.take_frames());
    EXPECT_NE(sent.find("reset 1 8\n"), std::string::npos) << sent;
    EXPECT_NE(sent.find("headers 3 "), std::string::npos) << sent;
    EXPECT_EQ(sent.find("data 1"), std::string::npos) << sent;
}

TEST(H2OutputTest, StopsAnUploadThatWasAnswered) {
    h2_client client = ready();
    client.upload(1);
    client.write(1, "part");
    client.flush();
    static_cast<void>(client.take_frames());
    client.give(h2::status(1, "413", h2::end_stream));
    EXPECT_EQ(client.take_events(), "1 head 413 v20 {}\n1 end reusable\n");
    EXPECT_EQ(show(client.take_frames()), "reset 1 8\n");
    client.write(1, "ignored");
    client.finish(1);
    client.flush();
    EXPECT_EQ(show(client.take_frames()), "");
}

TEST(H2OutputTest, RefusesBadRequestsUnsent) {
    h2_client client = ready();
    const headers bad{{"a", "b\r\nc: d"}};
    outgoing_head head = h2_client::default_head();
    head.fields = &bad;
    client.engine().begin(exchange(1), head);
    client.flush();
    EXPECT_EQ(show(client.take_frames()), "");
    EXPECT_EQ(client.take_events(),
              "1 error " + std::to_string(static_cast<int>(errc::invalid_header)) +
                  " NO_ERROR unprocessed: the value of a field has a control character\n");
    EXPECT_EQ(client.engine().open_streams(), 0U);
}

TEST(H2OutputTest, RefusesBadTrailersWithAReset) {
    h2_client client = ready();
    client.upload(1);
    client.write(1, "x");
    client.flush();
    static_cast<void>(client.take_frames());
    client.finish(1, {{"content-length", "1"}});
    client.flush();
    EXPECT_EQ(show(client.take_frames()), "reset 1 8\n");
    EXPECT_TRUE(client.take_events().starts_with(
        "1 error " + std::to_string(static_cast<int>(errc::invalid_trailer)) + " CANCEL: "));
}

TEST(H2OutputTest, HoldsATunnelBackUntilItIsOpen) {
    h2_client client = ready();
    client.get(1, "CONNECT");
    client.write(1, "early");
    client.flush();
    EXPECT_EQ(show(client.take_frames()),
              "headers 1 {:method=CONNECT|:authority=example.com:443}\n");
    EXPECT_FALSE(client.engine().is_raw(exchange(1)));
    client.give(h2::status(1, "200"));
    EXPECT_EQ(show(client.take_frames()), "data 1 early\n");
    EXPECT_TRUE(client.engine().is_raw(exchange(1)));
    client.give(h2::data(1, "bye", h2::end_stream));
    EXPECT_EQ(client.take_events(), "1 head 200 v20 {}\n1 data bye\n1 end reusable\n");
    client.write(1, "still here");
    client.finish(1);
    client.flush();
    EXPECT_EQ(show(client.take_frames()), "data 1 still here end\n");
    EXPECT_EQ(client.engine().open_streams(), 0U);
    EXPECT_EQ(client.take_events(), "");
}

TEST(H2OutputTest, ExtendedConnectNeedsThePeersConsent) {
    outgoing_head head = h2_client::default_head();
    head.method = "CONNECT";
    head.protocol = "websocket";
    h2_client refused = ready();
    refused.engine().begin(exchange(1), head);
    refused.flush();
    EXPECT_EQ(show(refused.take_frames()), "");
    EXPECT_NE(refused.take_events().find("unprocessed"), std::string::npos);

    h2_client client = ready(h2::settings({{8, 1}}));
    EXPECT_TRUE(client.engine().allows_extended_connect());
    client.engine().begin(exchange(1), head);
    client.flush();
    client.give(h2::status(1, "200"));
    EXPECT_EQ(show(client.take_frames()),
              "headers 1 {:method=CONNECT|:protocol=websocket|:scheme=https|"
              ":authority=example.com|:path=/}\n");
    EXPECT_TRUE(client.engine().is_raw(exchange(1)));
}

TEST(H2OutputTest, ShutsDownWithoutDisturbingWhatIsOpen) {
    h2_client client = ready();
    client.get(1);
    client.flush();
    static_cast<void>(client.take_frames());
    client.engine().shut_down();
    client.flush();
    EXPECT_EQ(show(client.take_frames()), "goaway 0\n");
    EXPECT_FALSE(client.engine().can_begin());
    client.give(h2::status(1, "200", h2::end_stream));
    EXPECT_EQ(client.take_events(), "1 head 200 v20 {}\n1 end\n");
}

}  // namespace
}  // namespace hearth::proto
