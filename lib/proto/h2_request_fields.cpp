#include "proto/h2_request_fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "base/assert.hpp"
#include "proto/http_grammar.hpp"

namespace hearth::proto {
namespace {

using refusal = std::optional<request_error>;

constexpr std::size_t guessable_cookie = 20;  // RFC 7541 7.1.3 leaves the length to us

refusal refuse(errc code, std::string detail) { return request_error{code, std::move(detail)}; }

/// nghttp2 takes octets without const, and copies them.
std::uint8_t* octets_of(std::string_view text) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-*): only read
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
}

bool is_target(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

bool is_authority(std::string_view text) {
    return std::all_of(text.begin(), text.end(), is_host_octet);
}

bool wants_length(std::string_view method) {  // RFC 9110 8.6
    return method == "POST" || method == "PUT" || method == "PATCH";
}

}  // namespace

refusal h2_request_fields::set_head(const outgoing_head& head) {
    static const headers no_fields;
    const headers& fields = head.fields != nullptr ? *head.fields : no_fields;
    constexpr std::size_t longest_number = 20;
    constexpr std::size_t separator = 2;  // of names in `trailer`
    std::size_t room = fields.size_bytes() + longest_number;
    if (head.trailers != nullptr) {
        room += head.trailers->size_bytes() + separator * head.trailers->size();
    }
    reset(room);
    const std::string_view host = fields["host"];
    if (refusal why = add_pseudo(head, host.empty() ? head.authority : trim(host))) return why;
    for (const headers::field& field : fields) {
        if (refusal why = add_caller_field(field)) return why;
    }
    add_own_fields(head);
    return check_size();
}

refusal h2_request_fields::add_pseudo(const outgoing_head& head, std::string_view authority) {
    if (!is_token(head.method)) return refuse(errc::invalid_method, "the method is not a token");
    if (!is_authority(authority)) {
        return refuse(errc::invalid_header, "the authority is not a host with an optional port");
    }
    const bool is_connect = head.method == "CONNECT";
    const bool is_plain_connect = is_connect && head.protocol.empty();
    if (!head.protocol.empty() && (!is_connect || !is_token(head.protocol))) {
        return refuse(errc::invalid_method, "a protocol goes with CONNECT only, and is a token");
    }
    add(":method", head.method);
    if (is_plain_connect) {  // RFC 9113 8.5
        if (!is_target(head.target) || !is_authority(head.target)) {
            return refuse(errc::invalid_target, "the target of CONNECT must be host:port");
        }
        add(":authority", head.target);
        return std::nullopt;
    }
    if (!head.protocol.empty()) add(":protocol", head.protocol);  // RFC 8441 4
    const std::string_view path = head.target.empty() ? "/" : head.target;
    if (!is_target(path) || (path.front() != '/' && (path != "*" || head.method != "OPTIONS"))) {
        return refuse(errc::invalid_target,
                      "the request target must begin with '/', or be '*' with OPTIONS");
    }
    if (!is_token(head.scheme)) return refuse(errc::invalid_target, "the scheme is not a token");
    add(":scheme", head.scheme);
    if (!authority.empty()) add(":authority", authority);
    add(":path", path);
    return std::nullopt;
}

refusal h2_request_fields::add_caller_field(const headers::field& field) {
    const std::string_view value = trim(field.value);
    if (!is_token(field.name)) {
        return refuse(errc::invalid_header, "the name of a field is empty or has a bad octet");
    }
    if (!is_field_text(value)) {
        return refuse(errc::invalid_header, "the value of a field has a control character");
    }
    switch (classify_field(field.name)) {
        case known_field::connection:  // RFC 9113 8.2.2
        case known_field::keep_alive:
        case known_field::proxy_connection:
        case known_field::transfer_encoding:
        case known_field::upgrade:
        case known_field::host: return std::nullopt;
        case known_field::content_length: had_length_ = true; return std::nullopt;
        case known_field::te:
            if (!equals_ignoring_case(value, "trailers")) return std::nullopt;
            add("te", "trailers");
            return std::nullopt;
        case known_field::user_agent: has_user_agent_ = true; break;
        case known_field::expect: has_expect_ = true; break;
        case known_field::trailer: has_trailer_ = true; break;
        case known_field::other: break;
    }
    const std::string_view name = keep_lower(field.name);
    if (name == "cookie") {
        add_cookies(value);
    } else if (name != "http2-settings") {  // RFC 7540 3.2.1: of an upgrade that is not ours
        add(name, value, name == "authorization" || name == "proxy-authorization");
    }
    return std::nullopt;
}

void h2_request_fields::add_cookies(std::string_view value) {
    if (!split_cookies_) {
        add("cookie", value, value.size() < guessable_cookie);
        return;
    }
    while (!value.empty()) {
        const std::size_t end = value.find("; ");
        const std::string_view crumb = trim(value.substr(0, end));
        if (!crumb.empty()) add("cookie", crumb, crumb.size() < guessable_cookie);
        if (end == std::string_view::npos) return;
        value.remove_prefix(end + 2);
    }
}

void h2_request_fields::add_own_fields(const outgoing_head& head) {
    if (!head.user_agent.empty() && !has_user_agent_) add("user-agent", head.user_agent);
    const bool is_plain_connect = head.method == "CONNECT" && head.protocol.empty();
    const bool says_none = !head.has_body && (wants_length(head.method) || had_length_);
    if (!is_plain_connect && head.protocol.empty() &&
        (says_none || (head.has_body && head.content_length))) {
        std::array<char, 20> digits{};
        const std::uint64_t length = head.has_body ? *head.content_length : 0;
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), length).ptr;
        add("content-length", keep({digits.data(), end}));
    }
    if (head.expect_continue && head.has_body && !has_expect_) add("expect", "100-continue");
    if (!head.has_body || head.trailers == nullptr || head.trailers->empty() || has_trailer_) {
        return;
    }
    std::string names;
    for (const headers::field& field : *head.trailers) {
        if (!names.empty()) names += ", ";
        names += field.name;
    }
    if (is_field_text(names)) add("trailer", keep(names));
}

refusal h2_request_fields::set_trailers(const headers& trailers) {
    reset(trailers.size_bytes());
    if (refusal why = check_trailers(trailers)) return why;
    for (const headers::field& field : trailers) {
        add(keep_lower(field.name), trim(field.value));
    }
    return check_size();
}

void h2_request_fields::reset(std::size_t room) {
    list_.clear();
    text_.clear();
    text_.reserve(room);
    octets_ = 0;
    has_user_agent_ = has_expect_ = has_trailer_ = had_length_ = false;
}

void h2_request_fields::add(std::string_view name, std::string_view value, bool is_secret) {
    octets_ += name.size() + value.size() + octets_beside_a_field;
    const auto flags =
        static_cast<std::uint8_t>(is_secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
    list_.push_back({octets_of(name), octets_of(value), name.size(), value.size(), flags});
}

std::string_view h2_request_fields::keep(std::string_view text) {
    HEARTH_ASSERT(text_.capacity() - text_.size() >= text.size());
    const std::size_t at = text_.size();
    text_.append(text);
    return std::string_view(text_).substr(at);
}

std::string_view h2_request_fields::keep_lower(std::string_view text) {
    const std::string_view kept = keep(text);
    const auto begin = text_.end() - static_cast<std::ptrdiff_t>(text.size());
    std::transform(begin, text_.end(), begin, to_lower);
    return kept;
}

refusal h2_request_fields::check_size() const {
    if (octets_ <= limit_) return std::nullopt;
    return refuse(errc::header_limit, "the fields of the request are larger than the limit");
}

}  // namespace hearth::proto
