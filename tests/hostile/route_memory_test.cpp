// The same, where a connection has more parts: handshakes on threads of their own, a caller who
// judges certificates, a proxy on the way, names from the system.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/ip/address_v4.hpp>
#include <stop_token>
#include <string>
#include <utility>

#include "hostile/thread_memory_fixture.hpp"
#include "hostile/tunnel_proxy.hpp"
#include "support/certificates.hpp"
#include "support/tls_server.hpp"

namespace hearth::hostile {
namespace {

namespace asio = boost::asio;

class HostileRouteMemoryTest : public HostileThreadMemoryTest {
protected:
    [[nodiscard]] config values() const { return config_for(*origin_, names_.address()); }

    /// First calls of a client with these values, and calls while its connection is warm.
    void starve_calls(const config& with) {
        const auto work = [&](client& subject) {
            const support::awaited_response first = support::begin_send(subject, get());
            const support::awaited_response second = support::begin_send(subject, get("br"));
            expect_result(first);
            expect_result(second);
            EXPECT_EQ(first.count(), 1U);
            EXPECT_EQ(second.count(), 1U);
        };
        starve(with, work, 2);
        starve(with, work, 3, [&](client& subject) { expect_answer(subject); });
    }
};

class HostileTlsRouteMemoryTest : public HostileRouteMemoryTest {};

TEST_P(HostileTlsRouteMemoryTest, HandshakesOnAThreadOfTheirOwn) {
    config with = values();
    with.handshake.threads = 1;
    starve_calls(with);
}

TEST_P(HostileTlsRouteMemoryTest, VerifierOfTheCaller) {
    tls_options options;
    options.ca_pem = origin_->ca_pem();
    std::atomic<int> asked{0};
    options.verify = [&](const peer_to_verify& who, const verification_answer& answer) {
        ++asked;
        who.is_accepted ? answer.accept() : answer.refuse("The rules refuse it.");
    };
    config with = values();
    with.tls.profile = tls_profile::make(options);
    starve_calls(with);
    EXPECT_GT(asked, 0);
}

TEST_P(HostileTlsRouteMemoryTest, TunnelOfAProxy) {
    const tunnel_proxy proxy(origin_->port());
    config with = values();
    with.proxy.for_https = {proxy_kind::http, "127.0.0.1", proxy.port(), "me", "secret", {}};
    starve_calls(with);
}

TEST_P(HostileTlsRouteMemoryTest, TunnelOfAProxyThatSpeaksTls) {
    const support::identity itself = support::issue(
        {.common_name = "proxy", .names = {"IP:127.0.0.1"}}, support::test_authority());
    const support::tls_server_context context(itself, {.alpn = {}});
    const tunnel_proxy proxy(origin_->port(), &context);
    tls_options options;
    options.ca_pem = support::test_authority().certificate_pem();
    config with = values();
    with.proxy.for_https = {proxy_kind::https,         "127.0.0.1", proxy.port(), "me", "secret",
                            tls_profile::make(options)};
    starve_calls(with);
}

TEST_P(HostileRouteMemoryTest, NamesOfTheSystem) {
    host_ = "localhost";
    config with = values();
    with.dns.servers = {};
    with.dns.resolver = resolver_kind::system;
    starve_calls(with);
}

TEST_P(HostileRouteMemoryTest, NamesOfAHook) {
    config with = values();
    with.dns.servers = {};
    with.dns.resolver = resolver_kind::custom;
    with.dns.hook = [](const std::string&, const std::stop_token&, const name_done& done) {
        name_result found;
        found.addresses = {asio::ip::address_v4::loopback()};
        done(std::move(found));
    };
    starve_calls(with);
}

INSTANTIATE_TEST_SUITE_P(Wire, HostileTlsRouteMemoryTest, ::testing::Values(wire::tls, wire::http2),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Wire, HostileRouteMemoryTest, ::testing::Values(wire::plain), name_of);

}  // namespace
}  // namespace hearth::hostile
