// The origin as its users see it: TLS, resumption, knobs, deploys, counters.
#include "hearth/testing/origin.hpp"

#include <gtest/gtest.h>
#include <openssl/x509_vfy.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "testing/plain_client.hpp"

namespace {

using namespace std::chrono_literals;
using namespace hearth::testing;
using hearth::support::client_tls;
using hearth::support::plain_client;
using hearth::support::plain_response;
using hearth::support::stream_end;
using hearth::support::wait_for;

const origin_options plaintext{.listen = {.tls = false}};

TEST(OriginTest, TheDefaultSpeaksVerifiedTls) {
    origin server;
    client_tls tls(server.ca_pem());
    plain_client client(server.port(), &tls);
    EXPECT_EQ(client.verify_result(), X509_V_OK);
    EXPECT_EQ(client.version(), TLS1_3_VERSION);
    EXPECT_EQ(client.get("/d/1").body, "ok\n");
    EXPECT_EQ(server.url("/x"), "https://127.0.0.1:" + std::to_string(server.port()) + "/x");
}

TEST(OriginTest, PlaintextHasNoAuthority) {
    origin server(plaintext);
    EXPECT_EQ(server.ca_pem(), "");
    EXPECT_EQ(server.url().rfind("http://", 0), 0U);
    plain_client client(server.port());
    EXPECT_EQ(client.get("/d/1").body, "ok\n");
}

TEST(OriginTest, ServesLargeBodiesOverTls) {
    origin server;
    client_tls tls(server.ca_pem());
    plain_client client(server.port(), &tls);
    EXPECT_TRUE(client.get("/bytes/3000000").body == pattern_octets(0, 3'000'000));
    client.send("POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n");
    client.send(std::string(3'000'000, 'x'));
    EXPECT_TRUE(client.read_response().body.starts_with("3000000 "));
}

TEST(OriginTest, ResumesSessions) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        origin server;
        client_tls tls(server.ca_pem());
        tls.use_versions(version, version);
        for (int i = 0; i < 3; ++i) {
            plain_client client(server.port(), &tls, true);
            EXPECT_EQ(client.get("/d/0").status, 200);
            EXPECT_EQ(client.is_resumed(), i > 0);
        }
        EXPECT_EQ(server.counters().handshakes_full, 1U);
        EXPECT_EQ(server.counters().handshakes_resumed, 2U);
    }
}

TEST(OriginTest, SendsAsManyTicketsAsAsked) {
    for (const unsigned tickets : {0U, 1U, 4U}) {
        origin server({.listen = {.tickets = tickets}});
        client_tls tls(server.ca_pem());
        plain_client client(server.port(), &tls);
        EXPECT_EQ(client.get("/d/0").status, 200);
        EXPECT_EQ(tls.tickets(), static_cast<int>(tickets));
    }
}

TEST(OriginTest, WithoutTicketsNothingIsResumed) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        origin server({.listen = {.tickets = 0}});
        client_tls tls(server.ca_pem());
        tls.use_versions(version, version);
        for (int i = 0; i < 2; ++i) {
            plain_client client(server.port(), &tls, true);
            EXPECT_EQ(client.get("/d/0").status, 200);
        }
        EXPECT_EQ(server.counters().handshakes_full, 2U);
    }
}

TEST(OriginTest, KeepsToItsVersions) {
    origin server({.listen = {.minimum_version = hearth::tls_version::tls_1_3}});
    client_tls old(server.ca_pem());
    old.use_versions(TLS1_2_VERSION, TLS1_2_VERSION);
    const plain_client refused(server.port(), &old);
    EXPECT_FALSE(refused.is_connected());
    EXPECT_TRUE(wait_for(server, [](const auto& now) { return now.handshakes_failed == 1; }));
    origin other({.listen = {.maximum_version = hearth::tls_version::tls_1_2}});
    client_tls any(other.ca_pem());
    const plain_client client(other.port(), &any);
    EXPECT_EQ(client.version(), TLS1_2_VERSION);
}

TEST(OriginTest, ChoosesItsFirstCommonProtocol) {
    origin server({.listen = {.alpn = {"h2", "http/1.1"}}});
    client_tls tls(server.ca_pem());
    EXPECT_EQ(plain_client(server.port(), &tls).protocol(), "");
    tls.offer("\x08http/1.1\x02h2");
    EXPECT_EQ(plain_client(server.port(), &tls).protocol(), "h2");
    tls.offer("\x08http/1.1");
    EXPECT_EQ(plain_client(server.port(), &tls).protocol(), "http/1.1");
    tls.offer("\x03xyz");
    EXPECT_EQ(plain_client(server.port(), &tls).protocol(), "");
}

