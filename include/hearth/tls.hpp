// `tls_profile`: who is trusted and how we identify ourselves, built once and shared.
//
// A profile is immutable. Building one parses certificates and keys and reads files; using one
// costs nothing. Connections, session tickets and cached verifications are never shared between
// profiles: two profiles built from equal options are still two profiles, so build one and keep it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hearth/error.hpp"

HEARTH_BEGIN_NAMESPACE

enum class tls_version : std::uint8_t { tls_1_2, tls_1_3 };

/// What is asked of an origin's statement that its certificate is not revoked, which comes with the
/// handshake (an OCSP response as in RFC 6960, "stapled": RFC 6066 8).
enum class ocsp_policy : std::uint8_t {
    off,         ///< Not asked for.
    if_present,  ///< What comes must be good; nothing need come.
    required,    ///< One that is good must come with each full handshake.
};

/// Whom a handshake leads to, for `tls_options::verify`.
struct peer_to_verify {
    std::string host{};                ///< The origin's, as in the URL.
    std::string name{};                ///< Whom its certificate must name.
    std::vector<std::string> chain{};  ///< DER, leaf first: as verified, else as presented.
    bool is_accepted = false;          ///< What the profile's other rules say.
    std::string reason{};              ///< If they refuse it: why, as a sentence.
};

/// The answer to `tls_options::verify`, from any thread, once; a second one is ignored. When the
/// last copy dies without an answer, the certificate is refused.
class HEARTH_API verification_answer {
public:
    struct state;
    explicit verification_answer(std::shared_ptr<state> to) : state_(std::move(to)) {}

    void accept() const;
    /// `reason`: a sentence, which is in `failure.dial_detail`.
    void refuse(std::string reason) const;
    /// Nobody waits any more: the dial has ended, by its timeout or with its client.
    [[nodiscard]] bool is_abandoned() const noexcept;

private:
    std::shared_ptr<state> state_;
};

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
    /// Cipher list for TLS 1.2; empty = OpenSSL's default. While it is empty, the client knows no
    /// other algorithms than those of that list and of TLS 1.3, and in certificates keys of RSA,
    /// RSA-PSS, EC, Ed25519 and Ed448, which makes a full handshake a fifth cheaper with OpenSSL
    /// 3.0 and 3.1; and data of TLS 1.3 is protected by OpenSSL's ciphers without libssl around
    /// them. With "DEFAULT" or any other list, or where OpenSSL's configuration brings a provider,
    /// it knows all that the process has, and libssl protects every record.
    std::string cipher_list{};
    /// TLS 1.3 suites in order; empty = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:
    /// TLS_CHACHA20_POLY1305_SHA256", the cheapest first, or what OpenSSL's configuration chooses.
    std::string cipher_suites{};
    std::string groups{};  ///< Key share groups in order; empty = "X25519:P-256:P-384".
    /// Base64 SHA-256 digests of SubjectPublicKeyInfo; if any is given, one certificate of the
    /// verified chain must match (RFC 7469 2.4). Not together with `danger_skip_verification`.
    std::vector<std::string> pins{};
    std::string keylog_file{};       ///< Appends NSS key log lines for debugging; empty = off.
    bool session_resumption = true;  ///< Keep and use session tickets (RFC 8446 2.2).
    /// Accept any certificate for any name. For tests against throw-away servers only.
    bool danger_skip_verification = false;
    std::string crl_file{};  ///< Revocation lists (PEM); with one, the leaf's issuer must have one
                             ///< that is not out of date. Such chains are never remembered.
    std::string crl_pem{};   ///< The same as text; both may be given.
    bool crl_whole_chain = false;  ///< Every issuer of the chain must have a list.
    ocsp_policy ocsp_staple = ocsp_policy::off;
    /// Decides about each certificate in place of the rules above, whose result it is given; a
    /// staple is judged after that, and pins before. Called once for each full handshake, on a
    /// thread of the client, which must not be blocked; the handshake waits for the answer within
    /// `timeouts.handshake`, and counts in `handshake.max_concurrent` meanwhile. Default none.
    std::function<void(peer_to_verify who, verification_answer answer)> verify{};
};

/// What came of changed files, see `tls_config::watch_files`.
struct identity_report {
    std::uint64_t generation =
        0;                  ///< Of the profile in use: 1, and one more with each replacement.
    std::string failure{};  ///< A sentence why the new files are not used; empty: they are.
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
