// `origin`: scheme, host and port (RFC 9110 4.3.1), the key under which connections are pooled.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "hearth/error.hpp"

HEARTH_BEGIN_NAMESPACE

struct origin {
    bool tls = true;   ///< True for `https`.
    std::string host;  ///< Lower case, without brackets for IPv6 literals.
    std::uint16_t port = 443;

    bool operator==(const origin&) const = default;
    /// "https://host:port"; IPv6 literals in brackets; the port always written.
    [[nodiscard]] HEARTH_API std::string to_string() const;
    /// Parses "https://host[:port]"; what follows the authority is ignored. Errors: `invalid_url`,
    /// `unsupported_scheme`.
    [[nodiscard]] HEARTH_API static boost::system::result<origin> parse(std::string_view url);
};

HEARTH_END_NAMESPACE
