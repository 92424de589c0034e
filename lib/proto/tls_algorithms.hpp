// The algorithms that a client's TLS chooses from: a library context of OpenSSL's without others.
//
// OpenSSL 3.0 and 3.1 go through the names and decoders of all that they know for the public key of
// every certificate they read, which is a quarter of a full handshake. With only what TLS and its
// certificates use, it is a twentieth. They come from OpenSSL's default provider as they are, but
// for one (`tls13_kdf`).
#pragma once

#include <openssl/types.h>

#include <cstdint>

#include "proto/tls13_aead.hpp"

namespace hearth::proto {

/// The context with the algorithms of OpenSSL's default cipher list, of all TLS 1.3 suites and key
/// exchanges, and of certificates with RSA, RSA-PSS, EC and EdDSA keys; it lives until the process
/// ends. Null, which is OpenSSL's name for the process's own context, if that is not as OpenSSL
/// makes it (another provider is active in it, or FIPS is asked for), from OpenSSL 3.2 on, which
/// remembers its decoders, and without memory. Loads OpenSSL's configuration. From any thread.
[[nodiscard]] OSSL_LIB_CTX* tls_algorithms() noexcept;

/// What protects the records of a suite of TLS 1.3 (by its number, RFC 8446 B.4) in that context;
/// null if there is none. Once `tls_algorithms` has returned a context.
[[nodiscard]] const tls13_aead* tls13_aead_of(std::uint16_t suite) noexcept;

}  // namespace hearth::proto
