// How a caller's completion handler is kept until it is called: erased once, at the edge of the
// API, into one allocation that also takes the result. Not for direct use.
//
// A handler with an associated executor holds outstanding work there and is dispatched to it; one
// without runs on the client's executor. The client calls `run` after a turn, never from inside an
// initiating call, exactly once. The cancellation slot is emptied just before. The result goes to
// the handler from that allocation, which is freed when the handler returns.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/system/error_code.hpp>
#include <memory>
#include <new>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE
namespace detail {

class pending_call;

/// Ends a call that nobody will make; one that an exception for lack of memory loses goes back to
/// its shard, which owes it a result.
struct call_deleter {
    call_deleter() = default;
    template <class Call>
    // NOLINTNEXTLINE(google-explicit-constructor): so that make_unique's pointers can be given
    call_deleter(std::default_delete<Call> /*unused*/) noexcept {}
    HEARTH_API void operator()(pending_call* call) const noexcept;
};
using call_ptr = std::unique_ptr<pending_call, call_deleter>;

/// That an exception for lack of memory is the caller's own.
HEARTH_API void note_own_exception() noexcept;

/// Runs code of the caller's.
template <class Work>
void run_own(Work&& work) {
    try {
        work();
    } catch (const std::bad_alloc&) {
        note_own_exception();
        throw;
    }
}

/// A handler that has its result, or will have.
class pending_call {
public:
    pending_call() = default;
    virtual ~pending_call() = default;
    pending_call(const pending_call&) = delete;
    pending_call& operator=(const pending_call&) = delete;

    /// Calls the handler with its result; `self` owns this object.
    virtual void run(call_ptr self) = 0;
    /// Takes the error for its result. False: it has none, and nobody waits for it.
    virtual bool fail(boost::system::error_code /*error*/) noexcept { return false; }

protected:
    bool is_due_ = false;  // it has its result, and goes to its executor

private:
    friend class call_queue;
    friend struct call_deleter;
    pending_call* next_ = nullptr;  // in its queue
};

template <class... Args>
class pending_handler : public pending_call {
public:
    template <class... Values>
    void set_result(Values&&... values) {
        result_.emplace(std::forward<Values>(values)...);
    }
    bool fail(boost::system::error_code error) noexcept override {
        set_failed<Args...>(error);
        return true;
    }
    [[nodiscard]] virtual boost::asio::cancellation_slot slot() const = 0;

protected:
    std::optional<std::tuple<Args...>> result_;

private:
    template <class First, class... Rest>
    void set_failed([[maybe_unused]] boost::system::error_code error) {
        if constexpr (std::is_same_v<First, boost::system::error_code>) {
            result_.emplace(error, Rest{}...);
        } else {
            result_.emplace(First{}, Rest{}...);
        }
    }
};

template <class... Args>
using handler_ptr = std::unique_ptr<pending_handler<Args...>, call_deleter>;

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

    void run(call_ptr self) override {
        if constexpr (has_executor) {
            this->is_due_ = true;
            // Destroyed after every other copy, and not with this object, which may be gone then.
            const work_type work(work_);
            boost::asio::dispatch(
                work, [self = std::move(self)]() mutable { make_call(std::move(self)); });
        } else {
            make_call(std::move(self));
        }
    }

private:
    static void make_call(call_ptr self) {
        auto& call = static_cast<pending_handler_for&>(*self);
        call.is_due_ = false;
        [[maybe_unused]] const work_type work(std::move(call.work_));  // first, so destroyed last
        // Whatever the caller's code throws, it has been called.
        const std::unique_ptr<pending_handler_for> result_owner(&call);
        (void)self.release();
        Handler handler(std::move(call.handler_));
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) slot.clear();
        // From where it lies: to move a response is not cheap.
        run_own([&] { std::apply(std::move(handler), std::move(*call.result_)); });
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
