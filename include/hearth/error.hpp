// Error codes, conditions, phases and the `failure` that travels beside every code.
//
// Codes are stable numbers in one category ("hearth"). They are split by who is responsible: the
// caller (`invalid_*`), the peer (`peer_*`), the network or name service, and we ourselves giving
// up (`*_timeout`, `*_limit`). Cancellation by the caller is `asio::error::operation_aborted`,
// never one of these. HTTP statuses are responses, not errors.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

enum class errc : int {
    // The caller did something that is refused before anything is sent.
    invalid_url = 1,     ///< The URL does not parse; `failure.detail` has the position.
    unsupported_scheme,  ///< Only `http` and `https` are spoken.
    invalid_method,      ///< Not a token (RFC 9110 9.1), or longer than 31 octets.
    invalid_target,      ///< The request target has an octet that must not be sent.
    invalid_header,      ///< A header name or value has an octet that must not be sent.
    invalid_trailer,     ///< The same for a trailer, or a field that may not be one.
    invalid_framing,     ///< A header of the caller contradicts the framing of the body.
    invalid_body,        ///< The body cannot be read, or has another size than it said.
    invalid_config,      ///< `validate(config)` names the field and the rule; or a bad `route`.
    invalid_state,       ///< The operation is not legal now (two reads at once, ...).
    would_deadlock,      ///< A blocking call from a thread that runs the client itself.
    wrong_process,       ///< The client was built by another process, of which this is a fork.

    // The client could not get a connection.
    queue_full = 40,       ///< `pool.max_waiters` exchanges wait already.
    queue_timeout,         ///< No connection within `timeouts.queue`.
    would_miss_deadline,   ///< The deadline cannot be met any more; nothing was sent.
    name_not_found,        ///< The host name does not exist or has no address.
    name_failed,           ///< The name service did not answer usefully.
    name_timeout,          ///< No answer of the name service within `timeouts.name`.
    connect_failed,        ///< TCP connect failed at every address.
    connect_timeout,       ///< TCP connect took longer than `timeouts.connect`.
    handshake_failed,      ///< TLS could not be negotiated.
    handshake_timeout,     ///< TLS took longer than `timeouts.handshake`.
    certificate_rejected,  ///< The peer's certificate did not pass verification.
    descriptor_limit,      ///< The process or system has no file descriptor or port left.
    breaker_open,          ///< The circuit breaker refuses exchanges to this origin for now.
    overloaded,            ///< Shed: too many wait for the origin for too long, see
                           ///< `overload.target` and `concurrency`.
    rate_limited,          ///< The origin's `rate_limit` has no place for it in time.
    proxy_failed,          ///< The proxy refused or broke the way to the origin.

    // The exchange was on a connection.
    first_byte_timeout = 80,  ///< No response head within `timeouts.first_byte` of the request's
                              ///< end.
    body_idle_timeout,        ///< No octet of the body within `timeouts.body_idle`.
    write_timeout,            ///< No octet of the request could be written for
                              ///< `timeouts.write_stall`.
    deadline_exceeded,        ///< `request.deadline` passed; `failure.phase` says where the time
                              ///< went.
    header_limit,         ///< The response head is larger than `http1.max_header_bytes` or count.
    body_limit,           ///< The response body is larger than `max_body_bytes`.
    informational_limit,  ///< More 1xx responses than `http1.max_informational`.
    peer_closed,          ///< The connection ended before a response head was complete.
    peer_reset,           ///< The connection was reset before a response head was complete.
    peer_truncated,       ///< The connection ended in the middle of a response.
    peer_protocol_error,  ///< The peer broke HTTP; `failure.detail` has the rule.
    peer_tls_error,       ///< The peer broke TLS, or sent an alert, after the handshake.
    decode_failed,        ///< The content coding of the body is broken, or nested too deep.
    too_many_redirects,   ///< More hops than allowed, or a loop.
    redirect_refused,     ///< A redirect that must not or cannot be followed; see `failure.detail`.
    throughput_timeout,   ///< The body moved more slowly than `timeouts.min_receive_rate` or
                          ///< `min_send_rate`.
    unsupported_by_peer,  ///< The peer does not take what the request needs: extended CONNECT.

