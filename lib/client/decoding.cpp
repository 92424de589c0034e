#include "client/decoding.hpp"

#include <new>
#include <string>
#include <utility>

namespace hearth::detail {

using boost::system::error_code;

namespace {

/// RFC 9110 6.4.1 and 15.3.7: these have no body, or a part of the encoded one.
bool has_whole_body(const request& what, unsigned status) {
    if (what.method == method::head) return false;
    if (what.method == method::connect && status / 100 == 2) return false;
    return status >= 200 && status != 204 && status != 205 && status != 206 && status != 304;
}

}  // namespace

void ask_for_codings(request& what, const decode_config& values) {
    if (!wants_decoding(what, values)) return;
    if (what.headers.contains("accept-encoding") || what.headers.contains("range")) return;
    what.headers.add("accept-encoding", proto::accepted_codings);
}

decoding::decoding(const std::vector<proto::content_coding>& codings, const decode_config& limits)
    : decoder_(codings),
      max_ratio_(limits.max_ratio),
      ratio_allowance_(limits.ratio_allowance_bytes) {}

decoding::progress decoding::decode(std::span<const std::byte> in, std::span<std::byte> out) {
    progress result;
    if (!error_) {
        proto::content_decoder::progress step;
        try {
            step = decoder_.decode(in, out);
        } catch (const std::bad_alloc&) {
            fail(errc::out_of_memory, no_memory_to_decode);
            result.error = error_;
            return result;
        }
        result.consumed = step.consumed;
        result.produced = step.produced;
        if (step.is_broken) {
            fail(errc::decode_failed, "The response body breaks its content coding.");
        } else if (max_ratio_ && decoder_.produced() > ratio_allowance_ &&
                   decoder_.produced() / *max_ratio_ > decoder_.consumed()) {
            fail(errc::body_limit,
                 "The response body grows by more than decode.max_ratio when it is decoded.");
        }
    }
    result.error = error_;
    return result;
}

error_code decoding::end() {
    if (!error_ && !decoder_.may_end()) {
        fail(errc::decode_failed, "The response body ends in the middle of its content coding.");
    }
    return error_;
}

void decoding::fail(errc code, std::string_view detail) {
    error_ = code;
    detail_ = detail;
}

std::unique_ptr<decoding> begin_decoding(const request& what, response_head& head,
                                         const decode_config& values, error_code& error) {
    if (!wants_decoding(what, values) || !has_whole_body(what, head.status)) return nullptr;
    const proto::codings_found found = proto::find_codings(head.headers, values.max_codings);
    if (found.verdict == proto::codings_verdict::too_many) {
        error = errc::decode_failed;
        return nullptr;
    }
    if (found.verdict != proto::codings_verdict::known) return nullptr;
    for (const std::string_view value : head.headers.values("content-encoding")) {
        if (!head.decoded_from.empty()) head.decoded_from += ", ";
        head.decoded_from += value;
    }
    head.headers.erase("content-encoding");
    head.headers.erase("content-length");
    try {
        return std::make_unique<decoding>(found.codings, values);
    } catch (const std::bad_alloc&) {
        error = errc::out_of_memory;
        return nullptr;
    }
}

}  // namespace hearth::detail
