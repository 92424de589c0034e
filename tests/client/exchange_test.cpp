#include "client/exchange.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "client/deaf_listener.hpp"
#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

TEST(ExchangeTest, StreamsAResponseDown) {
    for (const std::string path : {"/bytes/300000", "/chunked/300000"}) {
        testing::origin origin;
        client subject(trusting(origin.ca_pem()));
        exchange x = open(subject, get(origin.url(path)));
        EXPECT_EQ(read_head(x).value().status, 200U);
        error_code error;
        EXPECT_EQ(read_body(x, error), testing::pattern_octets(0, 300'000));
        EXPECT_EQ(error, asio::error::eof);
        EXPECT_GT(x.timings().total.count(), 0);
        x.close();
        EXPECT_TRUE(subject.send(get(origin.url("/d/0"))).connection.reused);
    }
}

TEST(ExchangeTest, StreamsARequestUp) {
    for (const bool known_size : {true, false}) {
        testing::origin origin;
        client subject(trusting(origin.ca_pem()));
        const std::string piece = testing::pattern_octets(0, 100'000);
        streamed_body shape;
        if (known_size) shape.size = 5 * piece.size();
        exchange x = open(subject, post(origin.url("/upload"), shape));
        for (int i = 0; i < 5; ++i) {
            const awaited_size write = begin_write(x, asio::buffer(piece));
            EXPECT_FALSE(write.error()) << write.error().message();
            EXPECT_EQ(write.value(), piece.size());
        }
        EXPECT_FALSE(finish(x));
        EXPECT_EQ(read_head(x).value().status, 200U);
        error_code error;
        EXPECT_EQ(read_body(x, error).substr(0, 7), "500000 ");
        EXPECT_EQ(error, asio::error::eof);
    }
}

TEST(ExchangeTest, BothDirectionsRunAtOnce) {
    testing::origin origin(plaintext());
    origin.on(
        "/early",
        [](const testing::request_view&, testing::responder to) { to.answer({.body = "now"}); },
        testing::handler_call::after_head);
    client subject(one_thread());
    exchange x = open(subject, post(origin.url("/early"), streamed_body{}));
    EXPECT_EQ(read_head(x).value().status, 200U);
    error_code error;
    EXPECT_EQ(read_body(x, error), "now");
    EXPECT_EQ(error, asio::error::eof);
}

TEST(ExchangeTest, TrailersGoBothWays) {
    testing::origin origin(plaintext());
    origin.on("/sums", [](const testing::request_view& request, testing::responder to) {
        std::string seen;
        for (const auto& field : request.trailers) seen += field.name + "=" + field.value;
        to.answer({.body = seen, .trailers = {{"x-sum", "17"}, {"x-sum", "18"}}});
    });
    client subject(one_thread());
    exchange x = open(subject, post(origin.url("/sums"), streamed_body{}));
    EXPECT_FALSE(begin_write(x, asio::buffer("abc", 3)).error());
    EXPECT_FALSE(finish(x, {{"x-check", "abc"}}));
    error_code error;
    EXPECT_EQ(read_body(x, error), "x-check=abc");
    EXPECT_EQ(error, asio::error::eof);
    EXPECT_EQ(x.trailers().values("X-Sum"), (std::vector<std::string_view>{"17", "18"}));
}

TEST(ExchangeTest, SlowReaderHoldsBoundedMemoryAndSlowsThePeer) {
    constexpr std::uint64_t size = 64ULL << 20;
    testing::origin origin(plaintext());
    config values = one_thread();
    values.io.receive_buffer = 64 * 1024;
    client subject(values);
    exchange x = open(subject, get(origin.url("/bytes/" + std::to_string(size))));
    EXPECT_EQ(read_head(x).value().status, 200U);
    // Nobody reads: what is received stops at one receive, the rest waits in the kernels.
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    int quiet = 0;
    ASSERT_TRUE(eventually([&] {
        const auto now_sent = origin.counters().bytes_sent;
        const auto now_received = subject.stats().bytes_received;
        quiet = now_sent == sent && now_received == received && now_sent != 0 ? quiet + 1 : 0;
        sent = now_sent;
        received = now_received;
        return quiet == 50;
    }));
    EXPECT_LE(received, 2 * values.io.receive_buffer);
    EXPECT_LT(sent, size / 2);
    error_code error;
    std::string piece(1 << 20, '\0');
    std::uint64_t total = 0;
    while (!error) {
        const awaited_size read = begin_read(x, asio::buffer(piece));
        error = read.error();
        ASSERT_EQ(piece.compare(0, read.value(), testing::pattern_octets(total, read.value())), 0);
        total += read.value();
    }
    EXPECT_EQ(error, asio::error::eof);
    EXPECT_EQ(total, size);
}

TEST(ExchangeTest, SlowPeerSlowsTheWriter) {
    const deaf_listener deaf;
    client subject(one_thread());
    exchange x = open(subject, post(deaf.url(), streamed_body{}));
    const std::string piece(1 << 20, 'x');
    unsigned taken = 0;
    awaited_size last = begin_write(x, asio::buffer(piece));
    // Kernels take a few MiB, then nothing moves any more.
    std::uint64_t sent = 0;
    int quiet = 0;
    ASSERT_TRUE(eventually([&] {
        if (last.count() != 0) {
            if (++taken == 64) return true;
            last = begin_write(x, asio::buffer(piece));
        }
        const std::uint64_t now = subject.stats().bytes_sent;
        quiet = now == sent ? quiet + 1 : 0;
        sent = now;
        return quiet == 50;
    }));
    EXPECT_LT(taken, 64U) << "a peer that does not read must stop the writer";
    x.cancel();
    EXPECT_EQ(last.error(), asio::error::operation_aborted);
}

TEST(ExchangeTest, DroppingItCancels) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.on_cancel = cancel_policy::close;
    client subject(values);
    {
        const exchange dropped = open(subject, get(origin.url("/stall")));
        ASSERT_TRUE(eventually([&] { return origin.counters().requests_active == 1; }));
    }
    EXPECT_TRUE(eventually([&] { return origin.counters().connections_open == 0; }));
    const stats end = subject.stats();
    EXPECT_EQ(end.in_flight, 0U);
    EXPECT_EQ(closed_by(end, close_reason::cancelled), 1U);
    expect_consistent(end);
}

TEST(ExchangeTest, CancelEndsOutstandingOperations) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    exchange x = open(subject, post(origin.url("/stall"), streamed_body{}));
    const awaited_head head = read_head(x);
    char byte = 0;
    const awaited_size read = begin_read(x, asio::buffer(&byte, 1));
    x.cancel();
    EXPECT_EQ(head.error(), asio::error::operation_aborted);
    EXPECT_EQ(read.error(), asio::error::operation_aborted);
    EXPECT_EQ(begin_read(x, asio::buffer(&byte, 1)).error(), asio::error::operation_aborted);
    EXPECT_EQ(begin_write(x, asio::buffer("x", 1)).error(), asio::error::operation_aborted);
    EXPECT_EQ(finish(x), asio::error::operation_aborted);
    EXPECT_EQ(x.failure().phase, phase::send);
    EXPECT_TRUE(x.is_open());
}

TEST(ExchangeTest, SecondOperationOfAKindIsRefused) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    exchange x = open(subject, get(origin.url("/stall")));
    char bytes[2] = {};
    const awaited_size first = begin_read(x, asio::buffer(&bytes[0], 1));
    EXPECT_EQ(begin_read(x, asio::buffer(&bytes[1], 1)).error(), errc::invalid_state);
    const awaited_head head = read_head(x);
    EXPECT_EQ(read_head(x).error(), errc::invalid_state);
    EXPECT_EQ(begin_write(x, asio::buffer("x", 1)).error(), errc::invalid_state);
    EXPECT_EQ(finish(x), errc::invalid_state);
    EXPECT_EQ(first.count() + head.count(), 0U);
    EXPECT_EQ(begin_read(x, asio::mutable_buffer()).error(), errc::invalid_state);
}

