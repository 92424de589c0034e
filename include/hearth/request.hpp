// `request` and what it is made of: method, deadline, per-request overrides.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hearth/body.hpp"
#include "hearth/headers.hpp"
#include "hearth/hooks.hpp"
#include "hearth/proxy.hpp"
#include "hearth/tls.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

/// A request method (RFC 9110 9): a known one or any token of up to 31 octets, case-sensitive. What
/// is no token or longer is kept as invalid and refused at send with `errc::invalid_method`.
class method {
public:
    static constexpr std::size_t max_size = 31;

    static const method get, head, post, put, delete_, patch, options, trace, connect;

    constexpr method() : method("GET") {}
    constexpr method(std::string_view text) {  // NOLINT(*-explicit-*)
        if (text.empty() || text.size() > max_size) return;
        for (const char c : text) {
            if (!is_token_octet(c)) return;
        }
        for (std::size_t i = 0; i < text.size(); ++i) text_[i] = text[i];
        size_ = static_cast<std::uint8_t>(text.size());
    }
    constexpr method(const char* text) : method(std::string_view(text)) {}  // NOLINT(*-explicit-*)

    [[nodiscard]] constexpr std::string_view text() const { return {text_.data(), size_}; }
    [[nodiscard]] constexpr bool is_valid() const { return size_ != 0; }
    /// Safe to send twice by its definition (RFC 9110 9.2.2).
    [[nodiscard]] constexpr bool is_idempotent() const {
        const std::string_view m = text();
        return m == "GET" || m == "HEAD" || m == "PUT" || m == "DELETE" || m == "OPTIONS" ||
               m == "TRACE";
    }
    constexpr bool operator==(const method&) const = default;

private:
    static constexpr bool is_token_octet(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    }
    std::array<char, max_size> text_{};
    std::uint8_t size_ = 0;
};
inline constexpr method method::get{"GET"};
inline constexpr method method::head{"HEAD"};
inline constexpr method method::post{"POST"};
inline constexpr method method::put{"PUT"};
inline constexpr method method::delete_{"DELETE"};
inline constexpr method method::patch{"PATCH"};
inline constexpr method method::options{"OPTIONS"};
inline constexpr method method::trace{"TRACE"};
inline constexpr method method::connect{"CONNECT"};

/// A point in time by which an exchange must have ended.
using deadline_type = std::chrono::steady_clock::time_point;

/// The deadline `timeout` from now.
[[nodiscard]] inline deadline_type in(std::chrono::steady_clock::duration timeout) {
    return std::chrono::steady_clock::now() + timeout;
}

/// What is given up first when not everything can be done; see `concurrency_config` and
/// `shed_config`. Without those it changes nothing.
enum class priority_class : std::uint8_t {
    critical,  ///< Served before all others, and has a tenth of an origin's places for itself.
    normal,
    sheddable,  ///< Has three quarters of the places, is never held, and is shed first.
};

/// What a server should answer first (RFC 9218 4); sent as the field `priority`.
struct response_priority {
    std::uint8_t urgency = 3;  ///< 0 (first) to 7 (in the background).
    bool incremental = false;  ///< Parts of the answer are of use before the whole is here.
};

/// How a connection gets to its origin. Connections are never shared between different routes.
struct route {
    /// Connect to this host instead of the origin's (SNI, verification and Host stay the origin's).
    std::string connect_host{};
    /// Connect to this port instead of the origin's; 0 = the origin's.
    std::uint16_t connect_port = 0;
    /// Connect to this UNIX socket; a leading '@' names an abstract one. Empty = TCP.
    std::string unix_path{};
    /// Through this proxy; its `kind` none: through none. Not set: as `config::proxy` says. With a
    /// proxy, `connect_host` and `connect_port` are what it is asked to connect to.
    std::optional<hearth::proxy> proxy{};
    /// Connect from this IP address of the host, and to addresses of its family only; the kernel
    /// chooses the port when it knows the peer (IP_BIND_ADDRESS_NO_PORT), so ports do not run out
    /// sooner than without. Empty: the kernel chooses both. Not a local one: `connect_failed`.
    std::string local_address{};
    /// Connect over this network interface only (SO_BINDTODEVICE), of 15 octets at most. Empty: as
    /// the host's routes say.
    std::string interface_name{};
    /// Opens the byte streams in place of TCP, told apart by the object, not by what it does. Names
    /// are handed to it as they are. Not beside `unix_path`, `local_address` or `interface_name`.
    std::shared_ptr<const hearth::dialer> dialer{};

    bool operator==(const route&) const = default;
};

/// Which HTTP versions an origin is spoken to in. Part of what tells connections apart.
enum class protocol_policy : std::uint8_t {
    http1_only,  ///< HTTP/1.1; ALPN offers nothing else.
    automatic,   ///< Over TLS what ALPN chooses of h2 and http/1.1, on plaintext HTTP/1.1.
    http2_only,  ///< HTTP/2: by ALPN over TLS, with prior knowledge on plaintext (RFC 9113 3.3). An
                 ///< origin that chooses otherwise is `errc::handshake_failed`.
};

/// One exchange as the caller wants it. The URL is parsed at send: a bad one is an error, not a
/// throw.
struct request {
    hearth::method method{};
    std::string url{};
    /// The request target (RFC 9112 3.2) instead of the URL's path and query: `host:port`, what the
    /// peer is asked to connect to, with CONNECT; `*` with OPTIONS. Empty: the URL's.
    std::string target{};
    hearth::headers headers{};
    hearth::body body{};
    /// Sent after a chunked body; forces chunked framing when not empty.
    hearth::headers trailers{};
    /// The whole exchange, queueing to last body octet, ends by then. None: the phase timeouts
    /// hold.
    std::optional<deadline_type> deadline{};
    /// Cap on body octets of a whole-body response; default `config::max_body_bytes`.
    std::optional<std::uint64_t> max_body_bytes{};
    /// True or false overrides what the method says about being safe to send twice.
    std::optional<bool> idempotent{};
    /// Send `expect: 100-continue` and hold the body until 100, a final status, or
    /// `http1.continue_timeout`.
    bool expect_continue = false;
    /// Overrides the client's profile for this request.
    std::shared_ptr<const tls_profile> tls{};
    /// Overrides the client's route for this request.
    std::optional<hearth::route> route{};
    /// Undo content codings of the response; overrides `config::decode.enabled`.
    std::optional<bool> decode{};
    /// Follow redirects; overrides `config::redirect.enabled`. `async_send` and `send` only.
    std::optional<bool> follow_redirects{};
    /// Overrides `config::retry.max_attempts`. `async_send` and `send` only.
    std::optional<std::uint32_t> max_attempts{};
    hearth::priority_class priority_class = hearth::priority_class::normal;
    /// Sent unless `headers` has the field `priority`. An urgency above 7: `errc::invalid_header`.
    std::optional<hearth::response_priority> response_priority{};
    /// Called for each 1xx response but 101, on a thread of the client; must not block.
    std::function<void(unsigned status, const hearth::headers&)> on_informational{};
    /// Overrides `config::protocol`. Under `automatic`, a request with `upgrade`, and CONNECT
    /// without `connect_protocol`, keep to HTTP/1.1.
    std::optional<protocol_policy> protocol{};
    /// With CONNECT over HTTP/2: the protocol of an extended CONNECT (RFC 8441), as "websocket",
    /// with the URL's path. A peer that does not take it: `errc::unsupported_by_peer`.
    std::string connect_protocol{};
};

HEARTH_END_NAMESPACE
