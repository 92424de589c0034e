#include "proto/tls13_aead.hpp"

#include <openssl/core_names.h>
#include <openssl/params.h>

namespace hearth::proto {
namespace {

unsigned char* raw_octets(std::byte* octets) { return reinterpret_cast<unsigned char*>(octets); }
const unsigned char* raw_octets(const std::byte* octets) {
    return reinterpret_cast<const unsigned char*>(octets);
}

using tag_parameter = std::array<OSSL_PARAM, 2>;
tag_parameter tag_at(unsigned char* tag) {
    return {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, tls13_aead::tag_size),
        OSSL_PARAM_construct_end()};
}

}  // namespace

bool tls13_aead::read(const OSSL_DISPATCH* table, void* provider_context) {
    provider = provider_context;
    for (; table->function_id != 0; ++table) {
        switch (table->function_id) {
            case OSSL_FUNC_CIPHER_NEWCTX: make = OSSL_FUNC_cipher_newctx(table); break;
            case OSSL_FUNC_CIPHER_FREECTX: free = OSSL_FUNC_cipher_freectx(table); break;
            case OSSL_FUNC_CIPHER_ENCRYPT_INIT:
                start_sealing = OSSL_FUNC_cipher_encrypt_init(table);
                break;
            case OSSL_FUNC_CIPHER_DECRYPT_INIT:
                start_opening = OSSL_FUNC_cipher_decrypt_init(table);
                break;
            case OSSL_FUNC_CIPHER_UPDATE: update = OSSL_FUNC_cipher_update(table); break;
            case OSSL_FUNC_CIPHER_FINAL: finish = OSSL_FUNC_cipher_final(table); break;
            case OSSL_FUNC_CIPHER_SET_CTX_PARAMS:
                set = OSSL_FUNC_cipher_set_ctx_params(table);
                break;
            case OSSL_FUNC_CIPHER_GET_CTX_PARAMS:
                get = OSSL_FUNC_cipher_get_ctx_params(table);
                break;
            default: break;
        }
    }
    return make != nullptr && free != nullptr && start_sealing != nullptr &&
           start_opening != nullptr && update != nullptr && finish != nullptr && set != nullptr &&
           get != nullptr;
}

tls13_aead_context::tls13_aead_context(const tls13_aead& aead, std::span<const unsigned char> key,
                                       use what)
    : aead_(aead), use_(what) {
    if (key.size() != aead.key_size) return;
    context_ = aead.make(aead.provider);
    if (context_ == nullptr || start_with(key, {})) return;
    aead.free(context_);
    context_ = nullptr;
}

tls13_aead_context::~tls13_aead_context() {
    if (context_ != nullptr) aead_.free(context_);
}

bool tls13_aead_context::start_with(std::span<const unsigned char> key,
                                    const tls13_aead::nonce& number_once) {
    const auto start = use_ == use::seal ? aead_.start_sealing : aead_.start_opening;
    return start(context_, key.data(), key.size(), number_once.data(), number_once.size(),
                 nullptr) == 1;
}

bool tls13_aead_context::start(const tls13_aead::nonce& number_once) {
    return start_with({}, number_once);
}

bool tls13_aead_context::add(std::span<const std::byte> octets) {
    std::size_t count = 0;
    return aead_.update(context_, nullptr, &count, octets.size(), raw_octets(octets.data()),
                        octets.size()) == 1;
}

bool tls13_aead_context::update(std::span<const std::byte> in, std::byte* out) {
    std::size_t count = 0;
    return aead_.update(context_, raw_octets(out), &count, in.size(), raw_octets(in.data()),
                        in.size()) == 1;
}

bool tls13_aead_context::take_tag(std::byte* tag) {
    std::size_t count = 0;
    std::array<unsigned char, tls13_aead::tag_size> none;
    if (aead_.finish(context_, none.data(), &count, none.size()) != 1) return false;
    tag_parameter parameters = tag_at(raw_octets(tag));
    return aead_.get(context_, parameters.data()) == 1;
}

bool tls13_aead_context::expect_tag(const std::byte* tag) {
    // It only reads it.
    const tag_parameter parameters =
        tag_at(const_cast<unsigned char*>(raw_octets(tag)));  // NOLINT(*-const-cast)
    return aead_.set(context_, parameters.data()) == 1;
}

bool tls13_aead_context::check() {
    std::size_t count = 0;
    std::array<unsigned char, tls13_aead::tag_size> none;
    return aead_.finish(context_, none.data(), &count, none.size()) == 1;
}

}  // namespace hearth::proto
