// An HTTP/2 server without sockets: an nghttp2 session that answers every request, for tests that
// need a peer of another make. `/bytes/N` gives N octets and trailers, anything else as many octets
// as the request had, after its end.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::testing {

class h2_server {
public:
    struct request {
        std::map<std::string, std::string> fields;
        std::uint64_t received = 0;
        std::uint64_t left = 0;  ///< Octets of the answer still to be sent.
        bool has_trailers = false;
        std::uint32_t close_code = 0;
        bool is_closed = false;
    };

    explicit h2_server(const std::vector<nghttp2_settings_entry>& settings = {}) {
        nghttp2_session_callbacks* callbacks = nullptr;
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
        nghttp2_session* raw = nullptr;
        nghttp2_session_server_new(&raw, callbacks, this);
        nghttp2_session_callbacks_del(callbacks);
        session_.reset(raw);
        nghttp2_submit_settings(raw, 0, settings.data(), settings.size());
    }
    h2_server(const h2_server&) = delete;
    h2_server& operator=(const h2_server&) = delete;

    /// False if the octets are not HTTP/2.
    [[nodiscard]] bool receive(std::string_view octets) {
        return nghttp2_session_mem_recv(session_.get(),
                                        reinterpret_cast<const std::uint8_t*>(octets.data()),
                                        octets.size()) == static_cast<ssize_t>(octets.size());
    }
    [[nodiscard]] std::string send() {
        std::string all;
        for (;;) {
            const std::uint8_t* octets = nullptr;
            const ssize_t size = nghttp2_session_mem_send(session_.get(), &octets);
            if (size <= 0) return all;
            all.append(reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size));
        }
    }
    [[nodiscard]] nghttp2_session* session() { return session_.get(); }

    std::map<std::int32_t, request> requests;

private:
    struct deleter {
        void operator()(nghttp2_session* p) const { nghttp2_session_del(p); }
    };
    static h2_server& self(void* data) { return *static_cast<h2_server*>(data); }

    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                         std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                         std::uint8_t, void* data) {
        self(data).requests[frame->hd.stream_id].fields.emplace(
            std::string(reinterpret_cast<const char*>(name), name_size),
            std::string(reinterpret_cast<const char*>(value), value_size));
        return 0;
    }
    static int on_data(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t*,
                       std::size_t size, void* data) {
        self(data).requests[stream].received += size;
        return 0;
    }
    static int on_close(nghttp2_session*, std::int32_t stream, std::uint32_t code, void* data) {
        request& closed = self(data).requests[stream];
        closed.is_closed = true;
        closed.close_code = code;
        return 0;
    }
    static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* data) {
        const bool is_request = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
        if (!is_request || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
        request& asked = self(data).requests[frame->hd.stream_id];
        const std::string path = asked.fields[":path"];
        constexpr std::string_view bytes = "/bytes/";
        asked.has_trailers = path.starts_with(bytes);
        asked.left = asked.has_trailers ? std::strtoull(path.c_str() + bytes.size(), nullptr, 10)
                                        : asked.received;
        std::string name = ":status";
        std::string value = "200";
        const nghttp2_nv status = field(name, value);
        nghttp2_data_provider body{};
        body.source.ptr = &asked;
        body.read_callback = read_body;
        nghttp2_submit_response(session, frame->hd.stream_id, &status, 1, &body);
        return 0;
    }
    static ssize_t read_body(nghttp2_session* session, std::int32_t stream, std::uint8_t* octets,
                             std::size_t size, std::uint32_t* flags, nghttp2_data_source* source,
                             void*) {
        request& asked = *static_cast<request*>(source->ptr);
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(size, asked.left));
        std::fill_n(octets, part, static_cast<std::uint8_t>('x'));
        asked.left -= part;
        if (asked.left != 0) return static_cast<ssize_t>(part);
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (asked.has_trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            std::string name = "done";
            std::string value = "yes";
            const nghttp2_nv trailer = field(name, value);
            nghttp2_submit_trailer(session, stream, &trailer, 1);
        }
        return static_cast<ssize_t>(part);
    }
    static nghttp2_nv field(std::string& name, std::string& value) {
        return {reinterpret_cast<std::uint8_t*>(name.data()),
                reinterpret_cast<std::uint8_t*>(value.data()), name.size(), value.size(), 0};
    }

    std::unique_ptr<nghttp2_session, deleter> session_;
};

}  // namespace hearth::testing
