// `reserved_connection`: a connection of the pool that its owner alone uses, one exchange after the
// other, for origins that keep state with it (a login, a transaction), or to be measured.
//
// It comes from `client::async_reserve`, counts in the pool's limits as a busy one, and goes back
// to the pool when it is released or dropped; an exchange that is under way then ends first. It
// speaks HTTP/1.1, is never repeated on, follows no redirects, and passes no gate (breaker, rate
// and concurrency limits) but when it is reserved. Any thread; not two calls of one at once.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <memory>
#include <utility>

#include "hearth/error.hpp"
#include "hearth/handler.hpp"
#include "hearth/request.hpp"
#include "hearth/response.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

namespace detail {

class reservation;
using reservation_ptr = std::shared_ptr<reservation>;

HEARTH_API void start_send_on(const reservation_ptr& where, request what,
                              handler_ptr<boost::system::error_code, response> handler);
HEARTH_API void end_reservation(const reservation_ptr& where, bool is_reusable);
HEARTH_API boost::asio::any_io_executor executor_of(const reservation_ptr& where);

}  // namespace detail

class HEARTH_API reserved_connection {
public:
    using executor_type = boost::asio::any_io_executor;

    reserved_connection() = default;
    explicit reserved_connection(detail::reservation_ptr where) : where_(std::move(where)) {}
    reserved_connection(reserved_connection&&) noexcept = default;
    reserved_connection& operator=(reserved_connection&& other) noexcept;
    /// As `release`.
    ~reserved_connection();

    [[nodiscard]] executor_type get_executor() const { return detail::executor_of(where_); }
    /// Sends a request to the origin of the connection and receives the whole response. Errors: as
    /// `client::async_send`; `invalid_state` while an exchange is under way on it, or for another
    /// origin, TLS profile or route; once the connection has ended, what ended it. A call that
    /// fails on the way, or is cancelled, ends the connection.
    template <boost::asio::completion_token_for<void(boost::system::error_code, response)> Token =
                  boost::asio::deferred_t>
    auto async_send(request what, Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, response)>(
            [](auto handler, detail::reservation_ptr where, request message) {
                detail::start_send_on(
                    where, std::move(message),
                    detail::make_handler<boost::system::error_code, response>(std::move(handler)));
            },
            token, where_, std::move(what));
    }
    /// False before it was reserved, after `release` and `close`, and once the connection has
    /// ended, as far as that is known.
    [[nodiscard]] bool is_open() const noexcept;
    [[nodiscard]] const connection_info& info() const;
    /// Gives it back to the pool, which may use it for anybody.
    void release();
    /// Closes it, for connections whose state nobody else should meet; an exchange under way is
    /// cancelled.
    void close();

private:
    void release_quietly() noexcept;

    detail::reservation_ptr where_;
};

HEARTH_END_NAMESPACE
