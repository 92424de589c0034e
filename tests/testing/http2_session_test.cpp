// Many HTTP/2 exchanges on a connection, frame by frame, and for hearth's own client.
#include "testing/http2_session.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "hearth/client.hpp"
#include "support/awaited.hpp"
#include "testing/frame_client.hpp"

namespace {

using namespace std::chrono_literals;
using namespace hearth::testing;
using namespace hearth::support;

TEST(Http2SessionTest, AnswersOnTheStreamOfTheRequest) {
    origin server(plaintext_http2());
    frame_client client(server.port());
    client.send(h2::headers(1, head_of("GET", "/d/0"), h2::end_stream));
    EXPECT_EQ(client.next_head(1), "{:status=200|content-length=3}");
    EXPECT_EQ(client.body(1), "ok\n");
    EXPECT_EQ(server.counters().connections_http2, 1U);
    EXPECT_TRUE(wait_for(server, [](const auto& now) { return now.requests_completed == 1; }));
    EXPECT_EQ(server.counters().requests_active, 0U);
}

TEST(Http2SessionTest, AnswersAsTheyAreReadyNotInOrder) {
    origin server(plaintext_http2());
    frame_client client(server.port());
    client.send(h2::headers(1, head_of("GET", "/stall"), h2::end_stream) +
                h2::headers(3, head_of("GET", "/status/404"), h2::end_stream));
    EXPECT_EQ(client.next_head(), "{:status=404|content-length=11}");
}

TEST(Http2SessionTest, RefusesMoreStreamsThanItsLimit) {
    origin server(plaintext_http2({.max_streams = 1}));
    frame_client client(server.port());
    client.send(h2::headers(1, head_of("GET", "/stall"), h2::end_stream) +
                h2::headers(3, head_of("GET", "/d/0"), h2::end_stream));
    const h2::seen_frame reset = client.next(h2::rst_stream_frame);
    EXPECT_EQ(reset.stream, 3U);
    EXPECT_EQ(reset.number_at(0, 4), NGHTTP2_REFUSED_STREAM);
    client.send(h2::settings_ack() + h2::headers(5, head_of("GET", "/d/0"), h2::end_stream));
    EXPECT_EQ(client.next(h2::goaway_frame).number_at(4, 4), NGHTTP2_PROTOCOL_ERROR);
}

TEST(Http2SessionTest, AResetEndsTheExchangeAndNothingElse) {
    origin server(plaintext_http2());
    std::atomic<int> gone = 0;
    server.on("/wait", [&gone](const request_view&, responder handle) {
        handle.on_gone([&gone] { ++gone; }).never_answer();
    });
    frame_client client(server.port());
    client.send(h2::headers(1, head_of("GET", "/wait"), h2::end_stream));
    ASSERT_TRUE(wait_for(server, [](const auto& now) { return now.requests_active == 1; }));
    client.send(h2::rst_stream(1, NGHTTP2_CANCEL) +
                h2::headers(3, head_of("GET", "/d/0"), h2::end_stream));
    client.next_head(3);
    EXPECT_EQ(client.body(3), "ok\n");
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(server.counters().requests_aborted, 1U);
    EXPECT_EQ(server.counters().streams_reset, 1U);
}

TEST(Http2SessionTest, TheLastRequestIsAnnouncedByGoaway) {
    origin_options options = plaintext_http2();
    options.max_requests_per_connection = 2;
    origin server(options);
    frame_client client(server.port());
    client.send(h2::headers(1, head_of("GET", "/d/0"), h2::end_stream) +
                h2::headers(3, head_of("GET", "/d/0"), h2::end_stream) +
                h2::headers(5, head_of("GET", "/d/0"), h2::end_stream));
    std::set<std::uint32_t> answered;
    for (h2::seen_frame frame = client.next(); frame.type != 255; frame = client.next()) {
        if (frame.type == h2::goaway_frame) {
            EXPECT_EQ(frame.number_at(0, 4), 3U);
        }
        if (frame.type == h2::headers_frame) answered.insert(frame.stream);
    }
    EXPECT_EQ(answered, (std::set<std::uint32_t>{1, 3}));
}

TEST(Http2SessionTest, DrainLetsAnswersFinish) {
    origin server(plaintext_http2());
    frame_client client(server.port());
    client.send(h2::headers(1, head_of("GET", "/d/100"), h2::end_stream));
    ASSERT_TRUE(wait_for(server, [](const auto& now) { return now.requests_active == 1; }));
    server.drain_all_connections();
    const h2::seen_frame goaway = client.next(h2::goaway_frame);
    EXPECT_EQ(goaway.number_at(0, 4), 1U);
    EXPECT_EQ(goaway.number_at(4, 4), NGHTTP2_NO_ERROR);
    client.next_head(1);
    EXPECT_EQ(client.body(1), "ok\n");
    EXPECT_EQ(client.next().type, 255U);
}

TEST(Http2SessionTest, CloseIsAGoawayBehindTheAnswer) {
    origin server(plaintext_http2());
    frame_client client(server.port());
    client.send(h2::headers(1, head_of("GET", "/no-keepalive"), h2::end_stream));
    client.next_head(1);
    EXPECT_EQ(client.next(h2::goaway_frame).number_at(0, 4), 1U);
}

TEST(Http2SessionTest, WhatIsNotHttp2IsCountedAndEndsTheConnection) {
    origin server(plaintext_http2());
    frame_client client(server.port());
    client.send(h2::data(1, "on a stream that was never opened"));
    EXPECT_NE(client.next(h2::goaway_frame).number_at(4, 4), NGHTTP2_NO_ERROR);
    EXPECT_EQ(server.counters().requests_bad, 1U);
}

// Bodies far larger than any buffer, both ways, on many streams at once.
TEST(Http2SessionTest, CarriesLargeBodiesForHearthsOwnClient) {
    origin server({.listen = {.alpn = {"h2"}}});
    hearth::config values;
    values.protocol = hearth::protocol_policy::http2_only;
    hearth::tls_options trust;
    trust.ca_pem = server.ca_pem();
    values.tls.profile = hearth::tls_profile::make(trust);
    hearth::client subject(values);
    std::vector<awaited_response> answers;
    for (int i = 0; i < 20; ++i) {
        hearth::request wanted;
        wanted.url = server.url(i % 2 == 0 ? "/bytes/1000000" : "/upload");
        if (i % 2 != 0) {
            wanted.method = "POST";
            wanted.body = std::string(1'000'000, 'x');
        }
        answers.push_back(begin_send(subject, std::move(wanted)));
    }
    for (std::size_t i = 0; i < answers.size(); ++i) {
        EXPECT_FALSE(answers[i].error()) << answers[i].value().failure.detail;
        const hearth::response& answer = answers[i].value();
        EXPECT_EQ(answer.status, 200);
        if (i % 2 == 0) {
            EXPECT_EQ(answer.body, pattern_octets(0, 1'000'000)) << i;
        } else {
            EXPECT_TRUE(answer.body.starts_with("1000000 ")) << answer.body;
        }
    }
    EXPECT_EQ(server.counters().connections_accepted, 1U);
}

}  // namespace
