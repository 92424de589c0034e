// What h2_engine must refuse: faults of frames, of streams and of messages, each delivered in every
// way.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "proto/h2_script.hpp"

namespace hearth::proto {
namespace {

using namespace std::string_literals;
using testing::h2_client;
using testing::run_all_ways;
namespace h2 = testing::h2;

std::string code(errc error) { return std::to_string(static_cast<int>(error)); }

/// What exchange 1 got, up to the detail of its error; the connection's own error is left out.
struct hostile_case {
    const char* name;
    std::string response;
    std::string outcome;  ///< "" where nothing must come
};

std::string without_details(const std::string& log) {
    const std::string of_connection = "- error " + code(errc::peer_protocol_error);
    std::string text;
    for (std::size_t at = 0; at < log.size();) {
        const std::size_t end = log.find('\n', at);
        std::string line = log.substr(at, end - at);
        at = end + 1;
        if (line.find(" error ") != std::string::npos) line = line.substr(0, line.find(": "));
        if (line.starts_with(of_connection)) line.replace(0, of_connection.size(), "connection");
        text += line + "\n";
    }
    return text;
}

const std::string fault = "1 error " + code(errc::peer_protocol_error) + " ";

/// The connection fails with this code, and the open exchange with it.
std::string connection_fails(const std::string& why, const std::string& before = "") {
    return before + fault + why + "\nconnection " + why + "\n";
}
std::string stream_fails(const std::string& why, const std::string& before = "") {
    return before + fault + why + "\n";
}

const std::string head_200 = "1 head 200 v20 {}\n";

void expect_all(const std::vector<hostile_case>& cases) {
    for (const hostile_case& one : cases) {
        const std::string log = run_all_ways({.response = one.response});
        EXPECT_EQ(without_details(log), one.outcome) << one.name << "\n" << log;
    }
}

TEST(H2HostileTest, FailsTheConnectionForFaultsOfFrames) {
    const std::string ok = h2::status(1, "200");
    expect_all({
        {"push", h2::frame(h2::push_promise_frame, h2::end_headers, 1, h2::number(2, 4)),
         connection_fails("PROTOCOL_ERROR")},
        {"frame too large", h2::frame_head(16'385, h2::data_frame, 0, 1),
         connection_fails("FRAME_SIZE_ERROR")},
        {"unknown frame too large", h2::frame_head(1 << 20, 77, 0, 0),
         connection_fails("FRAME_SIZE_ERROR")},
        {"HTTP/1.1 in the middle", "HTTP/1.1 200 OK\r\n\r\n", connection_fails("FRAME_SIZE_ERROR")},
        {"continuation alone", h2::frame(h2::continuation_frame, h2::end_headers, 1),
         connection_fails("PROTOCOL_ERROR")},
        {"block interrupted by data",
         h2::frame(h2::headers_frame, 0, 1, h2::block({{":status", "200"}})) + h2::data(1, "x"),
         connection_fails("PROTOCOL_ERROR")},
        {"block interrupted by ping",
         h2::frame(h2::headers_frame, 0, 1, h2::block({{":status", "200"}})) + h2::ping(1),
         connection_fails("PROTOCOL_ERROR")},
        {"block interrupted by an unknown frame",
         h2::frame(h2::headers_frame, 0, 1, h2::block({{":status", "200"}})) + h2::frame(99, 0, 0),
         connection_fails("PROTOCOL_ERROR")},
        {"block continued on another stream",
         h2::frame(h2::headers_frame, 0, 1, h2::block({{":status", "200"}})) +
             h2::frame(h2::continuation_frame, h2::end_headers, 3),
         connection_fails("PROTOCOL_ERROR")},
        {"data on stream 0", h2::data(0, "x"), connection_fails("PROTOCOL_ERROR")},
        {"headers on stream 0", h2::status(0, "200"), connection_fails("PROTOCOL_ERROR")},
        {"rst_stream on stream 0", h2::rst_stream(0, 0), connection_fails("PROTOCOL_ERROR")},
        {"priority on stream 0", h2::priority(0), connection_fails("PROTOCOL_ERROR")},
        {"settings on stream 1", h2::frame(h2::settings_frame, 0, 1),
         connection_fails("PROTOCOL_ERROR")},
        {"ping on stream 1", h2::frame(h2::ping_frame, 0, 1, h2::number(0, 8)),
         connection_fails("PROTOCOL_ERROR")},
        {"goaway on stream 1", h2::frame(h2::goaway_frame, 0, 1, h2::number(0, 8)),
         connection_fails("PROTOCOL_ERROR")},
        {"settings of odd size", h2::frame(h2::settings_frame, 0, 0, "abcde"),
         connection_fails("FRAME_SIZE_ERROR")},
        {"settings ack with payload", h2::frame(h2::settings_frame, h2::ack, 0, "abcdef"),
         connection_fails("FRAME_SIZE_ERROR")},
        {"ping of seven octets", h2::frame(h2::ping_frame, 0, 0, "abcdefg"),
         connection_fails("FRAME_SIZE_ERROR")},
        {"goaway of seven octets", h2::frame(h2::goaway_frame, 0, 0, "abcdefg"),
         connection_fails("FRAME_SIZE_ERROR")},
        {"rst_stream of three octets", h2::frame(h2::rst_stream_frame, 0, 1, "abc"),
         connection_fails("FRAME_SIZE_ERROR")},
        {"window_update of five octets", h2::frame(h2::window_update_frame, 0, 1, "abcde"),
         connection_fails("FRAME_SIZE_ERROR")},
        {"padding longer than the frame", ok + h2::frame(h2::data_frame, h2::padded, 1, "\x05xy"),
         connection_fails("PROTOCOL_ERROR", head_200)},
        {"padding of nothing", ok + h2::frame(h2::data_frame, h2::padded, 1),
         connection_fails("PROTOCOL_ERROR", head_200)},
        {"headers padded beyond the frame",
         h2::frame(h2::headers_frame, h2::padded | h2::end_headers, 1, "\x09x"),
         connection_fails("PROTOCOL_ERROR")},
    });
}

TEST(H2HostileTest, FailsTheConnectionForFaultsOfStreamsAndStates) {
    const std::string done = h2::status(1, "200", h2::end_stream);
    const std::string ended = head_200 + "1 end reusable\n";
    const std::string closed = "connection STREAM_CLOSED\n";
    const std::string fails = "connection PROTOCOL_ERROR\n";
    expect_all({
        {"data on a stream never opened", h2::data(3, "x"), connection_fails("PROTOCOL_ERROR")},
        {"headers on a stream never opened", h2::status(3, "200"),
         connection_fails("PROTOCOL_ERROR")},
        {"headers on an even stream", h2::status(2, "200"), connection_fails("PROTOCOL_ERROR")},
        {"data on an even stream", h2::data(2, "x"), connection_fails("PROTOCOL_ERROR")},
        {"reset of a stream never opened", h2::rst_stream(5, 8),
         connection_fails("PROTOCOL_ERROR")},
        {"window for a stream never opened", h2::window_update(5, 8),
         connection_fails("PROTOCOL_ERROR")},
        {"data after the end", done + h2::data(1, "x"), ended + closed},
        {"empty data after the end", done + h2::data(1, ""), ended + closed},
        {"headers after the end", done + h2::status(1, "200"), ended + closed},
        {"trailers after the end", done + h2::headers(1, {{"a", "b"}}, h2::end_stream),
         ended + closed},
        {"connection window beyond 2^31-1", h2::window_update(0, 0x7fffffff),
         connection_fails("FLOW_CONTROL_ERROR")},
        {"connection window of nothing", h2::window_update(0, 0),
         connection_fails("PROTOCOL_ERROR")},
        {"initial window beyond 2^31-1", h2::settings({{4, 0x80000000}}),
         connection_fails("FLOW_CONTROL_ERROR")},
        {"frame size too small", h2::settings({{5, 16'383}}), connection_fails("PROTOCOL_ERROR")},
        {"frame size too large", h2::settings({{5, 1 << 24}}), connection_fails("PROTOCOL_ERROR")},
        {"push enabled", h2::settings({{2, 1}}), connection_fails("PROTOCOL_ERROR")},
        {"push neither on nor off", h2::settings({{2, 2}}), connection_fails("PROTOCOL_ERROR")},
        {"extended connect neither on nor off", h2::settings({{8, 2}}),
         connection_fails("PROTOCOL_ERROR")},
        {"too many settings acks", h2::settings_ack() + h2::settings_ack(),
         connection_fails("PROTOCOL_ERROR")},
        {"goaway with a growing last id", h2::goaway(1, 0) + h2::goaway(3, 0),
         "- goaway 1 NO_ERROR ''\n" + connection_fails("PROTOCOL_ERROR")},
        {"broken HPACK index", h2::frame(h2::headers_frame, h2::end_headers, 1, "\xff\xff\xff"),
         connection_fails("COMPRESSION_ERROR")},
        {"HPACK string cut", h2::frame(h2::headers_frame, h2::end_headers, 1, "\x08\x05xy"s),
         connection_fails("COMPRESSION_ERROR")},
        {"HPACK table larger than allowed",
         h2::frame(h2::headers_frame, h2::end_headers, 1, "\x3f\xe1\x7f\x88"),
         connection_fails("COMPRESSION_ERROR")},
        {"broken HPACK on a stream that has ended",
         done + h2::frame(h2::headers_frame, h2::end_headers, 1, "\xff\xff\xff"), ended + closed},
        {"goaway that is followed by a fault", h2::goaway(1, 0) + h2::window_update(0, 0),
         "- goaway 1 NO_ERROR ''\n" + connection_fails("PROTOCOL_ERROR")},
        {"fault while idle", done + h2::window_update(0, 0), ended + fails},
    });
}

TEST(H2HostileTest, ResetsTheStreamForMalformedHeads) {
    const auto with = [](const h2::fields& more) {
        h2::fields list{{":status", "200"}};
        list.insert(list.end(), more.begin(), more.end());
        return h2::headers(1, list, h2::end_stream);
    };
    const std::vector<std::pair<const char*, std::string>> cases{
        {"no status", h2::headers(1, {{"a", "b"}}, h2::end_stream)},
        {"empty block", h2::headers(1, {}, h2::end_stream)},
        {"status twice", with({{":status", "200"}})},
        {"status after a field", h2::headers(1, {{"a", "b"}, {":status", "200"}}, h2::end_stream)},
        {"status of two digits", h2::status(1, "20", h2::end_stream)},
        {"status of four digits", h2::status(1, "2000", h2::end_stream)},
        {"status with a sign", h2::status(1, "+20", h2::end_stream)},
        {"status with a space", h2::status(1, "200 ", h2::end_stream)},
        {"status 000", h2::status(1, "000", h2::end_stream)},
        {"status 099", h2::status(1, "099", h2::end_stream)},
        {"status 600", h2::status(1, "600", h2::end_stream)},
        {"status empty", h2::status(1, "", h2::end_stream)},
        {"status 101", h2::status(1, "101")},
        {"1xx that ends the stream", h2::status(1, "103", h2::end_stream)},
        {"request pseudo field", with({{":path", "/"}})},
        {"unknown pseudo field", with({{":x", "y"}})},
        {"bare colon", with({{":", "y"}})},
        {"upper-case name", with({{"Name", "v"}})},
        {"empty name", with({{"", "v"}})},
        {"name with a space", with({{"a b", "v"}})},
        {"name with a colon", with({{"a:b", "v"}})},
        {"name with NUL", with({{"a\0b"s, "v"}})},
        {"name with LF", with({{"a\nb", "v"}})},
        {"name with obs-text", with({{"\xc3\xa4", "v"}})},
        {"value with NUL", with({{"a", "x\0y"s}})},
        {"value with CR", with({{"a", "x\ry"}})},
        {"value with LF", with({{"a", "x\ny"}})},
        {"value with CRLF and a field", with({{"a", "x\r\nset-cookie: b"}})},
        {"value with DEL", with({{"a", "x\x7fy"}})},
        {"value that begins with a space", with({{"a", " x"}})},
        {"value that ends with a tab", with({{"a", "x\t"}})},
        {"connection", with({{"connection", "close"}})},
        {"keep-alive", with({{"keep-alive", "timeout=5"}})},
        {"proxy-connection", with({{"proxy-connection", "close"}})},
        {"transfer-encoding", with({{"transfer-encoding", "chunked"}})},
        {"upgrade", with({{"upgrade", "h2c"}})},
        {"te", with({{"te", "gzip"}})},
        {"content-length with a sign", with({{"content-length", "+0"}})},
        {"content-length in hex", with({{"content-length", "0x5"}})},
        {"content-length as a list", with({{"content-length", "0, 0"}})},
        {"content-length beyond 64 bits", with({{"content-length", "18446744073709551621"}})},
        {"content-length empty", with({{"content-length", ""}})},
        {"content-length twice", with({{"content-length", "0"}, {"content-length", "0"}})},
        {"two content-lengths", with({{"content-length", "10"}, {"content-length", "5"}})},
        {"content-length without data", with({{"content-length", "5"}})},
    };
    for (const auto& [name, response] : cases) {
        const std::string log = run_all_ways({.response = response});
        const std::string got = without_details(log);
        EXPECT_TRUE(got.ends_with(stream_fails("PROTOCOL_ERROR"))) << name << "\n" << log;
        EXPECT_EQ(got.find("end"), std::string::npos) << name << "\n" << log;
    }
}

TEST(H2HostileTest, ResetsTheStreamForMalformedBodies) {
    const std::string ok = h2::status(1, "200");
    const auto length = [](const char* value) {
        return h2::headers(1, {{":status", "200"}, {"content-length", value}});
    };
    const auto head = [](const char* value) {
        return "1 head 200 v20 {content-length="s + value + "}\n";
    };
    const std::string protocol = "PROTOCOL_ERROR";
    expect_all({
        {"data before the head", h2::data(1, "x"), stream_fails(protocol)},
        {"empty data before the head", h2::data(1, "", h2::end_stream), stream_fails(protocol)},
        {"data after 1xx", h2::status(1, "103") + h2::data(1, "x"),
         stream_fails(protocol, "1 informational 103 v20 {}\n")},
        {"more than content-length", length("3") + h2::data(1, "four"),
         stream_fails(protocol, head("3"))},
        {"more than content-length, padded", length("0") + h2::padded_data(1, "x", 3),
         stream_fails(protocol, head("0"))},
        {"less than content-length", length("5") + h2::data(1, "four", h2::end_stream),
         stream_fails(protocol, head("5") + "1 data four\n")},
        {"less than content-length, with trailers",
         length("5") + h2::data(1, "four") + h2::headers(1, {{"a", "b"}}, h2::end_stream),
         stream_fails(protocol, head("5") + "1 data four\n1 trailers {a=b}\n")},
        {"data with 204", h2::status(1, "204") + h2::data(1, "x"),
         stream_fails(protocol, "1 head 204 v20 {}\n")},
        {"data with 304", h2::status(1, "304") + h2::data(1, "x", h2::end_stream),
         stream_fails(protocol, "1 head 304 v20 {}\n")},
        {"trailers that do not end", ok + h2::headers(1, {{"a", "b"}}),
         stream_fails(protocol, head_200)},
        {"a second head", ok + h2::status(1, "200", h2::end_stream),
         stream_fails(protocol, head_200)},
        {"1xx after the head", ok + h2::status(1, "103"), stream_fails(protocol, head_200)},
        {"trailers with framing", ok + h2::headers(1, {{"content-length", "0"}}, h2::end_stream),
         stream_fails(protocol, head_200)},
        {"trailers with upper case", ok + h2::headers(1, {{"A", "b"}}, h2::end_stream),
         stream_fails(protocol, head_200)},
        {"trailers with connection", ok + h2::headers(1, {{"connection", "x"}}, h2::end_stream),
         stream_fails(protocol, head_200)},
        {"trailers with host", ok + h2::headers(1, {{"host", "x"}}, h2::end_stream),
         stream_fails(protocol, head_200)},
    });
}

TEST(H2HostileTest, FailsWhatThePeerResets) {
    const std::string ok = h2::status(1, "200");
    const std::string before = "1 error " + code(errc::peer_reset) + " ";
    const std::string within = "1 error " + code(errc::peer_truncated) + " ";
    expect_all({
        {"before the head", h2::rst_stream(1, 2), before + "INTERNAL_ERROR\n"},
        {"refused", h2::rst_stream(1, 7), before + "REFUSED_STREAM unprocessed\n"},
        {"refused after the head", ok + h2::rst_stream(1, 7),
         head_200 + within + "REFUSED_STREAM\n"},
        {"without an error", h2::rst_stream(1, 0), before + "NO_ERROR\n"},
        {"without an error in the body", ok + h2::data(1, "part") + h2::rst_stream(1, 0),
         head_200 + "1 data part\n" + within + "NO_ERROR\n"},
        {"without an error when all is there",
         h2::headers(1, {{":status", "200"}, {"content-length", "4"}}) + h2::data(1, "full") +
             h2::rst_stream(1, 0),
         "1 head 200 v20 {content-length=4}\n1 data full\n1 end reusable\n"},
        {"with an error when all is there",
         h2::headers(1, {{":status", "200"}, {"content-length", "4"}}) + h2::data(1, "full") +
             h2::rst_stream(1, 8),
         "1 head 200 v20 {content-length=4}\n1 data full\n" + within + "CANCEL\n"},
        {"with an unknown code", h2::rst_stream(1, 0xbad), before + "0xbad\n"},
        {"after the end", h2::status(1, "200", h2::end_stream) + h2::rst_stream(1, 0),
         head_200 + "1 end reusable\n"},
        {"twice", h2::rst_stream(1, 8) + h2::rst_stream(1, 8), before + "CANCEL\n"},
        {"then data", h2::rst_stream(1, 8) + h2::data(1, "x"), before + "CANCEL\n"},
    });
}

TEST(H2HostileTest, RequiresSettingsFirst) {
    for (const std::string& first : {h2::ping(1), h2::settings_ack(), h2::status(1, "200"),
                                     h2::goaway(0, 0), h2::frame(h2::settings_frame, 0, 1),
                                     "HTTP/1.1 400 Bad Request\r\n\r\n"s, h2::frame(77, 0, 0)}) {
        h2_client client;
        client.get(1);
        client.flush();
        client.give(first);
        EXPECT_EQ(without_details(client.take_events()), connection_fails("PROTOCOL_ERROR"));
        EXPECT_TRUE(client.engine().is_failed());
    }
}

TEST(H2HostileTest, TellsThePeerWithGoawayAndTakesNothingMore) {
    h2_client client;
    client.get(1);
    client.give(h2::settings());
    static_cast<void>(client.take_frames());
    client.give(h2::data(3, "x") + h2::status(1, "200", h2::end_stream));
    const auto frames = client.take_frames();
    ASSERT_FALSE(frames.empty());
    EXPECT_EQ(frames.back().type, h2::goaway_frame);
    EXPECT_EQ(frames.back().number_at(4, 4), 1U);
    static_cast<void>(client.take_events());
    client.give(h2::status(1, "200", h2::end_stream));
    EXPECT_EQ(client.take_events(), "");
    EXPECT_FALSE(client.engine().can_begin());
    client.get(2);
    client.poll();
    EXPECT_EQ(client.take_events(), "2 error " + code(errc::peer_closed) +
                                        " NO_ERROR unprocessed: the connection takes no new "
                                        "exchange\n");
}

TEST(H2HostileTest, TellsThePeerOfAMalformedResponseWithReset) {
    h2_client client;
    client.get(1);
    client.give(h2::settings());
    static_cast<void>(client.take_frames());
    client.give(h2::headers(1, {{":status", "200"}, {"A", "b"}}, h2::end_stream));
    const auto frames = client.take_frames();
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(frames[0].type, h2::rst_stream_frame);
    EXPECT_EQ(frames[0].number_at(0, 4), 1U);
    EXPECT_FALSE(client.engine().is_failed());
    EXPECT_TRUE(client.engine().can_begin());
}

}  // namespace
}  // namespace hearth::proto
