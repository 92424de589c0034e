// A shard that lacks memory in the middle of a turn. Here a body source of the caller's says that
// there is none, for that can be arranged anywhere; each object that the client itself asks for is
// refused in tests/hostile/thread_memory_test.cpp, by a program of its own.
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using boost::system::error_code;
using support::get;
using support::one_thread;
using support::plaintext;

/// Three octets, which cannot be had again.
class poor_source final : public body_source {
public:
    std::optional<std::uint64_t> size() const override { return 3; }
    void async_pull(std::span<char> buffer, pull_handler handler) override {
        const std::size_t size = std::exchange(left_, 0);
        std::memset(buffer.data(), 'a', size);
        handler({}, size);
    }
    bool rewind() override { throw std::bad_alloc(); }

private:
    std::size_t left_ = 3;
};

config repeating_busy() {
    config values = one_thread();
    values.retry.statuses = {503};
    return values;
}

struct ShardMemoryTest : ::testing::Test {
    ShardMemoryTest() : origin(plaintext()) {
        origin.on("/busy", [](const testing::request_view&, testing::responder out) {
            // Not before the source was asked for its end, during which it cannot be rewound.
            out.delay(std::chrono::milliseconds(100));
            out.answer({.status = 503, .headers = {}, .body = "later"});
        });
    }
    /// A call after which there is no memory for another attempt.
    [[nodiscard]] request poor() {
        request what;
        what.method = method::put;
        what.url = origin.url("/busy");
        what.body = body(std::make_shared<poor_source>());
        what.max_attempts = 2;
        return what;
    }

    testing::origin origin;
};

TEST_F(ShardMemoryTest, EachCallUnderWayIsToldOnceAndTheNextIsServed) {
    client subject(repeating_busy());
    std::vector<support::awaited_response> others;
    for (int i = 0; i < 3; ++i) {
        others.push_back(support::begin_send(subject, get(origin.url("/d/30000"))));
    }
    ASSERT_TRUE(support::eventually([&] { return subject.stats().total().active == 3; }));
    const support::awaited_response failed = support::begin_send(subject, poor());
    EXPECT_EQ(failed.error(), errc::out_of_memory);
    for (const auto& done : others) {
        EXPECT_EQ(done.error(), errc::out_of_memory);
        const failure& why = done.value().failure;
        EXPECT_EQ(why.phase, phase::first_byte);
        EXPECT_TRUE(why.maybe_processed);
        EXPECT_NE(why.detail.find("no memory"), std::string::npos) << why.detail;
        EXPECT_EQ(done.count(), 1U);
    }
    error_code error;
    EXPECT_EQ(subject.send(get(origin.url("/bytes/10")), error).status, 200U);
    EXPECT_FALSE(error) << error.message();
    const stats seen = subject.stats();
    EXPECT_EQ(seen.calls, 5U);
    EXPECT_EQ(seen.completed, 5U);
    EXPECT_EQ(seen.origins_forgotten, 1U);
    EXPECT_FALSE(seen.is_partial);
}

TEST_F(ShardMemoryTest, StreamsEndAndTheirHandlesStayValid) {
    client subject(repeating_busy());
    exchange with = support::open(subject, get(origin.url("/d/30000")));
    const support::awaited_head head = support::read_head(with);
    char room = 0;
    const support::awaited_size read = support::begin_read(with, boost::asio::buffer(&room, 1));
    EXPECT_EQ(support::begin_send(subject, poor()).error(), errc::out_of_memory);
    EXPECT_EQ(head.error(), errc::out_of_memory);
    EXPECT_EQ(read.error(), errc::out_of_memory);
    EXPECT_NE(with.failure().phase, phase::none);
    EXPECT_EQ(support::begin_read(with, boost::asio::buffer(&room, 1)).error(),
              errc::out_of_memory);
    with.cancel();
    error_code error;
    EXPECT_EQ(subject.send(get(origin.url("/bytes/10")), error).status, 200U);
}

// What a handler throws is its own affair, also if it is this.
TEST(ShardMemoryDeathTest, AHandlersOwnExceptionEndsTheProcess) {
    EXPECT_DEATH(
        {
            client subject(one_thread());
            subject.async_stats([](const stats&) { throw std::bad_alloc(); });
            (void)::poll(nullptr, 0, 10'000);
            std::_Exit(0);
        },
        "");
}

TEST_F(ShardMemoryTest, ADrainEnds) {
    client subject(repeating_busy());
    const auto late = support::begin_send(subject, get(origin.url("/d/30000")));
    const auto failed = support::begin_send(subject, poor());
    subject.drain();
    EXPECT_EQ(late.error(), errc::out_of_memory);
    EXPECT_EQ(failed.error(), errc::out_of_memory);
    EXPECT_EQ(support::begin_send(subject, get(origin.url("/bytes/10"))).error(),
              errc::client_draining);
}

TEST_F(ShardMemoryTest, LeasesGoBackToTheOtherThreads) {
    config values = repeating_busy();
    values.io.threads = 2;
    values.pool.max_connections = 1;
    values.pool.max_connections_per_origin = 1;
    client subject(values);
    for (int i = 0; i < 8; ++i) {
        const testing::origin other(plaintext());
        error_code error;
        EXPECT_EQ(support::begin_send(subject, poor()).error(), errc::out_of_memory);
        EXPECT_EQ(subject.send(get(other.url("/bytes/10")), error).status, 200U) << error.message();
    }
}

TEST_F(ShardMemoryTest, OnAnExecutorOfTheCallersToo) {
    boost::asio::io_context context;
    client subject(context.get_executor(), repeating_busy());
    const auto failed = support::begin_send(subject, poor());
    const auto other = support::begin_send(subject, get(origin.url("/d/30000")));
    ASSERT_TRUE(support::eventually([&] {
        context.restart();
        context.poll();
        return failed.count() == 1 && other.count() == 1;
    }));
    EXPECT_EQ(failed.error(), errc::out_of_memory);
    EXPECT_EQ(other.error(), errc::out_of_memory);
    const auto next = support::begin_send(subject, get(origin.url("/bytes/10")));
    ASSERT_TRUE(support::eventually([&] {
        context.restart();
        context.poll();
        return next.count() == 1;
    }));
    EXPECT_EQ(next.value().status, 200U);
}

}  // namespace
}  // namespace hearth
