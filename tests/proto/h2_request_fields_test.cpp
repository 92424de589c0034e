#include "proto/h2_request_fields.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hearth::proto {
namespace {

using namespace std::string_literals;

outgoing_head head_of(const headers& fields) {
    outgoing_head head;
    head.method = "GET";
    head.target = "/a?b";
    head.authority = "example.com";
    head.scheme = "https";
    head.fields = &fields;
    return head;
}

std::string show(const h2_request_fields& fields) {
    std::string text;
    for (const nghttp2_nv& one : fields.list()) {
        text.append(text.empty() ? "" : "|");
        text.append(reinterpret_cast<const char*>(one.name), one.namelen).append("=");
        if ((one.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0) text += '!';
        text.append(reinterpret_cast<const char*>(one.value), one.valuelen);
    }
    return text;
}

/// The list of a head, or "refused " and the code.
std::string list_of(const outgoing_head& head, bool split_cookies = true) {
    h2_request_fields fields(64 * 1024, split_cookies);
    const auto why = fields.set_head(head);
    return why ? "refused " + std::to_string(static_cast<int>(why->code)) : show(fields);
}
std::string list_of(const headers& fields) { return list_of(head_of(fields)); }

const std::string pseudo = ":method=GET|:scheme=https|:authority=example.com|:path=/a?b";

std::string refused(errc code) { return "refused " + std::to_string(static_cast<int>(code)); }

TEST(H2RequestFieldsTest, BeginsWithPseudoHeaderFields) { EXPECT_EQ(list_of(headers{}), pseudo); }

TEST(H2RequestFieldsTest, LowersNamesAndCutsWhiteSpace) {
    EXPECT_EQ(list_of(headers{{"Accept", " a, B\t"}, {"X-Empty", ""}}),
              pseudo + "|accept=a, B|x-empty=");
}

TEST(H2RequestFieldsTest, LeavesOutFieldsOfAnHttp1Connection) {
    EXPECT_EQ(list_of(headers{{"Connection", "te, x"},
                              {"Keep-Alive", "1"},
                              {"Upgrade", "h2c"},
                              {"Proxy-Connection", "close"},
                              {"Transfer-Encoding", "chunked"},
                              {"HTTP2-Settings", "AAA"},
                              {"TE", "trailers"}}),
              pseudo + "|te=trailers");
    EXPECT_EQ(list_of(headers{{"te", "gzip"}}), pseudo);
}

TEST(H2RequestFieldsTest, HostBecomesAuthority) {
    EXPECT_EQ(list_of(headers{{"Host", "other.example:8"}}),
              ":method=GET|:scheme=https|:authority=other.example:8|:path=/a?b");
}

TEST(H2RequestFieldsTest, NeverLetsSecretsBeIndexed) {
    EXPECT_EQ(list_of(headers{{"Authorization", "x"}, {"Proxy-Authorization", "y"}}),
              pseudo + "|authorization=!x|proxy-authorization=!y");
    EXPECT_EQ(list_of(headers{{"Cookie", "a=b; long=12345678901234567890; ; c=d"}}),
              pseudo + "|cookie=!a=b|cookie=long=12345678901234567890|cookie=!c=d");
}

TEST(H2RequestFieldsTest, SendsCookiesWholeIfAsked) {
    const headers fields{{"cookie", "a=b; c=d"}};
    EXPECT_EQ(list_of(head_of(fields), false), pseudo + "|cookie=!a=b; c=d");
}

TEST(H2RequestFieldsTest, SaysTheLengthOfTheBody) {
    const headers none;
    outgoing_head head = head_of(none);
    head.method = "POST";
    const std::string post = ":method=POST|:scheme=https|:authority=example.com|:path=/a?b";
    EXPECT_EQ(list_of(head), post + "|content-length=0");
    head.has_body = true;
    EXPECT_EQ(list_of(head), post);
    head.content_length = 18'446'744'073'709'551'615U;
    EXPECT_EQ(list_of(head), post + "|content-length=18446744073709551615");
    const headers lie{{"Content-Length", "7"}};
    head.fields = &lie;
    EXPECT_EQ(list_of(head), post + "|content-length=18446744073709551615");
}

TEST(H2RequestFieldsTest, AddsUserAgentExpectAndTrailerNames) {
    const headers none;
    const headers trailers{{"A", "1"}, {"b", "2"}};
    outgoing_head head = head_of(none);
    head.user_agent = "me";
    head.has_body = head.expect_continue = head.has_trailers = true;
    head.trailers = &trailers;
    EXPECT_EQ(list_of(head), pseudo + "|user-agent=me|expect=100-continue|trailer=A, b");
    const headers own{{"User-Agent", "you"}, {"Expect", "100-continue"}, {"Trailer", "c"}};
    head.fields = &own;
    EXPECT_EQ(list_of(head), pseudo + "|user-agent=you|expect=100-continue|trailer=c");
}

TEST(H2RequestFieldsTest, ConnectHasMethodAndAuthorityAlone) {
    const headers none;
    outgoing_head head = head_of(none);
    head.method = "CONNECT";
    head.target = "example.org:443";
    EXPECT_EQ(list_of(head), ":method=CONNECT|:authority=example.org:443");
    head.protocol = "websocket";
    head.target = "/chat";
    EXPECT_EQ(list_of(head),
              ":method=CONNECT|:protocol=websocket|:scheme=https|"
              ":authority=example.com|:path=/chat");
}

TEST(H2RequestFieldsTest, AsteriskIsForOptionsAndNothingIsTheRoot) {
    const headers none;
    outgoing_head head = head_of(none);
    head.target = "*";
    EXPECT_EQ(list_of(head), refused(errc::invalid_target));
    head.method = "OPTIONS";
    EXPECT_EQ(list_of(head), ":method=OPTIONS|:scheme=https|:authority=example.com|:path=*");
    head.target = "";
    EXPECT_EQ(list_of(head), ":method=OPTIONS|:scheme=https|:authority=example.com|:path=/");
}

TEST(H2RequestFieldsTest, RefusesWhatMustNotBeSent) {
    for (const headers& fields :
         {headers{{"", "a"}}, headers{{":path", "/x"}}, headers{{"a b", "c"}},
          headers{{"a\r\nb", "c"}}, headers{{"a", "b\r\nc: d"}}, headers{{"a", "b\0c"s}},
          headers{{"a", "b\x7f"}}, headers{{"\xc3\xa4", "c"}}, headers{{"host", "a b"}},
          headers{{"host", "a\r\nb"}}, headers{{"host", "user@a"}},
          headers{{"connection", "\n"}}}) {
        EXPECT_EQ(list_of(fields), refused(errc::invalid_header)) << fields.at(0).name;
    }
    const headers none;
    for (const std::string& target : {"a"s, "/a b"s, "/\r\n"s, "/\0"s, "/\x7f"s, "http://x/"s}) {
        outgoing_head head = head_of(none);
        head.target = target;
        EXPECT_EQ(list_of(head), refused(errc::invalid_target)) << target;
    }
    for (const std::string& method : {""s, "G ET"s, "GET\r\n"s, ":x"s}) {
        outgoing_head head = head_of(none);
        head.method = method;
        EXPECT_EQ(list_of(head), refused(errc::invalid_method)) << method;
    }
    outgoing_head head = head_of(none);
    head.protocol = "websocket";
    EXPECT_EQ(list_of(head), refused(errc::invalid_method));
}

TEST(H2RequestFieldsTest, RefusesWhatIsTooLarge) {
    h2_request_fields fields(1024, true);
    EXPECT_FALSE(fields.set_head(head_of(headers{})));
    const auto why = fields.set_head(head_of(headers{{"a", std::string(1024, 'x')}}));
    ASSERT_TRUE(why);
    EXPECT_EQ(why->code, errc::header_limit);
}

TEST(H2RequestFieldsTest, TrailersAreCheckedAndLowered) {
    h2_request_fields fields(1024, true);
    const headers good{{"Check-Sum", " abc "}};
    EXPECT_FALSE(fields.set_trailers(good));
    EXPECT_EQ(show(fields), "check-sum=abc");
    EXPECT_TRUE(fields.set_trailers({{"Content-Length", "1"}}));
    EXPECT_TRUE(fields.set_trailers({{"a", "b\n"}}));
    EXPECT_TRUE(fields.set_trailers({{":status", "200"}}));
}

TEST(H2RequestFieldsTest, ForgetsTheListBefore) {
    h2_request_fields fields(64 * 1024, true);
    const headers first{{"User-Agent", "a"}, {"X", "1"}};
    EXPECT_FALSE(fields.set_head(head_of(first)));
    const headers none;
    outgoing_head head = head_of(none);
    head.user_agent = "b";
    EXPECT_FALSE(fields.set_head(head));
    EXPECT_EQ(show(fields), pseudo + "|user-agent=b");
}

}  // namespace
}  // namespace hearth::proto
