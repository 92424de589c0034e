#include "hearth/body.hpp"

#include <gtest/gtest.h>

namespace hearth {
namespace {

class counted_source final : public body_source {
public:
    explicit counted_source(std::optional<std::uint64_t> size) : size_(size) {}
    std::optional<std::uint64_t> size() const override { return size_; }
    void async_pull(std::span<char>, pull_handler) override {}

private:
    std::optional<std::uint64_t> size_;
};

TEST(BodyTest, KnowsItsSizeWhereverItIsKnown) {
    EXPECT_EQ(body{}.size(), 0U);
    EXPECT_EQ(body("four").size(), 4U);
    EXPECT_EQ(body(body::segments_type{"ab", "", "cde"}).size(), 5U);
    EXPECT_EQ(body(file_range{.descriptor = 0, .offset = 7, .length = 1ULL << 40}).size(),
              1ULL << 40);
    EXPECT_EQ(body(std::make_shared<counted_source>(9)).size(), 9U);
    EXPECT_EQ(body(streamed_body{.size = 3}).size(), 3U);
}

TEST(BodyTest, HasNoSizeWhereItIsFoundOutOnTheWay) {
    EXPECT_FALSE(body(std::make_shared<counted_source>(std::nullopt)).size());
    EXPECT_FALSE(body(streamed_body{}).size());
}

TEST(BodyTest, NoneDiffersFromEmpty) {
    EXPECT_TRUE(body{}.is_none());
    EXPECT_FALSE(body("").is_none());
    EXPECT_TRUE(body(streamed_body{}).is_streamed());
}

TEST(BodyTest, SourcesDoNotRewindUnlessTheySaySo) { EXPECT_FALSE(counted_source(1).rewind()); }

}  // namespace
}  // namespace hearth
