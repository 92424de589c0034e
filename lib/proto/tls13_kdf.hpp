// TLS 1.3's key derivation (RFC 8446 7.1) as OpenSSL asks its provider for it.
//
// A handshake derives some twenty-five secrets, keys and vectors. OpenSSL 3.0's own function copies
// each argument to the heap, looks the digest up by its name and sets up three digest contexts for
// a dozen blocks of SHA-2 at most.
#pragma once

#include <openssl/types.h>

#include <array>
#include <cstddef>

namespace hearth::proto {

/// What protects the data of one TLS 1.3 connection (RFC 8446 7.3), as libssl derived it.
struct tls13_traffic_keys {
    static constexpr std::size_t iv_size = 12;
    struct side {
        std::array<unsigned char, 48> secret{};  ///< Until key and vector are there.
        std::array<unsigned char, 32> key{};
        std::array<unsigned char, iv_size> iv{};
        std::size_t secret_size = 0;
        std::size_t key_size = 0;
        bool has_iv = false;

        [[nodiscard]] bool is_whole() const { return key_size != 0 && has_iv; }
    };
    side client;
    side server;

    [[nodiscard]] bool are_whole() const { return client.is_whole() && server.is_whole(); }

    tls13_traffic_keys() = default;
    tls13_traffic_keys(const tls13_traffic_keys&) = default;
    tls13_traffic_keys& operator=(const tls13_traffic_keys&) = default;
    ~tls13_traffic_keys();
};

/// While it lives, keys of data that `tls13_kdf` derives on this thread are noted; the innermost
/// one counts. To be around a call of libssl's for one connection.
class tls13_key_witness {
public:
    explicit tls13_key_witness(tls13_traffic_keys& into) noexcept;
    ~tls13_key_witness();
    tls13_key_witness(const tls13_key_witness&) = delete;
    tls13_key_witness& operator=(const tls13_key_witness&) = delete;

private:
    tls13_traffic_keys* const outer_;
};

/// What may stand for `original`, the functions of OpenSSL's TLS13-KDF: the same results by
/// `sha2_hmac` where all that a derivation needs comes with it, as libssl has it, and the digest is
/// SHA-256 or SHA-384. All else is passed on to `original`, which is kept, errors included; a
/// context cannot be duplicated. Returns `original` if that lacks a function. Call it once.
[[nodiscard]] const OSSL_DISPATCH* tls13_kdf(const OSSL_DISPATCH* original) noexcept;

}  // namespace hearth::proto
