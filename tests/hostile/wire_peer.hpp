// A server on a real socket that does what a test tells it, octet for octet: in plaintext, or over
// plain OpenSSL (`support::tls_server`) whose records the test may hold back, cut, change or add
// to.
//
// Each connection is played on a thread of its own, by one function. Waiting ends when the client
// ends the connection or the peer is destroyed.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/tls_server.hpp"

namespace hearth::hostile {

class peer_connection {
public:
    /// `context` null: plaintext.
    peer_connection(const support::tls_server_context* context, int descriptor)
        : descriptor_(descriptor) {
        if (context != nullptr) server_.emplace(*context);
    }

    [[nodiscard]] support::tls_server& tls() { return *server_; }
    /// Waits for octets of the client, what it says under TLS if there is TLS; false at its end.
    [[nodiscard]] bool read(std::string& plain);
    /// Says something, under TLS if there is TLS; false when nobody listens any more.
    bool write(std::string_view plain);
    /// Waits for octets of the client; false when it has ended.
    [[nodiscard]] bool receive(std::string& octets);
    /// Receives, gives it to TLS and sends what TLS answers; false when there is no more.
    bool exchange();
    /// Runs the handshake to its end; false if there is none.
    bool handshake();
    /// Waits for the end of a request's head; false if none comes.
    bool await_request();
    /// Answers under TLS.
    void answer(std::string_view plain) { (void)write(plain); }
    /// Sends what TLS has to send.
    void flush() { send_wire(server_->take_output()); }
    /// Sends octets past TLS; false when nobody takes them any more.
    bool send_wire(std::string_view octets) const;
    /// True when octets, or the end, come in that time.
    [[nodiscard]] bool await_octets(std::chrono::milliseconds patience) const;
    /// Waits until the client has ended the connection.
    void await_end();

private:
    std::optional<support::tls_server> server_;
    int descriptor_;
};

class wire_peer {
public:
    using play = std::function<void(peer_connection&, std::uint64_t index)>;

    explicit wire_peer(play what) : wire_peer(nullptr, std::move(what)) {}
    wire_peer(const support::tls_server_context& context, play what)
        : wire_peer(&context, std::move(what)) {}
    ~wire_peer();
    wire_peer(const wire_peer&) = delete;
    wire_peer& operator=(const wire_peer&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] std::uint64_t accepted() const { return accepted_; }

private:
    wire_peer(const support::tls_server_context* context, play what);
    void accept_all();

    const support::tls_server_context* context_;
    play play_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<std::uint64_t> accepted_ = 0;
    std::mutex mutex_;
    bool is_stopping_ = false;
    std::vector<int> descriptors_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

/// Plays polite HTTP/1.1: a handshake, then a fixed answer to each request.
void play_politely(peer_connection& to);

}  // namespace hearth::hostile
