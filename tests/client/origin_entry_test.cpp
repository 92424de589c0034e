#include "client/origin_entry.hpp"

#include <gtest/gtest.h>

namespace hearth::detail {
namespace {

TEST(OriginEntryTest, OfAnOriginThatNobodyDialledNamesNoFailureAndHoldsNobody) {
    const origin_entry entry;
    EXPECT_FALSE(entry.dial_error);
    EXPECT_EQ(entry.dial_phase, phase::none);
    EXPECT_EQ(entry.dialing, 0U);
    EXPECT_EQ(entry.dialing_phase, phase::queue) << "where its waiters are";
    EXPECT_EQ(entry.gate, nullptr);
    EXPECT_EQ(entry.names.book, nullptr);
    EXPECT_FALSE(entry.hedging);
}

}  // namespace
}  // namespace hearth::detail
