#include "support/encoded.hpp"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace hearth::support {
namespace {

void require(bool holds) {
    if (!holds) throw std::runtime_error("a test body could not be encoded");
}

class deflater {
public:
    deflater(int level, int window_bits) {
        require(deflateInit2(&stream_, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) ==
                Z_OK);
    }
    ~deflater() { deflateEnd(&stream_); }
    deflater(const deflater&) = delete;
    deflater& operator=(const deflater&) = delete;

    void add(std::string_view text, bool is_last, std::string& encoded) {
        std::vector<Bytef> in(text.begin(), text.end());
        stream_.next_in = in.data();
        stream_.avail_in = static_cast<uInt>(in.size());
        std::vector<Bytef> out(64 * 1024);
        do {
            stream_.next_out = out.data();
            stream_.avail_out = static_cast<uInt>(out.size());
            require(deflate(&stream_, is_last ? Z_FINISH : Z_NO_FLUSH) != Z_STREAM_ERROR);
            encoded.append(reinterpret_cast<const char*>(out.data()),
                           out.size() - stream_.avail_out);
        } while (stream_.avail_out == 0);
    }

private:
    z_stream stream_{};
};

std::string deflated(std::string_view text, int window_bits) {
    std::string encoded;
    deflater(Z_DEFAULT_COMPRESSION, window_bits).add(text, true, encoded);
    return encoded;
}

}  // namespace

std::string gzip_encoded(std::string_view text) { return deflated(text, 16 + MAX_WBITS); }

std::string deflate_encoded(std::string_view text) { return deflated(text, MAX_WBITS); }

std::string raw_deflate_encoded(std::string_view text) { return deflated(text, -MAX_WBITS); }

std::string brotli_encoded(std::string_view text) {
    std::size_t size = BrotliEncoderMaxCompressedSize(text.size()) + 64;
    std::vector<std::uint8_t> out(size);
    require(BrotliEncoderCompress(5, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, text.size(),
                                  reinterpret_cast<const std::uint8_t*>(text.data()), &size,
                                  out.data()) == BROTLI_TRUE);
    return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)};
}

std::string zstd_encoded(std::string_view text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    const std::size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
    require(ZSTD_isError(size) == 0);
    out.resize(size);
    return out;
}

std::string gzip_bomb(std::size_t size) {
    const std::string zeros(std::size_t{1} << 20U, '\0');
    std::string encoded;
    deflater made(Z_BEST_COMPRESSION, 16 + MAX_WBITS);
    for (std::size_t left = size; left != 0;) {
        const std::size_t piece = std::min(left, zeros.size());
        left -= piece;
        made.add(std::string_view(zeros).substr(0, piece), left == 0, encoded);
    }
    return encoded;
}

}  // namespace hearth::support
