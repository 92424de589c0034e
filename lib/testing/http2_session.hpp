// HTTP/2 on one connection (RFC 9113), on nghttp2's server session: many exchanges at once.
//
// nghttp2 owns frames, header compression, flow control and the states of the streams; what an
// answer is made of comes from each stream's `exchange`. Nothing is sent from inside a callback of
// nghttp2: what callbacks and handlers submit leaves in `flush`, together.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "testing/connection.hpp"
#include "testing/exchange.hpp"
#include "testing/http2_stream.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

class http2_session final : public protocol {
public:
    http2_session(connection& owner, const session_context& context);
    ~http2_session() override;

    void on_open() override;
    void on_bytes(std::string_view bytes) override;
    void on_room() override;
    void on_end() override;
    void on_closed() override;
    void on_drain() override;

    // For the streams.
    [[nodiscard]] nghttp2_session* native() const { return session_.get(); }
    [[nodiscard]] connection& owner() { return connection_; }
    /// Octets past all framing, behind the frames that are queued now.
    void send_raw(std::string_view bytes) { raw_.append(bytes); }
    /// GOAWAY(NO_ERROR) now; the connection ends when its streams have.
    void go_away();
    /// Ends the connection when the current flush has sent what it can.
    void end_later(close_kind kind) { ends_ = kind; }
    /// `waiter` has room again.
    void note_room(const std::shared_ptr<http2_stream>& waiter) { has_room_.push_back(waiter); }
    [[nodiscard]] std::shared_ptr<http2_stream> find(std::int32_t stream) const;
    void flush();

private:
    struct session_deleter {
        void operator()(nghttp2_session* p) const { nghttp2_session_del(p); }
    };
    struct callbacks;  // nghttp2's, in the .cpp

    void submit_settings();
    void begin_stream(std::int32_t id);
    void on_field(std::int32_t id, header_field field);
    void on_head(http2_stream& stream);
    void on_stream_end(std::int32_t id, bool is_whole);
    void write_frames();
    void run_waiting();
    void watch_idle();
    void lose_streams();

    connection& connection_;
    const session_context& context_;
    std::unique_ptr<nghttp2_session, session_deleter> session_;
    std::map<std::int32_t, std::shared_ptr<http2_stream>> streams_;
    std::vector<std::shared_ptr<http2_stream>> has_room_;
    std::string raw_;
    std::optional<asio::steady_timer> idle_timer_;
    std::optional<close_kind> ends_;
    std::uint64_t requests_ = 0;
    bool is_busy_ = false;  // nghttp2 is running: it must not be entered again
    bool is_going_away_ = false;
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
