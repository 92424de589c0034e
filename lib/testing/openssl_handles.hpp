// Owning handles of the OpenSSL objects the test support uses, and its errors as exceptions.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

template <auto Free>
struct openssl_deleter {
    template <typename Object>
    void operator()(Object* object) const {
        Free(object);
    }
};

using bio_ptr = std::unique_ptr<BIO, openssl_deleter<BIO_free_all>>;
using key_ptr = std::unique_ptr<EVP_PKEY, openssl_deleter<EVP_PKEY_free>>;
using digest_ptr = std::unique_ptr<EVP_MD_CTX, openssl_deleter<EVP_MD_CTX_free>>;
using x509_ptr = std::unique_ptr<X509, openssl_deleter<X509_free>>;
using ssl_ptr = std::unique_ptr<SSL, openssl_deleter<SSL_free>>;
using ssl_ctx_ptr = std::unique_ptr<SSL_CTX, openssl_deleter<SSL_CTX_free>>;

/// Throws what OpenSSL last complained about, after a few words on what was tried.
[[noreturn]] inline void throw_openssl(const char* what) {
    char reason[256] = "unknown reason";
    if (const unsigned long code = ERR_get_error(); code != 0) {
        ERR_error_string_n(code, reason, sizeof reason);
    }
    ERR_clear_error();
    throw std::runtime_error(std::string(what) + ": " + reason);
}

inline void require(bool is_done, const char* what) {
    if (!is_done) throw_openssl(what);
}

/// A read-only BIO over text, which must outlive it.
[[nodiscard]] inline bio_ptr text_bio(std::string_view text) {
    bio_ptr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    require(bio != nullptr, "cannot make a BIO");
    return bio;
}

}  // namespace testing::internal
HEARTH_END_NAMESPACE
