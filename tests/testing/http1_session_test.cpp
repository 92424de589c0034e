// HTTP/1.1 on a connection: keep-alive, framing, limits, early answers, clients that go away.
#include "testing/http1_session.hpp"

#include <gtest/gtest.h>

#include "testing/plain_client.hpp"

namespace {

using namespace hearth::testing;
using hearth::support::plain_client;
using hearth::support::plain_response;
using hearth::support::stream_end;
using hearth::support::wait_for;

const origin_options plaintext{.listen = {.tls = false}};

TEST(Http1SessionTest, AnswersManyRequestsOnOneConnection) {
    origin server(plaintext);
    plain_client client(server.port());
    for (int i = 0; i < 100; ++i) EXPECT_EQ(client.get("/status/200").status, 200);
    EXPECT_EQ(server.counters().connections_accepted, 1U);
    EXPECT_EQ(server.counters().requests_completed, 100U);
}

TEST(Http1SessionTest, AnswersPipelinedRequestsInOrder) {
    origin server(plaintext);
    plain_client client(server.port());
    client.send(
        "GET /d/5 HTTP/1.1\r\nhost: x\r\n\r\nPOST /echo HTTP/1.1\r\nhost: x\r\n"
        "content-length: 3\r\n\r\nabcGET /status/404 HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_EQ(client.read_response().body, "ok\n");
    EXPECT_TRUE(client.read_response().body.ends_with("abc"));
    EXPECT_EQ(client.read_response().status, 404);
}

TEST(Http1SessionTest, AnswersManyPipelinedRequests) {
    origin server(plaintext);
    plain_client client(server.port());
    std::string text;
    for (int i = 0; i < 2000; ++i) text += "GET /d/0 HTTP/1.1\r\nhost: x\r\n\r\n";
    client.send(text);
    for (int i = 0; i < 2000; ++i) ASSERT_EQ(client.read_response().body, "ok\n");
}

TEST(Http1SessionTest, ReadsRequestsSplitAtEveryOctet) {
    origin server(plaintext);
    const std::string text =
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    plain_client client(server.port());
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
        client.send(std::string_view(text).substr(0, cut));
        client.send(std::string_view(text).substr(cut));
        EXPECT_TRUE(client.read_response().body.ends_with("\n\nab")) << cut;
    }
}

TEST(Http1SessionTest, HeadIsAnsweredWithoutABody) {
    origin server(plaintext);
    plain_client client(server.port());
    client.send("HEAD /bytes/1000 HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_TRUE(client.read_response(false).has("content-length: 1000\r\n"));
    client.send("HEAD /chunked/1000 HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_TRUE(client.read_response(false).has("transfer-encoding: chunked\r\n"));
    EXPECT_EQ(client.get("/status/204").status, 204);
    EXPECT_EQ(client.get("/d/0").body, "ok\n");
}

TEST(Http1SessionTest, ClosesWhenAsked) {
    origin server(plaintext);
    plain_client client(server.port());
    EXPECT_TRUE(client.get("/d/0", "connection: close\r\n").has("connection: close\r\n"));
    EXPECT_EQ(client.read_all(), "");
    EXPECT_EQ(client.end(), stream_end::clean);
}

TEST(Http1SessionTest, SpeaksHttp10) {
    origin server(plaintext);
    plain_client kept(server.port());
    for (int i = 0; i < 2; ++i) {
        kept.send("GET /d/0 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
        EXPECT_TRUE(kept.read_response().has("connection: keep-alive\r\n"));
    }
    kept.send("GET /chunked/1000 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    const plain_response response = kept.read_response();
    EXPECT_FALSE(response.has("transfer-encoding"));
    EXPECT_EQ(response.body, pattern_octets(0, 1000));
    EXPECT_TRUE(response.is_whole);
}

TEST(Http1SessionTest, TheLastAllowedRequestCloses) {
    origin server({.listen = {.tls = false}, .max_requests_per_connection = 2});
    plain_client client(server.port());
    EXPECT_FALSE(client.get("/d/0").has("connection: close"));
    EXPECT_TRUE(client.get("/d/0").has("connection: close"));
    client.read_all();
    EXPECT_EQ(client.end(), stream_end::clean);
}

TEST(Http1SessionTest, AnIdleConnectionIsClosed) {
    origin server({.listen = {.tls = false}, .idle_close = std::chrono::milliseconds{20}});
    plain_client client(server.port());
    EXPECT_EQ(client.get("/d/60").status, 200);  // longer than the limit, but not idle
    EXPECT_EQ(client.read_all(), "");
    EXPECT_EQ(client.end(), stream_end::clean);
    plain_client unused(server.port());
    EXPECT_EQ(unused.read_all(), "");
    EXPECT_EQ(unused.end(), stream_end::clean);
}

TEST(Http1SessionTest, RefusesWhatIsNotHttp) {
    origin server(plaintext);
    const std::string endless = "GET / HTTP/1.1\r\nhost: x\r\nx: " + std::string(70'000, 'a');
    for (const auto& [text, status] : std::initializer_list<std::pair<std::string, int>>{
             {"nonsense\r\n\r\n", 400},
             {"GET / HTTP/1.1\nhost: x\n\n", 400},
             {"GET / HTTP/1.1\r\n\r\n", 400},
             {"POST /d/0 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxx\r\n", 0},
             {"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxx\r\n", 400},
             {endless, 431}}) {
        plain_client client(server.port());
        client.send(text);
        // Status 0: the answer had begun, so only the connection can be ended.
        if (status != 0) {
            EXPECT_EQ(client.read_response().status, status) << text.substr(0, 20);
        }
        client.read_all();
        EXPECT_EQ(client.end(), stream_end::clean);
    }
    EXPECT_EQ(server.counters().requests_bad, 6U);
}

TEST(Http1SessionTest, AnEarlyAnswerKeepsTheConnectionAfterTheBody) {
    origin server(plaintext);
    plain_client client(server.port());
    client.send("POST /status/503 HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n01234");
    EXPECT_EQ(client.read_response().status, 503);
    client.send("56789GET /d/0 HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_EQ(client.read_response().body, "ok\n");
}

TEST(Http1SessionTest, AnEarlyAnswerToAClientThatWaitsFor100Closes) {
    origin server(plaintext);
    plain_client client(server.port());
    client.send(
        "POST /status/503 HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n"
        "expect: 100-continue\r\n\r\n");
    const plain_response response = client.read_response();
    EXPECT_EQ(response.status, 503);
    EXPECT_TRUE(response.has("connection: close\r\n"));
    EXPECT_EQ(client.read_all(), "");
}

TEST(Http1SessionTest, ABodyThatIsReadIsInvited) {
    origin server(plaintext);
    plain_client client(server.port());
    client.send(
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n");
    EXPECT_EQ(client.read_response().status, 100);
    client.send("abc");
    EXPECT_TRUE(client.read_response().body.ends_with("abc"));
}

TEST(Http1SessionTest, WorkForAClientThatWentAwayStops) {
    origin server(plaintext);
    for (const std::string target :
         {"/d/3600000", "/stall", "/bytes/1000000000000", "/drip/9/3600000"}) {
        const auto aborted = server.counters().requests_aborted;
        plain_client client(server.port());
        client.send("GET " + target + " HTTP/1.1\r\nhost: x\r\n\r\n");
        ASSERT_TRUE(wait_for(server, [](const auto& now) { return now.requests_active == 1; }));
        client.close();
        EXPECT_TRUE(wait_for(server, [&](const auto& now) {
            return now.requests_aborted == aborted + 1 && now.requests_active == 0 &&
                   now.connections_open == 0;
        })) << target;
    }
}

TEST(Http1SessionTest, ALargeAnswerNeedsNoMoreMemoryThanItsQueue) {
    origin server(plaintext);
    plain_client client(server.port());
    client.send("GET /bytes/1000000000000 HTTP/1.1\r\nhost: x\r\n\r\n");
    client.read_octets(1'000'000);
    // Nobody reads the rest: what was sent stays far below it.
    std::uint64_t last = 0;
    int unchanged = 0;
    EXPECT_TRUE(wait_for(server, [&](const auto& now) {
        unchanged = now.bytes_sent == last ? unchanged + 1 : 0;
        last = now.bytes_sent;
        return unchanged == 20;
    }));
    EXPECT_LT(last, 100'000'000U);
}

}  // namespace
