// shard, usable connections: events, writing, and their end.
#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

using boost::system::error_code;

namespace {

// Writes of one body in one turn; the rest takes the next turn.
constexpr std::uint8_t most_pieces = 8;

// How long what one handler sends may wait for what the others do.
constexpr std::chrono::microseconds longest_gathering{100};

}  // namespace

link* shard::find_link(connection_id id) {
    if (id.index >= links_.size() || !links_[id.index]) return nullptr;
    link* l = links_[id.index].get();
    return l->id == id ? l : nullptr;
}

void shard::erase_link(connection_id id) {
    link* l = find_link(id);
    if (l == nullptr) return;
    if (!l->ready) --origins_[l->origin.index].dialing;
    link_times_.remove(l->timer);
    bulk_times_.remove(l->bulk_timer);
    keepalive_times_.remove(l->keepalive_timer);
    if (l->resolve_ticket != 0 && resolver_) resolver_->cancel(l->resolve_ticket);
    stop_dialer(*l);
    count_traffic(*l);
    l->driver.close();
    touch(l->origin);
    origin_entry& origin = origins_[l->origin.index];
    --origin.links;
    links_[id.index].reset();
    if (origin.names.timer != 0 && !origin.names.book->holds_any()) {
        name_times_.remove(origin.names.timer);
    }
}

/// What a connection that ends has moved.
void shard::count_traffic(const link& l) {
    closed_traffic_.bytes_sent += l.driver.bytes_sent;
    closed_traffic_.bytes_received += l.driver.bytes_received;
    closed_traffic_.file_bytes_received += l.driver.file_bytes_received;
    closed_traffic_.file_bytes_sent += l.driver.file_bytes_sent;
    closed_traffic_.read_calls += l.driver.read_calls;
    closed_traffic_.write_calls += l.driver.write_calls;
}

void shard::touch(link& l) {
    if (l.dirty) return;
    l.dirty = true;
    if (!gathers_) {
        dirty_.push_back(l.id);
        return;
    }
    if (gathering_.empty()) gather_until_ = now_ + longest_gathering;
    gathering_.push_back(l.id);
}

/// Takes the events that are there. False: the link is gone, or going.
bool shard::poll_link(link& l) {
    proto::event e;
    while (!l.paused) {
        if (decrypt_body(l)) continue;
        if (!l.wire->poll_event(e)) break;
        if (!on_event(l, e)) return false;
    }
    if (!l.wire->is_ended() || l.paused || l.closing) return true;
    if (const live_exchange* x = exchanges_.find(l.exchange); x != nullptr && x->holder) {
        attempt_failed(l, errc::peer_closed, "The peer closed the reserved connection.", true);
        return false;
    }
    if (!l.streams.empty()) {  // not begun yet, so that the engine does not know them
        fail_streams(l, errc::peer_closed, "The peer closed the connection before its SETTINGS.");
        return http2_broke(l);
    }
    link_lost(l, close_reason::peer);
    return false;
}

/// False: the link is gone, or going.
bool shard::on_event(link& l, proto::event& e) {
    if (l.is_http2()) return on_http2_event(l, e);
    live_exchange* x = exchanges_.find(l.exchange);
    switch (e.kind) {
        case proto::event_kind::error: on_link_error(l, e); return false;
        case proto::event_kind::informational:
            if (x != nullptr) on_informational(*x, e);
            return true;
        case proto::event_kind::proceed:
            if (x != nullptr && x->stage == exchange_stage::assigned) release_body(*x, l);
            return true;
        case proto::event_kind::head:
            if (x != nullptr) on_head(*x, l, e);
            return true;
        case proto::event_kind::data: return x == nullptr || on_data(*x, l, e.data);
        case proto::event_kind::trailers:
            if (x != nullptr) x->result.trailers = std::move(*e.fields);
            return true;
        case proto::event_kind::end:
            if (x != nullptr) on_end(*x, l, e.reusable);
            return true;
        case proto::event_kind::goaway: core_.on_draining(now_, l.id); return true;
        case proto::event_kind::settings:
        case proto::event_kind::pong:
        case proto::event_kind::writable:
        case proto::event_kind::none: return true;
    }
    return true;
}

