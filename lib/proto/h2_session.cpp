#include "proto/h2_session.hpp"

#include <array>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "proto/h2_frame_reader.hpp"

namespace hearth::proto {
namespace {

h2_session_listener& listener_of(void* user_data) {
    return *static_cast<h2_session_listener*>(user_data);
}

std::string_view text_of(const std::uint8_t* octets, std::size_t size) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): octets are text here
    return {reinterpret_cast<const char*>(octets), size};
}

std::uint64_t payload_of(const std::uint8_t* octets) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i) value = (value << 8) | octets[i];
    return value;
}

bool has_flag(const nghttp2_frame* frame, std::uint8_t flag) {
    return (frame->hd.flags & flag) != 0;
}

/// No exception may cross nghttp2.
template <class Work>
int guarded(void* user_data, Work work) noexcept {
    h2_session_listener& listener = listener_of(user_data);
    try {
        return work(listener);
    } catch (const std::bad_alloc&) {
        listener.on_shortage();
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
}

int on_begin_headers(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user_data) {
    return guarded(user_data, [&](h2_session_listener& listener) {
        listener.on_block_begin(frame->hd.stream_id);
        return 0;
    });
}

int on_header(nghttp2_session* /*session*/, const nghttp2_frame* frame, const std::uint8_t* name,
              std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
              std::uint8_t /*flags*/, void* user_data) {
    return guarded(user_data, [&](h2_session_listener& listener) {
        listener.on_field(frame->hd.stream_id, text_of(name, name_size),
                          text_of(value, value_size));
        return 0;
    });
}

int on_data_chunk(nghttp2_session* /*session*/, std::uint8_t /*flags*/, std::int32_t stream,
                  const std::uint8_t* octets, std::size_t size, void* user_data) {
    return guarded(user_data, [&](h2_session_listener& listener) {
        listener.on_data(stream, std::as_bytes(std::span(octets, size)));
        return 0;
    });
}

void tell_received(h2_session_listener& listener, const nghttp2_frame* frame) {
    switch (frame->hd.type) {
        case NGHTTP2_HEADERS:
            listener.on_block_end(frame->hd.stream_id, has_flag(frame, NGHTTP2_FLAG_END_STREAM));
            break;
        case NGHTTP2_DATA:
            if (has_flag(frame, NGHTTP2_FLAG_END_STREAM)) {
                listener.on_data_end(frame->hd.stream_id);
            }
            break;
        case NGHTTP2_RST_STREAM:
            listener.on_peer_reset(frame->hd.stream_id,
                                   static_cast<h2_error_code>(frame->rst_stream.error_code));
            break;
        case NGHTTP2_SETTINGS:
            if (!has_flag(frame, NGHTTP2_FLAG_ACK)) listener.on_peer_settings();
            break;
        case NGHTTP2_PING:
            if (has_flag(frame, NGHTTP2_FLAG_ACK)) {
                listener.on_pong(payload_of(&frame->ping.opaque_data[0]));
            }
            break;
        case NGHTTP2_GOAWAY:
            listener.on_goaway(frame->goaway.last_stream_id,
                               static_cast<h2_error_code>(frame->goaway.error_code),
                               text_of(frame->goaway.opaque_data, frame->goaway.opaque_data_len));
            break;
        default: break;
    }
}

int on_frame_recv(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user_data) {
    return guarded(user_data, [&](h2_session_listener& listener) {
        tell_received(listener, frame);
        return 0;
    });
}

int on_stream_close(nghttp2_session* /*session*/, std::int32_t stream, std::uint32_t code,
                    void* user_data) {
    return guarded(user_data, [&](h2_session_listener& listener) {
        listener.on_stream_closed(stream, static_cast<h2_error_code>(code));
        return 0;
    });
}

void tell_sent(h2_session_listener& listener, const nghttp2_frame* frame) {
    switch (frame->hd.type) {
        case NGHTTP2_HEADERS: listener.on_head_sent(frame->hd.stream_id); [[fallthrough]];
        case NGHTTP2_DATA:
            if (has_flag(frame, NGHTTP2_FLAG_END_STREAM)) {
                listener.on_end_sent(frame->hd.stream_id);
            }
            break;
        case NGHTTP2_GOAWAY:
            listener.on_own_goaway(
                static_cast<h2_error_code>(frame->goaway.error_code),
                text_of(frame->goaway.opaque_data, frame->goaway.opaque_data_len));
            break;
        default: break;
    }
}

int on_frame_send(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user_data) {
    return guarded(user_data, [&](h2_session_listener& listener) {
        tell_sent(listener, frame);
        return 0;
    });
}

int on_frame_not_send(nghttp2_session* /*session*/, const nghttp2_frame* frame, int reason,
                      void* user_data) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    return guarded(user_data, [&](h2_session_listener& listener) {
        listener.on_head_not_sent(frame->hd.stream_id, reason);
        return 0;
    });
}

