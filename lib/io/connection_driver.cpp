#include "io/connection_driver.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <new>
#include <utility>

#include "io/file_send.hpp"

namespace hearth::io {

namespace asio = boost::asio;
using boost::system::error_code;

connection_driver::connection_driver(std::shared_ptr<readiness_set> sockets,
                                     std::shared_ptr<driver_listener> listener,
                                     connection_id connection,
                                     std::shared_ptr<const socket_settings> settings)
    : sockets_(std::move(sockets)),
      listener_(std::move(listener)),
      connection_(connection),
      settings_(std::move(settings)) {}

connection_driver::~connection_driver() { close(); }

void connection_driver::post_connect_result(std::uint32_t attempt, error_code error) {
    asio::post(sockets_->executor(), [listener = listener_, id = connection_, attempt, error] {
        listener->on_connect_result(id, attempt, error);
    });
}

/// Opens the socket and starts the connect. No error: connected or under way.
error_code connection_driver::open_attempt(attempt_state& state) {
    socket_state& socket = state.socket;
    if (const error_code error = open_socket(state.peer, *settings_, socket.descriptor)) {
        return error;
    }
    const auto size = static_cast<socklen_t>(state.peer.size());
    if (::connect(socket.descriptor, state.peer.data(), size) != 0 && errno != EINPROGRESS) {
        return last_error();
    }
    // Not before: a socket that is neither connected nor connecting reports a hang-up.
    return sockets_->add(socket.descriptor, *this, socket.watch);
}

void connection_driver::connect(std::uint32_t attempt, const endpoint& peer) {
    attempt_state state;
    state.number = attempt;
    state.peer = peer;
    attempts_.reserve(attempts_.size() + 1);
    error_code error;
    try {
        error = open_attempt(state);
    } catch (const std::bad_alloc&) {
        close_socket(state.socket);
        throw;
    }
    if (error) {
        close_socket(state.socket);
        post_connect_result(attempt, error);
        return;
    }
    attempts_.push_back(state);
    sockets_->begin_wait();
}

void connection_driver::connect(std::uint32_t attempt, owned_descriptor connected) {
    attempts_.reserve(attempts_.size() + 1);
    attempt_state state;
    state.number = attempt;
    state.is_ours = false;
    error_code error = take_socket(connected);
    socket_state& socket = state.socket;
    if (!error) error = sockets_->add(connected.get(), *this, socket.watch);
    if (error) {
        post_connect_result(attempt, error);
        return;
    }
    socket.descriptor = connected.release();
    auto size = static_cast<socklen_t>(state.peer.capacity());
    if (::getpeername(socket.descriptor, state.peer.data(), &size) == 0) state.peer.resize(size);
    attempts_.push_back(state);
    sockets_->begin_wait();
}

/// Writable means decided, whatever the outcome: SO_ERROR has it.
void connection_driver::on_attempt_ready(attempt_state& state) {
    if (state.decided || !state.socket.ready.writable) return;
    state.decided = true;
    sockets_->end_wait();
    int code = 0;
    socklen_t size = sizeof code;
    // What failed is not only writable.
    if (state.socket.ready.ending &&
        ::getsockopt(state.socket.descriptor, SOL_SOCKET, SO_ERROR, &code, &size) != 0) {
        code = errno;
    }
    listener_->on_connect_result(connection_, state.number,
                                 {code, boost::system::system_category()});
}

void connection_driver::close_socket(socket_state& socket) {
    if (socket.descriptor < 0) return;
    sockets_->remove(socket.watch);
    ::close(socket.descriptor);
    socket = {};
}

void connection_driver::close_attempt(attempt_state& state) {
    if (!state.decided) sockets_->end_wait();
    close_socket(state.socket);
}

void connection_driver::cancel_connect(std::uint32_t attempt) {
    std::erase_if(attempts_, [&](attempt_state& s) {
        if (s.number != attempt) return false;
        close_attempt(s);
        return true;
    });
}

std::optional<std::chrono::seconds> connection_driver::adopt(std::uint32_t attempt) {
    std::optional<std::chrono::seconds> look_after;
    for (attempt_state& state : attempts_) {
        if (state.number == attempt) {
            socket_ = std::exchange(state.socket, {});
            peer_ = state.peer;
            if (state.is_ours && keeps_alive_later(peer_, *settings_)) {
                look_after = *settings_->keepalive_idle / 2;
            }
        }
        close_attempt(state);
    }
    attempts_.clear();
    return look_after;
}

void connection_driver::keep_alive() {
    if (socket_.descriptor >= 0) io::keep_alive(socket_.descriptor, *settings_);
}

/// May destroy this object from inside the calls to the listener.
void connection_driver::on_ready(watch_id watch, readiness news) {
    if (watch != socket_.watch || socket_.descriptor < 0) {
        for (attempt_state& state : attempts_) {
            if (state.socket.watch != watch) continue;
            state.socket.ready.add(news);
            on_attempt_ready(state);
            return;
        }
        return;
    }
    socket_.ready.add(news);
    readiness_set& sockets = *sockets_;
    const bool is_readable = socket_.ready.readable || (layer_ && layer_->has_complete_record());
    if (waiting_readable_ && is_readable) {
        waiting_readable_ = false;
        sockets.end_wait();
        listener_->on_readable(connection_);
        if (!sockets.contains(watch)) return;
    }
    if (waiting_writable_ && socket_.ready.writable) {
        waiting_writable_ = false;
        sockets.end_wait();
        listener_->on_writable(connection_);
    }
}

void connection_driver::secure(std::unique_ptr<proto::tls_engine> layer) {
    layer_ = std::move(layer);
}

io_result connection_driver::read(std::span<std::byte> into) {
    if (!layer_) return read_socket(into);
    // Nothing of it is borrowed when this returns, so that threads may share it by turns.
    thread_local std::vector<std::byte> ciphertext(layer_chunk);
    for (;;) {
        const auto plain = layer_->decrypt(into);
        layer_->retain();
        if (plain.size != 0) return {plain.size, io_status::ok, {}};
        if (plain.status == proto::tls_status::closed) return {0, io_status::closed, {}};
        if (plain.status == proto::tls_status::failed) {
            return {0, io_status::failed, make_error_code(layer_->error_code())};
        }
        const io_result raw = read_socket(ciphertext);
        if (raw.status != io_status::ok) return raw;
        layer_->receive(std::span(ciphertext).first(raw.size));
    }
}

io_result connection_driver::read_socket(std::span<std::byte> into) {
    for (;;) {
        ++read_calls;
        const ssize_t got = ::recv(socket_.descriptor, into.data(), into.size(), 0);
        if (got > 0) {
            bytes_received += static_cast<std::uint64_t>(got);
            const bool is_short = static_cast<std::size_t>(got) < into.size();
            if (is_short && !socket_.ready.ending) socket_.ready.readable = false;
            return {static_cast<std::size_t>(got), io_status::ok, {}};
        }
        if (got == 0) return {0, io_status::closed, {}};
        if (errno == EINTR) continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            socket_.ready.readable = false;
            return {0, io_status::would_block, {}};
        }
        return {0, io_status::failed, last_error()};
    }
}

