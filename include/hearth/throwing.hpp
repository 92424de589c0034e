// What throwing completion tokens throw: `use_awaitable` and `use_future` given to `async_send`
// throw `send_error`, which is a `system_error` that also carries the failure (phase, origin,
// attempts). Included by client.hpp; not for direct use.
//
// Asio would make a plain `system_error` of the code and drop the response. Here the two tokens are
// initiated with an exception_ptr in its place, and everything else about them stays Asio's.
#pragma once

#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <exception>
#include <type_traits>
#include <utility>

#include "hearth/error.hpp"
#include "hearth/response.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE
namespace detail {

template <class Handler>
struct throwing_handler {
    Handler handler;

    void operator()(boost::system::error_code error, response result) {
        std::exception_ptr thrown;
        if (error) {
            thrown = std::make_exception_ptr(send_error(error, std::move(result.failure)));
        }
        std::move(handler)(std::move(thrown), std::move(result));
    }
};

template <class Initiation>
struct throwing_initiation {
    Initiation initiation;

    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) {
        std::move(initiation)(
            throwing_handler<std::decay_t<Handler>>{std::forward<Handler>(handler)},
            std::forward<Args>(args)...);
    }
};

/// The same for both tokens.
template <class Token>
struct throwing_result {
    using signature = void(std::exception_ptr, response);

    template <class Initiation, class GivenToken, class... Args>
    static auto initiate(Initiation&& initiation, GivenToken&& token, Args&&... args) {
        Token own(std::forward<GivenToken>(token));
        return boost::asio::async_initiate<Token, signature>(
            throwing_initiation<std::decay_t<Initiation>>{std::forward<Initiation>(initiation)},
            own, std::forward<Args>(args)...);
    }
};

}  // namespace detail
HEARTH_END_NAMESPACE

namespace boost::asio {

template <class Executor>
class async_result<use_awaitable_t<Executor>, void(boost::system::error_code, hearth::response)>
    : public hearth::detail::throwing_result<use_awaitable_t<Executor>> {};

template <class Allocator>
class async_result<use_future_t<Allocator>, void(boost::system::error_code, hearth::response)>
    : public hearth::detail::throwing_result<use_future_t<Allocator>> {};

template <template <typename, typename> class Associator, class Handler, class DefaultCandidate>
struct associator<Associator, hearth::detail::throwing_handler<Handler>, DefaultCandidate>
    : Associator<Handler, DefaultCandidate> {
    static typename Associator<Handler, DefaultCandidate>::type get(
        const hearth::detail::throwing_handler<Handler>& from) noexcept {
        return Associator<Handler, DefaultCandidate>::get(from.handler);
    }
    static auto get(const hearth::detail::throwing_handler<Handler>& from,
                    const DefaultCandidate& otherwise) noexcept
        -> decltype(Associator<Handler, DefaultCandidate>::get(from.handler, otherwise)) {
        return Associator<Handler, DefaultCandidate>::get(from.handler, otherwise);
    }
};

}  // namespace boost::asio
