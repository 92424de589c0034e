#include "proto/h2_response.hpp"

#include <algorithm>
#include <string>

#include "proto/http_grammar.hpp"

namespace hearth::proto {
namespace {

/// RFC 9113 8.2.1, and RFC 9110 5.1: a token without upper-case letters.
bool is_field_name(std::string_view name) {
    for (const char c : name) {
        if (!is_lower_token_octet(c)) return false;
    }
    return !name.empty();
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void h2_response::begin_block() {
    fields_ = 0;
    block_octets_ = 0;
    has_fields_ = false;
    if (stage_ != stage::head) return;
    if (informational_ != 0) head_ = {};
    head_.version = 20;
    content_length_.reset();
}

void h2_response::add_field(std::string_view name, std::string_view value,
                            const h2_settings& bounds) {
    if (is_refused()) return;
    block_octets_ += name.size() + value.size() + octets_beside_a_field;
    received_ += name.size() + value.size();
    if (block_octets_ > bounds.max_header_bytes) {
        refuse("the fields of a block are larger than the limit of header octets",
               errc::header_limit);
    } else if (++fields_ > bounds.max_header_count) {
        refuse("a block has more fields than the limit of header fields", errc::header_limit);
    } else if (name.starts_with(':')) {
        if (name != ":status") {
            refuse("the response has another pseudo-header field than :status (RFC 9113 8.3.2)");
        } else {
            add_status(value);
        }
    } else if (!is_field_name(name)) {
        refuse("a field name is not a token in lower case (RFC 9113 8.2.1)");
    } else if (!is_field_text(value)) {
        refuse("a field value has a control character (RFC 9113 8.2.1)");
    } else if (trim(value).size() != value.size()) {
        refuse("a field value begins or ends with white space (RFC 9113 8.2.1)");
    } else {
        add_checked(name, value);
    }
}

void h2_response::add_status(std::string_view value) {
    if (stage_ != stage::head) {
        refuse("the trailers have a pseudo-header field (RFC 9113 8.1)");
    } else if (has_fields_) {
        refuse("a pseudo-header field comes after other fields (RFC 9113 8.3)");
    } else if (head_.status != 0) {
        refuse(":status is repeated (RFC 9113 8.3)");
    } else if (value.size() != 3 || !std::all_of(value.begin(), value.end(), is_digit)) {
        refuse(":status is not a number of three digits (RFC 9113 8.3.2)");
    } else {
        head_.status = static_cast<unsigned>((value[0] - '0') * 100 + (value[1] - '0') * 10 +
                                             (value[2] - '0'));
        if (head_.status < 100 || head_.status > 599) {
            refuse("the status code is not within 100 to 599 (RFC 9110 15)");
        }
    }
}

void h2_response::add_checked(std::string_view name, std::string_view value) {
    has_fields_ = true;
    if (!note_special(name, value)) return;
    headers& fields = stage_ == stage::head ? head_.headers : trailers_;
    const auto crumbs = name == "cookie" ? fields.find(name) : std::nullopt;
    if (crumbs) {  // RFC 9113 8.2.3
        fields.set(name, std::string(*crumbs).append("; ").append(value));
        return;
    }
    fields.add(name, value);
}

/// What decides about the connection or the framing; false if it was refused.
bool h2_response::note_special(std::string_view name, std::string_view value) {
    switch (classify_field(name)) {
        case known_field::connection:
        case known_field::keep_alive:
        case known_field::proxy_connection:
        case known_field::transfer_encoding:
        case known_field::upgrade:
            return refuse("there is a field of a connection (RFC 9113 8.2.2)");
        case known_field::te:
            if (value == "trailers") return true;
            return refuse("te says something else than trailers (RFC 9113 8.2.2)");
        case known_field::host:
            if (stage_ == stage::head) return true;
            return refuse("a field of framing or routing stands in the trailers (RFC 9110 6.5.1)");
        case known_field::content_length: break;
        default: return true;
    }
    if (stage_ != stage::head) {
        return refuse("a field of framing or routing stands in the trailers (RFC 9110 6.5.1)");
    }
    if (content_length_) return refuse("content-length is repeated (RFC 9110 8.6)");
    content_length_ = parse_decimal(value);
    if (content_length_) return true;
    return refuse("content-length is not a number of 64 bits (RFC 9110 8.6)");
}

h2_response::block h2_response::finish_block(bool ends_stream, const h2_settings& bounds) {
    if (is_refused()) return block::refused;
    if (stage_ == stage::head) return finish_head(ends_stream, bounds);
    if (is_tunnel_) {
        refuse("a tunnel has something else than data (RFC 9113 8.5)");
        return block::refused;
    }
    if (ends_stream) return block::trailers;
    refuse("the trailers do not end the stream (RFC 9113 8.1)");
    return block::refused;
}

h2_response::block h2_response::finish_head(bool ends_stream, const h2_settings& bounds) {
    if (head_.status == 0) {
        refuse("the response has no :status (RFC 9113 8.3.2)");
    } else if (head_.status == 101) {
        refuse("a 101 response has no meaning in HTTP/2 (RFC 9113 8.6)");
    } else if (head_.status < 200 && ends_stream) {
        refuse("a 1xx response ends the stream (RFC 9113 8.1)");
    } else if (head_.status < 200 && ++informational_ > bounds.max_informational) {
        refuse("there are more 1xx responses than the limit", errc::informational_limit);
    }
    if (is_refused()) return block::refused;
    if (head_.status < 200) return block::informational;
    stage_ = stage::body;
    is_tunnel_ = is_connect_ && head_.status < 300;
    return block::head;
}

bool h2_response::has_no_content() const {
    return is_head_request_ || head_.status == 204 || head_.status == 304;
}

bool h2_response::check_body(std::uint64_t octets) {
    if (is_refused()) return false;
    if (stage_ != stage::body) {
        return refuse("there is data before the response head (RFC 9113 8.1)");
    }
    if (is_tunnel_ || octets == 0) return true;
    if (has_no_content()) {
        return refuse("a response that has no content came with data (RFC 9110 6.4.1)");
    }
    if (!content_length_ || octets <= *content_length_ - body_) return true;
    return refuse("there is more data than content-length said (RFC 9113 8.1.1)");
}

bool h2_response::add_body(std::uint64_t octets) {
    if (!check_body(octets)) return false;
    received_ += octets;
    body_ += octets;
    return true;
}

bool h2_response::has_all_content() const {
    if (is_refused() || stage_ != stage::body || is_tunnel_) return false;
    return has_no_content() || content_length_ == body_;
}

bool h2_response::finish() {
    if (is_refused()) return false;
    if (stage_ != stage::body) {
        return refuse("the stream ended before a response head (RFC 9113 8.1)");
    }
    stage_ = stage::ended;
    if (is_tunnel_ || has_no_content() || !content_length_ || body_ == *content_length_) {
        return true;
    }
    return refuse("there is less data than content-length said (RFC 9113 8.1.1)");
}

bool h2_response::refuse(std::string_view detail, errc error) {
    detail_ = detail;
    error_ = error;
    return false;
}

}  // namespace hearth::proto
