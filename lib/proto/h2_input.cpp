// The input side of h2_connection: frames are judged by their headers, then given to nghttp2, whose
// callbacks become events.
//
// What is judged here is what nghttp2 does not do or does otherwise: the first frame, pushes, the
// size of header blocks, frames on streams that have ended, and everything that carries nothing
// (h2_flood_guard). Whatever else breaks the protocol nghttp2 finds; it then has a GOAWAY to send.
#include <algorithm>

#include "proto/h2_connection.hpp"

namespace hearth::proto {
namespace {

/// What a peer wrote for people to read, cut and without what a terminal would obey.
std::string printable(std::string_view text) {
    constexpr std::size_t longest = 256;
    std::string shown(text.substr(0, longest));
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return shown;
}

}  // namespace

void h2_connection::receive(std::span<const std::byte> bytes) {
    if (is_failed_ || is_peer_closed_) return;
    held_.clear();  // used up, or this call were not legal
    input_ = bytes;
    window_.on_input();
}

void h2_connection::retain() {
    if (input_.empty()) {
        held_.clear();
        held_.release();
        return;
    }
    if (!held_.empty()) {  // input_ is its end
        held_.consume(held_.size() - input_.size());
    } else {
        held_.append(input_);
    }
    input_ = held_.data();
}

/// Takes the next frame, or what there is of it.
void h2_connection::advance() {
    if (reader_.payload_left() == 0) {
        const std::span<const std::byte> before = input_;
        if (!reader_.read_header(input_)) return;
        if (!accept_frame(reader_.header())) return;
        frame_data_ = 0;
        const std::size_t header_size = before.size() - input_.size();
        const bool is_in_one_piece = header_size == h2_frame_header::size;
        if (!is_in_one_piece || input_.size() < reader_.payload_left()) {
            feed(reader_.header_octets());
            if (reader_.payload_left() == 0 && !is_failed_) finish_frame();
            return;
        }
        const std::size_t size = reader_.payload_left();
        input_ = input_.subspan(size);
        reader_.skip_payload(size);
        feed(before.first(header_size + size));
        if (!is_failed_) finish_frame();
        return;
    }
    const std::size_t size = std::min(input_.size(), reader_.payload_left());
    const std::span<const std::byte> piece = input_.first(size);
    input_ = input_.subspan(size);
    reader_.skip_payload(size);
    feed(piece);
    if (reader_.payload_left() == 0 && !is_failed_) finish_frame();
}

void h2_connection::feed(std::span<const std::byte> octets) {
    const int error = session_.receive(octets);
    if (error == 0) {
        notice_termination();
        return;
    }
    if (session_.lacks_memory()) return notice_shortage();
    const bool is_flood =
        error == NGHTTP2_ERR_FLOODED || error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
    fail_connection(is_flood ? h2_error_code::enhance_your_calm : h2_error_code::protocol_error,
                    nghttp2_strerror(error));
}

/// nghttp2 answers an error of the connection with a GOAWAY and says nothing; making its output is
/// the way to learn of it.
void h2_connection::notice_termination() {
    if (is_failed_ || session_.may_request() || !session_.has_ids_left()) return;
    collect(early_, early_.size());
}

bool h2_connection::refuse(h2_error_code code, std::string_view detail) {
    fail_connection(code, detail);
    return false;
}

bool h2_connection::spend(h2_nuisance kind) {
    return guard_.spend(kind) || refuse(h2_error_code::enhance_your_calm, flood_detail(kind));
}

h2_stream* h2_connection::live(std::int32_t id) const {
    h2_stream* const stream = streams_.find(id);
    return stream != nullptr && !stream->is_over ? stream : nullptr;
}

/// Whether the peer has ended stream `id`, which `stream` is if it lives.
bool h2_connection::was_ended(const h2_stream* stream, std::int32_t id) const {
    if (stream != nullptr && !stream->is_peer_ended) return false;
    return streams_.was_ended(id);
}

/// False, and the connection has failed, if the frame must not be looked at any further.
bool h2_connection::accept_frame(const h2_frame_header& frame) {
    if (!accept_order(frame)) return false;
    switch (static_cast<h2_frame_type>(frame.type)) {
        case h2_frame_type::headers:
        case h2_frame_type::continuation: return accept_block(frame);
        case h2_frame_type::data: return accept_data(frame);
        case h2_frame_type::push_promise:
            return refuse(h2_error_code::protocol_error,
                          "the peer pushes, which was forbidden (RFC 9113 8.4)");
        default: return accept_control(frame);
    }
}

bool h2_connection::accept_order(const h2_frame_header& frame) {
    if (!has_first_frame_) {
        has_first_frame_ = true;
        const bool is_preface = frame.is(h2_frame_type::settings) && frame.stream == 0 &&
                                !frame.has(h2_frame_header::ack);
        if (!is_preface) {
            return refuse(h2_error_code::protocol_error,
                          "the peer does not begin with SETTINGS (RFC 9113 3.4)");
        }
    }
    if (frame.length > settings_.max_frame_bytes) {
        return refuse(h2_error_code::frame_size_error,
                      "a frame is larger than MAX_FRAME_SIZE (RFC 9113 4.2)");
    }
    const bool continues = frame.is(h2_frame_type::continuation) && frame.stream == block_stream_;
    if (block_stream_ != 0 && !continues) {
        return refuse(h2_error_code::protocol_error,
                      "a header block is interrupted (RFC 9113 4.3)");
    }
    if (block_stream_ == 0 && frame.is(h2_frame_type::continuation)) {
        return refuse(h2_error_code::protocol_error,
                      "CONTINUATION without a header block (RFC 9113 6.10)");
    }
    return true;
}

bool h2_connection::accept_block(const h2_frame_header& frame) {
    if (frame.is(h2_frame_type::headers)) {
        block_frames_ = 0;
        block_octets_ = 0;
        const h2_stream* const stream = live(frame.stream);
        if (was_ended(stream, frame.stream)) {
            return refuse(h2_error_code::stream_closed,
                          "HEADERS on a stream that had ended (RFC 9113 5.1)");
        }
        if (stream != nullptr) {
            guard_.on_useful_frame();
        } else if (!spend(h2_nuisance::other)) {
            return false;
        }
    } else if (++block_frames_ > settings_.max_continuations) {
        return refuse(h2_error_code::enhance_your_calm,
                      "a header block has too many CONTINUATION frames");
    }
    block_octets_ += frame.length;
    block_stream_ = frame.has(h2_frame_header::end_headers) ? 0 : frame.stream;
    if (block_octets_ <= settings_.max_header_block_bytes) return true;
    return refuse(h2_error_code::enhance_your_calm, "a header block is too large");
}

bool h2_connection::accept_data(const h2_frame_header& frame) {
    h2_stream* const stream = live(frame.stream);
    if (was_ended(stream, frame.stream)) {
        return refuse(h2_error_code::stream_closed,
                      "DATA on a stream that had ended (RFC 9113 5.1)");
    }
    if (stream != nullptr) {
        if (static_cast<std::int64_t>(frame.length) > session_.window_left(stream->id)) {
            reset_stream(*stream, {.code = h2_error_code::flow_control_error,
                                   .detail = "the peer sent more than its window (RFC 9113 6.9)"});
        } else if (!frame.has(h2_frame_header::padded) &&
                   !stream->response.check_body(frame.length)) {
            // Before an octet of it is given away; with padding, as soon as it is known how many
            // are data.
            if (frame.has(h2_frame_header::end_stream)) streams_.note_ended(frame.stream);
            reset_stream(*stream, {.detail = stream->response.detail()});
        }
        return true;
    }
    // What was on its way when a stream was reset is no more than the window that it had.
    if (frame.length > late_octets_ || frame.length == 0) return spend(h2_nuisance::other);
    late_octets_ -= frame.length;
    return true;
}

bool h2_connection::accept_control(const h2_frame_header& frame) {
    const bool is_ack = frame.has(h2_frame_header::ack);
    switch (static_cast<h2_frame_type>(frame.type)) {
        case h2_frame_type::settings:
            return spend(is_ack ? h2_nuisance::other : h2_nuisance::settings);
        case h2_frame_type::ping:
            if (!is_ack) return spend(h2_nuisance::ping);
            if (pings_ == 0) return spend(h2_nuisance::other);
            --pings_;
            return true;
        case h2_frame_type::rst_stream:
            return live(frame.stream) != nullptr || spend(h2_nuisance::stray_reset);
        case h2_frame_type::window_update: return spend(h2_nuisance::window_update);
        case h2_frame_type::priority: return spend(h2_nuisance::priority);
        default: return spend(h2_nuisance::other);  // GOAWAY, and types we do not know
    }
}

void h2_connection::finish_frame() {
    const h2_frame_header& frame = reader_.header();
    if (!frame.is(h2_frame_type::data) || frame.has(h2_frame_header::end_stream)) return;
    if (live(frame.stream) == nullptr) return;  // accept_data bounds what dead streams get
    if (frame_data_ != 0) {
        guard_.on_useful_frame();
    } else {
        static_cast<void>(spend(h2_nuisance::empty_data));
    }
}

// What nghttp2 tells.

void h2_connection::on_block_begin(std::int32_t id) {
    if (h2_stream* const stream = live(id)) stream->response.begin_block();
}

void h2_connection::on_field(std::int32_t id, std::string_view name, std::string_view value) {
    if (h2_stream* const stream = live(id)) stream->response.add_field(name, value, settings_);
}

void h2_connection::on_block_end(std::int32_t id, bool ends_stream) {
    h2_stream* const stream = live(id);
    if (stream == nullptr) return;
    using block = h2_response::block;
    switch (stream->response.finish_block(ends_stream, settings_)) {
        case block::refused: {
            const errc error = stream->response.error();
            if (ends_stream) streams_.note_ended(id);
            reset_stream(*stream, {.error = error,
                                   .code = error == errc::peer_protocol_error
                                               ? h2_error_code::protocol_error
                                               : h2_error_code::enhance_your_calm,
                                   .detail = stream->response.detail()});
            return;
        }
        case block::informational:
            if (stream->response.head().status == 100) queue_event(event_kind::proceed, *stream);
            queue_event(event_kind::informational, *stream);
            return;
        case block::head:
            queue_event(event_kind::head, *stream);
            if (stream->response.is_tunnel()) resume(*stream);
            break;
        case block::trailers: queue_event(event_kind::trailers, *stream); break;
    }
    if (ends_stream) end_response(*stream);
}

void h2_connection::on_data(std::int32_t id, std::span<const std::byte> octets) {
    frame_data_ += octets.size();
    session_.consume_connection(octets.size());
    h2_stream* const stream = live(id);
    if (stream == nullptr) {
        session_.consume_stream(id, octets.size());
        return;
    }
    if (!stream->response.add_body(octets.size())) {
        reset_stream(*stream, {.detail = stream->response.detail()});
        return;
    }
    window_.on_data(octets.size());
    if (stream->is_discarded) {
        session_.consume_stream(id, octets.size());
        return;
    }
    stream->unconsumed += octets.size();
    queue_event(event_kind::data, *stream, octets);
}

void h2_connection::on_data_end(std::int32_t id) {
    h2_stream* const stream = live(id);
    if (stream == nullptr) return;
    // An empty frame may end a message that has no content, but not come before its head.
    if (stream->response.add_body(0)) {
        end_response(*stream);
        return;
    }
    streams_.note_ended(id);
    reset_stream(*stream, {.detail = stream->response.detail()});
}

/// The peer has ended its side.
void h2_connection::end_response(h2_stream& stream) {
    streams_.note_ended(stream.id);
    stream.is_peer_ended = true;
    if (!stream.response.finish()) {
        reset_stream(stream, {.detail = stream.response.detail()});
        return;
    }
    queue_event(event_kind::end, stream);
    if (stream.is_end_sent) {
        mark_over(stream);
    } else if (!stream.response.is_tunnel()) {
        // The answer is complete, so nobody needs the rest of the request (RFC 9113 8.1).
        mark_over(stream);
        session_.reset(stream.id, h2_error_code::cancel);
    }
}

void h2_connection::on_peer_reset(std::int32_t id, h2_error_code code) {
    h2_stream* const stream = live(id);
    if (stream == nullptr) return;
    // Some servers end a response that was sent whole so, without END_STREAM. Only its length can
    // tell that from a response that was cut.
    if (code == h2_error_code::no_error && stream->response.has_all_content()) {
        end_response(*stream);
        return;
    }
    const bool is_refused = code == h2_error_code::refused_stream;
    const bool has_head = stream->response.has_head();
    fail_stream(*stream, {.error = has_head ? errc::peer_truncated : errc::peer_reset,
                          .code = code,
                          .detail = "the peer reset the stream with " + to_string(code),
                          .is_unprocessed = is_refused && !has_head});
}

void h2_connection::on_peer_settings() {
    has_settings_ = true;
    pending next;
    next.kind = event_kind::settings;
    events_.push(std::move(next));
}

void h2_connection::on_pong(std::uint64_t payload) {
    if (window_.on_pong(payload)) session_.set_window(0, window_.connection());
    pending next;
    next.kind = event_kind::pong;
    next.value = payload;
    events_.push(std::move(next));
}

void h2_connection::on_goaway(std::int32_t last, h2_error_code code, std::string_view debug) {
    // A repeated one moves the last id; what the first said stays unless this one says more.
    const bool is_new = !has_goaway_ || (code != goaway_code_ && code != h2_error_code::no_error);
    has_goaway_ = true;
    if (is_new || !debug.empty()) goaway_debug_ = printable(debug);
    if (is_new) goaway_code_ = code;
    pending next;
    next.kind = event_kind::goaway;
    next.code = code;
    next.detail = goaway_debug_;
    next.value = static_cast<std::uint64_t>(last);
    events_.push(std::move(next));
}

void h2_connection::on_stream_closed(std::int32_t id, h2_error_code code) {
    h2_stream* const stream = streams_.find(id);
    if (stream == nullptr || stream->is_over) return;
    if (stream->is_peer_ended) {  // a tunnel whose other direction has ended too
        if (stream->is_end_taken) {
            forget(*stream);
        } else {
            mark_over(*stream);
        }
        return;
    }
    if (has_goaway_ && code == h2_error_code::refused_stream) {
        std::string detail = "the stream is above the last of the peer's GOAWAY";
        if (goaway_code_ != h2_error_code::no_error) detail += "; " + lost_detail();
        fail_stream(
            *stream,
            {.error = errc::peer_closed, .code = code, .detail = detail, .is_unprocessed = true});
        return;
    }
    const std::string detail = "the stream was closed with " + to_string(code);
    fail_stream(*stream, {.code = code, .detail = detail});
}

}  // namespace hearth::proto
