// The messages of an exchange as engines see them, whatever the HTTP version: the request head
// going out, the events of the response coming in, and the check that refuses what must never be
// sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/id.hpp"
#include "hearth/error.hpp"
#include "hearth/headers.hpp"
#include "hearth/request.hpp"
#include "hearth/response.hpp"

namespace hearth::proto {

/// A request head, already checked by `check_request`. Views live until `begin` has returned.
struct outgoing_head {
    std::string_view method;
    std::string_view target;     ///< Origin form ("/path?query"), "*" or authority form (CONNECT).
    std::string_view authority;  ///< "host" or "host:port" for Host, unless `fields` has one.
    std::string_view scheme;
    const headers* fields = nullptr;
    std::string_view user_agent;  ///< Added if `fields` has none; empty = not.
    bool has_body = false;        ///< False: no framing header but `content-length: 0` where due.
    std::optional<std::uint64_t> content_length;  ///< With a body: known length, else chunked.
    bool has_trailers = false;                    ///< With a body: forces chunked.
    const headers* trailers = nullptr;            ///< If known already: their names are announced.
    bool expect_continue = false;
    std::string_view protocol;  ///< h2, with CONNECT: `:protocol` (RFC 8441), a path as target.
};

enum class event_kind : std::uint8_t {
    none,
    informational,  ///< `head` is a 1xx response other than 101.
    proceed,        ///< 100 (Continue) came: a held body may go (an informational follows it).
    head,           ///< `head` is the final response head (or 101).
    data,           ///< `data`: octets of the body; valid until the next receive/retain/poll.
    trailers,       ///< `fields` are the trailers.
    end,            ///< The response is complete; `reusable` says what of the connection.
    error,          ///< The exchange (h2: the stream) failed: `error`, `detail`.
    goaway,         ///< No new exchanges (h2 GOAWAY): `http2_code`, `value`, `detail`.
    settings,       ///< h2: the peer's settings came or changed; the engine's getters have them.
    pong,           ///< h2: the answer to the ping whose payload is `value`.
    writable,       ///< h2: a body that had to wait for room may be written again.
};

/// One event; each names its exchange. Pointers are the engine's, valid until its next call.
struct event {
    event_kind kind = event_kind::none;
    exchange_id exchange;
    response_head* head = nullptr;  ///< May be moved from. `connection` is not filled.
    headers* fields = nullptr;      ///< May be moved from.
    std::span<const std::byte> data;
    errc error = errc::internal;
    std::string_view detail;
    bool reusable = false;
    bool is_unprocessed = false;   ///< With error: the peer has certainly not acted on the request.
    std::uint32_t http2_code = 0;  ///< h2, with error and goaway: the code (RFC 9113 7).
    std::uint64_t value = 0;       ///< pong: the payload; goaway: the last stream id.
};

/// Why a request was refused, as a sentence that names the field but never a value.
struct request_error {
    errc code = errc::invalid_header;
    std::string detail;
};

/// Refuses what must never be sent (RFC 9110 5.5, 9112 2-6): bad octets in method, target, names or
/// values (also of trailers); framing headers of the caller (`content-length` that differs from the
/// body, `transfer-encoding` at all, more than one Host, `connection`-like fields that contradict
/// us); trailers that may not be trailers (RFC 9110 6.5.1), or that no body goes before.
///
/// Of the fields that speak about the connection these are allowed: `connection` with the options
/// close, keep-alive, te and upgrade (the last two only beside the field they name, and not close
/// with keep-alive), `te: trailers`, `upgrade` with `connection: upgrade`, and `expect:
/// 100-continue` with a body. `keep-alive` and `proxy-connection` are refused: the pool decides
/// about connections, and a caller that has them forwards fields which must not be forwarded (RFC
/// 9110 7.6.1).
[[nodiscard]] std::optional<request_error> check_request(const request& value,
                                                         std::string_view target);

/// The part of `check_request` that is about trailers, for those that are known only at the end.
[[nodiscard]] std::optional<request_error> check_trailers(const headers& trailers);

}  // namespace hearth::proto
