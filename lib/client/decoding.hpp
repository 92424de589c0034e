// decoding: the content codings of one response being undone, with the limits on what comes out;
// and what is decided before: whether to ask for codings, and whether a response is decoded.
//
// Lives with its exchange, or with the handle of a streamed one; touched on the shard only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "hearth/config.hpp"
#include "hearth/error.hpp"
#include "hearth/request.hpp"
#include "hearth/response.hpp"
#include "proto/content_decoder.hpp"

namespace hearth::detail {

/// What is decoded at once where the caller has no buffer for it.
inline constexpr std::size_t decode_buffer_bytes = 64 * 1024;

[[nodiscard]] inline bool wants_decoding(const request& what, const decode_config& values) {
    return what.decode.value_or(values.enabled);
}

/// Adds `accept-encoding` where the caller wants decoding and has not said anything else. Not to a
/// request for a range: it would be one of the encoded octets.
void ask_for_codings(request& what, const decode_config& values);

inline constexpr std::string_view no_memory_to_decode =
    "There was no memory for decoding the response body.";

class decoding {
public:
    struct progress {
        std::size_t consumed = 0;
        std::size_t produced = 0;
        boost::system::error_code error;  ///< Set once and for all; `detail()` has the sentence.
    };

    decoding(const std::vector<proto::content_coding>& codings, const decode_config& limits);

    /// As content_decoder::decode.
    [[nodiscard]] progress decode(std::span<const std::byte> in, std::span<std::byte> out);
    /// When the body has ended and all of it was decoded: the error if it was not whole.
    [[nodiscard]] boost::system::error_code end();

    [[nodiscard]] std::uint64_t consumed() const { return decoder_.consumed(); }
    [[nodiscard]] std::string_view detail() const { return detail_; }

private:
    void fail(errc code, std::string_view detail);

    proto::content_decoder decoder_;
    std::optional<std::uint32_t> max_ratio_;
    std::uint64_t ratio_allowance_;
    boost::system::error_code error_;
    std::string_view detail_;  // of static storage
};

/// Looks at a final response head. Where its body is to be decoded, takes out the fields that
/// describe the encoded body and makes the decoding; null: left as it is. `error` is set when the
/// response must be refused.
[[nodiscard]] std::unique_ptr<decoding> begin_decoding(const request& what, response_head& head,
                                                       const decode_config& values,
                                                       boost::system::error_code& error);

}  // namespace hearth::detail
