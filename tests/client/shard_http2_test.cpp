// HTTP/2 connections of a shard: scripted peers, frame by frame.
#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <latch>
#include <string>
#include <vector>

#include "client/scripted.hpp"
#include "support/h2_frames.hpp"
#include "support/h2_origin.hpp"

namespace hearth {
namespace {

using namespace support;
using namespace std::chrono_literals;
using boost::system::error_code;
namespace h2 = testing::h2;

constexpr std::size_t preface_and_settings = 24 + 9;

/// A peer that waits for the client's first flush, greets, and then says `frames`.
testing::script peer(const std::string& frames) {
    return {testing::expect_octets(preface_and_settings),
            testing::send(h2::settings() + h2::settings_ack() + frames)};
}

std::string answer(std::uint32_t stream) {
    return h2::status(stream, "200") + h2::data(stream, "ok", h2::end_stream);
}

struct failed_call {
    boost::system::error_code error;
    response result;
};

failed_call fail(client& subject, request what) {
    failed_call call;
    call.result = subject.send(std::move(what), call.error);
    return call;
}

/// HTTP/2 with prior knowledge on plaintext.
config http2() {
    config values = one_thread();
    values.protocol = protocol_policy::http2_only;
    return values;
}

TEST(ShardHttp2Test, AnswersOverOneConnection) {
    testing::raw_origin origin(plaintext_listen(), peer(answer(1) + answer(3) + answer(5)));
    client subject(http2());
    std::vector<awaited_response> calls;
    for (int i = 0; i < 3; ++i) calls.push_back(begin_send(subject, get(origin.url("/"))));
    for (const awaited_response& call : calls) {
        EXPECT_FALSE(call.error()) << call.value().failure.detail;
        EXPECT_EQ(call.value().body, "ok");
        EXPECT_EQ(call.value().version, 20U);
    }
    EXPECT_EQ(subject.stats().total().opened, 1U);
    expect_consistent(subject.stats());
}

TEST(ShardHttp2Test, WhatTheHandlersOfOneTurnSendIsWrittenTogether) {
    constexpr std::uint32_t count = 20;
    std::string answers;
    for (std::uint32_t i = 0; i < count; ++i) answers += answer(2 * i + 1);
    testing::raw_origin origin(plaintext_listen(), peer(answers));
    std::latch sent(count);
    client subject(http2());
    const std::string url = origin.url("/");
    std::chrono::steady_clock::time_point first;
    std::chrono::steady_clock::time_point last;
    const auto on_answer = [&](error_code error, const response& /*got*/) {
        EXPECT_FALSE(error);
        last = std::chrono::steady_clock::now();
        if (first == std::chrono::steady_clock::time_point{}) first = last;
        subject.async_send(get(url), [](error_code, const response&) {});
        sent.count_down();
    };
    boost::asio::post(subject.get_executor(), [&] {  // all before there is a connection
        for (std::uint32_t i = 0; i < count; ++i) subject.async_send(get(url), on_answer);
    });
    sent.wait();
    const stats now = subject.stats();
    EXPECT_EQ(now.in_flight, count);
    EXPECT_EQ(now.total().opened, 1U);
    // The first ones, SETTINGS, and the others; where the handlers took long, one more for each
    // time that something may wait.
    const auto waits = static_cast<std::uint64_t>((last - first) / std::chrono::microseconds(100));
    EXPECT_LE(now.write_calls, 5 + waits);
}

TEST(ShardHttp2Test, RefusedStreamMovesAtOnce) {
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{testing::expect_octets(preface_and_settings),
                        testing::send(h2::settings() + h2::settings_ack() + h2::rst_stream(1, 7)),
                        testing::wait(200ms), testing::send(answer(3))});
    client subject(http2());
    const response result = subject.send(get(origin.url("/")));
    EXPECT_EQ(result.status, 200U);
    EXPECT_EQ(result.attempts, 2U);
    EXPECT_EQ(subject.stats().total().opened, 1U);
}

TEST(ShardHttp2Test, PostThatWasNotProcessedMovesToo) {
    testing::raw_origin origin(plaintext_listen(), [](std::uint64_t connection) {
        return peer(connection == 0 ? h2::goaway(0, 0) : answer(1));
    });
    client subject(http2());
    const response result = subject.send(post(origin.url("/"), body("what")));
    EXPECT_EQ(result.status, 200U);
    EXPECT_EQ(result.attempts, 2U);
    EXPECT_EQ(subject.stats().total().opened, 2U);
}

TEST(ShardHttp2Test, StreamsThatGoawayAcceptedAreFinished) {
    testing::raw_origin origin(plaintext_listen(), [](std::uint64_t connection) {
        return connection == 0 ? peer(h2::goaway(1, 0) + answer(1)) : peer(answer(1) + answer(3));
    });
    client subject(http2());
    const awaited_response first = begin_send(subject, get(origin.url("/")));
    const awaited_response second = begin_send(subject, get(origin.url("/")));
    EXPECT_EQ(first.value().status, 200U);
    EXPECT_EQ(second.value().status, 200U) << second.value().failure.detail;
    EXPECT_EQ(second.value().attempts, 2U);
}

TEST(ShardHttp2Test, PeerThatRefusesForEverIsAskedAFewTimesOnly) {
    testing::raw_origin origin(plaintext_listen(), peer(h2::goaway(0, 11, "too much")));
    config values = http2();
    values.pool.dial_patience = 60s;
    client subject(values);
    const failed_call call = fail(subject, get(origin.url("/")));
    EXPECT_LE(call.result.attempts, 6U);
    EXPECT_FALSE(call.result.failure.maybe_processed);
    EXPECT_LE(subject.stats().total().opened, 7U);
    expect_consistent(subject.stats());
}

std::string misdirected(std::uint32_t stream) {
    return h2::status(stream, "421") + h2::data(stream, "not here", h2::end_stream);
}

TEST(ShardHttp2Test, MisdirectedRequestIsTriedOnceOnAFreshConnection) {
    testing::raw_origin origin(plaintext_listen(), [](std::uint64_t connection) {
        return peer(connection == 0 ? misdirected(1) : answer(1));
    });
    client subject(http2());
    const awaited_response call = begin_send(subject, post(origin.url("/"), body("what")));
    EXPECT_FALSE(call.error());
    EXPECT_EQ(call.value().status, 200U);
    EXPECT_EQ(call.value().body, "ok");
    EXPECT_EQ(call.value().attempts, 2U);
    EXPECT_EQ(subject.stats().total().opened, 2U);
    expect_consistent(subject.stats());
}

TEST(ShardHttp2Test, MisdirectedRequestIsAnsweredTheSecondTime) {
    testing::raw_origin origin(plaintext_listen(), peer(misdirected(1)));
    client subject(http2());
    const awaited_response call = begin_send(subject, get(origin.url("/")));
    EXPECT_FALSE(call.error());
    EXPECT_EQ(call.value().status, 421U);
    EXPECT_EQ(call.value().body, "not here");
    EXPECT_EQ(subject.stats().total().opened, 2U);
}

struct flood_case {
    std::string frames;
    void (*allow_less)(http2_flood_config& floods);
};

/// Within the default bound, beyond a smaller one.
std::vector<flood_case> flood_cases() {
    std::string pings;
    std::string settings;
    std::string resets;
    std::string windows;
    std::string priorities;
    std::string empty;
    std::string unknown;
    for (int i = 0; i < 20; ++i) {
        pings += h2::ping(1);
        settings += h2::settings();
        resets += h2::rst_stream(1, 0);
        windows += h2::window_update(0, 1);
        priorities += h2::priority(1);
        empty += h2::data(3, "");
        unknown += h2::frame(200, 0, 0);
    }
    const std::string large_block =
        h2::headers(3, {{":status", "200"}, {"x", std::string(3000, 'v')}}, h2::end_stream);
    const std::string block = h2::block({{":status", "200"}, {"x", "y"}});
    const std::string in_parts =
        h2::frame(h2::headers_frame, h2::end_stream, 3, block.substr(0, 1)) +
        h2::frame(h2::continuation_frame, 0, 3, block.substr(1, 1)) +
        h2::frame(h2::continuation_frame, h2::end_headers, 3, block.substr(2));
    const std::string ten_entries = h2::settings({{100, 1},
                                                  {101, 1},
                                                  {102, 1},
                                                  {103, 1},
                                                  {104, 1},
                                                  {105, 1},
                                                  {106, 1},
                                                  {107, 1},
                                                  {108, 1},
                                                  {109, 1}});
    return {
        {pings + answer(3), [](http2_flood_config& f) { f.pings = 10; }},
        {settings + answer(3), [](http2_flood_config& f) { f.settings = 10; }},
        {resets + answer(3), [](http2_flood_config& f) { f.stray_resets = 10; }},
        {windows + answer(3), [](http2_flood_config& f) { f.window_updates = 5; }},
        {priorities + answer(3), [](http2_flood_config& f) { f.priorities = 5; }},
        {h2::status(3, "200") + empty + h2::data(3, "ok", h2::end_stream),
         [](http2_flood_config& f) { f.empty_data = 10; }},
        {unknown + answer(3), [](http2_flood_config& f) { f.other_frames = 10; }},
        {large_block, [](http2_flood_config& f) { f.header_block_bytes = 1024; }},
        {in_parts, [](http2_flood_config& f) { f.continuations = 1; }},
        {ten_entries + answer(3), [](http2_flood_config& f) { f.settings_entries = 8; }},
    };
}

TEST(ShardHttp2Test, BoundsOfFloodsAreTheConfigs) {
    std::size_t index = 0;
    for (const flood_case& one : flood_cases()) {
        SCOPED_TRACE(index++);
        // The first exchange is answered, then the second one's answer comes with the flood.
        const testing::script script{testing::expect_frame(h2::headers_frame),
                                     testing::send(h2::settings() + h2::settings_ack() + answer(1)),
                                     testing::expect_frame(h2::headers_frame),
                                     testing::send(one.frames)};
        testing::raw_origin origin(plaintext_listen(), script);
        config values = http2();
        values.retry.stale_connection = false;
        for (const bool is_strict : {false, true}) {
            if (is_strict) one.allow_less(values.http2_floods);
            client subject(values);
            EXPECT_EQ(subject.send(get(origin.url("/"))).status, 200U);
            const failed_call call = fail(subject, post(origin.url("/"), body("x")));
            if (is_strict) {
                EXPECT_EQ(call.error, errc::peer_protocol_error) << call.result.failure.detail;
            } else {
                EXPECT_FALSE(call.error) << call.result.failure.detail;
            }
        }
    }
}

TEST(ShardHttp2Test, StreamErrorLeavesTheConnection) {
    testing::raw_origin origin(plaintext_listen(), peer(h2::rst_stream(1, 2) + answer(3)));
    client subject(http2());
    const awaited_response broken = begin_send(subject, get(origin.url("/")));
    const awaited_response sound = begin_send(subject, get(origin.url("/")));
    EXPECT_TRUE(broken.error());
    EXPECT_TRUE(broken.value().failure.maybe_processed);
    EXPECT_EQ(sound.value().status, 200U);
    EXPECT_EQ(subject.stats().total().opened, 1U);
    EXPECT_EQ(subject.stats().total().open, 1U);
}

TEST(ShardHttp2Test, BrokenConnectionFailsEveryExchangeOnce) {
    testing::raw_origin origin(plaintext_listen(), peer(h2::data(99, "x")));
    client subject(http2());
    std::vector<awaited_response> calls;
    for (int i = 0; i < 5; ++i) {
        calls.push_back(begin_send(subject, post(origin.url("/"), body("what"))));
    }
    for (const awaited_response& call : calls) {
        EXPECT_EQ(call.error(), errc::peer_protocol_error);
        EXPECT_EQ(call.count(), 1U);
    }
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }));
    expect_consistent(subject.stats());
}

