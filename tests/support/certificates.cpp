#include "support/certificates.hpp"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>
#include <stdexcept>

namespace hearth::support {
namespace {

using proto::bio_ptr;
using proto::evp_pkey_ptr;
using proto::openssl_deleter;
using proto::x509_ptr;

constexpr unsigned rsa_bits = 2048;

void require(bool is_ok, const char* what) {
    if (!is_ok) throw std::runtime_error(std::string("certificates: ") + what);
}

evp_pkey_ptr make_pss_key() {
    const std::unique_ptr<EVP_PKEY_CTX, openssl_deleter<EVP_PKEY_CTX_free>> context(
        EVP_PKEY_CTX_new_from_name(nullptr, "RSA-PSS", nullptr));
    EVP_PKEY* key = nullptr;
    require(EVP_PKEY_keygen_init(context.get()) == 1 &&
                EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), rsa_bits) == 1 &&
                EVP_PKEY_generate(context.get(), &key) == 1,
            "no RSA-PSS key");
    return evp_pkey_ptr(key);
}

evp_pkey_ptr shared_key(const evp_pkey_ptr& key) {
    require(key != nullptr, "no RSA key");
    EVP_PKEY_up_ref(key.get());
    return evp_pkey_ptr(key.get());
}

evp_pkey_ptr make_key(key_kind kind) {
    static const evp_pkey_ptr rsa(EVP_RSA_gen(rsa_bits));
    switch (kind) {
        case key_kind::ecdsa: return evp_pkey_ptr(EVP_EC_gen("P-256"));
        case key_kind::ecdsa_p384: return evp_pkey_ptr(EVP_EC_gen("P-384"));
        case key_kind::ecdsa_p521: return evp_pkey_ptr(EVP_EC_gen("P-521"));
        case key_kind::ed25519: return evp_pkey_ptr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
        case key_kind::ed448: return evp_pkey_ptr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448"));
        case key_kind::rsa_1024: return evp_pkey_ptr(EVP_RSA_gen(1024));
        case key_kind::rsa_pss: return make_pss_key();
        case key_kind::rsa: break;
    }
    return shared_key(rsa);
}

void add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, openssl_deleter<X509_EXTENSION_free>> extension(
        X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
    require(extension != nullptr, value.c_str());
    X509_add_ext(certificate, extension.get(), -1);
}

// Only DNS, and past all syntax of names.
void add_raw_name(X509* certificate, const std::string& name) {
    const std::unique_ptr<GENERAL_NAMES, openssl_deleter<GENERAL_NAMES_free>> names(
        GENERAL_NAMES_new());
    GENERAL_NAME* one = GENERAL_NAME_new();
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    require(names && one != nullptr && text != nullptr, "out of memory");
    ASN1_STRING_set(text, name.data(), static_cast<int>(name.size()));
    GENERAL_NAME_set0_value(one, GEN_DNS, text);
    sk_GENERAL_NAME_push(names.get(), one);
    require(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) == 1, "name");
}

void set_serial(X509* certificate) {
    std::array<unsigned char, 8> octets{};
    require(RAND_bytes(octets.data(), static_cast<int>(octets.size())) == 1, "serial");
    std::uint64_t serial = 0;
    for (const unsigned char each : octets) serial = serial << 8U | each;
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1U);
}

identity build(const certificate_request& request, const identity* issuer) {
    identity made{x509_ptr(X509_new()), make_key(request.key)};
    require(made.certificate && made.key, "out of memory");
    X509* certificate = made.certificate.get();
    X509* signer = issuer != nullptr ? issuer->certificate.get() : certificate;
    X509_set_version(certificate, X509_VERSION_3);
    set_serial(certificate);
    X509_gmtime_adj(X509_getm_notBefore(certificate), request.valid_from.count());
    X509_gmtime_adj(X509_getm_notAfter(certificate), request.valid_to.count());
    X509_set_pubkey(certificate, made.key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(request.common_name.data()),
                               static_cast<int>(request.common_name.size()), -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(signer));
    const auto or_usual = [&](const std::string& given, const char* authority, const char* leaf) {
        return !given.empty() ? given : std::string(request.is_authority ? authority : leaf);
    };
    add_extension(certificate, signer, NID_basic_constraints,
                  or_usual(request.basic_constraints, "critical,CA:TRUE", "critical,CA:FALSE"));
    add_extension(certificate, signer, NID_key_usage,
                  or_usual(request.key_usage, "critical,keyCertSign", "critical,digitalSignature"));
    add_extension(certificate, signer, NID_subject_key_identifier, "hash");
    std::string names;
    for (const std::string& each : request.names) names += (names.empty() ? "" : ",") + each;
    if (!names.empty()) add_extension(certificate, signer, NID_subject_alt_name, names);
    if (!request.raw_name.empty()) add_raw_name(certificate, request.raw_name);
    for (const auto& [id, value] : request.extensions) {
        add_extension(certificate, signer, id, value);
    }
    EVP_PKEY* key = issuer != nullptr ? issuer->key.get() : made.key.get();
    const bool has_own_digest =
        EVP_PKEY_is_a(key, "ED25519") == 1 || EVP_PKEY_is_a(key, "ED448") == 1;
    const EVP_MD* digest = request.signs_by_sha1 ? EVP_sha1() : EVP_sha256();
    if (has_own_digest) digest = nullptr;
    require(X509_sign(certificate, key, digest) > 0, "cannot sign");
    return made;
}

std::string text_of(BIO* bio) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    return {text, static_cast<std::size_t>(size)};
}

}  // namespace

std::string identity::certificate_pem() const {
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    require(PEM_write_bio_X509(bio.get(), certificate.get()) == 1, "cannot write");
    return text_of(bio.get());
}

std::string identity::key_pem() const {
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    require(
        PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
        "cannot write");
    return text_of(bio.get());
}

std::string identity::pin() const {
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    require(i2d_PUBKEY_bio(bio.get(), key.get()) == 1, "cannot encode");
    const std::string encoded = text_of(bio.get());
    std::array<unsigned char, 32> digest{};
    EVP_Digest(encoded.data(), encoded.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
    std::array<unsigned char, 45> text{};  // 44 and a terminator
    const int size = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(digest.size()));
    return {reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(size)};
}

identity issue(const certificate_request& request, const identity& issuer) {
    return build(request, &issuer);
}

identity self_sign(const certificate_request& request) { return build(request, nullptr); }

identity make_authority(const std::string& common_name) {
    certificate_request request;
    request.common_name = common_name;
    request.is_authority = true;
    return self_sign(request);
}

}  // namespace hearth::support
