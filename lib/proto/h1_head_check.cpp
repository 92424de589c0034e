#include "proto/h1_head_check.hpp"

#include <algorithm>

#include "base/field_places.hpp"
#include "proto/http_grammar.hpp"

namespace hearth::proto {
namespace {

// "HTTP/1." is what every response we can read begins with; other major versions have other syntax.
constexpr std::string_view version_prefix = "HTTP/1.";

constexpr std::string_view not_http =
    "the response does not begin with HTTP/1 and a minor version (RFC 9112 2.3)";
constexpr std::string_view bad_status_line = "the status line is malformed (RFC 9112 4)";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// One token after the other, separated by commas.
bool is_token_list(std::string_view value) {
    bool is_good = true;
    for_each_member(value, [&is_good](std::string_view member) {
        if (!is_token(member)) is_good = false;
    });
    return is_good;
}

}  // namespace

void h1_head_check::start(section kind, const limits& bounds, headers& fields) {
    fields.clear();
    fields_ = &fields;
    kind_ = kind;
    limits_ = bounds;
    checked_ = 0;
    scanned_ = 0;
    is_first_line_ = kind == section::head;
    error_ = errc::peer_protocol_error;
    detail_ = {};
    facts_ = {};
}

h1_head_check::outcome h1_head_check::check(std::string_view known) {
    const std::string_view within = known.substr(0, limits_.octets);
    for (;;) {
        const std::size_t end = within.find('\n', scanned_);
        if (end == std::string_view::npos) break;
        std::string_view line = within.substr(checked_, end - checked_);
        if (line.empty() || line.back() != '\r') {
            if (is_first_line_ && !check_prefix(line)) return outcome::broken;
            refuse("a line ends with a bare LF (RFC 9112 2.2)");
            return outcome::broken;
        }
        line.remove_suffix(1);
        line_at_ = checked_;
        scanned_ = end + 1;
        checked_ = end + 1;
        if (line.empty() && !is_first_line_) {
            return check_whole() ? outcome::complete : outcome::broken;
        }
        if (!check_line(line)) return outcome::broken;
    }
    scanned_ = within.size();
    if (is_first_line_ && !check_prefix(within)) return outcome::broken;
    if (within.size() == limits_.octets) {
        refuse(kind_ == section::head ? "the response head is larger than http1.max_header_bytes"
                                      : "the trailers are larger than http1.max_header_bytes",
               errc::header_limit);
        return outcome::broken;
    }
    return outcome::need_more;
}

bool h1_head_check::check_line(std::string_view line) {
    if (!is_first_line_) return check_field(line);
    is_first_line_ = false;
    return check_status_line(line);
}

/// Fails as soon as what is known of the first line cannot become a status line, so that a peer
/// that speaks something else is found out at its first octets.
bool h1_head_check::check_prefix(std::string_view line) {
    const std::size_t known = std::min(line.size(), version_prefix.size());
    if (line.substr(0, known) == version_prefix.substr(0, known)) return true;
    return refuse(not_http);
}

bool h1_head_check::check_status_line(std::string_view line) {
    // HTTP-version SP status-code SP [ reason-phrase ]. The second space is often missing when
    // there is no reason; nothing depends on it.
    if (!check_prefix(line)) return false;
    if (line.size() <= version_prefix.size() || !is_digit(line[7])) return refuse(not_http);
    if (line.size() < 12 || line[8] != ' ') return refuse(bad_status_line);
    for (std::size_t i = 9; i < 12; ++i) {
        if (!is_digit(line[i])) return refuse(bad_status_line);
    }
    if (line.size() > 12 && line[12] != ' ') return refuse(bad_status_line);
    facts_.status =
        static_cast<unsigned>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
    if (facts_.status < 100 || facts_.status > 599) {
        return refuse("the status code is not within 100 to 599 (RFC 9110 15)");
    }
    if (!is_field_text(line.substr(12))) {
        return refuse("the reason phrase has a control character (RFC 9112 4)");
    }
    facts_.version = line[7] == '0' ? 10 : 11;
    facts_.reason_at = std::min<std::size_t>(line.size(), 13);
    facts_.reason_size = line.size() - facts_.reason_at;
    return true;
}

bool h1_head_check::check_field(std::string_view line) {
    if (line.front() == ' ' || line.front() == '\t') {
        return refuse("a field line is folded (obs-fold, RFC 9112 5.2)");
    }
    std::size_t colon = 0;
    while (colon < line.size() && is_token_octet(line[colon])) ++colon;
    if (colon == line.size()) return refuse("a field line has no colon (RFC 9112 5)");
    if (line[colon] == ' ' || line[colon] == '\t') {
        return refuse("there is white space between a field name and its colon (RFC 9112 5.1)");
    }
    if (line[colon] != ':' || colon == 0) {
        return refuse("a field name is not a token (RFC 9110 5.1)");
    }
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (!is_field_text(value)) {
        return refuse("a field value has a control character or a bare CR (RFC 9110 5.5)");
    }
    if (facts_.fields == limits_.fields) {
        return refuse("there are more fields than http1.max_header_count", errc::header_limit);
    }
    ++facts_.fields;
    const auto value_at = static_cast<std::size_t>(value.data() - line.data());
    base::field_places::note(*fields_, {line_at_, name.size()},
                             {line_at_ + value_at, value.size()});
    return note_framing(name, value);
}

bool h1_head_check::note_framing(std::string_view name, std::string_view value) {
    const known_field field = classify_field(name);
    if (kind_ == section::trailers) {
        const bool is_framing = field == known_field::content_length ||
                                field == known_field::transfer_encoding ||
                                field == known_field::connection || field == known_field::host ||
                                field == known_field::proxy_connection;
        if (!is_framing) return true;
        return refuse("a field of framing or routing stands in the trailers (RFC 9110 6.5.1)");
    }
    switch (field) {
        case known_field::content_length: return note_content_length(value);
        case known_field::transfer_encoding: return note_transfer_encoding(value);
        case known_field::connection:
            for_each_member(value, [this](std::string_view option) {
                if (equals_ignoring_case(option, "close")) facts_.says_close = true;
                if (equals_ignoring_case(option, "keep-alive")) facts_.says_keep_alive = true;
            });
            [[fallthrough]];
        case known_field::proxy_connection:
            if (is_token_list(value)) return true;
            return refuse("connection is not a list of tokens (RFC 9110 7.6.1)");
        default: return true;
    }
}

bool h1_head_check::note_content_length(std::string_view value) {
    if (facts_.has_content_length) return refuse("content-length is repeated (RFC 9112 6.3)");
    const std::optional<std::uint64_t> length = parse_decimal(value);
    if (!length) return refuse("content-length is not a number of 64 bits (RFC 9112 6.3)");
    facts_.has_content_length = true;
    facts_.content_length = *length;
    return true;
}

bool h1_head_check::note_transfer_encoding(std::string_view value) {
    if (facts_.is_chunked) return refuse("transfer-encoding is repeated (RFC 9112 6.1)");
    if (!equals_ignoring_case(value, "chunked")) {
        return refuse("transfer-encoding is something else than chunked (RFC 9112 6.1)");
    }
    facts_.is_chunked = true;
    return true;
}

bool h1_head_check::check_whole() {
    if (facts_.is_chunked && facts_.has_content_length) {
        return refuse("both content-length and transfer-encoding are there (RFC 9112 6.3)");
    }
    if (facts_.is_chunked && facts_.version == 10) {
        return refuse("an HTTP/1.0 response has a transfer-encoding (RFC 9112 6.1)");
    }
    return true;
}

bool h1_head_check::refuse(std::string_view detail, errc error) {
    detail_ = detail;
    error_ = error;
    return false;
}

}  // namespace hearth::proto
