// The request side of h1_engine: bodies, their framing, and what it does with a caller that errs.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proto/h1_engine.hpp"
#include "proto/h1_script.hpp"

namespace hearth::proto {
namespace {

using testing::octets;

std::string text_of(const base::byte_queue& queue) {
    return {reinterpret_cast<const char*>(queue.data().data()), queue.size()};
}

/// An engine that has begun a POST, and the octets it wrote after the head.
struct upload {
    explicit upload(std::optional<std::uint64_t> length) {
        head.method = "POST";
        head.target = "/";
        head.authority = "example.com";
        head.has_body = true;
        head.content_length = length;
        engine.begin(testing::script_exchange, head, out);
        out.clear();
    }
    outgoing_head head;
    h1_engine engine{h1_settings{}};
    base::byte_queue out;
};

TEST(H1EngineRequestTest, IsCompleteAtOnceWithoutABody) {
    h1_engine engine{h1_settings{}};
    EXPECT_TRUE(engine.request_complete());
    testing::begin_script({}, engine);
    EXPECT_TRUE(engine.request_complete());
    EXPECT_FALSE(engine.body_remaining());
}

TEST(H1EngineRequestTest, CountsABodyOfKnownLength) {
    upload post(5);
    EXPECT_EQ(post.engine.body_remaining(), 5U);
    post.engine.write_body(octets("he"), post.out);
    EXPECT_EQ(post.engine.body_remaining(), 3U);
    EXPECT_FALSE(post.engine.request_complete());
    post.engine.write_body(octets("llo"), post.out);
    EXPECT_EQ(post.engine.body_remaining(), 0U);
    EXPECT_TRUE(post.engine.request_complete());
    post.engine.finish_body({}, post.out);
    EXPECT_EQ(text_of(post.out), "hello");
}

TEST(H1EngineRequestTest, IsCompleteAtOnceWithAnEmptyBody) {
    upload post(0);
    EXPECT_TRUE(post.engine.request_complete());
    post.engine.write_body({}, post.out);
    post.engine.finish_body({}, post.out);
    EXPECT_TRUE(post.out.empty());
}

TEST(H1EngineRequestTest, WritesAChunkPerCall) {
    upload post(std::nullopt);
    EXPECT_FALSE(post.engine.body_remaining());
    post.engine.write_body(octets("hello"), post.out);
    post.engine.write_body({}, post.out);  // must not end the body
    post.engine.write_body(octets(std::string(17, 'x')), post.out);
    EXPECT_EQ(text_of(post.out), "5\r\nhello\r\n11\r\n" + std::string(17, 'x') + "\r\n");
    EXPECT_FALSE(post.engine.request_complete());
    post.out.clear();
    post.engine.finish_body({}, post.out);
    EXPECT_EQ(text_of(post.out), "0\r\n\r\n");
    EXPECT_TRUE(post.engine.request_complete());
}

TEST(H1EngineRequestTest, WritesTrailersAfterTheLastChunk) {
    upload post(std::nullopt);
    post.engine.finish_body({{"Digest", "abc"}, {"E", ""}}, post.out);
    EXPECT_EQ(text_of(post.out), "0\r\nDigest: abc\r\nE: \r\n\r\n");
}

TEST(H1EngineRequestTest, FramesLargeBodiesWithoutTheirOctets) {
    upload chunked(std::nullopt);
    h1_engine::body_frame frame = chunked.engine.frame_body(0xfedcba9876543210);
    EXPECT_EQ(std::string_view(frame.prefix, frame.prefix_size), "fedcba9876543210\r\n");
    EXPECT_EQ(frame.suffix_size, 2U);
    frame = chunked.engine.frame_body(0);
    EXPECT_EQ(frame.prefix_size + frame.suffix_size, 0);

    upload counted(10);
    frame = counted.engine.frame_body(4);
    EXPECT_EQ(frame.prefix_size + frame.suffix_size, 0);
    EXPECT_EQ(counted.engine.body_remaining(), 6U);
}

TEST(H1EngineRequestTest, WritesRawOctetsAfterAnUpgrade) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({.request_fields = {{"Connection", "upgrade"}, {"Upgrade", "x"}}},
                          engine);
    EXPECT_FALSE(engine.is_raw());
    engine.receive(octets("HTTP/1.1 101 Go\r\n\r\n"));
    event what;
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_TRUE(engine.is_raw());
    EXPECT_TRUE(engine.is_close_delimited());
    base::byte_queue out;
    engine.write_body(octets("raw"), out);
    EXPECT_EQ(text_of(out), "raw");
    const h1_engine::body_frame frame = engine.frame_body(100);
    EXPECT_EQ(frame.prefix_size + frame.suffix_size, 0);
    engine.on_peer_closed(true);  // of its direction only: ours still goes on
    ASSERT_TRUE(engine.poll_event(what));
    engine.write_body(octets("more"), out);
    EXPECT_EQ(text_of(out), "rawmore");
}

TEST(H1EngineRequestTest, ReusesOnlyAfterTheWholeRequest) {
    upload post(std::nullopt);
    post.engine.receive(octets("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
    event what;
    ASSERT_TRUE(post.engine.poll_event(what));
    ASSERT_TRUE(post.engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::data);
    post.engine.finish_body({}, post.out);  // just in time
    ASSERT_TRUE(post.engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::end);
    EXPECT_TRUE(what.reusable);
}

TEST(H1EngineRequestTest, CountsTheOctetsOfTheRunningResponse) {
    h1_engine engine{h1_settings{}};
    const std::string response = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    for (int i = 0; i < 2; ++i) {
        testing::begin_script({}, engine);
        EXPECT_EQ(engine.received(), 0U);
        testing::event_log log;
        testing::deliver({.response = response}, {{7, 30}}, engine, log);
        EXPECT_EQ(engine.received(), response.size());
    }
}

TEST(H1EngineRequestTest, HoldsNoMemoryWhenIdle) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    testing::event_log log;
    const std::string response =
        "HTTP/1.1 200 OK\r\nA: " + std::string(5000, 'x') + "\r\nContent-Length: 5\r\n\r\nhello";
    engine.receive(octets(response).first(4000));
    event what;
    EXPECT_FALSE(engine.poll_event(what));
    engine.retain();
    EXPECT_GE(engine.memory(), 4000U);
    engine.receive(octets(response).subspan(4000));
    while (engine.poll_event(what)) {
    }
    engine.retain();
    EXPECT_TRUE(engine.is_idle());
    EXPECT_EQ(engine.memory(), 0U);
}

TEST(H1EngineRequestTest, TellsWhetherInputWaits) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    EXPECT_FALSE(engine.has_input());
    engine.receive(octets("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"));
    event what;
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_TRUE(engine.has_input());
    engine.retain();
    EXPECT_TRUE(engine.has_input());
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_FALSE(engine.has_input());
    EXPECT_FALSE(engine.is_close_delimited());
}

TEST(H1EngineRequestTest, MovesWithItsState) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    h1_engine moved{h1_settings{}};
    moved = std::move(engine);
    testing::event_log log;
    testing::deliver({.response = "HTTP/1.1 204 OK\r\n\r\n"}, {}, moved, log);
    EXPECT_EQ(log.text(), "head 204 v11 'OK' {}\nend reusable\n");
}

