// Proxies: what connections go through, from text or from the environment (only when asked).
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "hearth/tls.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

enum class proxy_kind : std::uint8_t {
    none,  ///< Connections go straight to their origin.
    http,  ///< CONNECT for https origins, requests in absolute form for http ones (RFC 9110 9.3.6,
           ///< RFC 9112 3.2.2); CONNECT for these, too, if only HTTP/2 may be spoken to them.
    socks5,   ///< SOCKS5 (RFC 1928); names are resolved here.
    socks5h,  ///< The same; names are resolved by the proxy.
    https,    ///< As `http`, and TLS to the proxy; within it TLS to https origins.
};

/// A proxy. Connections through different proxies, or with different credentials, are never shared.
struct proxy {
    proxy_kind kind = proxy_kind::none;
    std::string host{};  ///< A name or an address, without brackets.
    std::uint16_t port = 0;
    /// Credentials, if not empty: Basic (RFC 7617) for `http` and `https`, RFC 1929 for SOCKS5.
    /// Each up to 255 octets; no ':' in `user`. In clear text to the proxy, but for `https`.
    std::string user{};
    std::string password{};
    /// `https`: whom to trust as the proxy, and as whom to come. Null:
    /// `tls_profile::system_default()`.
    std::shared_ptr<const tls_profile> tls{};

    bool operator==(const proxy&) const = default;
    /// Parses "http://user:password@host:port", "https://...", "socks5://..." or "socks5h://...";
    /// the scheme is http and the port 8080 (https: 443, SOCKS: 1080) when left out; user and
    /// password percent-encoded as needed. Errors: `invalid_url`, `unsupported_scheme`.
    [[nodiscard]] HEARTH_API static boost::system::result<proxy> parse(std::string_view text);
};

struct proxy_config;

/// What the environment says: http_proxy (lower case only: HTTP_PROXY may come from a request),
/// https_proxy, all_proxy and no_proxy, or the latter three in upper case. Throws `send_error` with
/// `errc::invalid_config` for a value that does not parse. Reads the environment; not for use while
/// another thread changes it.
[[nodiscard]] HEARTH_API proxy_config proxies_from_environment();

HEARTH_END_NAMESPACE
