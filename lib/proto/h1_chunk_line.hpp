// The strict reading of a chunk-size line (RFC 9112 7.1), and the limit on what chunks may cost
// beside the data they carry.
//
// Called by h1_engine with whole lines. An extension is checked against the grammar and dropped:
// nobody needs one, and they are where peers that disagree about line ends smuggle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hearth::proto {

/// The longest chunk-size line taken, its CRLF included. Go's and nginx's limits are of this order.
inline constexpr std::size_t max_chunk_line_octets = 4096;

/// The size a chunk-size line (without CRLF) gives: 1 to 16 hexadecimal digits, then extensions or
/// nothing. On nothing, `detail` says why in a static sentence.
[[nodiscard]] std::optional<std::uint64_t> parse_chunk_line(std::string_view line,
                                                            std::string_view& detail);

/// Keeps the octets of chunk framing in proportion to the data: each chunk pays for its line, less
/// 16 octets and twice its data, and the debt must stay below 16 KiB. Honest peers never owe
/// anything: a chunk without extensions has a line of at most 18 octets.
class chunk_overhead {
public:
    static constexpr std::uint64_t max_debt = 16 * 1024;

    /// A chunk of `size` came with a line of `line_octets`; false if the debt is too large.
    [[nodiscard]] bool add(std::uint64_t size, std::size_t line_octets);

private:
    std::uint64_t debt_ = 0;
};

}  // namespace hearth::proto
