#include "io/edge_wait.hpp"

#include <array>
#include <atomic>
#include <boost/asio/detail/config.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <new>
#include <utility>

// The reactor's interface is Asio's own business, so it is named by its release.
#if BOOST_VERSION == 108100 && defined(BOOST_ASIO_HAS_EPOLL) && \
    !defined(BOOST_ASIO_HAS_IO_URING_AS_DEFAULT)
#define HEARTH_EDGES_BY_REACTOR
#endif

#include <unistd.h>

#ifdef HEARTH_EDGES_BY_REACTOR
#include <boost/asio/detail/epoll_reactor.hpp>
#include <boost/asio/detail/reactor_op.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#else
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#endif

namespace hearth::io {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

using event_array = std::array<epoll_event, edge_wait::batch_size>;

std::size_t take_from(int set, event_array& into, int milliseconds) {
    const int count = ::epoll_wait(set, into.data(), static_cast<int>(into.size()), milliseconds);
    return count > 0 ? static_cast<std::size_t>(count) : 0;
}

}  // namespace

#ifdef HEARTH_EDGES_BY_REACTOR

namespace {

using asio::detail::epoll_reactor;
using asio::detail::scheduler;
using asio_operation = asio::detail::operation;

// What a reactor waits in, what tells it of timers, and what other threads end its wait by are
// private to it. An explicit instantiation may name them.
using asio::detail::select_interrupter;
int wait_descriptor_of(epoll_reactor& reactor);
int timer_descriptor_of(epoll_reactor& reactor);
int wake_up_descriptor_of(epoll_reactor& reactor);
template <int epoll_reactor::*Wait, int epoll_reactor::*Timer,
          select_interrupter epoll_reactor::*WakeUp>
struct reactor_inside {
    friend int wait_descriptor_of(epoll_reactor& reactor) { return reactor.*Wait; }
    friend int timer_descriptor_of(epoll_reactor& reactor) { return reactor.*Timer; }
    friend int wake_up_descriptor_of(epoll_reactor& reactor) {
        return (reactor.*WakeUp).read_descriptor();
    }
};
template struct reactor_inside<&epoll_reactor::epoll_fd_, &epoll_reactor::timer_fd_,
                               &epoll_reactor::interrupter_>;

/// Asio's reactor, which waits in a set of sockets while somebody waits for that. The set has what
/// Asio watches as one entry, and, for other threads to end the wait by, what Asio has for that.
class joint_reactor final : public epoll_reactor {
public:
    explicit joint_reactor(asio::execution_context& context)
        : epoll_reactor(context), work_(asio::use_service<scheduler>(context)) {}

    /// False: the set is to be registered, as with any other reactor.
    bool join(int set) {
        // Without its descriptor timers bound the wait, which would be Asio's own.
        if (set_ >= 0 || timer_descriptor_of(*this) < 0) return false;
        if (control(set, EPOLL_CTL_ADD, wait_descriptor_of(*this), EPOLLIN) &&
            control(set, EPOLL_CTL_ADD, wake_up_descriptor_of(*this), 0)) {
            set_ = set;
            return true;
        }
        // The set may have the first one still. It is Asio's to watch from now on, which no set may
        // that it is in.
        (void)::epoll_ctl(set, EPOLL_CTL_DEL, wait_descriptor_of(*this), nullptr);
        return false;
    }
    void leave() {
        set_ = -1;
        found_ = 0;
    }

    /// The operation is completed when sockets are ready; it counts as work until then.
    void wait(asio_operation* operation) {
        waiting_.store(operation, std::memory_order_relaxed);
        work_.work_started();
    }
    [[nodiscard]] bool is_waiting() const {
        return waiting_.load(std::memory_order_relaxed) != nullptr;
    }
    void end_wait() { work_.post_deferred_completion(take_waiting()); }

    edge_wait::batch take() {
        if (found_ == 0) found_ = take_from(set_, events_, 0);
        const std::size_t found = std::exchange(found_, 0);
        return {std::span(events_).first(sort_out(found).sockets), found == events_.size()};
    }

    void run(long microseconds, asio::detail::op_queue<asio_operation>& ready) override {
        if (!is_waiting()) {
            epoll_reactor::run(microseconds, ready);
            return;
        }
        const int milliseconds = microseconds > 0 ? static_cast<int>((microseconds - 1) / 1000 + 1)
                                                  : static_cast<int>(microseconds);
        found_ = take_from(set_, events_, milliseconds);
        const auto [sockets, is_for_asio] = sort_out(found_);
        if (sockets != 0) {
            ready.push(take_waiting());
        } else {
            found_ = 0;
        }
        if (is_for_asio) epoll_reactor::run(0, ready);
    }

