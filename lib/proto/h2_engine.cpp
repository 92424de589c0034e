#include "proto/h2_engine.hpp"

#include "proto/h2_connection.hpp"

namespace hearth::proto {

h2_engine::h2_engine(const h2_settings& settings)
    : connection_(std::make_unique<h2_connection>(settings)) {}
h2_engine::~h2_engine() = default;
h2_engine::h2_engine(h2_engine&&) noexcept = default;
h2_engine& h2_engine::operator=(h2_engine&&) noexcept = default;

bool h2_engine::can_begin() const { return connection_->can_begin(); }

void h2_engine::begin(exchange_id exchange, const outgoing_head& head) {
    connection_->begin(exchange, head);
}

void h2_engine::write_body(exchange_id exchange, std::span<const std::byte> bytes) {
    connection_->write_body(exchange, bytes);
}

std::span<std::byte> h2_engine::body_room(exchange_id exchange, std::size_t most) {
    return connection_->body_room(exchange, most);
}

void h2_engine::commit_body(exchange_id exchange, std::size_t size) {
    connection_->commit_body(exchange, size);
}

void h2_engine::finish_body(exchange_id exchange, const headers& trailers) {
    connection_->finish_body(exchange, trailers);
}

void h2_engine::reset(exchange_id exchange, h2_error_code code) {
    connection_->reset(exchange, code);
}

void h2_engine::discard(exchange_id exchange) { connection_->discard(exchange); }

void h2_engine::consume(exchange_id exchange, std::uint64_t octets) {
    connection_->consume(exchange, octets);
}

std::uint64_t h2_engine::due(exchange_id exchange) const { return connection_->due(exchange); }

std::size_t h2_engine::writable(exchange_id exchange) const {
    return connection_->writable(exchange);
}

bool h2_engine::request_complete(exchange_id exchange) const {
    const h2_stream* const stream = connection_->find(exchange);
    return stream == nullptr || stream->is_request_complete();
}

std::optional<std::uint64_t> h2_engine::body_remaining(exchange_id exchange) const {
    const h2_stream* const stream = connection_->find(exchange);
    return stream != nullptr ? stream->body_left : std::nullopt;
}

std::uint64_t h2_engine::sent(exchange_id exchange) const {
    const h2_stream* const stream = connection_->find(exchange);
    return stream != nullptr ? stream->sent : 0;
}

bool h2_engine::is_raw(exchange_id exchange) const {
    const h2_stream* const stream = connection_->find(exchange);
    return stream != nullptr && stream->response.is_tunnel();
}

std::uint64_t h2_engine::received(exchange_id exchange) const {
    const h2_stream* const stream = connection_->find(exchange);
    return stream != nullptr ? stream->response.received() : 0;
}

void h2_engine::receive(std::span<const std::byte> bytes) { connection_->receive(bytes); }

bool h2_engine::poll_event(event& out) { return connection_->poll_event(out); }

void h2_engine::retain() { connection_->retain(); }

bool h2_engine::has_input() const { return connection_->has_input(); }

void h2_engine::on_peer_closed(bool /*clean*/) { connection_->on_peer_closed(); }

void h2_engine::flush(base::byte_queue& out, std::size_t limit, frame_sink* sink) {
    connection_->flush(out, limit, sink);
}

bool h2_engine::wants_flush() const { return connection_->wants_flush(); }

void h2_engine::send_ping(std::uint64_t payload) { connection_->send_ping(payload); }

bool h2_engine::wants_ping() const { return connection_->wants_ping(); }

void h2_engine::on_time_passed(std::uint32_t seconds) { connection_->on_time_passed(seconds); }

void h2_engine::shut_down() { connection_->shut_down(); }

std::size_t h2_engine::open_streams() const { return connection_->open_streams(); }

std::uint32_t h2_engine::max_streams() const { return connection_->max_streams(); }

bool h2_engine::has_peer_settings() const { return connection_->has_peer_settings(); }

bool h2_engine::allows_extended_connect() const { return connection_->allows_extended_connect(); }

bool h2_engine::is_draining() const { return connection_->is_draining(); }

bool h2_engine::is_failed() const { return connection_->is_failed(); }

std::size_t h2_engine::memory() const { return connection_->memory(); }

}  // namespace hearth::proto
