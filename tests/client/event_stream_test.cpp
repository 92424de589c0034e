// event_stream: every split of the octets gives the same events, and an endless response is read.
#include "hearth/event_stream.hpp"

#include <gtest/gtest.h>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using namespace std::string_literals;

std::string events_of(std::string_view text, std::size_t split) {
    event_stream_parser subject;
    EXPECT_TRUE(subject.feed(text.substr(0, split)));
    EXPECT_TRUE(subject.feed(text.substr(split)));
    std::string all;
    while (const auto one = subject.next()) {
        all += "[" + one->type + "|" + one->data + "|" + one->id + "]";
    }
    return all;
}

TEST(EventStreamTest, EverySplitGivesTheSameEvents) {
    struct row {
        std::string text;
        std::string events;
    };
    const row rows[] = {
        {"data: a\n\ndata:b\n\n", "[message|a|][message|b|]"},
        {"\xef\xbb\xbf"
         "data: a\n\n",
         "[message|a|]"},
        {"data: a\r\ndata: b\r\n\r\n", "[message|a\nb|]"},
        {"data: a\rdata:  b\r\rdata\r\r", "[message|a\n b|][message||]"},
        {"event: x\nid: 7\ndata: a\n\ndata: b\n\n", "[x|a|7][message|b|7]"},
        {": comment\n\nevent: lost\n\nother: x\ndata: a\n\n", "[message|a|]"},
        {"id: a\0b\ndata: 1\n\n"s, "[message|1|]"},
        {"data: unfinished\n", ""},
    };
    for (const row& one : rows) {
        for (std::size_t split = 0; split <= one.text.size(); ++split) {
            EXPECT_EQ(events_of(one.text, split), one.events) << one.text << " at " << split;
        }
    }
}

TEST(EventStreamTest, RetryAndLastIdAreKept) {
    event_stream_parser subject;
    EXPECT_TRUE(subject.feed("retry: 1500\nid: 9\n\nretry: x\nretry: -1\n\n"));
    EXPECT_EQ(subject.retry_ms(), 1500U);
    EXPECT_EQ(subject.last_id(), "9");
    EXPECT_FALSE(subject.next());
}

TEST(EventStreamTest, LimitHoldsForLinesAndForEvents) {
    event_stream_parser one_line(10);
    EXPECT_FALSE(one_line.feed("data: 0123456789"));
    event_stream_parser lines(20);
    EXPECT_TRUE(lines.feed("data: 0123456789\n\n"));
    EXPECT_TRUE(lines.feed("data: 0123456789\n"));
    EXPECT_FALSE(lines.feed("data: 0123456789\n"));
}

TEST(EventStreamTest, EndlessResponseHasOnlyItsIdleTimeout) {
    testing::origin origin(plaintext());
    origin.on("/events", [](const testing::request_view& /*seen*/, testing::responder reply) {
        reply.begin({.headers = {{"content-type", "text/event-stream"}}});
        for (int i = 0; i < 5; ++i) {
            reply.delay(300ms);
            reply.write("id: " + std::to_string(i) + "\ndata: tick\n\n");
        }
        reply.never_answer();
    });
    config values = one_thread();
    values.timeouts.body_idle = 1000ms;  // shorter than the whole, longer than a pause
    values.timeouts.first_byte = 10s;
    client subject(values);
    exchange stream = open(subject, get(origin.url("/events")));
    awaited_head head;
    stream.async_read_head(head.handler());
    ASSERT_FALSE(head.error());
    event_stream_parser parser;
    int events = 0;
    boost::system::error_code end;
    for (int reads = 0; reads < 1000 && !end; ++reads) {
        std::string buffer(4096, '\0');
        awaited_size size;
        stream.async_read_some(boost::asio::buffer(buffer), size.handler());
        end = size.error();
        if (end) break;
        ASSERT_TRUE(parser.feed(std::string_view(buffer).substr(0, size.value())));
        while (const auto one = parser.next()) events += one->data == "tick" ? 1 : 0;
    }
    EXPECT_EQ(events, 5);
    EXPECT_EQ(end, errc::body_idle_timeout);
    EXPECT_EQ(parser.last_id(), "4");
}

}  // namespace
}  // namespace hearth
