// h2_engine: HTTP/2 (RFC 9113) for the client side of one connection, sans I/O.
//
// Many exchanges at once, each a stream. Calling order of a turn:
//   receive(bytes) -> poll_event() until none (or stop earlier: back-pressure) -> retain()
//   commands (begin, write_body, consume, reset ...), in any number
//   flush(out) -> poll_event() until none
// Commands write nothing by themselves: all frames of a turn leave together in `flush`, which is
// also called after construction (preface and SETTINGS) and after `receive` (acknowledgements).
// Memory given to `receive` must stay until `retain`, which copies what was not understood yet.
// `receive` is legal whenever the last `poll_event` said false.
//
// Events name their exchange; its last is `end` or `error`, after which the engine has forgotten it
// (but for a tunnel, which may be written on after the peer's `end`, until `finish_body` or
// `reset`). An `error` without an exchange says that the connection has failed; the exchanges have
// had theirs before. `is_unprocessed` in an error means that the peer has certainly not acted on
// the request (REFUSED_STREAM, a stream above GOAWAY's last id, a request that never left).
//
// Flow control. Octets of `data` events fill the stream's window until `consume` gives them back,
// so a slow caller slows its own stream. The connection's window is given back on arrival. Bodies
// going out wait in the engine for the peer's windows: `writable` says how much more it likes to
// hold.
//
// There is no clock here: the owner sends pings (`wants_ping` says when one beside data would help
// to size the windows; once a second is plenty) and says once in a while how much time has passed.
// After an error of the connection the engine takes nothing more; flush still writes its GOAWAY.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/byte_queue.hpp"
#include "proto/frame_sink.hpp"
#include "proto/h2_error_code.hpp"
#include "proto/h2_settings.hpp"
#include "proto/message.hpp"

namespace hearth::proto {

class h2_connection;

class h2_engine {
public:
    /// Settings outside their ranges are moved into them.
    explicit h2_engine(const h2_settings& settings);
    ~h2_engine();
    h2_engine(h2_engine&&) noexcept;
    h2_engine& operator=(h2_engine&&) noexcept;

    // Exchanges.
    /// True if a new exchange would get a stream now.
    [[nodiscard]] bool can_begin() const;
    /// Opens a stream. What cannot be sent, or when `can_begin()` is false: an `error` event,
    /// is_unprocessed.
    void begin(exchange_id exchange, const outgoing_head& head);
    /// Takes octets of the body. Never more than content-length; better not more than `writable`.
    void write_body(exchange_id exchange, std::span<const std::byte> bytes);
    /// The same without a copy: room for `most` octets of the body or as many as are `writable`,
    /// which `commit_body` makes part of it, before anything else is asked of the exchange.
    [[nodiscard]] std::span<std::byte> body_room(exchange_id exchange, std::size_t most);
    void commit_body(exchange_id exchange, std::size_t size);
    /// Ends the request. With content-length, all octets must have been written.
    void finish_body(exchange_id exchange, const headers& trailers);
    /// Ends the exchange with RST_STREAM: no event of it comes any more.
    void reset(exchange_id exchange, h2_error_code code);
    /// The caller has lost interest but the stream goes on: its octets are credited on arrival, and
    /// of its events only the last comes. A request that is not complete is reset instead.
    void discard(exchange_id exchange);
    /// The caller has done with octets of `data` events: the peer may send as many more.
    void consume(exchange_id exchange, std::uint64_t octets);

    /// Octets of body the engine likes to take; after 0 a `writable` event tells of room.
    [[nodiscard]] std::size_t writable(exchange_id exchange) const;
    /// Octets of the body that content-length still demands; nothing without one.
    [[nodiscard]] std::optional<std::uint64_t> body_remaining(exchange_id exchange) const;
    /// True once the body was given in full and has left the engine, also when the exchange is
    /// over.
    [[nodiscard]] bool request_complete(exchange_id exchange) const;
    /// Octets of the body that have left the engine.
    [[nodiscard]] std::uint64_t sent(exchange_id exchange) const;
    /// True after a 2xx to CONNECT: the body is another protocol's octets, both ways.
    [[nodiscard]] bool is_raw(exchange_id exchange) const;
    /// Octets of the response's body that its peer must still send, and may send at once.
    [[nodiscard]] std::uint64_t due(exchange_id exchange) const;
    /// Octets of the response's fields and data so far.
    [[nodiscard]] std::uint64_t received(exchange_id exchange) const;

    // Input.
    void receive(std::span<const std::byte> bytes);
    /// The next event, in order; false if there is none without more input.
    [[nodiscard]] bool poll_event(event& out);
    void retain();
    /// True if the engine holds or borrows input that was not turned into events yet.
    [[nodiscard]] bool has_input() const;
    /// The peer will send no more. Open exchanges fail: peer_closed before a response head,
    /// peer_truncated after it, whether it was `clean` or not, for HTTP/2 ends its messages itself.
    void on_peer_closed(bool clean);

    // Output.
    /// Appends what is to be sent, frames of bodies until `out` holds `limit` octets, or would if
    /// there were no `sink`: it gets large ones. Events may follow.
    void flush(base::byte_queue& out, std::size_t limit, frame_sink* sink = nullptr);
    [[nodiscard]] bool wants_flush() const;

    // The connection.
    /// Sends a PING; the answer is a `pong` event with the payload.
    void send_ping(std::uint64_t payload);
    /// True if data came since the last ping and knowing the round trip's octets could help.
    [[nodiscard]] bool wants_ping() const;
    /// Refills the allowances of h2_settings.
    void on_time_passed(std::uint32_t seconds);
    /// Sends GOAWAY(NO_ERROR): no new exchanges, the open ones go on.
    void shut_down();

    /// Streams that count: begun and not over.
    [[nodiscard]] std::size_t open_streams() const;
    /// The peer's MAX_CONCURRENT_STREAMS, a guess before its SETTINGS; changes come with
    /// `settings`.
    [[nodiscard]] std::uint32_t max_streams() const;
    [[nodiscard]] bool has_peer_settings() const;
    /// True if the peer takes extended CONNECT (RFC 8441).
    [[nodiscard]] bool allows_extended_connect() const;
    /// True after GOAWAY either way, an error, or the last stream id: nothing new begins.
    [[nodiscard]] bool is_draining() const;
    [[nodiscard]] bool is_failed() const;
    /// Octets the engine itself holds in buffers, without nghttp2's streams.
    [[nodiscard]] std::size_t memory() const;

private:
    std::unique_ptr<h2_connection> connection_;
};

}  // namespace hearth::proto
