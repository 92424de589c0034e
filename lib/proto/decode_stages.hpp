// decode_stages: one coding each, by zlib, brotli and zstd. For content_decoder only.
//
// Each stage consumes as much as it can and fills `out` as far as it can. What follows the end of a
// stream is broken input, except where the coding itself allows another one: gzip members (RFC 1952
// 2.2) and zstd frames (RFC 8878 3).
#pragma once

#include <memory>

#include "proto/content_decoder.hpp"

namespace hearth::proto {

/// Throws std::bad_alloc when a library has no memory, as the stages do when they decode.
[[nodiscard]] std::unique_ptr<decode_stage> make_decode_stage(content_coding coding);

}  // namespace hearth::proto
