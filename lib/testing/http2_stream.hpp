// One HTTP/2 stream of an origin: collects a request, and sends what its exchange answers.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "testing/connection.hpp"
#include "testing/exchange.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

class http2_session;

class http2_stream final : public response_sink, public std::enable_shared_from_this<http2_stream> {
public:
    http2_stream(http2_session& session, std::int32_t id, std::size_t max_head_bytes);

    // For the session.
    /// Keeps one field of the head or of the trailers.
    void add_field(header_field field);
    /// The head is whole: makes the exchange.
    const std::shared_ptr<exchange>& begin(const behaviour& knobs, std::uint64_t index);
    [[nodiscard]] bool has_begun() const { return exchange_ != nullptr; }
    /// The client has sent more fields than is allowed.
    [[nodiscard]] bool is_head_too_large() const { return head_bytes_ > max_head_bytes_; }
    /// END_STREAM was received.
    void note_request_over() { is_request_over_ = true; }
    void on_body(std::string_view piece);
    void on_body_end();
    /// Gives nghttp2 the next octets of the body.
    ssize_t give_body(std::span<std::uint8_t> into, std::uint32_t& flags);
    void resume() { exchange_->run(); }
    /// The stream is over; true when its answer was sent whole.
    bool finish(bool is_whole);

    [[nodiscard]] std::shared_ptr<void> hold() override { return shared_from_this(); }
    void send_interim(int status, const std::vector<header_field>& headers) override;
    void send_head(const reply& head, bool is_whole) override;
    void send_body(std::string_view piece) override;
    void send_end(const std::vector<header_field>& trailers) override;
    void send_raw(std::string_view bytes) override;
    void cut_at(std::uint64_t octets, close_kind kind) override;
    void end_connection(close_kind kind) override;
    void reset(std::uint32_t error_code) override;
    void start_tunnel() override;
    void invite_body() override;
    [[nodiscard]] bool has_room() override;
    void flush() override;

private:
    void resume_body();
    void refuse_rest();
    [[nodiscard]] std::size_t queued_bytes() const { return output_.size() - given_bytes_; }

    http2_session& session_;
    std::shared_ptr<connection> connection_;  // keeps the session alive
    std::shared_ptr<exchange> exchange_;
    request_fields fields_;
    std::vector<header_field> request_trailers_;
    std::string output_;           // of the answer's body
    std::size_t given_bytes_ = 0;  // of output_
    std::vector<header_field> trailers_;
    std::optional<std::uint64_t> cut_after_;  // octets of the body that may still be sent
    std::optional<close_kind> ends_;          // once output_ was sent
    std::size_t head_bytes_ = 0;
    std::size_t max_head_bytes_;
    std::int32_t id_;
    close_kind cut_kind_ = close_kind::clean;
    bool has_head_ = false;         // of the answer
    bool has_body_ = false;         // the answer has one that is read by nghttp2
    bool is_answered_ = false;      // nothing will be added to output_
    bool is_request_over_ = false;  // END_STREAM was received
    bool wants_room_ = false;
    bool awaits_continue_ = false;
    bool is_tunnel_ = false;
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
