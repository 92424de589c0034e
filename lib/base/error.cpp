// The error category, the conditions and `send_error`.
//
// Everything known about a code is one row of `rows`: its sentence and the conditions it belongs
// to. Each code is either `never_sent` or `maybe_processed`, so that a caller can decide on the
// code alone; when in doubt it is `maybe_processed`.

#include "hearth/error.hpp"

#include <array>
#include <ostream>
#include <utility>

HEARTH_BEGIN_NAMESPACE

namespace {

// One bit per `errc_condition`.
constexpr unsigned bit(errc_condition condition) { return 1U << static_cast<unsigned>(condition); }

constexpr unsigned timeout = bit(errc_condition::timeout);
constexpr unsigned input = bit(errc_condition::invalid_input);
constexpr unsigned unsent = bit(errc_condition::never_sent);
constexpr unsigned maybe = bit(errc_condition::maybe_processed);
constexpr unsigned peer = bit(errc_condition::peer_fault);
constexpr unsigned tls = bit(errc_condition::tls);

struct row {
    errc code;
    unsigned conditions;
    const char* sentence;
};

constexpr std::array rows{
    row{errc::invalid_url, input | unsent, "The URL is invalid; nothing was sent."},
    row{errc::unsupported_scheme, input | unsent,
        "The URL's scheme is neither http nor https; nothing was sent."},
    row{errc::invalid_method, input | unsent,
        "The request method is not a token of 1 to 31 octets; nothing was sent."},
    row{errc::invalid_target, input | unsent,
        "The request target has an octet that must not be sent; nothing was sent."},
    row{errc::invalid_header, input | unsent,
        "A request header has an octet that must not be sent; nothing was sent."},
    // Trailers and bodies of streamed requests are seen only after the head has left.
    row{errc::invalid_trailer, input | maybe,
        "A request trailer has an octet that must not be sent, or may not be a trailer."},
    row{errc::invalid_framing, input | unsent,
        "A request header contradicts the framing of the request body; nothing was sent."},
    row{errc::invalid_body, input | maybe,
        "The request body could not be read or has another size than it said."},
    row{errc::invalid_config, input | unsent, "The configuration is contradictory."},
    row{errc::invalid_state, input | maybe,
        "The operation is not legal in the present state of the exchange."},
    row{errc::would_deadlock, unsent,
        "A blocking call was made on a thread that runs the client; nothing was sent."},
    row{errc::wrong_process, unsent,
        "The client belongs to the process that built it, of which this is a fork; nothing was "
        "sent."},

    row{errc::queue_full, unsent,
        "Too many exchanges wait for a connection to the origin already; nothing was sent."},
    row{errc::queue_timeout, timeout | unsent,
        "No connection could be had within the queue timeout; nothing was sent."},
    row{errc::would_miss_deadline, timeout | unsent,
        "The deadline could not be met any more while waiting for a connection; nothing was sent."},
    row{errc::name_not_found, unsent, "The host name does not exist or has no address."},
    row{errc::name_failed, unsent, "The name service gave no usable answer for the host name."},
    row{errc::name_timeout, timeout | unsent,
        "The name service did not answer within the name timeout."},
    row{errc::connect_failed, unsent, "The TCP connect failed at every address of the host."},
    row{errc::connect_timeout, timeout | unsent,
        "The TCP connect did not succeed within the connect timeout."},
    row{errc::handshake_failed, unsent | tls, "The TLS handshake failed."},
    row{errc::handshake_timeout, timeout | unsent | tls,
        "The TLS handshake did not end within the handshake timeout."},
    row{errc::certificate_rejected, unsent | tls,
        "The peer's certificate was rejected in the TLS handshake."},
    row{errc::descriptor_limit, unsent,
        "The TCP connect needs a file descriptor or port, and the system has none left."},
    row{errc::breaker_open, unsent,
        "The circuit breaker refuses exchanges with the origin for now; nothing was sent."},
    row{errc::overloaded, unsent,
        "Too many exchanges have waited for the origin for too long; this one was shed, nothing "
        "was sent."},
    row{errc::rate_limited, unsent,
        "The origin's rate limit has no place for the exchange in time; nothing was sent."},
    row{errc::proxy_failed, unsent, "The proxy did not connect to the origin; nothing was sent."},

    row{errc::first_byte_timeout, timeout | maybe,
        "No response head came within the first byte timeout after the request was sent."},
    row{errc::body_idle_timeout, timeout | maybe,
        "The response body made no progress within the body idle timeout."},
    row{errc::write_timeout, timeout | maybe,
        "Sending the request made no progress within the write stall timeout."},
    row{errc::deadline_exceeded, timeout | maybe,
        "The deadline passed before the exchange had ended."},
    row{errc::header_limit, maybe, "The response head is larger than the configured limits."},
    row{errc::body_limit, maybe, "The response body is larger than the configured limit."},
    row{errc::informational_limit, maybe,
        "More informational responses came before the final response than the configured limit."},
    row{errc::peer_closed, maybe | peer,
        "The peer closed the connection before its response head was complete."},
    row{errc::peer_reset, maybe | peer,
        "The connection was reset before the response head was complete."},
    row{errc::peer_truncated, maybe | peer, "The connection ended in the middle of the response."},
    row{errc::peer_protocol_error, maybe | peer, "The peer's response breaks the rules of HTTP."},
    row{errc::peer_tls_error, maybe | peer | tls,
        "TLS failed or the peer sent an alert after the handshake."},
    row{errc::decode_failed, maybe, "The content coding of the response body is broken."},
    row{errc::too_many_redirects, maybe,
        "The response redirects in a loop or more often than the configured limit."},
    row{errc::redirect_refused, maybe, "The response is a redirect that cannot be followed."},
    row{errc::throughput_timeout, timeout | maybe,
        "The body moved more slowly than the configured floor."},
    row{errc::unsupported_by_peer, unsent,
        "The peer does not take what the request needs; nothing of it was sent."},

    row{errc::client_closed, maybe, "The client was destroyed before the exchange had ended."},
    row{errc::client_draining, unsent,
        "The client is draining and takes no new exchanges; nothing was sent."},
    row{errc::internal, maybe, "An internal rule of the client was broken; please report this."},
    row{errc::out_of_memory, maybe,
        "There was no memory for the connection or for decoding the response body."},
};

constexpr const row* find(int code) noexcept {
    for (const row& candidate : rows) {
        if (static_cast<int>(candidate.code) == code) return &candidate;
    }
    return nullptr;
}

constexpr const char* sentence_of(int code) noexcept {
    const row* found = find(code);
    return found != nullptr ? found->sentence : "This is no code of hearth.";
}

constexpr const char* sentence_of(errc_condition condition) noexcept {
    switch (condition) {
        case errc_condition::timeout: return "A timeout or deadline ended the exchange.";
        case errc_condition::invalid_input: return "The caller's input was refused.";
        case errc_condition::never_sent: return "No octet of the request was sent.";
        case errc_condition::maybe_processed: return "The peer may have acted on the request.";
        case errc_condition::peer_fault: return "The peer broke off or broke the protocol.";
        case errc_condition::tls: return "TLS failed.";
    }
    return "This is no condition of hearth.";
}

// The numbers identify the categories across copies of the library in one process.
class code_category final : public boost::system::error_category {
public:
    constexpr code_category() noexcept : error_category(0x5d1f0c66a3e97b21ULL) {}
    const char* name() const noexcept override { return "hearth"; }
    std::string message(int code) const override { return sentence_of(code); }
    const char* message(int code, char*, std::size_t) const noexcept override {
        return sentence_of(code);
    }
};

class group_category final : public boost::system::error_category {
public:
    constexpr group_category() noexcept : error_category(0x5d1f0c66a3e97b22ULL) {}
    const char* name() const noexcept override { return "hearth.condition"; }
    std::string message(int condition) const override {
        return sentence_of(static_cast<errc_condition>(condition));
    }
    const char* message(int condition, char*, std::size_t) const noexcept override {
        return sentence_of(static_cast<errc_condition>(condition));
    }
    bool equivalent(const boost::system::error_code& code, int condition) const noexcept override {
        if (code.category() != hearth::error_category()) return false;
        const row* found = find(code.value());
        if (found == nullptr || condition < 1 ||
            condition > static_cast<int>(errc_condition::tls)) {
            return false;
        }
        return (found->conditions & bit(static_cast<errc_condition>(condition))) != 0;
    }
};

constexpr code_category the_codes;
constexpr group_category the_conditions;

void append_sentence(std::string& text, std::string_view sentence) {
    if (sentence.empty()) return;
    if (!text.empty()) text += ' ';
    text += sentence;
    const char last = sentence.back();
    if (last != '.' && last != '!' && last != '?') text += '.';
}

// "The sentence of the code. [phase queue, https://host:443, attempt 1] Detail. Last dial: ..."
std::string describe(const boost::system::error_code& code, const failure& why) {
    std::string text;
    append_sentence(text, code.message());
    std::string place;
    const auto add_place = [&place](std::string_view item) {
        if (!place.empty()) place += ", ";
        place += item;
    };
    if (why.phase != phase::none) add_place("phase " + std::string(to_string(why.phase)));
    if (!why.origin.empty()) add_place(why.origin);
    if (why.attempt != 0) add_place("attempt " + std::to_string(why.attempt));
    if (!place.empty()) text += " [" + place + "]";
    if (why.detail != code.message()) append_sentence(text, why.detail);
    // A call that failed by its dial has said all of it already.
    if (why.dial_error == code && why.dial_detail == why.detail) return text;
    if (why.dial_error) append_sentence(text, "Last dial: " + why.dial_error.message());
    append_sentence(text, why.dial_detail);
    return text;
}

}  // namespace

const boost::system::error_category& error_category() noexcept { return the_codes; }

const boost::system::error_category& condition_category() noexcept { return the_conditions; }

boost::system::error_code make_error_code(errc code) noexcept {
    return {static_cast<int>(code), the_codes};
}

boost::system::error_condition make_error_condition(errc_condition condition) noexcept {
    return {static_cast<int>(condition), the_conditions};
}

std::string_view to_string(phase value) noexcept {
    switch (value) {
        case phase::none: return "none";
        case phase::validation: return "validation";
        case phase::queue: return "queue";
        case phase::name: return "name";
        case phase::connect: return "connect";
        case phase::handshake: return "handshake";
        case phase::send: return "send";
        case phase::first_byte: return "first_byte";
        case phase::body: return "body";
    }
    return "unknown";
}

std::ostream& operator<<(std::ostream& out, phase value) { return out << to_string(value); }

send_error::send_error(boost::system::error_code code, hearth::failure why)
    : system_error(code), failure_(std::move(why)), text_(describe(code, failure_)) {}

send_error::~send_error() = default;

const char* send_error::what() const noexcept { return text_.c_str(); }

HEARTH_END_NAMESPACE
