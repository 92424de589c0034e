#include "proto/connection.hpp"

#include <utility>

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

void connection::receive(std::span<const std::byte> bytes) {
    if (tls_) {
        tls_->receive(bytes);
    } else {
        h1_.receive(bytes);
    }
}

bool connection::poll_event(event& out) {
    for (;;) {
        if (h1_.poll_event(out)) return true;
        if (end_reported_) return false;
        if (!tls_) {
            if (!peer_closed_) return false;
            end_reported_ = true;
            h1_.on_peer_closed(!peer_reset_);
            continue;
        }
        if (!tls_->is_established()) return false;
        if (!decrypt_more(out)) return false;
        if (out.kind != event_kind::none) return true;
    }
}

/// Gives the HTTP engine more plain text, or the news that there is no more. False: nothing to
/// give.
bool connection::decrypt_more(event& out) {
    out.kind = event_kind::none;
    if (!tls_ended_ && !tls_failed_) {
        h1_.retain();  // the plain buffer is about to be written again
        const tls_engine::read_result result = tls_->decrypt(buffers_->plain);
        if (result.status == tls_status::closed) tls_ended_ = true;
        if (result.status == tls_status::failed) tls_failed_ = true;
        if (result.size != 0) {
            h1_.receive(std::span(buffers_->plain).first(result.size));
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
    end_reported_ = true;
    h1_.on_peer_closed(tls_ended_);
    return true;
}

void connection::retain() {
    h1_.retain();
    if (tls_) tls_->retain();
}

void connection::on_peer_closed(bool reset) {
    peer_closed_ = true;
    peer_reset_ = reset;
}

void connection::begin(exchange_id exchange, const outgoing_head& head) {
    h1_.begin(exchange, head, staged_);
}

void connection::write_body(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    if (!tls_ || bytes.size() < copy_limit) {
        h1_.write_body(bytes, staged_);
        return;
    }
    const h1_engine::body_frame frame = h1_.frame_body(bytes.size());
    staged_.append(std::string_view(frame.prefix, frame.prefix_size));
    if (!flush()) return;
    if (!tls_->encrypt(bytes)) encrypt_failed_ = true;
    if (frame.suffix_size != 0) staged_.append(std::string_view("\r\n"));
}

void connection::finish_body(const headers& trailers) { h1_.finish_body(trailers, staged_); }

bool connection::flush() {
    if (tls_ && !staged_.empty() && !encrypt_failed_) {
        if (!tls_->encrypt(staged_.data())) encrypt_failed_ = true;
        staged_.clear();
        staged_.release();
    }
    return !encrypt_failed_;
}

void connection::shut_down() {
    if (tls_ && tls_->is_established() && flush()) tls_->shut_down();
}

base::byte_queue& connection::output() { return tls_ ? tls_->output() : staged_; }

std::size_t connection::queued() const {
    return staged_.size() + (tls_ ? tls_->output().size() : 0);
}

std::size_t connection::memory() const {
    return h1_.memory() + staged_.capacity() + (tls_ ? tls_->memory() : 0);
}

}  // namespace hearth::proto
