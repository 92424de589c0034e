// What an exchange on a warm connection costs in allocations.

#include <gtest/gtest.h>

#include <string>

#include "proto/h1_engine.hpp"
#include "proto/h1_script.hpp"
#include "support/allocations.hpp"

namespace hearth::proto {
namespace {

const std::string small_response =
    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    "Content-Type: application/json\r\nContent-Length: 13\r\nConnection: keep-alive\r\n"
    "ETag: \"65920080-d\"\r\nX-Request-Id: 0123456789abcdef\r\n\r\n{\"id\": 12345}";

/// One exchange whose head is moved out, as the client does it.
void run_exchange(h1_engine& engine, const outgoing_head& head, base::byte_queue& out) {
    engine.begin(testing::script_exchange, head, out);
    out.clear();
    engine.receive(testing::octets(small_response));
    event what;
    response_head taken;
    while (engine.poll_event(what)) {
        if (what.kind == event_kind::head) taken = std::move(*what.head);
        if (what.kind == event_kind::end) {
            EXPECT_TRUE(what.reusable);
        }
    }
    engine.retain();
    EXPECT_EQ(taken.headers.size(), 7U);
}

TEST(H1EngineAllocationTest, AllocatesTwiceForTheHeadOfAWarmExchange) {
    h1_engine engine{h1_settings{}};
    base::byte_queue out;
    const headers fields{{"accept", "application/json"}, {"x-request-id", "42"}};
    outgoing_head head;
    head.method = "GET";
    head.target = "/v1/users/42";
    head.authority = "users.internal";
    head.fields = &fields;
    head.user_agent = "hearth/0.1";
    run_exchange(engine, head, out);  // the output buffer grows once
    constexpr std::uint64_t rounds = 10;
    const std::uint64_t before = support::allocations();
    for (std::uint64_t i = 0; i < rounds; ++i) run_exchange(engine, head, out);
    // The buffer of names and values, and the entries that point into it; both leave with the head.
    EXPECT_LE(support::allocations() - before, 2 * rounds);
}

TEST(H1EngineAllocationTest, AllocatesNothingForData) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    engine.receive(testing::octets("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
    event what;
    while (engine.poll_event(what)) {
    }
    const std::string chunks = "5\r\nhello\r\n5;x=y\r\nworld\r\n";
    const std::uint64_t before = support::allocations();
    for (int i = 0; i < 1000; ++i) {
        engine.receive(testing::octets(chunks));
        while (engine.poll_event(what)) {
        }
        engine.retain();
    }
    EXPECT_EQ(support::allocations(), before);
}

}  // namespace
}  // namespace hearth::proto
