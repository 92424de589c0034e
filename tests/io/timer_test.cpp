#include "io/timer.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>

namespace hearth::io {
namespace {

using namespace std::chrono_literals;

struct counting final : timer_listener {
    int fired = 0;
    void on_timer() override { ++fired; }
};

base::time_point now() { return std::chrono::steady_clock::now(); }

TEST(TimerTest, FiresOnceForAnArmedTime) {
    boost::asio::io_context context;
    const auto listener = std::make_shared<counting>();
    timer subject(context.get_executor(), listener);
    subject.arm(now() + 1ms);
    context.run();
    EXPECT_EQ(listener->fired, 1);
}

TEST(TimerTest, FiresAtOnceForATimeThatHasPassed) {
    boost::asio::io_context context;
    const auto listener = std::make_shared<counting>();
    timer subject(context.get_executor(), listener);
    subject.arm(now() - 1h);
    context.run();
    EXPECT_EQ(listener->fired, 1);
}

TEST(TimerTest, ALaterTimeIsNotArmedWhileAnEarlierOneIs) {
    boost::asio::io_context context;
    const auto listener = std::make_shared<counting>();
    timer subject(context.get_executor(), listener);
    subject.arm(now() + 1ms);
    subject.arm(now() + 1h);
    context.run();
    EXPECT_EQ(listener->fired, 1) << "the early one fires; whoever armed it looks and arms again";
}

TEST(TimerTest, AnEarlierTimeReplacesALaterOne) {
    boost::asio::io_context context;
    const auto listener = std::make_shared<counting>();
    timer subject(context.get_executor(), listener);
    subject.arm(now() + 1h);
    subject.arm(now() + 1ms);
    context.run();
    EXPECT_EQ(listener->fired, 1);
}

TEST(TimerTest, NeverArmsNothing) {
    boost::asio::io_context context;
    const auto listener = std::make_shared<counting>();
    timer subject(context.get_executor(), listener);
    subject.arm(base::never);
    context.run();
    EXPECT_EQ(listener->fired, 0);
}

// A caller's context runs until there is nothing left to do.
TEST(TimerTest, NeverEndsTheWaitForAnEarlierTime) {
    boost::asio::io_context context;
    const auto listener = std::make_shared<counting>();
    timer subject(context.get_executor(), listener);
    subject.arm(now() + 24h);
    subject.arm(base::never);
    context.run();
    EXPECT_EQ(listener->fired, 0);
    subject.arm(now());
    context.restart();
    context.run();
    EXPECT_EQ(listener->fired, 1);
}

TEST(TimerTest, CancelledTimerDoesNotFireAndCanBeArmedAgain) {
    boost::asio::io_context context;
    const auto listener = std::make_shared<counting>();
    timer subject(context.get_executor(), listener);
    subject.arm(now() + 1h);
    subject.cancel();
    context.run();
    EXPECT_EQ(listener->fired, 0);
    subject.arm(now() + 1ms);
    context.restart();
    context.run();
    EXPECT_EQ(listener->fired, 1);
}

TEST(TimerTest, DeadListenerIsNotCalled) {
    boost::asio::io_context context;
    auto listener = std::make_shared<counting>();
    timer subject(context.get_executor(), listener);
    subject.arm(now() + 1ms);
    listener.reset();
    context.run();
    EXPECT_TRUE(context.stopped());
}

}  // namespace
}  // namespace hearth::io
