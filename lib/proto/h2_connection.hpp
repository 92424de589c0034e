// h2_connection: what h2_engine is made of. It owns the session, the streams and the events, and is
// the one place where frames, messages and limits meet:
//
//   h2_input.cpp       octets -> frames -> limits -> nghttp2 -> events
//   h2_output.cpp      bodies and control frames -> octets
//   h2_connection.cpp  commands, failures, and the way of events to the caller
//
// Input is taken frame by frame and only while no event waits, so that events never pile up and the
// octets of a `data` event still lie where they were received.
// A stream is over when its last event is queued; it is forgotten when that event is taken.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/byte_queue.hpp"
#include "base/ring.hpp"
#include "proto/frame_sink.hpp"
#include "proto/h2_flood_guard.hpp"
#include "proto/h2_frame_reader.hpp"
#include "proto/h2_receive_window.hpp"
#include "proto/h2_request_fields.hpp"
#include "proto/h2_session.hpp"
#include "proto/h2_settings.hpp"
#include "proto/h2_stream.hpp"
#include "proto/message.hpp"

namespace hearth::proto {

class h2_connection final : private h2_session_listener {
public:
    explicit h2_connection(const h2_settings& settings);
    h2_connection(const h2_connection&) = delete;
    h2_connection& operator=(const h2_connection&) = delete;

    // The functions of h2_engine.
    void begin(exchange_id exchange, const outgoing_head& head);
    void write_body(exchange_id exchange, std::span<const std::byte> bytes);
    [[nodiscard]] std::span<std::byte> body_room(exchange_id exchange, std::size_t most);
    void commit_body(exchange_id exchange, std::size_t size);
    void finish_body(exchange_id exchange, const headers& trailers);
    void reset(exchange_id exchange, h2_error_code code);
    void discard(exchange_id exchange);
    void consume(exchange_id exchange, std::uint64_t octets);
    void receive(std::span<const std::byte> bytes);
    [[nodiscard]] bool poll_event(event& out);
    void retain();
    void on_peer_closed();
    void flush(base::byte_queue& out, std::size_t limit, frame_sink* sink);
    void send_ping(std::uint64_t payload);
    void shut_down();
    void on_time_passed(std::uint32_t seconds) { guard_.on_time_passed(seconds); }

    [[nodiscard]] std::uint64_t due(exchange_id exchange) const;
    [[nodiscard]] bool can_begin() const;
    [[nodiscard]] bool is_draining() const;
    [[nodiscard]] bool is_failed() const { return is_failed_; }
    [[nodiscard]] bool has_input() const { return !input_.empty() || events_.size() != 0; }
    [[nodiscard]] bool wants_flush() const {
        return !early_.empty() || session_.wants_send() || (session_.lacks_memory() && !is_failed_);
    }
    [[nodiscard]] bool wants_ping() const;
    [[nodiscard]] bool has_peer_settings() const { return has_settings_; }
    [[nodiscard]] std::uint32_t max_streams() const;
    [[nodiscard]] bool allows_extended_connect() const;
    [[nodiscard]] std::size_t open_streams() const { return streams_.size() - over_; }
    [[nodiscard]] const h2_stream* find(exchange_id exchange) const {
        return streams_.find(exchange);
    }
    [[nodiscard]] std::size_t writable(exchange_id exchange) const;
    [[nodiscard]] std::size_t memory() const;

private:
    /// An event on its way. Those of a stream are dropped when the stream was reset meanwhile.
    struct pending {
        event_kind kind = event_kind::none;
        exchange_id exchange;
        std::int32_t stream = 0;
        std::span<const std::byte> data;
        errc error = errc::internal;
        std::string detail;
        h2_error_code code = h2_error_code::no_error;
        bool is_unprocessed = false;
        std::uint64_t value = 0;
    };
    struct failure_cause {
        errc error = errc::peer_protocol_error;
        h2_error_code code = h2_error_code::protocol_error;
        std::string_view detail;
        bool is_unprocessed = false;
    };

