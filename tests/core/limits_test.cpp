#include "core/limits.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

limits with_origins(std::uint32_t leases, std::uint32_t total, std::uint32_t origins,
                    std::uint32_t limit = 10) {
    limits value(leases, total);
    for (std::uint32_t i = 0; i < origins; ++i) value.add_origin(i, limit);
    return value;
}

TEST(LimitsTest, OriginHasRoomUpToItsLimit) {
    limits value = with_origins(100, 100, 2, 3);
    for (std::uint32_t i = 0; i < 3; ++i) {
        EXPECT_EQ(value.room(0), 3 - i);
        value.open(0);
    }
    EXPECT_FALSE(value.has_room(0));
    EXPECT_TRUE(value.has_room(1));
    value.close(0);
    EXPECT_TRUE(value.has_room(0));
    value.check_invariants();
}

TEST(LimitsTest, LeasesBoundAllOriginsTogether) {
    limits value = with_origins(2, 100, 2);
    value.open(0);
    value.open(1);
    EXPECT_FALSE(value.has_lease());
    EXPECT_TRUE(value.has_room(0));
    value.close(1);
    EXPECT_TRUE(value.has_lease());
    EXPECT_EQ(value.used(), 1U);
}

TEST(LimitsTest, OriginsTakeTurns) {
    limits value = with_origins(9, 9, 3);
    value.set_demand(0, 2, 2);
    value.set_demand(2, 2, 2);
    value.set_demand(1, 2, 2);
    std::vector<std::uint32_t> order;
    for (int i = 0; i < 6; ++i) {
        order.push_back(value.first_in_line());
        value.rotate(value.first_in_line());
    }
    EXPECT_EQ(order, (std::vector<std::uint32_t>{0, 2, 1, 0, 2, 1}));
    value.check_invariants();
}

TEST(LimitsTest, WaitersComeBeforeWarmUp) {
    limits value = with_origins(9, 9, 2);
    value.set_demand(0, 0, 5);
    EXPECT_FALSE(value.waiters_in_line());
    value.set_demand(1, 1, 1);
    EXPECT_EQ(value.first_in_line(), 1U);
    value.set_demand(1, 0, 0);
    EXPECT_EQ(value.first_in_line(), 0U);
    value.set_demand(0, 1, 5);
    EXPECT_TRUE(value.waiters_in_line()) << "it changed its line";
    value.set_demand(0, 0, 0);
    EXPECT_EQ(value.first_in_line(), base::no_index);
    value.check_invariants();
}

TEST(LimitsTest, ChangedDemandKeepsThePlaceInLine) {
    limits value = with_origins(9, 9, 2);
    value.set_demand(0, 1, 1);
    value.set_demand(1, 1, 1);
    value.set_demand(0, 3, 4);
    EXPECT_EQ(value.first_in_line(), 0U);
    EXPECT_EQ(value.wanted(), 5U);
}

TEST(LimitsTest, RotateOutsideTheLineDoesNothing) {
    limits value = with_origins(9, 9, 1);
    value.rotate(0);
    EXPECT_EQ(value.first_in_line(), base::no_index);
    value.check_invariants();
}

TEST(LimitsTest, AsksOnceForWhatIsMissing) {
    limits value = with_origins(1, 100, 1);
    value.open(0);
    value.set_demand(0, 3, 3);
    EXPECT_EQ(value.take_request(), 3U);
    EXPECT_EQ(value.take_request(), 0U);
    value.set_demand(0, 5, 5);
    EXPECT_EQ(value.take_request(), 2U);
    value.grant(4);
    EXPECT_EQ(value.held(), 5U);
    EXPECT_EQ(value.take_request(), 0U) << "one is still asked for";
}

TEST(LimitsTest, NeverAsksForMoreThanCanExist) {
    limits value = with_origins(4, 6, 1);
    for (int i = 0; i < 4; ++i) value.open(0);
    value.set_demand(0, 5, 5);
    EXPECT_TRUE(value.may_grow());
    EXPECT_EQ(value.take_request(), 2U);
    value.grant(2);
    EXPECT_FALSE(value.may_grow());
    EXPECT_EQ(value.take_request(), 0U);
}

