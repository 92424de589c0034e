#include "proto/h1_chunk_line.hpp"

#include <limits>

#include "proto/http_grammar.hpp"

namespace hearth::proto {
namespace {

constexpr std::size_t max_size_digits = 16;  // 64 bits

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

void skip_spaces(std::string_view& rest) {
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
}

bool skip_octet(std::string_view& rest, char wanted) {
    if (rest.empty() || rest.front() != wanted) return false;
    rest.remove_prefix(1);
    return true;
}

bool skip_token(std::string_view& rest) {
    std::size_t size = 0;
    while (size < rest.size() && is_token_octet(rest[size])) ++size;
    rest.remove_prefix(size);
    return size != 0;
}

/// A quoted-string (RFC 9110 5.6.4), its opening quote already taken.
bool skip_quoted(std::string_view& rest) {
    std::size_t at = 0;
    while (at < rest.size() && rest[at] != '"') at += rest[at] == '\\' ? 2 : 1;
    if (at >= rest.size() || !is_field_text(rest.substr(0, at))) return false;
    rest.remove_prefix(at + 1);
    return true;
}

/// *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
bool is_extension_list(std::string_view rest) {
    while (!rest.empty()) {
        skip_spaces(rest);
        if (!skip_octet(rest, ';')) return false;
        skip_spaces(rest);
        if (!skip_token(rest)) return false;
        std::string_view value = rest;
        skip_spaces(value);
        if (!skip_octet(value, '=')) continue;
        skip_spaces(value);
        if (!(skip_octet(value, '"') ? skip_quoted(value) : skip_token(value))) return false;
        rest = value;
    }
    return true;
}

}  // namespace

std::optional<std::uint64_t> parse_chunk_line(std::string_view line, std::string_view& detail) {
    std::uint64_t size = 0;
    std::size_t digits = 0;
    for (; digits < line.size(); ++digits) {
        const int value = hex_value(line[digits]);
        if (value < 0) break;
        if (digits == max_size_digits) {
            detail = "a chunk size has more than 16 digits";
            return std::nullopt;
        }
        size = size * 16 + static_cast<std::uint64_t>(value);
    }
    if (digits == 0) {
        detail = "a chunk size is not a hexadecimal number (RFC 9112 7.1)";
        return std::nullopt;
    }
    if (!is_extension_list(line.substr(digits))) {
        detail = "a chunk size is followed by something else than extensions (RFC 9112 7.1.1)";
        return std::nullopt;
    }
    return size;
}

bool chunk_overhead::add(std::uint64_t size, std::size_t line_octets) {
    constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t earned = size > (largest - 16) / 2 ? largest : 16 + 2 * size;
    debt_ += line_octets;
    debt_ = debt_ > earned ? debt_ - earned : 0;
    return debt_ <= max_debt;
}

}  // namespace hearth::proto
