// Bodies under content codings, for tests: what servers send.
#pragma once

#include <string>
#include <string_view>

namespace hearth::support {

[[nodiscard]] std::string gzip_encoded(std::string_view text);
/// Deflate in the zlib wrapping (RFC 1950), as RFC 9110 means it.
[[nodiscard]] std::string deflate_encoded(std::string_view text);
/// Deflate without any wrapping, as some servers send it.
[[nodiscard]] std::string raw_deflate_encoded(std::string_view text);
[[nodiscard]] std::string brotli_encoded(std::string_view text);
[[nodiscard]] std::string zstd_encoded(std::string_view text);
/// `size` zeros under gzip, made piece by piece: about a thousandth of that.
[[nodiscard]] std::string gzip_bomb(std::size_t size);

}  // namespace hearth::support
