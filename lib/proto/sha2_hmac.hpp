// HMAC (RFC 2104) with the digests of TLS 1.3's cipher suites, on OpenSSL's code for the digests.
//
// OpenSSL 3.0's own looks up its algorithms by name, counts references and allocates for each MAC,
// which costs several times what the digest does. This has no state but two digests'.
#pragma once

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <array>
#include <cstddef>
#include <span>

namespace hearth::proto {

// OpenSSL would have its digests asked for by name. These do the same work with nothing around it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/// SHA-256 of FIPS 180-4.
struct sha256_digest {
    static constexpr std::size_t size = SHA256_DIGEST_LENGTH;  ///< octets
    static constexpr std::size_t block_size = SHA256_CBLOCK;   ///< octets
    using state = SHA256_CTX;
    static void start(state& running) noexcept { SHA256_Init(&running); }
    static void update(state& running, std::span<const unsigned char> octets) noexcept {
        SHA256_Update(&running, octets.data(), octets.size());
    }
    static void finish(state& running, unsigned char* out) noexcept { SHA256_Final(out, &running); }
};

/// SHA-384 of FIPS 180-4.
struct sha384_digest {
    static constexpr std::size_t size = SHA384_DIGEST_LENGTH;  ///< octets
    static constexpr std::size_t block_size = SHA512_CBLOCK;   ///< octets
    using state = SHA512_CTX;
    static void start(state& running) noexcept { SHA384_Init(&running); }
    static void update(state& running, std::span<const unsigned char> octets) noexcept {
        SHA384_Update(&running, octets.data(), octets.size());
    }
    static void finish(state& running, unsigned char* out) noexcept { SHA384_Final(out, &running); }
};

#pragma GCC diagnostic pop

/// One key, any number of messages in turn. Forgets the key when it dies.
template <typename Digest>
class sha2_hmac {
public:
    /// A key of any length; longer than a block, its digest stands for it.
    explicit sha2_hmac(std::span<const unsigned char> key) noexcept {
        std::array<unsigned char, Digest::block_size> pad{};
        if (key.size() > pad.size()) {
            Digest::start(running_);
            Digest::update(running_, key);
            Digest::finish(running_, pad.data());
        } else {
            for (std::size_t i = 0; i < key.size(); ++i) pad[i] = key[i];
        }
        for (unsigned char& octet : pad) octet ^= inner_pad;
        Digest::start(inner_);
        Digest::update(inner_, pad);
        for (unsigned char& octet : pad) octet ^= inner_pad ^ outer_pad;
        Digest::start(outer_);
        Digest::update(outer_, pad);
        OPENSSL_cleanse(pad.data(), pad.size());
        running_ = inner_;
    }
    ~sha2_hmac() {
        OPENSSL_cleanse(&inner_, sizeof(inner_));
        OPENSSL_cleanse(&outer_, sizeof(outer_));
        OPENSSL_cleanse(&running_, sizeof(running_));
    }
    sha2_hmac(const sha2_hmac&) = delete;
    sha2_hmac& operator=(const sha2_hmac&) = delete;
    sha2_hmac(sha2_hmac&&) = delete;
    sha2_hmac& operator=(sha2_hmac&&) = delete;

    void update(std::span<const unsigned char> octets) noexcept {
        Digest::update(running_, octets);
    }

    /// The MAC of all that was given since the last one.
    void finish(std::span<unsigned char, Digest::size> mac) noexcept {
        Digest::finish(running_, mac.data());
        running_ = outer_;
        Digest::update(running_, mac);
        Digest::finish(running_, mac.data());
        running_ = inner_;
    }

private:
    static constexpr unsigned char inner_pad = 0x36;
    static constexpr unsigned char outer_pad = 0x5c;

    typename Digest::state inner_;
    typename Digest::state outer_;
    typename Digest::state running_;
};

}  // namespace hearth::proto