TEST(ShardHttp2Test, CancelledExchangeResetsItsStreamOnly) {
    testing::raw_origin origin(plaintext_listen(),
                               testing::script{testing::expect_octets(preface_and_settings),
                                               testing::send(h2::settings() + h2::settings_ack())});
    client subject(http2());
    request late = get(origin.url("/"));
    late.deadline = in(300ms);
    EXPECT_EQ(fail(subject, std::move(late)).error, errc::deadline_exceeded);
    EXPECT_TRUE(eventually([&] {
        const std::string reset = h2::rst_stream(1, 8);
        return origin.received(0).find(reset) != std::string::npos;
    }));
    const origin_stats total = subject.stats().total();
    EXPECT_EQ(total.streams_reset, 1U);
    EXPECT_EQ(total.open, 1U);
    EXPECT_EQ(total.closed, 0U);
    EXPECT_EQ(total.drained, 0U);
}

TEST(ShardHttp2Test, WithoutAResetBudgetTheResponseIsThrownAway) {
    testing::raw_origin origin(plaintext_listen(),
                               testing::script{testing::expect_octets(preface_and_settings),
                                               testing::send(h2::settings() + h2::settings_ack()),
                                               testing::wait(600ms), testing::send(answer(1))});
    config values = http2();
    values.http2.reset_burst = 0;
    client subject(values);
    request late = get(origin.url("/"));
    late.deadline = in(200ms);
    EXPECT_EQ(fail(subject, std::move(late)).error, errc::deadline_exceeded);
    EXPECT_TRUE(eventually([&] { return subject.stats().total().drained == 1; }));
    EXPECT_EQ(subject.stats().total().streams_reset, 0U);
    EXPECT_EQ(subject.stats().total().idle, 1U);
}

