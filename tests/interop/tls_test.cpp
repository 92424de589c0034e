// TLS of the servers: versions, keys, resumption and client certificates.
#include <gtest/gtest.h>

#include "interop/servers.hpp"
#include "support/awaited.hpp"

namespace hearth::interop {
namespace {

using boost::system::error_code;

struct tls_case {
    tls_version version;
    testing::key_type key;
};
constexpr tls_case all_cases[] = {{tls_version::tls_1_2, testing::key_type::ecdsa_p256},
                                  {tls_version::tls_1_2, testing::key_type::rsa_2048},
                                  {tls_version::tls_1_3, testing::key_type::ecdsa_p256},
                                  {tls_version::tls_1_3, testing::key_type::rsa_2048}};

std::string name_of(tls_version version) {
    return version == tls_version::tls_1_2 ? "TLSv1.2" : "TLSv1.3";
}

// Each request on a connection of its own: the first handshake is full, the others resume.
void expect_resumption(client& subject, const std::string& url, const tls_case& one) {
    for (int i = 0; i < 4; ++i) {
        request what = get(url);
        what.headers.add("connection", "close");
        const response result = subject.send(std::move(what));
        EXPECT_EQ(result.status, 200U);
        EXPECT_EQ(result.connection.tls_version, name_of(one.version));
        EXPECT_EQ(result.connection.tls_resumed, i != 0) << "connection " << i;
    }
    const origin_stats total = subject.stats().total();
    EXPECT_EQ(total.handshakes_full, 1U);
    EXPECT_EQ(total.handshakes_resumed, 3U);
    EXPECT_EQ(total.handshakes_failed, 0U);
}

TEST(InteropTlsTest, NginxFullAndResumed) {
    for (const tls_case& one : all_cases) {
        const nginx_server server({.key = one.key, .version = one.version});
        client subject(client_config());
        expect_resumption(subject, server.tls("/hello"), one);
    }
}

TEST(InteropTlsTest, GoFullAndResumed) {
    for (const tls_case& one : all_cases) {
        const go_server server({.version = one.version, .key = one.key});
        client subject(client_config());
        expect_resumption(subject, server.tls("/hello"), one);
    }
}

TEST(InteropTlsTest, HaproxyAndApacheFullAndResumed) {
    const go_server behind;
    const haproxy_server haproxy(behind.plain_port);
    client first(client_config());
    expect_resumption(first, haproxy.tls("/hello"), all_cases[2]);
    const apache_server apache;
    client second(client_config());
    expect_resumption(second, apache.tls("/hello"), all_cases[2]);
}

TEST(InteropTlsTest, ResumptionCanBeTurnedOff) {
    const nginx_server server;
    tls_options options;
    options.ca_pem = authority().ca_pem();
    options.session_resumption = false;
    config values = client_config();
    values.tls.profile = tls_profile::make(options);
    client subject(values);
    for (int i = 0; i < 3; ++i) {
        request what = get(server.tls("/hello"));
        what.headers.add("connection", "close");
        EXPECT_FALSE(subject.send(std::move(what)).connection.tls_resumed);
    }
    EXPECT_EQ(subject.stats().total().handshakes_full, 3U);
}

TEST(InteropTlsTest, ForeignAuthorityIsRejected) {
    const nginx_server server;
    const testing::certificate_authority other;
    tls_options options;
    options.ca_pem = other.ca_pem();
    config values = client_config();
    values.tls.profile = tls_profile::make(options);
    client subject(values);
    error_code error;
    const response result = subject.send(get(server.tls("/hello")), error);
    EXPECT_EQ(error, errc::certificate_rejected);
    EXPECT_EQ(result.failure.phase, phase::handshake);
    EXPECT_EQ(subject.stats().total().handshakes_failed, 1U);
}

TEST(InteropTlsTest, VersionTheServerDoesNotSpeak) {
    const nginx_server server({.version = tls_version::tls_1_2});
    tls_options options;
    options.ca_pem = authority().ca_pem();
    options.minimum_version = tls_version::tls_1_3;
    config values = client_config();
    values.tls.profile = tls_profile::make(options);
    values.pool.dial_patience = std::chrono::milliseconds(0);
    client subject(values);
    error_code error;
    (void)subject.send(get(server.tls("/hello")), error);
    EXPECT_EQ(error, errc::handshake_failed) << error.message();
}

// Client certificates.

std::shared_ptr<const tls_profile> identity(const std::string& name) {
    const testing::certificate own = authority().issue({.names = {name}, .client_auth = true});
    tls_options options;
    options.ca_pem = authority().ca_pem();
    options.certificate_pem = own.chain_pem;
    options.private_key_pem = own.key_pem;
    return tls_profile::make(options);
}

TEST(InteropTlsTest, NginxSeesTheClientCertificate) {
    for (const auto version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
        const nginx_server server({.version = version, .client_certificate = true});
        client subject(client_config());
        EXPECT_EQ(subject.send(get(server.tls("/who"))).status, 400U);
        request known = get(server.tls("/who"));
        known.tls = identity("service-a");
        const response result = subject.send(known);
        EXPECT_EQ(result.status, 200U);
        EXPECT_NE(result.body.find("service-a"), std::string::npos) << result.body;
        EXPECT_FALSE(result.connection.reused) << "connections are never shared between profiles";
        known.headers.add("connection", "close");
        (void)subject.send(known);
        const response resumed = subject.send(known);
        EXPECT_TRUE(resumed.connection.tls_resumed);
        EXPECT_NE(resumed.body.find("service-a"), std::string::npos) << "resumed as the same";
    }
}

TEST(InteropTlsTest, GoRequiresTheClientCertificate) {
    for (const auto version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
        const go_server server({.version = version, .client_certificate = true});
        config values = client_config();
        values.pool.dial_patience = std::chrono::milliseconds(0);
        client subject(values);
        error_code error;
        (void)subject.send(get(server.tls("/hello")), error);
        // With TLS 1.3 the server's verdict comes after our handshake is complete.
        EXPECT_TRUE(error == errc_condition::tls || error == errc::peer_closed ||
                    error == errc::peer_reset)
            << error.message();
        request known = get(server.tls("/hello"));
        known.tls = identity("service-b");
        EXPECT_EQ(subject.send(std::move(known)).body, "hello HTTP/1.1service-b");
    }
}

}  // namespace
}  // namespace hearth::interop
