// Certificates made at run time: authorities, intermediates and leaves with any names and validity.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "proto/openssl_ptr.hpp"

namespace hearth::support {

enum class key_kind { ecdsa, ecdsa_p384, ecdsa_p521, ed25519, ed448, rsa, rsa_1024, rsa_pss };

struct certificate_request {
    std::string common_name = "leaf";
    /// As OpenSSL writes them: "DNS:a.example", "IP:127.0.0.1".
    std::vector<std::string> names = {};
    key_kind key = key_kind::ecdsa;
    bool is_authority = false;
    std::chrono::seconds valid_from = std::chrono::hours(-1);  ///< Relative to now.
    std::chrono::seconds valid_to = std::chrono::hours(24);
    /// As OpenSSL writes them; empty: what `is_authority` makes usual.
    std::string basic_constraints = {};
    std::string key_usage = {};
    /// More extensions: their NIDs and values as OpenSSL writes them.
    std::vector<std::pair<int, std::string>> extensions = {};
    /// A DNS name that is written octet for octet, NULs included.
    std::string raw_name = {};
    bool signs_by_sha1 = false;
};

/// A certificate and its key.
struct identity {
    proto::x509_ptr certificate;
    proto::evp_pkey_ptr key;

    [[nodiscard]] std::string certificate_pem() const;
    [[nodiscard]] std::string key_pem() const;
    /// What a pin for this key is: base64 of the SHA-256 of its SubjectPublicKeyInfo.
    [[nodiscard]] std::string pin() const;
};

/// A certificate signed by `issuer`. One RSA key (2048 bits) is shared by all identities of kind
/// `rsa`, because making one takes long. Throws `std::runtime_error` if OpenSSL refuses.
[[nodiscard]] identity issue(const certificate_request& request, const identity& issuer);
[[nodiscard]] identity self_sign(const certificate_request& request);
/// A self-signed authority.
[[nodiscard]] identity make_authority(const std::string& common_name = "test root");

}  // namespace hearth::support
