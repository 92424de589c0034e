// answer_box: brings what other threads find out to a shard, for as long as that is there.
//
// The shard registers a handler and gets a number; whoever knows the answer delivers it under that
// number, from any thread and at any time. Handlers stay on the shard's side, and so does its
// executor, which may go: after `shut` answers are dropped. While a handler waits its executor has
// work to do, so that a context does not run dry meanwhile. The second answer to a number, and one
// to a number that was forgotten, is dropped on the executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

namespace hearth::io {

template <class Answer>
class answer_box : public std::enable_shared_from_this<answer_box<Answer>> {
public:
    using handler_type = std::function<void(Answer)>;

    explicit answer_box(boost::asio::any_io_executor executor)
        : executor_(executor), delivery_(std::move(executor)) {}

    // On the shard's executor.
    std::uint64_t add(handler_type handler) {
        waiting_.emplace(++last_,
                         entry{std::move(handler), boost::asio::make_work_guard(executor_)});
        return last_;
    }
    /// What `add` will return.
    [[nodiscard]] std::uint64_t next_number() const { return last_ + 1; }
    /// True if it had not been answered.
    bool forget(std::uint64_t number) { return waiting_.erase(number) != 0; }
    [[nodiscard]] std::size_t size() const { return waiting_.size(); }
    /// Nothing is answered or delivered from now on.
    void shut() {
        waiting_.clear();
        const std::lock_guard lock(mutex_);
        delivery_.reset();
    }

    // From any thread.
    void deliver(std::uint64_t number, Answer answer) {
        const std::lock_guard lock(mutex_);
        // Held while it is posted: the executor is only known to be alive until `shut`.
        if (!delivery_) return;
        boost::asio::post(*delivery_, [self = this->shared_from_this(), number,
                                       answer = std::move(answer)]() mutable {
            self->complete(number, std::move(answer));
        });
    }

private:
    struct entry {
        handler_type handler;
        boost::asio::executor_work_guard<boost::asio::any_io_executor> work;
    };
    void complete(std::uint64_t number, Answer answer) {
        if (auto found = waiting_.extract(number)) found.mapped().handler(std::move(answer));
    }

    const boost::asio::any_io_executor executor_;
    std::uint64_t last_ = 0;
    std::unordered_map<std::uint64_t, entry> waiting_;

    std::mutex mutex_;
    std::optional<boost::asio::any_io_executor> delivery_;  // under `mutex_`
};

}  // namespace hearth::io
