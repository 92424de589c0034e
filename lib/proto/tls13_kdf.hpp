// TLS 1.3's key derivation (RFC 8446 7.1) as OpenSSL asks its provider for it.
//
// A handshake derives some twenty-five secrets, keys and vectors. OpenSSL 3.0's own function copies
// each argument to the heap, looks the digest up by its name and sets up three digest contexts for
// a dozen blocks of SHA-2 at most.
#pragma once

#include <openssl/types.h>

namespace hearth::proto {

/// What may stand for `original`, the functions of OpenSSL's TLS13-KDF: the same results by
/// `sha2_hmac` where all that a derivation needs comes with it, as libssl has it, and the digest is
/// SHA-256 or SHA-384. All else is passed on to `original`, which is kept, errors included; a
/// context cannot be duplicated. Returns `original` if that lacks a function. Call it once.
[[nodiscard]] const OSSL_DISPATCH* tls13_kdf(const OSSL_DISPATCH* original) noexcept;

}  // namespace hearth::proto
