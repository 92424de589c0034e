// One HTTP/2 exchange of an origin, frame by frame.
#include "testing/http2_stream.hpp"

#include <gtest/gtest.h>

#include "testing/frame_client.hpp"

namespace {

using namespace std::chrono_literals;
using namespace hearth::testing;
using namespace hearth::support;

TEST(Http2StreamTest, RequestBodiesAndTrailersReachTheHandler) {
    origin server(plaintext_http2());
    frame_client client(server.port());
    client.send(h2::headers(1, head_of("POST", "/echo")) + h2::data(1, "body") +
                h2::headers(1, {{"x-end", "yes"}}, h2::end_stream));
    client.next_head(1);
    EXPECT_EQ(client.body(1), "POST /echo HTTP/2\nhost: x\n\nbody\nx-end: yes");
}

TEST(Http2StreamTest, AnswersHaveTrailersAndInformationalHeads) {
    origin server(plaintext_http2());
    frame_client client(server.port());
    client.send(h2::headers(1, head_of("GET", "/trailers"), h2::end_stream));
    EXPECT_EQ(client.next_head(1), "{:status=200|trailer=x-checksum, x-end}");
    EXPECT_EQ(client.next(h2::data_frame).payload, "body before trailers\n");
    const h2::seen_frame end = client.next();
    EXPECT_TRUE(end.has(h2::end_stream));
    EXPECT_EQ(client.blocks.show(end.payload), "{x-checksum=1234|x-end=true}");
    client.send(h2::headers(3, head_of("GET", "/status/103"), h2::end_stream));
    EXPECT_EQ(client.next_head(3), "{:status=103|link=</style.css>; rel=preload}");
    EXPECT_EQ(client.next_head(3), "{:status=200|content-length=3}");
}

TEST(Http2StreamTest, AnswersToHeadAnd204HaveNoBody) {
    origin server(plaintext_http2());
    frame_client client(server.port());
    const h2::fields head = head_of("HEAD", "/d/0");
    client.send(h2::headers(1, head, h2::end_stream));
    h2::seen_frame answer = client.next(h2::headers_frame);
    EXPECT_TRUE(answer.has(h2::end_stream));
    EXPECT_EQ(client.blocks.show(answer.payload), "{:status=200|content-length=3}");
    client.send(h2::headers(3, head_of("GET", "/status/204"), h2::end_stream));
    answer = client.next(h2::headers_frame);
    EXPECT_TRUE(answer.has(h2::end_stream));
    EXPECT_EQ(client.blocks.show(answer.payload), "{:status=204}");
}

TEST(Http2StreamTest, ObeysTheWindowsOfTheClient) {
    origin server(plaintext_http2());
    frame_client client(server.port());
    client.send(h2::settings({{4, 10}}) +
                h2::headers(1, head_of("GET", "/bytes/25"), h2::end_stream));
    EXPECT_EQ(client.next(h2::data_frame).payload, pattern_octets(0, 10));
    client.send(h2::window_update(1, 10));
    EXPECT_EQ(client.next(h2::data_frame).payload, pattern_octets(10, 10));
    client.send(h2::window_update(1, 10));
    EXPECT_EQ(client.body(1), pattern_octets(20, 5));
}

TEST(Http2StreamTest, AnEarlyAnswerEndsTheRestOfTheRequest) {
    origin server(plaintext_http2());
    server.on(
        "/early",
        [](const request_view&, responder handle) { handle.answer({.status = 413, .body = "no"}); },
        handler_call::after_head);
    frame_client client(server.port());
    client.send(h2::headers(1, head_of("POST", "/early")));
    EXPECT_EQ(client.next_head(1), "{:status=413|content-length=2}");
    const h2::seen_frame reset = client.next(h2::rst_stream_frame);
    EXPECT_EQ(reset.number_at(0, 4), NGHTTP2_NO_ERROR);
}

TEST(Http2StreamTest, HandlersCanResetAndCutAndSendWhatIsNoAnswer) {
    origin server(plaintext_http2());
    server.on("/raw", [](const request_view&, responder handle) {
        handle.send_raw(h2::ping(7)).never_answer();
    });
    frame_client client(server.port());
    client.send(h2::headers(1, head_of("GET", "/rst/11"), h2::end_stream));
    EXPECT_EQ(client.next(h2::rst_stream_frame).number_at(0, 4), 11U);
    client.send(h2::headers(3, head_of("GET", "/raw"), h2::end_stream));
    EXPECT_EQ(client.next(h2::ping_frame).number_at(0, 8), 7U);
    client.send(h2::headers(5, head_of("GET", "/close-at/5"), h2::end_stream));
    EXPECT_EQ(client.body(5), pattern_octets(0, 5) + "<cut>");
}

TEST(Http2StreamTest, ExtendedConnectIsATunnel) {
    origin server(plaintext_http2());
    frame_client client(server.port());
    h2::fields head = head_of("CONNECT", "/upgrade");
    head.insert(head.begin() + 1, {":protocol", "websocket"});
    client.send(h2::headers(1, head) + h2::data(1, "ping"));
    EXPECT_EQ(client.next_head(1), "{:status=200}");
    EXPECT_EQ(client.next(h2::data_frame).payload, "ping");
    client.send(h2::data(1, "pong", h2::end_stream));
    EXPECT_EQ(client.body(1), "pong");
}

TEST(Http2StreamTest, InvitesABodyThatWaits) {
    origin server(plaintext_http2());
    frame_client client(server.port());
    h2::fields head = head_of("POST", "/upload");
    head.push_back({"expect", "100-continue"});
    client.send(h2::headers(1, head));
    EXPECT_EQ(client.next_head(1), "{:status=100}");
    client.send(h2::data(1, "abc", h2::end_stream));
    EXPECT_EQ(client.next_head(1), "{:status=200|content-length=67}");
}

TEST(Http2StreamTest, HeadsBeyondTheLimitAreRefused) {
    origin_options options = plaintext_http2();
    options.max_head_bytes = 1000;
    origin server(options);
    frame_client client(server.port());
    h2::fields head = head_of("GET", "/d/0");
    head.push_back({"x-large", std::string(1000, 'a')});
    client.send(h2::headers(1, head, h2::end_stream));
    EXPECT_TRUE(client.next_head(1).starts_with("{:status=431"));
}

}  // namespace
