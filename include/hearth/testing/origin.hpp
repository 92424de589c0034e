// `origin`: an embedded HTTP/1.1 and HTTP/2 origin, TLS or plaintext, whose behaviour is scripted.
//
// For tests of services that make HTTP calls: start one per test on a free port, aim the service at
// `url()`, make it trust `ca_pem()`, then make the origin slow, silent, broken or gone.
//
// Built-in paths (a handler set with `on` comes first):
//   /d/<ms>           200 after that many milliseconds
//   /bytes/<n>        n octets (see pattern_octets), streamed with backpressure, content-length
//   /chunked/<n>      the same octets in chunked coding
//   /drip/<n>/<ms>    n octets, one every <ms> milliseconds
//   /status/<code>    that status; for 1xx (not 101) an informational answer, then 200
//   /echo             the request as text: request line, fields, an empty line, the body
//   /upload           reads the body; answers "<length> <sha256 in hex>\n"
//   /continue[/<ms>]  like /upload, sends 100 after <ms>; 417 without "expect: 100-continue"
//   /trailers         a chunked body followed by two trailer fields
//   /stall            reads the request and never answers
//   /close-at/<n>     closes (FIN, close_notify) after n octets of an answer longer than that
//   /truncate-at/<n>  the same, without close_notify
//   /reset-at/<n>     the same, by TCP RST
//   /no-keepalive     an answer with "connection: close"; HTTP/2: followed by GOAWAY(NO_ERROR)
//   /upgrade          101, then every octet comes back; 200 for an extended CONNECT (RFC 8441)
//   /rst/<code>       RST_STREAM with that error code instead of an answer; HTTP/1.1: TCP RST
//   /garbage          octets that are not HTTP, then closes
//   /redirect/<n>     302 to /redirect/<n-1>; 200 at 0
// Anything else is 404; a number that does not parse is 400.
//
// Threads: the origin runs its own; handlers and hooks are called there. All member functions may
// be called from any thread, but stop() and the destructor not from a handler or hook.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hearth/testing/handler.hpp"
#include "hearth/testing/listen_options.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing {

/// HTTP/2 of an origin, spoken when `listen.alpn` has "h2".
struct http2_options {
    /// SETTINGS_MAX_CONCURRENT_STREAMS. More get REFUSED_STREAM when the client has not yet
    /// acknowledged the setting, GOAWAY(PROTOCOL_ERROR) when it has.
    std::uint32_t max_streams = 128;
    /// SETTINGS_INITIAL_WINDOW_SIZE: octets of a request body a client may send ahead.
    std::uint32_t stream_window_bytes = std::uint32_t{1} << 20U;
    /// The same for all streams of a connection; at least 65,535 (RFC 9113 6.9.2).
    std::uint32_t connection_window_bytes = std::uint32_t{16} << 20U;
};

/// What an origin is made of; the defaults make a well-behaved TLS origin on a free loopback port.
struct origin_options {
    listen_options listen = {};
    http2_options http2 = {};
    /// Requests answered per connection; the last one says "connection: close", over HTTP/2 GOAWAY.
    /// Empty = no limit.
    std::optional<std::uint32_t> max_requests_per_connection = {};
    /// Closes a connection that has been without a request for so long. Empty = never. Clients that
    /// send at that very moment see the race every keep-alive client must survive (RFC 9112 9.5).
    std::optional<std::chrono::milliseconds> idle_close = {};
    /// Octets of a request body kept for /echo and handlers; more is answered with 413.
    std::size_t max_body_bytes = std::size_t{64} << 20U;
    /// Octets of a request head; more is answered with 431.
    std::size_t max_head_bytes = std::size_t{64} << 10U;
};

class HEARTH_API origin {
public:
    /// Listens and serves from here on. Throws `std::invalid_argument` for options that make no
    /// sense, `std::system_error` when the address cannot be bound, `std::runtime_error` when TLS
    /// cannot be set up.
    explicit origin(origin_options options = {});
    /// As stop().
    ~origin();
    origin(const origin&) = delete;
    origin& operator=(const origin&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept;
    /// "https://127.0.0.1:40000" with `path` (which begins with "/") appended.
    [[nodiscard]] std::string url(std::string_view path = "") const;
    /// The root certificate a client must trust; empty without TLS.
    [[nodiscard]] const std::string& ca_pem() const noexcept;
    [[nodiscard]] origin_counters counters() const;

    /// Answers `path` by `answer`, in place of what answered it before. A path that ends in "*" is
    /// a prefix; an exact path wins over prefixes, a longer prefix over a shorter one.
    void on(std::string path, handler answer, handler_call call = handler_call::after_body);

    /// Calls `hook` with the counters every `interval` (at least 1 ms) from now on, on one of the
    /// origin's threads; an empty hook ends it. For rolling figures of long runs.
    void watch(std::chrono::milliseconds interval,
               std::function<void(const origin_counters&)> hook);

    /// Closes every connection and ends the threads; returns when that is done. The port refuses
    /// connections. Nothing happens the second time.
    void stop();
    /// A deploy: closes every connection, refuses new ones for `downtime`, then listens on the same
    /// port again. Returns when the connections are closed.
    void restart(std::chrono::milliseconds downtime = std::chrono::milliseconds{0});
    /// Closes every connection, with whatever they are doing; returns when that is done.
    void close_all_connections(close_kind kind = close_kind::clean);

    /// The polite end of every connection: GOAWAY(NO_ERROR) over HTTP/2, "connection: close" with
    /// the answer in progress over HTTP/1.1; each closes once what is in progress was answered. New
    /// connections are accepted.
    void drain_all_connections();

    /// A back-end hiccup: an answer that would begin to be sent within the next `window` is held
    /// until its end, and all held ones leave together. A new hiccup replaces the one before; what
    /// is held keeps its time.
    void stall(std::chrono::nanoseconds window);
    /// A back-end hiccup: a request that is read within the next `window` is answered not before
    /// `slow` after it was read.
    void stall(std::chrono::nanoseconds window, std::chrono::nanoseconds slow);
    /// Every answer to a request read from now on takes at least so long; 0 = off.
    void set_latency(std::chrono::nanoseconds latency);
    /// While true, new connections are refused (RST); open ones are served. Returns when it holds.
    void set_refusing(bool is_refusing);
    /// While true, connections are accepted but nothing is ever read or sent on them: no handshake,
    /// no answer. They stay so when this is turned off again. Open connections are not touched.
    void set_silent(bool is_silent);

private:
    struct state;
    std::unique_ptr<state> state_;
};

/// The octets `/bytes` and `/chunked` send: octet i of the body is i modulo 251. The period is
/// prime, so a piece that is lost, doubled or moved cannot go unnoticed.
[[nodiscard]] HEARTH_API std::string pattern_octets(std::uint64_t offset, std::size_t size);

}  // namespace testing
HEARTH_END_NAMESPACE
