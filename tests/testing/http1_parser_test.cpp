// Heads that are legal and heads that are not; bodies split at every octet.
#include "testing/http1_parser.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace {

using namespace hearth::testing::internal;
using hearth::testing::header_field;

std::string_view reason(const std::string& fields, std::string_view line = "GET / HTTP/1.1") {
    static request_head head;
    static std::string text;
    text = std::string(line) + "\r\n" + fields + "\r\n";
    return parse_head(text, head);
}

TEST(Http1ParserTest, ReadsAWholeHead) {
    const std::string text =
        "POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nX-Space: \t a b \t\r\n"
        "Content-Length: 12\r\nExpect: 100-Continue\r\n\r\nrest";
    const std::size_t size = find_head_end(text);
    ASSERT_EQ(text.substr(size), "rest");
    request_head head;
    ASSERT_EQ(parse_head(std::string_view(text).substr(0, size), head), "");
    EXPECT_EQ(head.method, "POST");
    EXPECT_EQ(head.target, "/a?b=c");
    ASSERT_EQ(head.fields.size(), 5U);
    EXPECT_EQ(head.fields[1].value, "");
    EXPECT_EQ(head.fields[2].value, "a b");
    EXPECT_EQ(head.body_bytes, 12U);
    EXPECT_TRUE(head.expects_continue);
    EXPECT_TRUE(head.keeps_alive);
}

TEST(Http1ParserTest, AHeadIsIncompleteUntilItsEmptyLine) {
    const std::string text = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    for (std::size_t size = 0; size < text.size(); ++size) {
        EXPECT_EQ(find_head_end(std::string_view(text).substr(0, size)), 0U);
    }
    EXPECT_EQ(find_head_end(text), text.size());
}

TEST(Http1ParserTest, KeepAliveFollowsVersionAndOptions) {
    const auto keeps = [](const std::string& text) {
        request_head head;
        EXPECT_EQ(parse_head(text, head), "");
        return head.keeps_alive;
    };
    EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nhost: x\r\nconnection: a, Close\r\n\r\n"));
    EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
    EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n"));
}

TEST(Http1ParserTest, RefusesBadRequestLines) {
    for (const std::string_view line :
         {"GET /", "GET  HTTP/1.1", "G(T / HTTP/1.1", "GET / HTTP/2.0", "GET / a HTTP/1.1",
          "GET /\x01 HTTP/1.1", " GET / HTTP/1.1", ""}) {
        EXPECT_NE(reason("host: x\r\n", line), "") << line;
    }
}

TEST(Http1ParserTest, RefusesBadFields) {
    for (const std::string fields :
         {"host: x\r\nno colon\r\n", "host: x\r\na : b\r\n", "host: x\r\na: b\r\n folded\r\n",
          "host: x\r\na: b\x01\r\n", "host: x\r\na: b\nc: d\r\n", "host: x\r\n: b\r\n",
          "host: x\r\na: b\rc\r\n"}) {
        EXPECT_NE(reason(fields), "") << fields;
    }
}

TEST(Http1ParserTest, RefusesFramingThatCanBeReadTwoWays) {
    for (const std::string fields :
         {"content-length: 1\r\ntransfer-encoding: chunked\r\n",
          "content-length: 1\r\ncontent-length: 1\r\n", "content-length: 1, 1\r\n",
          "content-length: -1\r\n", "content-length: +1\r\n", "content-length: 0x1\r\n",
          "content-length: 99999999999999999999\r\n", "content-length:\r\n",
          "transfer-encoding: gzip, chunked\r\n", "transfer-encoding: identity\r\n",
          "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"}) {
        EXPECT_NE(reason("host: x\r\n" + fields), "") << fields;
    }
    EXPECT_NE(reason("transfer-encoding: chunked\r\n", "GET / HTTP/1.0"), "");
}

TEST(Http1ParserTest, NeedsExactlyOneHost) {
    EXPECT_NE(reason(""), "");
    EXPECT_NE(reason("host: a\r\nhost: b\r\n"), "");
    EXPECT_EQ(reason("host: a\r\n"), "");
    EXPECT_EQ(reason("", "GET / HTTP/1.0"), "");
}

struct read_body {
    std::string octets;
    std::string left;
    body_reader::result end = body_reader::result::more;
    std::vector<header_field> trailers;
};

// Feeds `text` in two parts, cut at `cut`.
read_body read_in_two(framing kind, std::uint64_t size, std::string_view text, std::size_t cut) {
    body_reader reader;
    reader.start(kind, size);
    read_body result;
    for (std::string_view part : {text.substr(0, cut), text.substr(cut)}) {
        std::string_view piece;
        result.end = reader.next(part, piece);
        while (result.end == body_reader::result::piece) {
            result.octets += piece;
            result.end = reader.next(part, piece);
        }
        result.left += part;
    }
    result.trailers = reader.trailers();
    return result;
}

TEST(Http1ParserTest, ReadsChunksSplitAnywhere) {
    const std::string text =
        "5;a=b\r\nhello\r\n1\r\n,\r\n0006 \r\n world\r\n0\r\nx-a: 1\r\n\r\nnext";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        const read_body read = read_in_two(framing::chunked, 0, text, cut);
        EXPECT_EQ(read.octets, "hello, world") << cut;
        EXPECT_EQ(read.end, body_reader::result::end) << cut;
        EXPECT_EQ(read.left, "next") << cut;
        ASSERT_EQ(read.trailers.size(), 1U) << cut;
        EXPECT_EQ(read.trailers[0].value, "1") << cut;
    }
}

TEST(Http1ParserTest, ReadsAKnownLengthSplitAnywhere) {
    const std::string text = "hellonext";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        const read_body read = read_in_two(framing::known_length, 5, text, cut);
        EXPECT_EQ(read.octets, "hello");
        EXPECT_EQ(read.left, "next");
    }
}

TEST(Http1ParserTest, RefusesBadChunks) {
    for (const std::string text :
         {"g\r\n", "\r\n", "5\nhello", "5\r\nhelloX\r\n", "-1\r\n", "11111111111111111\r\n",
          "0\r\nno colon\r\n\r\n", "0\r\nbad name: 1\r\n\r\n", "0x5\r\nhello\r\n"}) {
        EXPECT_EQ(read_in_two(framing::chunked, 0, text, 0).end, body_reader::result::bad) << text;
    }
    const std::string endless(10'000, '1');
    EXPECT_EQ(read_in_two(framing::chunked, 0, endless, 0).end, body_reader::result::bad);
}

TEST(Http1ParserTest, NoBodyIsDoneAtOnce) {
    body_reader reader;
    reader.start(framing::known_length, 0);
    EXPECT_TRUE(reader.is_done());
}

}  // namespace