ssize_t on_body_read(nghttp2_session* /*session*/, std::int32_t stream, std::uint8_t* /*octets*/,
                     std::size_t limit, std::uint32_t* flags, nghttp2_data_source* /*source*/,
                     void* user_data) {
    return guarded(user_data, [&](h2_session_listener& listener) {
        const h2_session_listener::body_part part = listener.on_body_wanted(stream, limit);
        if (part.is_failed) return static_cast<int>(NGHTTP2_ERR_CALLBACK_FAILURE);
        if (part.is_waiting) return static_cast<int>(NGHTTP2_ERR_DEFERRED);
        if (part.size != 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
        if (part.is_last) *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (part.is_last && part.has_trailers) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        return static_cast<int>(part.size);  // at most a frame
    });
}

int on_send_data(nghttp2_session* /*session*/, nghttp2_frame* frame, const std::uint8_t* header,
                 std::size_t size, nghttp2_data_source* /*source*/, void* user_data) {
    using sent = h2_session_listener::sent;
    const auto octets = std::as_bytes(std::span(header, h2_frame_header::size));
    return guarded(user_data, [&](h2_session_listener& listener) {
        switch (listener.on_body_frame(frame->hd.stream_id, octets, size)) {
            case sent::done: return 0;
            case sent::later: return static_cast<int>(NGHTTP2_ERR_WOULDBLOCK);
            case sent::failed: break;
        }
        return static_cast<int>(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE);
    });
}

struct callbacks_deleter {
    void operator()(nghttp2_session_callbacks* p) const { nghttp2_session_callbacks_del(p); }
};
struct option_deleter {
    void operator()(nghttp2_option* p) const { nghttp2_option_del(p); }
};
using callbacks_ptr = std::unique_ptr<nghttp2_session_callbacks, callbacks_deleter>;
using option_ptr = std::unique_ptr<nghttp2_option, option_deleter>;

callbacks_ptr make_callbacks() {
    nghttp2_session_callbacks* raw = nullptr;
    if (nghttp2_session_callbacks_new(&raw) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_begin_headers_callback(raw, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(raw, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(raw, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(raw, on_frame_recv);
    nghttp2_session_callbacks_set_on_stream_close_callback(raw, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(raw, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(raw, on_frame_not_send);
    nghttp2_session_callbacks_set_send_data_callback(raw, on_send_data);
    return callbacks_ptr(raw);
}

option_ptr make_options(const h2_settings& settings) {
    nghttp2_option* raw = nullptr;
    if (nghttp2_option_new(&raw) != 0) throw std::bad_alloc();
    nghttp2_option_set_no_auto_window_update(raw, 1);
    nghttp2_option_set_no_http_messaging(raw, 1);
    nghttp2_option_set_no_closed_streams(raw, 1);
    nghttp2_option_set_peer_max_concurrent_streams(raw, settings.assumed_max_streams);
    // h2_request_fields has checked the size already, with more for each field than HPACK needs.
    nghttp2_option_set_max_send_header_block_length(raw, settings.max_request_header_bytes * 2);
    nghttp2_option_set_max_deflate_dynamic_table_size(raw, settings.encoder_table_bytes);
    nghttp2_option_set_max_outbound_ack(raw, settings.max_pending_acks);
    nghttp2_option_set_max_settings(raw, settings.max_settings_entries);
    nghttp2_option_set_max_continuations(raw, settings.max_continuations);
    return option_ptr(raw);
}

}  // namespace

h2_session::h2_session(const h2_settings& settings, h2_session_listener& listener) {
    nghttp2_session* raw = nullptr;
    const callbacks_ptr callbacks = make_callbacks();
    const option_ptr options = make_options(settings);
    if (nghttp2_session_client_new2(&raw, callbacks.get(), &listener, options.get()) != 0) {
        throw std::bad_alloc();
    }
    session_.reset(raw);
    submit_settings(settings);
}

void h2_session::submit_settings(const h2_settings& settings) {
    const std::array<nghttp2_settings_entry, 5> entries{{
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, settings.decoder_table_bytes},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings.initial_stream_window},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, settings.max_frame_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings.max_header_bytes},
    }};
    if (nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, entries.data(),
                                entries.size()) != 0) {
        throw std::bad_alloc();
    }
    set_window(0, settings.initial_connection_window);
}

int h2_session::note(int code) {
    if (code == NGHTTP2_ERR_NOMEM) lacks_memory_ = true;
    return code;
}

int h2_session::receive(std::span<const std::byte> octets) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): nghttp2 reads uint8_t
    const auto* const data = reinterpret_cast<const std::uint8_t*>(octets.data());
    const ssize_t taken = nghttp2_session_mem_recv(session_.get(), data, octets.size());
    if (std::exchange(is_interrupted_, false)) throw std::bad_alloc();
    return taken < 0 ? note(static_cast<int>(taken)) : 0;
}

