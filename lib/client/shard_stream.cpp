// shard, streamed exchanges: the caller's reads and writes, and the pulls of body sources.
#include <algorithm>
#include <boost/asio/error.hpp>
#include <cstring>
#include <new>
#include <utility>

#include "base/assert.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// The pull of a source, made after the turn: it is the caller's code.
class pull_call final : public pending_call {
public:
    pull_call(std::shared_ptr<body_source> source, std::shared_ptr<std::vector<char>> buffer,
              body_source::pull_handler handler)
        : source_(std::move(source)), buffer_(std::move(buffer)), handler_(std::move(handler)) {}
    void run(call_ptr /*self*/) override {
        run_own([&] { source_->async_pull(*buffer_, std::move(handler_)); });
    }

private:
    std::shared_ptr<body_source> source_;
    std::shared_ptr<std::vector<char>> buffer_;
    body_source::pull_handler handler_;
};

}  // namespace

void shard::start_pull(live_exchange& x, exchange_id id) {
    auto source = std::get<body::source_type>(x.what.body.value());
    auto buffer = x.body.pull_buffer();
    // The pull keeps source and buffer until it has ended, perhaps after the exchange. The source
    // is given back to this thread then: its own may be the one that calls the handler.
    auto held = std::make_shared<std::shared_ptr<body_source>>(source);
    auto done = [self = shared_from_this(), id, held, buffer](error_code error, std::size_t size) {
        self->submit_late([self, id, buffer, error, size, last = std::move(*held)] {
            live_exchange* pulled = self->exchanges_.find(id);
            if (pulled == nullptr) return;
            pulled->body.on_pulled(size, error);
            if (link* l = self->find_link(pulled->connection)) self->pump_request(*pulled, *l);
        });
    };
    handlers_.push(
        std::make_unique<pull_call>(std::move(source), std::move(buffer), std::move(done)));
}

// The caller's side.

void shard::write(exchange_control& control, asio::const_buffer bytes, size_handler handler) {
    live_exchange* x = exchanges_.find(control.exchange);
    error_code error;
    if (control.final_error) {
        error = control.final_error;
    } else if (x == nullptr || control.write || control.finish) {
        error = errc::invalid_state;
    }
    link* l = error ? nullptr : find_link(x->connection);
    const bool raw = l != nullptr && l->wire->is_raw(control.exchange);
    if (!error && !raw && (!x->what.body.is_streamed() || control.finished)) {
        error = errc::invalid_state;
    }
    if (error || bytes.size() == 0) {
        complete<error_code, std::size_t>(std::move(handler), error, 0);
        return;
    }
    const std::span data(static_cast<const std::byte*>(bytes.data()), bytes.size());
    control.write = std::move(handler);
    control.write_size = bytes.size();
    if (raw) {
        write_raw(control, *l, data);
        return;
    }
    x->body.give(data);
    if (l == nullptr) return;  // it is sent again; the body follows then
    set_phase(*x, control.exchange, config_.timeouts.write_stall, errc::write_timeout);
    pump_request(*x, *l);
}

/// Octets of an upgraded connection: as many as its output may hold; the rest is the caller's
/// again.
void shard::write_raw(exchange_control& control, link& l, std::span<const std::byte> data) {
    const std::size_t limit = config_.io.send_buffer;
    const std::size_t room = l.wire->room(control.exchange, limit);
    if (room == 0) {
        control.raw_write = data;  // goes on when the socket, or the stream, has taken some
        if (!l.is_http2()) l.driver.wait_writable();
        return;
    }
    const std::size_t size = std::min(data.size(), room);
    l.wire->write_body(control.exchange, data.first(size));
    exchanges_[control.exchange].result.transfer.sent_copied += size;
    control.raw_write = {};
    touch(l);
    complete<error_code, std::size_t>(std::move(control.write), error_code{}, size);
}

