// What a custom handler of an `origin` sees (`request_view`) and how it answers (`reply`,
// `responder`).
//
// A handler runs on one of the origin's threads and must not block. It answers at once, or keeps
// the responder and answers later from any thread. What it asks for is a list of steps, done in
// order.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hearth/testing/listen_options.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing {

namespace internal {
class exchange;
}

/// A header or trailer field to send. Sent as given, whatever it contains.
struct header_field {
    std::string name;
    std::string value;
};

/// A field as it was received; surrounding white space is removed.
struct header_view {
    std::string_view name;
    std::string_view value;
};

/// A request as it was received. Views are valid until the last copy of its responder is gone.
struct request_view {
    std::string_view method;
    std::string_view target;  ///< As on the request line; `:path`.
    std::string_view path;    ///< The target up to "?".
    std::string_view query;   ///< What follows "?", or empty.
    std::span<const header_view> headers;
    std::string_view body;                   ///< Whole, unless the handler was called early.
    std::span<const header_field> trailers;  ///< Of a chunked body.
    unsigned version_major = 1;              ///< 1 or 2.
    unsigned version_minor = 1;              ///< 0 or 1 (HTTP/1.x); 0 (HTTP/2).
    std::string_view protocol;               ///< `:protocol` of an extended CONNECT (RFC 8441).
    std::uint64_t connection = 0;  ///< Index of the connection: 0 is the first one accepted.
    std::uint64_t index = 0;       ///< Index of the request on its connection, from 0.
    bool is_resumed = false;       ///< The connection resumed a TLS session.

    /// The first value of that field, or nothing; names are compared without case.
    [[nodiscard]] HEARTH_API std::optional<std::string_view> header(std::string_view name) const;
};

/// An answer. `content-length` or `transfer-encoding` and `connection` are added as needed; over
/// HTTP/2 `chunked` means no content-length, and `close` a GOAWAY(NO_ERROR) behind the head.
struct reply {
    int status = 200;
    std::vector<header_field> headers = {};
    std::string body = {};
    /// Fields after the body; not empty implies `chunked`.
    std::vector<header_field> trailers = {};
    /// Send the body in chunks (to HTTP/1.0: ended by closing).
    bool chunked = false;
    /// What `content-length` says, when that is not the size of `body`: for answers that are
    /// streamed, and for lies.
    std::optional<std::uint64_t> content_length = {};
    /// Say `connection: close`, and do it.
    bool close = false;
};

/// Gives the next piece of a streamed body; an empty one ends it. Called on the origin's thread
/// whenever there is room to send, so the body is never held in memory as a whole.
using body_source = std::function<std::string()>;

/// Answers one request. A cheap handle, copies share the exchange.
///
/// Steps are done in the order asked for, each after the one before. When the last copy goes before
/// the answer is complete, and `never_answer` was not asked for, the exchange ends by itself: with
/// status 500 if nothing was sent, by a reset otherwise. Once the client is gone every call does
/// nothing. Thread safety: any thread; calls for one exchange must not race. Outliving the origin
/// is legal.
class HEARTH_API responder {
public:
    explicit responder(std::shared_ptr<internal::exchange> exchange);
    ~responder();
    responder(const responder&);
    responder(responder&&) noexcept;
    responder& operator=(const responder&);
    responder& operator=(responder&&) noexcept;

    /// The steps asked for after this one wait so long.
    responder& delay(std::chrono::nanoseconds duration);
    /// Sends a whole answer; what is asked for after it is ignored.
    responder& answer(reply whole);
    /// Sends an informational answer (1xx) before the final one.
    responder& interim(int status, std::vector<header_field> headers = {});
    /// Sends the head of an answer and `head.body` as the first piece of its body. The length is
    /// `head.content_length`, else the body is chunked.
    responder& begin(reply head);
    /// Sends a piece of the body. Pieces that cannot be sent yet are kept in memory.
    responder& write(std::string piece);
    /// Sends what `source` gives until it ends, with a pause after each piece. A source that throws
    /// resets the connection.
    responder& stream(body_source source, std::chrono::nanoseconds pause = {});
    /// Ends the answer begun by `begin` or `send_raw`. The connection is then used again.
    responder& finish(std::vector<header_field> trailers = {});
    /// Sends octets past all HTTP framing; over HTTP/2 behind the frames that are ready to be sent.
    responder& send_raw(std::string bytes);
    /// Ends the connection once `octets` octets of the answer (head, framing and body; over HTTP/2
    /// of the body) were sent, whatever else is asked for. Ask before the first step that sends.
    responder& cut_at(std::uint64_t octets, close_kind kind = close_kind::clean);
    /// Ends this exchange alone by RST_STREAM with that code (RFC 9113 7); on HTTP/1.1 its
    /// connection by TCP RST. What was asked for before but has not been sent may be lost.
    responder& reset(std::uint32_t error_code);
    /// Ends the connection after what was asked for before has been sent.
    responder& close(close_kind kind = close_kind::clean);
    /// Leaves the request without an answer, for ever.
    responder& never_answer();
    /// Calls `hook` on the origin's thread when the exchange ends before its answer was sent. At
    /// most one hook; not called when that has happened before.
    responder& on_gone(std::function<void()> hook);
    /// True once the exchange is over: answered, or its client gone.
    [[nodiscard]] bool is_gone() const noexcept;

private:
    struct ticket;
    std::shared_ptr<ticket> ticket_;
};

/// Answers requests. May throw: the client then gets status 500 with the text of the exception.
using handler = std::function<void(const request_view&, responder)>;

/// When a handler is called.
enum class handler_call : std::uint8_t {
    after_body,  ///< When the body was read whole; beyond `max_body_bytes` the client gets 413.
    after_head,  ///< At once; the body is read and thrown away. For early answers.
};

}  // namespace testing
HEARTH_END_NAMESPACE
