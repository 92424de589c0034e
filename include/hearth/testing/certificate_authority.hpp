// `certificate_authority`: a throw-away CA whose certificates are made at run time.
//
// Nothing is read from or left on disk unless `write_files` is called, so a test suite never
// carries a certificate that expires. One authority issues certificates for any number of origins
// and clients.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing {

/// Kind of key. ECDSA is made in microseconds and signs fast; RSA takes about 0.1 s to make.
enum class key_type : std::uint8_t { ecdsa_p256, rsa_2048 };

/// Where `certificate::write_files` put things.
struct certificate_files {
    std::filesystem::path chain;  ///< `<stem>.pem`
    std::filesystem::path key;    ///< `<stem>.key`, readable by the owner only.
    std::filesystem::path ca;     ///< `<stem>-ca.pem`
};

/// A certificate with its private key, as PEM text. A plain value.
struct certificate {
    std::string chain_pem = {};  ///< Leaf first, then the intermediate if it is presented.
    std::string key_pem = {};    ///< The leaf's private key, PKCS #8, not encrypted.
    std::string ca_pem = {};     ///< The root that verifies it.

    /// Writes the three texts below `directory`, which must exist; throws
    /// `std::filesystem::filesystem_error` when a file cannot be written.
    HEARTH_API certificate_files write_files(const std::filesystem::path& directory,
                                             std::string_view stem = "origin") const;
};

/// What a certificate says. The defaults make a good one for a server on this machine.
struct certificate_options {
    /// DNS subject alternative names; the first is the common name too. "*.example" is legal.
    std::vector<std::string> names = {"localhost"};
    /// IP subject alternative names, in text form.
    std::vector<std::string> ips = {"127.0.0.1", "::1"};
    /// Start of validity from now; negative = in the past. One hour of slack for skewed clocks.
    std::chrono::seconds not_before = std::chrono::hours{-1};
    /// End of validity from now; negative makes an expired certificate.
    std::chrono::seconds not_after = std::chrono::hours{24 * 30};
    key_type key = key_type::ecdsa_p256;
    /// For a client (extended key usage clientAuth) instead of for a server (serverAuth).
    bool client_auth = false;
    /// Signed by the authority's intermediate instead of by its root.
    bool by_intermediate = false;
    /// Leaves the intermediate out of `chain_pem`: what a misconfigured server presents.
    bool omit_intermediate = false;
};

/// A root, one intermediate below it (made when first used), and what they sign.
///
/// Thread safety: `issue` and the getters may be called from any thread at once. Movable only.
class HEARTH_API certificate_authority {
public:
    /// Makes the root. `name` is its common name: give two authorities different ones to tell them
    /// apart. Throws `std::runtime_error` when OpenSSL fails.
    explicit certificate_authority(key_type key = key_type::ecdsa_p256,
                                   std::string_view name = "hearth testing root");
    ~certificate_authority();
    certificate_authority(certificate_authority&&) noexcept;
    certificate_authority& operator=(certificate_authority&&) noexcept;

    /// The root certificate: what the other side must trust.
    [[nodiscard]] const std::string& ca_pem() const noexcept;

    /// Signs a new certificate for a new key. Throws `std::invalid_argument` for a name or address
    /// that cannot be written into a certificate, `std::runtime_error` when OpenSSL fails.
    /// About 0.1 ms with an ECDSA key.
    [[nodiscard]] certificate issue(const certificate_options& options = {}) const;

    /// Writes the root as `ca.pem` below `directory`, which must exist, and returns its path.
    std::filesystem::path write_files(const std::filesystem::path& directory) const;

private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace testing
HEARTH_END_NAMESPACE
