#include "proto/http_grammar.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hearth::proto {
namespace {

TEST(HttpGrammarTest, KnowsTheOctetsOfTokens) {
    const std::string_view others = "\"(),/:;<=>?@[\\]{} \t";
    for (int c = 0; c < 256; ++c) {
        const char octet = static_cast<char>(c);
        const bool expected = c > 0x20 && c < 0x7f && others.find(octet) == std::string_view::npos;
        EXPECT_EQ(is_token_octet(octet), expected) << c;
        EXPECT_EQ(is_token(std::string(1, octet)), expected) << c;
    }
    EXPECT_FALSE(is_token(""));
    EXPECT_TRUE(is_token("x-Y_9"));
    EXPECT_FALSE(is_token("x y"));
}

TEST(HttpGrammarTest, FindsControlOctetsAtEveryPlace) {
    for (int c = 0; c < 256; ++c) {
        const bool expected = (c >= 0x20 && c != 0x7f) || c == '\t';
        for (std::size_t size = 1; size < 20; ++size) {
            for (std::size_t at = 0; at < size; ++at) {
                for (const char around : {'x', '\xff', '\x80', ' ', '\t', '~'}) {
                    std::string text(size, around);
                    text[at] = static_cast<char>(c);
                    ASSERT_EQ(is_field_text(text), expected) << c << " at " << at << "/" << size;
                }
            }
        }
    }
    EXPECT_TRUE(is_field_text(""));
}

TEST(HttpGrammarTest, TrimsOnlySpacesAndTabs) {
    EXPECT_EQ(trim(" \t x y\t "), "x y");
    EXPECT_EQ(trim("\t "), "");
    EXPECT_EQ(trim("\rx\n"), "\rx\n");
}

TEST(HttpGrammarTest, ParsesNumbersThatFit) {
    EXPECT_EQ(parse_decimal("0"), 0U);
    EXPECT_EQ(parse_decimal("00000000000000000000000000012"), 12U);
    EXPECT_EQ(parse_decimal("18446744073709551615"), 18446744073709551615U);
    for (const std::string_view bad :
         {"", "18446744073709551616", "18446744073709551620", "28446744073709551615",
          "184467440737095516150", "+1", "-1", " 1", "1 ", "0x1", "1.", "a"}) {
        EXPECT_FALSE(parse_decimal(bad)) << bad;
    }
}

TEST(HttpGrammarTest, WalksTheMembersOfAList) {
    const auto members = [](std::string_view list) {
        std::string all;
        for_each_member(
            list, [&all](std::string_view member) { all.append("[").append(member).append("]"); });
        return all;
    };
    EXPECT_EQ(members("a"), "[a]");
    EXPECT_EQ(members(" a ,b\t, c d"), "[a][b][c d]");
    EXPECT_EQ(members(",, a,, ,b,"), "[a][b]");
    EXPECT_EQ(members(""), "");
    EXPECT_EQ(members(","), "");
}

TEST(HttpGrammarTest, ClassifiesKnownFieldsWhateverTheCase) {
    const std::vector<std::pair<std::string, known_field>> known{
        {"Connection", known_field::connection},
        {"CONTENT-LENGTH", known_field::content_length},
        {"expect", known_field::expect},
        {"Host", known_field::host},
        {"Keep-Alive", known_field::keep_alive},
        {"proxy-CONNECTION", known_field::proxy_connection},
        {"tE", known_field::te},
        {"Trailer", known_field::trailer},
        {"Transfer-Encoding", known_field::transfer_encoding},
        {"UpGrade", known_field::upgrade},
        {"User-Agent", known_field::user_agent},
    };
    for (const auto& [name, field] : known) {
        EXPECT_EQ(classify_field(name), field) << name;
        EXPECT_EQ(classify_field(name + "x"), known_field::other) << name;
        EXPECT_EQ(classify_field("x" + name.substr(1)), known_field::other) << name;
        EXPECT_EQ(classify_field(name.substr(1)), known_field::other) << name;
    }
    EXPECT_EQ(classify_field(""), known_field::other);
}

TEST(HttpGrammarTest, AllowsInHostsWhatUrisAllow) {
    for (const char c : std::string_view("azAZ09-._~%!$&'()*+,;=:[]"))
        EXPECT_TRUE(is_host_octet(c));
    for (const char c : std::string_view("@/?# \t\r\n\"<>\\^`{|}\x7f\x80")) {
        EXPECT_FALSE(is_host_octet(c)) << static_cast<int>(c);
    }
}

}  // namespace
}  // namespace hearth::proto
