// tls_algorithms: a provider that answers for OpenSSL's default one, with fewer algorithms.
#include "proto/tls_algorithms.hpp"

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string_view>

#include "proto/openssl_error.hpp"
#include "proto/openssl_ptr.hpp"
#include "proto/tls13_kdf.hpp"

namespace hearth::proto {
namespace {

using library_ptr = std::unique_ptr<OSSL_LIB_CTX, openssl_deleter<OSSL_LIB_CTX_free>>;
using provider_ptr = std::unique_ptr<OSSL_PROVIDER, openssl_deleter<OSSL_PROVIDER_unload>>;

constexpr const char* provider_name = "hearth-tls";

// By the first of an algorithm's names. What OpenSSL's default cipher list and the suites of TLS
// 1.3 need, what signs and hashes certificates, and the generators of random numbers.
constexpr std::array digests = {"MD5",      "MD5-SHA1", "SHA1",    "SHA2-224",
                                "SHA2-256", "SHA2-384", "SHA2-512"};
constexpr std::array ciphers = {"AES-128-GCM",
                                "AES-256-GCM",
                                "AES-128-CCM",
                                "ChaCha20-Poly1305",
                                "AES-128-CBC",
                                "AES-256-CBC",
                                "AES-128-CBC-HMAC-SHA1",
                                "AES-256-CBC-HMAC-SHA1",
                                "AES-128-CBC-HMAC-SHA256",
                                "AES-256-CBC-HMAC-SHA256"};
constexpr std::array macs = {"HMAC"};
constexpr std::array kdfs = {"HKDF", "TLS13-KDF", "TLS1-PRF"};
constexpr std::array generators = {"CTR-DRBG", "HASH-DRBG", "HMAC-DRBG", "SEED-SRC"};
constexpr std::array key_kinds = {"RSA",  "RSA-PSS", "EC",    "DH",  "X25519",
                                  "X448", "ED25519", "ED448", "HMAC"};
constexpr std::array exchanges = {"DH", "ECDH", "X25519", "X448"};
constexpr std::array signatures = {"RSA", "ECDSA", "ED25519", "ED448", "HMAC"};
constexpr std::array encryptions = {"RSA"};
constexpr std::array certificate_keys = {"RSA", "RSA-PSS", "EC", "ED25519", "ED448"};

// Of decoders only those of the keys in certificates are kept.
constexpr std::string_view certificate_key_input = "input=der,structure=SubjectPublicKeyInfo";

struct selection {
    int operation;
    std::span<const char* const> names;
};
constexpr std::array selections = {selection{OSSL_OP_DIGEST, digests},
                                   selection{OSSL_OP_CIPHER, ciphers},
                                   selection{OSSL_OP_MAC, macs},
                                   selection{OSSL_OP_KDF, kdfs},
                                   selection{OSSL_OP_RAND, generators},
                                   selection{OSSL_OP_KEYMGMT, key_kinds},
                                   selection{OSSL_OP_KEYEXCH, exchanges},
                                   selection{OSSL_OP_SIGNATURE, signatures},
                                   selection{OSSL_OP_ASYM_CIPHER, encryptions},
                                   selection{OSSL_OP_DECODER, certificate_keys}};

struct record_suite {
    std::uint16_t number;
    std::string_view cipher;
    std::size_t key_size;
};
constexpr std::array record_suites = {record_suite{0x1301, "AES-128-GCM", 16},
                                      record_suite{0x1302, "AES-256-GCM", 32},
                                      record_suite{0x1303, "ChaCha20-Poly1305", 32}};

std::string_view first_name(const OSSL_ALGORITHM& algorithm) {
    const std::string_view names = algorithm.algorithm_names;
    return names.substr(0, names.find(':'));
}

bool is_chosen(const selection& chosen, const OSSL_ALGORITHM& algorithm) {
    if (std::ranges::find(chosen.names, first_name(algorithm)) == chosen.names.end()) return false;
    return chosen.operation != OSSL_OP_DECODER ||
           std::string_view(algorithm.property_definition).ends_with(certificate_key_input);
}

// What is chosen of one operation, ended by an entry without a name.
using algorithm_list = std::array<OSSL_ALGORITHM, 16>;

// Of what OpenSSL may ask at any time until the process ends, so nothing of it is ever destroyed.
struct selected_algorithms {
    OSSL_PROVIDER* everything = nullptr;
    std::array<algorithm_list, selections.size()> lists{};
    std::array<tls13_aead, record_suites.size()> aeads{};  // without a key size: not there

