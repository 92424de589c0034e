#include "proto/message.hpp"

#include <cstddef>
#include <utility>

#include "proto/http_grammar.hpp"

namespace hearth::proto {
namespace {

using refusal = std::optional<request_error>;

refusal refuse(errc code, std::string detail) { return request_error{code, std::move(detail)}; }

/// A name that has passed is_token, short enough for a sentence.
std::string quoted(std::string_view name) {
    constexpr std::size_t longest = 64;
    std::string text = "'";
    text.append(name.substr(0, longest));
    if (name.size() > longest) text += "...";
    text += '\'';
    return text;
}

/// The octets of names and values (RFC 9110 5.1, 5.5); `kind` is "header" or "trailer".
refusal check_octets(const headers& fields, errc code, const std::string& kind) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const headers::field field = fields.at(i);
        if (!is_token(field.name)) {
            return refuse(code, "the name of " + kind + " field " + std::to_string(i + 1) +
                                    " is empty or has an octet that no name may have");
        }
        if (!is_field_text(field.value)) {
            return refuse(code, "the value of " + kind + " field " + quoted(field.name) +
                                    " has a control character");
        }
    }
    return std::nullopt;
}

refusal check_target(std::string_view method, std::string_view protocol, std::string_view target) {
    for (const char c : target) {
        if (c <= ' ' || c >= '\x7f' || c == '#') {
            return refuse(errc::invalid_target,
                          "the request target has a space, a '#', a control character or an octet "
                          "outside ASCII; it must be percent-encoded");
        }
    }
    if (!protocol.empty() && (method != "CONNECT" || !is_token(protocol))) {
        return refuse(errc::invalid_method, "connect_protocol goes with CONNECT, and is a token");
    }
    if (method == "CONNECT" && protocol.empty()) {
        if (!target.empty() && target.find('/') == std::string_view::npos) return std::nullopt;
        return refuse(errc::invalid_target, "the target of CONNECT must be host:port");
    }
    if (target.starts_with('/') || (target == "*" && method == "OPTIONS")) return std::nullopt;
    return refuse(errc::invalid_target,
                  "the request target must begin with '/', or be '*' with OPTIONS");
}

refusal check_host(std::string_view value) {
    for (const char c : value) {
        if (!is_host_octet(c)) {
            return refuse(errc::invalid_header,
                          "the value of header field 'host' is not a host with an optional port");
        }
    }
    if (!value.empty()) return std::nullopt;
    return refuse(errc::invalid_header, "the value of header field 'host' is empty");
}

/// What the caller's fields say about the connection and the framing of the message.
struct connection_fields {
    unsigned hosts = 0;
    unsigned lengths = 0;
    bool has_te = false;
    bool has_upgrade = false;
    bool says_close = false;
    bool says_keep_alive = false;
    bool says_te = false;
    bool says_upgrade = false;
};

refusal note_connection(std::string_view value, connection_fields& seen) {
    bool is_known = true;
    for_each_member(value, [&](std::string_view option) {
        if (equals_ignoring_case(option, "close")) {
            seen.says_close = true;
        } else if (equals_ignoring_case(option, "keep-alive")) {
            seen.says_keep_alive = true;
        } else if (equals_ignoring_case(option, "te")) {
            seen.says_te = true;
        } else if (equals_ignoring_case(option, "upgrade")) {
            seen.says_upgrade = true;
        } else {
            is_known = false;
        }
    });
    if (is_known) return std::nullopt;
    return refuse(errc::invalid_framing,
                  "header field 'connection' may only say close, keep-alive, te or upgrade");
}

refusal note_length(const request& value, std::string_view text, connection_fields& seen) {
    if (++seen.lengths > 1) {
        return refuse(errc::invalid_framing,
                      "there is more than one header field 'content-length'");
    }
    const std::optional<std::uint64_t> length = parse_decimal(text);
    if (!length) {
        return refuse(errc::invalid_framing,
                      "the value of header field 'content-length' is not a number");
    }
    if (!value.trailers.empty()) {
        return refuse(errc::invalid_framing,
                      "header field 'content-length' cannot go with trailers, which need chunks");
    }
    if (value.body.size() == length) return std::nullopt;
    return refuse(errc::invalid_framing,
                  "header field 'content-length' is not the size of the body");
}

