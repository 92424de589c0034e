#include "proto/tls_session_cache_impl.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>

#include "support/certificates.hpp"

namespace hearth::proto {
namespace {

using shelves = tls_session_cache::implementation;

constexpr std::uint64_t profile = 7;
constexpr std::time_t start = 1'700'000'000;
constexpr long lifetime_s = 300;

// A session as OpenSSL makes them, without a connection. It counts as resumable because it has an
// id.
ssl_session_ptr make_session(int version, std::time_t made_at = start) {
    ssl_session_ptr session(SSL_SESSION_new());
    SSL_SESSION_set_protocol_version(session.get(), version);
    SSL_SESSION_set_time(session.get(), static_cast<long>(made_at));
    SSL_SESSION_set_timeout(session.get(), lifetime_s);
    constexpr unsigned char id[] = {1, 2, 3, 4};
    SSL_SESSION_set1_id(session.get(), id, sizeof(id));
    return session;
}

TEST(TlsSessionCacheImplTest, NewestComesFirst) {
    shelves cache(8, 8);
    auto first = make_session(TLS1_2_VERSION);
    auto second = make_session(TLS1_2_VERSION);
    const SSL_SESSION* newest = second.get();
    cache.store(profile, "a", std::move(first));
    cache.store(profile, "a", std::move(second));
    EXPECT_EQ(cache.take(profile, "a", start + 1).get(), newest);
}

TEST(TlsSessionCacheImplTest, OlderVersionsStayWhenTaken) {
    shelves cache(8, 8);
    cache.store(profile, "a", make_session(TLS1_2_VERSION));
    for (int i = 0; i < 3; ++i) {
        EXPECT_NE(cache.take(profile, "a", start + 1), nullptr);
        EXPECT_EQ(cache.count(profile, "a"), 1U);
    }
}

// Such a session has no ticket lifetime, which for TLS 1.3 means that it is dead at once.
TEST(TlsSessionCacheImplTest, NewVersionWithoutLifetimeIsNeverOffered) {
    shelves cache(8, 8);
    cache.store(profile, "a", make_session(TLS1_3_VERSION));
    EXPECT_EQ(cache.take(profile, "a", start), nullptr);
}

TEST(TlsSessionCacheImplTest, ExpiryIsExact) {
    shelves cache(8, 8);
    cache.store(profile, "a", make_session(TLS1_2_VERSION));
    EXPECT_NE(cache.take(profile, "a", start + lifetime_s - 1), nullptr);
    EXPECT_EQ(cache.take(profile, "a", start + lifetime_s), nullptr);
    EXPECT_EQ(cache.count(profile, "a"), 0U);
}

TEST(TlsSessionCacheImplTest, LifetimeIsCappedAtSevenDays) {
    constexpr std::time_t week = 7 * 24 * 60 * 60;
    auto session = make_session(TLS1_2_VERSION);
    SSL_SESSION_set_timeout(session.get(), 100 * week);
    EXPECT_EQ(session_expiry(session.get()), start + week);
}

TEST(TlsSessionCacheImplTest, LacksThePlacesThatHoldNothingFresh) {
    shelves cache(3, 8);
    EXPECT_EQ(cache.lacking(profile, "a", start), 3U);
    cache.store(profile, "a", make_session(TLS1_2_VERSION, start - 60));
    EXPECT_EQ(cache.lacking(profile, "a", start - 1), 2U);
    EXPECT_EQ(cache.lacking(profile, "a", start), 3U);  // a minute
    cache.store(profile, "a", make_session(TLS1_2_VERSION, start));
    cache.store(profile, "a", make_session(TLS1_2_VERSION, start));
    EXPECT_EQ(cache.lacking(profile, "a", start), 1U);
    cache.store(profile, "a", make_session(TLS1_2_VERSION, start));  // in the place of the old one
    EXPECT_EQ(cache.lacking(profile, "a", start), 0U);
    EXPECT_EQ(cache.lacking(profile, "b", start), 3U);
    (void)cache.take(profile, "a", start);  // stays there, in this version
    EXPECT_EQ(cache.lacking(profile, "a", start + 59), 0U);
    EXPECT_EQ(cache.lacking(profile, "a", start + 60), 3U);
}

TEST(TlsSessionCacheImplTest, SessionsOfAShortLifeAreFreshForHalfOfIt) {
    shelves cache(1, 8);
    auto session = make_session(TLS1_2_VERSION);
    SSL_SESSION_set_timeout(session.get(), 10);
    cache.store(profile, "a", std::move(session));
    EXPECT_EQ(cache.lacking(profile, "a", start + 4), 0U);
    EXPECT_EQ(cache.lacking(profile, "a", start + 5), 1U);
}

TEST(TlsSessionCacheImplTest, LacksNothingWhereNothingIsKept) {
    EXPECT_EQ(shelves(0, 8).lacking(profile, "a", start), 0U);
    EXPECT_EQ(shelves(8, 0).lacking(profile, "a", start), 0U);
}

TEST(TlsSessionCacheImplTest, OldestIsDroppedBeyondTheLimitOfAKey) {
    shelves cache(2, 8);
    const auto first = make_session(TLS1_2_VERSION, start);
    SSL_SESSION_up_ref(first.get());
    cache.store(profile, "a", ssl_session_ptr(first.get()));
    cache.store(profile, "a", make_session(TLS1_2_VERSION, start - lifetime_s));
    cache.store(profile, "a", make_session(TLS1_2_VERSION, start - lifetime_s));
    EXPECT_EQ(cache.count(profile, "a"), 2U);
    EXPECT_EQ(cache.take(profile, "a", start + 1), nullptr);  // the only fresh one was the oldest
}

TEST(TlsSessionCacheImplTest, LeastRecentlyUsedKeyIsDroppedBeyondTheTotal) {
    shelves cache(8, 3);
    for (const std::string key : {"a", "b", "c"}) {
        cache.store(profile, key, make_session(TLS1_2_VERSION));
    }
    EXPECT_NE(cache.take(profile, "a", start + 1), nullptr);  // now "b" is the oldest use
    cache.store(profile, "d", make_session(TLS1_2_VERSION));
    EXPECT_EQ(cache.count(profile, "a"), 1U);
    EXPECT_EQ(cache.count(profile, "b"), 0U);
    EXPECT_EQ(cache.count(profile, "c"), 1U);
    EXPECT_EQ(cache.count(profile, "d"), 1U);
}

TEST(TlsSessionCacheImplTest, ManyKeysStayBounded) {
    constexpr std::size_t max_keys = 10;
    shelves cache(2, max_keys);
    std::size_t kept = 0;
    for (int i = 0; i < 1000; ++i) {
        cache.store(profile, std::to_string(i), make_session(TLS1_2_VERSION));
    }
    for (int i = 0; i < 1000; ++i) kept += cache.count(profile, std::to_string(i));
    EXPECT_EQ(kept, max_keys);
}

TEST(TlsSessionCacheImplTest, KeysAndProfilesAreNotMixed) {
    shelves cache(8, 8);
    cache.store(1, "1\nx", make_session(TLS1_2_VERSION));
    EXPECT_EQ(cache.count(11, "x"), 0U);
    EXPECT_EQ(cache.count(1, "x"), 0U);
    EXPECT_EQ(cache.take(2, "1\nx", start + 1), nullptr);
    EXPECT_NE(cache.take(1, "1\nx", start + 1), nullptr);
}

TEST(TlsSessionCacheImplTest, RemovesOneSession) {
    shelves cache(8, 8);
    cache.store(profile, "a", make_session(TLS1_2_VERSION));
    cache.store(profile, "a", make_session(TLS1_2_VERSION));
    const auto taken = cache.take(profile, "a", start + 1);
    cache.remove(profile, "a", taken.get());
    EXPECT_EQ(cache.count(profile, "a"), 1U);
    cache.remove(profile, "a", taken.get());
    cache.remove(profile, "unknown", taken.get());
    EXPECT_EQ(cache.count(profile, "a"), 1U);
}

TEST(TlsSessionCacheImplTest, SessionsThatCannotBeResumedAreNotKept) {
    shelves cache(8, 8);
    ssl_session_ptr blank(SSL_SESSION_new());
    cache.store(profile, "a", std::move(blank));
    EXPECT_EQ(cache.count(profile, "a"), 0U);
}

TEST(TlsSessionCacheImplTest, ForgetLeavesOtherProfiles) {
    shelves cache(8, 8);
    for (const std::string key : {"a", "b"}) {
        cache.store(1, key, make_session(TLS1_2_VERSION));
        cache.store(2, key, make_session(TLS1_2_VERSION));
    }
    cache.forget(1);
    EXPECT_EQ(cache.count(1, "a") + cache.count(1, "b"), 0U);
    EXPECT_EQ(cache.count(2, "a") + cache.count(2, "b"), 2U);
}

TEST(TlsSessionCacheImplTest, ClockIsThatOfCertificates) {
    support::certificate_request request;
    request.valid_from = std::chrono::seconds(0);
    const auto made = support::self_sign(request);
    std::tm stamp{};
    ASN1_TIME_to_tm(X509_get0_notBefore(made.certificate.get()), &stamp);
    EXPECT_NEAR(static_cast<double>(openssl_time()), static_cast<double>(timegm(&stamp)), 60.0);
}

}  // namespace
}  // namespace hearth::proto