TEST(OriginTest, RequiresClientCertificates) {
    const certificate_authority clients(key_type::ecdsa_p256, "clients");
    origin server({.listen = {.client_ca_pem = clients.ca_pem()}});
    const auto status_with = [&](const certificate* own) {
        client_tls tls(server.ca_pem());
        if (own != nullptr) tls.use_certificate(*own);
        plain_client client(server.port(), &tls);
        return client.get("/d/0").status;
    };
    const certificate good = clients.issue({.client_auth = true});
    const certificate wrong = certificate_authority().issue({.client_auth = true});
    EXPECT_EQ(status_with(&good), 200);
    EXPECT_EQ(status_with(&wrong), 0);
    EXPECT_EQ(status_with(nullptr), 0);
    EXPECT_EQ(server.counters().handshakes_full, 1U);
    EXPECT_EQ(server.counters().handshakes_failed, 2U);
}

TEST(OriginTest, RefusesOptionsThatMakeNoSense) {
    const auto make = [](const listen_options& options) { origin server({.listen = options}); };
    EXPECT_THROW(make({.threads = 0}), std::invalid_argument);
    EXPECT_THROW(make({.bind_address = "localhost"}), std::invalid_argument);
    EXPECT_THROW(make({.tickets = 17}), std::invalid_argument);
    EXPECT_THROW(make({.alpn = {""}}), std::invalid_argument);
    EXPECT_THROW(make({.server_certificate = certificate{"x", "y", "z"}}), std::runtime_error);
    EXPECT_THROW(make({.client_ca_pem = "nonsense"}), std::runtime_error);
    EXPECT_THROW(make({.bind_address = "203.0.113.1"}), std::system_error);
    origin server(plaintext);
    EXPECT_THROW(make({.tls = false, .port = server.port()}), std::system_error);
}

TEST(OriginTest, AllThreadsServe) {
    origin server({.listen = {.threads = 3}});
    client_tls tls(server.ca_pem());
    std::mutex mutex;
    std::vector<std::thread::id> threads;
    server.on("/who", [&](const request_view&, responder answer) {
        const std::lock_guard lock(mutex);
        threads.push_back(std::this_thread::get_id());
        answer.answer({});
    });
    std::vector<std::unique_ptr<plain_client>> clients;
    for (int i = 0; i < 6; ++i) {
        clients.push_back(std::make_unique<plain_client>(server.port(), &tls));
        EXPECT_EQ(clients.back()->get("/who").status, 200);
    }
    const std::lock_guard lock(mutex);
    ASSERT_EQ(threads.size(), 6U);
    EXPECT_NE(threads[0], threads[1]);
    EXPECT_NE(threads[1], threads[2]);
    EXPECT_EQ(threads[0], threads[3]);
    EXPECT_EQ(server.counters().connections_open, 6U);
}

TEST(OriginTest, ARestartKeepsThePortAndClosesConnections) {
    origin server;
    client_tls tls(server.ca_pem());
    for (int i = 0; i < 5; ++i) {
        plain_client before(server.port(), &tls, true);
        EXPECT_EQ(before.get("/d/0").status, 200);
        server.restart();
        EXPECT_EQ(server.counters().connections_open, 0U);
        EXPECT_EQ(before.read_all(), "");
        EXPECT_EQ(before.end(), stream_end::clean);
    }
    plain_client after(server.port(), &tls, true);
    EXPECT_EQ(after.get("/d/0").status, 200);
    EXPECT_TRUE(after.is_resumed());
}

TEST(OriginTest, ADeployRefusesConnectionsUntilItIsOver) {
    origin server(plaintext);
    server.restart(1h);
    EXPECT_FALSE(plain_client(server.port()).is_connected());
    server.restart();
    EXPECT_TRUE(plain_client(server.port()).is_connected());
}

TEST(OriginTest, RefusesConnectionsWhileToldTo) {
    origin server(plaintext);
    plain_client open(server.port());
    EXPECT_EQ(open.get("/d/0").status, 200);
    server.set_refusing(true);
    EXPECT_FALSE(plain_client(server.port()).is_connected());
    EXPECT_EQ(open.get("/d/0").status, 200);
    server.set_refusing(false);
    plain_client fresh(server.port());
    EXPECT_EQ(fresh.get("/d/0").status, 200);
}

