// h1_engine: HTTP/1.1 (RFC 9112) for the client side of one connection, sans I/O.
//
// One exchange at a time. Bytes of the request are appended to the byte_queue handed to each call;
// bytes of the response are given by `receive` and come back as events. Calling order for input:
//   receive(bytes)  ->  poll_event() until none (or stop earlier: back-pressure)  ->  retain()
// `receive` borrows: its memory must stay until `retain`, which copies what was not consumed yet
// into a buffer of the engine (at most what one `receive` gave, or a partial head). `receive` is
// legal whenever the last `poll_event` said false (a partial head may be held then: new bytes go
// logically behind it).
//
// Strict where it decides about framing (on the raw head, `h1_head_check`):
// bare LF or CR, obs-fold, white space before a colon, control characters, both content-length and
// transfer-encoding, repeated or list-valued content-length, anything but digits in it, a
// transfer-encoding that is not exactly "chunked", one in an HTTP/1.0 response, broken chunk sizes.
// Any of these is `peer_protocol_error`, and so are octets nobody asked for: before a request, or
// after a response's end on a connection that stays open. After an error the engine takes nothing
// more.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/byte_queue.hpp"
#include "proto/message.hpp"

namespace hearth::proto {

struct h1_settings {
    std::uint32_t max_header_bytes = 64 * 1024;
    std::uint32_t max_header_count = 256;
    std::uint32_t max_informational = 16;
};

class h1_engine {
public:
    explicit h1_engine(const h1_settings& settings);
    ~h1_engine();
    h1_engine(h1_engine&&) noexcept;
    h1_engine& operator=(h1_engine&&) noexcept;

    // Request side.
    /// Writes the head of a new exchange. Legal only when `is_idle()`.
    void begin(exchange_id exchange, const outgoing_head& head, base::byte_queue& out);
    /// Writes octets of the body (a chunk of its own when chunked). Never more than content-length.
    void write_body(std::span<const std::byte> bytes, base::byte_queue& out);
    /// How the next `bytes` body octets are framed without copying them: `prefix` goes before them
    /// and `suffix` after; for callers that send large bodies from their own memory or a file.
    struct body_frame {
        char prefix[20];
        std::uint8_t prefix_size = 0;
        std::uint8_t suffix_size = 0;  // the suffix is CRLF
    };
    [[nodiscard]] body_frame frame_body(std::uint64_t bytes);
    /// Ends the request: last chunk and trailers when chunked. With content-length, all octets must
    /// have been written.
    void finish_body(const headers& trailers, base::byte_queue& out);
    [[nodiscard]] bool request_complete() const;
    /// Octets of the body that content-length still demands; nothing when chunked or none.
    [[nodiscard]] std::optional<std::uint64_t> body_remaining() const;

    // Response side.
    void receive(std::span<const std::byte> bytes);
    /// The next event, in order; false if there is none without more input.
    [[nodiscard]] bool poll_event(event& out);
    void retain();
    /// The peer will send no more. `clean`: TCP FIN on plaintext, close_notify on TLS; else
    /// truncated (TLS without close_notify, or a reset). Events follow: end of a close-delimited
    /// body if clean, else an error (peer_closed before a complete head, peer_truncated in a body).
    void on_peer_closed(bool clean);

    // State.
    /// True before the first request and between an `end` that was reusable and the next `begin`.
    [[nodiscard]] bool is_idle() const;
    /// True if the engine holds or borrows input that was not turned into events yet.
    [[nodiscard]] bool has_input() const;
    /// True if the running response ends only with the connection, or switched protocols.
    [[nodiscard]] bool is_close_delimited() const;
    /// True after a 101, or a 2xx to CONNECT: `data` events and `write_body` carry raw octets.
    [[nodiscard]] bool is_raw() const;
    /// Octets of the response's body that may go around the engine now, because it would only count
    /// them: the rest of a body with content-length, once all that was received became events.
    [[nodiscard]] std::uint64_t bypassable() const;
    /// So many of them have gone around it. What follows of the body may be received again.
    void bypass(std::uint64_t octets);
    /// Octets of the response head and body received by the running exchange.
    [[nodiscard]] std::uint64_t received() const;
    /// Octets the engine itself holds in buffers.
    [[nodiscard]] std::size_t memory() const;

private:
    class implementation;
    std::unique_ptr<implementation> implementation_;
};

}  // namespace hearth::proto
