// `connection`: one accepted socket, from the handshake to the last octet, and the protocol on it.
//
// The connection knows readiness, TLS, output and the ways to end; what the octets mean is the
// protocol's business. Its life: silent | handshaking -> open -> closing (output still leaves) ->
// lingering (FIN sent, input thrown away so that no RST destroys what the client has not read) ->
// closed. Everything runs on the worker's thread. The worker owns it until it is closed; then
// whoever is still in one of its functions does.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "testing/transport.hpp"
#include "testing/worker.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

using asio::ip::tcp;
using clock = std::chrono::steady_clock;

/// What is spoken on a connection. Each function may close it; nothing else is called then but
/// `on_closed`. The object lives as long as the connection.
class protocol {
public:
    protocol() = default;
    protocol(const protocol&) = delete;
    protocol& operator=(const protocol&) = delete;
    virtual ~protocol() = default;
    /// The connection can be used.
    virtual void on_open() = 0;
    /// Octets arrived; the view dies on return.
    virtual void on_bytes(std::string_view bytes) = 0;
    /// Everything queued was sent, after `want_room`.
    virtual void on_room() = 0;
    /// The client ended its side; nothing more will arrive.
    virtual void on_end() = 0;
    /// Ends the connection once what is in progress was answered.
    virtual void on_drain() = 0;
    /// The connection is gone; it must not be used any more.
    virtual void on_closed() = 0;
};

/// What a connection needs from the origin it belongs to.
class connection_host {
public:
    connection_host() = default;
    connection_host(const connection_host&) = delete;
    connection_host& operator=(const connection_host&) = delete;
    virtual ~connection_host() = default;
    [[nodiscard]] virtual const tls_context* tls() const = 0;
    [[nodiscard]] virtual counter_block& counts() = 0;
    [[nodiscard]] virtual bool is_silent() const = 0;
    [[nodiscard]] virtual std::unique_ptr<protocol> make_protocol(connection& owner) = 0;
};

class connection : public std::enable_shared_from_this<connection> {
public:
    connection(connection_host& host, worker& home, tcp::socket socket, std::uint64_t index);

    void start();

    // For the protocol.
    [[nodiscard]] bool is_open() const { return state_ == state::open; }
    [[nodiscard]] std::uint64_t index() const { return index_; }
    [[nodiscard]] bool is_resumed() const { return transport_.is_resumed(); }
    [[nodiscard]] worker& home() { return worker_; }
    [[nodiscard]] counter_block& counts() { return host_.counts(); }
    [[nodiscard]] transport& wire() { return transport_; }
    /// Queues octets; `flush` sends them.
    void send(std::string_view bytes);
    void flush();
    [[nodiscard]] std::size_t queued_bytes() const { return output_.size() - sent_bytes_; }
    /// `on_room` will be called once everything queued was sent.
    void want_room() { wants_room_ = true; }
    void pause_reading() { is_paused_ = true; }
    void resume_reading();
    /// No input is read any more; what is queued is sent, then the connection ends.
    void close_when_sent(close_kind kind);
    /// Lets the protocol end it once what is in progress was answered.
    void drain();
    /// Ends the connection at once, whatever is queued.
    void close_now(close_kind kind);

    // For the worker.
    [[nodiscard]] std::size_t index_in_worker() const { return index_in_worker_; }
    void set_index_in_worker(std::size_t index) { index_in_worker_ = index; }

private:
    enum class state : std::uint8_t { silent, handshaking, open, closing, lingering, closed };

    void step_handshake();
    void become_open();
    void arm_read();
    void arm_write();
    void on_readable();
    void read_some();
    void continue_reading(bool is_drained);
    void on_peer_end();
    /// Sends what it can, `budget` octets at most; returns false when it must come back later.
    bool write_queued(std::size_t& budget);
    void post_flush();
    void release_sent();
    void finish_close();
    void discard_input();
    void drop();

    connection_host& host_;
    worker& worker_;
    tcp::socket socket_;
    transport transport_;
    std::unique_ptr<protocol> protocol_;
    std::optional<asio::steady_timer> timer_;  // bounds lingering
    std::string output_;
    std::size_t sent_bytes_ = 0;  // of output_
    std::uint64_t index_;
    std::size_t index_in_worker_ = 0;
    state state_ = state::handshaking;
    close_kind end_ = close_kind::clean;
    bool is_read_armed_ = false;
    bool is_write_armed_ = false;
    bool is_reading_ = false;
    bool is_flushing_ = false;
    bool is_paused_ = false;
    bool wants_room_ = false;
    bool has_peer_ended_ = false;
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
