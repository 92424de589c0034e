// Reads HTTP/1.1 requests: the head as a whole, the body piece by piece (RFC 9112).
//
// Strict on purpose: an origin for tests must notice what a lenient one forgives. Bare LF, folded
// fields, two framings at once, a second or odd content-length, control characters and a missing
// host are all `bad`, with a reason in words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hearth/testing/handler.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

/// Compares ASCII text without case.
[[nodiscard]] bool equals_ignoring_case(std::string_view left, std::string_view right);

enum class parse_status : std::uint8_t { complete, more, bad };

/// How the body of a request is framed; no framing is a known length of 0.
enum class framing : std::uint8_t { known_length, chunked };

/// A parsed head: views into the text that was parsed.
struct request_head {
    std::string_view method;
    std::string_view target;
    unsigned version_minor = 1;
    std::vector<header_view> fields;
    framing body = framing::known_length;
    std::uint64_t body_bytes = 0;
    bool keeps_alive = true;
    bool expects_continue = false;
};

/// The size of the head at the front of `input`, its empty line included; 0 while incomplete.
[[nodiscard]] std::size_t find_head_end(std::string_view input);

/// Parses `text`, one whole head as `find_head_end` measured it. Returns an empty reason, or what
/// is bad.
[[nodiscard]] std::string_view parse_head(std::string_view text, request_head& head);

/// Takes a body out of the octets that follow a head.
class body_reader {
public:
    enum class result : std::uint8_t { piece, more, end, bad };

    void start(framing kind, std::uint64_t size_bytes);
    [[nodiscard]] bool is_done() const { return state_ == state::done; }
    /// Removes from `input` what it has understood. With `piece`, octets of the body are in `piece`
    /// (views of `input`); call again until it is `more` (input used up), `end` or `bad`.
    result next(std::string_view& input, std::string_view& piece);
    [[nodiscard]] const std::vector<header_field>& trailers() const { return trailers_; }

private:
    enum class state : std::uint8_t { data, chunk_size, chunk_data, chunk_end, trailer, done, bad };

    result take_data(std::string_view& input, std::string_view& piece);
    bool take_line(std::string_view& input);
    void on_line();
    void on_chunk_size();
    void on_trailer();

    state state_ = state::done;
    std::uint64_t rest_ = 0;  // octets of the body or of the chunk still to come
    std::string line_;
    std::vector<header_field> trailers_;
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
