// HTTP/2 with real servers: one connection for many exchanges, bodies both ways, cancelled
// exchanges, and servers that end their connections.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <string>
#include <vector>

#include "interop/servers.hpp"
#include "support/awaited.hpp"

namespace hearth::interop {
namespace {

using namespace support;
using namespace std::chrono_literals;
using boost::system::error_code;

config http2_config_of(std::uint32_t threads = 2) {
    config values = client_config(threads);
    values.protocol = protocol_policy::automatic;
    return values;
}

/// `count` calls, at most `at_once` of them in flight; tells how many failed.
template <class Make, class Done>
void send_many(client& subject, int count, int at_once, Make make, Done done) {
    std::atomic<int> completed{0};
    int sent = 0;
    while (completed < count) {
        while (sent < count && sent - completed < at_once) {
            subject.async_send(make(sent), [&, sent](error_code error, const response& result) {
                done(sent, error, result);
                ++completed;
            });
            ++sent;
        }
        ::poll(nullptr, 0, 1);
    }
}

TEST(Http2Test, NginxServesManyExchangesOnOneConnection) {
    const nginx_server server({.http2 = true});
    client subject(http2_config_of());
    std::atomic<int> ok{0};
    send_many(
        subject, 2000, 100, [&](int) { return get(server.tls("/hello")); },
        [&](int, error_code error, const response& result) {
            EXPECT_FALSE(error) << result.failure.detail;
            if (result.version == 20 && result.body == "hello from nginx\n") ++ok;
        });
    EXPECT_EQ(ok, 2000);
    EXPECT_EQ(subject.stats().total().opened, 1U);
}

TEST(Http2Test, NginxMayEndItsConnectionsAsItLikes) {
    const nginx_server server({.keepalive_requests = 500, .http2 = true});
    client subject(http2_config_of());
    std::atomic<int> ok{0};
    send_many(
        subject, 5000, 50, [&](int) { return get(server.tls("/hello")); },
        [&](int, error_code error, const response& result) {
            EXPECT_FALSE(error) << error.message() << " " << result.failure.detail;
            if (result.status == 200) ++ok;
        });
    EXPECT_EQ(ok, 5000);
    EXPECT_GE(subject.stats().total().opened, 10U);
}

TEST(Http2Test, GoTakesAndGivesBodies) {
    const go_server server;
    client subject(http2_config_of());
    request upload;
    upload.method = method::post;
    upload.url = server.tls("/upload");
    upload.body = body(std::string(3'000'000, 'u'));
    const response sent = subject.send(std::move(upload));
    EXPECT_EQ(sent.status, 200U);
    EXPECT_EQ(sent.version, 20U);
    const response got = subject.send(get(server.tls("/bytes?n=5000000")));
    EXPECT_EQ(got.body.size(), 5'000'000U);
    EXPECT_EQ(subject.stats().total().opened, 1U);
}

TEST(Http2Test, CancelledExchangesCostNoConnection) {
    const go_server server;
    client subject(http2_config_of());
    (void)subject.send(get(server.tls("/hello")));
    std::mt19937 random(7);
    std::atomic<int> ok{0};
    std::atomic<int> late{0};
    send_many(
        subject, 5000, 50,
        [&](int number) {
            request what = get(server.tls("/bytes?n=20000"));
            if (number % 2 == 0) what.deadline = in(std::chrono::microseconds(random() % 3000));
            return what;
        },
        [&](int number, error_code error, const response& result) {
            if (number % 2 != 0) {
                EXPECT_FALSE(error) << "a sibling: " << result.failure.detail;
            }
            ++(error ? late : ok);
        });
    EXPECT_GE(ok, 2500);
    const origin_stats total = subject.stats().total();
    EXPECT_EQ(total.closed_by_reason[static_cast<std::size_t>(close_reason::peer)], 0U);
    EXPECT_EQ(total.closed_by_reason[static_cast<std::size_t>(close_reason::peer_error)], 0U);
    EXPECT_LE(total.opened, 3U);
}

}  // namespace
}  // namespace hearth::interop
