#include "core/crowd_door.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

// Calls at a steady rate; of those that are let in, so many can be served in a millisecond.
class door_world {
public:
    struct outcome {
        int refused = 0;
        int served = 0;
        int most_waiting = 0;
    };

    outcome run(base::duration length, int calls_per_ms, int served_per_ms) {
        outcome got;
        for (base::duration at{}; at < length; at += 1ms) {
            now += 1ms;
            for (int i = 0; i < calls_per_ms; ++i) {
                if (door.refuses(now, waiting != 0, draws.unit())) {
                    ++got.refused;
                } else {
                    ++waiting;
                }
            }
            const int served = std::min(waiting, served_per_ms);
            for (int i = 0; i < served; ++i) door.on_served();
            waiting -= served;
            got.served += served;
            got.most_waiting = std::max(got.most_waiting, waiting);
            waiting -= waiting / 45;  // runs out of time
        }
        return got;
    }

    crowd_door door;
    base::time_point now = base::time_point{} + 1h;
    int waiting = 0;

private:
    base::prng draws{1};
};

TEST(CrowdDoorTest, LetsAllInAtFirst) {
    door_world w;
    EXPECT_EQ(w.run(2ms, 10, 1).refused, 0);
    EXPECT_EQ(w.door.let_in(), 1.0);
}

TEST(CrowdDoorTest, NobodyIsRefusedWhileNobodyWaits) {
    door_world w;
    EXPECT_EQ(w.run(1s, 10, 10).refused, 0);
}

TEST(CrowdDoorTest, LetsInAQuarterMoreThanIsServed) {
    door_world w;
    w.run(1s, 100, 20);
    const auto got = w.run(1s, 100, 20);
    EXPECT_GE(got.served, 19'500) << "there is always somebody waiting";
    EXPECT_NEAR(got.refused, 75'000, 5'000) << "of 100,000, of which 20,000 can be served";
}

TEST(CrowdDoorTest, ALittleTooManyAreServedToTheFull) {
    door_world w;
    w.run(1s, 12, 10);
    const auto got = w.run(1s, 12, 10);
    EXPECT_GE(got.served, 9'700) << "of 10,000";
}

TEST(CrowdDoorTest, AStallIsForgottenAsSoonAsItEnds) {
    door_world w;
    w.run(1s, 100, 0);
    EXPECT_NEAR(w.door.let_in(), 0.05, 0.001) << "and no less";
    w.run(200ms, 10, 1'000);
    EXPECT_LT(w.run(100ms, 10, 1'000).refused, 100) << "of 1,000";
}

TEST(CrowdDoorTest, FollowsWhatIsServed) {
    door_world w;
    w.run(1s, 100, 10);
    w.run(200ms, 100, 50);
    EXPECT_GE(w.run(1s, 100, 50).served, 48'500);
    w.run(200ms, 100, 5);
    EXPECT_GE(w.run(1s, 100, 5).refused, 90'000);
}

}  // namespace
}  // namespace hearth::core