void shard::finish(exchange_control& control, headers trailers, done_handler handler) {
    live_exchange* x = exchanges_.find(control.exchange);
    error_code error;
    if (control.final_error) {
        error = control.final_error;
    } else if (x == nullptr || control.write || control.finished || !x->what.body.is_streamed()) {
        error = errc::invalid_state;
    } else if (!trailers.empty() && x->what.body.size() && x->what.trailers.empty()) {
        error = errc::invalid_trailer;  // content-length was sent: there is no place for them
    } else {
        request probe;
        probe.method = method::post;
        probe.body = streamed_body{};
        probe.trailers = trailers;
        if (proto::check_request(probe, "/")) error = errc::invalid_trailer;
    }
    if (error) {
        complete<error_code>(std::move(handler), error);
        return;
    }
    control.finished = true;
    control.finish = std::move(handler);
    if (!trailers.empty()) x->what.trailers = std::move(trailers);
    x->body.give_end();
    if (link* l = find_link(x->connection)) pump_request(*x, *l);
}

void shard::read_head(exchange_control& control, head_handler handler) {
    error_code error = control.final_error;
    if (!error && (control.head || control.head_taken)) error = errc::invalid_state;
    if (control.head_ready && !control.head_taken) {
        control.head_taken = true;
        complete<error_code, response_head>(std::move(handler), error_code{},
                                            std::move(*control.head_ready));
        return;
    }
    if (error) {
        complete<error_code, response_head>(std::move(handler), error, response_head{});
        return;
    }
    control.head = std::move(handler);
}

void shard::read(exchange_control& control, asio::mutable_buffer bytes, size_handler handler) {
    if (control.read) {
        complete<error_code, std::size_t>(std::move(handler), errc::invalid_state, 0);
        return;
    }
    if (bytes.size() == 0) {
        complete<error_code, std::size_t>(std::move(handler), error_code{}, 0);
        return;
    }
    control.read_buffer = bytes;
    begin_read(control, std::move(handler));
}

void shard::begin_read(exchange_control& control, size_handler handler) {
    control.read = std::move(handler);
    try {
        serve_reader(control);
    } catch (const std::bad_alloc&) {
        if (exchanges_.find(control.exchange) == nullptr) give_up_read(control);
        throw;
    }
    if (!control.read) return;
    live_exchange* x = exchanges_.find(control.exchange);
    if (x == nullptr) return;
    if (x->head_at != base::never) {
        set_phase(*x, control.exchange, config_.timeouts.body_idle, errc::body_idle_timeout);
    }
    link* l = find_link(x->connection);
    if (l == nullptr) return;
    if (l->is_http2()) {
        credit(*x, *l);
    } else {
        resume(*l);
    }
}

void shard::drop(exchange_control& control) {
    if (std::exchange(control.dropped, true)) return;
    live_exchange* x = exchanges_.find(control.exchange);
    if (x == nullptr) {
        control.unread.clear();
        return;
    }
    const exchange_id id = control.exchange;
    link* l = find_link(x->connection);
    if (x->stage == exchange_stage::waiting) {  // to be sent again on a fresh connection
        core_.cancel(now_, id);
        describe_failure(*x, asio::error::operation_aborted, "The caller cancelled the exchange.");
        complete_exchange(id, asio::error::operation_aborted);
    } else if (!l->is_http2() && l->wire->engine().is_raw()) {
        close_upgraded(*x, *l);
    } else {
        fail_assigned(id, asio::error::operation_aborted, "The caller cancelled the exchange.");
    }
}

/// The byte stream of an upgraded connection was closed by its caller.
void shard::close_upgraded(live_exchange& x, link& l) {
    const exchange_id id = x.id;
    describe_failure(x, asio::error::operation_aborted, "The caller closed the stream.");
    x.stage = exchange_stage::detached;
    complete_exchange(id, asio::error::operation_aborted);
    end_exchange(id);
    l.wire->shut_down();
    (void)l.driver.write(l.wire->output());  // what the kernel takes now; never waits
    link_lost(l, close_reason::upgraded);
}

// The connection's side.

/// Gives received octets to the reader that waits; what it has no room for is kept and stops
/// reading.
void shard::deliver(exchange_control& control, link& l, std::span<const std::byte> data) {
    const exchange_id id = control.exchange;
    if (control.decoding) {
        control.unread.append(data);
        data = {};
        serve_reader(control);
        if (control.exchange != id) return;  // it failed
        if (control.read) {
            set_phase(exchanges_[id], id, config_.timeouts.body_idle, errc::body_idle_timeout);
        } else {
            end_phase(exchanges_[id], id);
        }
    } else if (control.read && control.file) {
        return deliver_to_file(control, l, data);
    } else if (control.read && control.unread.empty()) {
        const std::size_t size = std::min(data.size(), control.read_buffer.size());
        std::memcpy(control.read_buffer.data(), data.data(), size);
        data = data.subspan(size);
        fill_reader(control, size);
    }
    control.unread.append(data);
    if (!control.read && !l.is_http2()) l.paused = true;
}

