#include "base/assert.hpp"

#include <gtest/gtest.h>

namespace hearth::base {
namespace {

TEST(AssertTest, KeptInvariantIsNotCounted) {
    const std::uint64_t before = invariants_broken();
    HEARTH_ASSERT(1 + 1 == 2);
    EXPECT_EQ(invariants_broken(), before);
}

#if defined(HEARTH_CHECKED)
TEST(AssertDeathTest, BrokenInvariantAbortsWithItsPlace) {
    EXPECT_DEATH(HEARTH_ASSERT(1 + 1 == 3), "broken invariant `1 \\+ 1 == 3` at .*assert_test");
}
#else
TEST(AssertTest, BrokenInvariantIsCounted) {
    const std::uint64_t before = invariants_broken();
    HEARTH_ASSERT(1 + 1 == 3);
    EXPECT_EQ(invariants_broken(), before + 1);
}
#endif

}  // namespace
}  // namespace hearth::base
