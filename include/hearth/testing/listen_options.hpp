// What `origin` and `raw_origin` share: how they listen, how connections end, what they count.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hearth/testing/certificate_authority.hpp"
#include "hearth/tls.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing {

/// How a connection is ended.
enum class close_kind : std::uint8_t {
    clean,                 ///< TLS close_notify, then FIN.
    without_close_notify,  ///< FIN only: under TLS this is a truncation (RFC 8446 6.1).
    reset,                 ///< TCP RST; what was sent just before may be lost.
};

/// How an embedded origin listens.
struct listen_options {
    /// TLS, or plaintext when false; every TLS field below is then ignored, but for "h2" in `alpn`.
    bool tls = true;
    /// Address to bind; IPv4 or IPv6 in text form. Loopback by default: nobody else can connect.
    std::string bind_address = "127.0.0.1";
    /// TCP port; 0 takes a free one, which stays reserved until the origin is destroyed.
    std::uint16_t port = 0;
    /// Threads that serve connections, 1 to 64; each connection stays on one of them.
    unsigned threads = 1;
    /// Pending connections the kernel may queue (the kernel's own maximum also applies).
    int backlog = 4096;

    /// What the origin presents. Empty = a new authority and a certificate for localhost,
    /// 127.0.0.1, ::1 and `bind_address`.
    std::optional<certificate> server_certificate = {};
    tls_version minimum_version = tls_version::tls_1_2;
    tls_version maximum_version = tls_version::tls_1_3;
    /// TLS 1.3 session tickets sent after a full handshake, 0 to 16; 0 also turns TLS 1.2 tickets
    /// off. OpenSSL's default is 2; a resumed handshake gets one.
    unsigned tickets = 2;
    /// When not empty, a client certificate signed by one of these roots (PEM) is required.
    std::string client_ca_pem = {};
    /// Protocols chosen by ALPN, in the origin's order of preference. None in common, or an empty
    /// list: no protocol is named and HTTP/1.1 is spoken. With "h2" in the list an `origin` speaks
    /// HTTP/2; in plaintext to clients that begin with its preface (RFC 9113 3.3).
    std::vector<std::string> alpn = {"http/1.1"};
};

/// What an origin has counted since it was made. A snapshot: single values are exact, but they are
/// not read at one instant.
struct origin_counters {
    std::uint64_t connections_accepted = 0;
    std::uint64_t connections_open = 0;
    std::uint64_t connections_peak = 0;  ///< Most that were open at once.
    std::uint64_t handshakes_full = 0;
    std::uint64_t handshakes_resumed = 0;
    std::uint64_t handshakes_failed = 0;  ///< Failed or given up by the client.
    std::uint64_t connections_http2 = 0;  ///< Of those accepted, how many spoke HTTP/2.
    std::uint64_t streams_reset = 0;      ///< RST_STREAM frames received (HTTP/2).
    std::uint64_t requests = 0;           ///< Whose head was read whole and legal.
    std::uint64_t requests_completed = 0;
    std::uint64_t requests_aborted = 0;  ///< Ended without a whole answer, by either side.
    std::uint64_t requests_bad = 0;      ///< What was read is not legal HTTP.
    std::uint64_t requests_active = 0;
    std::uint64_t requests_peak = 0;   ///< Most that were in progress at once.
    std::uint64_t bytes_received = 0;  ///< On the wire, TLS included.
    std::uint64_t bytes_sent = 0;      ///< On the wire, TLS included.
};

}  // namespace testing
HEARTH_END_NAMESPACE