TEST(ExchangeTest, HeadIsGivenOnce) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    exchange x = open(subject, get(origin.url("/bytes/10")));
    EXPECT_EQ(read_head(x).value().status, 200U);
    EXPECT_EQ(read_head(x).error(), errc::invalid_state);
    error_code error;
    EXPECT_EQ(read_body(x, error).size(), 10U);
    EXPECT_EQ(error, asio::error::eof);
}

TEST(ExchangeTest, WritingMoreOrLessThanSaidFails) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    exchange more = open(subject, post(origin.url("/upload"), streamed_body{3}));
    EXPECT_EQ(begin_write(more, asio::buffer("abcd", 4)).error(), errc::invalid_body);
    exchange less = open(subject, post(origin.url("/upload"), streamed_body{3}));
    EXPECT_FALSE(begin_write(less, asio::buffer("ab", 2)).error());
    EXPECT_EQ(finish(less), errc::invalid_body);
    EXPECT_EQ(read_head(less).error(), errc::invalid_body);
    EXPECT_EQ(origin.counters().requests_completed, 0U);
}

TEST(ExchangeTest, TrailersNeedAChunkedBody) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    exchange x = open(subject, post(origin.url("/upload"), streamed_body{2}));
    EXPECT_FALSE(begin_write(x, asio::buffer("ab", 2)).error());
    EXPECT_EQ(finish(x, {{"x-late", "1"}}), errc::invalid_trailer);
    exchange y = open(subject, post(origin.url("/upload"), streamed_body{}));
    EXPECT_EQ(finish(y, {{"content-length", "1"}}), errc::invalid_trailer);
    EXPECT_FALSE(finish(y)) << "a refused end is no end";
    EXPECT_EQ(read_head(y).value().status, 200U);
}