std::ptrdiff_t h2_session::send(const std::byte*& octets) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
    if (std::exchange(is_interrupted_, false)) throw std::bad_alloc();
    if (size < 0) note(static_cast<int>(size));
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): nghttp2 writes uint8_t
    octets = reinterpret_cast<const std::byte*>(data);
    return size;
}

bool h2_session::wants_send() const { return nghttp2_session_want_write(session_.get()) != 0; }

std::int32_t h2_session::request(std::span<const nghttp2_nv> fields, bool has_body) {
    nghttp2_data_provider body{};
    body.read_callback = on_body_read;
    return note(nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(),
                                       has_body ? &body : nullptr, nullptr));
}

bool h2_session::trailers(std::int32_t stream, std::span<const nghttp2_nv> fields) {
    return note(nghttp2_submit_trailer(session_.get(), stream, fields.data(), fields.size())) == 0;
}

void h2_session::resume_body(std::int32_t stream) {
    // Fails, too, when the stream has no body to resume, which is what the caller may not know.
    note(nghttp2_session_resume_data(session_.get(), stream));
}

void h2_session::reset(std::int32_t stream, h2_error_code code) {
    note(nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream,
                                   static_cast<std::uint32_t>(code)));
}

void h2_session::ping(std::uint64_t payload) {
    std::array<std::uint8_t, 8> octets{};
    for (std::size_t i = octets.size(); i-- > 0; payload >>= 8) {
        octets[i] = static_cast<std::uint8_t>(payload & 0xff);
    }
    note(nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, octets.data()));
}

void h2_session::goaway() {
    note(nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0));
}

void h2_session::terminate(h2_error_code code) {
    note(nghttp2_session_terminate_session(session_.get(), static_cast<std::uint32_t>(code)));
}

void h2_session::consume_connection(std::size_t octets) {
    note(nghttp2_session_consume_connection(session_.get(), octets));
}

void h2_session::consume_stream(std::int32_t stream, std::size_t octets) {
    note(nghttp2_session_consume_stream(session_.get(), stream, octets));
}

void h2_session::set_window(std::int32_t stream, std::uint32_t size) {
    note(nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, stream,
                                               static_cast<std::int32_t>(size)));
}

std::int32_t h2_session::window_left(std::int32_t stream) const {
    return nghttp2_session_get_stream_local_window_size(session_.get(), stream);
}

std::uint32_t h2_session::peer_setting(nghttp2_settings_id id) const {
    return nghttp2_session_get_remote_settings(session_.get(), id);
}

bool h2_session::may_request() const {
    return nghttp2_session_check_request_allowed(session_.get()) != 0;
}

bool h2_session::has_ids_left() const {
    constexpr std::uint32_t largest = 0x7fffffff;
    return nghttp2_session_get_next_stream_id(session_.get()) <= largest;
}

std::size_t h2_session::memory() const {
    return nghttp2_session_get_hd_inflate_dynamic_table_size(session_.get()) +
           nghttp2_session_get_hd_deflate_dynamic_table_size(session_.get());
}

}  // namespace hearth::proto
