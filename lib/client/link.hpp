// link: what a shard has of one connection: its sockets, its protocol engine, and when it came to
// be.
//
// Created by core's `dial`, named by core's id, ended by core's `close` or by a fact that says it
// is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/deadline_queue.hpp"
#include "base/id.hpp"
#include "base/time.hpp"
#include "client/address_race.hpp"
#include "client/verification.hpp"
#include "core/action.hpp"
#include "hearth/response.hpp"
#include "io/connection_driver.hpp"
#include "proto/connection.hpp"
#include "proto/tunnel.hpp"

namespace hearth::detail {

/// What it means to core that TLS or HTTP/2 of a new connection has failed so.
[[nodiscard]] inline core::dial_failure failure_of(errc code) {
    if (code == errc::certificate_rejected) return core::dial_failure::certificate_rejected;
    if (code == errc::out_of_memory) return core::dial_failure::connect_failed;  // it may pass
    return core::dial_failure::handshake_failed;
}

/// What a dialer of the caller's came to.
struct dialed {
    boost::system::error_code error;
    std::string detail;
    io::owned_descriptor descriptor;
};

/// A `dialer` of the caller's at work. Whoever lets go of it wants nothing of it any more.
class dialer_call {
public:
    explicit dialer_call(std::uint64_t ticket) : ticket_(ticket) {}
    ~dialer_call() {
        if (!is_answered_) stop_.request_stop();
    }
    dialer_call(const dialer_call&) = delete;
    dialer_call& operator=(const dialer_call&) = delete;
    [[nodiscard]] std::uint64_t ticket() const { return ticket_; }
    [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }
    void answer() { is_answered_ = true; }

private:
    std::uint64_t ticket_;
    std::stop_source stop_;
    bool is_answered_ = false;
};

/// What connections that are gone have moved.
struct link_traffic {
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    std::uint64_t file_bytes_received = 0;
    std::uint64_t file_bytes_sent = 0;
    std::uint64_t read_calls = 0;
    std::uint64_t write_calls = 0;
};

struct link {
    link(connection_id name, origin_id where, std::shared_ptr<io::readiness_set> sockets,
         std::shared_ptr<io::driver_listener> listener,
         std::shared_ptr<const io::socket_settings> settings)
        : id(name),
          origin(where),
          driver(std::move(sockets), std::move(listener), name, std::move(settings)) {}

    connection_id id;
    origin_id origin;
    io::connection_driver driver;
    std::unique_ptr<proto::connection> wire;       // once connected
    std::unique_ptr<proto::tunnel> tunnel;         // before that, where there is a proxy
    std::unique_ptr<proto::tls_engine> proxy_tls;  // and before that, its handshake with the proxy
    address_race addresses;                        // once resolved
    std::uint64_t resolve_ticket = 0;
    std::unique_ptr<dialer_call> dialer;      // while it is asked
    std::string connect_detail;               // what each failed attempt said
    boost::system::error_code connect_error;  // of the last failed attempt

    exchange_id exchange;           // HTTP/1.1: the one it carries, dead if none
    std::uint32_t served = 0;       // exchanges assigned so far
    std::uint32_t quick_reads = 0;  // in a row, up to as many as make a bulk
    base::time_point read_at;       // last
    base::deadline_handle bulk_timer = 0;
    bool ready = false;            // usable: core was told
    bool paused = false;           // its exchange's reader is slow: nothing is read
    bool dirty = false;            // in the shard's list of links to flush
    bool closing = false;          // core was told that it ends, its `close` is on the way
    bool retired = false;          // its address left the name
    bool flight_reported = false;  // core knows that a slice can run
    std::uint64_t profile = 0;     // of its TLS, if that is the client's own
    std::unique_ptr<open_question> question;  // its certificate's verification is asked for
    connection_info info;

    // HTTP/2.
    std::vector<exchange_id> streams;  // those it carries, in no order
    std::uint32_t resets_unseen = 0;   // since the last ping
    std::uint32_t resets_pinged = 0;   // that the ping on its way covers
    bool ping_pending = false;         // one is on its way
    bool in_doubt = false;             // asked for a sign of life
    bool failure_told = false;         // to the breaker: a connection breaks once
    std::uint64_t pings = 0;
    std::string last_words;                     // debug data of a GOAWAY
    base::deadline_handle timer = 0;            // when to look whether it lives
    base::deadline_handle keepalive_timer = 0;  // when the kernel is told to look
    base::time_point heard;                     // octets came last
    base::time_point pinged;                    // last
    base::time_point refilled;                  // its allowances, last
    [[nodiscard]] bool is_http2() const { return wire && wire->http2() != nullptr; }

    base::time_point dial_began;
    base::time_point resolved;
    base::time_point connected;
    base::time_point became_ready;
};

}  // namespace hearth::detail
