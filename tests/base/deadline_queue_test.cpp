#include "base/deadline_queue.hpp"

#include <gtest/gtest.h>

namespace hearth::base {
namespace {

using namespace std::chrono_literals;

const time_point t0{1h};

TEST(DeadlineQueueTest, EmptyQueueIsNeverDue) {
    deadline_queue<int> queue;
    int payload = 0;
    EXPECT_EQ(queue.next(), never);
    EXPECT_FALSE(queue.pop_due(never, payload));
}

TEST(DeadlineQueueTest, GivesWhatIsDueEarliestFirst) {
    deadline_queue<int> queue;
    deadline_handle a = 0;
    deadline_handle b = 0;
    queue.set(a, t0 + 2s, 1);
    queue.set(b, t0 + 1s, 2);
    int payload = 0;
    EXPECT_EQ(queue.next(), t0 + 1s);
    EXPECT_FALSE(queue.pop_due(t0 + 1s - 1ns, payload));
    ASSERT_TRUE(queue.pop_due(t0 + 3s, payload));
    EXPECT_EQ(payload, 2);
    ASSERT_TRUE(queue.pop_due(t0 + 3s, payload));
    EXPECT_EQ(payload, 1);
    EXPECT_EQ(queue.size(), 0U);
}

TEST(DeadlineQueueTest, DeadlineCanBeMovedAndTakenBack) {
    deadline_queue<int> queue;
    deadline_handle a = 0;
    queue.set(a, t0 + 2s, 1);
    queue.set(a, t0 + 9s, 1);
    EXPECT_EQ(queue.next(), t0 + 9s);
    queue.set(a, never, 1);
    EXPECT_EQ(a, 0U);
    EXPECT_EQ(queue.next(), never);
    queue.set(a, never, 1);
    EXPECT_EQ(queue.size(), 0U);
}

}  // namespace
}  // namespace hearth::base
