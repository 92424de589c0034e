// h2_session: an nghttp2 client session in C++ clothes: the handle's owner, its options, and its
// callbacks as one interface. No rule of HTTP lives here; h2_connection has them.
//
// nghttp2 does framing, HPACK, flow control, SETTINGS and the states of streams; its checks of HTTP
// messages are switched off, for ours are stricter and say why. Calls into the session from
// within a listener's function are legal except `receive` and `send`.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "proto/h2_error_code.hpp"
#include "proto/h2_settings.hpp"

namespace hearth::proto {

/// What an nghttp2 session tells; streams by their id.
class h2_session_listener {
public:
    // Input.
    virtual void on_block_begin(std::int32_t stream) = 0;
    virtual void on_field(std::int32_t stream, std::string_view name, std::string_view value) = 0;
    virtual void on_block_end(std::int32_t stream, bool ends_stream) = 0;
    /// Octets of data within the input that is being received.
    virtual void on_data(std::int32_t stream, std::span<const std::byte> octets) = 0;
    /// A DATA frame ended the peer's side.
    virtual void on_data_end(std::int32_t stream) = 0;
    virtual void on_peer_reset(std::int32_t stream, h2_error_code code) = 0;
    virtual void on_peer_settings() = 0;
    virtual void on_pong(std::uint64_t payload) = 0;
    virtual void on_goaway(std::int32_t last, h2_error_code code, std::string_view debug) = 0;
    /// nghttp2 forgets the stream.
    virtual void on_stream_closed(std::int32_t stream, h2_error_code code) = 0;

    // Output.
    /// What of a body is there to be sent, at most `limit` octets.
    struct body_part {
        std::size_t size = 0;
        bool is_waiting = false;  ///< Nothing now; `resume_body` when there is.
        bool is_last = false;
        bool has_trailers = false;  ///< With is_last: they were submitted and end the stream.
        bool is_failed = false;     ///< The connection ends: what would be sent were not the truth.
    };
    virtual body_part on_body_wanted(std::int32_t stream, std::size_t limit) = 0;
    enum class sent : std::uint8_t { done, later, failed };
    /// Writes a DATA frame: its header, then `size` octets of the stream's body.
    virtual sent on_body_frame(std::int32_t stream, std::span<const std::byte> header,
                               std::size_t size) = 0;
    virtual void on_head_sent(std::int32_t stream) = 0;
    /// A frame that ends our side was sent.
    virtual void on_end_sent(std::int32_t stream) = 0;
    /// A request head was given up by nghttp2.
    virtual void on_head_not_sent(std::int32_t stream, int reason) = 0;
    /// nghttp2 or `terminate` ended the connection.
    virtual void on_own_goaway(h2_error_code code, std::string_view debug) = 0;

    /// There was no memory for one of these functions, which was left in the middle.
    virtual void on_shortage() noexcept = 0;

protected:
    ~h2_session_listener() = default;
};

class h2_session {
public:
    /// `listener` must outlive the session. Throws std::bad_alloc.
    h2_session(const h2_settings& settings, h2_session_listener& listener);

    /// nghttp2 had no memory for something, which is not sent or not done then: the connection
    /// cannot go on.
    [[nodiscard]] bool lacks_memory() const { return lacks_memory_; }
    /// The call of nghttp2 under way throws std::bad_alloc when it has returned.
    void note_shortage() noexcept { is_interrupted_ = true; }

    /// 0, or an nghttp2 error. A frame at most, so that what comes of it stays small.
    [[nodiscard]] int receive(std::span<const std::byte> octets);
    /// The next octets to send, valid until the next call; empty: none now. Below 0: an nghttp2
    /// error.
    [[nodiscard]] std::ptrdiff_t send(const std::byte*& octets);
    [[nodiscard]] bool wants_send() const;

    /// The new stream's id; below 0: an nghttp2 error.
    [[nodiscard]] std::int32_t request(std::span<const nghttp2_nv> fields, bool has_body);
    [[nodiscard]] bool trailers(std::int32_t stream, std::span<const nghttp2_nv> fields);
    void resume_body(std::int32_t stream);
    void reset(std::int32_t stream, h2_error_code code);
    void ping(std::uint64_t payload);
    /// A GOAWAY(NO_ERROR) after which the streams go on.
    void goaway();
    /// A GOAWAY after which nothing does.
    void terminate(h2_error_code code);

    void consume_connection(std::size_t octets);
    void consume_stream(std::int32_t stream, std::size_t octets);
    void set_window(std::int32_t stream, std::uint32_t size);
    /// What the peer may send on the stream now.
    [[nodiscard]] std::int32_t window_left(std::int32_t stream) const;

    [[nodiscard]] std::uint32_t peer_setting(nghttp2_settings_id id) const;
    /// False after GOAWAY either way, or when the ids are used up.
    [[nodiscard]] bool may_request() const;
    [[nodiscard]] bool has_ids_left() const;
    /// Octets of the two header tables.
    [[nodiscard]] std::size_t memory() const;

private:
    struct deleter {
        void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
    };
    void submit_settings(const h2_settings& settings);
    /// Looks at what a call of nghttp2 came to.
    int note(int code);

    std::unique_ptr<nghttp2_session, deleter> session_;
    bool lacks_memory_ = false;
    bool is_interrupted_ = false;  // in a function of the listener's
};

}  // namespace hearth::proto
