#include "proto/openssl_error.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace hearth::proto {
namespace {

// OpenSSL loads its texts with its first TLS context.
class OpensslErrorTest : public testing::Test {
protected:
    OpensslErrorTest() { OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, nullptr); }
};

TEST_F(OpensslErrorTest, SaysSomethingWithoutAnError) {
    clear_openssl_errors();
    EXPECT_EQ(take_openssl_error(), "OpenSSL gave no reason");
}

TEST_F(OpensslErrorTest, TakingEmptiesTheQueue) {
    ERR_raise(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER);
    EXPECT_EQ(take_openssl_error(), "no shared cipher");
    EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(OpensslErrorTest, NamesTheFirstCauseWhereItDiffers) {
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_SIGNATURE);
    ERR_raise(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED);
    EXPECT_EQ(take_openssl_error(), "certificate verify failed (bad signature)");
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_SIGNATURE);
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_SIGNATURE);
    EXPECT_EQ(take_openssl_error(), "bad signature");
}

TEST_F(OpensslErrorTest, AlertsAreThePeersAndNamed) {
    ERR_raise(ERR_LIB_SSL, SSL_R_TLSV1_ALERT_UNKNOWN_CA);
    EXPECT_EQ(take_openssl_error(), "the peer sent the alert \"unknown ca\"");
    ERR_raise(ERR_LIB_SSL, SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED);
    EXPECT_EQ(take_openssl_error(), "the peer sent the alert \"certificate required\"");
    ERR_raise(ERR_LIB_SSL, SSL_AD_REASON_OFFSET + 200);  // a number nobody has defined
    EXPECT_EQ(take_openssl_error(), "the peer sent the alert 200");
}

TEST_F(OpensslErrorTest, AnAnswerThatIsNotTlsIsCalledSo) {
    ERR_raise(ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER);
    EXPECT_EQ(take_openssl_error(), "wrong version number: what the peer sent is not TLS");
}

TEST_F(OpensslErrorTest, ClearingEmptiesTheQueue) {
    ERR_raise(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER);
    clear_openssl_errors();
    EXPECT_EQ(ERR_peek_error(), 0U);
}

}  // namespace
}  // namespace hearth::proto
