#include "hearth/headers.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.hpp"

namespace hearth {
namespace {

using pairs = std::vector<std::pair<std::string, std::string>>;

pairs contents(const headers& fields) {
    pairs all;
    for (const headers::field field : fields) all.emplace_back(field.name, field.value);
    return all;
}

TEST(HeadersTest, IsEmptyAtFirst) {
    const headers fields;
    EXPECT_TRUE(fields.empty());
    EXPECT_EQ(fields.size(), 0U);
    EXPECT_EQ(fields.size_bytes(), 0U);
    EXPECT_EQ(fields.begin(), fields.end());
    EXPECT_FALSE(fields.find("a"));
}

TEST(HeadersTest, KeepsOrderCaseAndRepetitions) {
    headers fields{{"Accept", "*/*"}, {"X", ""}};
    fields.add("accept", "text/plain");
    EXPECT_EQ(contents(fields), (pairs{{"Accept", "*/*"}, {"X", ""}, {"accept", "text/plain"}}));
    EXPECT_EQ(fields.size_bytes(), 6U + 3 + 1 + 6 + 10);
}

TEST(HeadersTest, FindsTheFirstWhateverTheCase) {
    const headers fields{{"A", "1"}, {"b", "2"}, {"a", "3"}};
    EXPECT_EQ(fields.find("a"), "1");
    EXPECT_EQ(fields["B"], "2");
    EXPECT_TRUE(fields.contains("B"));
    EXPECT_FALSE(fields.contains("ab"));
    EXPECT_EQ(fields["ab"], "");
    EXPECT_EQ(fields.values("A"), (std::vector<std::string_view>{"1", "3"}));
    EXPECT_TRUE(fields.values("c").empty());
}

TEST(HeadersTest, FoldsOnlyAsciiLetters) {
    const headers fields{{"a[", "1"}, {"\xC3\x84", "2"}};
    EXPECT_FALSE(fields.contains("a{"));
    EXPECT_FALSE(fields.contains("\xC3\xA4"));
}

TEST(HeadersTest, SetsInThePlaceOfTheFirst) {
    headers fields{{"a", "1"}, {"b", "2"}, {"A", "3"}, {"c", "4"}, {"a", "5"}};
    fields.set("A", "long enough not to fit the place of the old one");
    EXPECT_EQ(
        contents(fields),
        (pairs{{"A", "long enough not to fit the place of the old one"}, {"b", "2"}, {"c", "4"}}));
}

TEST(HeadersTest, SetsWhatWasNotThereAtTheEnd) {
    headers fields{{"a", "1"}};
    fields.set("b", "2");
    EXPECT_EQ(contents(fields), (pairs{{"a", "1"}, {"b", "2"}}));
}

TEST(HeadersTest, ErasesAllOfAName) {
    headers fields{{"a", "1"}, {"b", "2"}, {"A", "3"}};
    EXPECT_EQ(fields.erase("A"), 2U);
    EXPECT_EQ(fields.erase("A"), 0U);
    EXPECT_EQ(contents(fields), (pairs{{"b", "2"}}));
    EXPECT_EQ(fields.size_bytes(), 2U);
}

TEST(HeadersTest, ClearsToEmpty) {
    headers fields{{"a", "1"}};
    fields.clear();
    EXPECT_TRUE(fields.empty());
    fields.add("b", "2");
    EXPECT_EQ(contents(fields), (pairs{{"b", "2"}}));
}

TEST(HeadersTest, TakesViewsOfItself) {
    headers fields{{"name", "value"}};
    for (int i = 0; i < 200; ++i) fields.add(fields.at(0).name, fields.at(0).value);
    for (const headers::field field : fields) EXPECT_EQ(field, (headers::field{"name", "value"}));
    fields.set(fields.at(0).name, fields.at(0).value);
    EXPECT_EQ(contents(fields), (pairs{{"name", "value"}}));
    fields.erase(fields.at(0).name);
    EXPECT_TRUE(fields.empty());
}

TEST(HeadersTest, TakesAnyOctetsUnchecked) {
    const std::string odd("a\0\r\n", 4);
    const headers fields{{odd, odd}, {"", ""}};
    EXPECT_EQ(contents(fields), (pairs{{odd, odd}, {"", ""}}));
}

TEST(HeadersTest, ComparesNamesIgnoringCaseAndValuesExactly) {
    const headers fields{{"a", "x"}, {"b", "y"}};
    EXPECT_EQ(fields, (headers{{"A", "x"}, {"B", "y"}}));
    EXPECT_NE(fields, (headers{{"a", "X"}, {"b", "y"}}));
    EXPECT_NE(fields, (headers{{"b", "y"}, {"a", "x"}}));
    EXPECT_NE(fields, (headers{{"a", "x"}}));
}

TEST(HeadersTest, IsUsableAfterBeingMovedFrom) {
    headers fields{{"a", "a value that is too long for a small string"}};
    const headers taken = std::move(fields);
    EXPECT_EQ(taken["a"], "a value that is too long for a small string");
    fields.clear();  // NOLINT(bugprone-use-after-move): that it is legal is the claim
    fields.add("b", "2");
    EXPECT_EQ(contents(fields), (pairs{{"b", "2"}}));
}

TEST(HeadersTest, CopiesAreIndependent) {
    headers fields{{"a", "1"}};
    const headers copy = fields;
    fields.set("a", "2");
    EXPECT_EQ(copy["a"], "1");
}

/// The simplest thing that is right, to compare with.
struct model {
    pairs fields;

    static bool is_same(const std::string& a, std::string_view b) {
        return headers{{a, ""}} == headers{{b, ""}};
    }
    void set(const std::string& name, const std::string& value) {
        bool was_there = false;
        for (std::size_t i = 0; i < fields.size();) {
            if (!is_same(fields[i].first, name)) {
                ++i;
            } else if (was_there) {
                fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(i));
            } else {
                was_there = true;
                fields[i++] = {name, value};
            }
        }
        if (!was_there) fields.emplace_back(name, value);
    }
    void erase(const std::string& name) {
        std::erase_if(fields, [&](const auto& field) { return is_same(field.first, name); });
    }
};

TEST(HeadersTest, AgreesWithASimpleModelOverRandomChanges) {
    base::prng random(20240607);
    headers fields;
    model expected;
    for (int i = 0; i < 20'000; ++i) {
        std::string name(1 + random.below(2), 'a');
        name[0] = "aAbBc"[random.below(5)];
        const std::string value(random.below(60), static_cast<char>('a' + random.below(26)));
        switch (random.below(8)) {
            case 0:
            case 1:
                fields.add(name, value);
                expected.fields.emplace_back(name, value);
                break;
            case 2:
                fields.erase(name);
                expected.erase(name);
                break;
            default:
                fields.set(name, value);
                expected.set(name, value);
                break;
        }
        ASSERT_EQ(contents(fields), expected.fields) << "step " << i;
    }
}

}  // namespace
}  // namespace hearth
