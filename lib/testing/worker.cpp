// One thread of an origin.
#include "testing/worker.hpp"

#include <boost/asio/post.hpp>
#include <future>
#include <stdexcept>
#include <utility>

#include "testing/connection.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {
namespace {

// One TLS record of plaintext: a read never needs more at once.
constexpr std::size_t scratch_bytes = std::size_t{16} << 10U;

}  // namespace

bool mailbox::post(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    if (context_ == nullptr) return false;
    asio::post(*context_, std::move(work));
    return true;
}

bool mailbox::runs_here() const {
    const std::lock_guard lock(mutex_);
    return context_ != nullptr && context_->get_executor().running_in_this_thread();
}

void mailbox::close() {
    const std::lock_guard lock(mutex_);
    context_ = nullptr;
}

worker::worker() : mailbox_(std::make_shared<mailbox>(context_)), scratch_(scratch_bytes) {}

worker::~worker() { stop(); }

void worker::start() {
    thread_ = std::thread([this] { context_.run(); });
}

void worker::call(const std::function<void()>& work) {
    if (runs_here()) return work();
    std::promise<void> done;
    const bool is_posted = mailbox_->post([&] {
        work();
        done.set_value();
    });
    if (is_posted) done.get_future().wait();
}

void worker::stop() {
    if (!thread_.joinable()) return mailbox_->close();
    if (runs_here()) throw std::logic_error("an origin cannot be stopped from its own thread");
    call([this] { close_connections(close_kind::clean); });
    mailbox_->close();
    guard_.reset();
    context_.stop();
    thread_.join();
    close_connections(close_kind::clean);  // one may have been adopted in between
}

void worker::adopt(std::shared_ptr<connection> fresh) {
    fresh->set_index_in_worker(connections_.size());
    connections_.push_back(std::move(fresh));
}

void worker::release(connection& closed) {
    const std::size_t index = closed.index_in_worker();
    std::swap(connections_[index], connections_.back());
    connections_[index]->set_index_in_worker(index);
    connections_.pop_back();
}

void worker::drain_connections() {
    const std::vector<std::shared_ptr<connection>> open = connections_;  // some end at once
    for (const auto& each : open) each->drain();
}

void worker::close_connections(close_kind kind) {
    while (!connections_.empty()) {
        const std::shared_ptr<connection> last = connections_.back();
        last->close_now(kind);
    }
}

}  // namespace testing::internal
HEARTH_END_NAMESPACE
