// What each built-in path answers.
#include "testing/builtin_paths.hpp"

#include <gtest/gtest.h>

#include "testing/plain_client.hpp"

namespace {

using hearth::support::plain_client;
using hearth::support::plain_response;
using hearth::support::stream_end;
using hearth::support::wait_for;
using hearth::testing::origin;
using hearth::testing::pattern_octets;

const hearth::testing::origin_options plaintext{.listen = {.tls = false}};

// "hello" and nothing, hashed by another implementation.
constexpr std::string_view hello_digest =
    "5 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n";
constexpr std::string_view empty_digest =
    "0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";

plain_response fetch(const std::string& target, const std::string& fields = "") {
    origin server(plaintext);
    plain_client client(server.port());
    return client.get(target, fields);
}

std::string post(std::string_view target, std::string_view body, std::string_view fields = "") {
    std::string text = "POST ";
    text.append(target).append(" HTTP/1.1\r\nhost: localhost\r\ncontent-length: ");
    text.append(std::to_string(body.size())).append("\r\n").append(fields).append("\r\n");
    return text.append(body);
}

TEST(BuiltinPathsTest, DelayAnswersAfterItsTime) {
    origin server(plaintext);
    plain_client client(server.port());
    for (const std::string target : {"/d/0", "/d/1", "/d/20"}) {
        const plain_response response = client.get(target);
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.body, "ok\n");
    }
}

