// HTTP/2 on one connection.
#include "testing/http2_session.hpp"

#include <array>
#include <utility>

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {
namespace {

// Output queued before nghttp2 is asked for more.
constexpr std::size_t max_queued_frame_bytes = std::size_t{128} << 10U;

struct option_deleter {
    void operator()(nghttp2_option* p) const { nghttp2_option_del(p); }
};
struct callbacks_deleter {
    void operator()(nghttp2_session_callbacks* p) const { nghttp2_session_callbacks_del(p); }
};

std::string_view text(const std::uint8_t* octets, std::size_t size) {
    return {reinterpret_cast<const char*>(octets), size};
}

}  // namespace

struct http2_session::callbacks {
    static http2_session& self(void* user) { return *static_cast<http2_session*>(user); }

    static int on_begin_headers(nghttp2_session* /*native*/, const nghttp2_frame* frame,
                                void* user) {
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            self(user).begin_stream(frame->hd.stream_id);
        return 0;
    }

    static int on_header(nghttp2_session* /*native*/, const nghttp2_frame* frame,
                         const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                         std::size_t value_size, std::uint8_t /*flags*/, void* user) {
        self(user).on_field(frame->hd.stream_id, {std::string(text(name, name_size)),
                                                  std::string(text(value, value_size))});
        return 0;
    }

    static int on_frame(nghttp2_session* /*native*/, const nghttp2_frame* frame, void* user) {
        http2_session& session = self(user);
        const std::int32_t id = frame->hd.stream_id;
        if (frame->hd.type == NGHTTP2_RST_STREAM) session.connection_.counts().streams_reset.add();
        if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
        const auto stream = session.find(id);
        if (!stream) return 0;
        const bool is_last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        if (is_last) stream->note_request_over();
        if (frame->hd.type == NGHTTP2_HEADERS && !stream->has_begun()) session.on_head(*stream);
        if (is_last && stream->has_begun()) stream->on_body_end();
        return 0;
    }

    static int on_data(nghttp2_session* /*native*/, std::uint8_t /*flags*/, std::int32_t id,
                       const std::uint8_t* octets, std::size_t size, void* user) {
        const auto stream = self(user).find(id);
        if (stream && stream->has_begun()) stream->on_body(text(octets, size));
        return 0;
    }

    static int on_close(nghttp2_session* /*native*/, std::int32_t id, std::uint32_t error_code,
                        void* user) {
        self(user).on_stream_end(id, error_code == NGHTTP2_NO_ERROR);
        return 0;
    }

    // What a client does wrong shows in what nghttp2 answers: GOAWAY for what ends the connection,
    // RST_STREAM(PROTOCOL_ERROR) for a request that is malformed.
    static int on_sent(nghttp2_session* /*native*/, const nghttp2_frame* frame, void* user) {
        const bool is_bad =
            (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) ||
            (frame->hd.type == NGHTTP2_RST_STREAM &&
             frame->rst_stream.error_code == NGHTTP2_PROTOCOL_ERROR);
        if (is_bad) self(user).connection_.counts().requests_bad.add();
        return 0;
    }

    static nghttp2_session_callbacks* shared() {
        static const std::unique_ptr<nghttp2_session_callbacks, callbacks_deleter> all = [] {
            nghttp2_session_callbacks* raw = nullptr;
            if (nghttp2_session_callbacks_new(&raw) != 0) throw std::bad_alloc();
            nghttp2_session_callbacks_set_on_begin_headers_callback(raw, on_begin_headers);
            nghttp2_session_callbacks_set_on_header_callback(raw, on_header);
            nghttp2_session_callbacks_set_on_frame_recv_callback(raw, on_frame);
            nghttp2_session_callbacks_set_on_data_chunk_recv_callback(raw, on_data);
            nghttp2_session_callbacks_set_on_stream_close_callback(raw, on_close);
            nghttp2_session_callbacks_set_on_frame_send_callback(raw, on_sent);
            return std::unique_ptr<nghttp2_session_callbacks, callbacks_deleter>(raw);
        }();
        return all.get();
    }
};

http2_session::http2_session(connection& owner, const session_context& context)
    : connection_(owner), context_(context) {
    nghttp2_option* raw_option = nullptr;
    if (nghttp2_option_new(&raw_option) != 0) throw std::bad_alloc();
    const std::unique_ptr<nghttp2_option, option_deleter> option(raw_option);
    nghttp2_option_set_no_closed_streams(option.get(), 1);  // less memory; no priorities are kept
    nghttp2_session* raw = nullptr;
    if (nghttp2_session_server_new2(&raw, callbacks::shared(), this, option.get()) != 0) {
        throw std::bad_alloc();
    }
    session_.reset(raw);
}

http2_session::~http2_session() { lose_streams(); }

void http2_session::on_open() {
    connection_.counts().connections_http2.add();
    submit_settings();
    watch_idle();
    flush();
}

void http2_session::submit_settings() {
    const http2_options& wanted = context_.options.http2;
    const std::array entries{
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, wanted.max_streams},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, wanted.stream_window_bytes},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
                               static_cast<std::uint32_t>(context_.options.max_head_bytes)},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, entries.data(), entries.size());
    nghttp2_session_set_local_window_size(
        session_.get(), NGHTTP2_FLAG_NONE, 0,
        static_cast<std::int32_t>(wanted.connection_window_bytes));
}

