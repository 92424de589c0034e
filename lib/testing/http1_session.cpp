// HTTP/1.1 on one connection.
#include "testing/http1_session.hpp"

#include <array>
#include <charconv>
#include <utility>

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {
namespace {

// Input kept for later requests before reading stops; output queued before an exchange must wait.
constexpr std::size_t max_pending_bytes = std::size_t{64} << 10U;
constexpr std::size_t max_queued_bytes = std::size_t{64} << 10U;

std::string_view reason_phrase(int status) {
    switch (status) {
        case 100: return "Continue";
        case 101: return "Switching Protocols";
        case 103: return "Early Hints";
        case 200: return "OK";
        case 201: return "Created";
        case 204: return "No Content";
        case 206: return "Partial Content";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 304: return "Not Modified";
        case 400: return "Bad Request";
        case 404: return "Not Found";
        case 413: return "Content Too Large";
        case 417: return "Expectation Failed";
        case 426: return "Upgrade Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 503: return "Service Unavailable";
        default: return "Status";
    }
}

void append_number(std::string& text, std::uint64_t number, int base = 10) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
    text.append(digits.data(), end);
}

void append_field(std::string& text, const header_field& field) {
    text += field.name;
    text += ": ";
    text += field.value;
    text += "\r\n";
}

void append_status_line(std::string& text, int status) {
    text += "HTTP/1.1 ";
    append_number(text, static_cast<std::uint64_t>(status));
    text += ' ';
    text += reason_phrase(status);
    text += "\r\n";
}

bool has_bare_line_feed(std::string_view text) {
    for (std::size_t at = text.find('\n'); at != std::string_view::npos;
         at = text.find('\n', at + 1)) {
        if (at == 0 || text[at - 1] != '\r') return true;
    }
    return false;
}

}  // namespace

http1_session::http1_session(connection& owner, const session_context& context)
    : connection_(owner), context_(context) {}

http1_session::~http1_session() { lose_exchange(); }

void http1_session::on_open() { watch_idle(); }

void http1_session::on_bytes(std::string_view bytes) {
    if (pending_.empty()) {
        consume(bytes);
        if (!connection_.is_open()) return;
        pending_.assign(bytes);
    } else {
        pending_.append(bytes);
        consume_pending();
    }
    if (pending_.size() > max_pending_bytes + context_.options.max_head_bytes) {
        connection_.pause_reading();
    }
}

void http1_session::consume_pending() {
    std::string_view rest = pending_;
    consume(rest);
    pending_.erase(0, pending_.size() - rest.size());
    if (pending_.size() <= max_pending_bytes) connection_.resume_reading();
}

void http1_session::consume(std::string_view& input) {
    if (is_consuming_) return;
    is_consuming_ = true;
    while (connection_.is_open() && !input.empty()) {
        if (is_tunnel_) {
            connection_.send(input);
            input = {};
            if (!has_room()) connection_.pause_reading();
        } else if (!exchange_) {
            if (!begin_request(input)) break;
        } else if (body_.is_done()) {
            break;
        } else {
            read_body(input);
        }
    }
    is_consuming_ = false;
}

bool http1_session::begin_request(std::string_view& input) {
    const std::size_t size = find_head_end(input);
    if (size == 0 && has_bare_line_feed(input)) return refuse(400, "bad line end");
    const std::size_t head_bytes = size == 0 ? input.size() : size;
    if (head_bytes > context_.options.max_head_bytes) return refuse(431, "the head is too large");
    if (size == 0) return false;
    auto fresh = std::make_shared<exchange>(*this, connection_.home(), context_.knobs);
    const std::string_view reason = fresh->parse(input.substr(0, size));
    if (!reason.empty()) return refuse(400, reason);
    input.remove_prefix(size);
    fresh->describe(connection_.index(), requests_++, connection_.is_resumed());
    connection_.counts().requests.add();
    connection_.counts().requests_active.enter();
    const request_head& head = fresh->head();
    const auto& limit = context_.options.max_requests_per_connection;
    closes_ = !head.keeps_alive || (limit && requests_ >= *limit);
    is_answered_ = false;
    has_begun_answer_ = false;
    cut_after_.reset();
    body_.start(head.body, head.body_bytes);
    awaits_continue_ = head.expects_continue && !body_.is_done() && head.version_minor == 1;
    exchange_ = fresh;
    context_.serve(fresh);
    if (exchange_ == fresh && body_.is_done()) {
        fresh->on_body_end({});
        complete_if_done();
    }
    return true;
}

