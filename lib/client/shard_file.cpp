// shard, response bodies that go to a file: by `splice` where nothing has to look at them, else
// from the memory they were received, or decoded, in.
#include <unistd.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <cerrno>
#include <string>
#include <utility>

#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

using boost::system::error_code;

namespace {

// Less than that is not written at once where more may follow in the same turn.
constexpr std::size_t gathered_bytes = 64 * 1024;

}  // namespace

void shard::read_to(exchange_control& control, file_range to, size_handler handler) {
    if (control.read) {
        complete<error_code, std::size_t>(std::move(handler), errc::invalid_state, 0);
        return;
    }
    if (to.length == 0) {
        complete<error_code, std::size_t>(std::move(handler), error_code{}, 0);
        return;
    }
    control.file = file_target{.rest = to};
    begin_read(control, std::move(handler));
}

/// Writes what is there for the reader that waits. False: it waits for the next receive, or there
/// is nothing for it but the end.
bool shard::serve_file(exchange_control& control) {
    while (!control.final_error) {
        std::span<const std::byte> data = control.unread.data();
        if (control.decoding) {
            decode_buffer_.resize(decode_buffer_bytes);
            const std::span<std::byte> room = decode_buffer_;
            data = room.first(decode_next(control, room.first(control.file->most(room.size()))));
            if (!control.read) return true;
        } else {
            data = data.first(control.file->most(data.size()));
        }
        if (data.empty()) return false;
        const bool reads_on = put_file(control, data);
        if (!control.decoding && !control.final_error) {
            control.unread.consume(data.size());
            control.unread.release();
        }
        if (!reads_on) return true;
    }
    return false;
}

/// Small pieces (frames, records) are gathered until the turn ends; what they are copied for costs
/// less than a system call for each. On plaintext the next ones may go through the pipe.
void shard::deliver_to_file(exchange_control& control, link& l, std::span<const std::byte> data) {
    const exchange_id id = control.exchange;
    const bool gathers = l.is_http2() || l.wire->tls() != nullptr;
    const std::size_t least = gathers ? gathered_bytes : 1;
    if (control.unread.empty() && data.size() >= least) {
        const std::size_t size = control.file->most(data.size());
        (void)put_file(control, data.first(size));
        if (control.exchange != id) return;  // it failed
        data = data.subspan(size);
    }
    control.unread.append(data);
    if (control.read && control.unread.size() >= least) (void)serve_file(control);
    if (control.exchange != id) return;
    if (!control.read) {
        end_phase(exchanges_[id], id);  // the caller's turn now
        if (!l.is_http2()) l.paused = true;
        return;
    }
    if (!control.unread.empty() && !std::exchange(control.file->is_due, true)) {
        unwritten_.push_back(id);
    }
    set_phase(exchanges_[id], id, config_.timeouts.body_idle, errc::body_idle_timeout);
}

/// Writes what was gathered in this turn. False: nothing was.
bool shard::write_files() {
    if (unwritten_.empty()) return false;
    for (const exchange_id id : unwritten_) {  // none is added meanwhile
        live_exchange* x = exchanges_.find(id);
        if (x == nullptr || !x->control || !x->control->file) continue;
        exchange_control& control = *x->control;
        control.file->is_due = false;
        (void)serve_file(control);
        if (control.exchange != id) continue;  // it failed
        link& l = *find_link(x->connection);
        if (!control.read) {
            end_phase(*x, id);
            if (!l.is_http2()) l.paused = true;
        }
        if (l.is_http2()) credit(*x, l);
    }
    unwritten_.clear();
    return true;
}

/// False: the reader does not wait any more, because its range is full or the exchange failed.
bool shard::put_file(exchange_control& control, std::span<const std::byte> data) {
    while (!data.empty()) {
        file_target& to = *control.file;
        const ssize_t put = ::pwrite(to.rest.descriptor, data.data(), data.size(),
                                     static_cast<off_t>(to.rest.offset));
        if (put > 0) {
            to.advance(static_cast<std::size_t>(put));
            data = data.subspan(static_cast<std::size_t>(put));
        } else if (put == 0 || errno != EINTR) {
            file_failed(control, put == 0 ? ENOSPC : errno);
            return false;
        }
    }
    if (control.file->rest.length != 0) return true;
    end_read(control, {});
    return false;
}

void shard::file_failed(exchange_control& control, int code) {
    const error_code error(code, boost::system::system_category());
    fail_reader(control, error,
                "The response body could not be written to its file: " + error.message() + ".");
}

/// Moves octets of a body from its socket to its file. What it says is of the socket only.
io::io_result shard::splice_body(link& l) {
    live_exchange& x = exchanges_[l.exchange];
    exchange_control& control = *x.control;
    const auto wanted = std::min(control.file->rest.length, l.wire->engine().bypassable());
    const io::io_result result = l.driver.receive_into(pipe_, static_cast<std::size_t>(wanted));
    if (result.status == io::io_status::failed && io::is_unspliceable(result.error)) {
        control.file->is_copied_to = true;
        return {};
    }
    if (result.status != io::io_status::ok) return result;
    x.body_octets += result.size;
    l.wire->bypass(result.size);
    if (!empty_pipe(control, l, x.result.transfer)) {
        pipe_.drop();
    } else if (control.read) {
        set_phase(x, x.id, config_.timeouts.body_idle, errc::body_idle_timeout);
    } else {
        end_phase(x, x.id);  // the caller's turn now
        l.paused = true;
    }
    return result;
}

/// False: the exchange failed.
bool shard::empty_pipe(exchange_control& control, link& l, transfer& count) {
    while (pipe_.size() != 0) {
        file_target& to = *control.file;
        const ssize_t moved = pipe_.empty_into(to.rest.descriptor, to.rest.offset);
        if (moved > 0) {
            to.advance(static_cast<std::size_t>(moved));
            count.received_to_file += static_cast<std::uint64_t>(moved);
            l.driver.file_bytes_received += static_cast<std::uint64_t>(moved);
            continue;
        }
        const error_code error(moved == 0 ? ENOSPC : errno, boost::system::system_category());
        if (!io::is_unspliceable(error)) {
            file_failed(control, error.value());
            return false;
        }
        to.is_copied_to = true;
        const ssize_t got = pipe_.read(receive_buffer_);
        if (got <= 0) {
            file_failed(control, errno);
            return false;
        }
        count.received_copied += static_cast<std::uint64_t>(got);
        const auto data = std::span(receive_buffer_).first(static_cast<std::size_t>(got));
        if (!put_file(control, data)) return !control.final_error;
    }
    if (control.file->rest.length == 0) end_read(control, {});
    return true;
}

}  // namespace hearth::detail