/// The reader that waits has so many octets more. Until the turn ends it may get what comes behind
/// them, too: another frame, chunk or record.
void shard::fill_reader(exchange_control& control, std::size_t size) {
    if (control.filled == 0) filled_.push_back(control.exchange);
    control.filled += size;
    control.read_buffer += size;
    if (control.read_buffer.size() == 0) finish_read(control);
}

void shard::finish_read(exchange_control& control) {
    complete<error_code, std::size_t>(std::move(control.read), error_code{},
                                      std::exchange(control.filled, 0));
    if (live_exchange* x = exchanges_.find(control.exchange)) {
        end_phase(*x, control.exchange);  // the caller's turn now
    }
}

/// Completes the reads that got octets in this turn. False: there were none.
bool shard::end_reads() {
    if (filled_.empty()) return false;
    for (const exchange_id id : filled_) {  // none is added meanwhile
        live_exchange* x = exchanges_.find(id);
        if (x == nullptr || !x->control || x->control->filled == 0) continue;
        finish_read(*x->control);
        link* l = find_link(x->connection);
        if (l != nullptr && !l->is_http2()) l->paused = true;
    }
    filled_.clear();
    return true;
}

void shard::serve_reader(exchange_control& control) {
    if (!control.read) return;
    if (control.file) {
        if (serve_file(control)) return;
    } else if (control.decoding) {
        if (serve_decoded(control)) return;
    } else if (control.filled != 0) {
        return finish_read(control);
    } else if (!control.unread.empty()) {
        const auto data = control.unread.data();
        const std::size_t size = std::min(data.size(), control.read_buffer.size());
        std::memcpy(control.read_buffer.data(), data.data(), size);
        control.unread.consume(size);
        control.unread.release();
        complete<error_code, std::size_t>(std::move(control.read), error_code{}, size);
        return;
    }
    if (control.final_error) {
        end_read(control, control.final_error);
    } else if (control.response_ended) {
        end_read(control, asio::error::eof);
    }
}

/// Completes a read that did not fill a buffer.
void shard::end_read(exchange_control& control, error_code error) {
    if (control.filled != 0) return finish_read(control);  // the next one is told
    const std::size_t written = control.file ? control.file->written : 0;
    control.file.reset();
    complete<error_code, std::size_t>(std::move(control.read), error, written);
}

/// What was received cannot be given to the reader that waits, who is told why.
void shard::fail_reader(exchange_control& control, error_code error, std::string_view detail) {
    if (exchanges_.find(control.exchange) != nullptr) {
        fail_assigned(control.exchange, error, std::string(detail));
        return;
    }
    control.final_error = error;
    control.failure.phase = phase::body;
    control.failure.detail = detail;
    control.failure.maybe_processed = true;
    end_read(control, error);
}

/// The exchange is over: its handle keeps what was not read, and the outcome.
void shard::complete_streamed(live_exchange& x, error_code error) {
    exchange_control& control = *x.control;
    control.exchange = {};
    // What came before an error is the file's all the same.
    if (error && control.read && control.file && !control.decoding) (void)serve_file(control);
    control.timings = x.result.timings;
    control.transfer = x.result.transfer;
    control.trailers = std::move(x.result.trailers);
    control.failure = x.result.failure;
    if (!error) {  // what is not read yet may still turn out to be of no use
        control.failure.origin = origins_[x.origin.index].name;
        control.failure.attempt = x.result.attempts;
    }
    control.response_ended = !error;
    control.final_error = error;
    if (error) control.unread.clear();
    const error_code write_error = error ? error : error_code(errc::invalid_state);
    complete<error_code, std::size_t>(std::move(control.write), write_error, 0);
    complete<error_code>(std::move(control.finish), write_error);
    if (control.head) {
        complete<error_code, response_head>(std::move(control.head), error, response_head{});
    }
    serve_reader(control);
}

}  // namespace hearth::detail
