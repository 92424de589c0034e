// content_decoder: undoes the content codings of one message body (RFC 9110 8.4), piece by piece.
//
// Sans-I/O: encoded octets in, decoded octets out, both in pieces of any size; nothing is kept but
// the state of the codings and, between two codings, one small buffer. The decoder never grows with
// the body: deflate has a window of 32 KiB, brotli of 16 MiB at most, zstd of 8 MiB (RFC 9659).
// Whatever the peer sends is either decoded to its proper end or refused: truncated, corrupt, or
// followed by octets that belong to no coding. A body of no octets at all decodes to none: servers
// send that for empty answers. Used by `client` for responses; knows no headers but the one that
// names the codings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "hearth/headers.hpp"

namespace hearth::proto {

enum class content_coding : std::uint8_t { gzip, deflate, br, zstd };

/// What decoders ask for, in the order of RFC 9110 12.5.3's preference: best ratio per cost first.
inline constexpr std::string_view accepted_codings = "zstd, br, gzip, deflate";

enum class codings_verdict : std::uint8_t {
    none,      ///< The body is not encoded.
    known,     ///< All can be undone.
    unknown,   ///< At least one cannot: the body is to be left as it is.
    too_many,  ///< More than the bound.
};

struct codings_found {
    codings_verdict verdict = codings_verdict::none;
    std::vector<content_coding> codings;  ///< In the order they were applied; for `known`.
};

/// Reads the content-encoding fields of a message. `identity` counts as nothing, `x-gzip` as gzip.
[[nodiscard]] codings_found find_codings(const headers& fields, std::size_t limit);

/// One coding; see content_decoder::decode for what a call does.
class decode_stage {
public:
    struct progress {
        std::size_t consumed = 0;
        std::size_t produced = 0;
        bool is_broken = false;
    };
    decode_stage() = default;
    virtual ~decode_stage() = default;
    decode_stage(const decode_stage&) = delete;
    decode_stage& operator=(const decode_stage&) = delete;
    virtual progress decode(std::span<const std::byte> in, std::span<std::byte> out) = 0;
    /// True where the input may end.
    [[nodiscard]] virtual bool may_end() const = 0;
};

class content_decoder {
public:
    using progress = decode_stage::progress;

    /// `codings` in the order they were applied, as `find_codings` gives them. Throws
    /// std::bad_alloc when a library has no memory, as `decode` does.
    explicit content_decoder(const std::vector<content_coding>& codings);
    ~content_decoder();

    /// Decodes until `in` is consumed or `out` is full; octets that did not fit come with the next
    /// call, whose `in` may be empty. After `is_broken` nothing more may be decoded.
    [[nodiscard]] progress decode(std::span<const std::byte> in, std::span<std::byte> out);
    /// After the last octet, and a call that did not fill its `out`: true if the codings have ended
    /// as they should.
    [[nodiscard]] bool may_end() const;

    /// Octets consumed and produced so far.
    [[nodiscard]] std::uint64_t consumed() const { return consumed_; }
    [[nodiscard]] std::uint64_t produced() const { return produced_; }

private:
    struct link {
        std::unique_ptr<decode_stage> stage;
        std::vector<std::byte> buffer;  // what the stage before it gave; empty for the first
        std::size_t begin = 0;
        std::size_t end = 0;
    };
    std::size_t pull(std::size_t at, std::span<std::byte> out);

    std::vector<link> links_;           // the first one undone comes first
    std::span<const std::byte> input_;  // during a call
    std::uint64_t consumed_ = 0;
    std::uint64_t produced_ = 0;
    bool is_broken_ = false;
};

}  // namespace hearth::proto
