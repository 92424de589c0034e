// edge_wait: waits for edges of an epoll set, on any executor, without a system call per wait.
//
// Asio arms a descriptor anew for each `async_wait`, which costs as much as a read. Its reactor can
// do without: a descriptor is registered once, edge-triggered, and an operation that has nothing to
// try is completed by the next edge, or at once by one that came while there was none. Only its
// inside offers that, so what is used of it stands here alone, for the release of Boost that it was
// written for; with any other one `async_wait` is used, and nothing else differs.
//
// A context that `join_waits` was called for goes further. To learn which sockets of a set are
// ready takes a system call after the one that said that some are. Such a context's thread waits in
// the set instead, where what Asio watches is one descriptor more: a wake-up costs one call.
//
// One wait at a time, and everything on the executor. What is left unread after an edge is no news.
#pragma once

#include <sys/epoll.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <memory>
#include <span>

namespace boost::asio {
class io_context;
}

namespace hearth::io {

class edge_listener {
public:
    /// Once for each `wait`; with an error when that was cancelled. The first wait may end without
    /// an edge.
    virtual void on_edge(boost::system::error_code error) = 0;

protected:
    ~edge_listener() = default;
};

class edge_wait {
public:
    explicit edge_wait(const boost::asio::any_io_executor& executor);
    ~edge_wait();
    edge_wait(const edge_wait&) = delete;
    edge_wait& operator=(const edge_wait&) = delete;

    [[nodiscard]] bool is_open() const;
    [[nodiscard]] int descriptor() const;
    /// Owns the descriptor from now on, also when it fails.
    [[nodiscard]] boost::system::error_code open(int descriptor);
    /// Keeps the listener until it was called, or its context is gone. Never calls from inside.
    void wait(std::shared_ptr<edge_listener> listener);
    void cancel();

    // Edges taken at a time, so that other work of the executor gets its turn.
    static constexpr std::size_t batch_size = 64;
    struct batch {
        std::span<const epoll_event> events;  // until the next `wait` or `take`
        bool is_full = false;                 // what it left is no news any more
    };
    /// What is ready in the set. Not during a wait.
    [[nodiscard]] batch take();

private:
    class implementation;
    const std::unique_ptr<implementation> implementation_;
};

/// For a context that one thread runs and nothing has used yet. One `edge_wait` on it at a time has
/// the advantage. Does nothing with another release of Boost.
void join_waits(boost::asio::io_context& context);

}  // namespace hearth::io
