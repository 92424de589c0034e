// standing_post: a call to an executor that is made again and again, one at a time. On an
// io_context it asks for no memory, so that it can be made where nothing may fail; on other
// executors it is an ordinary post, and may throw.
//
// It must outlive the call that is posted: that call holds what it is part of.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <new>
#include <utility>

namespace hearth::io {

class standing_post {
public:
    standing_post() = default;
    standing_post(const standing_post&) = delete;
    standing_post& operator=(const standing_post&) = delete;
    ~standing_post() = default;

    /// Not before the last one has begun to run.
    template <class Work>
    void operator()(const boost::asio::any_io_executor& executor, Work&& work) {
        using plain = boost::asio::io_context::executor_type;
        if (const auto* const context = executor.target<plain>()) {
            boost::asio::post(*context, boost::asio::bind_allocator(allocator<std::byte>(*this),
                                                                    std::forward<Work>(work)));
        } else {
            boost::asio::post(executor, std::forward<Work>(work));
        }
    }

private:
    static constexpr std::size_t capacity = 256;

    template <class T>
    class allocator {
    public:
        using value_type = T;

        explicit allocator(standing_post& owner) : owner_(&owner) {}
        template <class Other>
        // NOLINTNEXTLINE(google-explicit-constructor): allocators convert
        allocator(const allocator<Other>& other) : owner_(other.owner_) {}

        [[nodiscard]] T* allocate(std::size_t count) {
            static_assert(sizeof(T) <= capacity && alignof(T) <= alignof(std::max_align_t));
            const bool is_free = count == 1 && !owner_->is_taken_.exchange(true);
            if (!is_free) return std::allocator<T>().allocate(count);
            return reinterpret_cast<T*>(owner_->memory_.data());
        }
        void deallocate(T* memory, std::size_t count) {
            if (reinterpret_cast<std::byte*>(memory) == owner_->memory_.data()) {
                owner_->is_taken_ = false;
            } else {
                std::allocator<T>().deallocate(memory, count);
            }
        }
        template <class Other>
        bool operator==(const allocator<Other>& other) const {
            return owner_ == other.owner_;
        }

    private:
        template <class>
        friend class allocator;
        standing_post* owner_;
    };

    alignas(std::max_align_t) std::array<std::byte, capacity> memory_;
    std::atomic<bool> is_taken_{false};
};

}  // namespace hearth::io
