#include "client/shard_turn.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <stdexcept>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

TEST(ShardTurnTest, HandlersMayCallAgainFromInside) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    awaited<error_code> finished;
    int left = 500;
    std::function<void()> next = [&] {
        subject.async_send(get(origin.url("/d/0")), [&](error_code error, response) {
            if (error || --left == 0) return finished.handler()(error);
            next();
        });
    };
    next();
    EXPECT_FALSE(finished.error());
    EXPECT_EQ(left, 0);
    EXPECT_EQ(subject.stats().total().opened, 1U);
}

TEST(ShardTurnTest, HandlerThatAlwaysCausesAnotherDoesNotStarveSockets) {
    testing::origin origin(plaintext());
    asio::io_context context;
    client subject(context.get_executor());
    const awaited_response useful = begin_send(subject, get(origin.url("/d/0")));
    std::function<void()> spin = [&] {
        subject.async_send(get("nonsense"), [&](error_code, response) {
            if (useful.count() == 0) spin();
        });
    };
    spin();
    const auto end = std::chrono::steady_clock::now() + patience;
    while (useful.count() == 0 && std::chrono::steady_clock::now() < end) context.run_one_for(1s);
    EXPECT_EQ(useful.count(), 1U);
    EXPECT_FALSE(useful.error());
}

TEST(ShardTurnTest, HandlerMayThrowOutOfTheCallersLoop) {
    testing::origin origin(plaintext());
    asio::io_context context;
    client subject(context.get_executor());
    for (int i = 0; i < 3; ++i) {
        subject.async_send(get("nonsense"),
                           [](error_code, response) { throw std::runtime_error("mine"); });
    }
    const awaited_response after = begin_send(subject, get(origin.url("/d/0")));
    int thrown = 0;
    for (int events = 0; events < 10'000 && after.count() == 0; ++events) {
        try {
            context.run_one_for(patience);
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    EXPECT_EQ(thrown, 3);
    EXPECT_FALSE(after.error());
}

TEST(ShardTurnTest, SmallRequestIsOneWrite) {
    testing::origin origin;
    client subject(trusting(origin.ca_pem()));
    EXPECT_EQ(subject.send(post(origin.url("/upload"), "first")).status, 200U);
    const auto before = subject.stats();
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(subject.send(post(origin.url("/upload"), "head and body")).status, 200U);
    }
    EXPECT_EQ(subject.stats().write_calls - before.write_calls, 10U);
}

}  // namespace
}  // namespace hearth