    /// From any thread, under the scheduler's lock, which the thread in `run` needs to come out.
    void interrupt() override {
        if (is_waiting()) {
            // It is always readable, so that this is an edge.
            (void)control(set_, EPOLL_CTL_MOD, wake_up_descriptor_of(*this), EPOLLIN | EPOLLET);
        } else {
            epoll_reactor::interrupt();
        }
    }

    void shutdown() override {
        if (is_waiting()) take_waiting()->destroy();
        epoll_reactor::shutdown();
    }

private:
    struct sorted {
        std::size_t sockets = 0;  // in front
        bool is_for_asio = false;
    };

    // The lower half of what an own entry is known by, and no socket; the upper is its descriptor.
    static constexpr std::uint64_t own_mark = 0xffffffff;

    static bool control(int set, int what, int descriptor, std::uint32_t events) {
        epoll_event event{};
        event.events = events;
        event.data.u64 = std::uint64_t{static_cast<std::uint32_t>(descriptor)} << 32U | own_mark;
        return ::epoll_ctl(set, what, descriptor, &event) == 0;
    }

    sorted sort_out(std::size_t count) {
        sorted result;
        for (std::size_t i = 0; i != count; ++i) {
            const std::uint64_t name = events_[i].data.u64;
            if ((name & own_mark) != own_mark) {
                std::swap(events_[result.sockets++], events_[i]);
            } else if (name >> 32U == static_cast<std::uint32_t>(wait_descriptor_of(*this))) {
                result.is_for_asio = true;
            }
        }
        return result;
    }

    asio_operation* take_waiting() { return waiting_.exchange(nullptr, std::memory_order_relaxed); }

    scheduler& work_;
    int set_ = -1;
    std::atomic<asio_operation*> waiting_ = nullptr;
    event_array events_{};
    std::size_t found_ = 0;  // events of the last wait, until they are taken
};

}  // namespace

void join_waits(asio::io_context& context) {
    auto reactor = std::make_unique<joint_reactor>(context);
    asio::add_service<epoll_reactor>(context, reactor.get());
    (void)reactor.release();
}

class edge_wait::implementation {
public:
    explicit implementation(const asio::any_io_executor& executor)
        : executor_(executor),
          is_plain_(executor_.target<asio::io_context::executor_type>() != nullptr),
          reactor_(
              asio::use_service<epoll_reactor>(asio::query(executor_, asio::execution::context))) {
        reactor_.init_task();
    }
    ~implementation() {
        if (pending_ != nullptr) pending_->leave();
        if (descriptor_ < 0) return;
        if (joint_ != nullptr) {
            cancel();
            joint_->leave();
        } else {
            reactor_.deregister_descriptor(descriptor_, registration_, true);
            reactor_.cleanup_descriptor_data(registration_);
        }
        ::close(descriptor_);
    }
    implementation(const implementation&) = delete;
    implementation& operator=(const implementation&) = delete;

    [[nodiscard]] int descriptor() const { return descriptor_; }

    error_code open(int descriptor) {
        int error = 0;
        try {
            if (is_plain_) {
                spare_ = std::make_unique<operation>(*this);  // waits ask for nothing
                joint_ = dynamic_cast<joint_reactor*>(&reactor_);
                if (joint_ != nullptr && joint_->join(descriptor)) {
                    descriptor_ = descriptor;
                    return {};
                }
                joint_ = nullptr;
            }
            error = reactor_.register_descriptor(descriptor, registration_);
        } catch (const std::bad_alloc&) {
            ::close(descriptor);
            throw;
        }
        if (error == 0) {
            descriptor_ = descriptor;
            return {};
        }
        reactor_.cleanup_descriptor_data(registration_);
        ::close(descriptor);
        return {error, boost::system::system_category()};
    }

    void wait(std::shared_ptr<edge_listener> listener) {
        auto next = spare_ ? std::move(spare_) : std::make_unique<operation>(*this);
        next->begin(std::move(listener));
        if (is_plain_) pending_ = next.get();
        if (joint_ != nullptr) {
            joint_->wait(next.release());
            return;
        }
        // The reactor has it until it is completed or destroyed.
        reactor_.start_op(epoll_reactor::read_op, descriptor_, registration_, next.release(), false,
                          true);
    }

