// proxy_rules: which origins go around the proxy, and proxies from text and environment.
#include "client/proxy_rules.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "client/scripted.hpp"
#include "hearth/proxy.hpp"

namespace hearth::detail {
namespace {

using namespace hearth::support;

bool bypasses(const std::string& url, const std::string& rule) {
    return bypasses_proxy(origin_of(url), {rule});
}

TEST(ProxyRulesTest, RulesNameOriginsAndWhatIsBelowThem) {
    struct row {
        const char* rule;
        const char* url;
        bool expected;
    };
    const row rows[] = {
        {"*", "https://anything", true},
        {"example.com", "https://example.com", true},
        {"example.com", "https://a.example.com:8443", true},
        {"example.com", "https://badexample.com", false},
        {"example.com", "https://example.com.evil", false},
        {".example.com", "https://a.example.com", true},
        {".example.com", "https://example.com", true},
        {"*.Example.COM", "https://a.example.com", true},
        {" example.com ", "https://example.com", true},
        {"example.com:8443", "https://example.com:8443", true},
        {"example.com:8443", "https://example.com", false},
        {"127.0.0.1", "http://127.0.0.1:81", true},
        {"127.0.0.1:80", "http://127.0.0.1:81", false},
        {"10.0.0.0/8", "http://10.200.3.4", true},
        {"10.0.0.0/8", "http://11.0.0.1", false},
        {"10.1.2.3/8", "http://10.200.3.4", true},
        {"10.0.0.0/8", "http://ten.example", false},
        {"fd00::/8", "http://[fd12::1]", true},
        {"fd00::/8", "http://[fe80::1]", false},
        {"::1", "http://[::1]:8080", true},
        {"[::1]", "http://[::1]:8080", true},
        {"[::1]:8080", "http://[::1]:8080", true},
        {"[::1]:8081", "http://[::1]:8080", false},
        {"", "http://a", false},
        {".", "http://a", false},
        {"10.0.0.0/99", "http://10.0.0.1", false},
        {"a:b", "http://a", false},
    };
    for (const row& one : rows) {
        EXPECT_EQ(bypasses(one.url, one.rule), one.expected) << one.rule << " " << one.url;
    }
}

TEST(ProxyRulesTest, SchemeChoosesTheProxy) {
    proxy_config values;
    values.for_http = {proxy_kind::http, "a", 1};
    values.for_https = {proxy_kind::socks5, "b", 2};
    values.no_proxy = {"internal"};
    EXPECT_EQ(proxy_for(origin_of("http://x"), values), &values.for_http);
    EXPECT_EQ(proxy_for(origin_of("https://x"), values), &values.for_https);
    EXPECT_EQ(proxy_for(origin_of("https://x.internal"), values), nullptr);
    EXPECT_EQ(proxy_for(origin_of("https://x"), proxy_config{}), nullptr);
}

TEST(ProxyRulesTest, TextIsParsed) {
    EXPECT_EQ(proxy::parse("http://p:3128").value(), (proxy{proxy_kind::http, "p", 3128}));
    EXPECT_EQ(proxy::parse("p").value(), (proxy{proxy_kind::http, "p", 8080}));
    EXPECT_EQ(proxy::parse("socks5://[::1]/").value(), (proxy{proxy_kind::socks5, "::1", 1080}));
    EXPECT_EQ(proxy::parse("SOCKS5H://u%40x:p%3Aw@Host:1").value(),
              (proxy{proxy_kind::socks5h, "host", 1, "u@x", "p:w"}));
    EXPECT_EQ(proxy::parse("https://u@p").value(), (proxy{proxy_kind::https, "p", 443, "u"}));
    EXPECT_EQ(proxy::parse("ftp://p").error(), errc::unsupported_scheme);
    EXPECT_EQ(describe_proxy(proxy::parse("https://user:secret@p").value()), "https://p:443");
    for (const char* bad : {"", "http://", "p:0", "p:x", "p:99999", "http://u%4@p", "a b"}) {
        EXPECT_TRUE(proxy::parse(bad).has_error()) << bad;
    }
    EXPECT_EQ(describe_proxy(proxy::parse("http://user:secret@p:1").value()), "http://p:1");
}

class ProxyEnvironmentTest : public ::testing::Test {
protected:
    ProxyEnvironmentTest() { clear(); }
    ~ProxyEnvironmentTest() override { clear(); }
    static void clear() {
        for (const char* name : {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                 "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"}) {
            ::unsetenv(name);
        }
    }
};

TEST_F(ProxyEnvironmentTest, VariablesAreReadWhenAskedFor) {
    ::setenv("HTTP_PROXY", "http://evil:1", 1);  // may come from a request's "proxy" field
    EXPECT_EQ(proxies_from_environment().for_http.kind, proxy_kind::none);
    ::setenv("ALL_PROXY", "socks5h://s", 1);
    ::setenv("https_proxy", "p:3128", 1);
    ::setenv("NO_PROXY", "a, b.c ,,10.0.0.0/8", 1);
    const proxy_config got = proxies_from_environment();
    EXPECT_EQ(got.for_http.kind, proxy_kind::socks5h);
    EXPECT_EQ(got.for_https, (proxy{proxy_kind::http, "p", 3128}));
    EXPECT_EQ(got.no_proxy, (std::vector<std::string>{"a", "b.c", "10.0.0.0/8"}));
    EXPECT_EQ(config{}.proxy.for_https.kind, proxy_kind::none);
    ::setenv("https_proxy", "ftp://p", 1);
    EXPECT_THROW((void)proxies_from_environment(), send_error);
}

}  // namespace
}  // namespace hearth::detail