TEST(LimitsTest, GivesBackOnlyUnusedLeasesThatWereRecalled) {
    limits value = with_origins(3, 9, 1);
    value.open(0);
    EXPECT_FALSE(value.give_back()) << "nothing is recalled";
    value.set_recall(5);
    EXPECT_TRUE(value.give_back());
    EXPECT_TRUE(value.give_back());
    EXPECT_FALSE(value.give_back()) << "the last one is used";
    EXPECT_EQ(value.recalled(), 3U);
    value.close(0);
    EXPECT_TRUE(value.give_back());
    EXPECT_EQ(value.held(), 0U);
    value.set_recall(0);
    EXPECT_EQ(value.recalled(), 0U);
}

TEST(LimitsTest, CeilingHoldsWhatIsOpenAndLetsItBeReplaced) {
    limits value = with_origins(9, 20, 1);
    value.open(0);
    value.open(0);
    EXPECT_FALSE(value.is_at_ceiling());
    value.set_ceiling();
    EXPECT_TRUE(value.has_ceiling());
    EXPECT_FALSE(value.has_lease());
    EXPECT_FALSE(value.may_grow());
    value.close(0);
    EXPECT_TRUE(value.has_lease());
    value.open(0);
    EXPECT_FALSE(value.has_lease());
    value.check_invariants();
    value.lift_ceiling();
    EXPECT_TRUE(value.has_lease());
}

TEST(LimitsTest, CeilingIsRaisedAboveWhatIsOpenAndNeverLowered) {
    limits value = with_origins(9, 9, 1);
    value.raise_ceiling(1);
    EXPECT_FALSE(value.has_ceiling());
    for (int i = 0; i < 3; ++i) value.open(0);
    value.set_ceiling();
    value.raise_ceiling(1);
    EXPECT_TRUE(value.has_lease());
    value.open(0);
    EXPECT_FALSE(value.has_lease());
    for (int i = 0; i < 3; ++i) value.close(0);
    value.raise_ceiling(1);
    for (int i = 0; i < 3; ++i) value.open(0);
    EXPECT_FALSE(value.has_lease()) << "four fitted before";
}

TEST(LimitsTest, UnderACeilingNothingIsAskedForAndUnusedLeasesGoBack) {
    limits value = with_origins(3, 9, 1);
    value.open(0);
    value.set_ceiling();
    value.set_demand(0, 5, 5);
    EXPECT_EQ(value.take_request(), 0U);
    value.set_recall(3);
    EXPECT_TRUE(value.give_back());
    EXPECT_TRUE(value.give_back());
    EXPECT_FALSE(value.give_back()) << "the last one is used";
}

TEST(LimitsTest, LowerLimitOpensNothingUntilEnoughHasClosed) {
    limits value = with_origins(100, 100, 1, 3);
    for (int i = 0; i < 3; ++i) value.open(0);
    value.set_limit(0, 1);
    EXPECT_EQ(value.room(0), 0U);
    EXPECT_EQ(value.beyond(0), 2U);
    value.check_invariants();
    value.close(0);
    value.close(0);
    EXPECT_FALSE(value.has_room(0));
    EXPECT_EQ(value.beyond(0), 0U);
    value.close(0);
    EXPECT_EQ(value.room(0), 1U);
    value.check_invariants();
}

TEST(LimitsTest, OwedLeasesAreNotUsedAgain) {
    limits value = with_origins(3, 3, 1);
    value.open(0);
    value.open(0);
    value.set_owed(2);
    EXPECT_FALSE(value.has_lease());
    EXPECT_EQ(value.pay(), 1U) << "the other one is in use";
    EXPECT_EQ(value.owed(), 1U);
    value.close(0);
    EXPECT_FALSE(value.has_lease());
    EXPECT_EQ(value.pay(), 1U);
    EXPECT_EQ(value.held(), 1U);
    value.check_invariants();
}

TEST(LimitsTest, SpareLeasesAreThoseThatCouldBeUsedNow) {
    limits all(3, 10);
    all.add_origin(0, 10);
    EXPECT_EQ(all.spare(), 3U);
    all.open(0);
    EXPECT_EQ(all.spare(), 2U);
    all.set_owed(1);
    EXPECT_EQ(all.spare(), 1U);
    all.set_owed(0);
    all.set_ceiling();
    EXPECT_EQ(all.spare(), 0U) << "the process has no more descriptors";
}

TEST(LimitsTest, PlaceOfARemovedOriginIsUsedAgain) {
    limits value = with_origins(3, 3, 2, 5);
    value.remove_origin(0);
    value.add_origin(0, 7);
    EXPECT_EQ(value.room(0), 7U);
    EXPECT_EQ(value.bound(), 2U);
}

}  // namespace
}  // namespace hearth::core
