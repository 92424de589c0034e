#include "proto/content_decoder.hpp"

#include <algorithm>
#include <utility>

#include "proto/decode_stages.hpp"
#include "proto/http_grammar.hpp"

namespace hearth::proto {
namespace {

// Between two codings. Small, as several codings are rare; large enough that a call is worth it.
constexpr std::size_t between_bytes = 16 * 1024;

std::string_view trimmed(std::string_view text) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

/// False: not one we can undo.
bool read_coding(std::string_view name, content_coding& coding) {
    if (equals_ignoring_case(name, "gzip") || equals_ignoring_case(name, "x-gzip")) {
        coding = content_coding::gzip;
    } else if (equals_ignoring_case(name, "deflate")) {
        coding = content_coding::deflate;
    } else if (equals_ignoring_case(name, "br")) {
        coding = content_coding::br;
    } else if (equals_ignoring_case(name, "zstd")) {
        coding = content_coding::zstd;
    } else {
        return false;
    }
    return true;
}

}  // namespace

codings_found find_codings(const headers& fields, std::size_t limit) {
    codings_found found;
    bool is_unknown = false;
    std::size_t count = 0;
    for (std::string_view list : fields.values("content-encoding")) {
        while (!list.empty()) {
            const std::size_t comma = std::min(list.find(','), list.size());
            const std::string_view name = trimmed(list.substr(0, comma));
            list.remove_prefix(std::min(comma + 1, list.size()));
            if (name.empty() || equals_ignoring_case(name, "identity")) continue;
            if (++count > limit) return {codings_verdict::too_many, {}};
            content_coding coding{};
            if (read_coding(name, coding)) {
                found.codings.push_back(coding);
            } else {
                is_unknown = true;
            }
        }
    }
    if (is_unknown) return {codings_verdict::unknown, {}};
    if (count != 0) found.verdict = codings_verdict::known;
    return found;
}

content_decoder::content_decoder(const std::vector<content_coding>& codings) {
    links_.reserve(codings.size());
    for (std::size_t left = codings.size(); left != 0; --left) {
        link next;
        next.stage = make_decode_stage(codings[left - 1]);
        if (!links_.empty()) next.buffer.resize(between_bytes);
        links_.push_back(std::move(next));
    }
}

content_decoder::~content_decoder() = default;

content_decoder::progress content_decoder::decode(std::span<const std::byte> in,
                                                  std::span<std::byte> out) {
    progress result;
    if (links_.empty()) is_broken_ = true;
    if (!is_broken_ && !out.empty()) {
        input_ = in;
        result.produced = pull(links_.size() - 1, out);
        result.consumed = in.size() - input_.size();
        input_ = {};
    }
    consumed_ += result.consumed;
    produced_ += result.produced;
    result.is_broken = is_broken_;
    return result;
}

/// What the coding at `at` gives: until `out` is full or there is no input any more.
std::size_t content_decoder::pull(std::size_t at, std::span<std::byte> out) {
    link& self = links_[at];
    std::size_t produced = 0;
    for (;;) {
        const std::span<const std::byte> in = at == 0
                                                  ? input_
                                                  : std::span<const std::byte>(self.buffer)
                                                        .subspan(self.begin, self.end - self.begin);
        const progress step = self.stage->decode(in, out.subspan(produced));
        produced += step.produced;
        if (at == 0) {
            input_ = input_.subspan(step.consumed);
        } else {
            self.begin += step.consumed;
        }
        if (step.is_broken) {
            is_broken_ = true;
            return produced;
        }
        if (produced == out.size()) return produced;
        if (step.consumed != in.size()) {
            if (step.consumed + step.produced != 0) continue;
            is_broken_ = true;  // neither moved: the coding is stuck
            return produced;
        }
        if (at == 0) return produced;
        self.begin = 0;
        self.end = pull(at - 1, self.buffer);
        if (is_broken_ || self.end == 0) return produced;
    }
}

bool content_decoder::may_end() const {
    if (is_broken_) return false;
    if (consumed_ == 0) return true;
    return std::ranges::all_of(
        links_, [](const link& one) { return one.begin == one.end && one.stage->may_end(); });
}

}  // namespace hearth::proto
