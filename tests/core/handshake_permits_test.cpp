// Schedulers that share a limit on handshakes past their ClientHello.
#include "core/handshake_permits.hpp"

#include <gtest/gtest.h>

#include "core/handshake_scheduler.hpp"

namespace hearth::core {
namespace {

using namespace std::chrono_literals;
using enum handshake_need;

connection_id named(std::uint32_t index) { return {index, 1}; }

struct counted_permits final : handshake_permits {
    explicit counted_permits(int count) : left(count) {}
    bool take() noexcept override {
        if (left == 0) return false;
        --left;
        return true;
    }
    void give() noexcept override { ++left; }
    int left;
};

void add_waiting(handshake_scheduler& scheduler, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
        scheduler.add(named(i), i);
        EXPECT_TRUE(scheduler.set_need(named(i), hello));
    }
}

bool run_one(handshake_scheduler& scheduler, slice_outcome outcome = slice_outcome::waiting) {
    scheduler.begin_turn();
    const connection_id connection = scheduler.next();
    if (!connection.is_valid()) return false;
    EXPECT_TRUE(scheduler.on_slice_done(connection, 1ms, outcome));
    return true;
}

TEST(HandshakePermitsTest, HelloNeedsOneAndEndGivesItBack) {
    counted_permits permits(1);
    handshake_scheduler first({.max_concurrent = 8}, true, &permits);
    handshake_scheduler second({.max_concurrent = 8}, true, &permits);
    add_waiting(first, 2);
    add_waiting(second, 1);
    EXPECT_TRUE(run_one(first));
    EXPECT_EQ(permits.left, 0);
    EXPECT_TRUE(second.wants_turn()) << "it has not asked yet";
    EXPECT_FALSE(run_one(second));
    EXPECT_FALSE(second.wants_turn()) << "nothing to do before it is told";
    ASSERT_TRUE(first.set_need(named(0), flight));
    EXPECT_TRUE(run_one(first, slice_outcome::done)) << "what has said hello needs no other";
    EXPECT_EQ(permits.left, 1);
    second.on_permits();
    EXPECT_TRUE(second.wants_turn());
    EXPECT_TRUE(run_one(second));
    EXPECT_EQ(permits.left, 0);
    second.remove(named(0));
    EXPECT_EQ(permits.left, 1) << "that handshake is gone";
}

TEST(HandshakePermitsTest, OwnLimitHoldsAsWell) {
    counted_permits permits(5);
    handshake_scheduler scheduler({.max_concurrent = 2}, true, &permits);
    add_waiting(scheduler, 3);
    EXPECT_TRUE(run_one(scheduler));
    EXPECT_TRUE(run_one(scheduler));
    EXPECT_FALSE(run_one(scheduler));
    EXPECT_EQ(permits.left, 3);
}

TEST(HandshakePermitsTest, SchedulerThatEndsGivesBackAllItHas) {
    counted_permits permits(5);
    {
        handshake_scheduler scheduler({.max_concurrent = 8}, true, &permits);
        add_waiting(scheduler, 3);
        while (run_one(scheduler)) {
        }
        EXPECT_EQ(permits.left, 2);
    }
    EXPECT_EQ(permits.left, 5);
}

TEST(HandshakePermitsTest, WithoutOrderThereIsNoLimit) {
    counted_permits permits(0);
    handshake_scheduler scheduler({.max_concurrent = 1}, false, &permits);
    add_waiting(scheduler, 3);
    EXPECT_TRUE(run_one(scheduler));
    EXPECT_TRUE(run_one(scheduler));
}

}  // namespace
}  // namespace hearth::core
