#include "hearth/origin.hpp"

#include <gtest/gtest.h>

namespace hearth {
namespace {

TEST(OriginTest, IsWrittenWithItsPortAndBracketsForIpv6) {
    EXPECT_EQ((origin{true, "a.example", 443}.to_string()), "https://a.example:443");
    EXPECT_EQ((origin{false, "a.example", 8080}.to_string()), "http://a.example:8080");
    EXPECT_EQ((origin{false, "::1", 80}.to_string()), "http://[::1]:80");
}

TEST(OriginTest, ParsesWhatItWrites) {
    for (const origin& one : {origin{true, "a.example", 443}, origin{false, "::1", 8080},
                              origin{true, "10.0.0.1", 8443}}) {
        EXPECT_EQ(origin::parse(one.to_string()).value(), one);
    }
}

TEST(OriginTest, IgnoresWhatFollowsTheAuthority) {
    const origin expected{true, "a.example", 443};
    EXPECT_EQ(origin::parse("https://A.example").value(), expected);
    EXPECT_EQ(origin::parse("https://a.example/x y|z").value(), expected);
    EXPECT_EQ(origin::parse("https://a.example?x").value(), expected);
    EXPECT_EQ(origin::parse("https://a.example#x").value(), expected);
}

TEST(OriginTest, RefusesOtherSchemesAndBrokenAuthorities) {
    EXPECT_EQ(origin::parse("ftp://a.example").error(), errc::unsupported_scheme);
    EXPECT_EQ(origin::parse("a.example").error(), errc::invalid_url);
    EXPECT_EQ(origin::parse("https://").error(), errc::invalid_url);
    EXPECT_EQ(origin::parse("https://u@a.example").error(), errc::invalid_url);
    EXPECT_EQ(origin::parse("https://a.example:0").error(), errc::invalid_url);
}

}  // namespace
}  // namespace hearth
