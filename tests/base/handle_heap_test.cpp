#include "base/handle_heap.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/prng.hpp"

namespace hearth::base {
namespace {

TEST(HandleHeapTest, LeastKeyIsOnTop) {
    handle_heap<int, int> heap;
    heap_handle handles[5] = {};
    const int keys[] = {5, 2, 9, 1, 7};
    for (int i = 0; i < 5; ++i) heap.set(handles[i], keys[i], i);
    std::vector<int> order;
    while (!heap.empty()) order.push_back(heap.pop());
    EXPECT_EQ(order, (std::vector<int>{3, 1, 0, 4, 2}));
}

TEST(HandleHeapTest, EqualKeysLeaveInTheOrderTheyWereSet) {
    handle_heap<int, int> heap;
    heap_handle handles[20] = {};
    for (int i = 0; i < 20; ++i) heap.set(handles[i], 1, i);
    heap.set(handles[4], 1, 4);  // set again: now the last
    for (int i = 0; i < 20; ++i) {
        if (i != 4) {
            EXPECT_EQ(heap.pop(), i);
        }
    }
    EXPECT_EQ(heap.pop(), 4);
}

TEST(HandleHeapTest, RemoveClearsTheHandle) {
    handle_heap<int, int> heap;
    heap_handle handle = 0;
    heap.set(handle, 1, 1);
    EXPECT_NE(handle, 0U);
    heap.remove(handle);
    EXPECT_EQ(handle, 0U);
    EXPECT_TRUE(heap.empty());
    heap.remove(handle);
    EXPECT_TRUE(heap.empty()) << "removing nothing is harmless";
}

TEST(HandleHeapTest, BehavesLikeASortedMapUnderRandomUse) {
    handle_heap<std::uint64_t, std::uint32_t> heap;
    std::vector<heap_handle> handles(300);
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t> model;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> keys(300);
    prng random(11);
    std::uint64_t order = 0;
    for (int step = 0; step < 50'000; ++step) {
        const auto i = static_cast<std::uint32_t>(random.below(handles.size()));
        if (handles[i] != 0) model.erase(keys[i]);
        if (random.below(3) != 0) {
            keys[i] = {random.below(50), ++order};
            model.emplace(keys[i], i);
            heap.set(handles[i], keys[i].first, i);
        } else {
            heap.remove(handles[i]);
        }
        ASSERT_EQ(heap.size(), model.size());
        if (model.empty()) continue;
        ASSERT_EQ(heap.top(), model.begin()->second);
        ASSERT_EQ(heap.top_key(), model.begin()->first.first);
        if (random.below(4) == 0) {
            const std::uint32_t top = heap.pop();
            ASSERT_EQ(top, model.begin()->second);
            model.erase(model.begin());
            handles[top] = 0;
        }
    }
}

}  // namespace
}  // namespace hearth::base
