// A client that is only sockets and HTTP/2 frames, to test origins with.
#pragma once

#include <string>
#include <string_view>

#include "support/h2_frames.hpp"
#include "testing/plain_client.hpp"

namespace hearth::support {

namespace h2 = testing::h2;

/// An origin in plaintext that speaks HTTP/2 and HTTP/1.1.
[[nodiscard]] inline testing::origin_options plaintext_http2(testing::http2_options http2 = {}) {
    return {.listen = {.tls = false, .alpn = {"h2", "http/1.1"}}, .http2 = http2};
}

[[nodiscard]] inline h2::fields head_of(const std::string& method, const std::string& path) {
    return {{":method", method}, {":scheme", "http"}, {":path", path}, {":authority", "x"}};
}

/// Speaks frames. Begins with the preface, SETTINGS and a large connection window.
class frame_client {
public:
    explicit frame_client(std::uint16_t port) : wire_(port) {
        wire_.send(std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + h2::settings() +
                   h2::window_update(0, 1 << 20));
    }

    void send(const std::string& frames) { wire_.send(frames); }

    /// The next frame; type 255 when the connection has ended.
    h2::seen_frame next() {
        const std::string head = wire_.read_octets(9);
        if (head.size() < 9) return {255, 0, 0, {}};
        const auto at = [&head](std::size_t i) {
            return std::size_t{static_cast<unsigned char>(head[i])};
        };
        const std::size_t size = (at(0) << 16U) | (at(1) << 8U) | at(2);
        return h2::frames_of(head + (size == 0 ? std::string() : wire_.read_octets(size))).front();
    }
    /// The next frame of that type (on that stream, unless 0).
    h2::seen_frame next(unsigned type, std::uint32_t stream = 0) {
        for (;;) {
            h2::seen_frame frame = next();
            if (frame.type == 255) return frame;
            if (frame.type == type && (stream == 0 || frame.stream == stream)) return frame;
            if (frame.type == h2::headers_frame) static_cast<void>(blocks.show(frame.payload));
        }
    }
    /// The fields of the next header block as text.
    std::string next_head(std::uint32_t stream = 0) {
        return blocks.show(next(h2::headers_frame, stream).payload);
    }
    /// The rest of a body.
    std::string body(std::uint32_t stream) {
        std::string text;
        for (;;) {
            const h2::seen_frame frame = next();
            if (frame.type == 255) return text + "<cut>";
            if (frame.stream != stream || frame.type != h2::data_frame) continue;
            text += frame.payload;
            if (frame.has(h2::end_stream)) return text;
        }
    }

    h2::block_reader blocks;

private:
    plain_client wire_;
};

}  // namespace hearth::support
