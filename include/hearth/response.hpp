// `response`: status, headers, body, trailers, and how the exchange went.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hearth/error.hpp"
#include "hearth/headers.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

/// How long each phase of an exchange took. A phase that did not happen is zero. `name`, `connect`
/// and `handshake` are those of the dial whose connection served the exchange, and only count when
/// the exchange waited for that dial; queue time is never part of them.
struct timings {
    using duration = std::chrono::steady_clock::duration;
    duration queued{};      ///< From the call until a connection was assigned.
    duration name{};        ///< Resolving.
    duration connect{};     ///< TCP connect, all addresses tried.
    duration handshake{};   ///< TLS, waiting for its turn included.
    duration first_byte{};  ///< From assignment to the end of the response head.
    duration body{};        ///< From there to the last octet.
    duration total{};       ///< From the call to the completion.
};

/// The connection that served (or last tried) an exchange.
struct connection_info {
    std::string peer_address;  ///< "127.0.0.1:443", "[::1]:443" or "unix:/path"; empty if none.
    bool reused = false;       ///< It had served another exchange, or was warm, before.
    bool tls = false;
    bool tls_resumed = false;  ///< Its handshake resumed a session.
    // Text that lives as long as the process.
    std::string_view tls_version;  ///< "TLSv1.3"; empty on plaintext.
    std::string_view tls_cipher;   ///< "TLS_AES_128_GCM_SHA256"; empty on plaintext.
    std::string_view alpn;         ///< What ALPN chose, "h2" or "http/1.1"; empty if nothing.
};

/// Octets of bodies by the way they took; of an exchange's last attempt. What an upgraded exchange
/// carries counts as copied.
struct transfer {
    std::uint64_t sent_copied = 0;       ///< Of the request, through memory of this process.
    std::uint64_t sent_from_file = 0;    ///< Of the request, from its file by `sendfile`.
    std::uint64_t received_copied = 0;   ///< Of the response, through memory of this process.
    std::uint64_t received_to_file = 0;  ///< Of the response, to a file by `splice`.
};

/// A redirect that was followed.
struct redirect_hop {
    unsigned status = 0;
    std::string url;  ///< Absolute; where it led to, with the fragment in force.
};

/// Filled as far as the exchange came, also when it failed: `status` 0 means no response head.
struct response {
    unsigned status = 0;
    unsigned version = 11;  ///< 10, 11 or 20.
    std::string reason;     ///< The reason phrase; may be empty; never needed.
    hearth::headers headers;
    std::string body;
    hearth::headers trailers;
    /// Content codings that were undone, as the origin named them ("gzip"); empty: none was. The
    /// fields `content-encoding` and `content-length`, which describe the encoded body, are gone
    /// then.
    std::string decoded_from;
    hearth::timings timings;
    connection_info connection;
    hearth::transfer transfer;
    unsigned attempts = 0;  ///< How many times the exchange was put on a connection.
    bool hedged = false;    ///< This is the answer of its second attempt, see `config::hedge`.
    /// Redirects that were followed, in order; the last one's URL is where the response is from.
    std::vector<redirect_hop> redirects;
    /// What each attempt came to, redirects included, where `retry` or `redirect` is switched on.
    std::vector<attempt_record> attempt_log;
    hearth::failure failure;
};

/// The head of a streamed response.
struct response_head {
    unsigned status = 0;
    unsigned version = 11;
    std::string reason;
    hearth::headers headers;
    connection_info connection;
    std::string decoded_from;  ///< As in `response`.
};

HEARTH_END_NAMESPACE
