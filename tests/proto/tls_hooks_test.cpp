#include "proto/tls_hooks.hpp"

#include <gtest/gtest.h>

namespace hearth::proto {
namespace {

TEST(TlsHooksTest, AreFoundByTheConnectionTheyAreAttachedTo) {
    const ssl_ctx_ptr context(SSL_CTX_new(TLS_client_method()));
    const ssl_ptr first(SSL_new(context.get()));
    const ssl_ptr second(SSL_new(context.get()));
    tls_hooks hooks;
    EXPECT_EQ(tls_hooks::of(first.get()), nullptr);
    ASSERT_TRUE(hooks.attach(first.get()));
    EXPECT_EQ(tls_hooks::of(first.get()), &hooks);
    EXPECT_EQ(tls_hooks::of(second.get()), nullptr);
}

}  // namespace
}  // namespace hearth::proto
