// `tls_profile`: who is trusted and how we identify ourselves, built once and shared.
//
// A profile is immutable. Building one parses certificates and keys and reads files; using one
// costs nothing. Connections, session tickets and cached verifications are never shared between
// profiles: two profiles built from equal options are still two profiles, so build one and keep it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hearth/error.hpp"

HEARTH_BEGIN_NAMESPACE

enum class tls_version : std::uint8_t { tls_1_2, tls_1_3 };

/// What a profile is built from. Paths name PEM files. Defaults are safe: the system's trust store,
/// peer and host name verified, TLS 1.2 and up.
struct tls_options {
    /// Trust the system's store (OpenSSL's default paths). Ignored when `ca_file` or `ca_pem` is
    /// set: a private CA replaces the system's.
    bool system_trust = true;
    std::string ca_file{};           ///< PEM file with the only trusted authorities; empty = none.
    std::string ca_pem{};            ///< The same as text; both may be given.
    std::string certificate_file{};  ///< Client certificate chain (PEM), leaf first; empty = none.
    std::string certificate_pem{};   ///< The same as text.
    std::string private_key_file{};  ///< Key of the client certificate (PEM).
    std::string private_key_pem{};   ///< The same as text.
    std::string server_name{};       ///< SNI to send; empty = the origin's host.
    std::string verify_name{};       ///< Name or IP to verify; empty = the origin's host.
    tls_version minimum_version = tls_version::tls_1_2;
    tls_version maximum_version = tls_version::tls_1_3;
    std::string cipher_list{};    ///< Cipher list for TLS 1.2; empty = OpenSSL's default.
    std::string cipher_suites{};  ///< TLS 1.3 suites; empty = OpenSSL's default.
    std::string groups{};         ///< Key share groups in order; empty = "X25519:P-256:P-384".
    /// Base64 SHA-256 digests of SubjectPublicKeyInfo; if any is given, one certificate of the
    /// verified chain must match (RFC 7469 2.4). Not together with `danger_skip_verification`.
    std::vector<std::string> pins{};
    std::string keylog_file{};       ///< Appends NSS key log lines for debugging; empty = off.
    bool session_resumption = true;  ///< Keep and use session tickets (RFC 8446 2.2).
    /// Accept any certificate for any name. For tests against throw-away servers only.
    bool danger_skip_verification = false;
};

class HEARTH_API tls_profile {
public:
    class implementation;

    /// Builds a profile; throws `boost::system::system_error` (`errc::invalid_config`) with a
    /// sentence when a file cannot be read, a key does not match, or a list does not parse.
    [[nodiscard]] static std::shared_ptr<const tls_profile> make(const tls_options& options);
    /// The profile of default options, built at first use and shared by the process.
    [[nodiscard]] static std::shared_ptr<const tls_profile> system_default();

    explicit tls_profile(std::unique_ptr<implementation> parts);
    ~tls_profile();
    tls_profile(const tls_profile&) = delete;
    tls_profile& operator=(const tls_profile&) = delete;

    [[nodiscard]] const tls_options& options() const noexcept;
    [[nodiscard]] const implementation& internals() const noexcept { return *implementation_; }

private:
    std::unique_ptr<implementation> implementation_;
};

HEARTH_END_NAMESPACE
