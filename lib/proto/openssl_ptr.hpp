// Owning types for the OpenSSL handles that proto uses: a `unique_ptr` each, named `<type>_ptr`.
//
// The deleter is stateless, so each is as large as the pointer. Functions that take over a
// reference get it by `release()`; the others borrow by `get()`.
#pragma once

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace hearth::proto {

/// Calls one of OpenSSL's free functions.
template <auto Free>
struct openssl_deleter {
    template <typename Handle>
    void operator()(Handle* handle) const noexcept {
        Free(handle);  // NOLINT(cppcoreguidelines-owning-memory): the owner is this pointer
    }
};

/// Functions that OpenSSL has as macros only.
inline void free_openssl_memory(void* memory) { OPENSSL_free(memory); }
inline void free_x509_stack(STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }
inline void free_x509_crl_stack(STACK_OF(X509_CRL) * stack) {
    sk_X509_CRL_pop_free(stack, X509_CRL_free);
}

using bio_ptr = std::unique_ptr<BIO, openssl_deleter<BIO_free_all>>;
using bio_method_ptr = std::unique_ptr<BIO_METHOD, openssl_deleter<BIO_meth_free>>;
using evp_md_ctx_ptr = std::unique_ptr<EVP_MD_CTX, openssl_deleter<EVP_MD_CTX_free>>;
using evp_pkey_ptr = std::unique_ptr<EVP_PKEY, openssl_deleter<EVP_PKEY_free>>;
using general_names_ptr = std::unique_ptr<GENERAL_NAMES, openssl_deleter<GENERAL_NAMES_free>>;
using ocsp_basic_ptr = std::unique_ptr<OCSP_BASICRESP, openssl_deleter<OCSP_BASICRESP_free>>;
using ocsp_id_ptr = std::unique_ptr<OCSP_CERTID, openssl_deleter<OCSP_CERTID_free>>;
using ocsp_response_ptr = std::unique_ptr<OCSP_RESPONSE, openssl_deleter<OCSP_RESPONSE_free>>;
using openssl_octets_ptr = std::unique_ptr<unsigned char, openssl_deleter<free_openssl_memory>>;
using openssl_text_ptr = std::unique_ptr<char, openssl_deleter<free_openssl_memory>>;
using ssl_ctx_ptr = std::unique_ptr<SSL_CTX, openssl_deleter<SSL_CTX_free>>;
using ssl_ptr = std::unique_ptr<SSL, openssl_deleter<SSL_free>>;
using ssl_session_ptr = std::unique_ptr<SSL_SESSION, openssl_deleter<SSL_SESSION_free>>;
using x509_crl_ptr = std::unique_ptr<X509_CRL, openssl_deleter<X509_CRL_free>>;
using x509_crl_stack_ptr =
    std::unique_ptr<STACK_OF(X509_CRL), openssl_deleter<free_x509_crl_stack>>;
using x509_ptr = std::unique_ptr<X509, openssl_deleter<X509_free>>;
using x509_stack_ptr = std::unique_ptr<STACK_OF(X509), openssl_deleter<free_x509_stack>>;
using x509_store_ptr = std::unique_ptr<X509_STORE, openssl_deleter<X509_STORE_free>>;

}  // namespace hearth::proto
