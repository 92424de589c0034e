// `client`: the connection pool of a process, and all calls through it.
//
// Construct one per process and share it: every function may be called from any thread. A
// constructed client works; there is no run() to forget. Handlers run on their associated executor
// (default: an executor of the client), never from inside the call and never under a lock. Every
// call completes exactly once. Cancellation: the handler's slot, all types (`total` only while
// nothing was sent); the code is `asio::error::operation_aborted` and `failure.phase` is kept.
//
// A slot is emptied on the handler's executor, so emit its signal there (Asio's rule): bind
// handlers that are cancelled to a strand of your own.
//
// The destructor does not wait for handlers: pending calls complete with `errc::client_closed`,
// posted to their executors. A client with threads of its own joins them after their handlers ran,
// unless the destructor runs on one of them.
//
// A client belongs to the process that built it. In a child made by fork() every call on it throws
// `send_error` with `errc::wrong_process`, asynchronous ones too, and its destructor does nothing.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "hearth/config.hpp"
#include "hearth/error.hpp"
#include "hearth/exchange.hpp"
#include "hearth/handler.hpp"
#include "hearth/origin.hpp"
#include "hearth/request.hpp"
#include "hearth/reserved_connection.hpp"
#include "hearth/response.hpp"
#include "hearth/stats.hpp"
#include "hearth/throwing.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

namespace detail {

struct client_access;
class client_state;
using send_handler = handler_ptr<boost::system::error_code, response>;
using open_handler = handler_ptr<boost::system::error_code, exchange>;
using reserve_handler = handler_ptr<boost::system::error_code, reserved_connection>;
using warm_handler = handler_ptr<boost::system::error_code, std::uint32_t>;
using stats_handler = handler_ptr<stats>;
using update_handler = handler_ptr<boost::system::error_code, std::string>;

HEARTH_API void start_send(const std::shared_ptr<client_state>& state, request&& what,
                           send_handler handler);
HEARTH_API void start_open(const std::shared_ptr<client_state>& state, request&& what,
                           open_handler handler);
/// A request is moved as seldom as can be: it is what a call weighs.
inline request&& to_be_moved(request&& what) { return std::move(what); }
inline request to_be_moved(const request& what) { return what; }
HEARTH_API void start_reserve(const std::shared_ptr<client_state>& state, request what,
                              reserve_handler handler);
HEARTH_API void start_warm(const std::shared_ptr<client_state>& state, origin where,
                           std::uint32_t count, warm_handler handler);
HEARTH_API void start_drain(const std::shared_ptr<client_state>& state, done_handler handler);
HEARTH_API void start_update(const std::shared_ptr<client_state>& state, config values,
                             update_handler handler);
HEARTH_API void start_stats(const std::shared_ptr<client_state>& state, stats_handler handler);

}  // namespace detail

class HEARTH_API client {
public:
    using executor_type = boost::asio::any_io_executor;

    /// A client with threads of its own (`config.io.threads`). Throws `boost::system::system_error`
    /// with `errc::invalid_config` and the first sentence of `validate(config)`.
    explicit client(config settings = {});
    /// A client whose work runs on the caller's executor, as one shard. Calls on it are serialised
    /// by a strand, so the context may have many threads. The executor must outlive the client's
    /// handlers.
    explicit client(executor_type executor, config settings = {});
    /// One shard per executor; each should be served by one thread.
    explicit client(std::vector<executor_type> executors, config settings = {});

    client(client&&) noexcept;
    client& operator=(client&&) noexcept;
    ~client();

    /// The executor handlers without one of their own run on.
    [[nodiscard]] executor_type get_executor() const;