#if !defined(HEARTH_CHECKED)
// In checked builds a broken rule aborts; in release the damage is contained.

TEST(H1EngineRequestTest, NeverWritesBeyondContentLength) {
    upload post(3);
    post.engine.write_body(octets("four"), post.out);
    EXPECT_TRUE(post.out.empty());
    event what;
    ASSERT_TRUE(post.engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::error);
    EXPECT_EQ(what.error, errc::internal);
    EXPECT_EQ(what.exchange, testing::script_exchange);
}

TEST(H1EngineRequestTest, FailsABodyThatIsFinishedTooEarly) {
    upload post(3);
    post.engine.finish_body({}, post.out);
    event what;
    ASSERT_TRUE(post.engine.poll_event(what));
    EXPECT_EQ(what.error, errc::internal);
}

TEST(H1EngineRequestTest, FailsWhenGivenMoreWhileItStillHoldsInput) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    engine.receive(octets("HTTP/1.1 200 OK\r\n\r\n"));
    engine.receive(octets("more"));
    event what;
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.error, errc::internal);
    EXPECT_EQ(what.exchange, testing::script_exchange);
}

TEST(H1EngineRequestTest, FailsASecondRequestWithoutWritingIt) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    base::byte_queue out;
    outgoing_head head;
    head.method = "GET";
    head.target = "/";
    head.authority = "example.com";
    engine.begin({9, 9}, head, out);
    EXPECT_TRUE(out.empty());
    event what;
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.error, errc::internal);
    EXPECT_EQ(what.exchange, (exchange_id{9, 9}));
}
#else

TEST(H1EngineRequestDeathTest, AbortsOnABodyBeyondContentLength) {
    upload post(3);
    EXPECT_DEATH(post.engine.write_body(octets("four"), post.out), "broken invariant");
}

TEST(H1EngineRequestDeathTest, AbortsOnASecondRequest) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    EXPECT_DEATH(testing::begin_script({}, engine), "broken invariant");
}
#endif

}  // namespace
}  // namespace hearth::proto
