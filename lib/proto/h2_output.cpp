// The output side of h2_connection: what is to be sent, as octets, with everything of a turn in one
// go.
//
// nghttp2 decides what may be sent and in which order (control frames first, then bodies in turn,
// as the peer's windows allow); octets of bodies go from their stream's queue straight into the
// output.
#include <algorithm>
#include <limits>

#include "proto/h2_connection.hpp"

namespace hearth::proto {

void h2_connection::flush(base::byte_queue& out, std::size_t limit, frame_sink* sink) {
    out.append(early_.data());
    early_.clear();
    early_.release();
    sink_ = sink;
    collect(out, limit);
    sink_ = nullptr;
    put_ = 0;
}

void h2_connection::collect(base::byte_queue& out, std::size_t limit) {
    out_ = &out;
    out_limit_ = limit;
    for (;;) {
        // Control frames are not held back: they are small, and the peer's are limited.
        const std::byte* octets = nullptr;
        const std::ptrdiff_t size = session_.send(octets);
        if (size < 0) {
            if (session_.lacks_memory()) notice_shortage();
            mark_failed(h2_error_code::internal_error, "the output could not be made");
            break;
        }
        if (size == 0) break;
        out.append(std::span(octets, static_cast<std::size_t>(size)));
    }
    out_ = nullptr;
}

void h2_connection::resume(h2_stream& stream) {
    if (!stream.is_deferred) return;
    stream.is_deferred = false;
    session_.resume_body(stream.id);
}

h2_session_listener::body_part h2_connection::on_body_wanted(std::int32_t id, std::size_t limit) {
    h2_stream* const stream = streams_.find(id);
    if (stream == nullptr || stream->is_over) return {.is_waiting = true};  // it is being reset
    const bool is_held = stream->is_connect && !stream->response.is_tunnel();
    if (is_held || (stream->body.empty() && !stream->is_body_finished)) {
        stream->is_deferred = true;
        return {.is_waiting = true};
    }
    body_part part;
    if (sink_ != nullptr) limit = std::min(limit, frame_sink::best_size - h2_frame_header::size);
    part.size = std::min(limit, stream->body.size());
    part.is_last = stream->is_body_finished && part.size == stream->body.size();
    if (!part.is_last || stream->trailers.empty()) return part;
    // They were checked when they were given.
    part.has_trailers =
        !fields_.set_trailers(stream->trailers) && session_.trailers(id, fields_.list());
    part.is_failed = !part.has_trailers;  // the body must not end as if there were none
    return part;
}

h2_session_listener::sent h2_connection::on_body_frame(std::int32_t id,
                                                       std::span<const std::byte> header,
                                                       std::size_t size) {
    h2_stream* const stream = streams_.find(id);
    if (stream == nullptr || stream->body.size() < size) return sent::failed;
    const std::size_t held = out_->size() + put_;
    if (held >= out_limit_) return sent::later;
    const std::size_t more = std::min(stream->body.size(), out_limit_ - held);
    // TLS has failed, which is no fault of the stream; who flushes is told.
    if (!put_body_frame(*stream, header, size, more)) return sent::later;
    stream->body.consume(size);
    stream->sent += size;
    if (stream->body.empty()) stream->body.release();
    guard_.on_sent(size);
    if (stream->wants_room && stream->body.size() <= settings_.send_buffer_bytes / 8) {
        stream->wants_room = false;
        if (!stream->is_body_finished) queue_event(event_kind::writable, *stream);
    }
    return sent::done;
}

/// Of the octets that the body has, about `more` will follow in this flush, this frame included.
bool h2_connection::put_body_frame(h2_stream& stream, std::span<const std::byte> header,
                                   std::size_t size, std::size_t more) {
    if (sink_ != nullptr && size >= frame_sink::least_size) {
        if (std::byte* const front = stream.body.before(header.size())) {
            std::copy(header.begin(), header.end(), front);
            put_ += out_->size() + header.size() + size;
            return sink_->put_frame({front, header.size() + size}, more);
        }
    }
    // Grows once for all that may follow, not twice for each doubling.
    const std::size_t frames = more / std::max<std::size_t>(size, 1) + 1;
    if (sink_ == nullptr) (void)out_->prepare(more + size + (frames + 1) * header.size());
    out_->append(header);
    out_->append(stream.body.data().first(size));
    return true;
}

void h2_connection::on_head_sent(std::int32_t id) {
    if (h2_stream* const stream = streams_.find(id)) stream->is_head_sent = true;
}

void h2_connection::on_end_sent(std::int32_t id) {
    if (h2_stream* const stream = streams_.find(id)) stream->is_end_sent = true;
}

void h2_connection::on_head_not_sent(std::int32_t id, int reason) {
    h2_stream* const stream = live(id);
    if (stream == nullptr) return;
    if (reason == NGHTTP2_ERR_FRAME_SIZE_ERROR) {
        fail_stream(*stream, {.error = errc::header_limit,
                              .code = h2_error_code::internal_error,
                              .detail = "the fields of the request are larger than the limit"});
        return;
    }
    fail_stream(*stream, {.error = errc::peer_closed,
                          .code = goaway_code_,
                          .detail = "the connection ended before the request was sent",
                          .is_unprocessed = true});
}

void h2_connection::on_own_goaway(h2_error_code code, std::string_view debug) {
    if (code == h2_error_code::no_error || is_failed_) return;
    mark_failed(code, debug.empty() ? "the peer broke HTTP/2" : debug);
}

}  // namespace hearth::proto
