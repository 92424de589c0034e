#include "proto/h1_parser.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hearth::proto {
namespace {

std::span<const std::byte> octets(std::string_view text) { return std::as_bytes(std::span(text)); }

/// Puts a head the check has passed.
bool put_head(h1_parser& parser, const std::string& head, response_head& into) {
    h1_head_check check;
    check.start(h1_head_check::section::head, {4096, 100});
    EXPECT_EQ(check.check(head), h1_head_check::outcome::complete);
    return parser.put_head(head, check.facts(), into);
}

TEST(H1ParserTest, StoresHeadsOfAnyStatusLine) {
    for (const std::string line : {"HTTP/1.1 200 Fine day", "HTTP/1.4 200 Fine day"}) {
        h1_parser parser(false);
        response_head head;
        ASSERT_TRUE(put_head(parser, line + "\r\nA: b\r\nContent-Length: 2\r\n\r\n", head));
        EXPECT_EQ(head.status, 200U);
        EXPECT_EQ(head.version, 11U);
        EXPECT_EQ(head.reason, "Fine day");
        EXPECT_EQ(head.headers, (headers{{"A", "b"}, {"Content-Length", "2"}}));
        EXPECT_FALSE(parser.is_done());
    }
    h1_parser parser(false);
    response_head head;
    ASSERT_TRUE(put_head(parser, "HTTP/1.0 204\r\n\r\n", head));
    EXPECT_EQ(head.reason, "");
    EXPECT_EQ(head.version, 10U);
    EXPECT_TRUE(parser.is_done());
}

TEST(H1ParserTest, OverwritesTheHeadItIsGiven) {
    response_head head;
    head.reason = "old";
    head.headers.add("old", "old");
    h1_parser parser(false);
    ASSERT_TRUE(put_head(parser, "HTTP/1.1 200 \r\nA: b\r\n\r\n", head));
    EXPECT_EQ(head.reason, "");
    EXPECT_EQ(head.headers, (headers{{"A", "b"}}));
}

TEST(H1ParserTest, CountsData) {
    h1_parser parser(false);
    response_head head;
    ASSERT_TRUE(put_head(parser, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head));
    EXPECT_TRUE(parser.put_data(octets("hel")));
    EXPECT_FALSE(parser.is_done());
    EXPECT_TRUE(parser.put_data(octets("lo")));
    EXPECT_TRUE(parser.is_done());
    EXPECT_FALSE(parser.put_data(octets("x")));
}

TEST(H1ParserTest, FollowsChunksToTheirTrailers) {
    h1_parser parser(false);
    response_head head;
    headers trailers;
    ASSERT_TRUE(put_head(parser, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head));
    EXPECT_TRUE(parser.put_chunk(3));
    EXPECT_TRUE(parser.put_data(octets("abc")));
    EXPECT_TRUE(parser.put_chunk(0xffffffffffffffff));
    h1_parser other(false);
    ASSERT_TRUE(put_head(other, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head));
    EXPECT_TRUE(other.put_chunk(1));
    EXPECT_TRUE(other.put_data(octets("x")));
    EXPECT_TRUE(other.put_last_chunk("A: b\r\nC: d\r\n\r\n", trailers));
    EXPECT_EQ(trailers, (headers{{"A", "b"}, {"C", "d"}}));
    EXPECT_TRUE(other.is_done());
}

TEST(H1ParserTest, EndsAnEmptyChunkedBody) {
    h1_parser parser(false);
    response_head head;
    headers trailers;
    ASSERT_TRUE(put_head(parser, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head));
    EXPECT_TRUE(parser.put_last_chunk("\r\n", trailers));
    EXPECT_TRUE(trailers.empty());
}

TEST(H1ParserTest, EndsWithTheConnectionWhatNothingElseEnds) {
    h1_parser parser(false);
    response_head head;
    ASSERT_TRUE(put_head(parser, "HTTP/1.1 200 OK\r\n\r\n", head));
    EXPECT_TRUE(parser.put_data(octets("abc")));
    EXPECT_TRUE(parser.put_end());
    h1_parser counted(false);
    ASSERT_TRUE(put_head(counted, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", head));
    EXPECT_FALSE(counted.put_end());
    h1_parser unused(false);
    EXPECT_FALSE(unused.put_end());
}

TEST(H1ParserTest, TakesNoBodyWhenToldSo) {
    h1_parser parser(true);
    response_head head;
    ASSERT_TRUE(put_head(parser, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head));
    EXPECT_TRUE(parser.is_done());
}

TEST(H1ParserTest, DisagreesWithDataWhereChunksMustBe) {
    h1_parser parser(false);
    response_head head;
    ASSERT_TRUE(put_head(parser, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head));
    EXPECT_FALSE(parser.put_data(octets("xyz")));
}

}  // namespace
}  // namespace hearth::proto
