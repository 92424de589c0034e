#include "client/target.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace hearth::detail {
namespace {

struct good_url {
    std::string_view url;
    std::string_view origin;
    std::string_view path_and_query;
    std::string_view authority;
};

struct bad_url {
    std::string_view url;
    std::size_t position;
    std::string_view part_of_detail;
    errc code = errc::invalid_url;
};

const good_url good_urls[] = {
    {"https://a.example/x?y=1", "https://a.example:443", "/x?y=1", "a.example"},
    {"http://a.example", "http://a.example:80", "/", "a.example"},
    {"http://a.example?q", "http://a.example:80", "/?q", "a.example"},
    {"https://a.example#top", "https://a.example:443", "/", "a.example"},
    {"https://a.example/x#y?z", "https://a.example:443", "/x", "a.example"},
    {"HTTPS://A.Example:443/X", "https://a.example:443", "/X", "a.example"},
    {"https://a.example:/", "https://a.example:443", "/", "a.example"},
    {"https://a.example:8443/", "https://a.example:8443", "/", "a.example:8443"},
    {"http://a.example:443/", "http://a.example:443", "/", "a.example:443"},
    {"http://a.example:65535/", "http://a.example:65535", "/", "a.example:65535"},
    {"http://a.example:00080/", "http://a.example:80", "/", "a.example"},
    {"http://a.example./", "http://a.example:80", "/", "a.example"},
    {"http://127.0.0.1:8080/", "http://127.0.0.1:8080", "/", "127.0.0.1:8080"},
    {"http://[::1]/", "http://[::1]:80", "/", "[::1]"},
    {"https://[2001:DB8:0:0:0:0:0:1]:8443/x", "https://[2001:db8::1]:8443", "/x",
     "[2001:db8::1]:8443"},
    {"http://1.2.3.4.nip.example/", "http://1.2.3.4.nip.example:80", "/", "1.2.3.4.nip.example"},
    {"http://a_b.example/", "http://a_b.example:80", "/", "a_b.example"},
    {"http://xn--bcher-kva.example/", "http://xn--bcher-kva.example:80", "/",
     "xn--bcher-kva.example"},
    {"http://h//a/../b;c=d:e@f!$&'()*+,", "http://h:80", "//a/../b;c=d:e@f!$&'()*+,", "h"},
    {"http://h/a?b?c/d%20", "http://h:80", "/a?b?c/d%20", "h"},
    {"http://h/a@b:c", "http://h:80", "/a@b:c", "h"},
};

const bad_url bad_urls[] = {
    {"", 0, "https:// or http://"},
    {"a.example/x", 0, "https:// or http://"},
    {"//a.example/x", 0, "https:// or http://"},
    {"://a.example/", 0, "https:// or http://"},
    {"ftp://a.example/", 0, "scheme", errc::unsupported_scheme},
    {"localhost:8080/x", 0, "scheme", errc::unsupported_scheme},
    {"https:a.example", 5, "'//'"},
    {"https:/a.example", 5, "'//'"},
    {"https:///x", 8, "empty"},
    {"https://:443/", 8, "empty"},
    {"https://./", 8, "empty"},
    {"https://a..b/", 10, "empty label"},
    {"https://.a/", 8, "empty label"},
    {"https://user:secret@a.example/", 19, "user name"},
    {"https://a.example\\@b.example/", 18, "user name"},
    {"https://a.example\\b/", 17, "no host name"},
    {"https://a%2eb/", 9, "percent-encoded"},
    {"https://b\xc3\xbc"
     "cher.example/",
     9, "xn--"},
    {"https://a.example:0/", 18, "port"},
    {"https://a.example:65536/", 18, "port"},
    {"https://a.example:99999999999999999999/", 18, "port"},
    {"https://a.example:80x/", 18, "port"},
    {"https://a.example:80:80/", 18, "port"},
    {"https://a.example:-1/", 18, "port"},
    {"https://[::1/", 8, "not closed"},
    {"https://[::1]x/", 13, "after the host"},
    {"https://[::1]]/", 13, "after the host"},
    {"https://[]/", 9, "IPv6"},
    {"https://[1::2::3]/", 9, "IPv6"},
    {"https://[127.0.0.1]/", 9, "IPv6"},
    {"https://[v1.a]/", 9, "IPv6"},
    {"https://[fe80::1%25eth0]/", 9, "zone id"},
    {"https://[fe80::1%eth0]/", 9, "zone id"},
    {"https://1.2.3/", 8, "ends in a number"},
    {"https://1.2.3.4.5/", 8, "ends in a number"},
    {"https://10.1.2.300/", 8, "ends in a number"},
    {"https://010.1.2.3/", 8, "ends in a number"},
    {"https://2130706433/", 8, "ends in a number"},
    {"https://0x7f.1/", 8, "ends in a number"},
    {"https://0x7F000001/", 8, "ends in a number"},
    {"https://a b/", 9, "%20"},
    {" https://a/", 0, "%20"},
    {"https://a/ ", 10, "%20"},
    {"https://a/\r\nx: y", 10, "control"},
    {"https://a/\x7f", 10, "control"},
    {"https://a/\tb", 10, "control"},
    {"https://a/x|y", 11, "percent-encoded"},
    {"https://a/x?y=[1]", 14, "percent-encoded"},
    {"https://a/\xc3\xa9", 10, "percent-encoded"},
    {"https://a/%", 10, "hexadecimal"},
    {"https://a/%4", 10, "hexadecimal"},
    {"https://a/%4g", 10, "hexadecimal"},
    {"https://a/?%zz", 11, "hexadecimal"},
};

TEST(TargetTest, TakesUrlsApart) {
    for (const good_url& one : good_urls) {
        const auto parsed = parse_target(one.url);
        ASSERT_TRUE(parsed) << one.url << ": " << parsed.error().detail;
        EXPECT_EQ(parsed->origin.to_string(), one.origin) << one.url;
        EXPECT_EQ(parsed->path_and_query, one.path_and_query) << one.url;
        EXPECT_EQ(parsed->authority, one.authority) << one.url;
    }
}

TEST(TargetTest, RefusesWithCodePositionAndRule) {
    for (const bad_url& one : bad_urls) {
        const auto parsed = parse_target(one.url);
        ASSERT_FALSE(parsed) << one.url;
        const target_error& error = parsed.error();
        EXPECT_EQ(error.code, one.code) << one.url;
        EXPECT_EQ(error.position, one.position) << one.url;
        EXPECT_NE(error.detail.find(one.part_of_detail), std::string::npos)
            << one.url << ": " << error.detail;
        EXPECT_EQ(error.detail.back(), '.');
        EXPECT_TRUE(error.detail.starts_with("At octet " + std::to_string(one.position) + ": "));
    }
}

TEST(TargetTest, RefusesEveryControlOctetEverywhere) {
    const std::string url = "https://a.example:443/path?query";
    for (int octet = 0; octet < 256; ++octet) {
        if (octet > 0x20 && octet < 0x7f) continue;
        for (std::size_t at = 0; at <= url.size(); ++at) {
            std::string bad = url;
            bad.insert(at, 1, static_cast<char>(octet));
            EXPECT_FALSE(parse_target(bad)) << "octet " << octet << " at " << at;
        }
    }
}

// A known origin shortens the way of later URLs; it must not change what is found.
TEST(TargetTest, SaysTheSameOfAnOriginItKnows) {
    for (int round = 0; round < 2; ++round) {
        for (const good_url& one : good_urls) {
            const auto parsed = parse_target(one.url);
            ASSERT_TRUE(parsed) << one.url;
            EXPECT_EQ(parsed->origin.to_string(), one.origin) << one.url;
            EXPECT_EQ(parsed->path_and_query, one.path_and_query) << one.url;
            EXPECT_EQ(parsed->authority, one.authority) << one.url;
        }
    }
    for (const std::string path : {"/a b", "/%", "/\x7f", "/\xc3\xa4", "?^", "/\x01"}) {
        const std::string url = "https://fresh.example" + path;
        const auto first = parse_target(url);
        ASSERT_TRUE(parse_target("https://fresh.example/"));
        const auto again = parse_target(url);
        const auto elsewhere = parse_target("HTTPS://fresh.example" + path);
        ASSERT_FALSE(first);
        ASSERT_FALSE(again);
        ASSERT_FALSE(elsewhere);
        EXPECT_EQ(again.error().detail, first.error().detail);
        EXPECT_EQ(again.error().detail, elsewhere.error().detail);
    }
    ASSERT_TRUE(parse_target("https://fresh.example/"));
    EXPECT_FALSE(parse_target("https://fresh.example@evil.example/"));
    EXPECT_EQ(parse_target("https://fresh.example.evil.example/")->origin.host,
              "fresh.example.evil.example");
    EXPECT_EQ(parse_target("http://fresh.example/")->origin.port, 80);
}

// More origins than are kept, so that they push each other out.
TEST(TargetTest, MixesUpNoOriginsAmongMany) {
    for (int round = 0; round < 3; ++round) {
        for (int i = 1; i < 300; ++i) {
            const std::string name = "h" + std::to_string(i) + ".example";
            const auto parsed = parse_target("https://" + name + ":" + std::to_string(i) + "/p");
            ASSERT_TRUE(parsed);
            EXPECT_EQ(parsed->origin.host, name);
            EXPECT_EQ(parsed->origin.port, i);
        }
    }
}

TEST(TargetTest, IsSharedByCallsOfOneUrlWithoutAQuery) {
    const auto first = share_target("https://shared.example/a");
    ASSERT_TRUE(first);
    EXPECT_EQ((*first)->path_and_query, "/a");
    EXPECT_EQ(*share_target("https://shared.example/a"), *first);
    EXPECT_NE(*share_target("https://shared.example/b"), *first);
    EXPECT_NE(*share_target("https://shared.example:444/a"), *first);
    for (const std::string secret :
         {"https://shared.example/?key=1", "https://shared.example/#k"}) {
        EXPECT_NE(*share_target(secret), *share_target(secret));
    }
    const std::string long_url = "https://shared.example/" + std::string(400, 'x');
    EXPECT_NE(*share_target(long_url), *share_target(long_url));
}

TEST(TargetTest, SharedOrNotSaysTheSame) {
    for (int round = 0; round < 3; ++round) {
        for (int i = 1; i < 300; ++i) {  // more than are kept
            const std::string url =
                "http://h:" + std::to_string(i % 7 + 1) + "/" + std::to_string(i * i % 100'000);
            const auto shared = share_target(url);
            const auto parsed = parse_target(url);
            ASSERT_TRUE(shared && parsed);
            ASSERT_EQ((*shared)->origin, parsed->origin);
            ASSERT_EQ((*shared)->path_and_query, parsed->path_and_query);
            ASSERT_EQ((*shared)->authority, parsed->authority);
        }
        for (const bad_url& one : bad_urls) {
            const auto shared = share_target(one.url);
            ASSERT_FALSE(shared) << one.url;
            EXPECT_EQ(shared.error().code, one.code);
            EXPECT_EQ(shared.error().detail, parse_target(one.url).error().detail);
        }
    }
}

TEST(TargetTest, NeverRepeatsTheUrlInADetail) {
    const auto parsed = parse_target("https://user:secret@a.example/");
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().detail.find("secret"), std::string::npos);
}

TEST(TargetTest, BoundsTheLengthOfUrlHostAndLabel) {
    const std::string start = "https://a/";
    std::string longest = start + std::string(max_url_bytes - start.size(), 'x');
    EXPECT_TRUE(parse_target(longest));
    longest += 'x';
    ASSERT_FALSE(parse_target(longest));
    EXPECT_EQ(parse_target(longest).error().position, max_url_bytes);

    EXPECT_TRUE(parse_target("http://" + std::string(63, 'a') + "/"));
    EXPECT_FALSE(parse_target("http://" + std::string(64, 'a') + "/"));
    std::string host;
    for (int i = 0; i < 126; ++i) host += "a.";
    EXPECT_TRUE(parse_target("http://" + host + "a/"));
    EXPECT_FALSE(parse_target("http://" + host + "aa/"));
}

TEST(TargetTest, ValueThrowsSendErrorWithTheDetail) {
    try {
        (void)parse_target("ftp://a/").value();
        FAIL() << "nothing was thrown";
    } catch (const send_error& error) {
        EXPECT_EQ(error.code(), errc::unsupported_scheme);
        EXPECT_EQ(error.failure().phase, phase::validation);
        EXPECT_FALSE(error.failure().detail.empty());
    }
}

TEST(TargetTest, HostsAreNormalised) {
    EXPECT_EQ(parse_host("Db.Internal.").value(), "db.internal");
    EXPECT_EQ(parse_host("::1").value(), "::1");
    EXPECT_EQ(parse_host("[0:0::1]").value(), "::1");
    EXPECT_EQ(parse_host("10.0.0.1").value(), "10.0.0.1");
    EXPECT_FALSE(parse_host(""));
    EXPECT_FALSE(parse_host("a b"));
    EXPECT_FALSE(parse_host("a/b"));
    EXPECT_FALSE(parse_host("10.0.0.256"));
    EXPECT_FALSE(parse_host("[::1"));
}

}  // namespace
}  // namespace hearth::detail