TEST(OriginTest, ASilentOriginAcceptsAndSaysNothing) {
    origin server(plaintext);
    server.set_silent(true);
    plain_client silent(server.port());
    silent.send("GET /d/0 HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_TRUE(wait_for(server, [](const auto& now) { return now.connections_open == 1; }));
    server.set_silent(false);
    plain_client served(server.port());
    EXPECT_EQ(served.get("/d/0").status, 200);
    EXPECT_EQ(server.counters().requests, 1U);
    silent.close();
    EXPECT_TRUE(wait_for(server, [](const auto& now) { return now.connections_open == 1; }));
}

TEST(OriginTest, ClosesAllConnectionsAsAsked) {
    origin server(plaintext);
    for (const auto& [kind, end] : {std::pair{close_kind::clean, stream_end::clean},
                                    std::pair{close_kind::reset, stream_end::reset}}) {
        plain_client client(server.port());
        EXPECT_EQ(client.get("/d/0").status, 200);
        server.close_all_connections(kind);
        client.read_all();
        EXPECT_EQ(client.end(), end);
    }
}

TEST(OriginTest, AStallHoldsAnswersAndThenLetsThemGo) {
    origin server(plaintext);
    server.stall(50ms);
    plain_client client(server.port());
    client.send("GET /bytes/100000 HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_TRUE(wait_for(server, [](const auto& now) { return now.requests_active == 1; }));
    EXPECT_TRUE(client.read_response().is_whole);
    EXPECT_EQ(client.get("/d/0").status, 200);
}

TEST(OriginTest, AStalledAnswerIsNotSentAndCanBeAbandoned) {
    origin server(plaintext);
    server.stall(1h);
    plain_client client(server.port());
    client.send("GET /d/0 HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_TRUE(wait_for(server, [](const auto& now) { return now.requests_active == 1; }));
    EXPECT_EQ(server.counters().bytes_sent, 0U);
    client.close();
    EXPECT_TRUE(wait_for(server, [](const auto& now) { return now.requests_aborted == 1; }));
}

TEST(OriginTest, ASlowWindowDelaysOnlyTheRequestsReadInIt) {
    origin server(plaintext);
    server.stall(1h, 1h);
    plain_client slow(server.port());
    slow.send("GET /d/0 HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_TRUE(wait_for(server, [](const auto& now) { return now.requests_active == 1; }));
    server.stall(0ms, 0ms);
    plain_client quick(server.port());
    EXPECT_EQ(quick.get("/d/0").status, 200);
    EXPECT_EQ(server.counters().requests_active, 1U);
}

TEST(OriginTest, LatencyAppliesToEveryAnswer) {
    origin server(plaintext);
    plain_client client(server.port());
    server.set_latency(1ms);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(client.get("/d/0").status, 200);
    server.set_latency(1h);
    client.send("GET /d/0 HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_TRUE(wait_for(server, [](const auto& now) { return now.requests_active == 1; }));
    server.set_latency(0ms);
    plain_client other(server.port());
    EXPECT_EQ(other.get("/d/0").status, 200);
}

TEST(OriginTest, CountsWhatHappens) {
    origin server(plaintext);
    {
        plain_client first(server.port());
        plain_client second(server.port());
        EXPECT_EQ(first.get("/d/0").status, 200);
        EXPECT_EQ(second.get("/d/0").status, 200);
        second.send("GET /stall HTTP/1.1\r\nhost: x\r\n\r\n");
        EXPECT_TRUE(wait_for(server, [](const auto& now) { return now.requests == 3; }));
    }
    EXPECT_TRUE(wait_for(server, [](const auto& now) { return now.connections_open == 0; }));
    const origin_counters counted = server.counters();
    EXPECT_EQ(counted.connections_accepted, 2U);
    EXPECT_EQ(counted.connections_peak, 2U);
    EXPECT_EQ(counted.requests_completed, 2U);
    EXPECT_EQ(counted.requests_aborted, 1U);
    EXPECT_GT(counted.bytes_sent, 0U);
    EXPECT_GT(counted.bytes_received, 0U);
}

TEST(OriginTest, StopsFromAnyThreadAndOnlyOnce) {
    origin server;
    client_tls tls(server.ca_pem());
    plain_client client(server.port(), &tls);
    client.send("GET /d/3600000 HTTP/1.1\r\nhost: x\r\n\r\n");
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back([&] { server.stop(); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_FALSE(plain_client(server.port()).is_connected());
    server.restart();
    server.close_all_connections();
    EXPECT_EQ(server.counters().connections_open, 0U);
}

TEST(OriginTest, AHandlerMayCloseAllConnections) {
    origin server({.listen = {.tls = false, .threads = 2}});
    server.on("/bye",
              [&](const request_view&, const responder&) { server.close_all_connections(); });
    for (int i = 0; i < 4; ++i) {
        plain_client client(server.port());
        client.send("GET /bye HTTP/1.1\r\nhost: x\r\n\r\n");
        EXPECT_EQ(client.read_all(), "");
    }
}

TEST(OriginTest, WatchReportsUntilItEnds) {
    origin server(plaintext);
    std::atomic<int> calls{0};
    std::promise<void> often;
    server.watch(1ms, [&](const origin_counters&) {
        if (++calls == 3) often.set_value();
    });
    EXPECT_EQ(often.get_future().wait_for(10s), std::future_status::ready);
    server.watch(1ms, {});
    const int last = calls;
    plain_client client(server.port());
    EXPECT_EQ(client.get("/d/20").status, 200);
    EXPECT_EQ(calls, last);
    EXPECT_THROW(server.watch(0ms, [](const origin_counters&) {}), std::invalid_argument);
}

TEST(OriginTest, CarriesManyConnectionsAtOnce) {
    origin server;
    client_tls tls(server.ca_pem());
    std::vector<std::unique_ptr<plain_client>> clients;
    for (int i = 0; i < 200; ++i) {
        clients.push_back(std::make_unique<plain_client>(server.port(), &tls, true));
        clients.back()->send("GET /d/1 HTTP/1.1\r\nhost: x\r\n\r\n");
    }
    for (const auto& client : clients) EXPECT_EQ(client->read_response().status, 200);
    EXPECT_EQ(server.counters().connections_peak, 200U);
}

}  // namespace
