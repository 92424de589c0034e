#include "proto/tls_chain_cache_impl.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "proto/tls_session_cache_impl.hpp"
#include "support/certificates.hpp"

namespace hearth::proto {
namespace {

using std::chrono::hours;
using support::certificate_request;
using support::identity;
using support::issue;
using support::make_authority;
using chains = tls_chain_cache::implementation;

constexpr std::uint64_t profile = 7;
constexpr std::time_t lifetime = 300;
constexpr std::time_t hour = 3600;

using store_ctx_ptr = std::unique_ptr<X509_STORE_CTX, openssl_deleter<X509_STORE_CTX_free>>;

// A verification as a handshake makes it: who is trusted, what was presented, and the rules.
class verification {
public:
    verification(const identity& authority, const std::vector<const identity*>& presented,
                 const std::string& host = "a.example")
        : trusted_(X509_STORE_new()), presented_(sk_X509_new_null()), store_(X509_STORE_CTX_new()) {
        X509_STORE_add_cert(trusted_.get(), authority.certificate.get());
        for (const identity* each : presented) {
            X509_up_ref(each->certificate.get());
            sk_X509_push(presented_.get(), each->certificate.get());
        }
        X509_STORE_CTX_init(store_.get(), trusted_.get(), sk_X509_value(presented_.get(), 0),
                            presented_.get());
        X509_VERIFY_PARAM_set1_host(rules(), host.data(), host.size());
    }
    [[nodiscard]] X509_STORE_CTX* get() const { return store_.get(); }
    [[nodiscard]] X509_VERIFY_PARAM* rules() const {
        return X509_STORE_CTX_get0_param(store_.get());
    }
    [[nodiscard]] std::optional<verification_digest> digest(std::uint64_t of = profile) const {
        return digest_verification(of, store_.get());
    }
    [[nodiscard]] bool succeeds() const { return X509_verify_cert(store_.get()) == 1; }
    // The certificates of the result.
    [[nodiscard]] int length() const {
        return sk_X509_num(X509_STORE_CTX_get0_chain(store_.get()));
    }

private:
    x509_store_ptr trusted_;
    x509_stack_ptr presented_;
    store_ctx_ptr store_;
};

// A root, an authority below it, and leaves.
class TlsChainCacheImplTest : public testing::Test {
protected:
    static identity issue_for(const std::string& host, const identity& issuer,
                              hours valid_to = hours(24)) {
        certificate_request request;
        request.names = {"DNS:" + host};
        request.valid_to = valid_to;
        return issue(request, issuer);
    }
    static identity issue_authority(const identity& issuer, hours valid_to = hours(24)) {
        certificate_request request;
        request.common_name = "between";
        request.is_authority = true;
        request.valid_to = valid_to;
        return issue(request, issuer);
    }
    [[nodiscard]] verification usual() const { return {root, {&leaf, &between}}; }
    // Whether what `known` was given for `usual` serves then.
    [[nodiscard]] bool serves(chains& known, std::time_t at) const {
        const verification again = usual();
        return known.restore(*again.digest(), again.get(), at);
    }
    void learn(chains& known, std::time_t at) const {
        const verification first = usual();
        ASSERT_TRUE(first.succeeds());
        known.keep(*first.digest(), first.get(), at);
    }

