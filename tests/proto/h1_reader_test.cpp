#include "proto/h1_reader.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hearth::proto {
namespace {

std::span<const std::byte> octets(std::string_view text) { return std::as_bytes(std::span(text)); }

std::vector<event_kind> kinds(h1_reader& reader, bool request_complete) {
    std::vector<event_kind> all;
    event what;
    while (reader.poll(what, request_complete)) all.push_back(what.kind);
    return all;
}

constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";

TEST(H1ReaderTest, GoesFromIdleToIdle) {
    h1_reader reader{h1_settings{}};
    EXPECT_TRUE(reader.is_idle());
    reader.start({.exchange = {1, 1}});
    EXPECT_FALSE(reader.is_idle());
    reader.receive(octets(answer));
    EXPECT_EQ(kinds(reader, true),
              (std::vector{event_kind::head, event_kind::data, event_kind::end}));
    EXPECT_TRUE(reader.is_idle());
    EXPECT_FALSE(reader.exchange().is_valid());
    EXPECT_EQ(reader.received(), answer.size());
}

TEST(H1ReaderTest, IsDoneAfterTheAnswerToAnIncompleteRequest) {
    h1_reader reader{h1_settings{}};
    reader.start({.exchange = {1, 1}});
    reader.receive(octets(answer));
    EXPECT_EQ(kinds(reader, false).back(), event_kind::end);
    EXPECT_TRUE(reader.is_done());
    EXPECT_FALSE(reader.is_idle());
}

TEST(H1ReaderTest, IsDoneAfterAnAnswerToARequestThatCloses) {
    h1_reader reader{h1_settings{}};
    reader.start({.exchange = {1, 1}, .asked_close = true});
    reader.receive(octets(answer));
    EXPECT_EQ(kinds(reader, true).back(), event_kind::end);
    EXPECT_TRUE(reader.is_done());
}

TEST(H1ReaderTest, KnowsWhatOnlyTheCloseEnds) {
    h1_reader reader{h1_settings{}};
    reader.start({.exchange = {1, 1}});
    reader.receive(octets("HTTP/1.1 200 OK\r\n\r\nx"));
    EXPECT_EQ(kinds(reader, true), (std::vector{event_kind::head, event_kind::data}));
    EXPECT_TRUE(reader.is_close_delimited());
    EXPECT_FALSE(reader.is_raw());
    reader.on_peer_closed(true);
    EXPECT_EQ(kinds(reader, true), (std::vector{event_kind::end}));
}

TEST(H1ReaderTest, FailsTheNamedExchangeOnceWhenMisused) {
    h1_reader reader{h1_settings{}};
    reader.fail_internal({5, 5});
    EXPECT_FALSE(reader.is_idle());
    event what;
    ASSERT_TRUE(reader.poll(what, true));
    EXPECT_EQ(what.kind, event_kind::error);
    EXPECT_EQ(what.error, errc::internal);
    EXPECT_EQ(what.exchange, (exchange_id{5, 5}));
    EXPECT_FALSE(reader.poll(what, true));
    EXPECT_TRUE(reader.is_done());
}

TEST(H1ReaderTest, CountsInformationalResponsesOfEachExchangeAnew) {
    h1_reader reader{{.max_header_bytes = 1024, .max_header_count = 10, .max_informational = 1}};
    for (int i = 0; i < 3; ++i) {
        reader.start({.exchange = {1, 1}});
        reader.receive(octets("HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 204 No\r\n\r\n"));
        EXPECT_EQ(kinds(reader, true),
                  (std::vector{event_kind::informational, event_kind::head, event_kind::end}));
    }
}

}  // namespace
}  // namespace hearth::proto
