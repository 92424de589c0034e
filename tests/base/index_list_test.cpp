#include "base/index_list.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "base/prng.hpp"

namespace hearth::base {
namespace {

class IndexListTest : public ::testing::Test {
protected:
    auto links() {
        return [this](std::uint32_t i) -> list_links& { return table[i]; };
    }
    std::vector<std::uint32_t> forwards() const {
        std::vector<std::uint32_t> out;
        for (std::uint32_t i = list.front(); i != no_index && out.size() <= table.size();
             i = table[i].next) {
            out.push_back(i);
        }
        return out;
    }
    std::vector<std::uint32_t> backwards() const {
        std::vector<std::uint32_t> out;
        for (std::uint32_t i = list.back(); i != no_index && out.size() <= table.size();
             i = table[i].previous) {
            out.push_back(i);
        }
        return out;
    }

    std::vector<list_links> table = std::vector<list_links>(32);
    index_list list;
};

TEST_F(IndexListTest, PushesAtBothEnds) {
    list.push_back(1, links());
    list.push_back(2, links());
    list.push_front(3, links());
    EXPECT_EQ(forwards(), (std::vector<std::uint32_t>{3, 1, 2}));
    EXPECT_EQ(list.size(), 3U);
}

TEST_F(IndexListTest, RemovesFirstLastMiddleAndOnly) {
    for (std::uint32_t i = 0; i < 4; ++i) list.push_back(i, links());
    list.remove(1, links());
    EXPECT_EQ(forwards(), (std::vector<std::uint32_t>{0, 2, 3}));
    list.remove(0, links());
    list.remove(3, links());
    EXPECT_EQ(forwards(), (std::vector<std::uint32_t>{2}));
    list.remove(2, links());
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.back(), no_index);
}

TEST_F(IndexListTest, BehavesLikeADequeUnderRandomUse) {
    std::deque<std::uint32_t> model;
    prng random(5);
    for (int step = 0; step < 5000; ++step) {
        const auto i = static_cast<std::uint32_t>(random.below(table.size()));
        const auto found = std::find(model.begin(), model.end(), i);
        if (found != model.end()) {
            model.erase(found);
            list.remove(i, links());
        } else if (random.below(2) == 0) {
            model.push_back(i);
            list.push_back(i, links());
        } else {
            model.push_front(i);
            list.push_front(i, links());
        }
        ASSERT_EQ(forwards(), std::vector<std::uint32_t>(model.begin(), model.end()));
        ASSERT_EQ(backwards(), std::vector<std::uint32_t>(model.rbegin(), model.rend()));
        ASSERT_EQ(list.size(), model.size());
    }
}

}  // namespace
}  // namespace hearth::base
