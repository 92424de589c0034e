// When a queue of waiters counts as overloaded, and how fast its oldest are shed.
#include "core/queue_watch.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;
using base::duration;

const base::time_point t0{std::chrono::hours{1}};
constexpr duration target = 5ms;
constexpr duration interval = 100ms;

// Looks every millisecond for `time` at a queue whose oldest waiter has always waited `wait`, and
// that loses a waiter each time if `loses`.
queue_watch watched(duration time, duration wait, bool loses) {
    queue_watch watch;
    std::uint64_t lost = 0;
    for (duration at{}; at <= time; at += 1ms) {
        lost += loses ? 1 : 0;
        watch.look(t0 + at, t0 + at - wait, lost, target, interval);
    }
    return watch;
}

TEST(QueueWatchTest, ShortWaitsAreCalm) { EXPECT_FALSE(watched(1s, 4ms, true).is_overloaded()); }

TEST(QueueWatchTest, LongWaitsThroughoutTheIntervalAreOverload) {
    EXPECT_FALSE(watched(99ms, 5ms, true).is_overloaded());
    EXPECT_TRUE(watched(100ms, 5ms, true).is_overloaded());
}

TEST(QueueWatchTest, QueueThatEverybodySurvivesIsABatch) {
    EXPECT_FALSE(watched(1h / 100, 10s, false).is_overloaded());
}

TEST(QueueWatchTest, OneShortWaitBeginsTheIntervalAnew) {
    queue_watch watch = watched(99ms, 5ms, true);
    watch.look(t0 + 100ms, t0 + 99ms, 200, target, interval);
    watch.look(t0 + 101ms, t0 + 95ms, 201, target, interval);
    watch.look(t0 + 200ms, t0 + 195ms, 202, target, interval);
    EXPECT_FALSE(watch.is_overloaded());
}

TEST(QueueWatchTest, ShortWaitEndsIt) {
    queue_watch watch = watched(200ms, 5ms, true);
    watch.look(t0 + 201ms, t0 + 197ms, 300, target, interval);
    EXPECT_FALSE(watch.is_overloaded());
    EXPECT_FALSE(watch.sheds(t0 + 201ms, interval));
}

TEST(QueueWatchTest, ShedsOneAtFirstThenEverFaster) {
    queue_watch watch = watched(100ms, 5ms, true);
    int shed[3] = {};
    for (int ms = 100; ms < 1600; ++ms) {
        if (watch.sheds(t0 + std::chrono::milliseconds(ms), interval)) ++shed[(ms - 100) / 500];
    }
    EXPECT_GT(shed[0], 4);
    EXPECT_GT(shed[1], shed[0]);
    EXPECT_GT(shed[2], shed[1]);
    EXPECT_LT(shed[2], 60);
}

TEST(QueueWatchTest, CalmShedsNobody) {
    queue_watch watch;
    EXPECT_FALSE(watch.sheds(t0, interval));
}

}  // namespace
}  // namespace hearth::core
