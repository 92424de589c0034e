// OpenSSL's failures as exceptions.
#include "testing/openssl_handles.hpp"

#include <gtest/gtest.h>

namespace {

using namespace hearth::testing::internal;

TEST(OpensslHandlesTest, AFailureSaysWhatWasTriedAndWhy) {
    const bio_ptr bio = text_bio("not a certificate");
    const x509_ptr none(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    try {
        require(none != nullptr, "cannot read it");
        FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
        const std::string text = error.what();
        EXPECT_EQ(text.rfind("cannot read it: ", 0), 0U) << text;
        EXPECT_NE(text.find("no start line"), std::string::npos) << text;
    }
    EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(OpensslHandlesTest, TextIsReadThroughABio) {
    const bio_ptr bio = text_bio("abc");
    char octets[4] = {};
    EXPECT_EQ(BIO_read(bio.get(), octets, 4), 3);
    EXPECT_STREQ(octets, "abc");
}

}  // namespace
