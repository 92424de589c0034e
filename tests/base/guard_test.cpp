#include "base/guard.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace hearth::base {
namespace {

TEST(GuardTest, LetsOneThreadInAtATime) {
    const guard door;
    int visits = 0;
    const auto visit = [&] {
        for (int i = 0; i < 20'000; ++i) {
            const auto inside = door.enter();
            ++visits;
        }
    };
    std::thread other(visit);
    visit();
    other.join();
    EXPECT_EQ(visits, 40'000);
}

}  // namespace
}  // namespace hearth::base
