// Words that name shards, and the table of them.
#include "client/origin_table.hpp"

#include <gtest/gtest.h>

#include <set>

namespace hearth::detail {
namespace {

TEST(OriginTableTest, TakersComeAndGoInOrder) {
    takers all;
    EXPECT_TRUE(all.empty());
    for (std::size_t i = 0; i < takers::most; ++i) {
        all = all.with(255 - i);
        EXPECT_EQ(all.count(), i + 1);
        EXPECT_EQ(all.last(), 255 - i);
    }
    EXPECT_EQ(all.first(), 255U);
    EXPECT_TRUE(all.has(250));
    EXPECT_FALSE(all.has(0)) << "places that are not taken name nobody";
    for (std::size_t i = takers::most; i > 0; --i) {
        EXPECT_EQ(all.last(), 256 - i);
        all = all.without_last();
        EXPECT_EQ(all.count(), i - 1);
    }
    EXPECT_EQ(all, takers{});
}

TEST(OriginTableTest, FirstShardIsTakenForNobodyElse) {
    EXPECT_FALSE(takers{}.has(0));
    EXPECT_TRUE(takers{}.with(0).has(0));
    EXPECT_FALSE(takers{}.with(0).empty());
}

TEST(OriginTableTest, HashesThatDifferLittleHaveDifferentSlots) {
    std::set<std::size_t> seen;
    for (std::size_t hash = 0; hash < 100; ++hash) {
        const std::size_t slot = origin_table::slot_of(hash);
        EXPECT_LT(slot, origin_table::slots);
        seen.insert(slot);
    }
    EXPECT_EQ(seen.size(), 100U);
}

TEST(OriginTableTest, SlotsAreEmptyAtFirstAndKeepWhatTheyGet) {
    origin_table table;
    EXPECT_TRUE(table.load(7).empty());
    table.store(7, takers{}.with(3).with(0));
    EXPECT_EQ(table.load(7), takers{}.with(3).with(0));
    EXPECT_TRUE(table.load(8).empty());
}

TEST(OriginTableTest, WhatIsFreeIsClaimedOnce) {
    origin_table table;
    EXPECT_FALSE(table.claim(7, 0)) << "nobody has said anything";
    table.set_free(7, 0, 2);
    table.set_free(7, takers::most - 1, 1000);
    EXPECT_FALSE(table.claim(7, 1));
    EXPECT_FALSE(table.claim(8, 0));
    EXPECT_TRUE(table.claim(7, 0));
    EXPECT_TRUE(table.claim(7, 0));
    EXPECT_FALSE(table.claim(7, 0));
    EXPECT_EQ(table.free(7, 0), 0U);
    EXPECT_EQ(table.free(7, takers::most - 1), 255U) << "more is as good as that";
    table.set_free(7, 0, 3);
    EXPECT_EQ(table.free(7, 0), 1U) << "two are on their way";
    table.arrive(7, 0);
    table.set_free(7, 0, 3);
    EXPECT_EQ(table.free(7, 0), 2U);
    table.reset_free(7, 0, 3);
    EXPECT_EQ(table.free(7, 0), 3U) << "to somebody who is gone";
    table.arrive(7, 0);
    table.set_free(7, 0, 3);
    EXPECT_EQ(table.free(7, 0), 3U);
    table.set_free(7, takers::most - 1, 0);
    EXPECT_FALSE(table.claim(7, takers::most - 1));
}

}  // namespace
}  // namespace hearth::detail