void http2_session::on_bytes(std::string_view bytes) {
    if (is_busy_) return;  // from inside a callback of nghttp2: cannot be
    is_busy_ = true;
    const ssize_t taken = nghttp2_session_mem_recv(
        session_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    is_busy_ = false;
    if (taken < 0) {
        connection_.counts().requests_bad.add();
        return connection_.close_when_sent(close_kind::clean);
    }
    flush();
}

std::shared_ptr<http2_stream> http2_session::find(std::int32_t stream) const {
    const auto at = streams_.find(stream);
    return at == streams_.end() ? nullptr : at->second;
}

void http2_session::begin_stream(std::int32_t id) {
    streams_[id] = std::make_shared<http2_stream>(*this, id, context_.options.max_head_bytes);
}

void http2_session::on_field(std::int32_t id, header_field field) {
    if (const auto stream = find(id)) stream->add_field(std::move(field));
}

void http2_session::on_head(http2_stream& stream) {
    const std::shared_ptr<exchange> fresh = stream.begin(context_.knobs, requests_++);
    connection_.counts().requests.add();
    connection_.counts().requests_active.enter();
    if (stream.is_head_too_large()) {
        connection_.counts().requests_bad.add();
        return fresh->answer({.status = 431, .body = "the head is too large\n"});
    }
    const auto& limit = context_.options.max_requests_per_connection;
    if (limit && requests_ >= *limit) go_away();
    context_.serve(fresh);
}

void http2_session::on_stream_end(std::int32_t id, bool is_whole) {
    const auto stream = find(id);
    if (!stream) return;
    streams_.erase(id);
    if (stream->has_begun()) {
        counter_block& counts = connection_.counts();
        (stream->finish(is_whole) ? counts.requests_completed : counts.requests_aborted).add();
        counts.requests_active.leave();
    }
    if (streams_.empty()) watch_idle();
}

void http2_session::go_away() {
    if (std::exchange(is_going_away_, true)) return;
    nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session_.get()), NGHTTP2_NO_ERROR,
                          nullptr, 0);
}

void http2_session::on_drain() {
    go_away();
    flush();
}

void http2_session::flush() {
    if (is_busy_ || !connection_.is_open()) return;
    const auto owner = connection_.shared_from_this();
    do {
        write_frames();
        run_waiting();
    } while (!has_room_.empty() && connection_.queued_bytes() < max_queued_frame_bytes);
    const bool is_over = nghttp2_session_want_read(session_.get()) == 0 &&
                         nghttp2_session_want_write(session_.get()) == 0;
    if (ends_) {
        lose_streams();
        connection_.close_when_sent(*ends_);
    } else if (is_over && raw_.empty()) {
        connection_.close_when_sent(close_kind::clean);
    } else {
        connection_.flush();
    }
}

void http2_session::write_frames() {
    is_busy_ = true;
    while (connection_.queued_bytes() < max_queued_frame_bytes && !ends_) {
        const std::uint8_t* octets = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session_.get(), &octets);
        if (size > 0) {
            connection_.send(text(octets, static_cast<std::size_t>(size)));
            continue;
        }
        connection_.send(std::exchange(raw_, {}));
        break;
    }
    is_busy_ = false;
    if (connection_.queued_bytes() >= max_queued_frame_bytes) connection_.want_room();
}

void http2_session::run_waiting() {
    for (const auto& stream : std::exchange(has_room_, {})) {
        if (stream->has_begun()) stream->resume();
    }
}

void http2_session::watch_idle() {
    if (!context_.options.idle_close || !connection_.is_open()) return;
    if (!idle_timer_) idle_timer_.emplace(connection_.home().context());
    idle_timer_->expires_after(*context_.options.idle_close);
    idle_timer_->async_wait([this, owner = connection_.shared_from_this(),
                             seen = requests_](boost::system::error_code error) {
        if (error || !connection_.is_open() || !streams_.empty() || requests_ != seen) return;
        on_drain();
    });
}

void http2_session::on_room() { flush(); }

void http2_session::on_end() { connection_.close_now(close_kind::clean); }

void http2_session::on_closed() {
    idle_timer_.reset();
    lose_streams();
}

void http2_session::lose_streams() {
    has_room_.clear();
    for (const auto& [id, stream] : std::exchange(streams_, {})) {
        if (!stream->has_begun()) continue;
        connection_.counts().requests_aborted.add();
        connection_.counts().requests_active.leave();
        stream->finish(false);
    }
}

}  // namespace testing::internal
HEARTH_END_NAMESPACE
