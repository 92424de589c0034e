// Fuzz target: content_decoder. Any octets under any codings, in pieces of any size: the decoder
// ends, makes progress or says that it is broken, and gives the same however the input is cut.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "proto/content_decoder.hpp"

namespace {

using namespace hearth::proto;

constexpr std::size_t enough = std::size_t{1} << 20U;  // octets decoded; what follows is the same

struct outcome {
    std::string text;
    bool is_whole = false;
};

outcome run(const std::vector<content_coding>& codings, std::span<const std::byte> all,
            std::size_t piece, std::size_t room) {
    content_decoder subject(codings);
    outcome result;
    std::vector<std::byte> space(room);
    while (!all.empty()) {
        auto in = all.first(std::min(piece, all.size()));
        all = all.subspan(in.size());
        for (;;) {
            const auto step = subject.decode(in, space);
            if (step.consumed > in.size() || step.produced > room) std::abort();
            result.text.append(reinterpret_cast<const char*>(space.data()), step.produced);
            if (step.is_broken || result.text.size() > enough) return result;
            in = in.subspan(step.consumed);
            if (step.produced == room) continue;
            if (!in.empty()) std::abort();  // room and input were left
            break;
        }
    }
    result.is_whole = subject.may_end();
    return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider from(data, size);
    std::vector<content_coding> codings;
    const auto count = from.ConsumeIntegralInRange<std::size_t>(1, 3);
    for (std::size_t i = 0; i < count; ++i) {
        codings.push_back(static_cast<content_coding>(from.ConsumeIntegralInRange(0, 3)));
    }
    const auto piece = from.ConsumeIntegralInRange<std::size_t>(1, 64);
    const auto room = from.ConsumeIntegralInRange<std::size_t>(1, 4096);
    const auto rest = from.ConsumeRemainingBytes<std::uint8_t>();
    const auto bytes = std::as_bytes(std::span(rest));
    const outcome cut = run(codings, bytes, piece, room);
    const outcome whole = run(codings, bytes, bytes.size() + 1, 4096);
    if (cut.is_whole != whole.is_whole) std::abort();
    if (whole.is_whole && cut.text != whole.text) std::abort();
    return 0;
}
