#include "proto/h1_input.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hearth::proto {
namespace {

std::span<const std::byte> octets(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(H1InputTest, LooksAtBorrowedOctetsWhereTheyLie) {
    const std::string text = "line\nrest";
    h1_input input;
    input.borrow(octets(text));
    EXPECT_EQ(input.unit().data(), text.data());
    EXPECT_EQ(input.take_line(100), "line\n");
    input.finish_unit(5);
    EXPECT_EQ(input.size(), 4U);
    EXPECT_EQ(input.front(), 'r');
    EXPECT_EQ(input.consumed(), 5U);
    EXPECT_EQ(input.memory(), 0U);
}

TEST(H1InputTest, RetainsOnlyWhatIsLeft) {
    h1_input input;
    {
        const std::string text(1000, 'x');
        input.borrow(octets(text));
        input.consume(900);
        input.retain();
    }
    EXPECT_EQ(input.size(), 100U);
    EXPECT_EQ(input.memory(), 100U);
    EXPECT_EQ(input.unit(), std::string(100, 'x'));
    input.consume(100);
    input.retain();
    EXPECT_EQ(input.memory(), 0U);
}

TEST(H1InputTest, KeepsWhatItHoldsWhenRetainedAgain) {
    h1_input input;
    const std::string text = "abc";
    input.borrow(octets(text));
    input.retain();
    const std::byte* const held = input.first(1).data();
    input.consume(1);
    input.retain();
    EXPECT_EQ(input.first(1).data(), held + 1);
}

TEST(H1InputTest, JoinsALineOverBorrows) {
    h1_input input;
    for (const std::string_view part : {"a", "b", "c"}) {
        input.borrow(octets(part));
        EXPECT_FALSE(input.take_line(100));
        EXPECT_TRUE(input.empty());
    }
    input.borrow(octets("\nrest"));
    EXPECT_EQ(input.take_line(100), "abc\n");
    EXPECT_TRUE(input.is_unit_split());
    input.finish_unit(4);
    EXPECT_FALSE(input.is_unit_split());
    EXPECT_EQ(input.unit(), "rest");
    EXPECT_EQ(input.consumed(), 4U);
}

TEST(H1InputTest, MovesNoMoreThanTheLimit) {
    h1_input input;
    const std::string text(100, 'x');
    input.borrow(octets(text));
    EXPECT_FALSE(input.take_line(10));
    EXPECT_EQ(input.unit().size(), 10U);
    EXPECT_EQ(input.size(), 90U);
}

TEST(H1InputTest, FreesItsBuffers) {
    h1_input input;
    const std::string text(1000, 'x');
    input.borrow(octets(text));
    input.move_to_unit();
    EXPECT_GE(input.memory(), 1000U);
    input.drop_unit();
    EXPECT_EQ(input.memory(), 0U);
    input.borrow(octets(text));
    input.retain();
    input.clear();
    EXPECT_EQ(input.memory(), 0U);
    EXPECT_TRUE(input.empty());
}

}  // namespace
}  // namespace hearth::proto
