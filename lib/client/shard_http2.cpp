// shard, HTTP/2 connections: many exchanges on one link, what becomes of those whose stream fails,
// and whether the peer lives.
//
// Exchanges of a link are in `link::streams`. One whose request the peer certainly did not process
// (REFUSED_STREAM, GOAWAY) moves: it goes back to core, which finds it a connection. The first move
// is free, the others draw on the origin's budget. When a connection breaks, core is told first
// that it takes no more exchanges, then how each of its exchanges ended; with the last core closes
// it.
//
// PINGs: one is on its way at a time. It tells that resets have been seen (it leaves behind them),
// measures the round trip for the sizes of windows, and asks a silent peer for a sign of life.
#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"
#include "core/retry_policy.hpp"

namespace hearth::detail {

namespace {

// Between two pings that only measure.
constexpr std::chrono::seconds ping_interval{1};

proto::h2_allowance allowance(std::uint32_t frames) { return {frames, frames / 10}; }

proto::h2_settings http2_settings(const config& values) {
    proto::h2_settings settings;
    const http2_flood_config& floods = values.http2_floods;
    settings.settings_frames = allowance(floods.settings);
    settings.pings = allowance(floods.pings);
    settings.stray_resets = allowance(floods.stray_resets);
    settings.window_updates = allowance(floods.window_updates);
    settings.priorities = allowance(floods.priorities);
    settings.empty_data = allowance(floods.empty_data);
    settings.other_frames = allowance(floods.other_frames);
    settings.max_pending_acks = floods.pending_acks;
    settings.max_settings_entries = floods.settings_entries;
    settings.max_continuations = floods.continuations;
    settings.max_header_block_bytes = floods.header_block_bytes;
    settings.decoder_table_bytes = floods.header_table_bytes;
    settings.max_header_bytes = values.http2.max_header_bytes;
    settings.max_header_count = values.http2.max_header_count;
    settings.max_informational = values.http1.max_informational;
    settings.assumed_max_streams = values.http2.assumed_streams;
    settings.initial_stream_window = values.http2.initial_stream_window;
    settings.max_window = values.http2.max_window;
    // What arrives is given back to the connection at once, so that its window holds no memory.
    // Servers have bugs where it runs out: node may then end a response by RST_STREAM(NO_ERROR)
    // without END_STREAM.
    settings.initial_connection_window = values.http2.max_window;
    settings.send_buffer_bytes = values.io.send_buffer;
    return settings;
}

void send_ping(link& l, base::time_point now) {
    l.ping_pending = true;
    l.pinged = now;
    l.resets_pinged = std::exchange(l.resets_unseen, 0);
    l.wire->http2()->send_ping(++l.pings);
}

}  // namespace

void shard::begin_http2(link& l) {
    l.wire->use_http2(http2_settings(config_));
    l.heard = now_;
    l.refilled = now_;
    touch(l);
}

/// `x` is on `l` from now on.
void shard::carry(link& l, live_exchange& x) {
    end_bulk(l);
    if (!l.is_http2()) {
        l.exchange = x.id;
        return;
    }
    if (l.streams.empty()) l.heard = now_;  // nobody listened before
    x.place = static_cast<std::uint32_t>(l.streams.size());
    l.streams.push_back(x.id);
    watch(l);
}

void shard::let_go(link& l, const live_exchange& x) {
    if (l.exchange == x.id) l.exchange = {};
    if (x.place >= l.streams.size() || l.streams[x.place] != x.id) return;
    const exchange_id last = l.streams.back();
    l.streams[x.place] = last;
    l.streams.pop_back();
    if (live_exchange* moved = exchanges_.find(last)) moved->place = x.place;
}

/// False: the link is gone, or going.
bool shard::on_http2_event(link& l, proto::event& e) {
    live_exchange* x = exchanges_.find(e.exchange);
    switch (e.kind) {
        case proto::event_kind::error:
            if (x != nullptr) stream_failed(l, *x, e);
            if (e.exchange.is_valid()) return true;
            fail_streams(l, e.error, e.detail);
            return http2_broke(l);
        case proto::event_kind::informational:
            if (x != nullptr) on_informational(*x, e);
            return true;
        case proto::event_kind::proceed:
            if (x != nullptr && x->stage == exchange_stage::assigned) release_body(*x, l);
            return true;
        case proto::event_kind::head:
            if (x != nullptr && !try_elsewhere(*x, l, *e.head)) on_head(*x, l, e);
            return true;
        case proto::event_kind::data:
            if (x == nullptr) return true;
            x->received += e.data.size();
            (void)on_data(*x, l, e.data);
            if ((x = exchanges_.find(e.exchange)) != nullptr) credit(*x, l);
            return true;
        case proto::event_kind::trailers:
            if (x != nullptr) x->result.trailers = std::move(*e.fields);
            return true;
        case proto::event_kind::end:
            if (x == nullptr) return true;
            if (l.wire->is_raw(x->id)) l.wire->finish_body(x->id, {});
            on_end(*x, l, true);
            return true;
        case proto::event_kind::goaway:
            if (e.http2_code != 0 && l.served != 0) {
                note_dial_failure(l, phase::first_byte, errc::peer_closed, std::string(e.detail));
            }
            core_.on_draining(now_, l.id);
            return true;
        case proto::event_kind::settings:
            core_.on_streams_changed(now_, l.id, l.wire->http2()->max_streams());
            begin_awaiting(l);
            return true;
        case proto::event_kind::pong:
            if (e.value == l.pings) on_pong(l);
            return true;
        case proto::event_kind::writable:
            if (x == nullptr || x->stage != exchange_stage::assigned) return true;
            if (x->control && x->control->write && !x->control->raw_write.empty()) {
                write_raw(*x->control, l, x->control->raw_write);
            } else {
                pump_request(*x, l);
            }
            return true;
        case proto::event_kind::none: return true;
    }
    return true;
}

void shard::on_pong(link& l) {
    l.ping_pending = false;
    const std::uint32_t seen = std::exchange(l.resets_pinged, 0);
    if (seen != 0) core_.on_resets_seen(now_, l.id, seen);
    if (l.resets_unseen != 0) touch(l);  // for another ping
}

/// A stream has ended without its response; its connection may go on.
void shard::stream_failed(link& l, live_exchange& x, const proto::event& e) {
    const exchange_id id = x.id;
    const bool has_broken = l.wire->http2()->is_failed() || l.wire->is_ended();
    if (has_broken && !std::exchange(l.closing, true)) core_.on_draining(now_, l.id);
    let_go(l, x);
    core_.on_exchange_done(now_, l.id, id, core::exchange_outcome::refused);
    if (x.stage == exchange_stage::detached) {
        end_exchange(id);
        return;
    }
    const bool lost = e.error == errc::peer_closed || e.error == errc::peer_truncated;
    if (move_exchange(x, l, e.is_unprocessed, lost)) return;
    errc code = e.error;
    if (code == errc::peer_closed && l.wire->was_reset()) code = errc::peer_reset;
    failure& why = x.result.failure;
    why.bytes_sent = l.driver.bytes_sent - x.sent_before;
    why.bytes_received = x.received;
    why.maybe_processed |= !e.is_unprocessed && why.bytes_sent != 0;
    if (l.closing) x.shares_failure = std::exchange(l.failure_told, true);
    if (l.closing && !x.shares_failure) note_lost(l);
    describe_failure(x, code, std::string(e.detail));
    complete_exchange(id, code);
}

/// Tries an exchange whose stream failed again where that is safe. False: it has failed.
bool shard::move_exchange(live_exchange& x, link& l, bool is_unprocessed, bool lost) {
    if (closed_) return false;
    if (is_unprocessed) {
        origin_entry& origin = origins_[x.origin.index];
        if (x.moves >= max_moves) return false;
        if (x.moves != 0 && !origin.budget.take(now_, extra_work_of(origin))) return false;
        if (!x.body.rewind()) return false;
        ++x.moves;
        wait_again(x, false);
        return true;
    }
    core::attempt_facts facts;
    facts.connection_reused = x.connection_reused;
    facts.connection_lost = lost;
    facts.request_reached_kernel = l.driver.bytes_sent != x.sent_before;
    facts.response_begun = x.response_begun;
    facts.idempotent = x.what.idempotent.value_or(x.what.method.is_idempotent());
    facts.body_replayable = x.body.is_replayable();
    facts.stale_retries = x.stale_retries;
    const auto verdict = core::judge_attempt(facts, config_.retry.stale_connection);
    const bool has_other = x.twin.is_valid();  // the other of a hedged pair goes on instead
    if (verdict != core::retry_verdict::again_fresh || has_other || !x.body.rewind()) return false;
    ++x.stale_retries;
    ++origins_[x.origin.index].stale_retries;
    x.result.failure.maybe_processed |= facts.request_reached_kernel;
    wait_again(x, true);
    return true;
}

/// After 421 (Misdirected Request) an exchange is tried once on a fresh connection (RFC 9110
/// 15.5.20). False: the answer is the caller's.
bool shard::try_elsewhere(live_exchange& x, link& l, const response_head& head) {
    if (head.status != 421 || x.was_misdirected || x.stage != exchange_stage::assigned)
        return false;
    if (closed_ || x.twin.is_valid() || !x.body.rewind()) return false;
    x.was_misdirected = true;
    l.wire->http2()->reset(x.id, proto::h2_error_code::cancel);
    touch(l);
    let_go(l, x);
    core_.on_exchange_done(now_, l.id, x.id, core::exchange_outcome::refused);
    wait_again(x, true);
    return true;
}

// Extended CONNECT (RFC 8441): the peer's SETTINGS allow it, and have to be here first.

/// True: `x` may be sent. Otherwise it waits for SETTINGS, or has failed.
bool shard::await_extended_connect(live_exchange& x, link& l) {
    if (!l.is_http2()) {
        fail_unbegun(x, l, errc::unsupported_by_peer, "The peer speaks HTTP/1.1.");
        return false;
    }
    const proto::h2_engine& engine = *l.wire->http2();
    x.awaits_settings = !engine.has_peer_settings();
    if (x.awaits_settings) {
        set_phase(x, x.id, config_.timeouts.first_byte, errc::first_byte_timeout);
        return false;
    }
    if (engine.allows_extended_connect()) return true;
    fail_unbegun(x, l, errc::unsupported_by_peer,
                 "The peer's SETTINGS do not allow extended CONNECT (RFC 8441 3).");
    return false;
}

/// The SETTINGS that exchanges of a link waited for are here.
void shard::begin_awaiting(link& l) {
    const std::vector<exchange_id> all = l.streams;
    for (const exchange_id id : all) {
        live_exchange* x = exchanges_.find(id);
        if (x == nullptr || !std::exchange(x->awaits_settings, false)) continue;
        end_phase(*x, id);
        if (await_extended_connect(*x, l)) begin_request(*x, l);
    }
}

/// Ends an exchange of which nothing was sent on the connection it has.
void shard::fail_unbegun(live_exchange& x, link& l, boost::system::error_code error,
                         std::string detail) {
    const exchange_id id = x.id;
    const auto outcome =
        l.is_http2() ? core::exchange_outcome::refused : core::exchange_outcome::reusable;
    describe_failure(x, error, std::move(detail));
    let_go(l, x);
    core_.on_exchange_done(now_, l.id, id, outcome);
    complete_exchange(id, error);
}

/// Fails whatever the connection still carries.
void shard::fail_streams(link& l, errc code, std::string_view detail) {
    if (l.streams.empty()) return;
    if (!std::exchange(l.closing, true)) core_.on_draining(now_, l.id);
    proto::event e;
    e.kind = proto::event_kind::error;
    e.error = code;
    const std::string kept(detail);
    e.detail = kept;
    const std::vector<exchange_id> all = l.streams;
    for (const exchange_id id : all) {
        if (live_exchange* x = exchanges_.find(id)) stream_failed(l, *x, e);
    }
}

/// The connection has failed and carries nothing any more. Always false.
bool shard::http2_broke(link& l) {
    if (l.closing) return false;  // core closes it
    (void)l.wire->flush();        // GOAWAY says why
    (void)l.driver.write(l.wire->output());
    link_lost(l, close_reason::peer_error);
    return false;
}

/// Core wants the stream of a cancelled exchange reset.
void shard::perform_reset(const core::action& action) {
    link* l = find_link(action.connection);
    end_exchange(action.exchange);
    if (l == nullptr || !l->is_http2()) return;
    l->wire->http2()->reset(action.exchange, proto::h2_error_code::cancel);
    ++l->resets_unseen;
    touch(*l);
}

/// Gives back to the stream's window what its caller has taken.
void shard::credit(live_exchange& x, link& l) {
    if (x.stage != exchange_stage::assigned) return;
    const std::uint64_t held = x.control ? x.control->unread.size() : 0;
    const std::uint64_t taken = x.received - std::min(held, x.received);
    if (taken <= x.credited) return;
    l.wire->http2()->consume(x.id, taken - x.credited);
    x.credited = taken;
    if (l.wire->wants_flush()) touch(l);  // mostly the window is large enough as it is
}

// Pings.

void shard::before_flush(link& l) {
    proto::h2_engine& engine = *l.wire->http2();
    if (l.ping_pending || engine.is_failed()) return;
    const bool measures = engine.wants_ping() && now_ - l.pinged >= ping_interval;
    if (l.resets_unseen == 0 && !measures) return;
    if (l.resets_unseen != 0) (void)l.wire->flush();  // a ping would overtake them
    send_ping(l, now_);
}

void shard::heard_from(link& l) {
    if (!l.is_http2()) return;
    l.heard = now_;
    const auto passed = std::chrono::duration_cast<std::chrono::seconds>(now_ - l.refilled);
    if (passed.count() > 0) {
        l.refilled = now_;
        l.wire->http2()->on_time_passed(
            static_cast<std::uint32_t>(std::min<std::int64_t>(passed.count(), 3600)));
    }
    if (std::exchange(l.in_doubt, false)) core_.on_doubt(now_, l.id, false);
}

void shard::watch(link& l) {
    if (l.timer != 0) return;
    link_times_.set(l.timer, base::after(l.heard, config_.http2.ping_after), l.id);
}

/// Looks whether the peer of a connection with streams lives.
void shard::on_link_time(connection_id id) {
    link* l = find_link(id);
    if (l == nullptr) return;
    l->timer = 0;
    if (l->streams.empty() || l->closing) return;  // watched again when it carries something
    if (l->in_doubt) {
        const base::time_point end = base::after(l->pinged, config_.http2.ping_timeout);
        if (end > now_) return link_times_.set(l->timer, end, id);
        fail_streams(*l, errc::peer_closed,
                     "The peer gave no sign of life (no octet came, no PING was answered).");
        return;
    }
    if (base::after(l->heard, config_.http2.ping_after) > now_) return watch(*l);
    l->in_doubt = true;
    if (!l->ping_pending) send_ping(*l, now_);
    l->pinged = now_;
    touch(*l);
    link_times_.set(l->timer, base::after(now_, config_.http2.ping_timeout), id);
    core_.on_doubt(now_, id, true);
}

}  // namespace hearth::detail
