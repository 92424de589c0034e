#include "proto/tls_profile_impl.hpp"

#include <gtest/gtest.h>

#include <set>

namespace hearth::proto {
namespace {

tls_options blind() {
    tls_options options;
    options.danger_skip_verification = true;
    return options;
}

TEST(TlsProfileImplTest, NumbersAreNeverGivenTwice) {
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 32; ++i) {
        EXPECT_TRUE(seen.insert(tls_profile::make(blind())->internals().id()).second);
    }
}

TEST(TlsProfileImplTest, ContextRefusesRenegotiationAndReleasesBuffers) {
    const auto profile = tls_profile::make(blind());
    SSL_CTX* context = profile->internals().context();
    EXPECT_NE(SSL_CTX_get_options(context) & SSL_OP_NO_RENEGOTIATION, 0U);
    EXPECT_EQ(SSL_CTX_get_options(context) & SSL_OP_LEGACY_SERVER_CONNECT, 0U);
    EXPECT_EQ(SSL_CTX_get_options(context) & SSL_OP_IGNORE_UNEXPECTED_EOF, 0U);
    EXPECT_NE(SSL_CTX_get_mode(context) & SSL_MODE_RELEASE_BUFFERS, 0);
}

TEST(TlsProfileImplTest, PeerIsVerifiedUnlessToldOtherwise) {
    const auto safe = tls_profile::make({});
    EXPECT_EQ(SSL_CTX_get_verify_mode(safe->internals().context()), SSL_VERIFY_PEER);
    const auto unsafe = tls_profile::make(blind());
    EXPECT_EQ(SSL_CTX_get_verify_mode(unsafe->internals().context()), SSL_VERIFY_NONE);
}

}  // namespace
}  // namespace hearth::proto
