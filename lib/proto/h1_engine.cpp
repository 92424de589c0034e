#include "proto/h1_engine.hpp"

#include <charconv>
#include <cstring>

#include "base/assert.hpp"
#include "proto/h1_reader.hpp"
#include "proto/h1_writer.hpp"

namespace hearth::proto {

using framing = h1_written_head::framing;

/// The request side; what comes back is the reader's.
class h1_engine::implementation {
public:
    explicit implementation(const h1_settings& settings) : reader(settings) {}

    void begin(exchange_id exchange, const outgoing_head& head, base::byte_queue& out);
    void write_body(std::span<const std::byte> bytes, base::byte_queue& out);
    body_frame frame_body(std::uint64_t bytes);
    void finish_body(const headers& trailers, base::byte_queue& out);

    h1_reader reader;
    bool is_complete = true;

    std::optional<std::uint64_t> body_remaining() const {
        return body_ == framing::length ? std::optional(left_) : std::nullopt;
    }

private:
    bool may_write(std::uint64_t bytes);

    framing body_ = framing::none;
    std::uint64_t left_ = 0;  // with framing::length
};

void h1_engine::implementation::begin(exchange_id exchange, const outgoing_head& head,
                                      base::byte_queue& out) {
    HEARTH_ASSERT(reader.is_idle());
    if (!reader.is_idle()) {
        reader.fail_internal(exchange);
        return;
    }
    const h1_written_head written = write_head(head, out);
    body_ = written.body;
    left_ = written.length;
    is_complete = body_ == framing::none || (body_ == framing::length && left_ == 0);
    reader.start({.exchange = exchange,
                  .is_head_request = head.method == "HEAD",
                  .is_connect = head.method == "CONNECT",
                  .asked_close = written.asks_close,
                  .asked_upgrade = written.asks_upgrade});
}

/// False, and the end of the exchange, if `bytes` more octets would be read as another request.
bool h1_engine::implementation::may_write(std::uint64_t bytes) {
    const bool fits = is_complete ? reader.is_raw() || reader.is_done() || bytes == 0
                                  : body_ == framing::chunked || bytes <= left_;
    HEARTH_ASSERT(fits);
    if (!fits) reader.fail_internal(reader.exchange());
    return fits;
}

h1_engine::body_frame h1_engine::implementation::frame_body(std::uint64_t bytes) {
    body_frame frame{};
    if (!may_write(bytes) || bytes == 0 || is_complete) return frame;
    if (body_ == framing::length) {
        left_ -= bytes;
        is_complete = left_ == 0;
        return frame;
    }
    constexpr std::size_t max_digits = 16;
    char* const end = std::to_chars(frame.prefix, frame.prefix + max_digits, bytes, 16).ptr;
    end[0] = '\r';
    end[1] = '\n';
    frame.prefix_size = static_cast<std::uint8_t>(end + 2 - frame.prefix);
    frame.suffix_size = 2;
    return frame;
}

void h1_engine::implementation::write_body(std::span<const std::byte> bytes,
                                           base::byte_queue& out) {
    if (bytes.empty() || !may_write(bytes.size())) return;
    const body_frame frame = frame_body(bytes.size());
    const std::size_t size = std::size_t{frame.prefix_size} + bytes.size() + frame.suffix_size;
    std::byte* const to = out.prepare(size).data();
    std::memcpy(to, frame.prefix, frame.prefix_size);
    std::memcpy(to + frame.prefix_size, bytes.data(), bytes.size());
    std::memcpy(to + frame.prefix_size + bytes.size(), "\r\n", frame.suffix_size);
    out.commit(size);
}

void h1_engine::implementation::finish_body(const headers& trailers, base::byte_queue& out) {
    if (is_complete) return;
    if (body_ == framing::chunked) {
        write_last_chunk(trailers, out);
        is_complete = true;
        return;
    }
    HEARTH_ASSERT(left_ == 0);
    reader.fail_internal(reader.exchange());
}

h1_engine::h1_engine(const h1_settings& settings)
    : implementation_(std::make_unique<implementation>(settings)) {}
h1_engine::~h1_engine() = default;
h1_engine::h1_engine(h1_engine&&) noexcept = default;
h1_engine& h1_engine::operator=(h1_engine&&) noexcept = default;

void h1_engine::begin(exchange_id exchange, const outgoing_head& head, base::byte_queue& out) {
    implementation_->begin(exchange, head, out);
}

void h1_engine::write_body(std::span<const std::byte> bytes, base::byte_queue& out) {
    implementation_->write_body(bytes, out);
}

h1_engine::body_frame h1_engine::frame_body(std::uint64_t bytes) {
    return implementation_->frame_body(bytes);
}

void h1_engine::finish_body(const headers& trailers, base::byte_queue& out) {
    implementation_->finish_body(trailers, out);
}

bool h1_engine::request_complete() const { return implementation_->is_complete; }

std::optional<std::uint64_t> h1_engine::body_remaining() const {
    return implementation_->body_remaining();
}

void h1_engine::receive(std::span<const std::byte> bytes) {
    implementation_->reader.receive(bytes);
}

bool h1_engine::poll_event(event& out) {
    return implementation_->reader.poll(out, implementation_->is_complete);
}

void h1_engine::retain() { implementation_->reader.retain(); }

void h1_engine::on_peer_closed(bool clean) { implementation_->reader.on_peer_closed(clean); }

bool h1_engine::is_idle() const { return implementation_->reader.is_idle(); }

bool h1_engine::has_input() const { return implementation_->reader.has_input(); }

std::uint64_t h1_engine::bypassable() const { return implementation_->reader.bypassable(); }

void h1_engine::bypass(std::uint64_t octets) { implementation_->reader.bypass(octets); }

bool h1_engine::is_close_delimited() const { return implementation_->reader.is_close_delimited(); }

bool h1_engine::is_raw() const { return implementation_->reader.is_raw(); }

std::uint64_t h1_engine::received() const { return implementation_->reader.received(); }

std::size_t h1_engine::memory() const { return implementation_->reader.memory(); }

}  // namespace hearth::proto
