// One accepted socket.
#include "testing/connection.hpp"

#include <boost/asio/post.hpp>
#include <utility>

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {
namespace {

using boost::system::error_code;

// Work of one connection per turn of the event loop: others get theirs before it goes on.
constexpr int max_reads_per_turn = 8;
constexpr std::size_t max_written_per_turn = std::size_t{1} << 20U;
// Output memory above this is given back when everything was sent.
constexpr std::size_t kept_output_bytes = std::size_t{4} << 10U;
// How long a client may take to end its side after we ended ours.
constexpr auto linger_time = std::chrono::seconds{2};

}  // namespace

connection::connection(connection_host& host, worker& home, tcp::socket socket, std::uint64_t index)
    : host_(host),
      worker_(home),
      socket_(std::move(socket)),
      transport_(socket_.native_handle(), host.tls(), host.counts()),
      index_(index) {}

void connection::start() {
    host_.counts().connections_open.enter();
    worker_.adopt(shared_from_this());
    if (host_.is_silent()) {
        state_ = state::silent;
        return arm_read();
    }
    if (transport_.is_tls()) return step_handshake();
    become_open();
}

void connection::step_handshake() {
    const io_result result = transport_.handshake();
    switch (result.status) {
        case io_status::done: break;
        case io_status::want_read: return arm_read();
        case io_status::want_write: return arm_write();
        default:  // OpenSSL has sent its alert: let the client read it
            host_.counts().handshakes_failed.add();
            state_ = state::closing;
            end_ = close_kind::without_close_notify;
            return finish_close();
    }
    counter_block& counts = host_.counts();
    (transport_.is_resumed() ? counts.handshakes_resumed : counts.handshakes_full).add();
    become_open();
}

void connection::become_open() {
    const auto self = shared_from_this();
    state_ = state::open;
    protocol_ = host_.make_protocol(*this);
    protocol_->on_open();
    if (state_ != state::open) return;
    if (transport_.has_buffered_input()) return read_some();
    arm_read();
}

void connection::arm_read() {
    if (is_read_armed_ || state_ == state::closed) return;
    is_read_armed_ = true;
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
        self->is_read_armed_ = false;
        if (self->state_ == state::closed) return;
        if (error) return self->drop();
        self->on_readable();
    });
}

void connection::arm_write() {
    if (is_write_armed_ || state_ == state::closed) return;
    is_write_armed_ = true;
    socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](error_code error) {
        self->is_write_armed_ = false;
        if (self->state_ == state::closed) return;
        if (error) return self->drop();
        if (self->state_ == state::handshaking) return self->step_handshake();
        self->flush();
    });
}

void connection::on_readable() {
    switch (state_) {
        case state::handshaking: return step_handshake();
        case state::open: return read_some();
        case state::silent:
        case state::lingering: return discard_input();
        case state::closing:
        case state::closed: return;
    }
}

void connection::read_some() {
    if (is_reading_ || is_paused_ || has_peer_ended_ || state_ != state::open) return;
    const auto self = shared_from_this();
    is_reading_ = true;
    bool is_drained = false;
    for (int turn = 0; turn < max_reads_per_turn && !is_drained; ++turn) {
        const std::span<char> into = worker_.scratch();
        const io_result result = transport_.read(into);
        if (result.status == io_status::done) {
            protocol_->on_bytes({into.data(), result.size});
            if (is_paused_ || state_ != state::open) break;
            is_drained =
                transport_.is_tls() ? !transport_.has_buffered_input() : result.size < into.size();
        } else if (result.status == io_status::want_read) {
            is_drained = true;
        } else if (result.status == io_status::want_write) {
            arm_write();
            is_drained = true;
        } else {
            on_peer_end();
            break;
        }
    }
    is_reading_ = false;
    flush();
    continue_reading(is_drained);
}

void connection::continue_reading(bool is_drained) {
    if (is_paused_ || has_peer_ended_ || state_ != state::open) return;
    if (is_drained || !transport_.has_buffered_input()) return arm_read();
    asio::post(worker_.context(), [self = shared_from_this()] { self->read_some(); });
}