refusal note_field(const request& value, const headers::field& field, connection_fields& seen) {
    switch (classify_field(field.name)) {
        case known_field::host:
            if (++seen.hosts == 1) return check_host(field.value);
            return refuse(errc::invalid_framing, "there is more than one header field 'host'");
        case known_field::content_length: return note_length(value, field.value, seen);
        case known_field::connection: return note_connection(field.value, seen);
        case known_field::transfer_encoding:
        case known_field::keep_alive:
        case known_field::proxy_connection:
            return refuse(errc::invalid_framing,
                          "header field " + quoted(field.name) + " is the client's own to send");
        case known_field::te:
            seen.has_te = true;
            if (equals_ignoring_case(field.value, "trailers")) return std::nullopt;
            return refuse(errc::invalid_framing, "header field 'te' may only say trailers");
        case known_field::upgrade: seen.has_upgrade = true; return std::nullopt;
        case known_field::expect:
            if (!equals_ignoring_case(field.value, "100-continue")) {
                return refuse(errc::invalid_framing,
                              "header field 'expect' may only say 100-continue");
            }
            if (!value.body.is_none()) return std::nullopt;
            return refuse(errc::invalid_framing, "header field 'expect' needs a body");
        default: return std::nullopt;
    }
}

refusal check_fields(const request& value) {
    if (refusal why = check_octets(value.headers, errc::invalid_header, "header")) return why;
    connection_fields seen;
    for (const headers::field field : value.headers) {
        if (refusal why = note_field(value, field, seen)) return why;
    }
    if (seen.says_close && seen.says_keep_alive) {
        return refuse(errc::invalid_framing,
                      "header field 'connection' says both close and keep-alive");
    }
    if (seen.says_te && !seen.has_te) {
        return refuse(errc::invalid_framing,
                      "header field 'connection' names te, which is not there");
    }
    if (seen.says_upgrade != seen.has_upgrade) {
        return refuse(errc::invalid_framing,
                      "header field 'upgrade' and 'connection: upgrade' need each other");
    }
    return std::nullopt;
}

refusal check_body(const request& value) {
    const std::string_view method = value.method.text();
    const bool has_content = !value.body.is_none() && value.body.size() != 0;
    if (method == "TRACE" && has_content) {
        return refuse(errc::invalid_body, "a TRACE request cannot have a body (RFC 9110 9.3.8)");
    }
    if (method == "CONNECT" && !value.body.is_none()) {
        return refuse(errc::invalid_body, "a CONNECT request cannot have a body (RFC 9110 9.3.6)");
    }
    if (value.trailers.empty()) return std::nullopt;
    if (value.body.is_none() || method == "TRACE") {
        return refuse(errc::invalid_trailer, "trailers need a body that they can follow");
    }
    return check_trailers(value.trailers);
}

/// RFC 9110 6.5.1: framing, routing, modifiers, authentication, response control and what says how
/// to read the content must be known before it.
constexpr std::string_view forbidden_trailers[] = {
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "warning",
    "www-authenticate",
};

bool is_forbidden_trailer(std::string_view name) {
    for (const std::string_view one : forbidden_trailers) {
        if (equals_ignoring_case(name, one)) return true;
    }
    return false;
}

}  // namespace

std::optional<request_error> check_request(const request& value, std::string_view target) {
    if (!value.method.is_valid()) {
        return refuse(errc::invalid_method,
                      "the method is not a token of 1 to 31 octets (RFC 9110 9.1)");
    }
    if (refusal why = check_target(value.method.text(), value.connect_protocol, target)) return why;
    if (refusal why = check_fields(value)) return why;
    return check_body(value);
}

std::optional<request_error> check_trailers(const headers& trailers) {
    if (refusal why = check_octets(trailers, errc::invalid_trailer, "trailer")) return why;
    for (const headers::field field : trailers) {
        if (is_forbidden_trailer(field.name)) {
            return refuse(errc::invalid_trailer, "trailer field " + quoted(field.name) +
                                                     " may not be sent after the body");
        }
    }
    return std::nullopt;
}

}  // namespace hearth::proto
