#include "proto/connection.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace hearth::proto {
namespace {

// Bodies from this size on are encrypted where they lie instead of being copied behind the head.
constexpr std::size_t copy_limit = 8 * 1024;

}  // namespace

connection::connection(std::unique_ptr<tls_engine> tls, const h1_settings& settings,
                       work_buffers& buffers)
    : tls_(std::move(tls)), h1_(settings), buffers_(&buffers) {}

bool connection::is_handshaking() const { return tls_ && !tls_->is_established(); }

bool connection::can_step() const { return tls_->has_complete_record() || peer_closed_; }

tls_step connection::step() { return tls_->step(); }

void connection::use_http2(const h2_settings& settings) {
    HEARTH_ASSERT(!h2_ && !is_handshaking() && h1_.is_idle() && !h1_.has_input());
    h2_.emplace(settings);
}

void connection::receive(std::span<const std::byte> bytes) {
    if (tls_) {
        tls_->receive(bytes);
    } else {
        feed_engine(bytes);
    }
}

bool connection::poll_engine(event& out) {
    return h2_ ? h2_->poll_event(out) : h1_.poll_event(out);
}

void connection::feed_engine(std::span<const std::byte> bytes) {
    if (h2_) {
        h2_->receive(bytes);
    } else {
        h1_.receive(bytes);
    }
}

void connection::end_engine(bool clean) {
    end_reported_ = true;
    if (h2_) {
        h2_->on_peer_closed(clean);
    } else {
        h1_.on_peer_closed(clean);
    }
}

bool connection::poll_event(event& out) {
    for (;;) {
        if (poll_engine(out)) return true;
        if (end_reported_) return false;
        if (!tls_) {
            if (!peer_closed_) return false;
            end_engine(!peer_reset_);
            continue;
        }
        // A record that fails behind a good one is told after the good one's octets.
        if (!tls_->is_established() && !tls_failed_) return false;
        if (!decrypt_more(out)) return false;
        if (out.kind != event_kind::none) return true;
    }
}

/// Gives the HTTP engine more plain text, or the news that there is no more. False: nothing to
/// give.
bool connection::decrypt_more(event& out) {
    out.kind = event_kind::none;
    if (!tls_ended_ && !tls_failed_) {
        retain_engine();  // the plain buffer is about to be written again
        if (const std::size_t size = decrypt(buffers_->plain)) {
            feed_engine(std::span(buffers_->plain).first(size));
            return true;
        }
    }
    if (tls_failed_) {
        end_reported_ = true;
        out = event{};
        out.kind = event_kind::error;
        out.error = tls_->error_code();
        out.detail = tls_->error_detail();
        return true;
    }
    if (!tls_ended_ && !peer_closed_) return false;
    end_engine(tls_ended_);
    return true;
}

std::size_t connection::decrypt(std::span<std::byte> into) {
    const tls_engine::read_result result = tls_->decrypt(into);
    if (result.status == tls_status::closed) tls_ended_ = true;
    if (result.status == tls_status::failed) tls_failed_ = true;
    return result.size;
}

std::size_t connection::decrypt_body(std::span<std::byte> into) {
    if (!tls_ || !tls_->is_established() || tls_ended_ || tls_failed_ || h2_) return 0;
    const std::uint64_t most = h1_.bypassable();
    if (most == 0) return 0;
    const std::size_t size = decrypt(into.first(std::min<std::uint64_t>(into.size(), most)));
    h1_.bypass(size);
    return size;
}

void connection::retain_engine() {
    if (h2_) {
        h2_->retain();
    } else {
        h1_.retain();
    }
}

void connection::retain() {
    retain_engine();
    if (tls_) tls_->retain();
}

void connection::on_peer_closed(bool reset) {
    peer_closed_ = true;
    peer_reset_ = reset;
}

void connection::begin(exchange_id exchange, const outgoing_head& head) {
    if (h2_) {
        h2_->begin(exchange, head);
    } else {
        h1_.begin(exchange, head, staged_);
    }
}

void connection::write_body(exchange_id exchange, std::span<const std::byte> bytes) {
    if (h2_) {
        h2_->write_body(exchange, bytes);
    } else {
        write_h1_body(bytes);
    }
}

std::size_t connection::room(exchange_id exchange, std::size_t limit) const {
    if (h2_) return h2_->writable(exchange);
    return limit > queued() ? limit - queued() : 0;
}

std::optional<std::uint64_t> connection::body_remaining(exchange_id exchange) const {
    return h2_ ? h2_->body_remaining(exchange) : h1_.body_remaining();
}

std::uint64_t connection::received(exchange_id exchange) const {
    return h2_ ? h2_->received(exchange) : h1_.received();
}

std::uint64_t connection::due(exchange_id exchange) const {
    const std::uint64_t left = h2_ ? h2_->due(exchange) : h1_.bypassable();
    const std::uint64_t here = tls_ ? tls_->pending() : 0;
    return left - std::min(left, here);
}

bool connection::is_raw(exchange_id exchange) const {
    return h2_ ? h2_->is_raw(exchange) : h1_.is_raw();
}

void connection::write_h1_body(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    if (!tls_ || bytes.size() < copy_limit) {
        h1_.write_body(bytes, staged_);
        return;
    }
    const h1_engine::body_frame frame = h1_.frame_body(bytes.size());
    staged_.append(std::string_view(frame.prefix, frame.prefix_size));
    if (!flush()) return;
    (void)encrypt(bytes);
    if (frame.suffix_size != 0) staged_.append(std::string_view("\r\n"));
}

void connection::finish_body(exchange_id exchange, const headers& trailers) {
    if (h2_) {
        h2_->finish_body(exchange, trailers);
    } else {
        h1_.finish_body(trailers, staged_);
    }
}

bool connection::flush() {
    if (h2_) {
        const std::size_t held = queued();
        h2_->flush(staged_, staged_.size() + (held < max_output ? max_output - held : 0),
                   tls_ ? this : nullptr);
    }
    return encrypt_staged();
}

bool connection::encrypt_staged() {
    if (tls_ && !staged_.empty() && !encrypt_failed_) {
        (void)encrypt(staged_.data());
        staged_.clear();
        staged_.release();
    }
    return !encrypt_failed_;
}

/// A large frame of HTTP/2, from where its body lies.
bool connection::put_frame(std::span<const std::byte> frame, std::size_t more) {
    // Once for all frames of this flush, which are encrypted one by one.
    (void)tls_->output().prepare(staged_.size() + more + more / 64 + frame_sink::best_size);
    if (!encrypt_staged()) return false;
    return encrypt(frame);
}

/// False: TLS has failed, and says so to whoever asks for events.
bool connection::encrypt(std::span<const std::byte> plain) {
    if (!tls_->encrypt(plain)) tls_failed_ = encrypt_failed_ = true;
    return !encrypt_failed_;
}

bool connection::wants_flush() const {
    return (tls_ && !staged_.empty()) || (h2_ && h2_->wants_flush());
}

void connection::shut_down() {
    if (h2_) {
        h2_->shut_down();
        if (!tls_) (void)flush();
    }
    if (tls_ && tls_->is_established() && flush()) tls_->shut_down();
}

base::byte_queue& connection::output() { return tls_ ? tls_->output() : staged_; }

std::size_t connection::queued() const {
    return staged_.size() + (tls_ ? tls_->output().size() : 0);
}

std::size_t connection::memory() const {
    return h1_.memory() + (h2_ ? h2_->memory() : 0) + staged_.capacity() +
           (tls_ ? tls_->memory() : 0);
}

}  // namespace hearth::proto
