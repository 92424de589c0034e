// connection_driver: the sockets of one connection, from its connect attempts to its end.
//
// It knows neither what it carries nor when it should: the shard says read, write, wait. Waiting
// for readiness is separate from reading, so that all connections of a shard can share one receive
// buffer. The shard's `readiness_set` tells edges; what is still ready is remembered here until a
// read or write finds nothing left. Everything runs on the shard's executor. Listener calls name
// the connection by id and come from the executor, never from inside a call into the driver; a
// closed driver's late results are dropped by the listener, to which the id is dead.
#pragma once

#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/byte_queue.hpp"
#include "base/id.hpp"
#include "io/endpoint.hpp"
#include "io/readiness_set.hpp"
#include "io/socket_setup.hpp"
#include "io/splice_pipe.hpp"
#include "proto/tls_engine.hpp"

namespace hearth::io {

/// What a driver tells the shard.
class driver_listener {
public:
    virtual ~driver_listener() = default;
    virtual void on_connect_result(connection_id connection, std::uint32_t attempt,
                                   boost::system::error_code error) = 0;
    virtual void on_readable(connection_id connection) = 0;
    virtual void on_writable(connection_id connection) = 0;
};

enum class io_status : std::uint8_t { ok, would_block, closed, failed };

struct io_result {
    std::size_t size = 0;
    io_status status = io_status::ok;
    boost::system::error_code error;
};

class connection_driver final : private readiness_target {
public:
    connection_driver(std::shared_ptr<readiness_set> sockets,
                      std::shared_ptr<driver_listener> listener, connection_id connection,
                      std::shared_ptr<const socket_settings> settings);
    ~connection_driver();
    connection_driver(const connection_driver&) = delete;
    connection_driver& operator=(const connection_driver&) = delete;

    // Dialling.
    /// Starts to connect; exactly one `on_connect_result` with this number follows, unless
    /// cancelled.
    void connect(std::uint32_t attempt, const endpoint& peer);
    /// The same with a socket that is connected already.
    void connect(std::uint32_t attempt, owned_descriptor connected);
    void cancel_connect(std::uint32_t attempt);
    /// Keeps this connected attempt as the connection and closes all others. Returns after what
    /// time `keep_alive` has to be called, if at all.
    std::optional<std::chrono::seconds> adopt(std::uint32_t attempt);
    /// Has the kernel look whether the peer lives, as the settings say.
    void keep_alive();

    // Connected.
    /// All that is read and written from now on goes through this layer, which is established.
    void secure(std::unique_ptr<proto::tls_engine> layer);
    /// One read system call; under a layer as many as one record of it needs.
    [[nodiscard]] io_result read(std::span<std::byte> into);
    /// Sends and consumes what is queued, until empty or the kernel takes no more.
    [[nodiscard]] io_result write(base::byte_queue& from);
    /// Sends octets of a file, as many as the kernel takes; `closed`: the file ends there. Not with
    /// a layer.
    [[nodiscard]] io_result send_file(int file, std::uint64_t offset, std::size_t size);
    [[nodiscard]] bool can_send_files() const { return !layer_; }
    /// Moves up to `wanted` octets into an empty pipe instead of reading them. Not with a layer.
    [[nodiscard]] io_result receive_into(splice_pipe& pipe, std::size_t wanted);
    [[nodiscard]] bool can_splice() const { return !layer_; }
    /// From now on an edge tells of readability when so many octets are there, or the end, or all
    /// that the kernel has room for; 1 at first. A hint: what a read gets is not bounded by it.
    void want_at_least(std::uint32_t octets);
    [[nodiscard]] std::uint32_t wanted() const { return wanted_; }
    /// One `on_readable` follows when there is something to read; no more than one wait at a time.
    void wait_readable();
    void wait_writable();
    [[nodiscard]] bool is_waiting_writable() const { return waiting_writable_; }
    /// Closes every socket; waits end without a call.
    void close();
    [[nodiscard]] std::string peer_address() const;

    // Counters of this connection.
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    std::uint64_t file_bytes_sent = 0;      // of `bytes_sent`, by `send_file`
    std::uint64_t file_bytes_received = 0;  // of `bytes_received`, to a file through a pipe
    std::uint64_t read_calls = 0;
    std::uint64_t write_calls = 0;

private:
    // Octets that are encrypted at once under a layer: four full records.
    static constexpr std::size_t layer_chunk = 64 * 1024;

    [[nodiscard]] io_result read_socket(std::span<std::byte> into);
    [[nodiscard]] io_result write_socket(base::byte_queue& from);
    struct socket_state {
        int descriptor = -1;
        watch_id watch;
        readiness ready;
    };
    struct attempt_state {
        std::uint32_t number = 0;
        socket_state socket;
        endpoint peer;
        bool decided = false;  // no longer waited for
        bool is_ours = true;   // opened here
    };
    boost::system::error_code open_attempt(attempt_state& state);
    void close_attempt(attempt_state& state);
    void close_socket(socket_state& socket);
    void post_connect_result(std::uint32_t attempt, boost::system::error_code error);
    void on_ready(watch_id watch, readiness news) override;
    void on_attempt_ready(attempt_state& state);
    void end_waits();

    std::shared_ptr<readiness_set> sockets_;
    std::shared_ptr<driver_listener> listener_;
    connection_id connection_;
    std::shared_ptr<const socket_settings> settings_;
    std::vector<attempt_state> attempts_;
    socket_state socket_;
    endpoint peer_;
    std::unique_ptr<proto::tls_engine> layer_;
    std::size_t encrypted_ = 0;  // octets at the head of what is written that the layer has
    std::uint32_t wanted_ = 1;
    bool waiting_readable_ = false;
    bool waiting_writable_ = false;
};

}  // namespace hearth::io
