#include "proto/h2_response.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>

namespace hearth::proto {
namespace {

using block = h2_response::block;
using field_list = std::initializer_list<std::pair<std::string_view, std::string_view>>;

block give(h2_response& response, field_list fields, bool ends = false, h2_settings bounds = {}) {
    response.begin_block();
    for (const auto& [name, value] : fields) response.add_field(name, value, bounds);
    return response.finish_block(ends, bounds);
}

TEST(H2ResponseTest, ReadsHeadBodyAndTrailers) {
    h2_response response;
    EXPECT_EQ(give(response, {{":status", "200"}, {"content-length", "3"}, {"a", "b"}}),
              block::head);
    EXPECT_EQ(response.head().status, 200U);
    EXPECT_EQ(response.head().version, 20U);
    EXPECT_EQ(response.head().headers["a"], "b");
    EXPECT_TRUE(response.add_body(3));
    EXPECT_EQ(give(response, {{"checksum", "x"}}, true), block::trailers);
    EXPECT_EQ(response.trailers()["checksum"], "x");
    EXPECT_TRUE(response.finish());
    EXPECT_EQ(response.received(), 7U + 3 + 14 + 1 + 2 + 3 + 9);
}

TEST(H2ResponseTest, BeginsAnewAfterInformationalHeads) {
    h2_response response;
    EXPECT_EQ(give(response, {{":status", "103"}, {"link", "a"}, {"content-length", "9"}}),
              block::informational);
    EXPECT_FALSE(response.has_head());
    EXPECT_EQ(give(response, {{":status", "200"}}, true), block::head);
    EXPECT_TRUE(response.head().headers.empty());
    EXPECT_TRUE(response.finish());
}

TEST(H2ResponseTest, JoinsCookieCrumbs) {
    h2_response response;
    EXPECT_EQ(give(response, {{":status", "200"}, {"cookie", "a=b"}, {"cookie", "c=d"}}),
              block::head);
    EXPECT_EQ(response.head().headers.size(), 1U);
    EXPECT_EQ(response.head().headers["cookie"], "a=b; c=d");
}

TEST(H2ResponseTest, KeepsSetCookieFieldsApart) {
    h2_response response;
    EXPECT_EQ(give(response, {{":status", "200"}, {"set-cookie", "a"}, {"set-cookie", "b"}}),
              block::head);
    EXPECT_EQ(response.head().headers.values("set-cookie").size(), 2U);
}

TEST(H2ResponseTest, ContentLengthOfBodilessResponsesSaysNothingOfTheStream) {
    for (const char* const status : {"204", "304", "200"}) {
        h2_response response;
        response.expect(std::string_view(status) == "200", false);
        EXPECT_EQ(give(response, {{":status", status}, {"content-length", "5"}}, true),
                  block::head);
        EXPECT_TRUE(response.finish()) << status;
    }
}

TEST(H2ResponseTest, TwoHundredToConnectOpensATunnelWithoutLength) {
    h2_response response;
    response.expect(false, true);
    EXPECT_EQ(give(response, {{":status", "200"}, {"content-length", "1"}}), block::head);
    EXPECT_TRUE(response.is_tunnel());
    EXPECT_TRUE(response.add_body(1000));
    EXPECT_EQ(give(response, {{"a", "b"}}, true), block::refused);
}

TEST(H2ResponseTest, OtherAnswersToConnectAreMessages) {
    h2_response response;
    response.expect(false, true);
    EXPECT_EQ(give(response, {{":status", "407"}, {"content-length", "1"}}), block::head);
    EXPECT_FALSE(response.is_tunnel());
    EXPECT_FALSE(response.finish());
}

TEST(H2ResponseTest, CountsFieldsAndTheirOctets) {
    h2_settings bounds;
    bounds.max_header_count = 8;
    h2_response many;
    many.begin_block();
    many.add_field(":status", "200", bounds);
    for (int i = 0; i < 7; ++i) many.add_field("a", "b", bounds);
    EXPECT_FALSE(many.is_refused());
    many.add_field("a", "b", bounds);
    EXPECT_EQ(many.finish_block(true, bounds), block::refused);
    EXPECT_EQ(many.error(), errc::header_limit);

    bounds = {};
    bounds.max_header_bytes = 1024;
    h2_response large;
    EXPECT_EQ(
        give(large, {{":status", "200"}, {"a", std::string(1024 - 42 - 33, 'x')}}, true, bounds),
        block::head);
    h2_response larger;
    EXPECT_EQ(
        give(larger, {{":status", "200"}, {"a", std::string(1024 - 42 - 32, 'x')}}, true, bounds),
        block::refused);
    EXPECT_EQ(larger.error(), errc::header_limit);
    EXPECT_TRUE(larger.head().headers.empty());
}

TEST(H2ResponseTest, CountsInformationalHeads) {
    h2_settings bounds;
    bounds.max_informational = 2;
    h2_response response;
    EXPECT_EQ(give(response, {{":status", "103"}}, false, bounds), block::informational);
    EXPECT_EQ(give(response, {{":status", "102"}}, false, bounds), block::informational);
    EXPECT_EQ(give(response, {{":status", "103"}}, false, bounds), block::refused);
    EXPECT_EQ(response.error(), errc::informational_limit);
}

TEST(H2ResponseTest, AcceptsTeTrailersAndAnyOtherToken) {
    h2_response response;
    EXPECT_EQ(give(response, {{":status", "599"}, {"te", "trailers"}, {"x-1!#$", "\xc3\xa4\tb"}}),
              block::head);
}

}  // namespace
}  // namespace hearth::proto
