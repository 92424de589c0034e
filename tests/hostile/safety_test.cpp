// Safety rules that no origin and no fault may bend: secrets stay where they belong, nothing leaves
// before it is checked, and verification has no back door.
#include <gtest/gtest.h>

#include <sstream>

#include "hearth/testing/origin.hpp"
#include "hostile/catalogue.hpp"
#include "support/awaited.hpp"

namespace hearth::hostile {
namespace {

using boost::system::error_code;
using std::chrono::milliseconds;
using testing::expect_request;
using testing::send;

const std::string token = "Bearer s3cr3t-token-1";
const std::string cookie = "session=s3cr3t-cookie-2";
const std::string key = "s3cr3t-key-3";
const std::string in_query = "s3cr3t-query-4";
const std::string in_body = "s3cr3t-body-5";

request with_secrets(std::string url) {
    request what = post(in_body);
    what.url = std::move(url) + "?token=" + in_query;
    what.headers.add("authorization", token);
    what.headers.add("cookie", cookie);
    what.headers.add("x-api-key", key);
    return what;
}

config plain_config() {
    config values;
    values.io.threads = 1;
    values.pool.dial_patience = milliseconds(0);
    return values;
}

/// Everything a failure and the stats of a client show as text.
std::string shown(error_code error, const response& got, const stats& seen) {
    std::ostringstream out;
    const failure& why = got.failure;
    out << error.message() << '\n'
        << why.phase << why.origin << why.detail << why.dial_detail << '\n'
        << send_error(error ? error : errc::internal, why).what() << '\n';
    for (const attempt_record& each : why.attempt_log) out << each.error.message() << each.phase;
    for (const origin_stats& each : seen.origins) out << each.origin << '\n';
    return out.str();
}

TEST(HostileSafetyTest, ErrorsAndStatsNeverShowSecrets) {
    // An origin that gives its input back in the worst places, and all other ends of a call.
    const std::vector<script> ends = {
        {expect_request(), send("HTTP/1.1 200 OK\r\nEcho : " + token + "\r\n\r\n")},
        {expect_request(), send("HTTP/1.1 200 " + token + "\x01\r\n\r\n")},
        {expect_request(), send(head_with("Content-Length: " + token + "\r\n"))},
        {expect_request(), send(chunked(token + "\r\n"))},
        {expect_request(), send(head_with("Connection: close " + key + "\r\n"))},
        {expect_request(), testing::close(close_kind::reset)},
        {expect_request(), testing::close()},
        {expect_request(), send("HTTP/1.1 302 Go\r\nLocation: ftp://x/" + in_query +
                                "\r\n"
                                "Content-Length: 0\r\n\r\n")},
        {expect_request(), send("HTTP/1.1 302 Go\r\nLocation: http://user:" + in_query +
                                "@x/\r\n"
                                "Content-Length: 0\r\n\r\n")},
        {expect_request()},
    };
    for (std::size_t i = 0; i < ends.size(); ++i) {
        const testing::raw_origin origin({.tls = false}, ends[i]);
        config values = plain_config();
        values.timeouts.first_byte = milliseconds(50);
        values.redirect.enabled = true;
        client subject(values);
        error_code error;
        const response got = subject.send(with_secrets(origin.url("/path")), error);
        ASSERT_TRUE(error) << i;
        const std::string text = shown(error, got, subject.stats());
        EXPECT_EQ(text.find("s3cr3t"), std::string::npos) << i << ": " << text;
    }
}

TEST(HostileSafetyTest, RefusedRequestsNeverShowSecrets) {
    client subject(plain_config());
    const auto refused = [&](request what) {
        error_code error;
        const response got = subject.send(std::move(what), error);
        EXPECT_EQ(got.failure.phase, phase::validation);
        const std::string text = shown(error, got, subject.stats());
        EXPECT_EQ(text.find("s3cr3t"), std::string::npos) << text;
    };
    refused(with_secrets("http://user:" + in_query + "@127.0.0.1:1/"));
    refused(with_secrets("http://127.0.0.1:1/\r\n"));
    refused(with_secrets("ftp://127.0.0.1:1/"));
    refused(with_secrets("http://s3cr3t host/"));
    for (const char* name : {"authorization", "cookie", "x-s3cr3t\r\n", "host", "content-length",
                             "transfer-encoding", "connection"}) {
        request what = with_secrets("http://127.0.0.1:1/");
        what.headers.set(std::string(name).substr(0, std::string(name).find("s3")) + "x",
                         in_query + "\r\nEvil: 1");
        refused(std::move(what));
    }
}

TEST(HostileSafetyTest, NoOctetLeavesBeforeTheRequestIsChecked) {
    testing::origin_options options;
    options.listen.tls = false;
    const testing::origin origin(options);
    client subject(plain_config());
    const std::string split = "x\r\nEvil: yes";
    std::vector<request> bad(13, get());
    for (request& each : bad) each.url = origin.url("/echo");
    bad[0].headers.add("host", split);
    bad[1].headers.add("x", split);
    bad[2].headers.add(split, "x");
    bad[3].headers.add("x", raw("a\0b"));
    bad[4].headers.add("x y", "z");
    bad[5].headers.add("", "z");
    bad[6].headers.add("content-length", "5");
    bad[7].headers.add("transfer-encoding", "chunked");
    bad[8].url = origin.url("/a b\r\nEvil: yes");
    bad[9].method = method("GET /evil HTTP/1.1\r\n");
    bad[10].headers.add("x", "a\nb");
    bad[11].headers.add("host", "a");
    bad[11].headers.add("host", "b");
    bad[12].body = std::string("x");
    bad[12].trailers.add("content-length", "5");
    for (const request& each : bad) {
        error_code error;
        const response got = subject.send(each, error);
        EXPECT_EQ(error, errc_condition::invalid_input) << error.message();
        EXPECT_EQ(got.failure.phase, phase::validation);
        EXPECT_FALSE(got.failure.maybe_processed);
        EXPECT_EQ(got.attempts, 0U);
    }
    EXPECT_EQ(origin.counters().connections_accepted, 0U);
    EXPECT_EQ(subject.stats().bytes_sent, 0U);
}

/// What a redirect from `from` to `to` carries there.
std::string carried(const testing::raw_origin& from, const testing::raw_origin& to,
                    client& subject) {
    error_code error;
    request what = with_secrets(from.url("/start"));
    what.follow_redirects = true;
    (void)subject.send(std::move(what), error);
    return to.received(0);
}

TEST(HostileSafetyTest, CredentialsNeverReachAnotherOrigin) {
    const testing::raw_origin target({.tls = false},
                                     script{expect_request(), send(sized("caught"))});
    for (const int status : {301, 302, 303, 307, 308}) {
        const testing::raw_origin lure(
            {.tls = false}, script{expect_request(), send("HTTP/1.1 " + std::to_string(status) +
                                                          " Go\r\nContent-Length: 0\r\nLocation: " +
                                                          target.url("/trap") + "\r\n\r\n")});
        config values = plain_config();
        values.redirect.sensitive_headers = {"x-api-key"};
        client subject(values);
        const std::string got = carried(lure, target, subject);
        EXPECT_NE(got.find("/trap"), std::string::npos) << "else this test shows nothing";
        for (const std::string& secret : {token, cookie, key}) {
            EXPECT_EQ(got.find(secret), std::string::npos) << got;
        }
    }
}

TEST(HostileSafetyTest, CredentialsDoNotComeBackWithTheOrigin) {
    // Away and back: what was dropped once stays dropped, for the other origin chose the way.
    std::string back;
    const testing::raw_origin away({.tls = false}, [&back](std::uint64_t) {
        return script{
            expect_request(),
            send("HTTP/1.1 307 Back\r\nContent-Length: 0\r\nLocation: " + back + "\r\n\r\n")};
    });
    const testing::raw_origin home(
        {.tls = false}, script{expect_request(),
                               send("HTTP/1.1 307 Away\r\nContent-Length: 0\r\nLocation: " +
                                    away.url("/away") + "\r\n\r\n"),
                               expect_request(), send(sized("home"))});
    back = home.url("/back");
    config values = plain_config();
    values.redirect.sensitive_headers = {"x-api-key"};
    client subject(values);
    const std::string got = carried(home, home, subject);
    const std::size_t second = got.find("/back");
    ASSERT_NE(second, std::string::npos);
    for (const std::string& secret : {token, cookie, key}) {
        EXPECT_NE(got.find(secret), std::string::npos);
        EXPECT_EQ(got.find(secret, second), std::string::npos) << got;
    }
}

TEST(HostileSafetyTest, NothingSecretGoesFromTlsToPlaintext) {
    const testing::raw_origin target({.tls = false},
                                     script{expect_request(), send(sized("caught"))});
    const testing::raw_origin lure(
        {.tls = true}, script{expect_request(), send("HTTP/1.1 307 Go\r\nContent-Length: 0\r\n"
                                                     "Location: " +
                                                     target.url("/trap") + "\r\n\r\n")});
    config values = plain_config();
    tls_options trust;
    trust.ca_pem = lure.ca_pem();
    values.tls.profile = tls_profile::make(trust);
    client subject(values);
    EXPECT_EQ(carried(lure, target, subject), "");
    EXPECT_EQ(target.counters().connections_accepted, 0U);
}

TEST(HostileSafetyTest, ConnectionVerifiedForOneNameServesNoOther) {
    // The same address and port under two names: two connections, two verifications.
    const testing::certificate_authority authority;
    testing::origin_options options;
    options.listen.server_certificate = authority.issue({.names = {"one.example"}, .ips = {}});
    const testing::origin origin(options);
    config values = plain_config();
    tls_options trust;
    trust.ca_pem = authority.ca_pem();
    values.tls.profile = tls_profile::make(trust);
    for (const char* name : {"one.example", "two.example"}) {
        values.dns.overrides.push_back({.host = name, .addresses = {"127.0.0.1"}});
    }
    client subject(values);
    const std::string port = std::to_string(origin.port());
    error_code error;
    EXPECT_EQ(subject.send(get("https://one.example:" + port + "/d/0"), error).status, 200U);
    EXPECT_FALSE(error) << error.message();
    (void)subject.send(get("https://two.example:" + port + "/d/0"), error);
    EXPECT_EQ(error, errc::certificate_rejected);
    request routed = get("https://two.example:" + port + "/d/0");
    routed.route = route{.connect_host = "one.example"};
    (void)subject.send(std::move(routed), error);
    EXPECT_EQ(error, errc::certificate_rejected);
    request named_so = get("https://two.example:" + port + "/d/0");
    tls_options other = trust;
    other.verify_name = "one.example";
    named_so.tls = tls_profile::make(other);
    EXPECT_EQ(subject.send(std::move(named_so), error).status, 200U);
    (void)subject.send(get("https://two.example:" + port + "/d/0"), error);
    EXPECT_EQ(error, errc::certificate_rejected) << "another profile's connection was used";
    EXPECT_EQ(origin.counters().requests, 2U);
}

TEST(HostileSafetyTest, OnlyFieldsCalledDangerTurnVerificationOff) {
    // Each switch of tls_options, in turn, against a server nobody vouches for.
    const testing::origin origin;
    const std::string url = origin.url("/d/0");
    std::vector<tls_options> all(5);
    all[0].session_resumption = false;
    all[1].minimum_version = tls_version::tls_1_3;
    all[2].maximum_version = tls_version::tls_1_2;
    all[3].verify_name = "localhost";
    all[4].server_name = "localhost";
    for (const tls_options& each : all) {
        config values = plain_config();
        values.tls.profile = tls_profile::make(each);
        client subject(values);
        error_code error;
        (void)subject.send(get(url), error);
        EXPECT_EQ(error, errc::certificate_rejected) << error.message();
    }
    tls_options danger;
    danger.danger_skip_verification = true;
    config values = plain_config();
    values.tls.profile = tls_profile::make(danger);
    client subject(values);
    EXPECT_EQ(subject.send(get(url)).status, 200U) << "else this test shows nothing";
}

TEST(HostileSafetyTest, DefaultsVerify) {
    EXPECT_FALSE(tls_options{}.danger_skip_verification);
    const testing::origin origin;
    client subject(plain_config());
    error_code error;
    (void)subject.send(get(origin.url("/d/0")), error);
    EXPECT_EQ(error, errc::certificate_rejected);
    EXPECT_EQ(origin.counters().requests, 0U);
}

TEST(HostileSafetyTest, LimitsHoldAtTheirEdges) {
    const std::size_t head_limit = 2048;
    const std::size_t body_limit = 1000;
    const auto try_answer = [&](const std::string& octets) {
        const testing::raw_origin origin({.tls = false}, script{expect_request(), send(octets)});
        config values = plain_config();
        values.http1.max_header_bytes = head_limit;
        values.http1.max_header_count = 8;
        values.max_body_bytes = body_limit;
        client subject(values);
        request what = get(origin.url("/"));
        error_code error;
        (void)subject.send(std::move(what), error);
        return error;
    };
    const std::string fixed = head_with("Content-Length: 0\r\nA: \r\n");
    const auto head_of = [&](std::size_t size) {
        return head_with("Content-Length: 0\r\nA: " + std::string(size - fixed.size(), 'x') +
                         "\r\n");
    };
    EXPECT_FALSE(try_answer(head_of(head_limit)));
    EXPECT_EQ(try_answer(head_of(head_limit + 1)), errc::header_limit);
    EXPECT_FALSE(try_answer(head_with("Content-Length: 0\r\n" + repeated("A: b\r\n", 7))));
    EXPECT_EQ(try_answer(head_with("Content-Length: 0\r\n" + repeated("A: b\r\n", 8))),
              errc::header_limit);
    EXPECT_FALSE(try_answer(sized(std::string(body_limit, 'x'))));
    EXPECT_EQ(try_answer(sized(std::string(body_limit + 1, 'x'))), errc::body_limit);
    const auto in_one_chunk = [](std::size_t size) {
        std::ostringstream line;
        line << std::hex << size;
        return chunked(line.str() + "\r\n" + std::string(size, 'x') + "\r\n0\r\n\r\n");
    };
    EXPECT_FALSE(try_answer(in_one_chunk(body_limit)));
    EXPECT_EQ(try_answer(in_one_chunk(body_limit + 1)), errc::body_limit);
    // A length of 64 bits is read in full.
    EXPECT_EQ(try_answer(head_with("Content-Length: 18446744073709551615\r\n")), errc::body_limit);
    EXPECT_EQ(try_answer(head_with("Content-Length: 18446744073709551616\r\n")),
              errc::peer_protocol_error);
}

}  // namespace
}  // namespace hearth::hostile
