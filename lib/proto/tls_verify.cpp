#include "proto/tls_verify.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "proto/openssl_error.hpp"
#include "proto/tls_chain_cache_impl.hpp"
#include "proto/tls_hooks.hpp"
#include "proto/tls_profile_impl.hpp"
#include "proto/tls_session_cache_impl.hpp"

namespace hearth::proto {
namespace {

constexpr std::size_t max_name_size = 253;    // of a DNS name in text (RFC 1035 2.3.4)
constexpr std::size_t max_quoted_size = 200;  // of anything quoted from a certificate
constexpr int max_quoted_names = 8;
constexpr std::size_t pin_text_size = 44;  // base64 of 32 octets

// What a memory BIO has collected, cut to a size fit for a sentence.
std::string take_text(BIO* bio) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    if (size <= 0) return {};
    const auto length = static_cast<std::size_t>(size);
    if (length <= max_quoted_size) return {text, length};
    return std::string(text, max_quoted_size) + "...";
}

// RFC 2253 form; control characters and what is not ASCII are escaped.
std::string subject_of(const X509* certificate) {
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    if (!bio) return {};
    X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    return take_text(bio.get());
}

std::string names_of(const X509* certificate) {
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    const general_names_ptr names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    if (!bio || !names) return "no name";
    const int count = sk_GENERAL_NAME_num(names.get());
    for (int i = 0; i < std::min(count, max_quoted_names); ++i) {
        if (i != 0) BIO_puts(bio.get(), ", ");
        GENERAL_NAME_print(bio.get(), sk_GENERAL_NAME_value(names.get(), i));
    }
    if (count > max_quoted_names) BIO_puts(bio.get(), ", ...");
    return take_text(bio.get());
}

std::string validity_of(const X509* certificate) {
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    if (!bio) return {};
    BIO_puts(bio.get(), "valid from ");
    ASN1_TIME_print(bio.get(), X509_get0_notBefore(certificate));
    BIO_puts(bio.get(), " to ");
    ASN1_TIME_print(bio.get(), X509_get0_notAfter(certificate));
    return take_text(bio.get());
}

// When the next revocation list of the certificate's issuer was due.
std::string due_of(X509_STORE_CTX* store, const X509* certificate) {
    const x509_crl_stack_ptr lists(
        X509_STORE_CTX_get1_crls(store, X509_get_issuer_name(certificate)));
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    if (!lists || !bio || sk_X509_CRL_num(lists.get()) == 0) return {};
    const ASN1_TIME* due = X509_CRL_get0_nextUpdate(sk_X509_CRL_value(lists.get(), 0));
    if (due == nullptr) return {};
    BIO_puts(bio.get(), ": the next one was due on ");
    ASN1_TIME_print(bio.get(), due);
    return take_text(bio.get());
}

std::string explain(X509_STORE_CTX* store, const std::string& expected) {
    const int error = X509_STORE_CTX_get_error(store);
    std::string text = X509_verify_cert_error_string(error);
    text += "; expected a certificate for \"" + expected + '"';
    const X509* certificate = X509_STORE_CTX_get_current_cert(store);
    if (certificate == nullptr) return text;
    text += ", refused the one of \"" + subject_of(certificate) + '"';
    text += " at depth " + std::to_string(X509_STORE_CTX_get_error_depth(store));
    if (error == X509_V_ERR_UNABLE_TO_GET_CRL) {
        text += ", of whose issuer no revocation list was given";
    } else if (error == X509_V_ERR_CRL_HAS_EXPIRED) {
        text += ", whose issuer's revocation list is out of date" + due_of(store, certificate);
    } else if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        text += ", which is for " + names_of(certificate);
    } else if (error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID) {
        text += ", " + validity_of(certificate);
    }
    return text;
}

bool chain_has_pin(X509_STORE_CTX* store, const std::vector<spki_digest>& pins) {
    const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(store);
    for (int i = 0; i < sk_X509_num(chain); ++i) {
        const auto digest = digest_spki(sk_X509_value(chain, i));
        if (digest && std::find(pins.begin(), pins.end(), *digest) != pins.end()) return true;
    }
    return false;
}

// Verifies the chain, unless that was done a short while ago. 1 or less than that, as OpenSSL does.
int verify_chain(X509_STORE_CTX* store, const tls_profile::implementation& profile,
                 tls_hooks& hooks) {
    if (hooks.chains == nullptr) return X509_verify_cert(store);
    const auto what = digest_verification(profile.id(), store);
    clear_openssl_errors();
    if (!what) return X509_verify_cert(store);
    const std::time_t now = openssl_time();
    if (hooks.chains->restore(*what, store, now)) return 1;
    const int result = X509_verify_cert(store);
    if (result == 1) hooks.chains->keep(*what, store, now);
    return result;
}

// Whether the rules still say whom the certificate must be for: OpenSSL copies them for each
// verification, goes on when it has no memory for the name, and then takes any name.
bool expects_peer(X509_STORE_CTX* store) {
    X509_VERIFY_PARAM* const rules = X509_STORE_CTX_get0_param(store);
    if (X509_VERIFY_PARAM_get0_host(rules, 0) != nullptr) return true;
    const openssl_text_ptr address(X509_VERIFY_PARAM_get1_ip_asc(rules));
    return address != nullptr;
}

bool judge(X509_STORE_CTX* store, const tls_profile::implementation& profile, tls_hooks& hooks) {
    if (verify_chain(store, profile, hooks) <= 0) {
        if (X509_STORE_CTX_get_error(store) == X509_V_OK) {
            X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
        }
        hooks.rejection = explain(store, hooks.expected_name);
        return false;
    }
    if (profile.pins().empty() || chain_has_pin(store, profile.pins())) return true;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    hooks.rejection = "no certificate of the verified chain has a pinned key; expected one for \"" +
                      hooks.expected_name + "\", got \"" +
                      subject_of(X509_STORE_CTX_get0_cert(store)) + '"';
    return false;
}

