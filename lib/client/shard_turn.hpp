// The templates of shard's turns, for its source files and for client.cpp.
#pragma once

#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <chrono>
#include <new>
#include <type_traits>
#include <utility>

#include "client/shard.hpp"

namespace hearth::detail {

template <class Work>
void shard::turn(Work&& work) {
    HEARTH_ASSERT(!in_turn_);
    struct guard {
        bool& flag;
        ~guard() { flag = false; }
    } on_exit{in_turn_};
    in_turn_ = true;
    const call_rescue rescue(lost_, rescued::all);
    now_ = std::chrono::steady_clock::now();
    begin_turn();
    try {
        work();
        finish_turn();
    } catch (const std::bad_alloc&) {
        start_over();
    }
}

template <class Work>
void shard::enter(Work&& work) {
    turn(std::forward<Work>(work));
    call_handlers();
}

template <class Work>
void shard::enter_from_socket(Work&& work) {
    struct guard {
        shard& owner;
        ~guard() {
            owner.may_slice_ = false;
            if (owner.slices_due_) owner.post_slices();  // a handler threw
        }
    } on_exit{*this};
    may_slice_ = sockets_->is_last();
    enter(std::forward<Work>(work));
    may_slice_ = false;
    if (std::exchange(slices_due_, false)) enter([this] { run_slices(); });
}

template <class Work>
bool shard::try_turn(Work&& work) {
    if (!settings_.own_context || std::this_thread::get_id() != thread_.load() || in_turn_) {
        return false;
    }
    turn(work);
    post_handlers();  // never from inside the caller's call
    return true;
}

template <class Work, class Post>
void shard::submit(Work&& work, Post&& by) {
    if (try_turn(work)) return;
    by(executor_,
       [self = shared_from_this(), work = std::decay_t<Work>(std::forward<Work>(work))]() mutable {
           self->enter(work);
       });
}

template <class Work, class Post>
void shard::submit_late(Work work, Post&& by) {
    if (is_inherited()) return;  // its threads are not here, and their locks may be held for ever
    {
        struct guard {
            std::atomic<int>& count;
            explicit guard(std::atomic<int>& of) : count(of) { count.fetch_add(1); }
            ~guard() { count.fetch_sub(1); }
        } const on_exit{submitting_};
        if (!stopped_.load()) return submit(std::move(work), by);
    }
    boost::asio::post(boost::asio::system_executor(),
                      [self = shared_from_this(), work = std::move(work)]() mutable {
                          const std::lock_guard lock(self->late_);
                          self->enter(work);
                      });
}

template <class... Args, class... Values>
void shard::complete(handler_ptr<Args...> handler, Values&&... values) {
    if (!handler) return;
    handler->set_result(std::forward<Values>(values)...);
    handlers_.push(std::move(handler));
}

}  // namespace hearth::detail
