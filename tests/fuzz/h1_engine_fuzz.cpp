// Fuzz target: h1_engine's response side. The first two octets choose the request, the limits, the
// end of the connection and a seed for the slices; the rest is what the peer sends.
//
// Invariants: events in order and one end or error, the same events however the octets are split,
// with and without back-pressure, bounded memory, and no look at octets that are not borrowed any
// more.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "../proto/h1_script.hpp"
#include "base/prng.hpp"

namespace {

using namespace hearth;
using proto::testing::ending;

proto::testing::script read_script(const std::uint8_t* data, std::size_t size) {
    proto::testing::script what;
    const unsigned flags = data[0];
    constexpr std::string_view methods[] = {"GET", "HEAD", "CONNECT", "POST"};
    what.method = methods[flags & 3U];
    constexpr ending endings[] = {ending::open, ending::clean, ending::broken, ending::clean};
    what.close = endings[(flags >> 2U) & 3U];
    what.is_upload_open = (flags & 3U) == 3 && (flags & 0x10U) != 0;
    if ((flags & 0x20U) != 0) {
        what.request_fields = {{"connection", "upgrade"}, {"upgrade", "x"}};
    }
    if ((flags & 0x40U) != 0) what.settings = {128, 4, 2};
    what.response.assign(reinterpret_cast<const char*>(data + 2), size - 2);
    return what;
}

proto::testing::delivery cut_randomly(std::uint8_t seed, std::size_t size) {
    base::prng random(seed);
    proto::testing::delivery how;
    how.is_retained_each_event = random.below(2) == 0;
    const std::uint64_t step = 1 + random.below(20);
    for (std::size_t at = 1 + random.below(step); at < size; at += 1 + random.below(step)) {
        how.cuts.push_back(at);
    }
    return how;
}

void require(bool holds, const std::string& claim, const std::string& log) {
    if (holds) return;
    std::fprintf(stderr, "%s\n%s\n", claim.c_str(), log.c_str());
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const proto::testing::script what = read_script(data, size);
    const proto::testing::event_log whole = proto::testing::run(what);
    require(proto::testing::find_disorder(whole).empty(), "events are out of order", whole.text());
    const proto::testing::event_log split =
        proto::testing::run(what, cut_randomly(data[1], what.response.size()));
    require(whole.text() == split.text(), "events depend on the slices",
            whole.text() + "--- split:\n" + split.text());
    return 0;
}
