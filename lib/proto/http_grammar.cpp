#include "proto/http_grammar.hpp"

#include <cstddef>
#include <cstring>
#include <limits>

namespace hearth::proto {
namespace {

constexpr std::uint64_t each_octet = 0x0101010101010101;
constexpr std::uint64_t high_bits = each_octet * 0x80;

/// True if one of the eight octets is below 0x20 or is DEL. Exact for all octets: those with the
/// high bit set never count (the usual test for "has an octet less than n", n <= 128).
bool has_control_octet(std::uint64_t eight) {
    const std::uint64_t below_space = (eight - each_octet * 0x20) & ~eight & high_bits;
    const std::uint64_t against_del = eight ^ (each_octet * 0x7f);
    const std::uint64_t is_del = (against_del - each_octet) & ~against_del & high_bits;
    return (below_space | is_del) != 0;
}

bool is_field_octet(char c) {
    const auto octet = static_cast<unsigned char>(c);
    return (octet >= 0x20 && octet != 0x7f) || octet == '\t';
}

known_field when(bool matches, known_field field) { return matches ? field : known_field::other; }

}  // namespace

bool is_token(std::string_view text) {
    for (const char c : text) {
        if (!is_token_octet(c)) return false;
    }
    return !text.empty();
}

bool is_field_text(std::string_view text) {
    const char* at = text.data();
    std::size_t left = text.size();
    for (; left >= 8; at += 8, left -= 8) {
        std::uint64_t eight;
        std::memcpy(&eight, at, sizeof eight);
        if (!has_control_octet(eight)) continue;
        for (std::size_t i = 0; i < 8; ++i) {  // a tab is fine, and rare
            if (!is_field_octet(at[i])) return false;
        }
    }
    for (; left != 0; ++at, --left) {
        if (!is_field_octet(*at)) return false;
    }
    return true;
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
    if (text.empty()) return std::nullopt;
    constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (value > (largest - digit) / 10) return std::nullopt;
        value = value * 10 + digit;
    }
    return value;
}

known_field classify_field(std::string_view name) {
    const auto is = [name](std::string_view known) { return equals_ignoring_case(name, known); };
    switch (name.size()) {
        case 2: return when(is("te"), known_field::te);
        case 4: return when(is("host"), known_field::host);
        case 6: return when(is("expect"), known_field::expect);
        case 7:
            if (is("upgrade")) return known_field::upgrade;
            return when(is("trailer"), known_field::trailer);
        case 10:
            if (is("connection")) return known_field::connection;
            if (is("user-agent")) return known_field::user_agent;
            return when(is("keep-alive"), known_field::keep_alive);
        case 14: return when(is("content-length"), known_field::content_length);
        case 16: return when(is("proxy-connection"), known_field::proxy_connection);
        case 17: return when(is("transfer-encoding"), known_field::transfer_encoding);
        default: return known_field::other;
    }
}

}  // namespace hearth::proto
