// Random responses against h1_engine: the log must not depend on how the octets were split, and
// must always be in order. Seeded, so that a failure comes back; the fuzz target goes on from here.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.hpp"
#include "proto/h1_engine.hpp"
#include "proto/h1_script.hpp"

namespace hearth::proto {
namespace {

using testing::ending;

const std::vector<std::string> pieces{"HTTP/1.1 200 OK\r\n",
                                      "HTTP/1.0 200 OK\r\n",
                                      "HTTP/1.1 100 Continue\r\n\r\n",
                                      "HTTP/1.1 204 No\r\n",
                                      "HTTP/1.1 304\r\n",
                                      "HTTP/1.1 101 Go\r\n",
                                      "Content-Length: 5\r\n",
                                      "Content-Length: 0\r\n",
                                      "Transfer-Encoding: chunked\r\n",
                                      "Connection: close\r\n",
                                      "Connection: keep-alive\r\n",
                                      "X: y\r\n",
                                      "\r\n",
                                      "\r\n\r\n",
                                      "5\r\n",
                                      "hello",
                                      "hello\r\n",
                                      "0\r\n",
                                      "0\r\n\r\n",
                                      "A;b=c\r\n0123456789\r\n",
                                      "\n",
                                      "\r",
                                      " ",
                                      "\t",
                                      ":",
                                      ";",
                                      "\x01",
                                      "\x80",
                                      "5",
                                      "Trailer: x\r\n"};

std::string random_response(base::prng& random) {
    std::string response;
    if (random.below(8) != 0) response = pieces[random.below(6)];
    const std::uint64_t count = random.below(14);
    for (std::uint64_t i = 0; i < count; ++i) response += pieces[random.below(pieces.size())];
    for (std::uint64_t i = random.below(3); i != 0 && !response.empty(); --i) {
        const auto at = static_cast<std::size_t>(random.below(response.size()));
        switch (random.below(3)) {
            case 0: response[at] = static_cast<char>(random.below(256)); break;
            case 1: response.erase(at, 1 + random.below(4)); break;
            default: response.insert(at, 1, static_cast<char>(random.below(256))); break;
        }
    }
    return response;
}

testing::delivery random_delivery(base::prng& random, std::size_t size) {
    testing::delivery how;
    how.is_retained_each_event = random.below(2) == 0;
    const std::uint64_t step = 1 + random.below(12);
    for (std::size_t at = 1 + random.below(step); at < size; at += 1 + random.below(step)) {
        how.cuts.push_back(at);
    }
    return how;
}

TEST(H1EngineSmokeTest, GivesTheSameOrderedEventsHoweverOctetsAreSplit) {
    base::prng random(0x68656172746800ULL);
    for (int i = 0; i < 20'000; ++i) {
        testing::script what;
        what.method = std::vector<std::string_view>{"GET", "HEAD", "CONNECT"}[random.below(3)];
        what.response = random_response(random);
        what.close =
            std::vector<ending>{ending::open, ending::clean, ending::broken}[random.below(3)];
        what.settings = {.max_header_bytes = static_cast<std::uint32_t>(20 + random.below(200)),
                         .max_header_count = 4,
                         .max_informational = 2};
        const testing::event_log whole = testing::run(what);
        ASSERT_EQ(testing::find_disorder(whole), "") << "round " << i << "\n" << whole.text();
        const testing::event_log split =
            testing::run(what, random_delivery(random, what.response.size()));
        ASSERT_EQ(whole.text(), split.text()) << "round " << i << ", response:\n" << what.response;
    }
}

}  // namespace
}  // namespace hearth::proto
