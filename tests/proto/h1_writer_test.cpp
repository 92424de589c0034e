#include "proto/h1_writer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hearth::proto {
namespace {

using framing = h1_written_head::framing;

std::string text_of(const base::byte_queue& queue) {
    return {reinterpret_cast<const char*>(queue.data().data()), queue.size()};
}

/// A head to change, and what it is written as.
struct sample {
    outgoing_head head;
    headers fields;
    headers trailers;
    h1_written_head written;

    explicit sample(std::string_view method) {
        head.method = method;
        head.target = "/a?b";
        head.authority = "example.com:8080";
        head.scheme = "https";
    }
    std::string write() {
        head.fields = &fields;
        head.trailers = trailers.empty() ? nullptr : &trailers;
        base::byte_queue out;
        written = write_head(head, out);
        return text_of(out);
    }
};

TEST(H1WriterTest, WritesTheShortestHead) {
    sample get("GET");
    EXPECT_EQ(get.write(), "GET /a?b HTTP/1.1\r\nHost: example.com:8080\r\n\r\n");
    EXPECT_EQ(get.written.body, framing::none);
    EXPECT_FALSE(get.written.asks_close);
    EXPECT_FALSE(get.written.asks_upgrade);
}

TEST(H1WriterTest, WritesAHeadWithoutAnyFieldsObject) {
    outgoing_head head;
    head.method = "GET";
    head.target = "*";
    head.authority = "a";
    base::byte_queue out;
    (void)write_head(head, out);
    EXPECT_EQ(text_of(out), "GET * HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(H1WriterTest, KeepsTheCallersFieldsAsGiven) {
    sample get("GET");
    get.fields = {{"aCCept", "*/*"}, {"x", ""}, {"x", "2"}};
    EXPECT_EQ(get.write(),
              "GET /a?b HTTP/1.1\r\nHost: example.com:8080\r\naCCept: */*\r\nx: \r\nx: 2\r\n\r\n");
}

TEST(H1WriterTest, PutsTheCallersHostFirstAndOnce) {
    sample get("GET");
    get.fields = {{"a", "b"}, {"host", "other"}};
    EXPECT_EQ(get.write(), "GET /a?b HTTP/1.1\r\nHost: other\r\na: b\r\n\r\n");
}

TEST(H1WriterTest, AddsTheUserAgentUnlessThereIsOne) {
    sample get("GET");
    get.head.user_agent = "hearth/0";
    EXPECT_NE(get.write().find("\r\nUser-Agent: hearth/0\r\n"), std::string::npos);
    get.fields = {{"user-agent", "mine"}};
    EXPECT_EQ(get.write().find("hearth/0"), std::string::npos);
}

TEST(H1WriterTest, SaysThatABodyIsMissingWhereOneIsUsual) {
    for (const std::string_view method : {"POST", "PUT", "PATCH"}) {
        EXPECT_NE(sample(method).write().find("\r\nContent-Length: 0\r\n"), std::string::npos);
    }
    for (const std::string_view method : {"GET", "HEAD", "DELETE", "OPTIONS", "put"}) {
        EXPECT_EQ(sample(method).write().find("Content-Length"), std::string::npos);
    }
}

TEST(H1WriterTest, WritesAKnownLengthOnce) {
    sample post("POST");
    post.fields = {{"content-length", "18446744073709551615"}};
    post.head.has_body = true;
    post.head.content_length = 18446744073709551615U;
    EXPECT_EQ(post.write(),
              "POST /a?b HTTP/1.1\r\nHost: example.com:8080\r\n"
              "Content-Length: 18446744073709551615\r\n\r\n");
    EXPECT_EQ(post.written.body, framing::length);
    EXPECT_EQ(post.written.length, 18446744073709551615U);
}

TEST(H1WriterTest, KeepsACallersZeroLength) {
    sample get("GET");
    get.fields = {{"content-length", "0"}};
    EXPECT_EQ(get.write(),
              "GET /a?b HTTP/1.1\r\nHost: example.com:8080\r\nContent-Length: 0\r\n\r\n");
}

TEST(H1WriterTest, ChunksWhatHasNoKnownLengthOrHasTrailers) {
    sample post("POST");
    post.head.has_body = true;
    EXPECT_NE(post.write().find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos);
    EXPECT_EQ(post.written.body, framing::chunked);
    post.head.content_length = 5;
    post.head.has_trailers = true;
    const std::string text = post.write();
    EXPECT_NE(text.find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos);
    EXPECT_EQ(text.find("Content-Length"), std::string::npos);
}

TEST(H1WriterTest, AnnouncesTrailersThatAreKnown) {
    sample post("POST");
    post.head.has_body = true;
    post.head.has_trailers = true;
    post.trailers = {{"Digest", "secret"}, {"E", ""}};
    EXPECT_NE(post.write().find("\r\nTrailer: Digest, E\r\n"), std::string::npos);
    EXPECT_EQ(post.write().find("secret"), std::string::npos);
    post.fields = {{"trailer", "Digest"}};
    EXPECT_EQ(post.write().find("Trailer"), std::string::npos);
}

TEST(H1WriterTest, ExpectsContinueOnlyWithABody) {
    sample post("POST");
    post.head.expect_continue = true;
    EXPECT_EQ(post.write().find("Expect"), std::string::npos);
    post.head.has_body = true;
    EXPECT_NE(post.write().find("\r\nExpect: 100-continue\r\n"), std::string::npos);
    post.fields = {{"expect", "100-continue"}};
    EXPECT_EQ(post.write().find("Expect"), std::string::npos);
}

TEST(H1WriterTest, NamesTeInConnection) {
    sample get("GET");
    get.fields = {{"TE", "trailers"}};
    EXPECT_NE(get.write().find("\r\nConnection: TE\r\n"), std::string::npos);
    get.fields = {{"TE", "trailers"}, {"connection", "te, close"}};
    EXPECT_EQ(get.write().find("Connection: TE"), std::string::npos);
    EXPECT_TRUE(get.written.asks_close);
}

TEST(H1WriterTest, TellsOfAnUpgrade) {
    sample get("GET");
    get.fields = {{"connection", "upgrade"}, {"upgrade", "websocket"}};
    (void)get.write();
    EXPECT_TRUE(get.written.asks_upgrade);
}

TEST(H1WriterTest, AppendsToWhatIsQueued) {
    base::byte_queue out;
    out.append(std::string_view("before "));
    write_last_chunk({}, out);
    write_last_chunk({{"a", "b"}}, out);
    EXPECT_EQ(text_of(out), "before 0\r\n\r\n0\r\na: b\r\n\r\n");
}

}  // namespace
}  // namespace hearth::proto