void connection::resume_reading() {
    if (!is_paused_) return;
    is_paused_ = false;
    if (!is_reading_) continue_reading(false);
}

void connection::on_peer_end() {
    has_peer_ended_ = true;
    protocol_->on_end();
}

void connection::send(std::string_view bytes) {
    if (state_ == state::open) output_.append(bytes);
}

void connection::flush() {
    if (is_flushing_ || is_write_armed_) return;
    if (state_ != state::open && state_ != state::closing) return;
    if (queued_bytes() == 0 && !wants_room_ && state_ == state::open) return;
    const auto self = shared_from_this();
    is_flushing_ = true;
    std::size_t budget = max_written_per_turn;
    bool is_sent = write_queued(budget);
    while (is_sent && wants_room_ && state_ == state::open) {
        wants_room_ = false;
        protocol_->on_room();
        if (queued_bytes() == 0) break;
        is_sent = write_queued(budget);
    }
    is_flushing_ = false;
    if (state_ == state::closing && queued_bytes() == 0) finish_close();
}

bool connection::write_queued(std::size_t& budget) {
    while (queued_bytes() != 0) {
        const auto rest = std::string_view(output_).substr(sent_bytes_);
        const io_result result = transport_.write(rest);
        if (result.status == io_status::done) {
            sent_bytes_ += result.size;
            if (result.size < budget) {
                budget -= result.size;
                continue;
            }
            post_flush();
            return false;
        }
        if (result.status == io_status::want_write) {
            arm_write();
        } else {
            drop();
        }
        return false;
    }
    release_sent();
    return state_ == state::open || state_ == state::closing;
}

void connection::post_flush() {
    is_write_armed_ = true;  // nobody else flushes before
    asio::post(worker_.context(), [self = shared_from_this()] {
        self->is_write_armed_ = false;
        self->flush();
    });
}

void connection::release_sent() {
    sent_bytes_ = 0;
    output_.clear();
    if (output_.capacity() > kept_output_bytes) output_.shrink_to_fit();
}

void connection::close_when_sent(close_kind kind) {
    if (state_ != state::open) return;
    state_ = state::closing;
    end_ = kind;
    flush();
}

void connection::drain() {
    if (state_ == state::open) return protocol_->on_drain();
    if (state_ == state::handshaking || state_ == state::silent) close_now(close_kind::clean);
}

void connection::finish_close() {
    if (end_ == close_kind::reset) return close_now(close_kind::reset);
    if (end_ == close_kind::clean) transport_.send_close_notify();
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    if (has_peer_ended_) return drop();
    state_ = state::lingering;
    if (!timer_) timer_.emplace(worker_.context());
    timer_->expires_after(linger_time);
    timer_->async_wait([self = shared_from_this()](error_code error) {
        if (!error) self->drop();
    });
    discard_input();
}

void connection::discard_input() {
    for (int turn = 0; turn < max_reads_per_turn; ++turn) {
        const io_result result = transport_.read_wire(worker_.scratch());
        if (result.status == io_status::done) continue;
        if (result.status == io_status::want_read) break;
        return drop();
    }
    arm_read();
}

void connection::close_now(close_kind kind) {
    if (state_ == state::closed) return;
    error_code ignored;
    if (kind == close_kind::reset) socket_.set_option(tcp::socket::linger(true, 0), ignored);
    if (kind == close_kind::clean && state_ == state::open) transport_.send_close_notify();
    drop();
}

void connection::drop() {
    if (state_ == state::closed) return;
    const auto self = shared_from_this();
    if (state_ == state::handshaking) host_.counts().handshakes_failed.add();
    state_ = state::closed;
    if (timer_) timer_->cancel();
    error_code ignored;
    socket_.close(ignored);
    host_.counts().connections_open.leave();
    worker_.release(*this);
    if (protocol_) protocol_->on_closed();
}

}  // namespace testing::internal
HEARTH_END_NAMESPACE
