#include "proto/tls_algorithms.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include <array>
#include <string>
#include <vector>

#include "hearth/tls.hpp"
#include "proto/openssl_ptr.hpp"
#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using support::connect;
using support::identity;
using support::settings_with;
using support::tls_server;
using support::tls_server_context;
using support::trusting_options;

using support::certificate_request;
using support::key_kind;
using support::tls_server_options;

constexpr std::array key_kinds = {key_kind::ecdsa,   key_kind::ecdsa_p384, key_kind::ecdsa_p521,
                                  key_kind::ed25519, key_kind::ed448,      key_kind::rsa,
                                  key_kind::rsa_pss};

// An identity of this kind of key by an authority of the same.
struct chain {
    explicit chain(key_kind kind) {
        certificate_request request{.common_name = "root", .key = kind, .is_authority = true};
        authority = support::self_sign(request);
        request.common_name = "leaf";
        request.is_authority = false;
        request.names = {"DNS:origin.example"};
        leaf = support::issue(request, authority);
    }

    identity authority;
    identity leaf;
};

// With a list of its own a profile uses all that OpenSSL has.
tls_options of_all_algorithms(tls_options options) {
    options.cipher_list = "DEFAULT";
    return options;
}

bool connects(const tls_options& options, const identity& origin,
              const tls_server_options& server_options) {
    const tls_server_context context(origin, server_options);
    tls_server server(context);
    tls_engine client(settings_with(options));
    return connect(client, server);
}

bool has_own_context() { return OPENSSL_version_major() == 3 && OPENSSL_version_minor() < 2; }

// The suites that a client of this context offers, in order.
std::vector<std::string> offered(OSSL_LIB_CTX* library) {
    const ssl_ctx_ptr context(SSL_CTX_new_ex(library, nullptr, TLS_client_method()));
    const ssl_ptr ssl(SSL_new(context.get()));
    STACK_OF(SSL_CIPHER)* const suites = SSL_get1_supported_ciphers(ssl.get());
    std::vector<std::string> names;
    for (int i = 0; i < sk_SSL_CIPHER_num(suites); ++i) {
        names.emplace_back(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(suites, i)));
    }
    sk_SSL_CIPHER_free(suites);
    return names;
}

TEST(TlsAlgorithmsTest, AreMadeOnce) {
    EXPECT_EQ(tls_algorithms() != nullptr, has_own_context());
    EXPECT_EQ(tls_algorithms(), tls_algorithms());
    EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(TlsAlgorithmsTest, EveryDefaultSuiteIsOffered) {
    const std::vector<std::string> names = offered(tls_algorithms());
    EXPECT_EQ(names, offered(nullptr));
    EXPECT_GT(names.size(), 20U);
}

TEST(TlsAlgorithmsTest, EveryDefaultSuiteWorksAsWithAllAlgorithms) {
    std::size_t working = 0;
    for (const std::string& suite : offered(nullptr)) {
        tls_server_options only;
        only.maximum_version = suite.starts_with("TLS_") ? TLS1_3_VERSION : TLS1_2_VERSION;
        if (only.maximum_version == TLS1_2_VERSION) only.cipher_list = suite;
        for (const key_kind kind : {key_kind::ecdsa, key_kind::rsa}) {
            const identity& origin = support::origin_identity(kind);
            const bool works = connects(trusting_options(), origin, only);
            EXPECT_EQ(works, connects(of_all_algorithms(trusting_options()), origin, only))
                << suite;
            working += works ? 1 : 0;
        }
    }
    EXPECT_GE(working, 20U);
}

TEST(TlsAlgorithmsTest, EverySuiteAndGroupThatCanBeNamedWorks) {
    tls_server_options server;
    server.minimum_version = TLS1_3_VERSION;
    for (const char* group : {"P-256", "P-384", "P-521", "X25519", "X448", "ffdhe2048"}) {
        tls_options options = trusting_options();
        options.groups = group;
        EXPECT_TRUE(connects(options, support::origin_identity(), server)) << group;
    }
    for (const char* suite :
         {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
        tls_options options = trusting_options();
        options.cipher_suites = suite;
        EXPECT_TRUE(connects(options, support::origin_identity(), server)) << suite;
    }
    tls_options options = trusting_options();
    options.cipher_suites = "TLS_AES_128_CCM_SHA256";  // which servers do not do by default
    EXPECT_NO_THROW((void)tls_profile::make(options));
}

TEST(TlsAlgorithmsTest, EveryKindOfKeyInAChainIsVerified) {
    for (const key_kind kind : key_kinds) {
        const chain certificates(kind);
        tls_options options;
        options.ca_pem = certificates.authority.certificate_pem();
        for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            tls_server_options server;
            server.minimum_version = server.maximum_version = version;
            const bool works = connects(options, certificates.leaf, server);
            EXPECT_EQ(works, connects(of_all_algorithms(options), certificates.leaf, server));
            EXPECT_TRUE(works || version == TLS1_2_VERSION) << static_cast<int>(kind);
            EXPECT_FALSE(connects(trusting_options(), certificates.leaf, server));
        }
    }
}

TEST(TlsAlgorithmsTest, EveryKindOfKeyOfAClientSigns) {
    for (const key_kind kind : key_kinds) {
        const chain certificates(kind);
        tls_options options = trusting_options();
        options.certificate_pem = certificates.leaf.certificate_pem();
        options.private_key_pem = certificates.leaf.key_pem();
        tls_server_options server;
        server.client_ca_pem = certificates.authority.certificate_pem();
        EXPECT_TRUE(connects(options, support::origin_identity(), server))
            << static_cast<int>(kind);
    }
}

// Whoever configures OpenSSL for the process means hearth's connections too.
TEST(TlsAlgorithmsTest, AnotherProviderOfTheProcessIsRespected) {
    OSSL_LIB_CTX* const usual = tls_algorithms();
    OSSL_PROVIDER* const another = OSSL_PROVIDER_try_load(nullptr, "null", 1);
    ASSERT_NE(another, nullptr);
    EXPECT_EQ(tls_algorithms(), nullptr);
    EXPECT_TRUE(connects(trusting_options(), support::origin_identity(), {}));
    OSSL_PROVIDER_unload(another);
    EXPECT_EQ(tls_algorithms(), usual);
}

TEST(TlsAlgorithmsTest, FipsIsRespected) {
    OSSL_LIB_CTX* const usual = tls_algorithms();
    ASSERT_EQ(EVP_default_properties_enable_fips(nullptr, 1), 1);
    EXPECT_EQ(tls_algorithms(), nullptr);
    ASSERT_EQ(EVP_default_properties_enable_fips(nullptr, 0), 1);
    EXPECT_EQ(tls_algorithms(), usual);
}

}  // namespace
}  // namespace hearth::proto
