// One thread of an origin: its event loop, its connections, and a mailbox that outlives it.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "hearth/testing/listen_options.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

namespace asio = boost::asio;
class connection;

/// Carries work to a worker's thread, and drops it once the worker is gone: what a user keeps
/// (a responder) holds the mailbox, never the worker. Any thread.
class mailbox {
public:
    explicit mailbox(asio::io_context& context) : context_(&context) {}
    /// Returns false when the worker is gone; `work` is then dropped.
    bool post(std::function<void()> work);
    /// True on the worker's own thread.
    [[nodiscard]] bool runs_here() const;
    void close();

private:
    mutable std::mutex mutex_;
    asio::io_context* context_;
};

/// Everything but `call`, `stop` and `post` belongs to the worker's own thread.
class worker {
public:
    worker();
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    void start();
    /// Runs `work` on the worker's thread and returns when it has run; at once if this is it.
    void call(const std::function<void()>& work);
    void post(std::function<void()> work) { mailbox_->post(std::move(work)); }
    [[nodiscard]] bool runs_here() const { return mailbox_->runs_here(); }
    /// Closes the connections, ends the thread and drops what was posted; not from the thread
    /// itself.
    void stop();

    [[nodiscard]] asio::io_context& context() { return context_; }
    [[nodiscard]] const std::shared_ptr<mailbox>& mail() const { return mailbox_; }
    /// Where connections read into; what is to stay must be copied before returning.
    [[nodiscard]] std::span<char> scratch() { return scratch_; }

    void adopt(std::shared_ptr<connection> fresh);
    /// Forgets a closed connection; called by the connection.
    void release(connection& closed);
    void close_connections(close_kind kind);
    void drain_connections();

private:
    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> guard_{context_.get_executor()};
    std::shared_ptr<mailbox> mailbox_;
    std::vector<char> scratch_;
    std::vector<std::shared_ptr<connection>> connections_;
    std::thread thread_;
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