void http1_session::read_body(std::string_view& input) {
    const auto current = exchange_;
    std::string_view piece;
    awaits_continue_ = false;
    switch (body_.next(input, piece)) {
        case body_reader::result::piece:
            current->on_body(piece);
            if (!body_.is_done() || exchange_ != current) return;
            break;
        case body_reader::result::end: break;
        case body_reader::result::more: return;
        case body_reader::result::bad: refuse(400, "bad body framing"); return;
    }
    current->on_body_end(body_.trailers());
    complete_if_done();
}

bool http1_session::refuse(int status, std::string_view reason) {
    connection_.counts().requests_bad.add();
    const bool is_too_late = exchange_ && has_begun_answer_;
    lose_exchange();
    if (is_too_late) {
        connection_.close_when_sent(close_kind::clean);
        return false;
    }
    reply answer{.status = status, .body = std::string(reason) + "\n", .close = true};
    std::string text;
    append_status_line(text, status);
    closes_ = true;
    append_framing(text, answer, true);
    text += "\r\n";
    connection_.send(text);
    connection_.send(answer.body);
    connection_.close_when_sent(close_kind::clean);
    return false;
}

void http1_session::complete_if_done() {
    if (!exchange_ || !is_answered_) return;
    // What a client still holds back, or still sends before a close, is not waited for.
    if (!body_.is_done() && !closes_ && !awaits_continue_) return;
    connection_.counts().requests_completed.add();
    connection_.counts().requests_active.leave();
    std::exchange(exchange_, nullptr)->detach();
    if (closes_) return connection_.close_when_sent(close_kind::clean);
    watch_idle();
    if (!is_consuming_ && !pending_.empty()) consume_pending();
}

void http1_session::lose_exchange() {
    if (!exchange_) return;
    connection_.counts().requests_aborted.add();
    connection_.counts().requests_active.leave();
    std::exchange(exchange_, nullptr)->detach();
}

void http1_session::watch_idle() {
    if (!context_.options.idle_close || !connection_.is_open()) return;
    if (!idle_timer_) idle_timer_.emplace(connection_.home().context());
    idle_timer_->expires_after(*context_.options.idle_close);
    idle_timer_->async_wait([this, owner = connection_.shared_from_this(),
                             seen = requests_](boost::system::error_code error) {
        if (error || !connection_.is_open() || exchange_ || requests_ != seen) return;
        if (pending_.empty()) connection_.close_when_sent(close_kind::clean);
    });
}

void http1_session::on_room() {
    if (is_tunnel_) return connection_.resume_reading();
    if (exchange_) exchange_->run();
}

void http1_session::on_end() {
    if (is_tunnel_) return connection_.close_when_sent(close_kind::clean);
    connection_.close_now(close_kind::clean);
}

void http1_session::on_closed() {
    idle_timer_.reset();
    lose_exchange();
}

void http1_session::on_drain() {
    closes_ = true;
    if (!exchange_ && !is_tunnel_) connection_.close_when_sent(close_kind::clean);
}

std::shared_ptr<void> http1_session::hold() { return connection_.shared_from_this(); }

void http1_session::send_interim(int status, const std::vector<header_field>& headers) {
    std::string text;
    append_status_line(text, status);
    for (const header_field& field : headers) append_field(text, field);
    text += "\r\n";
    emit(text);
}