TEST(BuiltinPathsTest, BytesSendsThePattern) {
    origin server(plaintext);
    plain_client client(server.port());
    for (const std::size_t size : {0U, 1U, 250U, 251U, 252U, 65'536U, 1'000'003U}) {
        const plain_response response = client.get("/bytes/" + std::to_string(size));
        EXPECT_TRUE(response.is_whole);
        EXPECT_TRUE(response.body == pattern_octets(0, size)) << size;
    }
}

TEST(BuiltinPathsTest, ChunkedSendsThePatternInChunks) {
    for (const std::size_t size : {0U, 1U, 200'000U}) {
        const plain_response response = fetch("/chunked/" + std::to_string(size));
        EXPECT_TRUE(response.has("transfer-encoding: chunked\r\n"));
        EXPECT_TRUE(response.is_whole);
        EXPECT_TRUE(response.body == pattern_octets(0, size)) << size;
    }
}

TEST(BuiltinPathsTest, ThePatternDependsOnTheOffsetOnly) {
    const std::string whole = pattern_octets(0, 300'000);
    EXPECT_EQ(static_cast<unsigned char>(whole[250]), 250);
    EXPECT_EQ(whole[251], 0);
    EXPECT_TRUE(pattern_octets(100'000, 70'000) == whole.substr(100'000, 70'000));
}

TEST(BuiltinPathsTest, DripSendsEveryOctet) {
    const plain_response response = fetch("/drip/5/1");
    EXPECT_TRUE(response.is_whole);
    EXPECT_EQ(response.body, pattern_octets(0, 5));
}

TEST(BuiltinPathsTest, StatusAnswersThatStatus) {
    origin server(plaintext);
    plain_client client(server.port());
    for (const int status : {200, 204, 304, 404, 500, 503, 799}) {
        EXPECT_EQ(client.get("/status/" + std::to_string(status)).status, status);
    }
}

TEST(BuiltinPathsTest, AnInformationalStatusPrecedesTheAnswer) {
    origin server(plaintext);
    plain_client client(server.port());
    EXPECT_EQ(client.get("/status/103").status, 103);
    EXPECT_EQ(client.read_response().status, 200);
    EXPECT_EQ(client.get("/status/101").status, 400);
}

TEST(BuiltinPathsTest, EchoGivesTheRequestBack) {
    origin server(plaintext);
    plain_client client(server.port());
    client.send(post("/echo?a=b", "body", "X-Case: Kept\r\n"));
    EXPECT_EQ(client.read_response().body,
              "POST /echo?a=b HTTP/1.1\nhost: localhost\ncontent-length: 4\nX-Case: Kept\n\nbody");
    client.send(
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n");
    EXPECT_TRUE(client.read_response().body.ends_with("\n\nabc\nx-sum: 7"));
}

TEST(BuiltinPathsTest, EchoRefusesABodyBeyondItsLimit) {
    origin server({.listen = {.tls = false}, .max_body_bytes = 10});
    plain_client client(server.port());
    client.send(post("/echo", "0123456789"));
    EXPECT_EQ(client.read_response().status, 200);
    client.send(post("/echo", "0123456789a"));
    const plain_response response = client.read_response();
    EXPECT_EQ(response.status, 413);
    EXPECT_TRUE(response.has("connection: close\r\n"));
}

TEST(BuiltinPathsTest, UploadAnswersLengthAndDigest) {
    origin server(plaintext);
    plain_client client(server.port());
    client.send(post("/upload", "hello"));
    EXPECT_EQ(client.read_response().body, hello_digest);
    client.send(post("/upload", ""));
    EXPECT_EQ(client.read_response().body, empty_digest);
    client.send(post("/upload", std::string(3'000'000, 'x')));
    EXPECT_TRUE(client.read_response().body.starts_with("3000000 "));
}

TEST(BuiltinPathsTest, ContinueInvitesTheBody) {
    origin server(plaintext);
    plain_client client(server.port());
    for (const std::string target : {"/continue", "/continue/5"}) {
        client.send("POST " + target +
                    " HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n");
        EXPECT_EQ(client.read_response().status, 100);
        client.send("hello");
        EXPECT_EQ(client.read_response().body, hello_digest);
    }
    client.send(post("/continue", "hello"));
    EXPECT_EQ(client.read_response().status, 417);
}

TEST(BuiltinPathsTest, TrailersFollowTheBody) {
    const plain_response response = fetch("/trailers");
    EXPECT_TRUE(response.is_whole);
    EXPECT_EQ(response.trailers, "x-checksum: 1234\r\nx-end: true\r\n");
}

TEST(BuiltinPathsTest, StallNeverAnswers) {
    origin server(plaintext);
    plain_client client(server.port());
    client.send("GET /stall HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_TRUE(wait_for(server, [](const auto& now) { return now.requests_active == 1; }));
    server.stop();
    EXPECT_EQ(client.read_all(), "");
    EXPECT_EQ(server.counters().requests_aborted, 1U);
}

TEST(BuiltinPathsTest, CutPathsEndAfterThatManyOctets) {
    origin server(plaintext);
    for (const std::size_t octets : {0U, 1U, 20U, 500U, 100'000U}) {
        plain_client client(server.port());
        client.send("GET /close-at/" + std::to_string(octets) + " HTTP/1.1\r\nhost: x\r\n\r\n");
        EXPECT_EQ(client.read_all().size(), octets);
        EXPECT_EQ(client.end(), stream_end::clean);
    }
    plain_client client(server.port());
    client.send("GET /reset-at/100 HTTP/1.1\r\nhost: x\r\n\r\n");
    client.read_all();
    EXPECT_EQ(client.end(), stream_end::reset);
}

TEST(BuiltinPathsTest, TruncationLeavesCloseNotifyOut) {
    origin server;
    hearth::support::client_tls tls(server.ca_pem());
    plain_client cut(server.port(), &tls);
    cut.send("GET /truncate-at/300 HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_EQ(cut.read_all().size(), 300U);
    EXPECT_EQ(cut.end(), stream_end::truncated);
    plain_client closed(server.port(), &tls);
    closed.send("GET /close-at/300 HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_EQ(closed.read_all().size(), 300U);
    EXPECT_EQ(closed.end(), stream_end::clean);
}

TEST(BuiltinPathsTest, NoKeepaliveCloses) {
    origin server(plaintext);
    plain_client client(server.port());
    const plain_response response = client.get("/no-keepalive");
    EXPECT_TRUE(response.is_whole);
    EXPECT_TRUE(response.has("connection: close\r\n"));
    EXPECT_EQ(client.read_all(), "");
    EXPECT_EQ(client.end(), stream_end::clean);
}

TEST(BuiltinPathsTest, UpgradeEchoesWhatFollows) {
    origin server(plaintext);
    plain_client client(server.port());
    client.send("GET /upgrade HTTP/1.1\r\nhost: x\r\nupgrade: echo\r\n\r\nread ahead");
    EXPECT_EQ(client.read_response().status, 101);
    EXPECT_EQ(client.read_octets(10), "read ahead");
    const std::string large = pattern_octets(0, 300'000);
    client.send("GET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(client.read_octets(18), "GET / HTTP/1.1\r\n\r\n");
    client.send(large);
    EXPECT_TRUE(client.read_octets(large.size()) == large);
    client.finish();
    EXPECT_EQ(client.read_all(), "");
    EXPECT_EQ(client.end(), stream_end::clean);
    EXPECT_EQ(fetch("/upgrade").status, 426);
}

TEST(BuiltinPathsTest, GarbageIsNotHttp) {
    origin server(plaintext);
    plain_client client(server.port());
    client.send("GET /garbage HTTP/1.1\r\nhost: x\r\n\r\n");
    const std::string text = client.read_all();
    EXPECT_FALSE(text.empty());
    EXPECT_NE(text.rfind("HTTP/", 0), 0U);
}

TEST(BuiltinPathsTest, RedirectCountsDown) {
    const plain_response response = fetch("/redirect/2");
    EXPECT_EQ(response.status, 302);
    EXPECT_TRUE(response.has("location: /redirect/1\r\n"));
    EXPECT_EQ(fetch("/redirect/0").status, 200);
}

TEST(BuiltinPathsTest, UnknownPathsAndBadNumbersAreRefused) {
    origin server(plaintext);
    plain_client client(server.port());
    for (const std::string target : {"/", "/nothing", "/D/5", "*"}) {
        EXPECT_EQ(client.get(target).status, 404) << target;
    }
    for (const std::string target :
         {"/d", "/d/", "/d/x", "/d/-1", "/d/1/2", "/d/99999999999999999999", "/drip/1",
          "/status/99", "/status/1000", "/bytes/1x", "/echo/1", "/redirect/1/2/3"}) {
        EXPECT_EQ(client.get(target).status, 400) << target;
    }
}

}  // namespace
