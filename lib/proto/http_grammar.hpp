// The octets HTTP is made of (RFC 9110 5.5, 5.6): classes, case-insensitive names, strict numbers.
//
// Shared by what reads responses and by what checks requests, so that both sides of the library
// mean the same by "token" or "number". Pure functions; they never allocate.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hearth::proto {

/// What a field counts for in a list of fields, beside the octets of its name and value (RFC 9113
/// 6.5.2).
inline constexpr std::size_t octets_beside_a_field = 32;

namespace detail {

enum octet_class : std::uint8_t { token_octet = 1, host_octet = 2, upper_octet = 4 };

constexpr std::array<std::uint8_t, 256> make_octet_classes() {
    std::array<std::uint8_t, 256> table{};
    for (unsigned c = 0; c < 256; ++c) {
        const bool is_alphanumeric =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (is_alphanumeric) table[c] = token_octet | host_octet;
        if (c >= 'A' && c <= 'Z') table[c] |= upper_octet;
    }
    for (const char c : std::string_view("!#$%&'*+-.^_`|~")) {
        table[static_cast<unsigned char>(c)] |= token_octet;
    }
    // unreserved, pct-encoded, sub-delims, and what an IP literal or a port needs (RFC 3986 3.2.2).
    for (const char c : std::string_view("-._~%!$&'()*+,;=:[]")) {
        table[static_cast<unsigned char>(c)] |= host_octet;
    }
    return table;
}

inline constexpr std::array<std::uint8_t, 256> octet_classes = make_octet_classes();

}  // namespace detail

/// A `tchar` (RFC 9110 5.6.2).
[[nodiscard]] constexpr bool is_token_octet(char c) {
    return (detail::octet_classes[static_cast<unsigned char>(c)] & detail::token_octet) != 0;
}

/// The same, but for upper-case letters.
[[nodiscard]] constexpr bool is_lower_token_octet(char c) {
    return (detail::octet_classes[static_cast<unsigned char>(c)] &
            (detail::token_octet | detail::upper_octet)) == detail::token_octet;
}

/// An octet that may stand in the value of Host (RFC 9110 7.2).
[[nodiscard]] constexpr bool is_host_octet(char c) {
    return (detail::octet_classes[static_cast<unsigned char>(c)] & detail::host_octet) != 0;
}

[[nodiscard]] constexpr char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Equal but for the case of ASCII letters.
[[nodiscard]] constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (to_lower(a[i]) != to_lower(b[i])) return false;
    }
    return true;
}

/// One octet or more, all of them `tchar`.
[[nodiscard]] bool is_token(std::string_view text);

/// No octet but HTAB, SP, VCHAR and obs-text: what a field value or a reason phrase may hold.
[[nodiscard]] bool is_field_text(std::string_view text);

/// Without the spaces and tabs at both ends.
[[nodiscard]] constexpr std::string_view trim(std::string_view text) {
    const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

/// 1*DIGIT that fits 64 bits; nothing for anything else, a sign or white space included.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view text);

/// Calls `visit(member)` for each non-empty member of a comma-separated list, trimmed.
template <class Visit>
void for_each_member(std::string_view list, Visit visit) {
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        const std::string_view member = trim(list.substr(0, comma));
        if (!member.empty()) visit(member);
        if (comma == std::string_view::npos) return;
        list.remove_prefix(comma + 1);
    }
}

/// The fields that somebody in this layer treats specially.
enum class known_field : std::uint8_t {
    other,
    connection,
    content_length,
    expect,
    host,
    keep_alive,
    proxy_connection,
    te,
    trailer,
    transfer_encoding,
    upgrade,
    user_agent,
};
[[nodiscard]] known_field classify_field(std::string_view name);

}  // namespace hearth::proto
