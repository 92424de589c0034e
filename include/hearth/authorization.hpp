// Authorization: Basic and Bearer values, and bearer tokens that are fetched once for everybody.
#pragma once

#include <boost/system/error_code.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "hearth/request.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

/// "Basic " and the credentials in base64 (RFC 7617); `user` must have no ':'.
[[nodiscard]] HEARTH_API std::string basic_authorization(std::string_view user,
                                                         std::string_view password);
/// "Bearer " and the token (RFC 6750 2.1).
[[nodiscard]] HEARTH_API std::string bearer_authorization(std::string_view token);

/// A bearer token that is fetched when it is needed and kept until shortly before it expires. Any
/// number of callers wait for one fetch (single flight); after a failed one the next caller tries
/// again. Copies share the token. All functions: any thread.
class HEARTH_API bearer_tokens {
public:
    struct token {
        std::string value;
        std::chrono::steady_clock::time_point expires;
    };
    using fetch_handler = std::function<void(boost::system::error_code, token)>;
    /// Gets a token from wherever and calls the handler exactly once, from any thread, also from
    /// inside the call. It should have a timeout of its own: callers wait as long as it takes.
    using fetch_function = std::function<void(fetch_handler)>;
    using handler = std::function<void(boost::system::error_code, std::string)>;

    /// `margin`: a token is fetched anew when it would expire within that.
    explicit bearer_tokens(fetch_function fetch,
                           std::chrono::milliseconds margin = std::chrono::seconds{30});
    ~bearer_tokens();
    bearer_tokens(const bearer_tokens&);
    bearer_tokens& operator=(const bearer_tokens&);

    /// Calls `use` with the value of a valid token: at once, from inside the call, if there is one,
    /// else when the fetch has ended, from wherever that is.
    void async_get(handler use);
    /// A token was refused (401): the next `async_get` fetches anew, unless that was done since.
    void invalidate(std::string_view refused);

private:
    struct state;
    std::shared_ptr<state> state_;
};

HEARTH_END_NAMESPACE
