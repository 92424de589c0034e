// shard, proxies: scripted ones, so that each octet and each refusal is known. Real ones are in
// tests/interop.
#include <gtest/gtest.h>

#include "client/scripted.hpp"
#include "support/h2_frames.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using namespace std::string_literals;
using boost::system::error_code;

config through(proxy_kind kind, std::uint16_t port, const std::string& user = {}) {
    config values = one_thread();
    values.pool.dial_patience = 0ms;
    values.proxy.for_http = {kind, "127.0.0.1", port, user, user.empty() ? "" : "secret"};
    values.proxy.for_https = values.proxy.for_http;
    return values;
}

TEST(ShardProxyTest, PlaintextRequestsGoInAbsoluteForm) {
    testing::raw_origin proxy(plaintext_listen(),
                              {testing::expect_request(), testing::send(small_answer),
                               testing::expect_request(), testing::send(small_answer)});
    client subject(through(proxy_kind::http, proxy.port(), "me"));
    EXPECT_EQ(subject.send(get("http://origin.example/a?b=c")).body, "ok");
    const response got = subject.send(get("http://origin.example:81/"));
    EXPECT_EQ(got.body, "ok");
    EXPECT_EQ(got.connection.peer_address, "127.0.0.1:" + std::to_string(proxy.port()));
    const std::string first = proxy.received(0);
    EXPECT_EQ(first.find("GET http://origin.example/a?b=c HTTP/1.1\r\n"), 0U) << first;
    EXPECT_NE(first.find("Host: origin.example\r\n"), std::string::npos) << first;
    EXPECT_NE(first.find("proxy-authorization: Basic bWU6c2VjcmV0\r\n"), std::string::npos);
    // Another origin is another pool, even by the same proxy.
    EXPECT_EQ(proxy.received(1).find("GET http://origin.example:81/ HTTP/1.1\r\n"), 0U);
    expect_consistent(subject.stats());
}

TEST(ShardProxyTest, Socks5WithNameAndLogin) {
    testing::raw_origin proxy(
        plaintext_listen(),
        {testing::expect_octets(4), testing::send("\x05\x02"s), testing::expect_octets(11),
         testing::send("\x01\x00"s), testing::expect_octets(21),
         testing::send("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"s), testing::expect_request(),
         testing::send(small_answer)});
    client subject(through(proxy_kind::socks5h, proxy.port(), "me"));
    EXPECT_EQ(subject.send(get("http://origin.example/")).body, "ok");
    const std::string seen = proxy.received(0);
    EXPECT_EQ(seen.find("\x05\x02\x00\x02\x01\x02me\x06secret\x05\x01\x00\x03\x0eorigin.example"s),
              0U);
    EXPECT_NE(seen.find("GET / HTTP/1.1\r\n"), std::string::npos);
    EXPECT_NE(subject.stats().origins.front().origin.find(" via socks5h://127.0.0.1:"),
              std::string::npos);
}

TEST(ShardProxyTest, Socks5ResolvesHere) {
    testing::raw_origin proxy(
        plaintext_listen(),
        {testing::expect_octets(3), testing::send("\x05\x00"s), testing::expect_octets(10),
         testing::send("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"s), testing::expect_request(),
         testing::send(small_answer)});
    config values = through(proxy_kind::socks5, proxy.port());
    values.dns.overrides = {{"origin.example", 0, {"10.1.2.3"}}};
    client subject(values);
    EXPECT_EQ(subject.send(get("http://origin.example:80/")).body, "ok");
    EXPECT_NE(proxy.received(0).find("\x05\x01\x00\x01\x0a\x01\x02\x03\x00\x50"s),
              std::string::npos);
    error_code error;
    values.dns.servers = {"127.0.0.1:9"};
    values.timeouts.name = 200ms;
    client lost(values);
    (void)lost.send(get("http://other.example/"), error);
    EXPECT_TRUE(error);
    EXPECT_EQ(error, errc_condition::never_sent);
}

TEST(ShardProxyTest, RefusalIsTheErrorAtOnce) {
    testing::raw_origin proxy(
        plaintext_listen(), {testing::expect_request(),
                             testing::send("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")});
    config values = through(proxy_kind::http, proxy.port(), "me");
    values.pool.dial_patience = 60s;  // not waited out
    client subject(values);
    error_code error;
    const response got = subject.send(get("https://origin.example/"), error);
    EXPECT_EQ(error, errc::proxy_failed);
    EXPECT_NE(got.failure.dial_detail.find("status 407"), std::string::npos)
        << got.failure.dial_detail;
    EXPECT_EQ(got.failure.dial_detail.find("secret"), std::string::npos);
    EXPECT_EQ(got.failure.phase, phase::connect);
    EXPECT_EQ(proxy.received(0).find("CONNECT origin.example:443 HTTP/1.1\r\n"), 0U);
    EXPECT_EQ(proxy.received(0).find("GET"), std::string::npos);
}

TEST(ShardProxyTest, ProxyThatIsGoneSilentOrTalkativeFails) {
    const testing::script scripts[] = {
        {testing::expect_request(), testing::close()},
        {testing::expect_request(), testing::close(testing::close_kind::reset)},
        {testing::expect_request(), testing::send("HTTP/1.1 200 OK\r\n\r\nmore")},
        {testing::expect_request(), testing::send("SSH-2.0-x\r\n\r\n")},
    };
    for (const testing::script& script : scripts) {
        testing::raw_origin proxy(plaintext_listen(), script);
        client subject(through(proxy_kind::http, proxy.port()));
        error_code error;
        (void)subject.send(get("https://origin.example/"), error);
        EXPECT_EQ(error, errc::proxy_failed);
    }
    testing::raw_origin silent(plaintext_listen(), testing::script{testing::expect_request()});
    config values = through(proxy_kind::http, silent.port());
    values.timeouts.handshake = 100ms;
    client subject(values);
    error_code error;
    (void)subject.send(get("https://origin.example/"), error);
    EXPECT_EQ(error, errc_condition::timeout);
}