void http1_session::append_framing(std::string& text, const reply& head, bool is_whole) {
    const bool is_chunked = head.chunked || !head.trailers.empty();
    const bool has_length = head.content_length || (is_whole && !is_chunked);
    const bool is_http10 = exchange_ && exchange_->head().version_minor == 0;
    coding_ = body_coding::plain;
    if (head.status == 204 || head.status == 304 || head.status < 200) {
        coding_ = body_coding::none;
    } else if (has_length) {
        text += "content-length: ";
        append_number(text, head.content_length.value_or(head.body.size()));
        text += "\r\n";
    } else if (is_http10) {
        closes_ = true;  // the end of the connection is the end of the body
    } else {
        text += "transfer-encoding: chunked\r\n";
        coding_ = body_coding::chunked;
    }
    if (exchange_ && exchange_->request().method == "HEAD") coding_ = body_coding::none;
    if (head.close || awaits_continue_) closes_ = true;
    if (closes_) {
        text += "connection: close\r\n";
    } else if (is_http10) {
        text += "connection: keep-alive\r\n";
    }
}

void http1_session::send_head(const reply& head, bool is_whole) {
    std::string text;
    text.reserve(256);
    append_status_line(text, head.status);
    for (const header_field& field : head.headers) append_field(text, field);
    append_framing(text, head, is_whole);
    text += "\r\n";
    emit(text);
}

void http1_session::send_body(std::string_view piece) {
    if (coding_ == body_coding::none || piece.empty()) return;
    if (coding_ == body_coding::plain) return emit(piece);
    std::string line;
    append_number(line, piece.size(), 16);
    line += "\r\n";
    emit(line);
    emit(piece);
    emit("\r\n");
}

void http1_session::send_end(const std::vector<header_field>& trailers) {
    if (coding_ == body_coding::chunked) {
        std::string text = "0\r\n";
        for (const header_field& field : trailers) append_field(text, field);
        text += "\r\n";
        emit(text);
    }
    if (!connection_.is_open()) return;
    coding_ = body_coding::none;
    is_answered_ = true;
    complete_if_done();
}

void http1_session::send_raw(std::string_view bytes) { emit(bytes); }

void http1_session::cut_at(std::uint64_t octets, close_kind kind) {
    cut_after_ = octets;
    cut_kind_ = kind;
}

void http1_session::emit(std::string_view bytes) {
    has_begun_answer_ = true;
    if (!cut_after_ || bytes.size() < *cut_after_) {
        if (cut_after_) *cut_after_ -= bytes.size();
        connection_.send(bytes);
        return;
    }
    connection_.send(bytes.substr(0, static_cast<std::size_t>(*cut_after_)));
    end_connection(cut_kind_);
}

void http1_session::end_connection(close_kind kind) {
    lose_exchange();
    connection_.close_when_sent(kind);
}

// HTTP/1.1 has no other way to give up one exchange.
void http1_session::reset(std::uint32_t /*error_code*/) { end_connection(close_kind::reset); }

void http1_session::start_tunnel() {
    is_tunnel_ = true;
    is_answered_ = true;
    closes_ = false;
    connection_.counts().requests_completed.add();
    connection_.counts().requests_active.leave();
    std::exchange(exchange_, nullptr)->detach();
    if (!is_consuming_ && !pending_.empty()) consume_pending();
}

void http1_session::invite_body() {
    if (!std::exchange(awaits_continue_, false)) return;
    connection_.send("HTTP/1.1 100 Continue\r\n\r\n");
    connection_.flush();
}

bool http1_session::has_room() {
    if (connection_.queued_bytes() < max_queued_bytes) return true;
    connection_.want_room();
    return false;
}

void http1_session::flush() { connection_.flush(); }

}  // namespace testing::internal
HEARTH_END_NAMESPACE
