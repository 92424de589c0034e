// redirect: what a redirect does to a request (RFC 9110 15.4). Response in, next request out; no
// I/O.
//
// Rules. Followed: 301, 302, 303, 307 and 308 with a Location. POST becomes GET on 301 and 302,
// everything but HEAD becomes GET on 303, and the body stays behind with the fields that describe
// it; else the request is repeated with its body. At any change of scheme, host or port, what was
// meant for the old origin only is dropped for good: authorization, cookie, proxy-authorization,
// host, `redirect.sensitive_headers`, and the request's own `tls` and `route`. From https to http
// with any of these in the request: refused. References are resolved as RFC 3986 5 says; user names
// in them are refused like in any URL.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "hearth/config.hpp"
#include "hearth/error.hpp"
#include "hearth/request.hpp"
#include "hearth/response.hpp"

namespace hearth::detail {

enum class redirect_verdict : std::uint8_t {
    final,    ///< The response is the answer.
    follow,   ///< The request is the next hop's.
    refused,  ///< `error` and `detail` say why.
};

struct redirect_outcome {
    redirect_verdict verdict = redirect_verdict::final;
    boost::system::error_code error;
    std::string detail;
};

class redirect_chain {
public:
    /// `values` must outlive it.
    redirect_chain(const request& first, const redirect_config& values);

    /// Looks at a response to `what`, and turns `what` into the next hop's request where it is a
    /// redirect. `is_replayable`: the body of `what` can be sent again.
    [[nodiscard]] redirect_outcome next(request& what, const response& got, bool is_replayable);

    [[nodiscard]] const std::vector<redirect_hop>& hops() const { return hops_; }

private:
    void drop_credentials(request& what);
    [[nodiscard]] bool has_credentials(const request& what) const;
    [[nodiscard]] std::string key_of(const request& what) const;

    const redirect_config* values_;
    std::vector<redirect_hop> hops_;
    std::set<std::string> visited_;
    std::string fragment_;  // of the URL in use; inherited (RFC 9110 10.2.2)
    bool dropped_ = false;
};

/// The absolute URL that `location` means in a response from `base`; empty: none. Octets that URLs
/// must not have but servers send (blanks, non-ASCII) are percent-encoded first.
[[nodiscard]] std::string resolve_location(std::string_view base, std::string_view location);

}  // namespace hearth::detail