/// The connection broke, or its peer broke HTTP; whoever is on it is told, then it is gone.
void shard::on_link_error(link& l, const proto::event& e) {
    const bool lost = e.error == errc::peer_closed || e.error == errc::peer_truncated;
    if (exchanges_.find(l.exchange) == nullptr) {
        link_lost(l, lost ? close_reason::peer : close_reason::peer_error);
        return;
    }
    errc code = e.error;
    if (code == errc::peer_closed && l.wire->was_reset()) code = errc::peer_reset;
    attempt_failed(l, code, std::string(e.detail), lost);  // core closes it
}

/// Tells core that a usable connection is gone, and forgets it. Its exchange was dealt with before.
void shard::link_lost(link& l, close_reason reason) {
    const connection_id id = l.id;
    if (l.wire->tls() != nullptr && reason == close_reason::peer_error) {
        (void)l.driver.write(l.wire->output());  // an alert, if there is one
    }
    erase_link(id);
    core_.on_closed(now_, id, reason);
}

/// Goes on with a connection whose reader was slow.
void shard::resume(link& l) {
    if (!l.paused) return;
    l.paused = false;
    if (!poll_link(l)) return;
    l.wire->retain();
    if (l.paused) return;
    // What is left may be less than the kernel was told to wait for.
    if (l.wire->due(l.exchange) < l.driver.wanted()) end_bulk(l);
    if (!l.wire->is_peer_closed()) l.driver.wait_readable();
}

void shard::flush_link(link& l) {
    const connection_id id = l.id;
    if (!l.wire) return;  // with a handshake thread
    if (l.is_http2()) before_flush(l);
    bool failed = !l.wire->flush();
    if (!failed) {
        const io::io_result result = l.driver.write(l.wire->output());
        if (result.status == io::io_status::would_block) l.driver.wait_writable();
        failed = result.status == io::io_status::failed;
        live_exchange* x = exchanges_.find(l.exchange);
        if (!failed && x != nullptr && !x->request_complete && l.ready) {
            if (result.size != 0 && x->head_at == base::never)
                set_phase(*x, l.exchange, config_.timeouts.write_stall, errc::write_timeout);
            const bool is_sent = result.status == io::io_status::ok;
            if (x->more_to_send && is_sent && sends_file(*x, l)) {
                failed = !push_file(*x, l);
            } else if (x->more_to_send && is_sent && ++x->pieces < most_pieces) {
                pump_request(*x, l);  // flushed again in this turn
            } else if (x->more_to_send) {
                l.driver.wait_writable();
            }
        }
    }
    if (l.wire->output().empty()) l.wire->output().release();
    if (!failed) {
        if (!l.is_http2()) return;
        if (l.wire->wants_flush()) l.driver.wait_writable();
        (void)poll_link(l);  // flushing has events of its own
        return;
    }
    l.wire->output().clear();
    if (!l.ready) {
        // The peer may have said why; then its end is ours to tell, for nobody else will.
        read_handshake(l);
        l.wire->on_peer_closed(true);
        report_need(l);
        return;
    }
    // The peer may have answered before it closed: what it said counts more than our write.
    read_link(l);
    link* again = find_link(id);
    if (again == nullptr || again->closing || again->paused) return;
    if (again->is_http2() || again->wire->is_tls_broken()) {
        again->wire->on_peer_closed(true);
        (void)poll_link(*again);
        return;
    }
    if (exchanges_.find(again->exchange) == nullptr) {
        link_lost(*again, close_reason::peer_error);
        return;
    }
    attempt_failed(*again, errc::peer_reset,
                   "The peer reset the connection while the request was being written.", true);
}

}  // namespace hearth::detail