    [[nodiscard]] bool fill() {
        for (std::size_t i = 0; i < selections.size(); ++i) {
            int no_cache = 0;
            const OSSL_ALGORITHM* each =
                OSSL_PROVIDER_query_operation(everything, selections[i].operation, &no_cache);
            std::size_t count = 0;
            for (; each != nullptr && each->algorithm_names != nullptr; ++each) {
                if (!is_chosen(selections[i], *each)) continue;
                if (count + 1 == lists[i].size()) return false;
                OSSL_ALGORITHM& taken = lists[i][count++];
                taken = *each;
                if (first_name(*each) == "TLS13-KDF") {
                    taken.implementation = tls13_kdf(each->implementation);
                }
                if (selections[i].operation == OSSL_OP_CIPHER) note_aead(*each);
            }
            if (count == 0) return false;
        }
        return true;
    }

    void note_aead(const OSSL_ALGORITHM& algorithm) {
        for (std::size_t i = 0; i < record_suites.size(); ++i) {
            if (first_name(algorithm) != record_suites[i].cipher) continue;
            if (aeads[i].read(algorithm.implementation,
                              OSSL_PROVIDER_get0_provider_ctx(everything))) {
                aeads[i].key_size = record_suites[i].key_size;
            }
        }
    }
};
constinit selected_algorithms selected;

const OSSL_ALGORITHM* query_operation(void*, int operation, int* no_cache) {
    if (no_cache != nullptr) *no_cache = 0;
    const auto* const found = std::ranges::find(
        selections, operation, [](const selection& each) { return each.operation; });
    if (found == selections.end()) return nullptr;
    return selected.lists[static_cast<std::size_t>(found - selections.begin())].data();
}

int get_capabilities(void*, const char* capability, OSSL_CALLBACK* take, void* argument) {
    return OSSL_PROVIDER_get_capabilities(selected.everything, capability, take, argument);
}

// The dispatch table has one type for all functions, whatever they take.
using any_function = void (*)();
const std::array<OSSL_DISPATCH, 3> functions = {
    OSSL_DISPATCH{OSSL_FUNC_PROVIDER_QUERY_OPERATION,
                  reinterpret_cast<any_function>(&query_operation)},
    OSSL_DISPATCH{OSSL_FUNC_PROVIDER_GET_CAPABILITIES,
                  reinterpret_cast<any_function>(&get_capabilities)},
    OSSL_DISPATCH{0, nullptr}};

// The algorithms run in the context of the provider that they are taken from.
int start_provider(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** table,
                   void** context) {
    *table = functions.data();
    *context = OSSL_PROVIDER_get0_provider_ctx(selected.everything);
    return 1;
}

// Throws where there is no memory, so that whoever asks next tries again.
OSSL_LIB_CTX* make_library() {
    library_ptr base(OSSL_LIB_CTX_new());
    library_ptr library(OSSL_LIB_CTX_new());
    if (!base || !library) throw std::bad_alloc();
    provider_ptr everything(OSSL_PROVIDER_load(base.get(), "default"));
    if (!everything) throw std::bad_alloc();
    selected.everything = everything.get();
    if (!selected.fill() ||
        OSSL_PROVIDER_add_builtin(library.get(), provider_name, &start_provider) != 1 ||
        OSSL_PROVIDER_load(library.get(), provider_name) == nullptr) {
        library.reset();  // before what it stands on
        throw std::bad_alloc();
    }
    (void)everything.release();
    (void)base.release();
    return library.release();
}

// 0 ends the search.
int is_default_provider(OSSL_PROVIDER* provider, void*) {
    return std::string_view(OSSL_PROVIDER_get0_name(provider)) == "default" ? 1 : 0;
}

// True if the process's own context has the default provider alone, as without a configuration.
bool is_process_usual() {
    return OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, nullptr) == 1 &&
           EVP_default_properties_is_fips_enabled(nullptr) == 0 &&
           OSSL_PROVIDER_do_all(nullptr, &is_default_provider, nullptr) == 1;
}

bool remembers_decoders() { return OPENSSL_version_major() > 3 || OPENSSL_version_minor() > 1; }

}  // namespace

OSSL_LIB_CTX* tls_algorithms() noexcept {
    OSSL_LIB_CTX* found = nullptr;
    try {
        if (!remembers_decoders() && is_process_usual()) {
            static OSSL_LIB_CTX* const library = make_library();
            found = library;
        }
    } catch (const std::bad_alloc&) {  // then OpenSSL's own must do
    }
    clear_openssl_errors();
    return found;
}

const tls13_aead* tls13_aead_of(std::uint16_t suite) noexcept {
    for (std::size_t i = 0; i < record_suites.size(); ++i) {
        const tls13_aead& aead = selected.aeads[i];
        if (record_suites[i].number == suite) return aead.key_size != 0 ? &aead : nullptr;
    }
    return nullptr;
}

}  // namespace hearth::proto
