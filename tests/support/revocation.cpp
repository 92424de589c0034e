#include "support/revocation.hpp"

#include <openssl/ocsp.h>
#include <openssl/pem.h>

#include <ctime>
#include <memory>
#include <stdexcept>

namespace hearth::support {
namespace {

using proto::bio_ptr;
using proto::ocsp_basic_ptr;
using proto::ocsp_id_ptr;
using proto::ocsp_response_ptr;
using proto::openssl_deleter;
using proto::x509_crl_ptr;
using time_ptr = std::unique_ptr<ASN1_TIME, openssl_deleter<ASN1_TIME_free>>;
using generalized_ptr =
    std::unique_ptr<ASN1_GENERALIZEDTIME, openssl_deleter<ASN1_GENERALIZEDTIME_free>>;
using revoked_ptr = std::unique_ptr<X509_REVOKED, openssl_deleter<X509_REVOKED_free>>;

void require(bool is_ok, const char* what) {
    if (!is_ok) throw std::runtime_error(std::string("revocation: ") + what);
}

std::time_t at(std::chrono::seconds from_now) { return std::time(nullptr) + from_now.count(); }

std::string encode(OCSP_RESPONSE* response) {
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    require(i2d_OCSP_RESPONSE_bio(bio.get(), response) == 1, "encode");
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

}  // namespace

std::string make_list(const identity& issuer, const list_request& what) {
    const x509_crl_ptr list(X509_CRL_new());
    require(list != nullptr, "memory");
    X509_CRL_set_version(list.get(), 1);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(issuer.certificate.get()));
    const time_ptr from(ASN1_TIME_set(nullptr, at(what.from)));
    const time_ptr next(ASN1_TIME_set(nullptr, at(what.next)));
    X509_CRL_set1_lastUpdate(list.get(), from.get());
    X509_CRL_set1_nextUpdate(list.get(), next.get());
    for (const identity* one : what.revoked) {
        revoked_ptr entry(X509_REVOKED_new());
        X509_REVOKED_set_serialNumber(entry.get(), X509_get_serialNumber(one->certificate.get()));
        X509_REVOKED_set_revocationDate(entry.get(), from.get());
        require(X509_CRL_add0_revoked(list.get(), entry.release()) == 1, "entry");
    }
    require(X509_CRL_sign(list.get(), issuer.key.get(), EVP_sha256()) > 0, "sign");
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    require(PEM_write_bio_X509_CRL(bio.get(), list.get()) == 1, "write");
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

std::string make_response(const identity& about, const identity& issuer, const identity& signer,
                          const response_request& what) {
    const ocsp_basic_ptr basic(OCSP_BASICRESP_new());
    const ocsp_id_ptr id(OCSP_cert_to_id(what.uses_sha256 ? EVP_sha256() : EVP_sha1(),
                                         about.certificate.get(), issuer.certificate.get()));
    const generalized_ptr from(ASN1_GENERALIZEDTIME_set(nullptr, at(what.from)));
    const generalized_ptr next(ASN1_GENERALIZEDTIME_set(nullptr, at(what.next)));
    require(basic && id && from && next, "memory");
    const int status = what.status == ocsp_status::good      ? V_OCSP_CERTSTATUS_GOOD
                       : what.status == ocsp_status::revoked ? V_OCSP_CERTSTATUS_REVOKED
                                                             : V_OCSP_CERTSTATUS_UNKNOWN;
    require(OCSP_basic_add1_status(basic.get(), id.get(), status, OCSP_REVOKED_STATUS_KEYCOMPROMISE,
                                   from.get(), from.get(),
                                   what.says_next ? next.get() : nullptr) != nullptr,
            "status");
    const bool is_issuer = &signer == &issuer;
    require(OCSP_basic_sign(basic.get(), signer.certificate.get(), signer.key.get(), EVP_sha256(),
                            nullptr, is_issuer ? OCSP_NOCERTS : 0) == 1,
            "sign");
    const ocsp_response_ptr whole(
        OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()));
    require(whole != nullptr, "response");
    return encode(whole.get());
}

std::string make_error_response() {
    const ocsp_response_ptr whole(OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, nullptr));
    require(whole != nullptr, "response");
    return encode(whole.get());
}

}  // namespace hearth::support
