// Verification of the peer: whose name must be certified, the check itself, pins, and the sentence
// that says why a certificate was refused.
//
// Names are matched against subject alternative names only; the common name is never looked at
// (RFC 9110 4.3.4). A wildcard stands for the whole left-most label.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "proto/openssl_ptr.hpp"

namespace hearth::proto {

/// SHA-256 of a SubjectPublicKeyInfo (RFC 7469 2.4).
using spki_digest = std::array<unsigned char, 32>;

/// A host as TLS wants it: no trailing dot, no IPv6 zone.
struct peer_name {
    std::string text;
    std::array<unsigned char, 16> octets{};  ///< Of an IP literal.
    std::size_t address_size = 0;            ///< Theirs; 0: it is a DNS name.

    /// Matched against iPAddress, never sent as SNI.
    [[nodiscard]] bool is_address() const { return address_size != 0; }
};

/// Empty if `host` cannot be a name in TLS: empty, longer than 253 octets, or with an octet that is
/// not graphic ASCII.
[[nodiscard]] std::optional<peer_name> make_peer_name(std::string_view host);

/// Makes the verification of `ssl` insist on `name`. False if OpenSSL refuses the name.
[[nodiscard]] bool require_peer_name(SSL* ssl, const peer_name& name);

/// Decodes a pin from base64; empty if it is not the base64 of 32 octets.
[[nodiscard]] std::optional<spki_digest> parse_pin(std::string_view base64);

/// The digest a pin for `certificate` holds; empty if its key cannot be encoded.
[[nodiscard]] std::optional<spki_digest> digest_spki(const X509* certificate);

/// OpenSSL's certificate callback (SSL_CTX_set_cert_verify_callback) for all engines; `profile` is
/// the tls_profile::implementation. What it refuses, it explains in `tls_hooks::rejection`.
int verify_peer(X509_STORE_CTX* store, void* profile) noexcept;

}  // namespace hearth::proto
