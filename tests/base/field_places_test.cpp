#include "base/field_places.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hearth::base {
namespace {

TEST(FieldPlacesTest, PlacesBecomeFieldsWithTheirText) {
    const std::string section = "A:  b\r\nlong-name:\r\n\r\n";
    headers fields;
    field_places::note(fields, {0, 1}, {4, 1});
    field_places::note(fields, {7, 9}, {17, 0});
    field_places::complete(fields, section);
    EXPECT_EQ(fields, (headers{{"A", "b"}, {"long-name", ""}}));
    EXPECT_EQ(fields.size_bytes(), 11U);
}

TEST(FieldPlacesTest, WhatWasCompletedIsChangedAsAnyOther) {
    const std::string section = "A: b\r\nC: d\r\n\r\n" + std::string(1000, ' ');
    headers fields;
    field_places::note(fields, {0, 1}, {3, 1});
    field_places::note(fields, {6, 1}, {9, 1});
    field_places::complete(fields, section);
    headers copy = fields;
    copy.set("a", "x");
    copy.add("E", "f");
    EXPECT_EQ(copy.erase("c"), 1U);
    EXPECT_EQ(copy, (headers{{"a", "x"}, {"E", "f"}}));
    EXPECT_EQ(fields, (headers{{"A", "b"}, {"C", "d"}}));
    EXPECT_LT(field_places::memory(copy), 1000U) << "the dropped text was given up";
}

TEST(FieldPlacesTest, SectionWithoutFieldsHoldsNothing) {
    headers fields;
    field_places::complete(fields, "\r\n");
    EXPECT_TRUE(fields.empty());
    EXPECT_EQ(field_places::memory(fields), 0U);
}

}  // namespace
}  // namespace hearth::base
