// How a caller's completion handler is kept until it is called: erased once, at the edge of the
// API, into one allocation that also takes the result. Not for direct use.
//
// A handler with an associated executor holds outstanding work there and is dispatched to it; one
// without runs on the client's executor. The client calls `run` after a turn, never from inside an
// initiating call, exactly once. The cancellation slot is emptied just before.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/system_executor.hpp>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE
namespace detail {

/// A handler that has its result, or will have.
class pending_call {
public:
    pending_call() = default;
    virtual ~pending_call() = default;
    pending_call(const pending_call&) = delete;
    pending_call& operator=(const pending_call&) = delete;

    /// Calls the handler with its result; `self` owns this object.
    virtual void run(std::unique_ptr<pending_call> self) = 0;
};

template <class... Args>
class pending_handler : public pending_call {
public:
    template <class... Values>
    void set_result(Values&&... values) {
        result_.emplace(std::forward<Values>(values)...);
    }
    [[nodiscard]] virtual boost::asio::cancellation_slot slot() const = 0;

protected:
    std::optional<std::tuple<Args...>> result_;
};

template <class... Args>
using handler_ptr = std::unique_ptr<pending_handler<Args...>>;

template <class Handler, class... Args>
class pending_handler_for final : public pending_handler<Args...> {
    using own_executor = boost::asio::associated_executor_t<Handler>;
    static constexpr bool has_executor =
        !std::is_same_v<own_executor, boost::asio::system_executor>;
    // The caller's context may be destroyed as soon as no work is left there, so every copy of its
    // executor is made from one that holds work, and that one is the last to go. (Asio's work guard
    // keeps a copy that outlives the work.)
    static auto make_work([[maybe_unused]] const Handler& handler) {
        if constexpr (has_executor) {
            return boost::asio::prefer(boost::asio::get_associated_executor(handler),
                                       boost::asio::execution::outstanding_work.tracked);
        } else {
            return std::monostate();
        }
    }
    using work_type = decltype(make_work(std::declval<const Handler&>()));

public:
    explicit pending_handler_for(Handler handler)
        : work_(make_work(handler)), handler_(std::move(handler)) {}

    boost::asio::cancellation_slot slot() const override {
        return boost::asio::get_associated_cancellation_slot(handler_);
    }

    void run(std::unique_ptr<pending_call> self) override {
        [[maybe_unused]] const work_type work(std::move(work_));  // first, so destroyed last
        Handler handler(std::move(handler_));
        auto result = std::move(*this->result_);
        self.reset();  // memory is free again before user code runs
        if constexpr (has_executor) {
            boost::asio::dispatch(
                work, [handler = std::move(handler), result = std::move(result)]() mutable {
                    call(std::move(handler), std::move(result));
                });
        } else {
            call(std::move(handler), std::move(result));
        }
    }

private:
    static void call(Handler&& handler, std::tuple<Args...>&& result) {
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) slot.clear();
        std::apply(std::move(handler), std::move(result));
    }

    work_type work_;  // before the handler, which may hold a copy of the executor
    Handler handler_;
};

template <class... Args, class Handler>
handler_ptr<Args...> make_handler(Handler&& handler) {
    return std::make_unique<pending_handler_for<std::decay_t<Handler>, Args...>>(
        std::forward<Handler>(handler));
}

}  // namespace detail
HEARTH_END_NAMESPACE
