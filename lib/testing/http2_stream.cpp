// One HTTP/2 stream of an origin.
#include "testing/http2_stream.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "testing/http2_session.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {
namespace {

// Output queued before an exchange must wait.
constexpr std::size_t max_queued_bytes = std::size_t{64} << 10U;
// What a field costs in a header list, over its octets (RFC 9113 6.5.2).
constexpr std::size_t field_overhead_bytes = 32;

// nghttp2 only reads what it is given.
std::uint8_t* octets(std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

nghttp2_nv view(std::string_view name, std::string_view value) {
    return {octets(name), octets(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::vector<nghttp2_nv> views(std::string_view status, const std::vector<header_field>& fields) {
    std::vector<nghttp2_nv> list;
    list.reserve(fields.size() + 2);
    if (!status.empty()) list.push_back(view(":status", status));
    for (const header_field& field : fields) list.push_back(view(field.name, field.value));
    return list;
}

}  // namespace

http2_stream::http2_stream(http2_session& session, std::int32_t id, std::size_t max_head_bytes)
    : session_(session),
      connection_(session.owner().shared_from_this()),
      max_head_bytes_(max_head_bytes),
      id_(id) {}

void http2_stream::add_field(header_field field) {
    head_bytes_ += field.name.size() + field.value.size() + field_overhead_bytes;
    if (is_head_too_large()) return;  // nothing is kept of what is refused
    if (exchange_) return request_trailers_.push_back(std::move(field));
    if (field.name == ":method") {
        fields_.method = std::move(field.value);
    } else if (field.name == ":path") {
        fields_.target = std::move(field.value);
    } else if (field.name == ":authority") {
        fields_.authority = std::move(field.value);
    } else if (field.name == ":protocol") {
        fields_.protocol = std::move(field.value);
    } else if (!field.name.starts_with(':')) {
        awaits_continue_ = awaits_continue_ || (field.name == "expect" &&
                                                equals_ignoring_case(field.value, "100-continue"));
        fields_.fields.push_back(std::move(field));
    }
}

const std::shared_ptr<exchange>& http2_stream::begin(const behaviour& knobs, std::uint64_t index) {
    exchange_ = std::make_shared<exchange>(*this, connection_->home(), knobs);
    exchange_->adopt(std::move(fields_));
    exchange_->describe(connection_->index(), index, connection_->is_resumed());
    return exchange_;
}

void http2_stream::on_body(std::string_view piece) {
    awaits_continue_ = false;
    if (is_tunnel_) return send_body(piece);
    const auto held = exchange_;
    held->on_body(piece);
}

void http2_stream::on_body_end() {
    if (is_tunnel_) return send_end({});
    const auto held = exchange_;
    held->on_body_end(request_trailers_);
}

bool http2_stream::finish(bool is_whole) {
    if (!exchange_) return false;
    const bool is_complete = is_whole && is_answered_;
    std::exchange(exchange_, nullptr)->detach();
    return is_complete;
}

void http2_stream::send_interim(int status, const std::vector<header_field>& headers) {
    if (is_answered_) return;
    const std::string code = std::to_string(status);
    const auto list = views(code, headers);
    nghttp2_submit_headers(session_.native(), NGHTTP2_FLAG_NONE, id_, nullptr, list.data(),
                           list.size(), nullptr);
}

void http2_stream::send_head(const reply& head, bool is_whole) {
    if (has_head_) return;
    has_head_ = true;
    const std::string code = std::to_string(head.status);
    auto list = views(code, head.headers);
    const bool is_bodiless =
        head.status == 204 || head.status == 304 || exchange_->request().method == "HEAD";
    const bool has_length =
        head.content_length || (is_whole && !head.chunked && head.trailers.empty());
    std::string length;
    if (has_length && head.status != 204 && head.status != 304 && !is_tunnel_) {
        length = std::to_string(head.content_length.value_or(head.body.size()));
        list.push_back(view("content-length", length));
    }
    has_body_ = !is_bodiless && !(is_whole && head.body.empty() && head.trailers.empty());
    nghttp2_data_provider body{};
    body.read_callback = [](nghttp2_session* /*session*/, std::int32_t /*id*/, std::uint8_t* into,
                            std::size_t size, std::uint32_t* flags, nghttp2_data_source* source,
                            void* /*session*/) {
        return static_cast<http2_stream*>(source->ptr)->give_body({into, size}, *flags);
    };
    body.source.ptr = this;
    nghttp2_submit_response(session_.native(), id_, list.data(), list.size(),
                            has_body_ ? &body : nullptr);
    if (head.close) session_.go_away();
}

ssize_t http2_stream::give_body(std::span<std::uint8_t> into, std::uint32_t& flags) {
    const std::size_t size = std::min(into.size(), queued_bytes());
    std::copy_n(output_.begin() + static_cast<std::ptrdiff_t>(given_bytes_), size, into.begin());
    given_bytes_ += size;
    if (queued_bytes() == 0) {
        output_.clear();
        given_bytes_ = 0;
        if (ends_) session_.end_later(*ends_);
        if (is_answered_) {
            flags |= NGHTTP2_DATA_FLAG_EOF;
            if (!trailers_.empty()) {
                flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                const auto list = views({}, trailers_);
                nghttp2_submit_trailer(session_.native(), id_, list.data(), list.size());
            }
            refuse_rest();
        } else if (size == 0) {
            return NGHTTP2_ERR_DEFERRED;
        }
    }
    if (wants_room_ && queued_bytes() < max_queued_bytes / 2) {
        wants_room_ = false;
        session_.note_room(shared_from_this());
    }
    return static_cast<ssize_t>(size);
}

void http2_stream::send_body(std::string_view piece) {
    if (!has_body_ || is_answered_ || ends_) return;
    if (cut_after_ && piece.size() >= *cut_after_) {
        piece = piece.substr(0, static_cast<std::size_t>(*cut_after_));
        ends_ = cut_kind_;
    } else if (cut_after_) {
        *cut_after_ -= piece.size();
    }
    output_.append(piece);
    if (ends_ && queued_bytes() == 0) session_.end_later(*ends_);
    resume_body();
}

void http2_stream::resume_body() {
    if (has_body_) nghttp2_session_resume_data(session_.native(), id_);
}

void http2_stream::send_end(const std::vector<header_field>& trailers) {
    if (ends_ || is_answered_) return;
    trailers_ = trailers;
    is_answered_ = true;
    resume_body();
    if (!has_body_) refuse_rest();
}

// What the client still sends after a whole answer is not wanted (RFC 9113 8.1).
void http2_stream::refuse_rest() {
    if (!is_request_over_) reset(NGHTTP2_NO_ERROR);
}

void http2_stream::send_raw(std::string_view bytes) { session_.send_raw(bytes); }

void http2_stream::cut_at(std::uint64_t octets_of_body, close_kind kind) {
    cut_after_ = octets_of_body;
    cut_kind_ = kind;
}

void http2_stream::end_connection(close_kind kind) {
    if (!has_body_ || queued_bytes() == 0) return session_.end_later(kind);
    ends_ = kind;
}

void http2_stream::reset(std::uint32_t error_code) {
    nghttp2_submit_rst_stream(session_.native(), NGHTTP2_FLAG_NONE, id_, error_code);
}

void http2_stream::start_tunnel() {
    is_tunnel_ = true;
    if (is_request_over_) send_end({});
}

void http2_stream::invite_body() {
    if (std::exchange(awaits_continue_, false)) send_interim(100, {});
}

bool http2_stream::has_room() {
    if (queued_bytes() < max_queued_bytes) return true;
    wants_room_ = true;
    return false;
}

void http2_stream::flush() { session_.flush(); }

}  // namespace testing::internal
HEARTH_END_NAMESPACE
