// h2_frame_reader: splits the octets of a connection into frames (RFC 9113 4.1), so that each
// frame's header can be judged before nghttp2 sees any of it. Knows lengths only; used by
// h2_connection.
//
// Calling order: `read_header(input)` until it says true, then `skip_payload` for what of the
// payload was handed on, until `payload_left()` is 0; then the next header. It never holds more
// than nine octets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hearth::proto {

enum class h2_frame_type : std::uint8_t {
    data = 0,
    headers = 1,
    priority = 2,
    rst_stream = 3,
    settings = 4,
    push_promise = 5,
    ping = 6,
    goaway = 7,
    window_update = 8,
    continuation = 9,
};

struct h2_frame_header {
    static constexpr std::size_t size = 9;
    static constexpr std::uint8_t end_stream = 0x1;
    static constexpr std::uint8_t ack = 0x1;
    static constexpr std::uint8_t end_headers = 0x4;
    static constexpr std::uint8_t padded = 0x8;

    std::uint32_t length = 0;
    std::uint8_t type = 0;
    std::uint8_t flags = 0;
    std::int32_t stream = 0;

    [[nodiscard]] bool is(h2_frame_type what) const {
        return type == static_cast<std::uint8_t>(what);
    }
    [[nodiscard]] bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};

class h2_frame_reader {
public:
    /// Takes octets of a header from the front of `input`; true once it is whole.
    [[nodiscard]] bool read_header(std::span<const std::byte>& input);
    [[nodiscard]] const h2_frame_header& header() const { return header_; }
    /// The nine octets of the header that was read last.
    [[nodiscard]] std::span<const std::byte> header_octets() const { return octets_; }
    [[nodiscard]] std::size_t payload_left() const { return payload_left_; }
    void skip_payload(std::size_t size) { payload_left_ -= size; }
    /// True between two frames.
    [[nodiscard]] bool is_at_boundary() const { return payload_left_ == 0 && known_ == 0; }

private:
    std::array<std::byte, h2_frame_header::size> octets_{};
    std::size_t known_ = 0;
    h2_frame_header header_;
    std::size_t payload_left_ = 0;
};

}  // namespace hearth::proto
