#include "base/byte_queue.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/prng.hpp"

namespace hearth::base {
namespace {

std::string text_of(const byte_queue& queue) {
    const auto bytes = queue.data();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(ByteQueueTest, HoldsNothingAtFirst) {
    byte_queue queue;
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.capacity(), 0U);
    EXPECT_TRUE(queue.data().empty());
    queue.append(std::string_view{});
    EXPECT_EQ(queue.capacity(), 0U);
}

TEST(ByteQueueTest, AppendsAtTheEndAndConsumesAtTheFront) {
    byte_queue queue;
    queue.append("hello ");
    queue.append("world");
    queue.consume(3);
    EXPECT_EQ(text_of(queue), "lo world");
    EXPECT_EQ(queue.size(), 8U);
}

TEST(ByteQueueTest, ConsumedOctetsMayBeWrittenOver) {
    byte_queue queue;
    EXPECT_EQ(queue.before(1), nullptr);
    queue.append("hello world");
    EXPECT_EQ(queue.before(1), nullptr);
    queue.consume(6);
    EXPECT_EQ(queue.before(7), nullptr);
    std::byte* const front = queue.before(6);
    ASSERT_NE(front, nullptr);
    EXPECT_EQ(front + 6, queue.data().data());
}

TEST(ByteQueueTest, PreparedRoomBecomesPartWhenCommitted) {
    byte_queue queue;
    const auto room = queue.prepare(1000);
    ASSERT_GE(room.size(), 1000U);
    room[0] = std::byte{'a'};
    room[1] = std::byte{'b'};
    queue.commit(2);
    EXPECT_EQ(text_of(queue), "ab");
}

TEST(ByteQueueTest, ReleaseGivesMemoryBackOnlyWhenEmpty) {
    byte_queue queue;
    queue.append("x");
    queue.release();
    EXPECT_EQ(text_of(queue), "x");
    queue.consume(1);
    queue.release();
    EXPECT_EQ(queue.capacity(), 0U);
    queue.append("again");
    EXPECT_EQ(text_of(queue), "again");
}

TEST(ByteQueueTest, ConsumedRoomIsUsedAgain) {
    byte_queue queue;
    queue.append(std::string(500, 'x'));
    const std::size_t before = queue.capacity();
    for (int i = 0; i < 1000; ++i) {
        queue.consume(400);
        queue.append(std::string(400, 'y'));
    }
    EXPECT_LE(queue.capacity(), before * 2);
}

TEST(ByteQueueTest, BehavesLikeAStringUnderRandomUse) {
    byte_queue queue;
    std::string model;
    prng random(4);
    for (int step = 0; step < 5000; ++step) {
        if (random.below(2) == 0) {
            const std::string more(random.below(3000), static_cast<char>('a' + step % 26));
            queue.append(more);
            model += more;
        } else {
            const std::size_t size = random.below(model.size() + 1);
            queue.consume(size);
            model.erase(0, size);
        }
        if (random.below(100) == 0) {
            queue.clear();
            model.clear();
        }
        ASSERT_EQ(queue.size(), model.size());
        ASSERT_EQ(text_of(queue), model);
    }
}

}  // namespace
}  // namespace hearth::base
