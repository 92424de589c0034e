// Chains that were verified a short while ago, in handshakes. The rules of the cache itself are
// tested in tls_chain_cache_impl_test.cpp.
#include "proto/tls_chain_cache.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "proto/tls_profile_impl.hpp"
#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using support::certificate_request;
using support::connect;
using support::identity;
using support::issue;
using support::origin_identity;
using support::settings_with;
using support::test_authority;
using support::tls_server;
using support::tls_server_context;
using support::tls_server_options;
using support::trusting_options;

tls_settings settings_for(tls_chain_cache& chains,
                          const tls_options& options = trusting_options()) {
    tls_settings settings = settings_with(options);
    settings.chains = &chains;
    return settings;
}

struct visit {
    bool is_connected = false;
    errc code{};
};

// A full handshake with a server that presents `server` and, behind it, `between`.
visit visit_once(const tls_settings& settings, const identity& server = origin_identity(),
                 const identity* between = nullptr) {
    tls_server_context context(server, {.tickets = 0});
    if (between != nullptr) context.add_chain(*between);
    tls_server peer(context);
    tls_engine client(settings);
    visit result;
    result.is_connected = connect(client, peer);
    result.code = client.error_code();
    return result;
}

identity issue_between() {
    certificate_request request;
    request.common_name = "between";
    request.is_authority = true;
    return issue(request, test_authority());
}
identity issue_origin(const identity& issuer) {
    certificate_request request;
    request.names = {"DNS:origin.example"};
    return issue(request, issuer);
}

class TlsChainCacheTest : public testing::Test {
protected:
    tls_chain_cache chains{std::chrono::minutes(5)};
};

TEST_F(TlsChainCacheTest, SameChainIsVerifiedOnce) {
    const tls_settings settings = settings_for(chains);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(visit_once(settings).is_connected);
    EXPECT_EQ(chains.hits(), 3U);
    EXPECT_EQ(chains.size(), 1U);
}

TEST_F(TlsChainCacheTest, EachVersionOfTlsUsesIt) {
    tls_options options = trusting_options();
    options.maximum_version = tls_version::tls_1_2;
    const tls_settings settings = settings_for(chains, options);
    EXPECT_TRUE(visit_once(settings).is_connected);
    EXPECT_TRUE(visit_once(settings).is_connected);
    EXPECT_EQ(chains.hits(), 1U);
}

TEST_F(TlsChainCacheTest, OtherNameIsVerifiedAndRefused) {
    tls_settings settings = settings_for(chains);
    EXPECT_TRUE(visit_once(settings).is_connected);
    settings.host = "other.example";
    EXPECT_EQ(visit_once(settings).code, errc::certificate_rejected);
    settings.host = "127.0.0.2";
    EXPECT_EQ(visit_once(settings).code, errc::certificate_rejected);
    EXPECT_EQ(chains.hits(), 0U);
}

TEST_F(TlsChainCacheTest, OtherProfileVerifiesForItself) {
    EXPECT_TRUE(visit_once(settings_for(chains)).is_connected);
    EXPECT_TRUE(visit_once(settings_for(chains)).is_connected);
    EXPECT_EQ(chains.hits(), 0U) << "equal options are still two profiles";
    tls_options others = trusting_options();
    others.ca_pem = support::make_authority("others").certificate_pem();
    EXPECT_EQ(visit_once(settings_for(chains, others)).code, errc::certificate_rejected);
}

TEST_F(TlsChainCacheTest, RefusedChainIsNotRemembered) {
    tls_settings settings = settings_for(chains);
    settings.host = "other.example";
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(visit_once(settings).code, errc::certificate_rejected);
    }
    EXPECT_EQ(chains.size(), 0U);
}

// A leaf that was verified with its issuer does not vouch for itself.
TEST_F(TlsChainCacheTest, LeafAloneIsNotEnough) {
    const identity between = issue_between();
    const identity origin = issue_origin(between);
    const tls_settings settings = settings_for(chains);
    EXPECT_TRUE(visit_once(settings, origin, &between).is_connected);
    EXPECT_EQ(visit_once(settings, origin).code, errc::certificate_rejected);
    const identity stranger = issue_between();
    EXPECT_EQ(visit_once(settings, origin, &stranger).code, errc::certificate_rejected);
    EXPECT_TRUE(visit_once(settings, origin, &between).is_connected);
    EXPECT_EQ(chains.hits(), 1U);
}

TEST_F(TlsChainCacheTest, PinsAreCheckedOnWhatIsRestored) {
    tls_options options = trusting_options();
    options.pins = {test_authority().pin()};  // of the root, which no server presents
    const tls_settings settings = settings_for(chains, options);
    EXPECT_TRUE(visit_once(settings).is_connected);
    EXPECT_TRUE(visit_once(settings).is_connected);
    EXPECT_EQ(chains.hits(), 1U);
    options.pins = {origin_identity(support::key_kind::rsa).pin()};
    const tls_settings strict = settings_for(chains, options);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(visit_once(strict).code, errc::certificate_rejected);
    }
    EXPECT_EQ(chains.hits(), 3U) << "the chain is fine, the pin is not";
}

TEST_F(TlsChainCacheTest, RevocationListsAreLookedAtEachTime) {
    const tls_settings settings = settings_for(chains);
    EXPECT_TRUE(visit_once(settings).is_connected);
    // From now on the profile wants a revocation list, and there is none.
    X509_STORE_set_flags(SSL_CTX_get_cert_store(settings.profile->internals().context()),
                         X509_V_FLAG_CRL_CHECK);
    EXPECT_EQ(visit_once(settings).code, errc::certificate_rejected);
    EXPECT_EQ(chains.hits(), 0U);
}

TEST_F(TlsChainCacheTest, NothingIsRememberedWithoutVerification) {
    tls_options options = trusting_options();
    options.danger_skip_verification = true;
    const tls_settings settings = settings_for(chains, options);
    EXPECT_TRUE(visit_once(settings).is_connected);
    EXPECT_EQ(chains.size(), 0U);
}

TEST_F(TlsChainCacheTest, ShorterLifetimeForgetsWhatThereIs) {
    const tls_settings settings = settings_for(chains);
    EXPECT_TRUE(visit_once(settings).is_connected);
    chains.set_lifetime(std::chrono::minutes(10));
    EXPECT_EQ(chains.size(), 1U);
    chains.set_lifetime(std::chrono::minutes(1));
    EXPECT_EQ(chains.size(), 0U);
    EXPECT_TRUE(visit_once(settings).is_connected);
    EXPECT_TRUE(visit_once(settings).is_connected);
    EXPECT_EQ(chains.hits(), 1U);
}

}  // namespace
}  // namespace hearth::proto
