// h1_head_check: the strict reading of one response head, or of one trailer section, of HTTP/1.1.
//
// It runs over the raw octets and decides everything framing depends on: where the section ends,
// whether each line is well formed (RFC 9112 2.2, 4, 5), and what content-length, transfer-encoding
// and connection say (RFC 9112 6). Nothing is repaired: bare CR or LF, obs-fold, white space before
// a colon, control characters and doubtful lengths are errors.
//
// Works line by line on contiguous octets, so its verdict depends on the octets only, never on how
// they were split. Called by h1_engine: `start`, then `check` with the section as far as it is
// known, again with more of it while the outcome is `need_more`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hearth/error.hpp"
#include "hearth/headers.hpp"

namespace hearth::proto {

/// What a head said that framing and reuse depend on.
struct h1_head_facts {
    unsigned status = 0;
    unsigned version = 11;  ///< 10, or 11 for 1.1 and later minor versions (RFC 9110 2.5).
    bool has_content_length = false;
    bool is_chunked = false;
    bool says_close = false;
    bool says_keep_alive = false;
    std::uint64_t content_length = 0;
    std::size_t reason_at = 0;  ///< In the section, with `reason_size` octets; trailers have none.
    std::size_t reason_size = 0;
    std::size_t fields = 0;
};

class h1_head_check {
public:
    enum class section : std::uint8_t { head, trailers };
    enum class outcome : std::uint8_t { need_more, complete, broken };
    struct limits {
        std::size_t octets = 0;  ///< Of the whole section, the empty line at its end included.
        std::size_t fields = 0;
    };

    /// `fields` is told where names and values are (`base::field_places`); it outlives the section.
    void start(section kind, const limits& bounds, headers& fields);
    /// `known` begins where the section begins and may go beyond its end. What an earlier call has
    /// seen must be unchanged in it, but may lie elsewhere in memory.
    [[nodiscard]] outcome check(std::string_view known);

    /// Octets of the complete section.
    [[nodiscard]] std::size_t size() const { return checked_; }
    [[nodiscard]] const h1_head_facts& facts() const { return facts_; }
    /// Why it is broken; the sentence is static and holds nothing of the peer's.
    [[nodiscard]] errc error() const { return error_; }
    [[nodiscard]] std::string_view detail() const { return detail_; }

private:
    bool check_line(std::string_view line);
    bool check_status_line(std::string_view line);
    bool check_prefix(std::string_view line);
    bool check_field(std::string_view line);
    bool note_framing(std::string_view name, std::string_view value);
    bool note_content_length(std::string_view value);
    bool note_transfer_encoding(std::string_view value);
    bool check_whole();
    [[gnu::cold]] bool refuse(std::string_view detail, errc error = errc::peer_protocol_error);

    section kind_ = section::head;
    limits limits_;
    headers* fields_ = nullptr;
    std::size_t checked_ = 0;  // octets of lines that passed
    std::size_t line_at_ = 0;  // where the line that is looked at begins
    std::size_t scanned_ = 0;  // octets known to hold no further end of line
    bool is_first_line_ = true;
    errc error_ = errc::peer_protocol_error;
    std::string_view detail_;
    h1_head_facts facts_;
};

}  // namespace hearth::proto
