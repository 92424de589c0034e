#include "base/id.hpp"

#include <gtest/gtest.h>

#include <type_traits>
#include <unordered_set>

namespace hearth {
namespace {

TEST(IdTest, DefaultIsInvalid) {
    EXPECT_FALSE(connection_id{}.is_valid());
    EXPECT_TRUE((connection_id{0, 1}.is_valid()));
}

TEST(IdTest, GenerationTellsReusedPlacesApart) {
    EXPECT_NE((connection_id{3, 1}), (connection_id{3, 2}));
    EXPECT_LT((connection_id{2, 9}), (connection_id{3, 1}));
}

TEST(IdTest, KindsDoNotMix) {
    EXPECT_FALSE((std::is_convertible_v<connection_id, exchange_id>));
    EXPECT_FALSE((std::is_convertible_v<origin_id, connection_id>));
}

TEST(IdTest, CanBeHashed) {
    std::unordered_set<exchange_id> seen;
    for (std::uint32_t i = 0; i < 10; ++i) {
        seen.insert({i, 1});
        seen.insert({1, i});
    }
    EXPECT_EQ(seen.size(), 19U);
}

}  // namespace
}  // namespace hearth
