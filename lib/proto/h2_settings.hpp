// The settings of an HTTP/2 connection: what it announces, how large its windows may grow, and what
// it takes of a peer that talks without saying anything.
//
// Every number has a range; `clamped` moves what lies outside to the nearest legal value, and the
// engine applies it to what it is given.
#pragma once

#include <cstdint>

namespace hearth::proto {

/// How many frames of a kind that carry nothing a peer may send: a bucket of `burst`, refilled by
/// `per_second` as time passes and by useful traffic of the connection. Empty: the connection fails
/// with ENHANCE_YOUR_CALM. Ranges 1..1,000,000 and 0..1,000,000.
struct h2_allowance {
    std::uint32_t burst = 0;
    std::uint32_t per_second = 0;
};

struct h2_settings {
    // What a response may be.
    /// Octets of names and values (32 more for each field, RFC 9113 6.5.2) of a head or of
    /// trailers; announced as MAX_HEADER_LIST_SIZE. Range 1 KiB..16 MiB. Reached: the stream is
    /// reset.
    std::uint32_t max_header_bytes = 64 * 1024;
    /// Fields of a head or of trailers. Range 8..65,536. Reached: the stream is reset.
    std::uint32_t max_header_count = 256;
    /// 1xx responses of one exchange. Range 0..1,000. Reached: the stream is reset.
    std::uint32_t max_informational = 16;
    /// CONTINUATION frames of one header block. Range 1..1,024. Reached: the connection fails.
    std::uint32_t max_continuations = 16;
    /// Octets of a compressed header block, all its frames. Range 1 KiB..16 MiB. Reached: the
    /// connection fails, for the decoder's state is lost with the block.
    std::uint32_t max_header_block_bytes = 128 * 1024;
    /// The decoder's dynamic table, announced as HEADER_TABLE_SIZE. Range 0..1 MiB.
    std::uint32_t decoder_table_bytes = 4096;
    /// Payload of a frame, announced as MAX_FRAME_SIZE. Range 16,384..1 MiB.
    std::uint32_t max_frame_bytes = 16'384;
    /// Entries of one SETTINGS frame. Range 8..1,024. Reached: the connection fails.
    std::uint32_t max_settings_entries = 32;

    // What a request may be.
    /// Octets of a request head or of trailers. Range 1 KiB..16 MiB. Reached: the exchange fails,
    /// unsent.
    std::uint32_t max_request_header_bytes = 256 * 1024;
    /// The encoder's dynamic table, whatever more the peer allows. Range 0..64 KiB.
    std::uint32_t encoder_table_bytes = 4096;
    /// Octets of one body that wait for the peer's windows. Range 1 KiB..16 MiB.
    std::uint32_t send_buffer_bytes = 64 * 1024;
    /// Send a `cookie` field as one field per crumb (RFC 9113 8.2.3), which compresses better.
    bool split_cookies = true;
    /// Streams at once until the peer's SETTINGS say how many. Range 1..1,000.
    std::uint32_t assumed_max_streams = 100;

    // Receive windows.
    /// A stream's window at its beginning: what a caller who never reads can make the process hold
    /// per exchange. Range 65,535..2^31-1.
    std::uint32_t initial_stream_window = 512 * 1024;
    /// The connection's window at its beginning. Range 65,535..2^31-1, not below the stream's.
    std::uint32_t initial_connection_window = 1024 * 1024;
    /// Windows grow to at least twice the measured product of bandwidth and delay, up to this, for
    /// streams whose caller keeps up. Range: from the initial windows to 2^31-1.
    std::uint32_t max_window = 16 * 1024 * 1024;
    /// Octets by which the windows of all open streams together may exceed their initial size. What
    /// callers who do not read can make a connection hold is at most this and an initial window for
    /// each stream. Range 0..2^31-1.
    std::uint32_t max_window_growth = 64 * 1024 * 1024;

    // Frames that carry nothing.
    h2_allowance settings_frames{100, 10};
    h2_allowance pings{200, 20};
    /// RST_STREAM on streams that are not open.
    h2_allowance stray_resets{200, 20};
    h2_allowance window_updates{1000, 100};
    h2_allowance priorities{200, 20};
    /// DATA without an octet of data, padding alone included, that does not end its stream.
    h2_allowance empty_data{200, 20};
    /// Unknown types, repeated GOAWAY, and frames other than RST_STREAM on streams that are gone.
    h2_allowance other_frames{500, 50};
    /// Acknowledgements (SETTINGS, PING) that wait to be sent. Range 16..10,000.
    std::uint32_t max_pending_acks = 1000;
};

[[nodiscard]] h2_settings clamped(h2_settings value);

}  // namespace hearth::proto
