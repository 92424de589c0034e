// tls13_aead: a cipher of OpenSSL's provider by the provider's own functions (provider-cipher(7)).
//
// libcrypto's EVP costs more for a small record than the cipher behind it: it checks what it is
// given, asks for sizes by name and passes on. Whoever always asks for the same can do without.
#pragma once

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace hearth::proto {

/// The functions of an AEAD with a nonce of 12 octets and a tag of 16.
struct tls13_aead {
    static constexpr std::size_t nonce_size = 12;
    static constexpr std::size_t tag_size = 16;
    using nonce = std::array<unsigned char, nonce_size>;

    std::size_t key_size = 0;
    void* provider = nullptr;
    OSSL_FUNC_cipher_newctx_fn* make = nullptr;
    OSSL_FUNC_cipher_freectx_fn* free = nullptr;
    OSSL_FUNC_cipher_encrypt_init_fn* start_sealing = nullptr;
    OSSL_FUNC_cipher_decrypt_init_fn* start_opening = nullptr;
    OSSL_FUNC_cipher_update_fn* update = nullptr;
    OSSL_FUNC_cipher_final_fn* finish = nullptr;
    OSSL_FUNC_cipher_set_ctx_params_fn* set = nullptr;
    OSSL_FUNC_cipher_get_ctx_params_fn* get = nullptr;

    /// Takes the functions of `table`; false if one is missing.
    [[nodiscard]] bool read(const OSSL_DISPATCH* table, void* provider_context);
};

/// One key for one use. All of a message: `start`, then `add` what is only authenticated, `update`,
/// and at last `take_tag`, or `expect_tag` before the first `update` and `check` at the end. Each
/// returns false where OpenSSL has failed.
class tls13_aead_context {
public:
    enum class use : std::uint8_t { seal, open };
    /// `key` has the cipher's size; `aead` outlives this object.
    tls13_aead_context(const tls13_aead& aead, std::span<const unsigned char> key, use what);
    ~tls13_aead_context();
    tls13_aead_context(const tls13_aead_context&) = delete;
    tls13_aead_context& operator=(const tls13_aead_context&) = delete;

    /// False: OpenSSL had no memory for it, and it cannot be used.
    [[nodiscard]] bool is_ready() const { return context_ != nullptr; }
    [[nodiscard]] bool start(const tls13_aead::nonce& number_once);
    [[nodiscard]] bool add(std::span<const std::byte> octets);
    /// `in` and `out` are the same, or do not overlap.
    [[nodiscard]] bool update(std::span<const std::byte> in, std::byte* out);
    [[nodiscard]] bool take_tag(std::byte* tag);
    [[nodiscard]] bool expect_tag(const std::byte* tag);
    [[nodiscard]] bool check();

private:
    [[nodiscard]] bool start_with(std::span<const unsigned char> key,
                                  const tls13_aead::nonce& number_once);

    const tls13_aead& aead_;
    const use use_;
    void* context_ = nullptr;
};

}  // namespace hearth::proto
