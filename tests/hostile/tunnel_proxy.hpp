// A proxy for tests that carries octets to one port of this machine, on a thread of its own.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "support/tls_server.hpp"

namespace hearth::hostile {

/// An HTTP proxy that answers CONNECT and carries octets both ways to one port of this machine; it
/// speaks TLS itself if it has a context for that.
class tunnel_proxy {
public:
    explicit tunnel_proxy(std::uint16_t to, const support::tls_server_context* tls = nullptr)
        : to_(to), tls_(tls) {
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
        explicit tunnel(boost::asio::ip::tcp::socket from)
            : near(std::move(from)), far(near.get_executor()) {}
        boost::asio::ip::tcp::socket near;
        boost::asio::ip::tcp::socket far;
        std::optional<support::tls_server> tls;
        std::string head;
        bool is_carried_back = false;
        std::array<char, 16384> up{};
        std::array<char, 16384> down{};
    };
    using shared = std::shared_ptr<tunnel>;

    void accept() {
        listener_.async_accept(
            [this](boost::system::error_code error, boost::asio::ip::tcp::socket from) {
                if (error) return;
                from.set_option(boost::asio::ip::tcp::no_delay(true), error);
                auto made = std::make_shared<tunnel>(std::move(from));
                if (tls_ != nullptr) made->tls.emplace(*tls_);
                read_near(made);
                accept();
            });
    }

    void read_near(const shared& made) {
        made->near.async_read_some(
            boost::asio::buffer(made->up),
            [this, made](boost::system::error_code error, std::size_t size) {
                if (error || !take(*made, {made->up.data(), size})) return close(*made);
                if (made->far.is_open() && !std::exchange(made->is_carried_back, true)) {
                    read_far(made);
                }
                read_near(made);
            });
    }

    /// Carries octets of the client's on; false if it cannot.
    bool take(tunnel& through, std::string_view octets) {
        std::string plain(octets);
        boost::system::error_code error;
        if (through.tls) {
            through.tls->receive(octets);
            plain = through.tls->read();
            boost::asio::write(through.near, boost::asio::buffer(through.tls->take_output()),
                               error);
        }
        if (!error && through.far.is_open())
            boost::asio::write(through.far, boost::asio::buffer(plain), error);
        if (error || through.far.is_open()) return !error;
        through.head += plain;
        if (through.head.find("\r\n\r\n") == std::string::npos) return true;
        through.head.clear();
        through.far.connect({boost::asio::ip::address_v4::loopback(), to_}, error);
        if (!error) through.far.set_option(boost::asio::ip::tcp::no_delay(true), error);
        return !error && give(through, "HTTP/1.1 200 OK\r\n\r\n");
    }

    static bool give(tunnel& through, std::string_view octets) {
        std::string sent(octets);
        if (through.tls) {
            through.tls->write(octets);
            sent = through.tls->take_output();
        }
        boost::system::error_code error;
        boost::asio::write(through.near, boost::asio::buffer(sent), error);
        return !error;
    }

    static void read_far(const shared& made) {
        made->far.async_read_some(boost::asio::buffer(made->down),
                                  [made](boost::system::error_code error, std::size_t size) {
                                      if (error || !give(*made, {made->down.data(), size}))
                                          return close(*made);
                                      read_far(made);
                                  });
    }

    static void close(tunnel& through) {
        boost::system::error_code ignored;
        through.near.close(ignored);
        through.far.close(ignored);
    }

    const std::uint16_t to_;
    const support::tls_server_context* const tls_;
    boost::asio::io_context context_;
    boost::asio::ip::tcp::acceptor listener_{context_,
                                             {boost::asio::ip::address_v4::loopback(), 0}};
    std::thread thread_;
};

}  // namespace hearth::hostile
