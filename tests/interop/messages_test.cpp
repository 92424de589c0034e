// What real servers say: framings, bodiless answers, informational answers, trailers, early
// refusals and upgrades.
#include <gtest/gtest.h>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <mutex>

#include "hearth/testing/origin.hpp"
#include "interop/servers.hpp"
#include "support/awaited.hpp"

namespace hearth::interop {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

TEST(InteropMessagesTest, SizedAndChunkedBodies) {
    const go_server server;
    const haproxy_server proxy(server.plain_port);
    client subject(client_config());
    for (const std::string& base : {server.plain(""), server.tls(""), proxy.tls("")}) {
        for (const std::size_t size : {0U, 1U, 300U, 100'000U, 3'000'000U}) {
            const std::string expected = testing::pattern_octets(0, size);
            const std::string n = std::to_string(size);
            EXPECT_EQ(subject.send(get(base + "/bytes?n=" + n)).body, expected);
            const response chunked = subject.send(get(base + "/chunked?n=" + n));
            EXPECT_EQ(chunked.body, expected);
            EXPECT_EQ(chunked.headers["transfer-encoding"], "chunked");
            const response up = subject.send(post(base + "/upload", expected));
            EXPECT_EQ(up.body, n + " true");
        }
    }
}

TEST(InteropMessagesTest, BodilessAnswersKeepTheConnection) {
    const go_server go;
    const nginx_server nginx;
    for (const served* server :
         {static_cast<const served*>(&go), static_cast<const served*>(&nginx)}) {
        client subject(client_config(1));
        request head = get(server->tls("/hello"));
        head.method = method::head;
        const response first = subject.send(std::move(head));
        EXPECT_EQ(first.status, 200U);
        EXPECT_EQ(first.body, "");
        EXPECT_EQ(subject.send(get(server->tls("/status/204"))).status, 204U);
        const response second = subject.send(get(server->tls("/status/304")));
        EXPECT_EQ(second.status, 304U);
        EXPECT_TRUE(second.connection.reused);
        EXPECT_TRUE(subject.send(get(server->tls("/hello"))).connection.reused);
        EXPECT_EQ(subject.stats().total().opened, 1U);
    }
}

TEST(InteropMessagesTest, EarlyHintsAreTold) {
    const go_server server;
    client subject(client_config());
    std::mutex mutex;
    std::string seen;
    request what = get(server.tls("/hints"));
    what.on_informational = [&](unsigned status, const headers& fields) {
        const std::lock_guard lock(mutex);
        seen += std::to_string(status) + " " + std::string(fields["link"]);
    };
    const response result = subject.send(std::move(what));
    EXPECT_EQ(result.body, "final");
    const std::lock_guard lock(mutex);
    EXPECT_EQ(seen, "103 </style.css>; rel=preload");
}

TEST(InteropMessagesTest, ContinueIsAwaited) {
    const go_server go;
    const nginx_server nginx({.upstream = go.plain_port});
    config values = client_config();
    values.http1.continue_timeout = 60s;  // only an answer releases the body
    client subject(values);
    for (const std::string& url :
         {go.tls("/upload"), go.plain("/upload"), nginx.tls("/up/upload")}) {
        request what = post(url, testing::pattern_octets(0, 200'000));
        what.expect_continue = true;
        bool continued = false;
        what.on_informational = [&](unsigned status, const headers&) {
            continued = continued || status == 100;
        };
        EXPECT_EQ(subject.send(std::move(what)).body, "200000 true") << url;
        EXPECT_TRUE(continued) << url;
    }
}

TEST(InteropMessagesTest, RefusalInPlaceOfContinue) {
    const go_server server;
    config values = client_config();
    values.http1.continue_timeout = 60s;
    client subject(values);
    request what = post(server.tls("/refuse"), std::string(1 << 20, 'x'));
    what.expect_continue = true;
    const std::uint64_t before = subject.stats().bytes_sent;
    EXPECT_EQ(subject.send(std::move(what)).status, 413U);
    EXPECT_LT(subject.stats().bytes_sent - before, 100'000U) << "the body stayed here";
    EXPECT_EQ(subject.send(get(server.tls("/hello"))).status, 200U);
}

TEST(InteropMessagesTest, EarlyAnswerWhileUploading) {
    const go_server server;
    client subject(client_config());
    for (int i = 0; i < 3; ++i) {
        error_code error;
        const response result =
            subject.send(post(server.plain("/refuse"), std::string(64 << 20, 'x')), error);
        // Go stops reading and closes; whether its answer survives the reset is the kernel's
        // choice.
        EXPECT_TRUE(result.status == 413 || error == errc_condition::peer_fault) << error.message();
    }
    EXPECT_EQ(subject.send(get(server.plain("/hello"))).status, 200U);
}

class InteropTrailersTest : public ::testing::TestWithParam<protocol_policy> {};

TEST_P(InteropTrailersTest, BothWays) {
    const go_server server;
    config values = client_config();
    values.protocol = GetParam();
    client subject(values);
    request what = post(server.tls("/trailers"), testing::pattern_octets(0, 1000));
    what.trailers.add("x-check", "abc");
    const response result = subject.send(std::move(what));
    EXPECT_EQ(result.body, "1000");
    EXPECT_EQ(result.trailers["x-echo"], "abc");
    EXPECT_EQ(result.trailers["x-late"], "unannounced");
    request streamed = post(server.tls("/trailers"), streamed_body{});
    // Go takes those of HTTP/2 only when it knows of them before.
    streamed.headers.add("trailer", "x-check");
    exchange x = open(subject, std::move(streamed));
    EXPECT_FALSE(begin_write(x, asio::buffer("abc", 3)).error());
    EXPECT_FALSE(finish(x, {{"x-check", "late"}}));
    error_code error;
    EXPECT_EQ(read_body(x, error), "3");
    EXPECT_EQ(error, asio::error::eof);
    EXPECT_EQ(x.trailers()["x-echo"], "late");
    x.close();
    EXPECT_TRUE(subject.send(get(server.tls("/hello"))).connection.reused);
}

INSTANTIATE_TEST_SUITE_P(Go, InteropTrailersTest,
                         ::testing::Values(protocol_policy::http1_only,
                                           protocol_policy::http2_only),
                         [](const auto& one) {
                             return std::string(one.param == protocol_policy::http1_only ? "Http1"
                                                                                         : "Http2");
                         });

TEST(InteropMessagesTest, CloseDelimitedAndOldVersions) {
    const go_server server;
    client subject(client_config());
    for (const std::string& base : {server.plain(""), server.tls("")}) {
        const response old = subject.send(get(base + "/http10"));
        EXPECT_EQ(old.version, 10U);
        EXPECT_EQ(old.body, "until the end");
        EXPECT_EQ(subject.send(get(base + "/until-close")).body, "until the end");
        error_code error;
        (void)subject.send(get(base + "/cut"), error);
        EXPECT_EQ(error, errc::peer_truncated);
    }
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }));
}

TEST(InteropMessagesTest, UpgradeHandsTheConnectionOver) {
    const go_server server;
    client subject(client_config());
    for (const std::string& url : {server.plain("/upgrade"), server.tls("/upgrade")}) {
        request what = get(url);
        what.headers.add("connection", "upgrade");
        what.headers.add("upgrade", "echo");
        exchange x = open(subject, std::move(what));
        EXPECT_EQ(read_head(x).value().status, 101U);
        stream raw = x.release_stream();
        std::string ahead(5, '\0');
        awaited_size first;
        asio::async_read(raw, asio::buffer(ahead), first.handler());
        EXPECT_FALSE(first.error());
        EXPECT_EQ(ahead, "ahead");
        const std::string sent = testing::pattern_octets(0, 1'000'000);
        std::string got(sent.size(), '\0');
        awaited_size written;
        asio::async_write(raw, asio::buffer(sent), written.handler());
        awaited_size received;
        asio::async_read(raw, asio::buffer(got), received.handler());
        EXPECT_FALSE(written.error());
        EXPECT_FALSE(received.error());
        EXPECT_EQ(got, sent);
        raw.close();
    }
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }));
}

}  // namespace
}  // namespace hearth::interop