TEST(ShardHttp2Test, SilentPeerIsAskedAndThenLeft) {
    testing::raw_origin origin(plaintext_listen(),
                               testing::script{testing::expect_octets(preface_and_settings),
                                               testing::send(h2::settings() + h2::settings_ack())});
    config values = http2();
    values.http2.ping_after = 1s;
    values.http2.ping_timeout = 1s;
    client subject(values);
    const failed_call call = fail(subject, get(origin.url("/")));
    EXPECT_EQ(call.error, errc::peer_closed);
    EXPECT_NE(call.result.failure.detail.find("sign of life"), std::string::npos);
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }));
}

TEST(ShardHttp2Test, SlowReaderHoldsItsOwnStreamOnly) {
    const std::string piece(16'000, 'x');
    std::string flood;
    for (int i = 0; i < 4; ++i) flood += h2::data(1, piece);
    testing::raw_origin origin(plaintext_listen(), peer(h2::status(1, "200") + flood + answer(3) +
                                                        h2::data(1, piece, h2::end_stream)));
    client subject(http2());
    awaited_exchange opened;
    subject.async_open(get(origin.url("/")), opened.handler());
    const awaited_response other = begin_send(subject, get(origin.url("/")));
    EXPECT_EQ(other.value().body, "ok") << "nobody has read the first one";
    exchange x = std::move(opened.value());
    EXPECT_EQ(read_head(x).value().status, 200U);
    boost::system::error_code end;
    EXPECT_EQ(read_body(x, end).size(), 5 * piece.size());
    EXPECT_EQ(end, boost::asio::error::eof);
}

TEST(ShardHttp2Test, OriginThatSpeaksHttp1OnlyIsUsedSoUnlessForbidden) {
    testing::origin origin;
    config values = trusting(origin.ca_pem());
    values.protocol = protocol_policy::automatic;
    client subject(values);
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).version, 11U);
    request strict = get(origin.url("/d/0"));
    strict.protocol = protocol_policy::http2_only;
    const failed_call call = fail(subject, std::move(strict));
    EXPECT_EQ(call.error, errc::handshake_failed);
    EXPECT_NE(call.result.failure.detail.find("HTTP/2"), std::string::npos);
    EXPECT_EQ(subject.stats().origins.size(), 2U) << "nothing is shared between policies";
}

TEST(ShardHttp2Test, ConnectionIsReplacedAfterItsExchanges) {
    h2_origin origin([](const h2_origin::seen&) { return h2_origin::answer{}; });
    config values = http2();
    values.pool.max_exchanges_per_connection = 3;
    client subject(values);
    for (int i = 0; i < 7; ++i) EXPECT_EQ(subject.send(get(origin.url())).status, 200U);
    EXPECT_EQ(subject.stats().total().opened, 3U);
    EXPECT_EQ(closed_by(subject.stats(), close_reason::not_reusable), 2U);
    expect_consistent(subject.stats());
}

TEST(ShardHttp2Test, PlaintextIsHttp1UnderAutomatic) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.protocol = protocol_policy::automatic;
    client subject(values);
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).version, 11U);
}

}  // namespace
}  // namespace hearth