TEST(ShardProxyTest, NoProxyAndRouteGoAround) {
    testing::origin origin(plaintext());
    config values = through(proxy_kind::http, 1);
    values.proxy.no_proxy = {"127.0.0.1"};
    EXPECT_EQ(client(values).send(get(origin.url("/status/200"))).status, 200U);
    values.proxy.no_proxy.clear();
    client subject(values);
    request what = get(origin.url("/status/200"));
    error_code error;
    (void)subject.send(what, error);
    EXPECT_EQ(error, errc::connect_failed);
    what.route = route{.proxy = proxy{}};
    EXPECT_EQ(subject.send(what).status, 200U);
}

TEST(ShardProxyTest, Http2OnPlaintextGoesThroughATunnel) {
    namespace h2 = testing::h2;
    testing::raw_origin proxy(
        plaintext_listen(),
        {testing::expect_request(), testing::send("HTTP/1.1 200 Connected\r\n\r\n"),
         testing::expect_octets(24 + 9),
         testing::send(h2::settings() + h2::settings_ack() + h2::status(1, "200") +
                       h2::data(1, "ok", h2::end_stream))});
    config values = through(proxy_kind::http, proxy.port(), "me");
    values.protocol = protocol_policy::http2_only;
    client subject(values);
    const response got = subject.send(get("http://origin.example/a"));
    EXPECT_EQ(got.body, "ok");
    EXPECT_EQ(got.version, 20U);
    const std::string seen = proxy.received(0);
    EXPECT_EQ(seen.find("CONNECT origin.example:80 HTTP/1.1\r\n"), 0U) << seen;
    const std::size_t preface = seen.find("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    ASSERT_NE(preface, std::string::npos);
    // The credentials are the proxy's, not the origin's.
    EXPECT_EQ(seen.find("proxy-authorization", preface), std::string::npos);
}

TEST(ShardProxyTest, TlsToTheProxyCarriesRequestsInAbsoluteForm) {
    testing::raw_origin server({}, {testing::expect_request(), testing::send(small_answer),
                                    testing::expect_request(), testing::send(small_answer)});
    config values = through(proxy_kind::https, server.port(), "me");
    values.proxy.for_http.tls = trust(server.ca_pem());
    client subject(values);
    for (const bool is_reused : {false, true}) {
        const response got = subject.send(get("http://origin.example/a"));
        EXPECT_EQ(got.body, "ok");
        EXPECT_EQ(got.connection.reused, is_reused);
    }
    const std::string seen = server.received(0);
    EXPECT_EQ(seen.find("GET http://origin.example/a HTTP/1.1\r\n"), 0U) << seen;
    EXPECT_NE(seen.find("proxy-authorization: Basic bWU6c2VjcmV0\r\n"), std::string::npos);
    expect_consistent(subject.stats());
}

TEST(ShardProxyTest, TlsToTheProxyCarriesTunnels) {
    namespace h2 = testing::h2;
    testing::raw_origin server(
        {}, {testing::expect_request(), testing::send("HTTP/1.1 200 Connected\r\n\r\n"),
             testing::expect_octets(24 + 9),
             testing::send(h2::settings() + h2::settings_ack() + h2::status(1, "200") +
                           h2::data(1, "ok", h2::end_stream))});
    config values = through(proxy_kind::https, server.port());
    values.proxy.for_http.tls = trust(server.ca_pem());
    values.protocol = protocol_policy::http2_only;
    client subject(values);
    EXPECT_EQ(subject.send(get("http://origin.example/a")).body, "ok");
    const std::string seen = server.received(0);
    EXPECT_EQ(seen.find("CONNECT origin.example:80 HTTP/1.1\r\n"), 0U) << seen;
    EXPECT_NE(seen.find("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), std::string::npos);
    expect_consistent(subject.stats());
}

TEST(ShardProxyTest, AProxyWithTheWrongCertificateIsNotSpokenTo) {
    testing::raw_origin server({}, {testing::expect_request(), testing::send(small_answer)});
    const testing::certificate_authority stranger;
    for (const char* url : {"http://origin.example/", "https://origin.example/"}) {
        config values = through(proxy_kind::https, server.port());
        values.proxy.for_http.tls = trust(stranger.ca_pem());
        values.proxy.for_https.tls = values.proxy.for_http.tls;
        client subject(values);
        const awaited_response call = begin_send(subject, get(url));
        EXPECT_EQ(call.error(), errc::certificate_rejected) << url;
    }
    EXPECT_EQ(server.counters().requests, 0U);
}

TEST(ShardProxyTest, AProxyThatDoesNotSpeakTlsFailsTheDial) {
    testing::raw_origin server(plaintext_listen(),
                               {testing::expect_octets(1), testing::send(small_answer)});
    client subject(through(proxy_kind::https, server.port()));
    const awaited_response call = begin_send(subject, get("https://origin.example/"));
    EXPECT_EQ(call.error(), errc_condition::tls);
    const std::string& why = call.value().failure.dial_detail;
    EXPECT_NE(why.find("That is with the proxy, https://127.0.0.1:"), std::string::npos) << why;
}

}  // namespace
}  // namespace hearth
