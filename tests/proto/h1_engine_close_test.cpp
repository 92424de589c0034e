// The end of the connection at every offset of a response, and what h1_engine makes of it.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proto/h1_engine.hpp"
#include "proto/h1_script.hpp"

namespace hearth::proto {
namespace {

using testing::ending;
using testing::octets;
using testing::run;

constexpr std::string_view counted = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
constexpr std::string_view chunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nA: b\r\n\r\n";
constexpr std::string_view to_close = "HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello";

std::string last_event(std::string_view response, std::size_t size, ending close) {
    return run({.response = std::string(response.substr(0, size)), .close = close})
        .entries()
        .back();
}

bool is_error(const std::string& entry, errc code) {
    return entry.starts_with("error " + std::to_string(static_cast<int>(code)) + " ");
}

std::size_t head_size(std::string_view response) { return response.find("\r\n\r\n") + 4; }

TEST(H1EngineCloseTest, FailsAsClosedBeforeTheHeadIsComplete) {
    for (const std::string_view response : {counted, chunked, to_close}) {
        for (std::size_t size = 0; size < head_size(response); ++size) {
            for (const ending close : {ending::clean, ending::broken}) {
                const std::string last = last_event(response, size, close);
                EXPECT_TRUE(is_error(last, errc::peer_closed)) << size << ": " << last;
            }
        }
    }
}

TEST(H1EngineCloseTest, FailsAsTruncatedInABodyOfKnownEnd) {
    for (const std::string_view response : {counted, chunked}) {
        for (std::size_t size = head_size(response); size < response.size(); ++size) {
            for (const ending close : {ending::clean, ending::broken}) {
                const std::string last = last_event(response, size, close);
                EXPECT_TRUE(is_error(last, errc::peer_truncated)) << size << ": " << last;
            }
        }
    }
}

TEST(H1EngineCloseTest, AddsNothingAfterACompleteResponse) {
    for (const std::string_view response : {counted, chunked}) {
        for (const ending close : {ending::clean, ending::broken}) {
            EXPECT_EQ(last_event(response, response.size(), close), "end reusable");
        }
    }
}

TEST(H1EngineCloseTest, EndsACloseDelimitedBodyOnlyByAnOrderlyEnd) {
    for (std::size_t size = head_size(to_close); size <= to_close.size(); ++size) {
        EXPECT_EQ(last_event(to_close, size, ending::clean), "end");
        EXPECT_TRUE(is_error(last_event(to_close, size, ending::broken), errc::peer_truncated));
    }
}

TEST(H1EngineCloseTest, FailsAfterInformationalResponsesOnly) {
    EXPECT_TRUE(is_error(last_event("HTTP/1.1 100 Continue\r\n\r\n", 25, ending::clean),
                         errc::peer_closed));
}

TEST(H1EngineCloseTest, EndsRawOctetsByAnOrderlyEndOnly) {
    testing::script what{
        .method = "CONNECT", .response = "HTTP/1.1 200 OK\r\n\r\nraw", .close = ending::clean};
    EXPECT_EQ(run(what).entries().back(), "end");
    what.close = ending::broken;
    EXPECT_TRUE(is_error(run(what).entries().back(), errc::peer_truncated));
}

TEST(H1EngineCloseTest, IsSilentWhenIdleButIdleNoMore) {
    h1_engine engine{h1_settings{}};
    engine.on_peer_closed(true);
    event what;
    EXPECT_FALSE(engine.poll_event(what));
    EXPECT_FALSE(engine.is_idle());
}

TEST(H1EngineCloseTest, ReportsTheCloseAfterWhatIsHeld) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    {
        const std::string slice(to_close);
        engine.receive(octets(slice));
        event what;
        ASSERT_TRUE(engine.poll_event(what));
        EXPECT_EQ(what.kind, event_kind::head);
        engine.retain();
    }
    engine.on_peer_closed(true);
    EXPECT_TRUE(engine.has_input());
    testing::event_log log;
    event what;
    while (engine.poll_event(what)) log.add(what);
    EXPECT_EQ(log.text(), "data hello\nend\n");
}

TEST(H1EngineCloseTest, DoesNotReuseAConnectionWhoseEndIsKnown) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    engine.receive(octets(counted));
    engine.retain();
    engine.on_peer_closed(true);
    testing::event_log log;
    event what;
    while (engine.poll_event(what)) log.add(what);
    EXPECT_EQ(log.entries().back(), "end");
    EXPECT_FALSE(engine.is_idle());
}

TEST(H1EngineCloseTest, TakesTheFirstWordAboutTheEnd) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    engine.receive(octets(to_close));
    event what;
    while (engine.poll_event(what)) {
    }
    engine.on_peer_closed(true);
    engine.on_peer_closed(false);
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::end);
    EXPECT_FALSE(engine.poll_event(what));
}

}  // namespace
}  // namespace hearth::proto
