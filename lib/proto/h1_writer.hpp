// h1_writer: the octets of an HTTP/1.1 request head and of a trailer section (RFC 9112 3, 7.1).
//
// What it is given has passed check_request; it adds the framing fields, writes Host first, and
// appends the whole head to the queue in one piece. Called by h1_engine.
#pragma once

#include <cstdint>

#include "base/byte_queue.hpp"
#include "proto/message.hpp"

namespace hearth::proto {

/// What the written head means for the rest of the exchange.
struct h1_written_head {
    enum class framing : std::uint8_t { none, length, chunked };
    framing body = framing::none;
    std::uint64_t length = 0;   ///< With `framing::length`.
    bool asks_close = false;    ///< `connection: close` was sent.
    bool asks_upgrade = false;  ///< An Upgrade field was sent: 101 may come.
};

[[nodiscard]] h1_written_head write_head(const outgoing_head& head, base::byte_queue& out);

/// The last chunk and the trailers.
void write_last_chunk(const headers& trailers, base::byte_queue& out);

}  // namespace hearth::proto