TEST(ExchangeTest, TruncatedBodyEndsInAnErrorBehindItsOctets) {
    testing::raw_origin origin(plaintext_listen(),
                               testing::script{testing::expect_request(),
                                               testing::send("HTTP/1.1 200 OK\r\n"
                                                             "content-length: 10\r\n\r\nabc"),
                                               testing::close()});
    client subject(one_thread());
    exchange x = open(subject, get(origin.url("/")));
    EXPECT_EQ(read_head(x).value().status, 200U);
    error_code error;
    (void)read_body(x, error);
    EXPECT_EQ(error, errc::peer_truncated);
    EXPECT_EQ(x.failure().phase, phase::body);
}

TEST(ExchangeTest, OpenFailsAsSendDoes) {
    client subject(one_thread());
    awaited_exchange refused;
    subject.async_open(get("nonsense"), refused.handler());
    EXPECT_EQ(refused.error(), errc::invalid_url);
    EXPECT_FALSE(refused.value().is_open());
}

TEST(ExchangeTest, BodyBufferMayBeSmall) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    exchange x = open(subject, get(origin.url("/chunked/1000")));
    std::string body;
    error_code error;
    char byte = 0;
    for (int i = 0; i <= 1000 && !error; ++i) {
        const awaited_size read = begin_read(x, asio::buffer(&byte, 1));
        error = read.error();
        if (!error) body += byte;
    }
    EXPECT_EQ(body, testing::pattern_octets(0, 1000));
    EXPECT_EQ(error, asio::error::eof);
}

TEST(ExchangeTest, UnreadBodyDoesNotHoldTheDestructor) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    {
        exchange x = open(subject, get(origin.url("/bytes/10000000")));
        EXPECT_EQ(read_head(x).value().status, 200U);
    }
    EXPECT_TRUE(eventually([&] { return subject.stats().total().active == 0; }));
    EXPECT_EQ(subject.send(get(origin.url("/bytes/3"))).body, testing::pattern_octets(0, 3));
}

}  // namespace
}  // namespace hearth
