#include "proto/tls_session_cache.hpp"

#include <gtest/gtest.h>

#include <string>

#include "proto/tls_profile_impl.hpp"
#include "proto/tls_session_cache_impl.hpp"
#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using support::connect;
using support::receive_from;
using support::settings_with;

// Connects once and leaves the server's two tickets in the cache.
void stock_up(const tls_settings& settings) {
    const support::tls_server_context context(support::origin_identity());
    support::tls_server server(context);
    tls_engine client(settings);
    ASSERT_TRUE(connect(client, server)) << client.error_detail();
    (void)receive_from(client, server);
}

TEST(TlsSessionCacheTest, CountsByProfileAndKey) {
    tls_session_cache cache(8);
    tls_settings settings = settings_with();
    settings.sessions = &cache;
    EXPECT_EQ(cache.count(*settings.profile, tls_session_key(settings)), 0U);
    stock_up(settings);
    EXPECT_EQ(cache.count(*settings.profile, tls_session_key(settings)), 2U);
    EXPECT_EQ(cache.count(*settings.profile, "another key"), 0U);
    EXPECT_EQ(cache.count(*settings_with().profile, tls_session_key(settings)), 0U);
}

TEST(TlsSessionCacheTest, ForgetsWhatOneProfileLearned) {
    tls_session_cache cache(8);
    tls_settings first = settings_with();
    tls_settings second = settings_with();
    first.sessions = second.sessions = &cache;
    stock_up(first);
    stock_up(second);
    cache.forget(*first.profile);
    EXPECT_EQ(cache.count(*first.profile, tls_session_key(first)), 0U);
    EXPECT_EQ(cache.count(*second.profile, tls_session_key(second)), 2U);
}

TEST(TlsSessionCacheTest, LimitOfZeroKeepsNothing) {
    tls_session_cache cache(0);
    tls_settings settings = settings_with();
    settings.sessions = &cache;
    stock_up(settings);
    EXPECT_EQ(cache.count(*settings.profile, tls_session_key(settings)), 0U);
}

TEST(TlsSessionCacheTest, LowerLimitHoldsAsOthersCome) {
    tls_session_cache cache(8);
    tls_settings settings = settings_with();
    settings.sessions = &cache;
    stock_up(settings);
    cache.set_limit(1);
    stock_up(settings);
    EXPECT_EQ(cache.count(*settings.profile, tls_session_key(settings)), 1U);
}

}  // namespace
}  // namespace hearth::proto
