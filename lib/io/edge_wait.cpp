#include "io/edge_wait.hpp"

#include <boost/asio/detail/config.hpp>
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
#include <boost/asio/io_context.hpp>
#include <boost/asio/query.hpp>
#else
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#endif

namespace hearth::io {

namespace asio = boost::asio;
using boost::system::error_code;

#ifdef HEARTH_EDGES_BY_REACTOR

class edge_wait::implementation {
public:
    explicit implementation(const asio::any_io_executor& executor)
        : executor_(executor),
          is_plain_(executor_.target<asio::io_context::executor_type>() != nullptr),
          reactor_(asio::use_service<asio::detail::epoll_reactor>(
              asio::query(executor_, asio::execution::context))) {
        reactor_.init_task();
    }
    ~implementation() {
        if (pending_ != nullptr) pending_->leave();
        if (descriptor_ < 0) return;
        reactor_.deregister_descriptor(descriptor_, registration_, true);
        reactor_.cleanup_descriptor_data(registration_);
        ::close(descriptor_);
    }
    implementation(const implementation&) = delete;
    implementation& operator=(const implementation&) = delete;

    [[nodiscard]] int descriptor() const { return descriptor_; }

    error_code open(int descriptor) {
        int error = 0;
        try {
            if (is_plain_) spare_ = std::make_unique<operation>(*this);  // waits ask for nothing
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
        // The reactor has it until it is completed or destroyed.
        reactor_.start_op(asio::detail::epoll_reactor::read_op, descriptor_, registration_,
                          next.release(), false, true);
    }

    void cancel() {
        if (descriptor_ >= 0) reactor_.cancel_ops(descriptor_, registration_);
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
    asio::detail::epoll_reactor& reactor_;
    asio::detail::epoll_reactor::per_descriptor_data registration_ = nullptr;
    int descriptor_ = -1;
};

#else

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

private:
    using descriptor_type = asio::posix::basic_stream_descriptor<asio::any_io_executor>;
    descriptor_type edges_;
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

}  // namespace hearth::io
