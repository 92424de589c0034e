// HTTP/2 frames (RFC 9113 6) as octets, and octets as frames: for scripts of a `raw_origin`, wrong
// frames included, and for looking at what a client has sent. Header blocks are written as literals
// that nothing indexes (RFC 7541 6.2.2), so that any octet can stand anywhere. Pure functions;
// nothing is checked.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::h2 {

enum type : std::uint8_t {
    data_frame = 0,
    headers_frame = 1,
    priority_frame = 2,
    rst_stream_frame = 3,
    settings_frame = 4,
    push_promise_frame = 5,
    ping_frame = 6,
    goaway_frame = 7,
    window_update_frame = 8,
    continuation_frame = 9,
};
enum flag : std::uint8_t {
    no_flags = 0,
    end_stream = 0x1,
    ack = 0x1,
    end_headers = 0x4,
    padded = 0x8,
    priority_flag = 0x20,
};

inline std::string number(std::uint64_t value, unsigned octets) {
    std::string text;
    for (unsigned i = octets; i-- > 0;) text += static_cast<char>((value >> (8 * i)) & 0xff);
    return text;
}

inline std::string frame_head(std::size_t length, unsigned type, unsigned flags,
                              std::uint32_t stream) {
    return number(length, 3) + number(type, 1) + number(flags, 1) + number(stream, 4);
}

inline std::string frame(unsigned type, unsigned flags, std::uint32_t stream,
                         std::string_view payload = {}) {
    return frame_head(payload.size(), type, flags, stream).append(payload);
}

using fields = std::vector<std::pair<std::string, std::string>>;

/// A string of HPACK (RFC 7541 5.2), without Huffman coding.
inline std::string hpack_string(std::string_view text) {
    std::string out;
    if (text.size() < 127) {
        out += static_cast<char>(text.size());
    } else {
        out += '\x7f';
        std::size_t rest = text.size() - 127;
        for (; rest >= 128; rest >>= 7) out += static_cast<char>((rest & 0x7f) | 0x80);
        out += static_cast<char>(rest);
    }
    return out.append(text);
}

/// Literals without indexing (RFC 7541 6.2.2).
inline std::string block(const fields& list) {
    std::string out;
    for (const auto& [name, value] : list) {
        out += '\0' + hpack_string(name) + hpack_string(value);
    }
    return out;
}

inline std::string settings(
    std::initializer_list<std::pair<unsigned, std::uint32_t>> entries = {}) {
    std::string payload;
    for (const auto& [id, value] : entries) payload += number(id, 2) + number(value, 4);
    return frame(settings_frame, no_flags, 0, payload);
}
inline std::string settings_ack() { return frame(settings_frame, ack, 0); }

inline std::string headers(std::uint32_t stream, const fields& list, unsigned flags = no_flags) {
    return frame(headers_frame, flags | end_headers, stream, block(list));
}
/// A head with this status and nothing else.
inline std::string status(std::uint32_t stream, std::string_view code, unsigned flags = no_flags) {
    return headers(stream, {{":status", std::string(code)}}, flags);
}
inline std::string data(std::uint32_t stream, std::string_view octets, unsigned flags = no_flags) {
    return frame(data_frame, flags, stream, octets);
}
inline std::string padded_data(std::uint32_t stream, std::string_view octets, unsigned padding,
                               unsigned flags = no_flags) {
    return frame(data_frame, flags | padded, stream,
                 number(padding, 1).append(octets).append(padding, '\0'));
}
inline std::string rst_stream(std::uint32_t stream, std::uint32_t code) {
    return frame(rst_stream_frame, no_flags, stream, number(code, 4));
}
inline std::string window_update(std::uint32_t stream, std::uint32_t octets) {
    return frame(window_update_frame, no_flags, stream, number(octets, 4));
}
inline std::string ping(std::uint64_t payload, unsigned flags = no_flags) {
    return frame(ping_frame, flags, 0, number(payload, 8));
}
inline std::string goaway(std::uint32_t last, std::uint32_t code, std::string_view debug = {}) {
    return frame(goaway_frame, no_flags, 0, (number(last, 4) + number(code, 4)).append(debug));
}
inline std::string priority(std::uint32_t stream) {
    return frame(priority_frame, no_flags, stream, number(0, 4) + number(15, 1));
}

/// One frame as it was sent.
struct seen_frame {
    unsigned type = 0;
    unsigned flags = 0;
    std::uint32_t stream = 0;
    std::string payload;

    [[nodiscard]] bool has(unsigned wanted) const { return (flags & wanted) != 0; }
    [[nodiscard]] std::uint64_t number_at(std::size_t at, std::size_t octets) const {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < octets; ++i) {
            value = (value << 8) | static_cast<unsigned char>(payload.at(at + i));
        }
        return value;
    }
};

/// All whole frames of `octets`; a rest that is no frame becomes one of type 255.
inline std::vector<seen_frame> frames_of(std::string_view octets) {
    std::vector<seen_frame> frames;
    while (!octets.empty()) {
        const auto at = [octets](std::size_t i) {
            return std::uint32_t{static_cast<unsigned char>(octets[i])};
        };
        const std::size_t length =
            octets.size() < 9 ? octets.size() : (at(0) << 16) | (at(1) << 8) | at(2);
        if (octets.size() < 9 || octets.size() < 9 + length) {
            frames.push_back({255, 0, 0, std::string(octets)});
            break;
        }
        frames.push_back({at(3), at(4),
                          ((at(5) & 0x7f) << 24) | (at(6) << 16) | (at(7) << 8) | at(8),
                          std::string(octets.substr(9, length))});
        octets.remove_prefix(9 + length);
    }
    return frames;
}

}  // namespace testing::h2
HEARTH_END_NAMESPACE
