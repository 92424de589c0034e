#include "proto/tls_staple.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <string>
#include <vector>

#include "support/revocation.hpp"
#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using namespace hearth::support;
using std::chrono::hours;

identity leaf(const identity& issuer = test_authority(),
              std::vector<std::pair<int, std::string>> extensions = {}) {
    certificate_request request;
    request.names = {"DNS:origin.example"};
    request.extensions = std::move(extensions);
    return issue(request, issuer);
}

std::string judge(const std::string& response, const identity& about,
                  const identity& issuer = test_authority()) {
    const x509_stack_ptr chain(sk_X509_new_null());
    for (const identity* one : {&about, &issuer}) {
        X509_up_ref(one->certificate.get());
        sk_X509_push(chain.get(), one->certificate.get());
    }
    const x509_store_ptr store(X509_STORE_new());
    X509_STORE_add_cert(store.get(), issuer.certificate.get());
    const auto* octets = reinterpret_cast<const unsigned char*>(response.data());
    return judge_staple({octets, response.size()}, chain.get(), store.get(), std::time(nullptr));
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST(TlsStapleTest, GoodResponseOfTheIssuerVouches) {
    const identity about = leaf();
    const identity& issuer = test_authority();
    EXPECT_EQ(judge(make_response(about, issuer, issuer), about), "");
    EXPECT_EQ(judge(make_response(about, issuer, issuer, {.uses_sha256 = true}), about), "");
    EXPECT_EQ(judge(make_response(about, issuer, issuer, {.says_next = false}), about), "");
}

TEST(TlsStapleTest, DelegateVouchesAndNobodyElse) {
    const identity about = leaf();
    const identity& issuer = test_authority();
    const identity delegate = leaf(issuer, {{NID_ext_key_usage, "OCSPSigning"}});
    EXPECT_EQ(judge(make_response(about, issuer, delegate), about), "");
    const identity ordinary = leaf();
    EXPECT_TRUE(contains(judge(make_response(about, issuer, ordinary), about), "is not signed"));
    EXPECT_TRUE(contains(judge(make_response(about, issuer, about), about), "is not signed"))
        << "not the certificate itself";
    const identity stranger = make_authority("test root");
    const identity theirs = leaf(stranger, {{NID_ext_key_usage, "OCSPSigning"}});
    EXPECT_TRUE(contains(judge(make_response(about, issuer, theirs), about), "is not signed"));
}

TEST(TlsStapleTest, WhatItSaysCounts) {
    const identity about = leaf();
    const identity& issuer = test_authority();
    const std::string revoked =
        judge(make_response(about, issuer, issuer, {.status = ocsp_status::revoked}), about);
    EXPECT_TRUE(contains(revoked, "was revoked on ")) << revoked;
    EXPECT_TRUE(contains(revoked, "keyCompromise")) << revoked;
    EXPECT_TRUE(contains(
        judge(make_response(about, issuer, issuer, {.status = ocsp_status::unknown}), about),
        "does not know"));
}

TEST(TlsStapleTest, OnlyThePresentCounts) {
    const identity about = leaf();
    const identity& issuer = test_authority();
    const auto with = [&](response_request what) {
        return judge(make_response(about, issuer, issuer, what), about);
    };
    EXPECT_TRUE(contains(with({.from = hours(-3), .next = hours(-2)}), "is out of date"));
    EXPECT_TRUE(contains(with({.from = hours(1), .next = hours(2)}), "is not valid before"));
    EXPECT_TRUE(contains(with({.from = hours(-24 * 8), .says_next = false}), "how long it holds"));
    EXPECT_EQ(with({.from = std::chrono::seconds(100)}), "") << "clocks differ";
}

TEST(TlsStapleTest, OtherCertificatesAndOtherThingsDoNot) {
    const identity about = leaf();
    const identity& issuer = test_authority();
    EXPECT_TRUE(
        contains(judge(make_response(leaf(), issuer, issuer), about), "another certificate"));
    EXPECT_TRUE(contains(judge(make_error_response(), about), "trylater"));
    EXPECT_TRUE(contains(judge("nonsense", about), "does not parse"));
    EXPECT_TRUE(contains(judge("", about), "does not parse"));
}

TEST(TlsStapleTest, DamageAnywhereIsFound) {
    const identity about = leaf();
    const identity& issuer = test_authority();
    const std::string good = make_response(about, issuer, issuer);
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string damaged = good;
        damaged[i] = static_cast<char>(damaged[i] ^ 0x04);
        (void)judge(damaged, about);  // what is not signed may change; nothing may crash
        EXPECT_NE(judge(good.substr(0, i), about), "") << i;
    }
}

// In handshakes.

struct outcome {
    bool is_connected = false;
    errc code{};
    std::string detail;
};

outcome shake(ocsp_policy policy, const std::string& staple, const identity& about,
              int version = TLS1_3_VERSION) {
    tls_options options = trusting_options();
    options.ocsp_staple = policy;
    tls_server_options server;
    server.maximum_version = version;
    server.staple = staple;
    const tls_server_context context(about, server);
    tls_server peer(context);
    tls_engine client(settings_with(options));
    const bool is_connected = connect(client, peer);
    return {is_connected, client.error_code(), client.error_detail()};
}

TEST(TlsStapleTest, HandshakesObeyThePolicy) {
    const identity about = leaf();
    const identity& issuer = test_authority();
    const std::string good = make_response(about, issuer, issuer);
    const std::string bad = make_response(about, issuer, issuer, {.status = ocsp_status::revoked});
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        using enum ocsp_policy;
        for (const ocsp_policy policy : {off, if_present, required}) {
            EXPECT_TRUE(shake(policy, good, about, version).is_connected);
        }
        EXPECT_TRUE(shake(off, bad, about, version).is_connected);
        EXPECT_TRUE(shake(if_present, "", about, version).is_connected);
        const outcome revoked = shake(if_present, bad, about, version);
        EXPECT_FALSE(revoked.is_connected);
        EXPECT_EQ(revoked.code, errc::certificate_rejected);
        EXPECT_TRUE(contains(revoked.detail,
                             "the certificate of origin.example:443 was rejected: its OCSP staple "
                             "says that it was revoked on "))
            << revoked.detail;
        const outcome missing = shake(required, "", about, version);
        EXPECT_EQ(missing.code, errc::certificate_rejected);
        EXPECT_TRUE(contains(missing.detail, "without an OCSP staple")) << missing.detail;
    }
}

TEST(TlsStapleTest, RememberedChainIsNoExcuse) {
    const identity about = leaf();
    tls_options options = trusting_options();
    options.ocsp_staple = ocsp_policy::required;
    options.session_resumption = false;
    tls_settings settings = settings_with(options);
    tls_chain_cache chains(std::chrono::seconds{60});
    settings.chains = &chains;
    tls_server_options server;
    for (const ocsp_status status : {ocsp_status::good, ocsp_status::good, ocsp_status::revoked}) {
        server.staple =
            make_response(about, test_authority(), test_authority(), {.status = status});
        const tls_server_context context(about, server);
        tls_server peer(context);
        tls_engine client(settings);
        EXPECT_EQ(connect(client, peer), status == ocsp_status::good);
    }
    EXPECT_EQ(chains.hits(), 2U);
}

}  // namespace
}  // namespace hearth::proto
