#include "base/slab.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "base/id.hpp"
#include "base/prng.hpp"

namespace hearth::base {
namespace {

struct thing_tag;
using thing_id = id<thing_tag>;

TEST(SlabTest, ValueIsFoundByItsId) {
    slab<int, thing_id> values;
    const thing_id a = values.emplace(1);
    const thing_id b = values.emplace(2);
    EXPECT_EQ(*values.find(a), 1);
    EXPECT_EQ(values[b], 2);
    EXPECT_EQ(values.at(b.index), 2);
    EXPECT_EQ(values.size(), 2U);
}

TEST(SlabTest, DefaultIdNamesNothing) {
    slab<int, thing_id> values;
    EXPECT_EQ(values.find({}), nullptr);
    (void)values.emplace(1);
    EXPECT_EQ(values.find({}), nullptr);
    EXPECT_EQ(values.find({0, 0}), nullptr);
}

TEST(SlabTest, ErasedIdIsDeadEvenWhenItsPlaceIsUsedAgain) {
    slab<int, thing_id> values;
    const thing_id old = values.emplace(1);
    EXPECT_TRUE(values.erase(old));
    EXPECT_EQ(values.find(old), nullptr);
    EXPECT_FALSE(values.erase(old));
    const thing_id reused = values.emplace(2);
    EXPECT_EQ(reused.index, old.index);
    EXPECT_NE(reused.generation, old.generation);
    EXPECT_EQ(values.find(old), nullptr);
    EXPECT_EQ(*values.find(reused), 2);
}

TEST(SlabTest, ReferencesStayValidWhileTheSlabGrows) {
    slab<int, thing_id> values;
    int* first = values.find(values.emplace(7));
    for (int i = 0; i < 1000; ++i) (void)values.emplace(i);
    EXPECT_EQ(*first, 7);
}

TEST(SlabTest, EraseDestroysTheValue) {
    slab<std::shared_ptr<int>, thing_id> values;
    auto owned = std::make_shared<int>(1);
    const thing_id id = values.emplace(owned);
    EXPECT_EQ(owned.use_count(), 2);
    values.erase(id);
    EXPECT_EQ(owned.use_count(), 1);
}

TEST(SlabTest, VisitsLivingValuesInOrderAndMayEraseThem) {
    slab<int, thing_id> values;
    std::vector<thing_id> ids;
    for (int i = 0; i < 200; ++i) ids.push_back(values.emplace(i));
    for (std::size_t i = 0; i < 200; i += 3) values.erase(ids[i]);
    std::vector<int> seen;
    values.for_each([&](thing_id id, int& value) {
        seen.push_back(value);
        if (value % 2 == 0) values.erase(id);
    });
    std::vector<int> expected;
    for (int i = 0; i < 200; ++i) {
        if (i % 3 != 0) expected.push_back(i);
    }
    EXPECT_EQ(seen, expected);
    std::size_t left = 0;
    std::as_const(values).for_each([&](thing_id, const int& value) {
        EXPECT_EQ(value % 2, 1);
        ++left;
    });
    EXPECT_EQ(left, values.size());
}

TEST(SlabTest, BehavesLikeAMapUnderRandomUse) {
    slab<std::uint64_t, thing_id> values;
    std::map<thing_id, std::uint64_t> model;
    std::vector<thing_id> dead;
    prng random(3);
    for (int step = 0; step < 20'000; ++step) {
        if (model.empty() || random.below(100) < 52) {
            const std::uint64_t value = random.next();
            const thing_id id = values.emplace(value);
            ASSERT_TRUE(model.emplace(id, value).second) << "an id is given out once";
        } else {
            auto chosen = model.begin();
            std::advance(chosen,
                         static_cast<long>(random.below(std::min<std::size_t>(model.size(), 16))));
            ASSERT_TRUE(values.erase(chosen->first));
            dead.push_back(chosen->first);
            model.erase(chosen);
        }
        ASSERT_EQ(values.size(), model.size());
    }
    for (const auto& [id, value] : model) ASSERT_EQ(*values.find(id), value);
    for (const thing_id id : dead) ASSERT_EQ(values.find(id), nullptr);
}

TEST(SlabTest, BeginsWithTheGenerationItIsGiven) {
    slab<int, id<connection_tag>> first;
    const auto old = first.emplace(1);
    first.erase(old);
    const auto reused = first.emplace(2);
    EXPECT_EQ(first.unused_generation(), reused.generation + 1);
    slab<int, id<connection_tag>> next(first.unused_generation());
    const auto named = next.emplace(3);
    EXPECT_EQ(named.index, old.index);
    EXPECT_EQ(next.find(old), nullptr);
    EXPECT_EQ(next.find(reused), nullptr);
    EXPECT_EQ(*next.find(named), 3);
}

}  // namespace
}  // namespace hearth::base
