#include "proto/openssl_ptr.hpp"

#include <gtest/gtest.h>

namespace hearth::proto {
namespace {

int frees = 0;
void count_free(int* handle) { frees += *handle; }

TEST(OpensslPtrTest, DeleterCallsTheFreeFunctionOnce) {
    frees = 0;
    int handle = 1;
    { const std::unique_ptr<int, openssl_deleter<count_free>> owner(&handle); }
    EXPECT_EQ(frees, 1);
}

TEST(OpensslPtrTest, IsAsLargeAsThePointer) {
    EXPECT_EQ(sizeof(ssl_ptr), sizeof(SSL*));
    EXPECT_EQ(sizeof(bio_ptr), sizeof(BIO*));
}

TEST(OpensslPtrTest, GivesItsReferenceBack) {
    const ssl_session_ptr kept(SSL_SESSION_new());
    SSL_SESSION_up_ref(kept.get());
    { const ssl_session_ptr second(kept.get()); }
    EXPECT_EQ(SSL_SESSION_get_timeout(kept.get()) >= 0, true);
}

}  // namespace
}  // namespace hearth::proto