    identity root = make_authority();
    identity between = issue_authority(root);
    identity leaf = issue_for("a.example", between);
    std::time_t now = openssl_time();
};

TEST_F(TlsChainCacheImplTest, RestoresTheVerifiedChain) {
    chains known(lifetime, 8);
    EXPECT_FALSE(serves(known, now));
    learn(known, now);
    const verification again = usual();
    X509_STORE_CTX_set_error(again.get(), X509_V_ERR_UNSPECIFIED);
    ASSERT_TRUE(known.restore(*again.digest(), again.get(), now));
    EXPECT_EQ(again.length(), 3) << "with the root, which was not presented";
    EXPECT_EQ(X509_STORE_CTX_get_error(again.get()), X509_V_OK);
    EXPECT_EQ(known.hits(), 1U);
}

TEST_F(TlsChainCacheImplTest, CountsForItsLifetimeOnly) {
    chains known(lifetime, 8);
    learn(known, now);
    EXPECT_TRUE(serves(known, now + lifetime - 1));
    EXPECT_FALSE(serves(known, now + lifetime));
    EXPECT_EQ(known.size(), 0U);
    EXPECT_FALSE(serves(known, now)) << "it is gone";
}

TEST_F(TlsChainCacheImplTest, NeverCountsBeyondTheValidityOfAnyCertificate) {
    identity soon = issue_for("a.example", between, hours(1));
    std::swap(leaf, soon);
    chains by_leaf(100 * hour, 8);
    learn(by_leaf, now);
    EXPECT_TRUE(serves(by_leaf, now + hour - 60));
    EXPECT_FALSE(serves(by_leaf, now + hour + 60));
    between = issue_authority(root, hours(2));
    leaf = issue_for("a.example", between);
    chains by_issuer(100 * hour, 8);
    learn(by_issuer, now);
    EXPECT_TRUE(serves(by_issuer, now + 2 * hour - 60));
    EXPECT_FALSE(serves(by_issuer, now + 2 * hour + 60));
}

TEST_F(TlsChainCacheImplTest, KeepsNothingThatHasEnded) {
    chains known(lifetime, 8);
    learn(known, now + 25 * hour);
    EXPECT_EQ(known.size(), 0U);
}

TEST_F(TlsChainCacheImplTest, IsVoidWhenTheClockStepsBack) {
    chains known(lifetime, 8);
    learn(known, now);
    EXPECT_FALSE(serves(known, now - 1)) << "it may not be valid yet";
    EXPECT_EQ(known.size(), 0U);
}

TEST_F(TlsChainCacheImplTest, ForgetsTheChainUsedLongestAgo) {
    chains known(lifetime, 2);
    const identity second = issue_for("a.example", between);
    const identity third = issue_for("a.example", between);
    learn(known, now);
    const verification two(root, {&second, &between});
    ASSERT_TRUE(two.succeeds());
    known.keep(*two.digest(), two.get(), now);
    EXPECT_TRUE(serves(known, now));
    const verification three(root, {&third, &between});
    ASSERT_TRUE(three.succeeds());
    known.keep(*three.digest(), three.get(), now);
    EXPECT_EQ(known.size(), 2U);
    EXPECT_TRUE(serves(known, now));
    EXPECT_FALSE(known.restore(*two.digest(), two.get(), now));
}

TEST_F(TlsChainCacheImplTest, KnowsAChainOnceHoweverOftenItIsKept) {
    chains known(lifetime, 8);
    learn(known, now);
    learn(known, now + 100);
    EXPECT_EQ(known.size(), 1U);
    EXPECT_TRUE(serves(known, now + lifetime + 50)) << "verified again, it counts from then on";
}

TEST_F(TlsChainCacheImplTest, NoPlaceKeepsNothing) {
    chains known(lifetime, 0);
    learn(known, now);
    EXPECT_EQ(known.size(), 0U);
}

TEST_F(TlsChainCacheImplTest, DigestIsOfTheWholeVerification) {
    const auto usually = usual().digest();
    ASSERT_TRUE(usually.has_value());
    EXPECT_EQ(usual().digest(), usually);
    EXPECT_NE(usual().digest(profile + 1), usually) << "profile";
    EXPECT_NE(verification(root, {&leaf, &between}, "b.example").digest(), usually) << "name";
    EXPECT_NE(verification(root, {&leaf}).digest(), usually) << "leaf alone";
    EXPECT_NE(verification(root, {&leaf, &between, &root}).digest(), usually) << "more";
    const identity other = issue_authority(root);
    EXPECT_NE(verification(root, {&leaf, &other}).digest(), usually) << "other issuer";
    EXPECT_NE(verification(root, {&between, &leaf}).digest(), usually) << "order";
    const identity twin = issue_for("a.example", between);
    EXPECT_NE(verification(root, {&twin, &between}).digest(), usually) << "other leaf";
}

TEST_F(TlsChainCacheImplTest, DigestIsOfTheRules) {
    const auto usually = usual().digest();
    const auto with = [this](auto change) {
        const verification changed = usual();
        change(changed.rules());
        return changed.digest();
    };
    EXPECT_NE(with([](auto* r) { X509_VERIFY_PARAM_set_auth_level(r, 4); }), usually);
    EXPECT_NE(with([](auto* r) { X509_VERIFY_PARAM_set_depth(r, 1); }), usually);
    EXPECT_NE(with([](auto* r) { X509_VERIFY_PARAM_set_flags(r, X509_V_FLAG_X509_STRICT); }),
              usually);
    EXPECT_NE(
        with([](auto* r) { X509_VERIFY_PARAM_set_hostflags(r, X509_CHECK_FLAG_NO_WILDCARDS); }),
        usually);
    EXPECT_NE(with([](auto* r) { X509_VERIFY_PARAM_add1_host(r, "b.example", 0); }), usually);
    EXPECT_NE(with([](auto* r) { X509_VERIFY_PARAM_set1_ip_asc(r, "10.0.0.1"); }), usually);
}

// Two names are not the one they make together.
TEST_F(TlsChainCacheImplTest, DigestKeepsNamesApart) {
    const verification one(root, {&leaf}, "ab");
    const verification two(root, {&leaf}, "a");
    X509_VERIFY_PARAM_add1_host(two.rules(), "b", 0);
    EXPECT_NE(one.digest(), two.digest());
}

TEST_F(TlsChainCacheImplTest, VerificationsThatDependOnMoreAreNotRemembered) {
    for (const int flag :
         {X509_V_FLAG_CRL_CHECK, X509_V_FLAG_CRL_CHECK_ALL, X509_V_FLAG_USE_CHECK_TIME,
          X509_V_FLAG_NO_CHECK_TIME, X509_V_FLAG_POLICY_CHECK}) {
        const verification one = usual();
        X509_VERIFY_PARAM_set_flags(one.rules(), static_cast<unsigned long>(flag));
        EXPECT_FALSE(one.digest().has_value()) << flag;
    }
}

}  // namespace
}  // namespace hearth::proto
