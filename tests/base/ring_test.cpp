#include "base/ring.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "base/prng.hpp"

namespace hearth::base {
namespace {

TEST(RingTest, FirstInFirstOut) {
    ring<int> queue(2);
    for (int i = 0; i < 10; ++i) queue.push(i);
    int value = -1;
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(queue.pop(value));
        EXPECT_EQ(value, i);
    }
    EXPECT_FALSE(queue.pop(value));
}

TEST(RingTest, CapacityOfNoneStillWorks) {
    ring<int> queue(0);
    queue.push(1);
    queue.push(2);
    EXPECT_EQ(queue.size(), 2U);
}

TEST(RingTest, MovesWhatCannotBeCopied) {
    ring<std::unique_ptr<int>> queue(1);
    for (int i = 0; i < 5; ++i) queue.push(std::make_unique<int>(i));
    std::unique_ptr<int> value;
    ASSERT_TRUE(queue.pop(value));
    EXPECT_EQ(*value, 0);
}

TEST(RingTest, GrowsFromAnyPosition) {
    ring<int> queue(4);
    std::deque<int> model;
    prng random(2);
    int next = 0;
    for (int step = 0; step < 20'000; ++step) {
        if (random.below(100) < 51) {
            queue.push(next);
            model.push_back(next++);
        } else {
            int value = -1;
            ASSERT_EQ(queue.pop(value), !model.empty());
            if (model.empty()) continue;
            ASSERT_EQ(value, model.front());
            model.pop_front();
        }
        ASSERT_EQ(queue.size(), model.size());
        ASSERT_EQ(queue.empty(), model.empty());
    }
}

TEST(RingTest, KeepsWhatIsInItWhenMoreIsReserved) {
    ring<int> queue(2);
    queue.push(1);
    queue.push(2);
    queue.reserve(100);
    for (int i = 3; i < 50; ++i) queue.push(i);
    int value = 0;
    for (int i = 1; i < 50; ++i) {
        ASSERT_TRUE(queue.pop(value));
        EXPECT_EQ(value, i);
    }
}

}  // namespace
}  // namespace hearth::base