    /// Sends a request and receives the whole response, `max_body_bytes` at most. HTTP statuses are
    /// no errors. On errors the response holds what is known: `failure`, `timings`, perhaps the
    /// head. `use_awaitable` and `use_future` throw `send_error`, which carries the failure.
    template <boost::asio::completion_token_for<void(boost::system::error_code, response)> Token =
                  boost::asio::deferred_t>
    auto async_send(request what, Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, response)>(
            [](auto&& handler, const std::shared_ptr<detail::client_state>& state, auto&& message) {
                detail::start_send(state,
                                   detail::to_be_moved(std::forward<decltype(message)>(message)),
                                   detail::make_handler<boost::system::error_code, response>(
                                       std::forward<decltype(handler)>(handler)));
            },
            token, state_, std::move(what));
    }

    /// Opens an exchange to be streamed; completes when it is on a connection and its head is being
    /// sent. See `exchange`.
    template <boost::asio::completion_token_for<void(boost::system::error_code, exchange)> Token =
                  boost::asio::deferred_t>
    auto async_open(request what, Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, exchange)>(
            [](auto&& handler, const std::shared_ptr<detail::client_state>& state, auto&& message) {
                detail::start_open(state,
                                   detail::to_be_moved(std::forward<decltype(message)>(message)),
                                   detail::make_handler<boost::system::error_code, exchange>(
                                       std::forward<decltype(handler)>(handler)));
            },
            token, state_, std::move(what));
    }

    /// Takes a connection out of the pool, or dials one, for its owner alone; see
    /// `reserved_connection`. Of `like` only the origin of its URL, TLS profile, route, deadline
    /// and priority count. Errors: as of an exchange that finds no connection.
    template <
        boost::asio::completion_token_for<void(boost::system::error_code, reserved_connection)>
            Token = boost::asio::deferred_t>
    auto async_reserve(request like, Token&& token = Token{}) {
        return boost::asio::async_initiate<Token,
                                           void(boost::system::error_code, reserved_connection)>(
            [](auto handler, std::shared_ptr<detail::client_state> state, request message) {
                detail::start_reserve(
                    state, std::move(message),
                    detail::make_handler<boost::system::error_code, reserved_connection>(
                        std::move(handler)));
            },
            token, state_, std::move(like));
    }

    /// Has `count` connections to an origin ready, dialling what is missing (within the limits).
    /// Completes with the number that is ready; an error is that of the last dial.
    template <boost::asio::completion_token_for<void(boost::system::error_code, std::uint32_t)>
                  Token = boost::asio::deferred_t>
    auto async_warm(origin where, std::uint32_t count, Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::uint32_t)>(
            [](auto handler, std::shared_ptr<detail::client_state> state, origin target,
               std::uint32_t wanted) {
                detail::start_warm(state, std::move(target), wanted,
                                   detail::make_handler<boost::system::error_code, std::uint32_t>(
                                       std::move(handler)));
            },
            token, state_, std::move(where), count);
    }

    /// Refuses new calls (`client_draining`), lets running ones end, closes what is idle, and
    /// completes when no connection is left.
    template <boost::asio::completion_token_for<void(boost::system::error_code)> Token =
                  boost::asio::deferred_t>
    auto async_drain(Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
            [](auto handler, std::shared_ptr<detail::client_state> state) {
                detail::start_drain(
                    state, detail::make_handler<boost::system::error_code>(std::move(handler)));
            },
            token, state_);
    }

    /// `update`; completes when all of the client obeys, with a sentence if there is an error
    /// (`invalid_config`: nothing has changed).
    template <boost::asio::completion_token_for<void(boost::system::error_code, std::string)>
                  Token = boost::asio::deferred_t>
    auto async_update(config values, Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::string)>(
            [](auto handler, std::shared_ptr<detail::client_state> state, config settings) {
                detail::start_update(state, std::move(settings),
                                     detail::make_handler<boost::system::error_code, std::string>(
                                         std::move(handler)));
            },
            token, state_, std::move(values));
    }

    /// A snapshot of what the client is doing.
    template <
        boost::asio::completion_token_for<void(hearth::stats)> Token = boost::asio::deferred_t>
    auto async_stats(Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(hearth::stats)>(
            [](auto handler, std::shared_ptr<detail::client_state> state) {
                detail::start_stats(state, detail::make_handler<hearth::stats>(std::move(handler)));
            },
            token, state_);
    }

    /// Sends and waits. Throws `send_error`; `would_deadlock` on a thread that runs the client
    /// itself.
    response send(request what);
    /// Sends and waits; sets `error` instead of throwing.
    response send(request what, boost::system::error_code& error);
    /// Warms and waits; throws `send_error`. Returns how many connections are ready.
    std::uint32_t warm(const origin& where, std::uint32_t count);
    /// Drains and waits; throws `send_error` (`would_deadlock` only).
    void drain();
    /// A snapshot, waiting for the client's threads; throws `send_error` (`would_deadlock` only).
    [[nodiscard]] hearth::stats stats() const;

    /// Changes the config of a running client; docs/configuration.md says what may change. Checked
    /// like a new client's: throws `send_error` (`invalid_config`, with a sentence that names the
    /// field), and nothing has changed. Never waits: calls begun after it obey, what was begun
    /// before keeps the times it has. No exchange is cut: connections beyond a lowered limit are
    /// closed as they become idle. Concurrent updates take effect one after the other.
    void update(config values);
    /// The config as it is now: take it, change fields, `update`.
    [[nodiscard]] config current_config() const;

    /// The application's own measure of how busy the process is, for `config::shed`: 0 none, 1
    /// sheds sheddable requests, 2 all but critical ones. Holds until the next call; takes effect
    /// on calls begun from now on. Costs an atomic store.
    void report_load(double load) noexcept;

private:
    friend struct detail::client_access;
    std::shared_ptr<detail::client_state> state_;
};

HEARTH_END_NAMESPACE
