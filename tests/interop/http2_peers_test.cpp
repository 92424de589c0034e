// The same exchanges with every HTTP/2 server that the distribution has: many at once on one
// connection, large bodies, and callers that go away.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <random>
#include <string>
#include <vector>

#include "interop/http2_servers.hpp"
#include "support/awaited.hpp"

namespace hearth::interop {
namespace {

using namespace support;
using boost::system::error_code;

config http2_config() {
    config values = client_config();
    values.protocol = protocol_policy::automatic;
    return values;
}

std::uint64_t lost(const origin_stats& total) {
    return total.closed_by_reason[static_cast<std::size_t>(close_reason::peer)] +
           total.closed_by_reason[static_cast<std::size_t>(close_reason::peer_error)];
}

struct peer {
    const char* name;
    http2_server::command_maker command;
};

class Http2PeersTest : public ::testing::TestWithParam<peer> {};
class Http2CancelPeersTest : public ::testing::TestWithParam<peer> {};

TEST_P(Http2PeersTest, ManyExchangesShareConnections) {
    const http2_server server(GetParam().command);
    client subject(http2_config());
    std::vector<awaited_response> calls;
    for (int i = 0; i < 500; ++i) {
        calls.push_back(begin_send(subject, get(server.tls(i % 50 == 0 ? "/large" : "/hello"))));
    }
    for (std::size_t i = 0; i < calls.size(); ++i) {
        ASSERT_FALSE(calls[i].error()) << i << " " << calls[i].value().failure.detail;
        EXPECT_EQ(calls[i].value().version, 20U);
        EXPECT_EQ(calls[i].value().body.size(), i % 50 == 0 ? 1'000'000U : 5U);
    }
    // As many as the streams of 500 need at 100 each, and one that was begun meanwhile.
    EXPECT_LE(subject.stats().total().opened, 6U);
}

TEST_P(Http2CancelPeersTest, CallersThatGoAwayCostNoConnection) {
    const http2_server server(GetParam().command);
    client subject(http2_config());
    (void)subject.send(get(server.tls("/hello")));
    std::mt19937 random(11);
    std::atomic<int> late{0};
    constexpr int rounds = 20;
    constexpr int at_once = 50;
    for (int round = 0; round < rounds; ++round) {
        std::vector<awaited_response> calls;
        for (int i = 0; i < at_once; ++i) {
            request what = get(server.tls(i % 10 == 0 ? "/large" : "/hello"));
            if (i % 2 == 0) what.deadline = in(std::chrono::microseconds(random() % 5000));
            calls.push_back(begin_send(subject, std::move(what)));
        }
        for (std::size_t i = 0; i < calls.size(); ++i) {
            if (i % 2 != 0) {
                EXPECT_FALSE(calls[i].error()) << "a sibling: " << calls[i].value().failure.detail;
            } else if (calls[i].error()) {
                ++late;
            }
        }
    }
    EXPECT_GT(late, 0);
    EXPECT_EQ(lost(subject.stats().total()), 0U);
}

const peer nginx{"nginx", nginx_command};
const peer h2o{"h2o", h2o_command};
const peer nghttpd{"nghttpd", nghttpd_command};
const peer node{"node", node_command};
const peer apache{"apache", apache_command};

std::string name_of(const ::testing::TestParamInfo<peer>& one) { return one.param.name; }

INSTANTIATE_TEST_SUITE_P(Servers, Http2PeersTest,
                         ::testing::Values(nginx, h2o, nghttpd, node, apache), name_of);
// apache2's mod_http2 ends its connection when streams are reset that it is answering (its log says
// so: "The user callback function failed"), so siblings do fail there.
INSTANTIATE_TEST_SUITE_P(Servers, Http2CancelPeersTest,
                         ::testing::Values(nginx, h2o, nghttpd, node), name_of);

TEST(Http2ServersTest, HaproxySpeaksHttp2ForAServerThatDoesNot) {
    const go_server behind;
    const haproxy_server server(behind.plain_port, "h2,http/1.1");
    client subject(http2_config());
    std::vector<awaited_response> calls;
    for (int i = 0; i < 100; ++i) {
        calls.push_back(begin_send(subject, get(server.tls("/bytes?n=10000"))));
    }
    for (const awaited_response& call : calls) {
        ASSERT_FALSE(call.error()) << call.value().failure.detail;
        EXPECT_EQ(call.value().version, 20U);
        EXPECT_EQ(call.value().body.size(), 10'000U);
    }
    request upload;
    upload.method = method::post;
    upload.url = server.tls("/upload");
    upload.body = body(std::string(1'000'000, 'u'));
    const response sent = subject.send(std::move(upload));
    EXPECT_EQ(sent.body.substr(0, 8), "1000000 ");
}

TEST(Http2ServersTest, NodeSendsTrailersAndInformationalHeads) {
    const http2_server server(node_command);
    client subject(http2_config());
    const response with_trailers = subject.send(get(server.tls("/trailers")));
    EXPECT_EQ(with_trailers.body, "body");
    EXPECT_EQ(with_trailers.trailers.find("x-end"), "yes");
    std::vector<unsigned> informational;
    request early = get(server.tls("/early"));
    early.on_informational = [&](unsigned status, const headers&) {
        informational.push_back(status);
    };
    EXPECT_EQ(subject.send(std::move(early)).body, "final");
    EXPECT_EQ(informational, std::vector<unsigned>{103});
    request upload;
    upload.method = method::post;
    upload.url = server.tls("/upload");
    upload.body = body(std::string(2'000'000, 'u'));
    EXPECT_EQ(subject.send(std::move(upload)).body, "2000000");
    EXPECT_EQ(subject.stats().total().opened, 1U);
}

TEST(Http2ServersTest, NodeTakesConnectAndExtendedConnect) {
    const http2_server server(node_command);
    client subject(http2_config());
    for (const bool is_extended : {false, true}) {
        request what = get(server.tls("/chat"));
        what.method = method::connect;
        what.protocol = protocol_policy::http2_only;
        if (is_extended) what.connect_protocol = "websocket";
        if (!is_extended) what.target = "far.example:25";
        exchange x = open(subject, std::move(what));
        const response_head head = read_head(x).value();
        EXPECT_EQ(head.status, 200U);
        EXPECT_EQ(head.headers["x-protocol"], is_extended ? "websocket" : "none");
        stream raw = x.release_stream();
        const std::string sent = std::string(300'000, 'p');
        awaited_size written;
        boost::asio::async_write(raw, boost::asio::buffer(sent), written.handler());
        std::string got(sent.size(), '\0');
        awaited_size received;
        boost::asio::async_read(raw, boost::asio::buffer(got), received.handler());
        EXPECT_FALSE(written.error());
        EXPECT_FALSE(received.error());
        EXPECT_TRUE(got == sent);
    }
    EXPECT_EQ(subject.stats().total().opened, 1U);
}

}  // namespace
}  // namespace hearth::interop
