// HTTP/1.1 on one connection: requests one after another, each answered before the next is looked
// at.
//
// A request is begun when its head is whole; its body is read while it is being answered. It is
// over when the answer was sent and the body was read, or when the connection closes. Octets that
// follow wait in `pending_`, bounded by no longer reading.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "testing/connection.hpp"
#include "testing/exchange.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

class http1_session final : public protocol, public response_sink {
public:
    http1_session(connection& owner, const session_context& context);
    ~http1_session() override;

    void on_open() override;
    void on_bytes(std::string_view bytes) override;
    void on_room() override;
    void on_end() override;
    void on_closed() override;
    void on_drain() override;

    [[nodiscard]] std::shared_ptr<void> hold() override;
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
    enum class body_coding : std::uint8_t { none, plain, chunked };

    void consume(std::string_view& input);
    void consume_pending();
    /// Begins the request at the front of `input`; false when it is not whole, or bad.
    bool begin_request(std::string_view& input);
    void read_body(std::string_view& input);
    /// Answers what is not a legal request and ends the connection; false for `begin_request`.
    bool refuse(int status, std::string_view reason);
    void complete_if_done();
    void lose_exchange();
    void watch_idle();
    void emit(std::string_view bytes);
    void append_framing(std::string& text, const reply& head, bool is_whole);

    connection& connection_;
    const session_context& context_;
    std::shared_ptr<exchange> exchange_;  // the one in progress
    body_reader body_;
    std::string pending_;
    std::optional<asio::steady_timer> idle_timer_;
    std::optional<std::uint64_t> cut_after_;  // octets of the answer that may still be sent
    std::uint64_t requests_ = 0;
    close_kind cut_kind_ = close_kind::clean;
    body_coding coding_ = body_coding::none;
    bool is_consuming_ = false;
    bool is_answered_ = false;
    bool has_begun_answer_ = false;
    bool closes_ = false;           // after this answer
    bool awaits_continue_ = false;  // the client holds its body back
    bool is_tunnel_ = false;
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
