#include "proto/decode_stages.hpp"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>

namespace hearth::proto {
namespace {

/// zlib's stream, for gzip and both kinds of deflate.
class inflater {
public:
    inflater() = default;
    ~inflater() {
        if (is_open_) inflateEnd(&stream_);
    }
    inflater(const inflater&) = delete;
    inflater& operator=(const inflater&) = delete;

    /// `window_bits` as of inflateInit2: says which wrapping is expected.
    void open(int window_bits) {
        if (inflateInit2(&stream_, window_bits) != Z_OK) throw std::bad_alloc();
        is_open_ = true;
    }
    [[nodiscard]] bool is_open() const { return is_open_; }
    [[nodiscard]] bool has_ended() const { return has_ended_; }
    void begin_again() {
        inflateReset(&stream_);
        has_ended_ = false;
    }

    decode_stage::progress step(std::span<const std::byte> in, std::span<std::byte> out) {
        constexpr std::size_t most = std::numeric_limits<uInt>::max();
        in = in.first(std::min(in.size(), most));
        out = out.first(std::min(out.size(), most));
        // zlib does not write through next_in; its type predates const.
        stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data()));
        stream_.avail_in = static_cast<uInt>(in.size());
        stream_.next_out = reinterpret_cast<Bytef*>(out.data());
        stream_.avail_out = static_cast<uInt>(out.size());
        const int code = inflate(&stream_, Z_NO_FLUSH);
        if (code == Z_MEM_ERROR) throw std::bad_alloc();
        has_ended_ = code == Z_STREAM_END;
        // Z_BUF_ERROR: no progress was possible, which is no fault.
        return {in.size() - stream_.avail_in, out.size() - stream_.avail_out,
                code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR};
    }

private:
    z_stream stream_{};
    bool is_open_ = false;
    bool has_ended_ = false;
};

class gzip_stage final : public decode_stage {
public:
    gzip_stage() { inflater_.open(16 + MAX_WBITS); }

    progress decode(std::span<const std::byte> in, std::span<std::byte> out) override {
        if (inflater_.has_ended()) {
            if (in.empty()) return {};
            inflater_.begin_again();
        }
        return inflater_.step(in, out);
    }
    bool may_end() const override { return inflater_.has_ended(); }

private:
    inflater inflater_;
};

/// RFC 9110 8.4.1.2 means the zlib wrapping (RFC 1950), but there are servers that send deflate
/// without it. The first two octets tell: as raw deflate, a zlib header would be a stored block
/// with bits set where encoders leave zeros.
class deflate_stage final : public decode_stage {
public:
    progress decode(std::span<const std::byte> in, std::span<std::byte> out) override {
        progress total;
        while (!inflater_.is_open()) {
            if (total.consumed == in.size()) return total;
            head_[head_size_++] = in[total.consumed++];
            if (const int bits = window_bits(); bits != 0) inflater_.open(bits);
        }
        while (head_begin_ != head_size_) {
            const progress first =
                inflater_.step(std::span(head_).subspan(head_begin_, head_size_ - head_begin_),
                               out.subspan(total.produced));
            head_begin_ += first.consumed;
            total.produced += first.produced;
            total.is_broken = first.is_broken || (inflater_.has_ended() && !is_head_consumed());
            if (total.is_broken || first.consumed == 0) return total;
        }
        if (inflater_.has_ended()) {
            total.is_broken = total.consumed != in.size();
            return total;
        }
        const progress rest =
            inflater_.step(in.subspan(total.consumed), out.subspan(total.produced));
        total.consumed += rest.consumed;
        total.produced += rest.produced;
        total.is_broken = rest.is_broken;
        return total;
    }
    bool may_end() const override { return inflater_.has_ended() && is_head_consumed(); }

private:
    [[nodiscard]] bool is_head_consumed() const { return head_begin_ == head_size_; }

    /// 0: cannot tell yet.
    [[nodiscard]] int window_bits() const {
        const auto first = std::to_integer<unsigned>(head_[0]);
        if ((first & 0x0fU) != Z_DEFLATED || (first >> 4U) > 7) return -MAX_WBITS;
        if (head_size_ == 1) return 0;
        const unsigned both = (first << 8U) | std::to_integer<unsigned>(head_[1]);
        return both % 31 == 0 ? MAX_WBITS : -MAX_WBITS;
    }

    inflater inflater_;
    std::array<std::byte, 2> head_{};
    std::size_t head_size_ = 0;
    std::size_t head_begin_ = 0;
};

class brotli_stage final : public decode_stage {
public:
    brotli_stage() : state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {
        if (state_ == nullptr) throw std::bad_alloc();
    }
    ~brotli_stage() override { BrotliDecoderDestroyInstance(state_); }

    progress decode(std::span<const std::byte> in, std::span<std::byte> out) override {
        if (has_ended_) return {0, 0, !in.empty()};
        std::size_t in_left = in.size();
        std::size_t out_left = out.size();
        const auto* next_in = reinterpret_cast<const std::uint8_t*>(in.data());
        auto* next_out = reinterpret_cast<std::uint8_t*>(out.data());
        const BrotliDecoderResult code = BrotliDecoderDecompressStream(
            state_, &in_left, &next_in, &out_left, &next_out, nullptr);
        if (code == BROTLI_DECODER_RESULT_ERROR && lacks_memory()) throw std::bad_alloc();
        has_ended_ = code == BROTLI_DECODER_RESULT_SUCCESS;
        return {in.size() - in_left, out.size() - out_left,
                code == BROTLI_DECODER_RESULT_ERROR || (has_ended_ && in_left != 0)};
    }
    bool may_end() const override { return has_ended_; }

private:
    [[nodiscard]] bool lacks_memory() const {
        const BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(state_);
        return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
               code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
    }

    BrotliDecoderState* state_;
    bool has_ended_ = false;
};

class zstd_stage final : public decode_stage {
public:
    // RFC 9659: a window of 8 MiB at most for content codings.
    static constexpr int window_log = 23;

    zstd_stage() : state_(ZSTD_createDCtx()) {
        if (state_ == nullptr) throw std::bad_alloc();
        ZSTD_DCtx_setParameter(state_, ZSTD_d_windowLogMax, window_log);
    }
    ~zstd_stage() override { ZSTD_freeDCtx(state_); }

    progress decode(std::span<const std::byte> in, std::span<std::byte> out) override {
        if (in.empty() && has_ended_) return {};
        ZSTD_inBuffer input{in.data(), in.size(), 0};
        ZSTD_outBuffer output{out.data(), out.size(), 0};
        const std::size_t code = ZSTD_decompressStream(state_, &output, &input);
        if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation) throw std::bad_alloc();
        has_ended_ = code == 0;
        return {input.pos, output.pos, ZSTD_isError(code) != 0};
    }
    bool may_end() const override { return has_ended_; }

private:
    ZSTD_DCtx* state_;
    bool has_ended_ = false;
};

}  // namespace

std::unique_ptr<decode_stage> make_decode_stage(content_coding coding) {
    switch (coding) {
        case content_coding::gzip: return std::make_unique<gzip_stage>();
        case content_coding::deflate: return std::make_unique<deflate_stage>();
        case content_coding::br: return std::make_unique<brotli_stage>();
        case content_coding::zstd: return std::make_unique<zstd_stage>();
    }
    return nullptr;
}

}  // namespace hearth::proto
