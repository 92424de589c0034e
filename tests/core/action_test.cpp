#include "core/action.hpp"

#include <gtest/gtest.h>

#include <type_traits>

namespace hearth::core {
namespace {

TEST(ActionTest, DefaultSaysNothingAndNamesNothing) {
    const action value;
    EXPECT_EQ(value.kind, action_kind::none);
    EXPECT_EQ(value.failure, wait_failure::none);
    EXPECT_EQ(value.dial, dial_failure::none);
    EXPECT_FALSE(value.connection.is_valid());
    EXPECT_FALSE(value.exchange.is_valid());
    EXPECT_FALSE(value.origin.is_valid());
}

TEST(ActionTest, FitsACacheLineAndIsCopiedAsBytes) {
    EXPECT_LE(sizeof(action), 64U);
    EXPECT_TRUE(std::is_trivially_copyable_v<action>);
}

}  // namespace
}  // namespace hearth::core
