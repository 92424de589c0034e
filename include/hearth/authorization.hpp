// Authorization: Basic and Bearer values, and bearer tokens that are fetched once for everybody.
#pragma once

#include <boost/system/error_code.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "hearth/request.hpp"
#include "hearth/response.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

class client;

/// "Basic " and the credentials in base64 (RFC 7617); `user` must have no ':'.
[[nodiscard]] HEARTH_API std::string basic_authorization(std::string_view user,
                                                         std::string_view password);
/// "Bearer " and the token (RFC 6750 2.1).
[[nodiscard]] HEARTH_API std::string bearer_authorization(std::string_view token);

struct bearer_options {
    /// A token is not used any more when it expires within this. Default 30 s: clocks differ.
    std::chrono::milliseconds margin{30'000};
    /// Within this before that, a token is used and a new one is fetched meanwhile, so that nobody
    /// waits. Default 60 s.
    std::chrono::milliseconds refresh_ahead{60'000};
    /// After a failed fetch nothing is fetched for so long: who has no token gets the error at
    /// once. Default 1 s: whatever the load, one question a second to a token service in trouble.
    std::chrono::milliseconds failure_pause{1'000};
};

/// A bearer token that is fetched when it is needed and kept until shortly before it expires. Any
/// number of callers wait for one fetch (single flight). Copies share the token. All functions: any
/// thread.
class HEARTH_API bearer_tokens {
public:
    struct token {
        std::string value;
        std::chrono::steady_clock::time_point expires;
    };
    using fetch_handler = std::function<void(boost::system::error_code, token)>;
    /// Gets a token from wherever and calls the handler, from any thread, also from inside the
    /// call. The first call counts; a handler that goes without having been called is
    /// `operation_aborted`. It should have a timeout of its own: callers wait as long as it takes.
    using fetch_function = std::function<void(fetch_handler)>;
    using handler = std::function<void(boost::system::error_code, std::string)>;
    using response_handler = std::function<void(boost::system::error_code, response)>;

    explicit bearer_tokens(fetch_function fetch, bearer_options how = {});
    ~bearer_tokens();
    bearer_tokens(const bearer_tokens&);
    bearer_tokens& operator=(const bearer_tokens&);

    /// Calls `use` with the value of a valid token: at once, from inside the call, if there is one,
    /// else when the fetch has ended, from wherever that is. The errors are the fetch's.
    void async_get(handler use);
    /// A token was refused (401): the next `async_get` fetches anew, unless that was done since.
    void invalidate(std::string_view refused);
    /// Sends a request with a token; if the answer is 401 and the body can be sent again, once more
    /// with a new one. The deadline holds for all of it but the wait for a token. `from` must
    /// outlive the call. The errors are the fetch's and those of `client::async_send`.
    void async_send(client& from, request what, response_handler done);

private:
    struct state;
    struct fetching;
    struct authorized;
    std::shared_ptr<state> state_;
};

HEARTH_END_NAMESPACE
