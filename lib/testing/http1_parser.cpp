// Reads HTTP/1.1 requests.
#include "testing/http1_parser.hpp"

#include <algorithm>
#include <array>
#include <charconv>

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {
namespace {

// A line of the chunked coding longer than this is an attack or a mistake.
constexpr std::size_t max_line_bytes = std::size_t{8} << 10U;

constexpr std::array<bool, 256> token_octets = [] {
    std::array<bool, 256> table{};
    for (const char octet : std::string_view("!#$%&'*+-.^_`|~0123456789"
                                             "abcdefghijklmnopqrstuvwxyz"
                                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
        table[static_cast<unsigned char>(octet)] = true;
    }
    return table;
}();

bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char octet) {
        return token_octets[static_cast<unsigned char>(octet)];
    });
}

// Octets of a field value (RFC 9110 5.5): visible, obs-text, space and tab.
bool is_value(std::string_view text) {
    return std::ranges::none_of(text, [](char octet) {
        const auto number = static_cast<unsigned char>(octet);
        return (number < 0x20 && octet != '\t') || number == 0x7f;
    });
}

bool is_target(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char octet) {
        return static_cast<unsigned char>(octet) > 0x20 && octet != 0x7f;
    });
}

std::string_view trim(std::string_view text) {
    const std::size_t from = text.find_first_not_of(" \t");
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

template <typename Number>
bool parse_number(std::string_view text, Number& number, int base) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    return error == std::errc{} && end == text.data() + text.size();
}

// Calls `visit` for each element of a comma-separated list.
template <typename Visit>
void for_each_element(std::string_view list, Visit visit) {
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        visit(trim(list.substr(0, comma)));
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
}

std::string_view parse_request_line(std::string_view line, request_head& head) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return "bad request line";
    head.method = line.substr(0, first);
    head.target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (!is_token(head.method)) return "bad method";
    if (!is_target(head.target)) return "bad request target";
    if (version != "HTTP/1.1" && version != "HTTP/1.0") return "bad version";
    head.version_minor = version.back() == '1' ? 1 : 0;
    head.keeps_alive = head.version_minor == 1;
    return {};
}

// What is collected over all fields before the framing can be judged.
struct framing_facts {
    int hosts = 0;
    int lengths = 0;
    int codings = 0;
};

std::string_view note_field(header_view field, request_head& head, framing_facts& facts) {
    const auto is = [&](std::string_view name) { return equals_ignoring_case(field.name, name); };
    switch (field.name.size()) {  // most fields match none of these sizes
        case 4:
            if (is("host")) ++facts.hosts;
            break;
        case 6:
            if (is("expect"))
                head.expects_continue = equals_ignoring_case(field.value, "100-continue");
            break;
        case 10:
            if (!is("connection")) break;
            for_each_element(field.value, [&](std::string_view option) {
                if (equals_ignoring_case(option, "close")) head.keeps_alive = false;
                if (equals_ignoring_case(option, "keep-alive") && head.version_minor == 0) {
                    head.keeps_alive = true;
                }
            });
            break;
        case 14:
            if (!is("content-length")) break;
            ++facts.lengths;
            if (!parse_number(field.value, head.body_bytes, 10)) return "bad content-length";
            break;
        case 17:
            if (!is("transfer-encoding")) break;
            ++facts.codings;
            if (!equals_ignoring_case(field.value, "chunked")) return "bad transfer-encoding";
            head.body = framing::chunked;
            break;
        default: break;
    }
    return {};
}

std::string_view judge_framing(const request_head& head, const framing_facts& facts) {
    if (facts.hosts > 1 || (facts.hosts == 0 && head.version_minor == 1)) return "not one host";
    if (facts.lengths > 1) return "more than one content-length";
    if (facts.codings > 1) return "more than one transfer-encoding";
    if (facts.codings == 1 && facts.lengths == 1) return "content-length beside transfer-encoding";
    if (facts.codings == 1 && head.version_minor == 0) return "transfer-encoding in HTTP/1.0";
    return {};
}

}  // namespace

