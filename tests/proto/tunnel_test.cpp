// tunnel: scripts of proxies, split at every octet, and what is left for the origin's protocol.
#include "proto/tunnel.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"

namespace hearth::proto {
namespace {

using namespace std::string_literals;

tunnel_settings settings(tunnel_kind kind, std::string host = "origin.example") {
    tunnel_settings values;
    values.kind = kind;
    values.host = std::move(host);
    values.port = 443;
    return values;
}

std::string taken(tunnel& subject) {
    const auto bytes = subject.output().data();
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    subject.output().consume(bytes.size());
    return text;
}

std::size_t give(tunnel& subject, std::string_view text) {
    return subject.receive(std::as_bytes(std::span(text)));
}

struct exchange_script {
    const char* name;
    tunnel_settings with;
    std::string answers;  // all of them at once: the proxy need not wait
    std::string sent;     // in all
};

std::vector<exchange_script> good_scripts() {
    tunnel_settings with_login = settings(tunnel_kind::connect);
    with_login.user = "Aladdin";
    with_login.password = "open sesame";
    tunnel_settings socks_login = settings(tunnel_kind::socks5);
    socks_login.user = "me";
    socks_login.password = "pw";
    const std::string named = "\x05\x01\x00\x03\x0e"s + "origin.example\x01\xbb"s;
    const std::string bound = "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"s;
    tunnel_settings four = settings(tunnel_kind::socks5, "10.1.2.3");
    four.address = "\x0a\x01\x02\x03";
    tunnel_settings six = settings(tunnel_kind::socks5, "::1");
    six.address = std::string(15, '\0') + "\x01";
    return {
        {"connect", settings(tunnel_kind::connect), "HTTP/1.1 200 OK\r\nvia: x\r\n\r\n",
         "CONNECT origin.example:443 HTTP/1.1\r\nhost: origin.example:443\r\n\r\n"},
        {"interim", settings(tunnel_kind::connect, "::1"),
         "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.0 200\r\n\r\n",
         "CONNECT [::1]:443 HTTP/1.1\r\nhost: [::1]:443\r\n\r\n"},
        {"basic", with_login, "HTTP/1.1 204 \r\n\r\n",
         "CONNECT origin.example:443 HTTP/1.1\r\nhost: origin.example:443\r\nproxy-authorization: "
         "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"},
        {"socks", settings(tunnel_kind::socks5), "\x05\x00"s + bound, "\x05\x01\x00"s + named},
        {"socks ipv4", four, "\x05\x00\x05\x00\x00\x03\x01x\x00\x50"s,
         "\x05\x01\x00\x05\x01\x00\x01\x0a\x01\x02\x03\x01\xbb"s},
        {"socks ipv6", six, "\x05\x00\x05\x00\x00\x04"s + std::string(18, '\0'),
         "\x05\x01\x00\x05\x01\x00\x04"s + std::string(15, '\0') + "\x01\x01\xbb"s},
        {"socks login", socks_login, "\x05\x02\x01\x00"s + bound,
         "\x05\x02\x00\x02\x01\x02me\x02pw"s + named},
    };
}

TEST(TunnelTest, OpensWhereverTheAnswersAreSplitAndLeavesTheRest) {
    for (const exchange_script& one : good_scripts()) {
        const std::string whole = one.answers + "rest";
        for (std::size_t split = 0; split <= whole.size(); ++split) {
            tunnel subject(one.with);
            std::size_t took = give(subject, std::string_view(whole).substr(0, split));
            if (subject.status() == tunnel_status::working) {
                took += give(subject, std::string_view(whole).substr(split));
            }
            EXPECT_EQ(subject.status(), tunnel_status::open) << one.name << " at " << split;
            EXPECT_EQ(took, one.answers.size()) << one.name << " at " << split;
            EXPECT_EQ(taken(subject), one.sent) << one.name;
        }
    }
}

TEST(TunnelTest, WaitsForEachAnswer) {
    for (const exchange_script& one : good_scripts()) {
        tunnel subject(one.with);
        for (std::size_t i = 0; i + 1 < one.answers.size(); ++i) {
            EXPECT_EQ(give(subject, std::string_view(one.answers).substr(i, 1)), 1U);
            ASSERT_EQ(subject.status(), tunnel_status::working) << one.name << " at " << i;
        }
        (void)give(subject, std::string_view(one.answers).substr(one.answers.size() - 1));
        EXPECT_EQ(subject.status(), tunnel_status::open) << one.name;
    }
}

TEST(TunnelTest, RefusalsAndNonsenseFail) {
    struct row {
        tunnel_kind kind;
        std::string answer;
        bool is_refusal;
        const char* says;
    };
    const row rows[] = {
        {tunnel_kind::connect, "HTTP/1.1 407 Proxy\r\n\r\n", true, "status 407"},
        {tunnel_kind::connect, "HTTP/1.1 403 No\r\n\r\n", true, "status 403"},
        {tunnel_kind::connect, "HTTP/1.1 502 Bad\r\n\r\n", false, "status 502"},
        {tunnel_kind::connect, "HTTP/1.1 301 X\r\n\r\n", false, "status 301"},
        {tunnel_kind::connect, "SSH-2.0-OpenSSH\r\n\r\n", false, "not answer CONNECT with HTTP"},
        {tunnel_kind::connect, "HTTP/1.1 20 X\r\n\r\n", false, "not answer CONNECT with HTTP"},
        {tunnel_kind::connect, "HTTP/1.1 2000\r\n\r\n", false, "not answer CONNECT with HTTP"},
        {tunnel_kind::connect, std::string(17 * 1024, 'x'), false, "too long"},
        {tunnel_kind::socks5, "\x04\x00"s, false, "not speak SOCKS5"},
        {tunnel_kind::socks5, "\x05\xff"s, true, "wants a login"},
        {tunnel_kind::socks5, "\x05\x02"s, false, "not offered"},
        {tunnel_kind::socks5, "\x05\x00\x05\x05\x00\x01\x00"s, false, "connection refused"},
        {tunnel_kind::socks5, "\x05\x00\x05\x02\x00\x01\x00"s, true, "not allowed"},
        {tunnel_kind::socks5, "\x05\x00\x05\x00\x00\x09\x00"s, false, "kind of address"},
    };
    for (const row& one : rows) {
        tunnel subject(settings(one.kind));
        (void)give(subject, one.answer);
        EXPECT_EQ(subject.status(), tunnel_status::failed) << one.says;
        EXPECT_EQ(subject.is_refusal(), one.is_refusal) << one.says;
        EXPECT_NE(subject.detail().find(one.says), std::string::npos) << subject.detail();
    }
}

TEST(TunnelTest, EndOfTheConnectionFailsWhatIsUnderWay) {
    tunnel subject(settings(tunnel_kind::socks5));
    subject.on_peer_closed();
    EXPECT_EQ(subject.status(), tunnel_status::failed);
    tunnel open(settings(tunnel_kind::connect));
    (void)give(open, "HTTP/1.1 200 OK\r\n\r\n");
    open.on_peer_closed();
    EXPECT_EQ(open.status(), tunnel_status::open);
}

TEST(TunnelTest, RandomOctetsNeverOpenConnectNorOverrun) {
    base::prng random(11);
    for (int round = 0; round < 5000; ++round) {
        tunnel subject(settings(round % 2 == 0 ? tunnel_kind::connect : tunnel_kind::socks5));
        for (int i = 0; i < 20 && subject.status() == tunnel_status::working; ++i) {
            std::string bytes(random.below(30), '\0');
            for (char& c : bytes) c = static_cast<char>(random.below(256));
            ASSERT_LE(give(subject, bytes), bytes.size());
        }
        if (round % 2 == 0) {
            EXPECT_NE(subject.status(), tunnel_status::open);
        }
    }
}

TEST(TunnelTest, CredentialsInBase64) {
    EXPECT_EQ(basic_credentials("", ""), "Basic Og==");
    EXPECT_EQ(basic_credentials("a", ""), "Basic YTo=");
    EXPECT_EQ(basic_credentials("a", "b"), "Basic YTpi");
    EXPECT_EQ(basic_credentials("a", "\xff\xfe"), "Basic YTr//g==");
}

}  // namespace
}  // namespace hearth::proto
