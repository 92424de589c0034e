// The throw-away CA: keys, X.509 v3 certificates and their PEM texts, all by OpenSSL 3.
#include "hearth/testing/certificate_authority.hpp"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "testing/openssl_handles.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing {
namespace {

using internal::bio_ptr;
using internal::key_ptr;
using internal::require;
using internal::x509_ptr;

struct signer {
    x509_ptr certificate;
    key_ptr key;
};

key_ptr make_key(key_type type) {
    key_ptr key(type == key_type::rsa_2048 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"));
    require(key != nullptr, "cannot make a key");
    return key;
}

std::string bio_text(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

std::string certificate_text(X509* certificate) {
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    require(PEM_write_bio_X509(bio.get(), certificate) == 1, "cannot write a certificate");
    return bio_text(bio.get());
}

std::string key_text(EVP_PKEY* key) {
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    const int done =
        PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    require(done == 1, "cannot write a key");
    return bio_text(bio.get());
}

// What differs between the certificates made here; extensions in OpenSSL's configuration syntax.
struct description {
    std::string common_name;
    std::chrono::seconds not_before = std::chrono::hours{-1};
    std::chrono::seconds not_after = std::chrono::hours{24 * 365};
    std::vector<std::pair<int, std::string>> extensions;
};

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    require(extension != nullptr, "cannot make a certificate extension");
    const int done = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    require(done == 1, "cannot add a certificate extension");
}

void set_serial(X509* certificate) {
    unsigned char octets[8];
    require(RAND_bytes(octets, sizeof octets) == 1, "no random octets");
    std::uint64_t serial = 0;
    for (const unsigned char octet : octets) serial = serial << 8U | octet;
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1U | 1U);
}

// Makes a certificate for `key`; without an issuer it signs itself.
x509_ptr make_certificate(const description& what, EVP_PKEY* key, const signer* issuer) {
    x509_ptr made(X509_new());
    require(made != nullptr && X509_set_version(made.get(), X509_VERSION_3) == 1,
            "cannot make a certificate");
    set_serial(made.get());
    X509_gmtime_adj(X509_getm_notBefore(made.get()), what.not_before.count());
    X509_gmtime_adj(X509_getm_notAfter(made.get()), what.not_after.count());
    const auto* name = reinterpret_cast<const unsigned char*>(what.common_name.data());
    const int size = static_cast<int>(what.common_name.size());
    require(X509_NAME_add_entry_by_NID(X509_get_subject_name(made.get()), NID_commonName,
                                       MBSTRING_UTF8, name, size, -1, 0) == 1,
            "cannot name a certificate");
    X509* signing = issuer != nullptr ? issuer->certificate.get() : made.get();
    EVP_PKEY* signing_key = issuer != nullptr ? issuer->key.get() : key;
    require(X509_set_issuer_name(made.get(), X509_get_subject_name(signing)) == 1 &&
                X509_set_pubkey(made.get(), key) == 1,
            "cannot fill a certificate");
    for (const auto& [nid, value] : what.extensions) {
        add_extension(made.get(), signing, nid, value);
    }
    require(X509_sign(made.get(), signing_key, EVP_sha256()) != 0, "cannot sign a certificate");
    return made;
}

signer make_authority(key_type type, std::string name, const signer* issuer) {
    description what;
    what.common_name = std::move(name);
    what.extensions = {{NID_basic_constraints,
                        issuer == nullptr ? "critical,CA:TRUE" : "critical,CA:TRUE,pathlen:0"},
                       {NID_key_usage, "critical,keyCertSign,cRLSign"},
                       {NID_subject_key_identifier, "hash"}};
    if (issuer != nullptr) what.extensions.emplace_back(NID_authority_key_identifier, "keyid");
    signer made;
    made.key = make_key(type);
    made.certificate = make_certificate(what, made.key.get(), issuer);
    return made;
}

// Appends "DNS:a" or "IP:a" to a list in configuration syntax, where a comma would start another
// entry.
void add_alternative_name(std::string& list, const char* kind, const std::string& name) {
    const bool is_safe = std::ranges::all_of(name, [](unsigned char octet) {
        return std::isalnum(octet) != 0 ||
               std::string_view("-_.*:").find(static_cast<char>(octet)) != std::string_view::npos;
    });
    if (name.empty() || !is_safe) {
        throw std::invalid_argument("cannot put the name \"" + name + "\" into a certificate");
    }
    if (!list.empty()) list += ',';
    list += kind + name;
}

description describe(const certificate_options& options) {
    description what;
    std::string alternatives;
    for (const std::string& name : options.names) add_alternative_name(alternatives, "DNS:", name);
    for (const std::string& ip : options.ips) {
        add_alternative_name(alternatives, "IP:", ip);
        ASN1_OCTET_STRING* parsed = a2i_IPADDRESS(ip.c_str());
        if (parsed == nullptr) throw std::invalid_argument("\"" + ip + "\" is not an IP address");
        ASN1_OCTET_STRING_free(parsed);
    }
    // A common name has at most 64 characters (RFC 5280 A.1); verification reads the alternatives.
    what.common_name =
        options.names.empty() ? "hearth testing" : options.names.front().substr(0, 64);
    what.not_before = options.not_before;
    what.not_after = options.not_after;
    what.extensions = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, options.client_auth ? "clientAuth" : "serverAuth"},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid"},
    };
    if (!alternatives.empty()) what.extensions.emplace_back(NID_subject_alt_name, alternatives);
    return what;
}

