#include "proto/h1_chunk_line.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace hearth::proto {
namespace {

std::optional<std::uint64_t> parse(std::string_view line) {
    std::string_view detail;
    const std::optional<std::uint64_t> size = parse_chunk_line(line, detail);
    EXPECT_EQ(size.has_value(), detail.empty()) << line;
    return size;
}

TEST(H1ChunkLineTest, ReadsHexadecimalSizes) {
    EXPECT_EQ(parse("0"), 0U);
    EXPECT_EQ(parse("00"), 0U);
    EXPECT_EQ(parse("aF09"), 0xaf09U);
    EXPECT_EQ(parse("ffffffffffffffff"), 0xffffffffffffffffU);
    EXPECT_EQ(parse("0000000000000005"), 5U);
}

TEST(H1ChunkLineTest, RefusesSizesThatAreNone) {
    for (const std::string_view bad : {"", " 1", "+1", "-1", "0x1", "g", ";a", "1 ", "1\t", "1 1",
                                       "1,2", "00000000000000000", "1ffffffffffffffff"}) {
        EXPECT_FALSE(parse(bad)) << bad;
    }
}

TEST(H1ChunkLineTest, AcceptsExtensionsOfTheGrammar) {
    for (const std::string_view good :
         {"5;a", "5;a=b", "5 ; a = b", "5\t;\ta\t=\tb", "5;a;b;c=d", "5;a=\"\"", "5;a=\"b c;d\"",
          "5;a=\"\\\"\\\\\"", "5;a=\"\x80\xff\";b", "5;a=\"x\" ;b", "5;a ;b=c"}) {
        EXPECT_EQ(parse(good), 5U) << good;
    }
}

TEST(H1ChunkLineTest, RefusesOtherExtensions) {
    for (const std::string_view bad :
         {"5;",         "5;;a",       "5; ",     "5;=a",    "5;a=",      "5;a= ",
          "5;a=;",      "5;a b",      "5;a=b c", "5;a=\"b", "5;a=\"b\\", "5;a=\"b\\\"",
          "5;a=\"b\"c", "5;a=b\"c\"", "5;a ",    "5;a=b ",  "5;a=\x01",  "5;a=\"\x01\"",
          "5;\x80",     "5 a",        "5\r",     "5;a\r",   "5;a=\"\r\""}) {
        EXPECT_FALSE(parse(bad)) << bad;
    }
}

TEST(H1ChunkLineTest, LetsNoDebtGrowFromPlainChunks) {
    chunk_overhead overhead;
    for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(overhead.add(1, 18));
}

TEST(H1ChunkLineTest, BoundsTheDebtOfExtensions) {
    chunk_overhead overhead;
    int accepted = 0;
    while (accepted < 1000 && overhead.add(1, 1018)) ++accepted;
    EXPECT_EQ(accepted, 16);
}

TEST(H1ChunkLineTest, LetsDataPayForExtensions) {
    chunk_overhead overhead;
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(overhead.add(2048, 4096));
    EXPECT_TRUE(overhead.add(std::numeric_limits<std::uint64_t>::max(), 4096));
}

}  // namespace
}  // namespace hearth::proto
