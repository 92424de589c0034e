// Permits for handshakes that shards share: who is told when one is free.
#include "client/shared_permits.hpp"

#include <gtest/gtest.h>

#include <new>
#include <vector>

namespace hearth::detail {
namespace {

struct told_shards {
    explicit told_shards(std::uint32_t limit)
        : permits(limit, 3, [this](std::size_t index) {
              if (has_no_memory) throw std::bad_alloc();
              told.push_back(index);
          }) {}
    std::vector<std::size_t> told;
    bool has_no_memory = false;
    shared_permits permits;
};

using list = std::vector<std::size_t>;

TEST(SharedPermitsTest, NoMoreThanTheLimitAreTaken) {
    told_shards all(2);
    EXPECT_TRUE(all.permits.take(0));
    EXPECT_TRUE(all.permits.take(1));
    EXPECT_FALSE(all.permits.take(2));
    EXPECT_TRUE(all.told.empty());
    EXPECT_EQ(all.permits.most(), 2U);
}

TEST(SharedPermitsTest, AllThatWaitAreToldAndMayWaitAgain) {
    told_shards all(1);
    ASSERT_TRUE(all.permits.take(0));
    EXPECT_FALSE(all.permits.take(1));
    EXPECT_FALSE(all.permits.take(2));
    all.permits.give();
    EXPECT_EQ(all.told, (list{1, 2}));
    all.permits.looks(2);
    EXPECT_TRUE(all.permits.take(2));
    all.permits.looks(1);
    EXPECT_FALSE(all.permits.take(1));
    all.permits.give();
    EXPECT_EQ(all.told, (list{1, 2, 1}));
}

TEST(SharedPermitsTest, ShardIsNotToldTwiceBeforeItLooks) {
    told_shards all(1);
    ASSERT_TRUE(all.permits.take(0));
    EXPECT_FALSE(all.permits.take(1));
    all.permits.give();
    ASSERT_TRUE(all.permits.take(0));
    EXPECT_FALSE(all.permits.take(1)) << "it began anew, and did not look";
    all.permits.give();
    EXPECT_EQ(all.told, (list{1}));
    all.permits.looks(1);
    EXPECT_TRUE(all.permits.take(1));
}

TEST(SharedPermitsTest, HigherLimitIsNewsAndALowerOneTakesNothingAway) {
    told_shards all(1);
    ASSERT_TRUE(all.permits.take(0));
    EXPECT_FALSE(all.permits.take(1));
    all.permits.set_limit(2);
    EXPECT_EQ(all.told, (list{1}));
    all.permits.looks(1);
    ASSERT_TRUE(all.permits.take(1));
    all.permits.set_limit(1);
    EXPECT_FALSE(all.permits.take(2));
    all.permits.give();
    EXPECT_EQ(all.told, (list{1})) << "there is still one more than there may be";
    all.permits.give();
    EXPECT_EQ(all.told, (list{1, 2}));
}

TEST(SharedPermitsTest, WhoCouldNotBeToldIsToldTheNextTime) {
    told_shards all(1);
    ASSERT_TRUE(all.permits.take(0));
    EXPECT_FALSE(all.permits.take(1));
    all.has_no_memory = true;
    all.permits.give();
    all.has_no_memory = false;
    ASSERT_TRUE(all.permits.take(0));
    all.permits.give();
    EXPECT_EQ(all.told, (list{1}));
}

}  // namespace
}  // namespace hearth::detail
