#include "proto/h2_connection.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace hearth::proto {

h2_connection::h2_connection(const h2_settings& settings)
    : settings_(clamped(settings)),
      session_(settings_, *this),
      guard_(settings_),
      window_(settings_),
      fields_(settings_.max_request_header_bytes, settings_.split_cookies) {}

// Commands.

bool h2_connection::can_begin() const { return !is_draining() && open_streams() < max_streams(); }

bool h2_connection::is_draining() const {
    return is_failed_ || is_peer_closed_ || has_goaway_ || is_shut_down_ ||
           !session_.has_ids_left();
}

std::uint32_t h2_connection::max_streams() const {
    if (!has_settings_) return settings_.assumed_max_streams;
    return session_.peer_setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool h2_connection::allows_extended_connect() const {
    return has_settings_ && session_.peer_setting(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

void h2_connection::begin(exchange_id exchange, const outgoing_head& head) {
    HEARTH_ASSERT(streams_.find(exchange) == nullptr);
    if (streams_.find(exchange) != nullptr) return;
    if (!can_begin()) {
        refuse_request(exchange, {errc::peer_closed, "the connection takes no new exchange"});
        return;
    }
    if (!head.protocol.empty() && !allows_extended_connect()) {
        refuse_request(exchange, {errc::invalid_method,
                                  "the peer does not take extended CONNECT (RFC 8441 3)"});
        return;
    }
    if (const auto why = fields_.set_head(head)) {
        refuse_request(exchange, *why);
        return;
    }
    const bool is_connect = head.method == "CONNECT";
    const bool is_empty = head.has_body && head.content_length == 0 && !head.has_trailers;
    const bool sends_body = is_connect || (head.has_body && !is_empty);
    const std::int32_t id = session_.request(fields_.list(), sends_body);
    if (id < 0) {
        refuse_request(exchange, {session_.lacks_memory() ? errc::out_of_memory : errc::internal,
                                  "the request could not be submitted"});
        return;
    }
    h2_stream& stream = streams_.add(exchange, id);
    stream.is_connect = is_connect;
    stream.is_body_finished = !sends_body;
    stream.has_trailers = head.has_trailers;
    if (sends_body && !is_connect) stream.body_left = head.content_length;
    stream.window = settings_.initial_stream_window;
    stream.response.expect(head.method == "HEAD", is_connect);
    guard_.on_request();
}

void h2_connection::write_body(exchange_id exchange, std::span<const std::byte> bytes) {
    h2_stream* const stream = streams_.find(exchange);
    if (stream == nullptr || stream->is_over) return;
    stream->body.append(bytes);
    grow_body(*stream, bytes.size());
}

std::span<std::byte> h2_connection::body_room(exchange_id exchange, std::size_t most) {
    h2_stream* const stream = streams_.find(exchange);
    const std::size_t size = std::min(most, writable(exchange));
    if (stream == nullptr || size == 0) return {};
    return stream->body.prepare(size).first(size);
}

void h2_connection::commit_body(exchange_id exchange, std::size_t size) {
    h2_stream* const stream = streams_.find(exchange);
    if (stream == nullptr || stream->is_over) return;
    stream->body.commit(size);
    grow_body(*stream, size);
}

/// The body in the queue has so many octets more.
void h2_connection::grow_body(h2_stream& stream, std::size_t size) {
    if (size == 0) return;
    const bool fits = !stream.is_body_finished && (!stream.body_left || size <= *stream.body_left);
    HEARTH_ASSERT(fits);
    if (!fits) {
        fail_misuse(stream);
        return;
    }
    stream.wants_room = stream.body.size() >= settings_.send_buffer_bytes;
    if (stream.body_left) {
        *stream.body_left -= size;
        if (*stream.body_left == 0 && !stream.has_trailers) stream.is_body_finished = true;
    }
    resume(stream);
}

void h2_connection::finish_body(exchange_id exchange, const headers& trailers) {
    h2_stream* const stream = streams_.find(exchange);
    if (stream == nullptr || stream->is_body_finished) return;
    if (stream->is_over) return;
    const bool is_whole = !stream->body_left || *stream->body_left == 0;
    HEARTH_ASSERT(is_whole);
    if (!is_whole) {
        fail_misuse(*stream);
        return;
    }
    if (const auto why = fields_.set_trailers(trailers)) {
        reset_stream(*stream,
                     {.error = why->code, .code = h2_error_code::cancel, .detail = why->detail});
        return;
    }
    stream->trailers = trailers;
    stream->is_body_finished = true;
    resume(*stream);
}

void h2_connection::reset(exchange_id exchange, h2_error_code code) {
    h2_stream* const stream = streams_.find(exchange);
    if (stream == nullptr) return;
    if (!stream->is_over && !is_failed_) {
        late_octets_ += stream->window;
        session_.reset(stream->id, code);
    }
    forget(*stream);
}

void h2_connection::discard(exchange_id exchange) {
    h2_stream* const stream = streams_.find(exchange);
    if (stream == nullptr || stream->is_discarded) return;
    if (!stream->is_request_complete() && !stream->is_over) {
        reset(exchange, h2_error_code::cancel);
        return;
    }
    stream->is_discarded = true;
    session_.consume_stream(stream->id, static_cast<std::size_t>(stream->unconsumed));
    stream->unconsumed = 0;
}

void h2_connection::consume(exchange_id exchange, std::uint64_t octets) {
    h2_stream* const stream = streams_.find(exchange);
    if (stream == nullptr || stream->is_discarded) return;
    HEARTH_ASSERT(octets <= stream->unconsumed);
    octets = std::min(octets, stream->unconsumed);
    stream->unconsumed -= octets;
    if (stream->is_peer_ended || is_failed_) return;
    session_.consume_stream(stream->id, static_cast<std::size_t>(octets));
    if (stream->unconsumed > stream->window / 4) return;
    const std::uint32_t window = window_.grow(stream->window);
    if (window == stream->window) return;
    stream->window = window;
    session_.set_window(stream->id, window);
}

std::size_t h2_connection::writable(exchange_id exchange) const {
    const h2_stream* const stream = streams_.find(exchange);
    if (stream == nullptr || stream->is_body_finished || stream->is_over) return 0;
    const std::size_t held = stream->body.size();
    const std::size_t bound = settings_.send_buffer_bytes;
    return held < bound ? bound - held : 0;
}

std::uint64_t h2_connection::due(exchange_id exchange) const {
    const h2_stream* const stream = streams_.find(exchange);
    if (stream == nullptr || stream->is_over || is_failed_) return 0;
    const std::int32_t window = session_.window_left(stream->id);
    return std::min<std::uint64_t>(stream->response.content_left(),
                                   static_cast<std::uint64_t>(std::max(window, 0)));
}

void h2_connection::send_ping(std::uint64_t payload) {
    if (is_failed_) return;
    ++pings_;
    window_.begin_sample(payload);
    session_.ping(payload);
}

bool h2_connection::wants_ping() const {
    return !is_failed_ && open_streams() != 0 && window_.wants_sample();
}

void h2_connection::shut_down() {
    if (is_shut_down_ || is_failed_) return;
    is_shut_down_ = true;
    session_.goaway();
}

// Failures.

void h2_connection::refuse_request(exchange_id exchange, const request_error& why) {
    pending next;
    next.kind = event_kind::error;
    next.exchange = exchange;
    next.error = why.code;
    next.detail = why.detail;
    next.is_unprocessed = true;
    events_.push(std::move(next));
}

void h2_connection::fail_stream(h2_stream& stream, const failure_cause& cause) {
    if (stream.is_over) return;
    pending next;
    next.kind = event_kind::error;
    next.exchange = stream.exchange;
    next.stream = stream.id;
    next.error = cause.error;
    next.detail = cause.detail;
    next.code = cause.code;
    next.is_unprocessed = cause.is_unprocessed || !stream.is_head_sent;
    events_.push(std::move(next));
    mark_over(stream);
}

void h2_connection::reset_stream(h2_stream& stream, const failure_cause& cause) {
    if (stream.is_over) return;
    late_octets_ += stream.window;
    session_.reset(stream.id, cause.code);
    fail_stream(stream, cause);
}

/// The caller broke a rule that it is told in h2_engine.hpp.
void h2_connection::fail_misuse(h2_stream& stream) {
    reset_stream(stream, {.error = errc::internal,
                          .code = h2_error_code::cancel,
                          .detail = "the body is not as long as its content-length said"});
}

void h2_connection::fail_connection(h2_error_code code, std::string_view detail) {
    if (is_failed_) return;
    session_.terminate(code);
    mark_failed(code, detail);
}

/// What nghttp2 had no memory for is lost: a window that is never given back, an answer.
void h2_connection::notice_shortage() {
    mark_failed(h2_error_code::internal_error, "nghttp2 had no memory for the connection",
                errc::out_of_memory);
}

void h2_connection::mark_failed(h2_error_code code, std::string_view detail, errc error) {
    if (is_failed_) return;
    is_failed_ = true;
    input_ = {};
    const failure_cause cause{.error = error, .code = code, .detail = detail};
    streams_.for_each([this, &cause](h2_stream& stream) { fail_stream(stream, cause); });
    pending last;
    last.kind = event_kind::error;
    last.error = cause.error;
    last.detail = detail;
    last.code = code;
    events_.push(std::move(last));
}

void h2_connection::on_peer_closed() {
    if (is_peer_closed_) return;
    is_peer_closed_ = true;
    const std::string detail = lost_detail();
    streams_.for_each([&](h2_stream& stream) {
        const bool has_head = stream.response.has_head();
        fail_stream(stream, {.error = has_head ? errc::peer_truncated : errc::peer_closed,
                             .code = goaway_code_,
                             .detail = detail});
    });
}

std::string h2_connection::lost_detail() const {
    if (!has_goaway_ || goaway_code_ == h2_error_code::no_error) {
        return "the connection ended while the stream was open";
    }
    std::string text = "the peer ended the connection with " + to_string(goaway_code_);
    if (!goaway_debug_.empty()) text.append(": ").append(goaway_debug_);
    return text;
}

void h2_connection::mark_over(h2_stream& stream) {
    if (stream.is_over) return;
    stream.is_over = true;
    ++over_;
    stream.body.clear();
    stream.body.release();
}

void h2_connection::forget(h2_stream& stream) {
    if (stream.is_over) --over_;
    window_.release(stream.window - settings_.initial_stream_window);
    streams_.erase(stream);
}

// Events.

void h2_connection::queue_event(event_kind kind, const h2_stream& stream,
                                std::span<const std::byte> data) {
    pending next;
    next.kind = kind;
    next.exchange = stream.exchange;
    next.stream = stream.id;
    next.data = data;
    events_.push(std::move(next));
}

bool h2_connection::poll_event(event& out) {
    for (;;) {
        while (events_.pop(current_)) {
            if (deliver(current_, out)) return true;
        }
        if (is_failed_) return false;
        if (session_.lacks_memory()) {
            notice_shortage();
            continue;
        }
        if (input_.empty()) return false;
        advance();
    }
}

/// Makes an event of it; false if nobody wants it any more.
bool h2_connection::deliver(pending& next, event& out) {
    out = {};
    out.kind = next.kind;
    out.exchange = next.exchange;
    out.data = next.data;
    out.error = next.error;
    out.detail = next.detail;
    out.http2_code = static_cast<std::uint32_t>(next.code);
    out.is_unprocessed = next.is_unprocessed;
    out.value = next.value;
    return next.stream == 0 || deliver_of_stream(next, out);
}

bool h2_connection::deliver_of_stream(pending& next, event& out) {
    h2_stream* const stream = streams_.find(next.stream);
    if (stream == nullptr || stream->exchange != next.exchange) return false;
    const bool is_last = next.kind == event_kind::end || next.kind == event_kind::error;
    if (stream->is_discarded && !is_last) return false;
    switch (next.kind) {
        case event_kind::informational:
        case event_kind::head: out.head = &stream->response.head(); break;
        case event_kind::trailers: out.fields = &stream->response.trailers(); break;
        case event_kind::end: out.reusable = !is_draining(); break;
        default: break;
    }
    if (!is_last) return true;
    const bool is_wanted = !stream->is_end_taken;
    if (stream->is_over) {
        forget(*stream);
    } else {  // a tunnel goes on in the other direction
        stream->is_end_taken = true;
    }
    return is_wanted;
}

std::size_t h2_connection::memory() const {
    std::size_t total = held_.capacity() + early_.capacity() + session_.memory();
    streams_.for_each(
        [&total](const h2_stream& stream) { total += sizeof stream + stream.body.capacity(); });
    return total;
}

}  // namespace hearth::proto
