// Revocation lists and OCSP responses made at run time, good and bad.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "support/certificates.hpp"

namespace hearth::support {

struct list_request {
    std::vector<const identity*> revoked = {};
    std::chrono::seconds from = std::chrono::hours(-1);  ///< Relative to now.
    std::chrono::seconds next = std::chrono::hours(24);
};
/// A revocation list as PEM. Its issuer's key usage must have cRLSign.
[[nodiscard]] std::string make_list(const identity& issuer, const list_request& what = {});

enum class ocsp_status { good, revoked, unknown };
struct response_request {
    ocsp_status status = ocsp_status::good;
    std::chrono::seconds from = std::chrono::minutes(-1);  ///< Relative to now.
    std::chrono::seconds next = std::chrono::hours(1);
    bool says_next = true;
    bool uses_sha256 = false;  ///< To name the certificate.
};
/// A response about `about`, DER, signed by `signer`, whose certificate comes with it unless it is
/// the issuer.
[[nodiscard]] std::string make_response(const identity& about, const identity& issuer,
                                        const identity& signer, const response_request& what = {});
/// A response that is an error ("tryLater").
[[nodiscard]] std::string make_error_response();

}  // namespace hearth::support
