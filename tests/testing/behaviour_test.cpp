// When the knobs let an answer leave.
#include "testing/behaviour.hpp"

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using hearth::testing::internal::behaviour;

const behaviour::clock::time_point t0 = behaviour::clock::time_point{} + 1h;

TEST(BehaviourTest, IsIdleUntilAKnobIsTurned) {
    behaviour knobs;
    EXPECT_FALSE(knobs.is_active());
    knobs.set_latency(1ms);
    EXPECT_TRUE(knobs.is_active());
}

TEST(BehaviourTest, AStallHoldsAnswersToTheEndOfItsWindow) {
    behaviour knobs;
    knobs.stall(t0, 500ms);
    EXPECT_EQ(knobs.release_time(t0), t0 + 500ms);
    EXPECT_EQ(knobs.release_time(t0 + 499ms), t0 + 500ms);
    EXPECT_EQ(knobs.release_time(t0 + 600ms), t0 + 600ms);
    EXPECT_EQ(knobs.earliest_answer(t0), t0);
}

TEST(BehaviourTest, ANewStallReplacesTheOneBefore) {
    behaviour knobs;
    knobs.stall(t0, 500ms);
    knobs.stall(t0 + 10ms, 0ms);
    EXPECT_EQ(knobs.release_time(t0 + 20ms), t0 + 20ms);
}

TEST(BehaviourTest, ASlowWindowDelaysTheRequestsReadInIt) {
    behaviour knobs;
    knobs.slow_down(t0, 500ms, 2s);
    EXPECT_EQ(knobs.earliest_answer(t0 + 499ms), t0 + 499ms + 2s);
    EXPECT_EQ(knobs.earliest_answer(t0 + 500ms), t0 + 500ms);
    EXPECT_EQ(knobs.release_time(t0), t0);
}

TEST(BehaviourTest, LatencyAndASlowWindowDoNotAddUp) {
    behaviour knobs;
    knobs.set_latency(30ms);
    EXPECT_EQ(knobs.earliest_answer(t0), t0 + 30ms);
    knobs.slow_down(t0, 500ms, 20ms);
    EXPECT_EQ(knobs.earliest_answer(t0), t0 + 30ms);
    knobs.set_latency(0ms);
    EXPECT_EQ(knobs.earliest_answer(t0), t0 + 20ms);
}

}  // namespace
