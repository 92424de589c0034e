#include "proto/tls_staple.hpp"

#include <openssl/asn1.h>

#include <exception>

#include "proto/openssl_error.hpp"
#include "proto/tls_hooks.hpp"
#include "proto/tls_profile_impl.hpp"
#include "proto/tls_session_cache_impl.hpp"

namespace hearth::proto {
namespace {

constexpr long clock_skew_s = 300;
// Of a response that does not say when the next one is due.
constexpr std::time_t longest_life_s = 7L * 24 * 3600;

std::string text_of(const ASN1_GENERALIZEDTIME* time) {
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    if (!bio || time == nullptr || ASN1_GENERALIZEDTIME_print(bio.get(), time) != 1) return "?";
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

// The answer about `leaf`, whose digests may be of any kind; null if there is none.
OCSP_SINGLERESP* find_answer(OCSP_BASICRESP* basic, const X509* leaf, const X509* issuer) {
    for (int i = 0; i < OCSP_resp_count(basic); ++i) {
        OCSP_SINGLERESP* single = OCSP_resp_get0(basic, i);
        auto* named = const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(single));
        ASN1_OBJECT* kind = nullptr;
        if (OCSP_id_get0_info(nullptr, &kind, nullptr, nullptr, named) != 1) continue;
        const EVP_MD* digest = EVP_get_digestbyobj(kind);
        if (digest == nullptr) continue;
        const ocsp_id_ptr expected(OCSP_cert_to_id(digest, leaf, issuer));
        if (expected && OCSP_id_cmp(expected.get(), named) == 0) return single;
    }
    return nullptr;
}

// Before `now`, give or take the skew.
bool is_before(const ASN1_GENERALIZEDTIME* time, std::time_t limit) {
    return ASN1_TIME_cmp_time_t(time, limit) < 0;
}

std::string judge_answer(OCSP_SINGLERESP* answer, std::time_t now) {
    int reason = -1;
    ASN1_GENERALIZEDTIME* revoked = nullptr;
    ASN1_GENERALIZEDTIME* from = nullptr;
    ASN1_GENERALIZEDTIME* next = nullptr;
    const int status = OCSP_single_get0_status(answer, &reason, &revoked, &from, &next);
    if (from == nullptr || !is_before(from, now + clock_skew_s)) {
        return "its OCSP staple is not valid before " + text_of(from);
    }
    if (next != nullptr && is_before(next, now - clock_skew_s)) {
        return "its OCSP staple is out of date: the next one was due on " + text_of(next);
    }
    if (next == nullptr && is_before(from, now - longest_life_s)) {
        return "its OCSP staple is of " + text_of(from) + " and does not say how long it holds";
    }
    if (status == V_OCSP_CERTSTATUS_GOOD) return {};
    if (status != V_OCSP_CERTSTATUS_REVOKED) return "its OCSP staple does not know the certificate";
    std::string text = "its OCSP staple says that it was revoked on " + text_of(revoked);
    if (reason >= 0) text += std::string(" (") + OCSP_crl_reason_str(reason) + ")";
    return text;
}

}  // namespace

std::string judge_staple(std::span<const unsigned char> response, STACK_OF(X509) * chain,
                         X509_STORE* store, std::time_t now) {
    const unsigned char* at = response.data();
    const ocsp_response_ptr whole(
        d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(response.size())));
    if (!whole) return "its OCSP staple does not parse";
    const int status = OCSP_response_status(whole.get());
    if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        return std::string("its OCSP staple is no answer but \"") +
               OCSP_response_status_str(status) + '"';
    }
    const ocsp_basic_ptr basic(OCSP_response_get1_basic(whole.get()));
    if (!basic) return "its OCSP staple is of an unknown kind";
    X509* leaf = sk_X509_value(chain, 0);
    X509* issuer = sk_X509_value(chain, sk_X509_num(chain) > 1 ? 1 : 0);
    if (leaf == nullptr || X509_check_issued(issuer, leaf) != X509_V_OK) {
        return "its issuer is not known, who would have to sign its OCSP staple";
    }
    OCSP_SINGLERESP* answer = find_answer(basic.get(), leaf, issuer);
    if (answer == nullptr) return "its OCSP staple is about another certificate";
    // The issuer is trusted to sign, as the verified chain is; nobody else of the chain is, least
    // of all the certificate itself.
    const x509_stack_ptr signers(sk_X509_new_null());
    if (!signers || X509_up_ref(issuer) != 1) return "there is no memory to judge its OCSP staple";
    if (sk_X509_push(signers.get(), issuer) == 0) {
        X509_free(issuer);
        return "there is no memory to judge its OCSP staple";
    }
    if (OCSP_basic_verify(basic.get(), signers.get(), store, OCSP_TRUSTOTHER) != 1) {
        return "its OCSP staple is not signed by its issuer, nor for it: " + take_openssl_error();
    }
    return judge_answer(answer, now);
}

int check_staple(SSL* ssl, void* profile) noexcept {
    const auto& rules = *static_cast<const tls_profile::implementation*>(profile);
    if (SSL_session_reused(ssl) == 1) return 1;  // none is sent; the one before was good
    tls_hooks& hooks = *tls_hooks::of(ssl);
    try {
        const unsigned char* octets = nullptr;
        const long size = SSL_get_tlsext_status_ocsp_resp(ssl, &octets);
        if (octets == nullptr || size <= 0) {
            if (rules.options().ocsp_staple != ocsp_policy::required) return 1;
            hooks.rejection = "it came without an OCSP staple, which ocsp_staple requires";
            return 0;
        }
        hooks.rejection =
            judge_staple({octets, static_cast<std::size_t>(size)}, SSL_get0_verified_chain(ssl),
                         SSL_CTX_get_cert_store(rules.context()), openssl_time());
        clear_openssl_errors();
        return hooks.rejection.empty() ? 1 : 0;
    } catch (const std::exception&) {  // out of memory: no exception may cross OpenSSL
        return -1;
    }
}

}  // namespace hearth::proto
