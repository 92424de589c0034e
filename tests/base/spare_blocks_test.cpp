#include "base/spare_blocks.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace hearth::base {
namespace {

constexpr std::size_t kib = 1024;

// The address of a block of `size` that was taken, filled and given back.
const void* use(std::size_t size) {
    spare_blocks::block block = spare_blocks::take(size);
    for (std::size_t i = 0; i < size; ++i) block[i] = std::byte{1};
    const void* const where = block.get();
    spare_blocks::give(std::move(block), size);
    return where;
}

// Each test on a thread of its own, which has no spares yet.
template <class Test>
void on_a_new_thread(Test&& test) {
    std::thread(test).join();
}

TEST(SpareBlocksTest, BlockThatWasGivenIsTakenAgain) {
    on_a_new_thread([] {
        const void* const first = use(64 * kib);
        EXPECT_EQ(use(64 * kib), first);
        EXPECT_EQ(use(40 * kib), first);  // a larger one will do
        std::size_t size = 40 * kib;
        const spare_blocks::block block = spare_blocks::take(size);
        EXPECT_EQ(size, 64 * kib);
        std::size_t other = 40 * kib;
        EXPECT_NE(spare_blocks::take(other).get(), block.get());
        EXPECT_EQ(other, 40 * kib);
    });
}

TEST(SpareBlocksTest, TheSmallestThatWillDoIsTaken) {
    on_a_new_thread([] {
        std::vector<spare_blocks::block> blocks;
        std::vector<std::size_t> sizes = {256 * kib, 64 * kib, 128 * kib};
        for (std::size_t& size : sizes) blocks.push_back(spare_blocks::take(size));
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            spare_blocks::give(std::move(blocks[i]), sizes[i]);
        }
        std::size_t size = 65 * kib;
        const spare_blocks::block block = spare_blocks::take(size);
        EXPECT_EQ(size, 128 * kib);
    });
}

TEST(SpareBlocksTest, OnlyAFewAreKeptAndTheLargestOfThem) {
    on_a_new_thread([] {
        std::vector<spare_blocks::block> blocks;
        std::vector<std::size_t> sizes;
        for (std::size_t i = 1; i <= spare_blocks::kept + 2; ++i) {
            sizes.push_back(i * 32 * kib);
            blocks.push_back(spare_blocks::take(sizes.back()));
        }
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            spare_blocks::give(std::move(blocks[i]), sizes[i]);
        }
        blocks.clear();
        for (std::size_t i = 0; i < spare_blocks::kept; ++i) {
            std::size_t size = spare_blocks::least;
            blocks.push_back(spare_blocks::take(size));
            EXPECT_EQ(size, (i + 3) * 32 * kib);
        }
        std::size_t size = spare_blocks::least;
        blocks.push_back(spare_blocks::take(size));
        EXPECT_EQ(size, spare_blocks::least) << "none was left";
    });
}

TEST(SpareBlocksTest, SmallAndHugeOnesAreNotKept) {
    on_a_new_thread([] {
        for (const std::size_t asked : {spare_blocks::least - 1, spare_blocks::largest + 1}) {
            std::size_t size = asked;
            spare_blocks::block block = spare_blocks::take(size);
            EXPECT_EQ(size, asked);
            spare_blocks::give(std::move(block), size);
        }
        std::size_t size = spare_blocks::least;
        const spare_blocks::block block = spare_blocks::take(size);
        EXPECT_EQ(size, spare_blocks::least);
    });
}

TEST(SpareBlocksTest, BlockMayBeGivenAfterTheThreadsSparesHaveEnded) {
    struct late {
        spare_blocks::block block;
        std::size_t size = 64 * kib;
        ~late() {
            spare_blocks::give(std::move(block), size);
            (void)use(64 * kib);
        }
    };
    on_a_new_thread([] {
        thread_local late ends_last;  // made before the spares, so it ends after them
        std::size_t size = ends_last.size;
        ends_last.block = spare_blocks::take(size);
    });
}

}  // namespace
}  // namespace hearth::base
