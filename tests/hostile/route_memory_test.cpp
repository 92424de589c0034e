// The same, where a connection has more parts: handshakes on threads of their own, a caller who
// judges certificates, a proxy on the way, names from the system.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "hostile/thread_memory_fixture.hpp"

namespace hearth::hostile {
namespace {

using boost::system::error_code;
using tcp = boost::asio::ip::tcp;
namespace asio = boost::asio;

/// An HTTP proxy that answers CONNECT and carries octets both ways to one port of this machine.
class tunnel_proxy {
public:
    explicit tunnel_proxy(std::uint16_t to) : to_(to) {
        accept();
        thread_ = std::thread([this] { context_.run(); });
    }
    ~tunnel_proxy() {
        context_.stop();
        thread_.join();
    }
    tunnel_proxy(const tunnel_proxy&) = delete;
    tunnel_proxy& operator=(const tunnel_proxy&) = delete;

    [[nodiscard]] std::uint16_t port() const { return listener_.local_endpoint().port(); }

private:
    struct tunnel {
        explicit tunnel(tcp::socket from) : near(std::move(from)), far(near.get_executor()) {}
        tcp::socket near;
        tcp::socket far;
        asio::streambuf head;
        std::array<char, 16384> up{};
        std::array<char, 16384> down{};
    };
    using shared = std::shared_ptr<tunnel>;

    void accept() {
        listener_.async_accept([this](error_code error, tcp::socket from) {
            if (error) return;
            auto made = std::make_shared<tunnel>(std::move(from));
            asio::async_read_until(made->near, made->head, "\r\n\r\n",
                                   [this, made](error_code failed, std::size_t) {
                                       if (!failed) open(made);
                                   });
            accept();
        });
    }

    void open(const shared& made) {
        error_code error;
        made->far.connect({asio::ip::address_v4::loopback(), to_}, error);
        if (error) return;
        asio::write(made->near, asio::buffer(std::string("HTTP/1.1 200 OK\r\n\r\n")), error);
        if (error) return;
        carry(made, made->near, made->far, made->up);
        carry(made, made->far, made->near, made->down);
    }

    static void carry(const shared& made, tcp::socket& from, tcp::socket& to,
                      std::array<char, 16384>& through) {
        from.async_read_some(asio::buffer(through),
                             [made, &from, &to, &through](error_code error, std::size_t size) {
                                 error_code failed = error;
                                 if (!failed) asio::write(to, asio::buffer(through, size), failed);
                                 if (!failed) return carry(made, from, to, through);
                                 made->near.close(failed);
                                 made->far.close(failed);
                             });
    }

    const std::uint16_t to_;
    asio::io_context context_;
    tcp::acceptor listener_{context_, {asio::ip::address_v4::loopback(), 0}};
    std::thread thread_;
};

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
