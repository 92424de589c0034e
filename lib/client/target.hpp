// target: a request's URL, taken apart for the pool and for the wire.
//
// Strict on purpose: one reading of a URL for pooling, name service, certificate check and Host.
// What other programs could read differently (user names, percent-encoded or non-ASCII hosts,
// "0x7f.1" as an address) is refused. Details never repeat the URL, which may hold credentials.
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "hearth/origin.hpp"

namespace hearth::detail {

/// The longest URL accepted; far above what servers take (RFC 9110 4.1 asks for 8,000 at least).
inline constexpr std::size_t max_url_bytes = 64 * 1024;

struct target {
    hearth::origin origin;
    std::string path_and_query;  ///< The request target in origin form (RFC 9112 3.2.1).
    std::string authority;  ///< For Host; the port is left out when it is the scheme's default.
};

/// Why a URL was refused: the code, a sentence with the position, and the position (octets from 0).
struct target_error {
    boost::system::error_code code;
    std::string detail;
    std::size_t position = 0;
};

/// Makes `result::value()` throw `send_error`.
[[noreturn]] void throw_exception_from_error(const target_error& error,
                                             const boost::source_location& where);

/// Checks a host name, IPv4 literal, or IPv6 literal (with or without brackets) and returns it as
/// pools and resolvers know it: lower case, no brackets, no final dot, IPv6 in its canonical form
/// (RFC 5952). Positions count from the start of `host`. Errors: `invalid_url`.
[[nodiscard]] boost::system::result<std::string, target_error> parse_host(std::string_view host);

/// Parses an absolute http or https URL. The fragment is dropped, an empty path becomes "/", a
/// final dot of the host is dropped. Errors: `invalid_url`, `unsupported_scheme`.
[[nodiscard]] boost::system::result<target, target_error> parse_target(std::string_view url);

/// The same, for calls: what this thread has parsed lately is given again. URLs with a query or a
/// fragment, which may hold secrets and seldom come twice, are not kept.
[[nodiscard]] boost::system::result<std::shared_ptr<const target>, target_error> share_target(
    std::string_view url);

}  // namespace hearth::detail
