// tls13_kdf: the functions of one algorithm, with those of another behind them.
#include "proto/tls13_kdf.hpp"

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "proto/sha2_hmac.hpp"

namespace hearth::proto {
namespace {

using octets = std::span<const unsigned char>;

constexpr std::size_t max_part_size = 255;      // octets of label and context (RFC 8446 7.1)
constexpr std::size_t max_output_blocks = 255;  // RFC 5869 2.3

// What is passed on to. Set before the first context is made and never changed.
struct original_functions {
    OSSL_FUNC_kdf_newctx_fn* make = nullptr;
    OSSL_FUNC_kdf_freectx_fn* free = nullptr;
    OSSL_FUNC_kdf_reset_fn* reset = nullptr;
    OSSL_FUNC_kdf_derive_fn* derive = nullptr;
    OSSL_FUNC_kdf_settable_ctx_params_fn* settable = nullptr;
    OSSL_FUNC_kdf_set_ctx_params_fn* set = nullptr;
    OSSL_FUNC_kdf_gettable_ctx_params_fn* gettable = nullptr;
    OSSL_FUNC_kdf_get_ctx_params_fn* get = nullptr;

    [[nodiscard]] bool are_complete() const {
        return make != nullptr && free != nullptr && reset != nullptr && derive != nullptr &&
               settable != nullptr && set != nullptr && gettable != nullptr && get != nullptr;
    }
};
constinit original_functions original;

struct kdf_context {
    void* provider;
    void* original;  // null until something is asked that is passed on
};

void* original_of(kdf_context& context) {
    if (context.original == nullptr) context.original = original.make(context.provider);
    return context.original;
}

struct derivation {
    std::string_view digest;
    std::optional<int> mode;
    std::optional<octets> key;
    std::optional<octets> salt;
    std::optional<octets> prefix;
    std::optional<octets> label;
    std::optional<octets> data;
};

std::optional<octets>* place_of(derivation& into, std::string_view name) {
    if (name == OSSL_KDF_PARAM_KEY) return &into.key;
    if (name == OSSL_KDF_PARAM_SALT) return &into.salt;
    if (name == OSSL_KDF_PARAM_PREFIX) return &into.prefix;
    if (name == OSSL_KDF_PARAM_LABEL) return &into.label;
    if (name == OSSL_KDF_PARAM_DATA) return &into.data;
    return nullptr;
}

bool take_parameter(derivation& into, const OSSL_PARAM& each) {
    const std::string_view name = each.key;
    if (each.data == nullptr) return false;
    if (name == OSSL_KDF_PARAM_DIGEST) {
        if (each.data_type != OSSL_PARAM_UTF8_STRING || !into.digest.empty()) return false;
        into.digest = static_cast<const char*>(each.data);
        return true;
    }
    if (name == OSSL_KDF_PARAM_MODE) {
        int mode = 0;
        if (each.data_type != OSSL_PARAM_INTEGER || each.data_size != sizeof(mode)) return false;
        std::memcpy(&mode, each.data, sizeof(mode));
        into.mode = mode;
        return true;
    }
    std::optional<octets>* const place = place_of(into, name);
    if (place == nullptr || place->has_value()) return false;
    if (each.data_type != OSSL_PARAM_OCTET_STRING) return false;
    place->emplace(static_cast<const unsigned char*>(each.data), each.data_size);
    return true;
}

// Nothing where a parameter is of a kind, or there twice, that libssl would not give.
std::optional<derivation> read_derivation(const OSSL_PARAM* parameters) {
    if (parameters == nullptr) return std::nullopt;
    derivation found;
    for (; parameters->key != nullptr; ++parameters) {
        if (!take_parameter(found, *parameters)) return std::nullopt;
    }
    return found;
}

template <typename Digest>
void expand(octets key, octets info, std::span<unsigned char> out) {
    sha2_hmac<Digest> mac(key);
    std::array<unsigned char, Digest::size> block{};
    for (unsigned char counter = 1; !out.empty(); ++counter) {
        if (counter > 1) mac.update(block);
        mac.update(info);
        mac.update({&counter, 1});
        mac.finish(block);
        const std::size_t taken = std::min(out.size(), block.size());
        std::copy_n(block.begin(), taken, out.begin());
        out = out.subspan(taken);
    }
    OPENSSL_cleanse(block.data(), block.size());
}

// Who is told of keys on this thread.
constinit thread_local tls13_traffic_keys* witness = nullptr;

bool is_equal(octets text, std::string_view label) {
    return std::string_view(reinterpret_cast<const char*>(text.data()), text.size()) == label;
}

bool is_secret_of(const tls13_traffic_keys::side& of, octets secret) {
    return of.secret_size != 0 && of.secret_size == secret.size() &&
           CRYPTO_memcmp(of.secret.data(), secret.data(), secret.size()) == 0;
}

void note_secret(tls13_traffic_keys::side& of, octets secret) {
    if (secret.size() > of.secret.size()) return;
    std::ranges::copy(secret, of.secret.begin());
    of.secret_size = secret.size();
    of.key_size = 0;
    of.has_iv = false;
}

void note_key(tls13_traffic_keys::side& of, octets label, octets derived) {
    if (is_equal(label, "key") && derived.size() <= of.key.size()) {
        std::ranges::copy(derived, of.key.begin());
        of.key_size = derived.size();
    } else if (is_equal(label, "iv") && derived.size() == of.iv.size()) {
        std::ranges::copy(derived, of.iv.begin());
        of.has_iv = true;
    }
    if (!of.is_whole()) return;
    OPENSSL_cleanse(of.secret.data(), of.secret.size());
    of.secret_size = 0;
}

// Of what libssl derives, the keys of application data.
void tell_witness(octets secret, octets label, octets derived) {
    if (is_equal(label, "c ap traffic")) return note_secret(witness->client, derived);
    if (is_equal(label, "s ap traffic")) return note_secret(witness->server, derived);
    for (tls13_traffic_keys::side* each : {&witness->client, &witness->server}) {
        if (is_secret_of(*each, secret)) return note_key(*each, label, derived);
    }
}

// HKDF-Expand-Label.
template <typename Digest>
bool expand_label(octets secret, octets prefix, octets label, octets context,
                  std::span<unsigned char> out) {
    if (prefix.size() + label.size() > max_part_size || context.size() > max_part_size ||
        out.size() > max_output_blocks * Digest::size) {
        return false;
    }
    std::array<unsigned char, 2 + 1 + max_part_size + 1 + max_part_size> info;
    auto end = info.begin();
    *end++ = static_cast<unsigned char>(out.size() >> 8);
    *end++ = static_cast<unsigned char>(out.size());
    *end++ = static_cast<unsigned char>(prefix.size() + label.size());
    end = std::copy(prefix.begin(), prefix.end(), end);
    end = std::copy(label.begin(), label.end(), end);
    *end++ = static_cast<unsigned char>(context.size());
    end = std::copy(context.begin(), context.end(), end);
    expand<Digest>(secret, octets(info.begin(), end), out);
    if (witness != nullptr) tell_witness(secret, label, out);
    return true;
}

// HKDF-Extract of the next secret, salted by what Derive-Secret makes of the one before.
template <typename Digest>
bool extract_secret(const derivation& of, std::span<unsigned char> out) {
    if (out.size() != Digest::size || !of.prefix || !of.label) return false;
    constexpr std::array<unsigned char, Digest::size> zeros{};
    std::array<unsigned char, Digest::size> salt{};
    if (of.salt) {
        std::array<unsigned char, Digest::size> no_messages;
        typename Digest::state running;
        Digest::start(running);
        Digest::finish(running, no_messages.data());
        if (!expand_label<Digest>(*of.salt, *of.prefix, *of.label, no_messages, salt)) {
            return false;
        }
    }
    sha2_hmac<Digest> mac(of.salt ? octets(salt) : octets());
    OPENSSL_cleanse(salt.data(), salt.size());
    mac.update(of.key.value_or(octets(zeros)));
    mac.finish(out.first<Digest::size>());
    return true;
}

template <typename Digest>
bool derive_by(const derivation& of, std::span<unsigned char> out) {
    switch (*of.mode) {
        case EVP_KDF_HKDF_MODE_EXTRACT_ONLY: return extract_secret<Digest>(of, out);
        case EVP_KDF_HKDF_MODE_EXPAND_ONLY:
            return of.key && of.prefix && of.label &&
                   expand_label<Digest>(*of.key, *of.prefix, *of.label, of.data.value_or(octets()),
                                        out);
        default: return false;
    }
}

// False if it is not of the usual kind; nothing has been written then.
bool derive_usual(const OSSL_PARAM* parameters, std::span<unsigned char> out) {
    if (out.data() == nullptr || out.empty()) return false;
    const std::optional<derivation> found = read_derivation(parameters);
    if (!found || !found->mode) return false;
    if (found->digest == "SHA2-256" || found->digest == "SHA256") {
        return derive_by<sha256_digest>(*found, out);
    }
    if (found->digest == "SHA2-384" || found->digest == "SHA384") {
        return derive_by<sha384_digest>(*found, out);
    }
    return false;
}

void* make_context(void* provider) {
    void* const memory = OPENSSL_zalloc(sizeof(kdf_context));
    if (memory != nullptr) static_cast<kdf_context*>(memory)->provider = provider;
    return memory;
}

void free_context(void* context) {
    if (context == nullptr) return;
    auto* const known = static_cast<kdf_context*>(context);
    if (known->original != nullptr) original.free(known->original);
    OPENSSL_free(context);
}

void reset_context(void* context) {
    auto* const known = static_cast<kdf_context*>(context);
    if (known->original != nullptr) original.reset(known->original);
}

int derive(void* context, unsigned char* out, std::size_t size, const OSSL_PARAM* parameters) {
    auto* const known = static_cast<kdf_context*>(context);
    if (known->original == nullptr && derive_usual(parameters, {out, size})) return 1;
    void* const passed = original_of(*known);
    return passed == nullptr ? 0 : original.derive(passed, out, size, parameters);
}

int set_parameters(void* context, const OSSL_PARAM* parameters) {
    if (parameters == nullptr) return 1;
    void* const passed = original_of(*static_cast<kdf_context*>(context));
    return passed == nullptr ? 0 : original.set(passed, parameters);
}

int give_parameters(void* context, OSSL_PARAM* parameters) {
    void* const passed = original_of(*static_cast<kdf_context*>(context));
    return passed == nullptr ? 0 : original.get(passed, parameters);
}

const OSSL_PARAM* settable_parameters(void*, void* provider) {
    return original.settable(nullptr, provider);
}

const OSSL_PARAM* gettable_parameters(void*, void* provider) {
    return original.gettable(nullptr, provider);
}

// The dispatch table has one type for all functions, whatever they take.
using any_kdf_function = void (*)();
template <typename Function>
any_kdf_function erased(Function* function) {
    return reinterpret_cast<any_kdf_function>(function);
}
const std::array<OSSL_DISPATCH, 9> kdf_functions = {
    OSSL_DISPATCH{OSSL_FUNC_KDF_NEWCTX, erased(&make_context)},
    OSSL_DISPATCH{OSSL_FUNC_KDF_FREECTX, erased(&free_context)},
    OSSL_DISPATCH{OSSL_FUNC_KDF_RESET, erased(&reset_context)},
    OSSL_DISPATCH{OSSL_FUNC_KDF_DERIVE, erased(&derive)},
    OSSL_DISPATCH{OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS, erased(&settable_parameters)},
    OSSL_DISPATCH{OSSL_FUNC_KDF_SET_CTX_PARAMS, erased(&set_parameters)},
    OSSL_DISPATCH{OSSL_FUNC_KDF_GETTABLE_CTX_PARAMS, erased(&gettable_parameters)},
    OSSL_DISPATCH{OSSL_FUNC_KDF_GET_CTX_PARAMS, erased(&give_parameters)},
    OSSL_DISPATCH{0, nullptr}};

original_functions read_functions(const OSSL_DISPATCH* table) {
    original_functions found;
    for (; table->function_id != 0; ++table) {
        switch (table->function_id) {
            case OSSL_FUNC_KDF_NEWCTX: found.make = OSSL_FUNC_kdf_newctx(table); break;
            case OSSL_FUNC_KDF_FREECTX: found.free = OSSL_FUNC_kdf_freectx(table); break;
            case OSSL_FUNC_KDF_RESET: found.reset = OSSL_FUNC_kdf_reset(table); break;
            case OSSL_FUNC_KDF_DERIVE: found.derive = OSSL_FUNC_kdf_derive(table); break;
            case OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS:
                found.settable = OSSL_FUNC_kdf_settable_ctx_params(table);
                break;
            case OSSL_FUNC_KDF_SET_CTX_PARAMS:
                found.set = OSSL_FUNC_kdf_set_ctx_params(table);
                break;
            case OSSL_FUNC_KDF_GETTABLE_CTX_PARAMS:
                found.gettable = OSSL_FUNC_kdf_gettable_ctx_params(table);
                break;
            case OSSL_FUNC_KDF_GET_CTX_PARAMS:
                found.get = OSSL_FUNC_kdf_get_ctx_params(table);
                break;
            default: break;
        }
    }
    return found;
}

}  // namespace

tls13_traffic_keys::~tls13_traffic_keys() {
    for (side* each : {&client, &server}) OPENSSL_cleanse(each, sizeof(*each));
}

tls13_key_witness::tls13_key_witness(tls13_traffic_keys& into) noexcept
    : outer_(std::exchange(witness, &into)) {}

tls13_key_witness::~tls13_key_witness() { witness = outer_; }

const OSSL_DISPATCH* tls13_kdf(const OSSL_DISPATCH* table) noexcept {
    const original_functions found = read_functions(table);
    if (!found.are_complete()) return table;
    original = found;
    return kdf_functions.data();
}

}  // namespace hearth::proto