void write_text(const std::filesystem::path& path, const std::string& text, bool is_private) {
    namespace fs = std::filesystem;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    if (file && is_private) fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    file << text;
    file.close();
    if (!file) {
        throw fs::filesystem_error("cannot write", path, std::make_error_code(std::errc::io_error));
    }
}

}  // namespace

struct certificate_authority::state {
    key_type type;
    std::string name;
    signer root;
    std::string root_pem;
    mutable std::once_flag intermediate_once;
    mutable signer intermediate;

    const signer& made_intermediate() const {
        std::call_once(intermediate_once, [this] {
            intermediate = make_authority(type, name + " intermediate", &root);
        });
        return intermediate;
    }
};

certificate_authority::certificate_authority(key_type key, std::string_view name)
    : state_(std::make_unique<state>()) {
    state_->type = key;
    state_->name = name;
    state_->root = make_authority(key, state_->name, nullptr);
    state_->root_pem = certificate_text(state_->root.certificate.get());
}

certificate_authority::~certificate_authority() = default;
certificate_authority::certificate_authority(certificate_authority&&) noexcept = default;
certificate_authority& certificate_authority::operator=(certificate_authority&&) noexcept = default;

const std::string& certificate_authority::ca_pem() const noexcept { return state_->root_pem; }

certificate certificate_authority::issue(const certificate_options& options) const {
    const description what = describe(options);
    const signer& issuer = options.by_intermediate ? state_->made_intermediate() : state_->root;
    const key_ptr key = make_key(options.key);
    const x509_ptr leaf = make_certificate(what, key.get(), &issuer);
    certificate made{certificate_text(leaf.get()), key_text(key.get()), state_->root_pem};
    if (options.by_intermediate && !options.omit_intermediate) {
        made.chain_pem += certificate_text(issuer.certificate.get());
    }
    return made;
}

std::filesystem::path certificate_authority::write_files(
    const std::filesystem::path& directory) const {
    std::filesystem::path path = directory / "ca.pem";
    write_text(path, state_->root_pem, false);
    return path;
}

certificate_files certificate::write_files(const std::filesystem::path& directory,
                                           std::string_view stem) const {
    const std::string base(stem);
    certificate_files files{directory / (base + ".pem"), directory / (base + ".key"),
                            directory / (base + "-ca.pem")};
    write_text(files.chain, chain_pem, false);
    write_text(files.key, key_pem, true);
    write_text(files.ca, ca_pem, false);
    return files;
}

}  // namespace testing
HEARTH_END_NAMESPACE
