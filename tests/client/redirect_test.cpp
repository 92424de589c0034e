#include "client/redirect.hpp"

#include <gtest/gtest.h>

namespace hearth::detail {
namespace {

response redirected(unsigned status, std::string_view location) {
    response got;
    got.status = status;
    got.headers.add("location", location);
    return got;
}

request full_request() {
    request what;
    what.method = method::post;
    what.url = "https://a.example/x/y?q#part";
    what.body = "content";
    what.headers = {{"Authorization", "Basic x"}, {"cookie", "c"},
                    {"X-Api-Key", "k"},           {"content-type", "text/plain"},
                    {"accept", "text/plain"},     {"host", "a.example"}};
    return what;
}

// Chains refer to their config, as calls refer to their client's.
const redirect_config& values() {
    static const redirect_config made = [] {
        redirect_config one;
        one.sensitive_headers = {"x-api-key"};
        return one;
    }();
    return made;
}

TEST(RedirectTest, ReferencesAreResolvedAsTheRfcSays) {
    // RFC 3986 5.4.1 and 5.4.2, for paths and queries.
    const std::string base = "http://a/b/c/d;p?q";
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {"g?y#s", "http://a/b/c/g?y#s"},
        {";x", "http://a/b/c/;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y#s"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"https://h:1/p", "https://h:1/p"},
    };
    for (const auto& [reference, expected] : cases) {
        EXPECT_EQ(resolve_location(base, reference), expected) << reference;
    }
    EXPECT_EQ(resolve_location("http://a?x", "g"), "http://a/g");
    EXPECT_EQ(resolve_location(base, "/a b/\xc3\xa9?[1]"), "http://a/a%20b/%C3%A9?%5B1%5D");
    EXPECT_EQ(resolve_location(base, "/a\r\nb"), "");
}

TEST(RedirectTest, OtherResponsesAreAnswers) {
    request what = full_request();
    redirect_chain subject(what, values());
    EXPECT_EQ(subject.next(what, redirected(200, "/x"), true).verdict, redirect_verdict::final);
    EXPECT_EQ(subject.next(what, redirected(300, "/x"), true).verdict, redirect_verdict::final);
    EXPECT_EQ(subject.next(what, redirected(304, "/x"), true).verdict, redirect_verdict::final);
    response bare;
    bare.status = 302;
    EXPECT_EQ(subject.next(what, bare, true).verdict, redirect_verdict::final);
}

TEST(RedirectTest, MethodsAndBodiesFollowTheStatus) {
    struct row {
        unsigned status;
        method was;
        method becomes;
    };
    const row rows[] = {
        {301, method::post, method::get},        {302, method::post, method::get},
        {303, method::post, method::get},        {307, method::post, method::post},
        {308, method::post, method::post},       {301, method::put, method::put},
        {302, method::delete_, method::delete_}, {303, method::put, method::get},
        {303, method::head, method::head},       {301, method::get, method::get},
    };
    for (const row& one : rows) {
        request what = full_request();
        what.method = one.was;
        redirect_chain subject(what, values());
        EXPECT_EQ(subject.next(what, redirected(one.status, "/z"), true).verdict,
                  redirect_verdict::follow);
        EXPECT_EQ(what.method, one.becomes);
        const bool keeps_body = one.was == one.becomes;
        EXPECT_EQ(what.body.is_none(), !keeps_body);
        EXPECT_EQ(what.headers.contains("content-type"), keeps_body);
        EXPECT_TRUE(what.headers.contains("accept"));
        EXPECT_TRUE(what.headers.contains("authorization"));  // the origin is the same
    }
}

TEST(RedirectTest, BodyThatCannotBeReplayedIsNotRepeated) {
    request what = full_request();
    redirect_chain subject(what, values());
    EXPECT_EQ(subject.next(what, redirected(307, "/z"), false).error, errc::redirect_refused);
    request left = full_request();
    redirect_chain other(left, values());
    EXPECT_EQ(other.next(left, redirected(303, "/z"), false).verdict, redirect_verdict::follow);
}

TEST(RedirectTest, CredentialsAreDroppedAtAnyChangeOfOrigin) {
    for (const char* location :
         {"https://b.example/", "https://a.example:444/", "https://sub.a.example/"}) {
        request what = full_request();
        what.route.emplace();
        redirect_chain subject(what, values());
        EXPECT_EQ(subject.next(what, redirected(307, location), true).verdict,
                  redirect_verdict::follow);
        EXPECT_EQ(what.headers,
                  (headers{{"content-type", "text/plain"}, {"accept", "text/plain"}}));
        EXPECT_FALSE(what.route);
        EXPECT_EQ(what.body.size(), 7U);
    }
    request same = full_request();
    redirect_chain subject(same, values());
    EXPECT_EQ(subject.next(same, redirected(307, "https://A.example:443/other"), true).verdict,
              redirect_verdict::follow);
    EXPECT_EQ(same.headers, full_request().headers);
}

TEST(RedirectTest, CredentialsDoNotComeBackWithTheOrigin) {
    request what = full_request();
    redirect_chain subject(what, values());
    EXPECT_EQ(subject.next(what, redirected(307, "https://b.example/"), true).verdict,
              redirect_verdict::follow);
    EXPECT_EQ(subject.next(what, redirected(307, "https://a.example/x/y?q"), true).verdict,
              redirect_verdict::follow);
    EXPECT_FALSE(what.headers.contains("authorization"));
}

TEST(RedirectTest, NoWayFromHttpsToHttpWithCredentials) {
    request what = full_request();
    redirect_chain subject(what, values());
    EXPECT_EQ(subject.next(what, redirected(302, "http://a.example/"), true).error,
              errc::redirect_refused);
    request bare;
    bare.url = "https://a.example/";
    redirect_chain open(bare, values());
    EXPECT_EQ(open.next(bare, redirected(302, "http://a.example/"), true).verdict,
              redirect_verdict::follow);
    redirect_config strict = values();
    strict.https_only = true;
    request again;
    again.url = "https://a.example/";
    redirect_chain closed(again, strict);
    EXPECT_EQ(closed.next(again, redirected(302, "http://a.example/"), true).error,
              errc::redirect_refused);
}

TEST(RedirectTest, BadLocationsAreRefused) {
    for (const char* location :
         {"https://user:pw@a.example/", "//user@b.example/", "ftp://a.example/", "file:///etc/x",
          "javascript:alert(1)", "http://", "http:///x", "https://a.example:0/", "http://a b/",
          "/%zz", "https://[::1/", "http:x", "/a\x7f"}) {
        request what;
        what.url = "https://a.example/";
        redirect_chain subject(what, values());
        EXPECT_EQ(subject.next(what, redirected(302, location), true).error, errc::redirect_refused)
            << location;
    }
    request what;
    what.url = "https://a.example/";
    redirect_chain subject(what, values());
    response two = redirected(302, "/a");
    two.headers.add("location", "/b");
    EXPECT_EQ(subject.next(what, two, true).error, errc::redirect_refused);
}

TEST(RedirectTest, HopsAreBoundedAndLoopsFound) {
    redirect_config few = values();
    few.max_hops = 2;
    request what;
    what.url = "https://a.example/0";
    redirect_chain subject(what, few);
    EXPECT_EQ(subject.next(what, redirected(302, "/1"), true).verdict, redirect_verdict::follow);
    EXPECT_EQ(subject.next(what, redirected(302, "/2"), true).verdict, redirect_verdict::follow);
    EXPECT_EQ(subject.next(what, redirected(302, "/3"), true).error, errc::too_many_redirects);
    request around;
    around.url = "https://a.example/0#x";
    redirect_chain loop(around, values());
    EXPECT_EQ(loop.next(around, redirected(302, "/1"), true).verdict, redirect_verdict::follow);
    EXPECT_EQ(loop.next(around, redirected(302, "/0#y"), true).error, errc::too_many_redirects);
}

TEST(RedirectTest, PostThatIsSentOnToItselfAsGetIsNoLoop) {
    request what = full_request();
    redirect_chain subject(what, values());
    EXPECT_EQ(subject.next(what, redirected(303, ""), true).verdict, redirect_verdict::follow);
    EXPECT_EQ(what.method, method::get);
}

TEST(RedirectTest, FragmentIsInheritedAndNeverSent) {
    request what = full_request();
    redirect_chain subject(what, values());
    EXPECT_EQ(subject.next(what, redirected(302, "/1"), true).verdict, redirect_verdict::follow);
    EXPECT_EQ(subject.next(what, redirected(302, "/2#own"), true).verdict,
              redirect_verdict::follow);
    EXPECT_EQ(subject.next(what, redirected(302, "/3"), true).verdict, redirect_verdict::follow);
    ASSERT_EQ(subject.hops().size(), 3U);
    EXPECT_EQ(subject.hops()[0].url, "https://a.example/1#part");
    EXPECT_EQ(subject.hops()[1].url, "https://a.example/2#own");
    EXPECT_EQ(subject.hops()[2].url, "https://a.example/3#own");
    EXPECT_EQ(what.url, "https://a.example/3");
}

}  // namespace
}  // namespace hearth::detail
