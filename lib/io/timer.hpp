// timer: the one timer of a shard. Arming for a later time than it is armed for costs nothing: it
// fires early once and is armed again.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "base/time.hpp"

namespace hearth::io {

class timer_listener {
public:
    virtual ~timer_listener() = default;
    virtual void on_timer() = 0;
};

class timer {
public:
    timer(const boost::asio::any_io_executor& executor, std::weak_ptr<timer_listener> listener)
        : timer_(executor), listener_(std::move(listener)) {}

    /// Fires at `when` or earlier, once. With `never` nothing keeps its executor's context running.
    void arm(base::time_point when) {
        if (when == base::never && armed_for_ != base::never) cancel();
        if (when >= armed_for_) return;
        armed_for_ = base::never;  // until it is, should there be no memory
        timer_.expires_at(when);
        timer_.async_wait([this, listener = listener_, when](boost::system::error_code error) {
            if (error) return;
            const auto alive = listener.lock();
            if (!alive) return;
            if (armed_for_ == when) armed_for_ = base::never;
            alive->on_timer();
        });
        armed_for_ = when;
    }
    void cancel() {
        armed_for_ = base::never;
        timer_.cancel();
    }

private:
    boost::asio::steady_timer timer_;
    std::weak_ptr<timer_listener> listener_;
    base::time_point armed_for_ = base::never;
};

}  // namespace hearth::io
