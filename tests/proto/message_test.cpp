#include "proto/message.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hearth::proto {
namespace {

/// String literals with NULs in them.
template <std::size_t Size>
std::string raw(const char (&text)[Size]) {
    return std::string(text, Size - 1);
}

request sample(std::string_view method, headers fields = {}, body content = {}) {
    request value;
    value.method = hearth::method(method);
    value.headers = std::move(fields);
    value.body = std::move(content);
    return value;
}

std::optional<errc> refusal_of(const request& value, std::string_view target = "/") {
    const std::optional<request_error> why = check_request(value, target);
    if (!why) return std::nullopt;
    EXPECT_FALSE(why->detail.empty());
    return why->code;
}

using fields = std::vector<headers>;

TEST(MessageTest, AcceptsOrdinaryRequests) {
    EXPECT_EQ(refusal_of(sample("GET")), std::nullopt);
    EXPECT_EQ(refusal_of(sample("GET", {{"accept", "*/*"}, {"x", ""}, {"y", "\xC3\xA4\tb"}}),
                         "/a%20b?c=d&e=[1]|~"),
              std::nullopt);
    EXPECT_EQ(refusal_of(sample("POST", {}, "body")), std::nullopt);
    EXPECT_EQ(refusal_of(sample("X-OWN", {}, streamed_body{})), std::nullopt);
    EXPECT_EQ(refusal_of(sample("OPTIONS"), "*"), std::nullopt);
    EXPECT_EQ(refusal_of(sample("CONNECT"), "example.com:443"), std::nullopt);
    EXPECT_EQ(refusal_of(sample("CONNECT"), "[::1]:443"), std::nullopt);
}

TEST(MessageTest, RefusesMethodsThatAreNoTokens) {
    for (const std::string_view method : {"", "GET ", "G\r\nT", "GET/", "\x80"}) {
        EXPECT_EQ(refusal_of(sample(method)), errc::invalid_method) << method;
    }
    EXPECT_EQ(refusal_of(sample(std::string(32, 'x'))), errc::invalid_method);
}

TEST(MessageTest, RefusesTargetsThatWouldBreakTheRequestLine) {
    for (const std::string& target :
         {std::string(), raw("/\0"), std::string("/a b"), std::string("/a\tb"),
          std::string("/a\r\nX: y"), std::string("/\x7f"), std::string("/\xC3\xA4"),
          std::string("/a#b"), std::string("a"), std::string("*"), std::string("http://x/"),
          std::string("/ HTTP/1.1\r\nHost: evil\r\n\r\n")}) {
        EXPECT_EQ(refusal_of(sample("GET"), target), errc::invalid_target) << target;
    }
    EXPECT_EQ(refusal_of(sample("CONNECT"), "/"), errc::invalid_target);
    EXPECT_EQ(refusal_of(sample("CONNECT"), ""), errc::invalid_target);
}

TEST(MessageTest, RefusesNamesThatAreNoTokens) {
    for (const std::string& name :
         {std::string(), std::string("a b"), std::string("a:"), std::string("a\r\nb"), raw("a\0"),
          std::string("\xC3\xA4"), std::string(":path"), std::string(" a"), std::string("a ")}) {
        EXPECT_EQ(refusal_of(sample("GET", {{name, "x"}})), errc::invalid_header) << name;
    }
}

TEST(MessageTest, RefusesValuesWithControlCharacters) {
    for (int c = 0; c < 256; ++c) {
        const std::string value = std::string("before") + static_cast<char>(c) + "after";
        const bool is_control = (c < 0x20 && c != '\t') || c == 0x7f;
        EXPECT_EQ(refusal_of(sample("GET", {{"a", value}})) == errc::invalid_header, is_control)
            << c;
    }
}

TEST(MessageTest, NamesTheFieldButNeverItsValue) {
    const auto bad_value = check_request(sample("GET", {{"authorization", "secret\r\nX: y"}}), "/");
    ASSERT_TRUE(bad_value);
    EXPECT_NE(bad_value->detail.find("'authorization'"), std::string::npos);
    EXPECT_EQ(bad_value->detail.find("secret"), std::string::npos);
    const auto bad_name = check_request(sample("GET", {{"a", "b"}, {"x\r\ny", "secret"}}), "/");
    ASSERT_TRUE(bad_name);
    EXPECT_NE(bad_name->detail.find("header field 2"), std::string::npos);
    EXPECT_EQ(bad_name->detail.find('\n'), std::string::npos);
    const auto long_name = check_request(sample("GET", {{std::string(10'000, 'n'), "\x01"}}), "/");
    ASSERT_TRUE(long_name);
    EXPECT_LT(long_name->detail.size(), 200U);
}

TEST(MessageTest, ChecksTheCallersHost) {
    for (const std::string_view good :
         {"example.com", "example.com:80", "[::1]:80", "a_b", "%41"}) {
        EXPECT_EQ(refusal_of(sample("GET", {{"Host", good}})), std::nullopt) << good;
    }
    for (const std::string_view bad : {"", "a b", "a/b", "user@a", "a\r\nX: y", "a?b", "a#b",
                                       "\xC3\xA4", "a\tb", "a\\b", "<a>"}) {
        EXPECT_EQ(refusal_of(sample("GET", {{"hOst", bad}})), errc::invalid_header) << bad;
    }
    EXPECT_EQ(refusal_of(sample("GET", {{"host", "a"}, {"Host", "a"}})), errc::invalid_framing);
}

TEST(MessageTest, AcceptsOnlyTheRightContentLength) {
    EXPECT_EQ(refusal_of(sample("POST", {{"Content-Length", "4"}}, "body")), std::nullopt);
    EXPECT_EQ(refusal_of(sample("GET", {{"Content-Length", "0"}})), std::nullopt);
    EXPECT_EQ(refusal_of(sample("POST", {{"content-length", "9"}}, streamed_body{9})),
              std::nullopt);
    for (const std::string_view bad :
         {"5", "", "+4", "0x4", "4, 4", "4 4", "18446744073709551620"}) {
        EXPECT_EQ(refusal_of(sample("POST", {{"content-length", bad}}, "body")),
                  errc::invalid_framing)
            << bad;
    }
    EXPECT_EQ(refusal_of(sample("GET", {{"content-length", "1"}})), errc::invalid_framing);
    EXPECT_EQ(refusal_of(sample("POST", {{"content-length", "4"}}, streamed_body{})),
              errc::invalid_framing);
    EXPECT_EQ(
        refusal_of(sample("POST", {{"content-length", "4"}, {"content-length", "4"}}, "body")),
        errc::invalid_framing);
    request with_trailers = sample("POST", {{"content-length", "4"}}, "body");
    with_trailers.trailers = {{"digest", "x"}};
    EXPECT_EQ(refusal_of(with_trailers), errc::invalid_framing);
}

TEST(MessageTest, RefusesFieldsThatAreTheClientsOwn) {
    for (const headers& bad : fields{{{"transfer-encoding", "chunked"}},
                                     {{"Transfer-Encoding", "identity"}},
                                     {{"keep-alive", "timeout=5"}},
                                     {{"proxy-connection", "keep-alive"}}}) {
        EXPECT_EQ(refusal_of(sample("POST", bad, "body")), errc::invalid_framing);
    }
}

TEST(MessageTest, AllowsConnectionOptionsThatMakeSense) {
    for (const headers& good :
         fields{{{"connection", "close"}},
                {{"Connection", "Keep-Alive"}},
                {{"connection", ""}},
                {{"te", "trailers"}},
                {{"te", "trailers"}, {"connection", "TE, close"}},
                {{"upgrade", "websocket"}, {"connection", "Upgrade"}},
                {{"connection", "upgrade"}, {"connection", "keep-alive"}, {"upgrade", "x"}}}) {
        EXPECT_EQ(refusal_of(sample("GET", good)), std::nullopt) << good.at(0).value;
    }
    for (const headers& bad : fields{{{"connection", "close, keep-alive"}},
                                     {{"connection", "close"}, {"connection", "keep-alive"}},
                                     {{"connection", "x-hop"}},
                                     {{"connection", "te"}},
                                     {{"connection", "upgrade"}},
                                     {{"upgrade", "websocket"}},
                                     {{"connection", "content-length"}},
                                     {{"te", "gzip"}},
                                     {{"te", "trailers, deflate"}}}) {
        EXPECT_EQ(refusal_of(sample("GET", bad)), errc::invalid_framing) << bad.at(0).value;
    }
}

TEST(MessageTest, AllowsAnExpectationOnlyWithABody) {
    EXPECT_EQ(refusal_of(sample("POST", {{"expect", "100-Continue"}}, "body")), std::nullopt);
    EXPECT_EQ(refusal_of(sample("POST", {{"expect", "100-continue"}})), errc::invalid_framing);
    EXPECT_EQ(refusal_of(sample("POST", {{"expect", "200-ok"}}, "body")), errc::invalid_framing);
}

TEST(MessageTest, RefusesBodiesWhereNoneMayBe) {
    EXPECT_EQ(refusal_of(sample("TRACE", {}, "body")), errc::invalid_body);
    EXPECT_EQ(refusal_of(sample("TRACE", {}, streamed_body{})), errc::invalid_body);
    EXPECT_EQ(refusal_of(sample("TRACE", {}, "")), std::nullopt);
    EXPECT_EQ(refusal_of(sample("CONNECT", {}, ""), "a:1"), errc::invalid_body);
    EXPECT_EQ(refusal_of(sample("CONNECT", {}, "body"), "a:1"), errc::invalid_body);
    EXPECT_EQ(refusal_of(sample("GET", {}, "body")), std::nullopt);
}

TEST(MessageTest, RefusesTrailersThatMayNotBeSent) {
    request value = sample("POST", {}, "body");
    value.trailers = {{"digest", "x"}, {"grpc-status", "0"}};
    EXPECT_EQ(refusal_of(value), std::nullopt);
    for (const std::string_view name :
         {"Content-Length", "transfer-encoding", "Host", "trailer", "authorization", "cookie",
          "set-cookie", "connection", "te", "content-type", "content-encoding", "if-match",
          "upgrade"}) {
        value.trailers = {{name, "x"}};
        EXPECT_EQ(refusal_of(value), errc::invalid_trailer) << name;
    }
    value.trailers = {{"a", "b\r\nc"}};
    EXPECT_EQ(refusal_of(value), errc::invalid_trailer);
    value.trailers = {{"a b", "c"}};
    EXPECT_EQ(refusal_of(value), errc::invalid_trailer);
}

TEST(MessageTest, RefusesTrailersWithoutABody) {
    request value = sample("GET");
    value.trailers = {{"digest", "x"}};
    EXPECT_EQ(refusal_of(value), errc::invalid_trailer);
    value = sample("TRACE", {}, "");
    value.trailers = {{"digest", "x"}};
    EXPECT_EQ(refusal_of(value), errc::invalid_trailer);
}

TEST(MessageTest, ChecksTrailersThatComeLater) {
    EXPECT_FALSE(check_trailers({{"digest", "x"}}));
    ASSERT_TRUE(check_trailers({{"host", "x"}}));
    EXPECT_EQ(check_trailers({{"a", "b\n"}})->code, errc::invalid_trailer);
}

}  // namespace
}  // namespace hearth::proto