    // The client.
    client_closed = 120,  ///< The client was destroyed.
    client_draining,      ///< `async_drain` was called; new exchanges are refused.
    internal,             ///< A broken invariant of hearth itself: please report it.
    out_of_memory,        ///< For the connection, the body's coding or the thread that serves it.
};

/// Groups of codes to compare with: `if (error == errc_condition::timeout)`.
enum class errc_condition : int {
    timeout = 1,      ///< Any `*_timeout`, `deadline_exceeded`, `would_miss_deadline`.
    invalid_input,    ///< Any `invalid_*`, `unsupported_scheme`.
    never_sent,       ///< By its code alone certain that no octet of the request left.
    maybe_processed,  ///< The peer may have acted on the request.
    peer_fault,       ///< Any `peer_*`.
    tls,              ///< Handshake, certificate or record errors.
};

HEARTH_API const boost::system::error_category& error_category() noexcept;
HEARTH_API const boost::system::error_category& condition_category() noexcept;
[[nodiscard]] HEARTH_API boost::system::error_code make_error_code(errc code) noexcept;
[[nodiscard]] HEARTH_API boost::system::error_condition make_error_condition(
    errc_condition condition) noexcept;

/// Where an exchange was when it ended. Ordered as an exchange passes through them.
enum class phase : std::uint8_t {
    none,        ///< It did not fail.
    validation,  ///< The caller's input was checked.
    queue,       ///< It waited for a connection.
    name,        ///< Its dial resolved the name.
    connect,     ///< Its dial connected TCP.
    handshake,   ///< Its dial ran TLS.
    send,        ///< The request was being written.
    first_byte,  ///< The request was out, the response head was awaited.
    body,        ///< The response body was being read.
};
[[nodiscard]] HEARTH_API std::string_view to_string(phase value) noexcept;
HEARTH_API std::ostream& operator<<(std::ostream& out, phase value);

/// What one attempt of a call came to; kept where repeating or redirects are switched on.
struct attempt_record {
    boost::system::error_code error;               ///< None: a response came.
    unsigned status = 0;                           ///< Of the response; 0 if no head came.
    hearth::phase phase = hearth::phase::none;     ///< Where it failed, as in `failure`.
    std::chrono::steady_clock::duration began{};   ///< From the call until it was begun.
    std::chrono::steady_clock::duration took{};    ///< From there to its end.
    std::chrono::steady_clock::duration paused{};  ///< The pause before it.
    /// It would have been repeated, had the origin's budget not been spent.
    bool budget_spent = false;
};

/// What is known about an exchange that failed. All fields are empty for one that did not.
/// Never holds header values, bodies or credentials.
struct failure {
    hearth::phase phase = hearth::phase::none;
    std::string origin;    ///< "https://host:port", empty if the URL did not parse.
    unsigned attempt = 0;  ///< 1 for the first try; 0 if it never was on a connection.
    std::string detail;    ///< A sentence with the cause; may be empty.
    boost::system::error_code dial_error;  ///< Why the last dial to this origin failed, if one did.
    std::string dial_detail;               ///< The same as a sentence with address and phase.
    bool maybe_processed = false;  ///< True if an octet of the request may have reached the peer.
    std::uint64_t bytes_sent = 0;  ///< Octets of the last attempt handed to the kernel.
    std::uint64_t bytes_received = 0;  ///< Octets of the response received by the last attempt.
    std::vector<attempt_record> attempt_log;  ///< As in `response`.
    /// With `breaker_open` and `rate_limited`: when to try again.
    std::optional<std::chrono::steady_clock::time_point> again_at;
};

/// What throwing interfaces throw: the code, a sentence, and the failure. `what()` has the sentence
/// of the code, then as far as known: phase, origin, attempt, detail, and the last dial's error.
class HEARTH_API send_error : public boost::system::system_error {
public:
    send_error(boost::system::error_code code, hearth::failure why);
    ~send_error() override;
    [[nodiscard]] const hearth::failure& failure() const noexcept { return failure_; }
    [[nodiscard]] const char* what() const noexcept override;

private:
    hearth::failure failure_;
    std::string text_;
};

HEARTH_END_NAMESPACE

namespace boost::system {
template <>
struct is_error_code_enum<hearth::errc> : std::true_type {};
template <>
struct is_error_condition_enum<hearth::errc_condition> : std::true_type {};
}  // namespace boost::system
