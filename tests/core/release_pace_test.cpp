#include "core/release_pace.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

struct releases {
    release_pace pace;
    base::time_point now = base::time_point{} + 1h;

    void go_on(base::duration length, base::duration each) {
        for (base::duration at{}; at < length; at += each) {
            now += each;
            pace.note(now);
        }
    }
};

TEST(ReleasePaceTest, KnowsNothingAtFirst) {
    releases r;
    EXPECT_EQ(r.pace.within(r.now, 1s), 0.0);
    r.go_on(5ms, 1ms);
    EXPECT_EQ(r.pace.within(r.now, 1s), 0.0) << "no window has ended";
}

TEST(ReleasePaceTest, SaysHowManyWillComeFree) {
    releases r;
    r.go_on(100ms, 250us);
    EXPECT_NEAR(r.pace.within(r.now, 20ms), 80.0, 2.0);
}

TEST(ReleasePaceTest, FollowsAChangeWithinTwoWindows) {
    releases r;
    r.go_on(100ms, 250us);
    r.go_on(20ms, 1ms);
    EXPECT_NEAR(r.pace.within(r.now, 20ms), 20.0, 3.0);
}

TEST(ReleasePaceTest, FadesWhenNothingComesFree) {
    releases r;
    r.go_on(100ms, 250us);
    r.now += 200ms;
    EXPECT_LT(r.pace.within(r.now, 20ms), 5.0);
    r.go_on(1ms, 1ms);
    EXPECT_EQ(r.pace.within(r.now, 20ms), 0.0) << "what was before the pause says nothing";
}

TEST(ReleasePaceTest, IsForgottenWhenAConnectionInUseIsLost) {
    releases r;
    r.go_on(100ms, 250us);
    r.pace.reset();
    EXPECT_EQ(r.pace.within(r.now, 20ms), 0.0);
}

}  // namespace
}  // namespace hearth::core
