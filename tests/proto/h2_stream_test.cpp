#include "proto/h2_stream.hpp"

#include <gtest/gtest.h>

namespace hearth::proto {
namespace {

TEST(H2StreamTest, IsFoundByExchangeAndById) {
    h2_stream_table table;
    h2_stream& one = table.add({1, 1}, 1);
    h2_stream& two = table.add({2, 1}, 3);
    EXPECT_EQ(table.find(exchange_id{1, 1}), &one);
    EXPECT_EQ(table.find(3), &two);
    EXPECT_EQ(table.find(exchange_id{1, 2}), nullptr);
    EXPECT_EQ(table.find(5), nullptr);
    table.erase(one);
    EXPECT_EQ(table.find(exchange_id{1, 1}), nullptr);
    EXPECT_EQ(table.find(1), nullptr);
    EXPECT_EQ(table.size(), 1U);
}

TEST(H2StreamTest, StaysInItsPlaceWhileOthersComeAndGo) {
    h2_stream_table table;
    const h2_stream* const first = &table.add({0, 1}, 1);
    for (std::uint32_t i = 1; i < 1000; ++i) {
        table.add({i, 1}, static_cast<std::int32_t>(2 * i + 1));
    }
    for (std::uint32_t i = 1; i < 1000; i += 2) table.erase(*table.find(exchange_id{i, 1}));
    EXPECT_EQ(table.find(1), first);
    EXPECT_EQ(table.size(), 500U);
    std::size_t visited = 0;
    table.for_each([&visited](const h2_stream&) { ++visited; });
    EXPECT_EQ(visited, 500U);
}

TEST(H2StreamTest, RemembersTheLastThatEnded) {
    h2_stream_table table;
    EXPECT_FALSE(table.was_ended(0));
    for (std::int32_t id = 1; id < 1001; id += 2) table.note_ended(id);
    EXPECT_TRUE(table.was_ended(999));
    EXPECT_TRUE(table.was_ended(873));
    EXPECT_FALSE(table.was_ended(1));
    EXPECT_FALSE(table.was_ended(1001));
}

}  // namespace
}  // namespace hearth::proto
