#include "client/fork_count.hpp"

#include <gtest/gtest.h>

#include "support/forked.hpp"

namespace hearth::detail {
namespace {

using support::forked;

TEST(ForkCountTest, GrowsInTheChildOnly) {
    const std::uint32_t here = fork_count();
    forked child([&] { return static_cast<int>(fork_count() - here); });
    EXPECT_EQ(child.result(), 1);
    EXPECT_EQ(fork_count(), here);
}

TEST(ForkCountTest, GrowsAgainInTheChildOfAChild) {
    const std::uint32_t here = fork_count();
    forked child([&] {
        forked grandchild([&] { return static_cast<int>(fork_count() - here); });
        return grandchild.result();
    });
    EXPECT_EQ(child.result(), 2);
}

}  // namespace
}  // namespace hearth::detail