/// What the layer has of `from` stays there until the kernel has it: the caller sees that something
/// is left to write.
io_result connection_driver::write(base::byte_queue& from) {
    if (!layer_) return write_socket(from);
    io_result result;
    for (;;) {
        const io_result sent = write_socket(layer_->output());
        if (sent.status != io_status::ok) {
            result.status = sent.status;
            result.error = sent.error;
            return result;
        }
        from.consume(encrypted_);
        result.size += std::exchange(encrypted_, 0);
        if (from.empty()) return result;
        const auto chunk = from.data().first(std::min(from.data().size(), layer_chunk));
        if (!layer_->encrypt(chunk)) {
            return {result.size, io_status::failed, make_error_code(layer_->error_code())};
        }
        encrypted_ = chunk.size();
    }
}

io_result connection_driver::write_socket(base::byte_queue& from) {
    io_result result;
    while (!from.empty()) {
        const auto bytes = from.data();
        ++write_calls;
        const ssize_t sent = ::send(socket_.descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes_sent += static_cast<std::uint64_t>(sent);
            result.size += static_cast<std::size_t>(sent);
            from.consume(static_cast<std::size_t>(sent));
            continue;
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            socket_.ready.writable = false;
            result.status = io_status::would_block;
            return result;
        }
        result.status = io_status::failed;
        result.error = last_error();
        return result;
    }
    return result;
}

io_result connection_driver::send_file(int file, std::uint64_t offset, std::size_t size) {
    HEARTH_ASSERT(can_send_files());
    ++write_calls;
    const ssize_t sent = io::send_file(socket_.descriptor, file, offset, size);
    if (sent > 0) {
        bytes_sent += static_cast<std::uint64_t>(sent);
        file_bytes_sent += static_cast<std::uint64_t>(sent);
        return {static_cast<std::size_t>(sent), io_status::ok, {}};
    }
    if (sent == 0) return {0, io_status::closed, {}};
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        socket_.ready.writable = false;
        return {0, io_status::would_block, {}};
    }
    return {0, io_status::failed, last_error()};
}

io_result connection_driver::receive_into(splice_pipe& pipe, std::size_t wanted) {
    HEARTH_ASSERT(can_splice());
    ++read_calls;
    const ssize_t got = pipe.fill(socket_.descriptor, wanted);
    if (got > 0) {
        bytes_received += static_cast<std::uint64_t>(got);
        return {static_cast<std::size_t>(got), io_status::ok, {}};
    }
    if (got == 0) return {0, io_status::closed, {}};
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        socket_.ready.readable = false;
        return {0, io_status::would_block, {}};
    }
    return {0, io_status::failed, last_error()};
}

void connection_driver::want_at_least(std::uint32_t octets) {
    if (octets == wanted_ || socket_.descriptor < 0) return;
    const int value = static_cast<int>(octets);
    if (::setsockopt(socket_.descriptor, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value) == 0) {
        wanted_ = octets;
    }
}

void connection_driver::wait_readable() {
    if (waiting_readable_ || socket_.descriptor < 0) return;
    waiting_readable_ = true;
    sockets_->begin_wait();
    const bool has_more = layer_ && layer_->has_complete_record();
    if (socket_.ready.readable || has_more) sockets_->call_again(socket_.watch);
}

void connection_driver::wait_writable() {
    if (waiting_writable_ || socket_.descriptor < 0) return;
    waiting_writable_ = true;
    sockets_->begin_wait();
    if (socket_.ready.writable) sockets_->call_again(socket_.watch);
}

void connection_driver::end_waits() {
    if (std::exchange(waiting_readable_, false)) sockets_->end_wait();
    if (std::exchange(waiting_writable_, false)) sockets_->end_wait();
}

void connection_driver::close() {
    for (attempt_state& state : attempts_) close_attempt(state);
    attempts_.clear();
    end_waits();
    close_socket(socket_);
}

std::string connection_driver::peer_address() const { return to_string(peer_); }

}  // namespace hearth::io