    // Events and failures (h2_connection.cpp).
    void queue_event(event_kind kind, const h2_stream& stream,
                     std::span<const std::byte> data = {});
    [[nodiscard]] bool deliver(pending& next, event& out);
    [[nodiscard]] bool deliver_of_stream(pending& next, event& out);
    [[gnu::cold]] void refuse_request(exchange_id exchange, const request_error& why);
    /// The stream's last event is an error; nothing is sent.
    [[gnu::cold]] void fail_stream(h2_stream& stream, const failure_cause& cause);
    /// The same, and the peer is told.
    void reset_stream(h2_stream& stream, const failure_cause& cause);
    [[gnu::cold]] void fail_misuse(h2_stream& stream);
    /// All streams fail, and the peer is told unless nghttp2 does.
    [[gnu::cold]] void fail_connection(h2_error_code code, std::string_view detail);
    [[gnu::cold]] void mark_failed(h2_error_code code, std::string_view detail,
                                   errc error = errc::peer_protocol_error);
    void notice_shortage();
    void mark_over(h2_stream& stream);
    void forget(h2_stream& stream);
    [[gnu::cold]] [[nodiscard]] std::string lost_detail() const;

    // Input (h2_input.cpp).
    void advance();
    void feed(std::span<const std::byte> octets);
    [[nodiscard]] bool accept_frame(const h2_frame_header& frame);
    [[nodiscard]] bool accept_order(const h2_frame_header& frame);
    [[nodiscard]] bool accept_block(const h2_frame_header& frame);
    [[nodiscard]] bool accept_data(const h2_frame_header& frame);
    [[nodiscard]] bool accept_control(const h2_frame_header& frame);
    void finish_frame();
    [[nodiscard]] bool spend(h2_nuisance kind);
    [[gnu::cold]] [[nodiscard]] bool refuse(h2_error_code code, std::string_view detail);
    [[nodiscard]] h2_stream* live(std::int32_t id) const;
    [[nodiscard]] bool was_ended(const h2_stream* stream, std::int32_t id) const;
    void end_response(h2_stream& stream);
    void notice_termination();

    void on_block_begin(std::int32_t id) override;
    void on_field(std::int32_t id, std::string_view name, std::string_view value) override;
    void on_block_end(std::int32_t id, bool ends_stream) override;
    void on_data(std::int32_t id, std::span<const std::byte> octets) override;
    void on_data_end(std::int32_t id) override;
    void on_peer_reset(std::int32_t id, h2_error_code code) override;
    void on_peer_settings() override;
    void on_pong(std::uint64_t payload) override;
    void on_goaway(std::int32_t last, h2_error_code code, std::string_view debug) override;
    void on_stream_closed(std::int32_t id, h2_error_code code) override;

    // Output (h2_output.cpp).
    void collect(base::byte_queue& out, std::size_t limit);
    bool put_body_frame(h2_stream& stream, std::span<const std::byte> header, std::size_t size,
                        std::size_t more);
    body_part on_body_wanted(std::int32_t id, std::size_t limit) override;
    sent on_body_frame(std::int32_t id, std::span<const std::byte> header,
                       std::size_t size) override;
    void on_head_sent(std::int32_t id) override;
    void on_end_sent(std::int32_t id) override;
    void on_head_not_sent(std::int32_t id, int reason) override;
    void on_own_goaway(h2_error_code code, std::string_view debug) override;
    void on_shortage() noexcept override { session_.note_shortage(); }
    void resume(h2_stream& stream);
    void grow_body(h2_stream& stream, std::size_t size);

    const h2_settings settings_;
    h2_session session_;
    h2_stream_table streams_;
    std::size_t over_ = 0;  // streams that wait for their last event to be taken
    h2_flood_guard guard_;
    h2_receive_window window_;
    h2_request_fields fields_;

    // Input.
    h2_frame_reader reader_;
    std::span<const std::byte> input_;  // borrowed, or within held_
    base::byte_queue held_;
    bool has_first_frame_ = false;
    std::int32_t block_stream_ = 0;  // of the header block that is being received; 0: none
    std::uint32_t block_frames_ = 0;
    std::uint64_t block_octets_ = 0;
    std::size_t frame_data_ = 0;     // octets of data in the current DATA frame
    std::uint64_t late_octets_ = 0;  // that may still come on streams we reset
    std::uint32_t pings_ = 0;        // unanswered

    // Events.
    base::ring<pending> events_{4};
    pending current_;  // what the event taken last points into

    // Output.
    base::byte_queue early_;  // written before `flush` was called, to learn of an error at once
    base::byte_queue* out_ = nullptr;
    std::size_t out_limit_ = 0;
    frame_sink* sink_ = nullptr;
    std::size_t put_ = 0;  // octets that have gone to the sink in this flush

    // What is known of the connection.
    bool has_settings_ = false;
    bool has_goaway_ = false;
    bool is_shut_down_ = false;
    bool is_failed_ = false;
    bool is_peer_closed_ = false;
    h2_error_code goaway_code_ = h2_error_code::no_error;
    std::string goaway_debug_;  // printable, of bounded size
};

}  // namespace hearth::proto