    void cancel() {
        if (descriptor_ < 0) return;
        if (joint_ == nullptr) {
            reactor_.cancel_ops(descriptor_, registration_);
        } else if (joint_->is_waiting()) {
            pending_->ec_ = asio::error::operation_aborted;
            joint_->end_wait();
        }
    }

    batch take() {
        if (joint_ != nullptr) return joint_->take();
        const std::size_t found = take_from(descriptor_, events_, 0);
        return {std::span(events_).first(found), found == events_.size()};
    }

private:
    class operation final : public asio::detail::reactor_op {
    public:
        explicit operation(implementation& owner)
            : reactor_op(error_code(), &operation::perform, &operation::complete),
              executor_(owner.is_plain_ ? asio::any_io_executor() : owner.executor_),
              owner_(owner.is_plain_ ? &owner : nullptr) {}

        void begin(std::shared_ptr<edge_listener> listener) {
            ec_ = {};
            listener_ = std::move(listener);
        }
        void leave() { owner_ = nullptr; }

    private:
        /// An edge is here, that is all; nothing is left to try before the next one.
        static status perform(reactor_op* /*self*/) { return done_and_exhausted; }

        /// `context` is null where it is being destroyed.
        static void complete(void* context, asio::detail::operation* base,
                             const error_code& /*error*/, std::size_t /*size*/) {
            std::unique_ptr<operation> self(static_cast<operation*>(base));
            implementation* const owner = self->owner_;
            if (owner != nullptr) owner->pending_ = nullptr;
            if (context == nullptr) return;
            const std::shared_ptr<edge_listener> listener = std::move(self->listener_);
            const error_code error = self->ec_;
            if (self->executor_) {
                asio::dispatch(self->executor_, [listener, error] { listener->on_edge(error); });
                return;
            }
            if (owner != nullptr) owner->spare_ = std::move(self);
            listener->on_edge(error);
        }

        const asio::any_io_executor executor_;  // none: the thread that completes is the right one
        implementation* owner_;                 // null: nobody takes this back
        std::shared_ptr<edge_listener> listener_;
    };

    const asio::any_io_executor executor_;
    const bool is_plain_;
    std::unique_ptr<operation> spare_;  // of the last wait, for the next
    operation* pending_ = nullptr;
    epoll_reactor& reactor_;
    joint_reactor* joint_ = nullptr;  // null: the set is registered with Asio
    epoll_reactor::per_descriptor_data registration_ = nullptr;
    int descriptor_ = -1;
    event_array events_{};
};

#else

void join_waits(asio::io_context& /*context*/) {}

class edge_wait::implementation {
public:
    explicit implementation(const asio::any_io_executor& executor) : edges_(executor) {}

    [[nodiscard]] int descriptor() const {
        return edges_.is_open() ? const_cast<descriptor_type&>(edges_).native_handle() : -1;
    }
    error_code open(int descriptor) {
        error_code error;
        edges_.assign(descriptor, error);
        if (error) ::close(descriptor);
        return error;
    }
    void wait(std::shared_ptr<edge_listener> listener) {
        edges_.async_wait(
            descriptor_type::wait_read,
            [listener = std::move(listener)](error_code error) { listener->on_edge(error); });
    }
    void cancel() {
        error_code ignored;
        edges_.cancel(ignored);
    }
    batch take() {
        const std::size_t found = take_from(descriptor(), events_, 0);
        return {std::span(events_).first(found), found == events_.size()};
    }

private:
    using descriptor_type = asio::posix::basic_stream_descriptor<asio::any_io_executor>;
    descriptor_type edges_;
    event_array events_{};
};

#endif

edge_wait::edge_wait(const asio::any_io_executor& executor)
    : implementation_(std::make_unique<implementation>(executor)) {}

edge_wait::~edge_wait() = default;

bool edge_wait::is_open() const { return implementation_->descriptor() >= 0; }

int edge_wait::descriptor() const { return implementation_->descriptor(); }

error_code edge_wait::open(int descriptor) { return implementation_->open(descriptor); }

void edge_wait::wait(std::shared_ptr<edge_listener> listener) {
    implementation_->wait(std::move(listener));
}

void edge_wait::cancel() { implementation_->cancel(); }

edge_wait::batch edge_wait::take() { return implementation_->take(); }

}  // namespace hearth::io
