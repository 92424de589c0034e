// connection_driver: the sockets of one connection, from its connect attempts to its end.
//
// It knows neither what it carries nor when it should: the shard says read, write, wait. Waiting
// for readiness is separate from reading, so that all connections of a shard can share one receive
// buffer. Everything runs on the shard's executor. Listener calls name the connection by id and
// come from the executor, never from inside a call into the driver; a closed driver's late results
// are dropped by the listener, to which the id is dead.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/byte_queue.hpp"
#include "base/id.hpp"
#include "hearth/error.hpp"

namespace hearth::io {

using endpoint = boost::asio::generic::stream_protocol::endpoint;

/// "127.0.0.1:443", "[::1]:443" or "unix:/path".
[[nodiscard]] std::string to_string(const endpoint& value);
/// An endpoint of an address and port.
[[nodiscard]] endpoint make_tcp_endpoint(const std::string& address, std::uint16_t port);
/// A UNIX socket's endpoint; '@' first names an abstract one. Too long a path gives size 0.
[[nodiscard]] endpoint make_unix_endpoint(const std::string& path);

/// What a driver tells the shard.
class driver_listener {
public:
    virtual ~driver_listener() = default;
    virtual void on_connect_result(connection_id connection, std::uint32_t attempt,
                                   boost::system::error_code error) = 0;
    virtual void on_readable(connection_id connection) = 0;
    virtual void on_writable(connection_id connection) = 0;
};

struct socket_settings {
    bool nodelay = true;
    std::optional<std::chrono::seconds> keepalive_idle;
};

enum class io_status : std::uint8_t { ok, would_block, closed, failed };

struct io_result {
    std::size_t size = 0;
    io_status status = io_status::ok;
    boost::system::error_code error;
};

class connection_driver {
public:
    connection_driver(boost::asio::any_io_executor executor,
                      std::shared_ptr<driver_listener> listener, connection_id connection,
                      const socket_settings& settings);

    // Dialling.
    /// Starts to connect; exactly one `on_connect_result` with this number follows, unless
    /// cancelled.
    void connect(std::uint32_t attempt, const endpoint& peer);
    void cancel_connect(std::uint32_t attempt);
    /// Keeps this connected attempt as the connection and closes all others.
    void adopt(std::uint32_t attempt);

    // Connected.
    /// One read system call.
    [[nodiscard]] io_result read(std::span<std::byte> into);
    /// Sends and consumes what is queued, until empty or the kernel takes no more.
    [[nodiscard]] io_result write(base::byte_queue& from);
    /// One `on_readable` follows when there is something to read; no more than one wait at a time.
    void wait_readable();
    void wait_writable();
    [[nodiscard]] bool is_waiting_writable() const { return waiting_writable_; }
    void readable_now() { waiting_readable_ = false; }
    void writable_now() { waiting_writable_ = false; }
    /// Closes every socket; waits end without a call.
    void close();
    [[nodiscard]] std::string peer_address() const;

    // Counters of this connection.
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    std::uint64_t read_calls = 0;
    std::uint64_t write_calls = 0;

private:
    using socket_type = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol,
                                                         boost::asio::any_io_executor>;
    struct attempt_state {
        std::uint32_t number;
        std::unique_ptr<socket_type> socket;
        endpoint peer;
    };
    boost::system::error_code open_attempt(attempt_state& state);
    void post_connect_result(std::uint32_t attempt, boost::system::error_code error);
    void apply_options(int descriptor, int family) const;

    boost::asio::any_io_executor executor_;
    std::shared_ptr<driver_listener> listener_;
    connection_id connection_;
    socket_settings settings_;
    std::vector<attempt_state> attempts_;
    std::unique_ptr<socket_type> socket_;
    endpoint peer_;
    bool waiting_readable_ = false;
    bool waiting_writable_ = false;
};

}  // namespace hearth::io