// Throws std::bad_alloc: a chain that lacks one is another chain.
std::vector<std::string> encode(const STACK_OF(X509) * chain) {
    std::vector<std::string> all;
    for (int i = 0; i < sk_X509_num(chain); ++i) {
        unsigned char* encoded = nullptr;
        const int size = i2d_X509(sk_X509_value(chain, i), &encoded);
        const openssl_octets_ptr owner(encoded);
        if (size <= 0) throw std::bad_alloc();
        all.emplace_back(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(size));
    }
    return all;
}

// What the rules say, to be put to `tls_options::verify`.
void ask(X509_STORE_CTX* store, tls_hooks& hooks, bool is_accepted) {
    peer_to_verify& question = hooks.question;
    question.name = hooks.expected_name;
    question.is_accepted = is_accepted;
    question.reason = std::exchange(hooks.rejection, {});
    if (is_accepted) {
        hooks.verified.reset(X509_chain_up_ref(X509_STORE_CTX_get0_chain(store)));
        if (!hooks.verified) throw std::bad_alloc();
        question.chain = encode(hooks.verified.get());
    } else {
        question.chain = encode(X509_STORE_CTX_get0_untrusted(store));
    }
    hooks.verdict = verdict_state::asked;
    X509_STORE_CTX_set_error(store, X509_V_OK);  // not an error yet
}

// The answer is here.
bool obey(X509_STORE_CTX* store, tls_hooks& hooks) {
    if (hooks.verdict == verdict_state::refused) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
        return false;
    }
    if (hooks.verified) X509_STORE_CTX_set0_verified_chain(store, hooks.verified.release());
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return true;
}

int verify(X509_STORE_CTX* store, SSL* ssl, const tls_profile::implementation& profile) {
    tls_hooks& hooks = *tls_hooks::of(ssl);
    if (!expects_peer(store)) throw std::bad_alloc();
    if (!profile.options().verify) return judge(store, profile, hooks) ? 1 : 0;
    if (hooks.verdict == verdict_state::accepted || hooks.verdict == verdict_state::refused) {
        return obey(store, hooks) ? 1 : 0;
    }
    if (hooks.verdict == verdict_state::none) ask(store, hooks, judge(store, profile, hooks));
    clear_openssl_errors();
    return SSL_set_retry_verify(ssl);
}

}  // namespace

std::optional<peer_name> make_peer_name(std::string_view host) {
    if (!host.empty() && host.back() == '.') host.remove_suffix(1);
    const bool has_zone = host.find(':') != std::string_view::npos;
    if (has_zone) host = host.substr(0, host.find('%'));
    const auto is_graphic = [](char c) { return c > ' ' && c < '\x7f'; };
    if (host.empty() || host.size() > max_name_size) return std::nullopt;
    if (!std::all_of(host.begin(), host.end(), is_graphic)) return std::nullopt;
    peer_name name;
    name.text = host;
    // Not by OpenSSL, for which it were a name when there is no memory.
    if (::inet_pton(AF_INET, name.text.c_str(), name.octets.data()) == 1) {
        name.address_size = sizeof(in_addr);
    } else if (::inet_pton(AF_INET6, name.text.c_str(), name.octets.data()) == 1) {
        name.address_size = sizeof(in6_addr);
    }
    return name;
}

bool require_peer_name(SSL* ssl, const peer_name& name) {
    X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
    if (name.is_address()) {
        return X509_VERIFY_PARAM_set1_ip(rules, name.octets.data(), name.address_size) == 1;
    }
    X509_VERIFY_PARAM_set_hostflags(
        rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return X509_VERIFY_PARAM_set1_host(rules, name.text.data(), name.text.size()) == 1;
}

std::optional<spki_digest> parse_pin(std::string_view base64) {
    if (base64.size() != pin_text_size || base64.back() != '=') return std::nullopt;
    // EVP_DecodeBlock writes whole groups of three and counts the padding as a zero octet.
    std::array<unsigned char, std::tuple_size_v<spki_digest> + 1> decoded{};
    const int size =
        EVP_DecodeBlock(decoded.data(), reinterpret_cast<const unsigned char*>(base64.data()),
                        static_cast<int>(base64.size()));
    clear_openssl_errors();
    if (size != static_cast<int>(decoded.size()) || base64[pin_text_size - 2] == '=') {
        return std::nullopt;
    }
    spki_digest digest;
    std::copy_n(decoded.begin(), digest.size(), digest.begin());
    return digest;
}

std::optional<spki_digest> digest_spki(const X509* certificate) {
    unsigned char* encoded = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded);
    if (size <= 0) return std::nullopt;
    const std::unique_ptr<unsigned char,
                          decltype([](unsigned char* octets) { OPENSSL_free(octets); })>
        owner(encoded);
    spki_digest digest;
    unsigned int digest_size = 0;
    if (EVP_Digest(encoded, static_cast<std::size_t>(size), digest.data(), &digest_size,
                   EVP_sha256(), nullptr) != 1) {
        return std::nullopt;
    }
    return digest;
}

int verify_peer(X509_STORE_CTX* store, void* profile) noexcept {
    const auto& rules = *static_cast<const tls_profile::implementation*>(profile);
    if (rules.options().danger_skip_verification) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    auto* ssl =
        static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    try {
        return verify(store, ssl, rules);
    } catch (const std::exception&) {  // out of memory: no exception may cross OpenSSL
        X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
        tls_hooks::of(ssl)->lacked_memory = true;
        return 0;
    }
}

}  // namespace hearth::proto
