// Server-sent events (WHATWG HTML 9.2): a parser for the body of a text/event-stream response, fed
// with whatever arrives. Read such a body by `async_open`: it has no total timeout there,
// `timeouts.body_idle` says how long the origin may be silent.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

struct server_event {
    std::string type;  ///< "message" if the origin gave none.
    std::string data;  ///< Lines joined by "\n".
    std::string id;    ///< The last id the stream has given, for `last-event-id`.
};

/// Not thread-safe.
class HEARTH_API event_stream_parser {
public:
    /// `max_event_bytes`: of one event, lines that are not complete included. Range 1..2^30.
    explicit event_stream_parser(std::size_t max_event_bytes = std::size_t{1} << 20U)
        : max_bytes_(max_event_bytes) {}

    /// Takes octets, split anywhere. False: an event is larger than the limit; the stream is of no
    /// use any more.
    [[nodiscard]] bool feed(std::string_view octets);
    /// The next event, or nothing. An event that its stream left incomplete never comes.
    [[nodiscard]] std::optional<server_event> next();
    /// How long the origin asks to wait before a new connection, in milliseconds, if it has said.
    [[nodiscard]] std::optional<unsigned> retry_ms() const { return retry_ms_; }
    /// To be sent as `last-event-id` when the stream is opened again; may be empty.
    [[nodiscard]] const std::string& last_id() const { return last_id_; }

private:
    void take_line(std::string_view line);
    void dispatch();

    std::size_t max_bytes_;
    std::string line_;
    bool skips_lf_ = false;     // the last octet was CR
    bool is_beginning_ = true;  // a byte order mark may come
    std::string type_;
    std::string data_;
    bool has_data_ = false;
    std::string last_id_;
    std::optional<unsigned> retry_ms_;
    std::deque<server_event> events_;
};

HEARTH_END_NAMESPACE