bool equals_ignoring_case(std::string_view left, std::string_view right) {
    const auto lower = [](char octet) {
        return octet >= 'A' && octet <= 'Z' ? static_cast<char>(octet + ('a' - 'A')) : octet;
    };
    return std::ranges::equal(left, right, {}, lower, lower);
}

std::size_t find_head_end(std::string_view input) {
    const std::size_t at = input.find("\r\n\r\n");
    return at == std::string_view::npos ? 0 : at + 4;
}

std::string_view parse_head(std::string_view text, request_head& head) {
    head.fields.clear();
    framing_facts facts;
    bool is_first = true;
    while (!text.empty()) {
        const std::size_t end = text.find("\r\n");
        if (end == std::string_view::npos) return "bad line end";
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end + 2);
        if (is_first) {
            is_first = false;
            if (const auto reason = parse_request_line(line, head); !reason.empty()) return reason;
            continue;
        }
        if (line.empty()) break;
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) return "field without a colon";
        const header_view field{line.substr(0, colon), trim(line.substr(colon + 1))};
        if (!is_token(field.name)) return "bad field name or folded line";
        if (!is_value(field.value)) return "control character in a field value";
        head.fields.push_back(field);
        if (const auto reason = note_field(field, head, facts); !reason.empty()) return reason;
    }
    return judge_framing(head, facts);
}

void body_reader::start(framing kind, std::uint64_t size_bytes) {
    rest_ = size_bytes;
    line_.clear();
    trailers_.clear();
    state_ = kind == framing::chunked ? state::chunk_size
             : size_bytes == 0        ? state::done
                                      : state::data;
}

body_reader::result body_reader::next(std::string_view& input, std::string_view& piece) {
    for (;;) {  // each turn takes a line or returns
        if (state_ == state::done) return result::end;
        if (state_ == state::bad) return result::bad;
        if (state_ == state::data || state_ == state::chunk_data) {
            return input.empty() ? result::more : take_data(input, piece);
        }
        if (!take_line(input)) return state_ == state::bad ? result::bad : result::more;
        on_line();
    }
}

body_reader::result body_reader::take_data(std::string_view& input, std::string_view& piece) {
    piece = input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(rest_, input.size())));
    input.remove_prefix(piece.size());
    rest_ -= piece.size();
    if (rest_ == 0) state_ = state_ == state::data ? state::done : state::chunk_end;
    return result::piece;
}

// Moves octets into `line_` up to CR LF, which is left out; true when the line is whole.
bool body_reader::take_line(std::string_view& input) {
    const std::size_t end = input.find('\n');
    const std::size_t size = end == std::string_view::npos ? input.size() : end + 1;
    line_.append(input.substr(0, size));
    input.remove_prefix(size);
    if (line_.size() > max_line_bytes) state_ = state::bad;
    if (end == std::string_view::npos || state_ == state::bad) return false;
    if (line_.size() < 2 || line_[line_.size() - 2] != '\r') {
        state_ = state::bad;
        return false;
    }
    line_.resize(line_.size() - 2);
    return true;
}

void body_reader::on_line() {
    if (state_ == state::chunk_size) {
        on_chunk_size();
    } else if (state_ == state::chunk_end) {
        state_ = line_.empty() ? state::chunk_size : state::bad;
    } else {
        on_trailer();
    }
    line_.clear();
}

void body_reader::on_chunk_size() {
    const std::string_view line = line_;
    const std::string_view digits = line.substr(0, line.find(';'));  // extensions are ignored
    if (!parse_number(trim(digits), rest_, 16)) {
        state_ = state::bad;
    } else {
        state_ = rest_ == 0 ? state::trailer : state::chunk_data;
    }
}

void body_reader::on_trailer() {
    if (line_.empty()) {
        state_ = state::done;
        return;
    }
    const std::string_view line = line_;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
        state_ = state::bad;
        return;
    }
    trailers_.push_back(
        {std::string(line.substr(0, colon)), std::string(trim(line.substr(colon + 1)))});
}

}  // namespace testing::internal
HEARTH_END_NAMESPACE
