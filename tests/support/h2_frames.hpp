// What tests of the HTTP/2 engine need beyond `hearth/testing/h2_frames.hpp`: header blocks of
// others, read with nghttp2's decoder.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hearth/testing/h2_frames.hpp"

namespace hearth::testing::h2 {

/// Reads the header blocks of one endpoint, in the order in which it sent them.
class block_reader {
public:
    struct field {
        std::string name;
        std::string value;
        bool is_never_indexed = false;
    };

    block_reader() {
        nghttp2_hd_inflater* raw = nullptr;
        if (nghttp2_hd_inflate_new(&raw) == 0) inflater_.reset(raw);
    }
    /// The fields of a whole block; fewer if it is broken.
    [[nodiscard]] std::vector<field> read(std::string_view octets) {
        std::vector<field> list;
        const auto* at = reinterpret_cast<const std::uint8_t*>(octets.data());
        std::size_t left = octets.size();
        for (;;) {
            nghttp2_nv raw{};
            int flags = 0;
            const ssize_t taken =
                nghttp2_hd_inflate_hd2(inflater_.get(), &raw, &flags, at, left, 1);
            if (taken < 0) return list;
            at += taken;
            left -= static_cast<std::size_t>(taken);
            if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
                list.push_back({{reinterpret_cast<char*>(raw.name), raw.namelen},
                                {reinterpret_cast<char*>(raw.value), raw.valuelen},
                                (raw.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0});
            }
            if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
                nghttp2_hd_inflate_end_headers(inflater_.get());
                return list;
            }
            if (left == 0 && (flags & NGHTTP2_HD_INFLATE_EMIT) == 0) return list;
        }
    }
    /// The same as text: "{:method=GET|:path=/}", with '!' before the values never to be indexed.
    [[nodiscard]] std::string show(std::string_view octets) {
        std::string text = "{";
        for (const field& one : read(octets)) {
            text.append(text.size() > 1 ? "|" : "").append(one.name).append("=");
            text.append(one.is_never_indexed ? "!" : "").append(one.value);
        }
        return text + "}";
    }

private:
    struct deleter {
        void operator()(nghttp2_hd_inflater* p) const { nghttp2_hd_inflate_del(p); }
    };
    std::unique_ptr<nghttp2_hd_inflater, deleter> inflater_;
};

}  // namespace hearth::testing::h2
