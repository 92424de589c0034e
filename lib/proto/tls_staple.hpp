// The stapled OCSP response of a handshake (RFC 6960, RFC 6066 8): whether it is of the origin's
// certificate, signed by whom it may be, of the present, and says "good".
//
// Whoever may sign it: the issuer of the certificate, or one whom the issuer has delegated this to
// (RFC 6960 4.2.2.2). Judged anew in each full handshake, after the chain; never remembered.
#pragma once

#include <ctime>
#include <span>
#include <string>

#include "proto/openssl_ptr.hpp"

namespace hearth::proto {

/// Why a response does not vouch for the first certificate of a verified chain at `now`, as a
/// sentence; empty if it does. `store` is what delegated signers are verified by.
[[nodiscard]] std::string judge_staple(std::span<const unsigned char> response,
                                       STACK_OF(X509) * chain, X509_STORE* store, std::time_t now);

/// OpenSSL's status callback (SSL_CTX_set_tlsext_status_cb); `profile` is the
/// tls_profile::implementation. What it refuses, it explains in `tls_hooks::rejection`.
int check_staple(SSL* ssl, void* profile) noexcept;

}  // namespace hearth::proto
