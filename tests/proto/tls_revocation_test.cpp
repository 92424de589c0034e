// Revocation lists of a profile: what they refuse, and that they must be there and fresh.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "support/revocation.hpp"
#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using namespace hearth::support;
using std::chrono::hours;

const identity& listing_authority() {
    static const identity made = [] {
        certificate_request request;
        request.common_name = "listing root";
        request.is_authority = true;
        request.key_usage = "critical,keyCertSign,cRLSign";
        return self_sign(request);
    }();
    return made;
}

identity leaf(const identity& issuer = listing_authority()) {
    certificate_request request;
    request.names = {"DNS:origin.example"};
    return issue(request, issuer);
}

tls_options trusting(const std::string& lists) {
    tls_options options;
    options.ca_pem = listing_authority().certificate_pem();
    options.crl_pem = lists;
    return options;
}

struct outcome {
    bool is_connected = false;
    errc code{};
    std::string detail;
};

outcome shake(const tls_settings& settings, const identity& about,
              const identity* intermediate = nullptr) {
    tls_server_context context(about);
    if (intermediate != nullptr) context.add_chain(*intermediate);
    tls_server peer(context);
    tls_engine client(settings);
    const bool is_connected = connect(client, peer);
    return {is_connected, client.error_code(), client.error_detail()};
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST(TlsRevocationTest, RevokedCertificateIsRefusedAndOthersAreNot) {
    const identity good = leaf();
    const identity bad = leaf();
    const tls_settings settings =
        settings_with(trusting(make_list(listing_authority(), {.revoked = {&bad}})));
    EXPECT_TRUE(shake(settings, good).is_connected);
    const outcome refused = shake(settings, bad);
    EXPECT_EQ(refused.code, errc::certificate_rejected);
    EXPECT_TRUE(contains(refused.detail, "certificate revoked")) << refused.detail;
}

TEST(TlsRevocationTest, ListOutOfDateIsAnError) {
    const outcome refused =
        shake(settings_with(
                  trusting(make_list(listing_authority(), {.from = hours(-3), .next = hours(-2)}))),
              leaf());
    EXPECT_EQ(refused.code, errc::certificate_rejected);
    EXPECT_TRUE(
        contains(refused.detail, "revocation list is out of date: the next one was due on "))
        << refused.detail;
}

TEST(TlsRevocationTest, MissingListIsAnError) {
    const identity other = make_authority("another");
    const outcome refused = shake(settings_with(trusting(make_list(other))), leaf());
    EXPECT_EQ(refused.code, errc::certificate_rejected);
    EXPECT_TRUE(contains(refused.detail, "no revocation list was given")) << refused.detail;
}

TEST(TlsRevocationTest, WholeChainNeedsListsOnlyIfAsked) {
    certificate_request request;
    request.common_name = "intermediate";
    request.is_authority = true;
    request.key_usage = "critical,keyCertSign,cRLSign";
    const identity middle = issue(request, listing_authority());
    const identity about = leaf(middle);
    tls_options options = trusting(make_list(middle));
    EXPECT_TRUE(shake(settings_with(options), about, &middle).is_connected);
    options.crl_whole_chain = true;
    EXPECT_FALSE(shake(settings_with(options), about, &middle).is_connected);
    options.crl_pem += make_list(listing_authority());
    EXPECT_TRUE(shake(settings_with(options), about, &middle).is_connected);
    options.crl_pem = make_list(middle) + make_list(listing_authority(), {.revoked = {&middle}});
    EXPECT_FALSE(shake(settings_with(options), about, &middle).is_connected);
}

TEST(TlsRevocationTest, ChainsAreNotRemembered) {
    tls_settings settings = settings_with(trusting(make_list(listing_authority())));
    tls_chain_cache chains(std::chrono::seconds{60});
    settings.chains = &chains;
    EXPECT_TRUE(shake(settings, leaf()).is_connected);
    EXPECT_EQ(chains.size(), 0U);
}

TEST(TlsRevocationTest, OptionsThatContradictAreRefused) {
    const auto refusal = [](const tls_options& options) -> std::string {
        try {
            (void)tls_profile::make(options);
        } catch (const boost::system::system_error& error) {
            return error.what();
        }
        return "";
    };
    EXPECT_TRUE(contains(refusal(trusting("no list")), "crl_pem holds no revocation list"));
    tls_options options = trusting_options();
    options.crl_whole_chain = true;
    EXPECT_TRUE(contains(refusal(options), "crl_whole_chain is set"));
    options = trusting_options();
    options.crl_file = "/nowhere/list.pem";
    EXPECT_TRUE(contains(refusal(options), "crl_file"));
    options = {};
    options.danger_skip_verification = true;
    options.ocsp_staple = ocsp_policy::required;
    EXPECT_TRUE(contains(refusal(options), "nothing to judge"));
}

}  // namespace
}  // namespace hearth::proto
