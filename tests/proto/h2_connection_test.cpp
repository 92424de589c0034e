// What becomes of exchanges when their connection drains, fails or ends, and what a peer may waste.

#include "proto/h2_connection.hpp"

#include <gtest/gtest.h>

#include <string>

#include "proto/h2_script.hpp"

namespace hearth::proto {
namespace {

using testing::exchange;
using testing::h2_client;
namespace h2 = testing::h2;

std::string error_of(int number, errc error, const std::string& rest) {
    return std::to_string(number) + " error " + std::to_string(static_cast<int>(error)) + " " +
           rest + "\n";
}

/// Three requests are under way.
h2_client with_three(const h2_settings& settings = {}) {
    h2_client client(settings);
    for (std::uint32_t i = 1; i <= 3; ++i) client.get(i);
    client.give(h2::settings());
    static_cast<void>(client.take_events());
    static_cast<void>(client.take_frames());
    return client;
}

const std::string above =
    "REFUSED_STREAM unprocessed: the stream is above the last of the peer's GOAWAY";

TEST(H2ConnectionTest, GracefulGoawayFinishesAcceptedStreams) {
    h2_client client = with_three();
    client.give(h2::goaway(0x7fffffff, 0));
    EXPECT_EQ(client.take_events(), "- goaway 2147483647 NO_ERROR ''\n");
    EXPECT_TRUE(client.engine().is_draining());
    EXPECT_FALSE(client.engine().can_begin());
    client.give(h2::goaway(3, 0));
    EXPECT_EQ(client.take_events(),
              "- goaway 3 NO_ERROR ''\n" + error_of(3, errc::peer_closed, above));
    client.give(h2::status(1, "200", h2::end_stream) + h2::status(3, "200", h2::end_stream));
    EXPECT_EQ(client.take_events(), "1 head 200 v20 {}\n1 end\n2 head 200 v20 {}\n2 end\n");
    EXPECT_FALSE(client.engine().is_failed());
    EXPECT_EQ(client.engine().open_streams(), 0U);
}

TEST(H2ConnectionTest, RequestsNotYetSentAtGoawayAreUnprocessed) {
    h2_client client = with_three();
    client.get(4);
    client.give(h2::goaway(5, 0));
    EXPECT_EQ(client.take_events(),
              "- goaway 5 NO_ERROR ''\n" +
                  error_of(4, errc::peer_closed,
                           "NO_ERROR unprocessed: the connection ended before the request was "
                           "sent"));
    EXPECT_EQ(client.engine().open_streams(), 3U);
}

const std::string lost = "the peer ended the connection with ENHANCE_YOUR_CALM: too_many_pings?";

TEST(H2ConnectionTest, ErrorGoawayExplainsWhatIsLost) {
    h2_client client = with_three();
    client.give(h2::status(1, "200") + h2::goaway(3, 11, "too_many_pings\n"));
    EXPECT_EQ(client.take_events(),
              "1 head 200 v20 {}\n- goaway 3 ENHANCE_YOUR_CALM 'too_many_pings?'\n" +
                  error_of(3, errc::peer_closed, above + "; " + lost));
    client.close();
    const std::string why = "ENHANCE_YOUR_CALM: " + lost;
    const std::string log = client.take_events();
    EXPECT_NE(log.find(error_of(1, errc::peer_truncated, why)), std::string::npos) << log;
    EXPECT_NE(log.find(error_of(2, errc::peer_closed, why)), std::string::npos) << log;
}

TEST(H2ConnectionTest, RepeatedGoawayKeepsWhatTheFirstSaid) {
    h2_client client = with_three();
    client.give(h2::goaway(5, 11, "too_many_pings\n") + h2::goaway(3, 0));
    EXPECT_EQ(client.take_events(),
              "- goaway 5 ENHANCE_YOUR_CALM 'too_many_pings?'\n"
              "- goaway 3 NO_ERROR 'too_many_pings?'\n" +
                  error_of(3, errc::peer_closed, above + "; " + lost));
    client.close();
    const std::string log = client.take_events();
    const std::string why = "ENHANCE_YOUR_CALM: " + lost;
    EXPECT_NE(log.find(error_of(1, errc::peer_closed, why)), std::string::npos) << log;
}

TEST(H2ConnectionTest, RepeatedGoawayMayGetWorse) {
    h2_client client = with_three();
    client.give(h2::goaway(0x7fffffff, 0, "bye") + h2::goaway(5, 11, "too_many_pings\n"));
    static_cast<void>(client.take_events());
    client.close();
    const std::string log = client.take_events();
    const std::string why = "ENHANCE_YOUR_CALM: " + lost;
    EXPECT_NE(log.find(error_of(1, errc::peer_closed, why)), std::string::npos) << log;
}

TEST(H2ConnectionTest, AnEndWithoutGoawayFailsWhatIsOpen) {
    h2_client client = with_three();
    client.give(h2::status(1, "200") + h2::data(1, "part") + h2::status(3, "200", h2::end_stream));
    static_cast<void>(client.take_events());
    client.close();
    const std::string log = client.take_events();
    const std::string why = "NO_ERROR: the connection ended while the stream was open";
    EXPECT_NE(log.find(error_of(1, errc::peer_truncated, why)), std::string::npos) << log;
    EXPECT_NE(log.find(error_of(3, errc::peer_closed, why)), std::string::npos) << log;
    EXPECT_EQ(log.find("2 "), std::string::npos) << log;
    EXPECT_FALSE(client.engine().can_begin());
}

TEST(H2ConnectionTest, KnowsWhatThePeerMustSendAndMay) {
    h2_client client;
    client.consumes = false;
    client.give(h2::settings() + h2::settings_ack());
    client.get(1);
    client.get(2);
    client.flush();
    EXPECT_EQ(client.engine().due(exchange(1)), 0U) << "no head yet";
    const std::string length = "1000000";
    client.give(h2::headers(1, {{":status", "200"}, {"content-length", length}}) +
                h2::status(3, "200"));
    const std::uint32_t window = h2_settings{}.initial_stream_window;
    EXPECT_EQ(client.engine().due(exchange(1)), window);
    EXPECT_EQ(client.engine().due(exchange(2)), 0U) << "without a length nothing must come";
    client.give(h2::data(1, std::string(10'000, 'x')));
    EXPECT_EQ(client.engine().due(exchange(1)), window - 10'000);
    client.engine().reset(exchange(1), h2_error_code::cancel);
    EXPECT_EQ(client.engine().due(exchange(1)), 0U);
}

TEST(H2ConnectionTest, AConnectionErrorFailsAllOpenStreams) {
    h2_client client = with_three();
    client.get(4);
    client.give(h2::window_update(0, 0));
    const std::string why = "WINDOW_UPDATE: window_size_increment == 0";
    std::string expected;
    for (int i = 1; i <= 3; ++i) {
        expected += error_of(i, errc::peer_protocol_error, "PROTOCOL_ERROR: " + why);
    }
    expected += error_of(4, errc::peer_protocol_error, "PROTOCOL_ERROR unprocessed: " + why);
    const std::string log = client.take_events();
    EXPECT_TRUE(log.starts_with(expected + "- error ")) << log;
}

TEST(H2ConnectionTest, DiscardedStreamsDrainSilently) {
    h2_client client = with_three();
    client.give(h2::status(1, "200") + h2::data(1, "seen"));
    static_cast<void>(client.take_events());
    client.engine().discard(exchange(1));
    client.give(h2::data(1, "unseen") + h2::headers(1, {{"a", "b"}}, h2::end_stream));
    EXPECT_EQ(client.take_events(), "1 end reusable\n");
}

TEST(H2ConnectionTest, DiscardingInMidUploadResets) {
    h2_client client;
    client.upload(1);
    client.give(h2::settings());
    static_cast<void>(client.take_frames());
    client.engine().discard(exchange(1));
    client.flush();
    const auto frames = client.take_frames();
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(frames[0].type, h2::rst_stream_frame);
}

TEST(H2ConnectionTest, AnswersPingsAndMatchesItsOwn) {
    h2_client client = with_three();
    client.give(h2::ping(42));
    auto frames = client.take_frames();
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_TRUE(frames[0].has(h2::ack));
    EXPECT_EQ(frames[0].number_at(0, 8), 42U);
    client.engine().send_ping(0x0102030405060708);
    client.flush();
    EXPECT_EQ(client.take_frames()[0].number_at(0, 8), 0x0102030405060708U);
    client.give(h2::ping(0x0102030405060708, h2::ack));
    EXPECT_EQ(client.take_events(), "- pong 72623859790382856\n");
}

TEST(H2ConnectionTest, CreditsDataOfDeadStreamsToTheConnection) {
    h2_client client = with_three();
    client.engine().reset(exchange(1), h2_error_code::cancel);
    client.flush();
    static_cast<void>(client.take_frames());
    std::uint64_t credited = 0;
    const std::string frame = h2::data(1, std::string(16'000, 'x'));
    constexpr int frames = 32;  // less than the stream's window, half of the connection's
    for (int i = 0; i < frames; ++i) {
        client.give(frame);
        for (const h2::seen_frame& one : client.take_frames()) {
            ASSERT_EQ(one.type, h2::window_update_frame);
            ASSERT_EQ(one.stream, 0U);
            credited += one.number_at(0, 4);
        }
    }
    client.give(h2::status(3, "200") + h2::data(3, std::string(16'000, 'y')));
    for (const h2::seen_frame& one : client.take_frames()) {
        if (one.stream == 0) credited += one.number_at(0, 4);
    }
    EXPECT_GE(credited, 16'000U * frames);
    EXPECT_FALSE(client.engine().is_failed());
}

/// Sends `what` until the connection fails; how often that was possible.
int survived(h2_client& client, const std::string& what, int most = 3000) {
    for (int i = 0; i < most; ++i) {
        client.give(what);
        if (client.engine().is_failed()) return i;
    }
    return most;
}

TEST(H2ConnectionTest, EndsFloodsWithEnhanceYourCalm) {
    const h2_settings bounds;
    struct flood {
        const char* name;
        std::string frame;
        std::uint32_t allowed;
    };
    const std::vector<flood> floods{
        {"settings", h2::settings({{3, 100}}), bounds.settings_frames.burst - 1},
        {"ping", h2::ping(1), bounds.pings.burst},
        {"reset", h2::rst_stream(1, 8), bounds.stray_resets.burst + 1},
        {"window", h2::window_update(0, 1), bounds.window_updates.burst},
        {"window of a stream", h2::window_update(3, 1), bounds.window_updates.burst},
        {"priority", h2::priority(3), bounds.priorities.burst},
        {"empty data", h2::data(3, ""), bounds.empty_data.burst},
        {"padding alone", h2::padded_data(3, "", 8), bounds.empty_data.burst},
        {"unknown frames", h2::frame(99, 0, 0, "x"), bounds.other_frames.burst},
        {"goaway", h2::goaway(5, 0), bounds.other_frames.burst},
        {"pongs", h2::ping(1, h2::ack), bounds.other_frames.burst},
    };
    for (const flood& one : floods) {
        h2_client client = with_three();
        client.give(h2::status(3, "200"));
        static_cast<void>(client.take_events());
        EXPECT_EQ(survived(client, one.frame), static_cast<int>(one.allowed)) << one.name;
        const std::string log = client.take_events();
        EXPECT_NE(log.find(" error 90 ENHANCE_YOUR_CALM: the peer "), std::string::npos)
            << one.name << log;
        EXPECT_EQ(client.take_frames().back().number_at(4, 4), 11U) << one.name;
    }
}

TEST(H2ConnectionTest, BoundsHeaderBlocks) {
    const std::string begun = h2::frame(h2::headers_frame, 0, 1, h2::block({{":status", "200"}}));
    h2_client many = with_three();
    many.give(begun);
    EXPECT_EQ(survived(many, h2::frame(h2::continuation_frame, 0, 1)),
              static_cast<int>(h2_settings{}.max_continuations));
    h2_client large = with_three();
    large.give(begun);
    const std::string filler = h2::block({{"a", std::string(16'000, 'x')}});
    EXPECT_EQ(survived(large, h2::frame(h2::continuation_frame, 0, 1, filler)), 8);
    EXPECT_NE(large.take_events().find("ENHANCE_YOUR_CALM: a header block is too large"),
              std::string::npos);
}

TEST(H2ConnectionTest, HeaderBombsCostTheirStreamOnly) {
    h2_client client = with_three();
    // One field is put into the table, then named again and again by an octet each.
    std::string bomb = "\x40" + h2::hpack_string("a") + h2::hpack_string(std::string(3000, 'x'));
    bomb += std::string(10'000, '\xbe');
    client.give(h2::frame(h2::headers_frame, h2::end_headers, 1, "\x88" + bomb));
    EXPECT_TRUE(client.take_events().starts_with(
        error_of(1, errc::header_limit, "ENHANCE_YOUR_CALM: ").substr(0, 30)));
    EXPECT_EQ(client.take_frames()[0].type, h2::rst_stream_frame);
    client.give(h2::status(3, "200", h2::end_stream));
    EXPECT_EQ(client.take_events(), "2 head 200 v20 {}\n2 end reusable\n");
}

TEST(H2ConnectionTest, KeepsAnIdleConnectionAliveForEver) {
    h2_client client;
    client.give(h2::settings());
    for (int i = 0; i < 5000; ++i) {
        client.give(h2::ping(1));
        client.engine().on_time_passed(1);
    }
    EXPECT_FALSE(client.engine().is_failed());
}

TEST(H2ConnectionTest, DataOnItsWayToADeadStreamIsNoFlood) {
    h2_client client = with_three();
    client.give(h2::status(1, "200"));
    client.engine().reset(exchange(1), h2_error_code::cancel);
    client.flush();
    static_cast<void>(client.take_events());
    for (int i = 0; i < 500; ++i) client.give(h2::data(1, std::string(1'000, 'x')));
    client.give(h2::status(3, "200", h2::end_stream));
    EXPECT_EQ(client.take_events(), "2 head 200 v20 {}\n2 end reusable\n");
}

TEST(H2ConnectionTest, EndlessDataOnADeadStreamIsAFlood) {
    h2_client client = with_three();
    client.engine().reset(exchange(1), h2_error_code::cancel);
    client.flush();
    const int frames = survived(client, h2::data(1, std::string(16'000, 'x')));
    EXPECT_LE(frames, static_cast<int>(512 * 1024 / 16'000 + h2_settings{}.other_frames.burst));
}

TEST(H2ConnectionTest, ChecksTheWindowOfAStream) {
    h2_settings settings;
    settings.initial_stream_window = 65'535;
    h2_client client = with_three(settings);
    client.consumes = false;
    client.is_brief = true;
    client.give(h2::settings_ack() + h2::status(1, "200"));
    for (int i = 0; i < 5; ++i) client.give(h2::data(1, std::string(16'000, 'x')));
    const std::string log = client.take_events();
    EXPECT_NE(log.find("1 error 90 FLOW_CONTROL_ERROR: "), std::string::npos) << log;
    EXPECT_EQ(client.data_octets, 64'000U);
    EXPECT_FALSE(client.engine().is_failed());
}

}  // namespace
}  // namespace hearth::proto
