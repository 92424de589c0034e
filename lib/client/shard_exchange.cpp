// shard, exchanges: from a call to its completion.
#include <algorithm>
#include <boost/asio/error.hpp>
#include <charconv>
#include <new>
#include <utility>

#include "base/assert.hpp"
#include "client/send_flow.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"
#include "core/retry_policy.hpp"

namespace hearth::detail {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

std::string text_of(base::duration value) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(value).count();
    return std::to_string(ms) + " ms";
}

/// The `timeout` parameter of Keep-Alive, in seconds. Servers send it; no RFC of HTTP/1.1 has it.
std::optional<base::duration> keep_alive_of(const headers& fields) {
    const auto value = fields.find("keep-alive");
    if (!value) return {};
    const std::size_t at = value->find("timeout=");
    if (at == std::string_view::npos) return {};
    std::uint32_t seconds = 0;
    const char* const first = value->data() + at + std::string_view("timeout=").size();
    const auto [end, bad] = std::from_chars(first, value->data() + value->size(), seconds);
    if (bad != std::errc{}) return {};
    return std::chrono::seconds(seconds);
}

/// A user's callback for a 1xx response, called after the turn.
class informational_call final : public pending_call {
public:
    informational_call(std::function<void(unsigned, const headers&)> callback, unsigned status,
                       headers fields)
        : callback_(std::move(callback)), status_(status), fields_(std::move(fields)) {}
    void run(call_ptr /*self*/) override {
        run_own([&] { callback_(status_, fields_); });
    }

private:
    std::function<void(unsigned, const headers&)> callback_;
    unsigned status_;
    headers fields_;
};

/// The octets of body that a response head announces; 0 if it does not, or none can come.
std::uint64_t announced_body(const live_exchange& x) {
    if (x.what.method == method::head || x.result.status == 204 || x.result.status == 304) return 0;
    const auto text = x.result.headers.find("content-length");
    std::uint64_t size = 0;
    if (text) (void)std::from_chars(text->data(), text->data() + text->size(), size);
    return size;
}

}  // namespace

void shard::begin(call&& from, const std::shared_ptr<cancel_handle>& handle) {
    try {
        begin_call(from, handle);
    } catch (const std::bad_alloc&) {
        refuse_starved(from);
        throw;
    }
}

void shard::begin_call(call& from, const std::shared_ptr<cancel_handle>& handle) {
    if (places_) {
        if (send_elsewhere(from, handle)) return;
        places_->count_call(from.slot);
    }
    const bool may_begin = !closed_ && !draining_ && !is_starved_ && !(handle && handle->cancelled);
    if (may_begin && turn_away(from)) return;
    const base::time_point not_before = from.not_before;
    const exchange_id id = exchanges_.emplace(std::move(from));
    ++calls_;
    live_exchange& x = exchanges_[id];
    x.id = id;
    if (handle) {
        handle->exchange = id;
        x.cancellation = handle;
    }
    error_code refused;
    if (is_starved_) refused = errc::out_of_memory;
    if (closed_) refused = errc::client_closed;
    if (!refused && draining_) refused = errc::client_draining;
    if (handle && handle->cancelled) refused = asio::error::operation_aborted;
    x.deadline = deadline_of(x.what, x.started);
    if (!refused && x.deadline <= now_) refused = errc::deadline_exceeded;
    if (refused) {
        describe_failure(x, refused);
        complete_exchange(id, refused);
        return;
    }
    x.origin = origin_of(x.what, *x.where);
    ++origins_[x.origin.index].exchanges;
    touch(x.origin);
    if (x.what.method == method::connect && is_forwarded(origins_[x.origin.index].key)) {
        refused = errc::invalid_method;
        describe_failure(x, refused, "CONNECT cannot be forwarded to an http origin by a proxy.");
        complete_exchange(id, refused);
        return;
    }
    if (!x.flow || x.flow->attempt() == 1) origins_[x.origin.index].budget.on_request(now_);
    if (not_before > now_) {
        x.resume_at = not_before;
        set_timer(x, id);
        return;
    }
    admit(x, id);
}

void shard::refuse(call&& from, error_code error, failure why) {
    ++calls_;
    ++completed_;
    if (from.open) {
        complete<error_code, exchange>(std::move(from.open), error, exchange());
        return;
    }
    if (from.reserve) {
        complete<error_code, reserved_connection>(std::move(from.reserve), error,
                                                  reserved_connection());
        return;
    }
    response result;
    result.failure = std::move(why);
    result.timings.total = now_ - from.started;
    complete<error_code, response>(std::move(from.send), error, std::move(result));
}

/// Of a call that has not become an exchange, for lack of memory.
void shard::refuse_starved(call& from) noexcept {
    if (!from.send && !from.open && !from.reserve) return;
    failure why;
    why.phase = phase::queue;
    if (from.flow) from.flow->report({});
    refuse(std::move(from), errc::out_of_memory, std::move(why));
}

void shard::cancel(const std::shared_ptr<cancel_handle>& handle, bool only_unsent) {
    if (const std::shared_ptr<cancel_handle>& next = handle->next) {
        next->owner->submit_late(
            [next = next, only_unsent] { next->owner->cancel(next, only_unsent); });
        return;
    }
    live_exchange* x = exchanges_.find(handle->exchange);
    if (x == nullptr || x->cancellation != handle) {
        handle->cancelled = true;
        return;
    }
    if (x->stage == exchange_stage::detached) return;
    if (only_unsent && x->stage == exchange_stage::assigned) return;
    const exchange_id id = handle->exchange;
    if (x->stage == exchange_stage::assigned) {
        fail_assigned(id, asio::error::operation_aborted, "The caller cancelled the exchange.");
        return;
    }
    if (!x->held && x->resume_at == base::never) core_.cancel(now_, id);
    describe_failure(*x, asio::error::operation_aborted, "The caller cancelled the exchange.");
    complete_exchange(id, asio::error::operation_aborted);
}

error_code shard::error_of(core::wait_failure failure, origin_id origin) const {
    switch (failure) {
        case core::wait_failure::none: break;
        case core::wait_failure::queue_full: return errc::queue_full;
        case core::wait_failure::queue_timeout: return errc::queue_timeout;
        case core::wait_failure::deadline: return errc::deadline_exceeded;
        case core::wait_failure::would_miss_deadline: return errc::would_miss_deadline;
        case core::wait_failure::shed: return errc::overloaded;
        case core::wait_failure::dial: {
            const error_code error = origins_[origin.index].dial_error;
            return error ? error : error_code(errc::connect_failed);
        }
        case core::wait_failure::descriptor_limit: return errc::descriptor_limit;
        case core::wait_failure::draining: return errc::client_draining;
    }
    return errc::internal;
}

void shard::perform_fail(const core::action& action) {
    live_exchange* x = exchanges_.find(action.exchange);
    if (x == nullptr) return;
    const error_code error = error_of(action.failure, x->origin);
    std::string detail;
    if (action.failure == core::wait_failure::would_miss_deadline) {
        const base::duration needed(static_cast<base::duration::rep>(action.value));
        detail = missed_detail(x->origin, x->started, x->deadline,
                               {action.failure, needed, action.count});
    }
    describe_failure(*x, error, std::move(detail));
    if (action.failure == core::wait_failure::dial) {
        const origin_entry& origin = origins_[x->origin.index];
        x->result.failure.phase = origin.dial_phase;
        x->result.failure.detail = origin.dial_detail;
    }
    complete_exchange(action.exchange, error);
}

// On a connection.

/// The connection was lost in the turn in which core gave it the exchange: nothing was sent.
void shard::assigned_too_late(live_exchange& x) {
    if (x.moves < max_moves) {
        ++x.moves;
        wait_again(x, false);
        return;
    }
    describe_failure(x, errc::peer_closed,
                     "The peer ended one connection after the other before anything was sent.");
    complete_exchange(x.id, errc::peer_closed);
}

void shard::assign(exchange_id id, connection_id connection) {
    live_exchange* found = exchanges_.find(id);
    link* l = find_link(connection);
    HEARTH_ASSERT(found != nullptr);
    if (found == nullptr) return;
    live_exchange& x = *found;
    if (l == nullptr) return assigned_too_late(x);
    x.stage = exchange_stage::assigned;
    x.connection = connection;
    x.assigned = now_;
    load_.on_queue_delay(now_, now_ - x.started);
    ++x.result.attempts;
    ++l->served;
    carry(*l, x);
    x.sent_before = l->driver.bytes_sent;
    fill_connection(x, *l);
    if (x.reserve) return hand_over(x, *l);
    x.vote = l->addresses.vote(now_);
    if (!x.what.connect_protocol.empty() && !await_extended_connect(x, *l)) return;
    arm_hedge(x);
    begin_request(x, *l);
}

// Receiving.

void shard::on_informational(live_exchange& x, proto::event& e) {
    if (x.stage != exchange_stage::assigned || !x.what.on_informational) return;
    handlers_.push(std::make_unique<informational_call>(x.what.on_informational, e.head->status,
                                                        std::move(e.head->headers)));
}

void shard::on_head(live_exchange& x, link& l, proto::event& e) {
    x.response_begun = true;
    x.head_at = now_;
    core_.on_first_byte(now_, l.id, x.id);
    l.addresses.answer();
    if (x.stage != exchange_stage::assigned) return;
    if (x.admitted) origins_[x.origin.index].gate->sample(now_, x.assigned);
    if ((x.may_hedge || x.twin.is_valid()) && !settle_hedge(x, x.id, e.head->status)) return;
    begin_rate(x, x.id, config_.timeouts.min_receive_rate);
    x.result.timings.first_byte = now_ - x.assigned;
    x.result.status = e.head->status;
    x.result.version = e.head->version;
    if (!l.is_http2()) {
        const auto patience = keep_alive_of(e.head->headers);
        if (patience) core_.on_keep_alive(now_, l.id, *patience);
    }
    if (!start_decoding(x, *e.head)) return;
    if (x.body_held && e.head->status != 101) {
        x.continue_at = base::never;  // a final answer: the body is not sent any more
    }
    if (x.control) {
        end_admission(x, {});
        e.head->connection = x.result.connection;
        x.control->head_ready = std::move(*e.head);
        if (x.control->head) {
            x.control->head_taken = true;
            complete<error_code, response_head>(std::move(x.control->head), error_code{},
                                                std::move(*x.control->head_ready));
        }
        if (x.request_complete) end_phase(x, x.id);
        return;
    }
    x.result.reason = std::move(e.head->reason);
    x.result.headers = std::move(e.head->headers);
    x.result.decoded_from = std::move(e.head->decoded_from);
    set_phase(x, x.id, config_.timeouts.body_idle, errc::body_idle_timeout);
    // What is announced to be too large is not waited for.
    const std::uint64_t limit = x.what.max_body_bytes.value_or(config_.max_body_bytes);
    if (!x.decoding && announced_body(x) > limit) fail_body_limit(x.id, limit);
}

void shard::fail_body_limit(exchange_id id, std::uint64_t limit) {
    fail_assigned(
        id, errc::body_limit,
        "The response body is larger than the limit of " + std::to_string(limit) + " octets.");
}

/// False: the link is gone.
bool shard::on_data(live_exchange& x, link& l, std::span<const std::byte> data) {
    if (x.stage == exchange_stage::detached) {
        x.discarded += data.size();
        if (l.is_http2()) return true;  // its stream is reset, or goes on silently
        if (x.discarded <= x.discard_limit) return true;
        end_exchange(x.id);
        link_lost(l, close_reason::drain_limit);
        return false;
    }
    x.body_octets += data.size();
    x.result.transfer.received_copied += data.size();
    if (x.control) {
        deliver(*x.control, l, data);
        return true;
    }
    if (x.decoding) {
        decode_whole(x, data);
        return true;
    }
    const std::uint64_t limit = x.what.max_body_bytes.value_or(config_.max_body_bytes);
    if (data.size() > limit - x.result.body.size()) {
        fail_body_limit(x.id, limit);
        return true;
    }
    x.result.body.append(reinterpret_cast<const char*>(data.data()), data.size());
    set_phase(x, x.id, config_.timeouts.body_idle, errc::body_idle_timeout);
    return true;
}

void shard::on_end(live_exchange& x, link& l, bool reusable) {
    if (x.holder && x.stage == exchange_stage::assigned) return end_reserved(x, l, reusable);
    const exchange_id id = x.id;
    let_go(l, x);
    const auto& most = config_.pool.max_exchanges_per_connection;
    const bool is_worn = most && l.served >= *most;
    if (is_worn && !l.is_http2()) reusable = false;
    if (!reusable) l.closing = true;
    const auto outcome =
        reusable ? core::exchange_outcome::reusable : core::exchange_outcome::not_reusable;
    if (x.stage == exchange_stage::detached) {
        end_exchange(id);
    } else {
        if (x.head_at != base::never) x.result.timings.body = now_ - x.head_at;
        complete_exchange(id, end_decoding(x));
    }
    core_.on_exchange_done(now_, l.id, id, outcome);
    if (is_worn && l.is_http2()) core_.on_draining(now_, l.id);
}

// Failing.

/// The connection failed under its exchange: again on a fresh one where that is safe, else the end.
void shard::attempt_failed(link& l, errc code, std::string detail, bool lost) {
    const exchange_id id = std::exchange(l.exchange, exchange_id{});
    live_exchange& x = exchanges_[id];
    l.closing = true;
    // One that was reused may have been closed while it rested, which is nobody's fault.
    if (!(lost && x.connection_reused)) note_lost(l);
    core_.on_exchange_done(now_, l.id, id, core::exchange_outcome::failed);
    if (x.stage == exchange_stage::detached) {
        end_exchange(id);
        return;
    }
    core::attempt_facts facts;
    facts.connection_reused = x.connection_reused;
    facts.connection_lost = lost;
    facts.request_reached_kernel = l.driver.bytes_sent != x.sent_before;
    // Octets of HTTP, not of TLS: a close_notify or a ticket is no response.
    facts.response_begun = l.wire->engine().received() != 0;
    facts.idempotent = x.what.idempotent.value_or(x.what.method.is_idempotent());
    facts.body_replayable = x.body.is_replayable();
    facts.stale_retries = x.stale_retries;
    const auto verdict = core::judge_attempt(facts, config_.retry.stale_connection);
    // The other of a hedged pair goes on instead; a reserved connection has no other.
    const bool is_bound = x.twin.is_valid() || x.holder;
    if (verdict == core::retry_verdict::again_fresh && !is_bound && x.body.rewind()) {
        ++x.stale_retries;
        ++origins_[x.origin.index].stale_retries;
        x.result.failure.maybe_processed |= facts.request_reached_kernel;
        wait_again(x, true);
        return;
    }
    x.result.failure.bytes_sent = l.driver.bytes_sent - x.sent_before;
    x.result.failure.bytes_received = l.wire->engine().received();
    x.result.failure.maybe_processed |= facts.request_reached_kernel;
    describe_failure(x, code, std::move(detail));
    complete_exchange(id, code);
}

/// Sends an exchange to core once more.
void shard::wait_again(live_exchange& x, bool fresh) {
    (void)end_vote(x, core::attempt_result::unknown);
    exchange_times_.remove(x.timer);
    x.timer_at = base::never;
    x.phase_until = base::never;
    x.continue_at = base::never;
    x.hedge_at = base::never;
    x.rate_at = base::never;
    x.body_held = false;
    x.request_complete = false;
    x.more_to_send = false;
    x.received = 0;
    x.credited = 0;
    x.written = 0;
    x.awaits_settings = false;
    x.result.transfer = {};
    x.stage = exchange_stage::waiting;
    acquire(x, fresh);
}

/// Asks core for a connection; for one of a hedged pair rather not the other's.
void shard::acquire(live_exchange& x, bool fresh) {
    const live_exchange* twin = exchanges_.find(x.twin);
    const connection_id avoided = twin != nullptr ? twin->connection : connection_id{};
    core_.acquire(now_, {x.id, x.origin, x.deadline, fresh, avoided, x.reserve != nullptr,
                         std::exchange(x.is_let_in, false)});
}

/// Ends an exchange on our side: cancelled, late, too large. Core says what becomes of its
/// connection.
void shard::fail_assigned(exchange_id id, error_code error, std::string detail) {
    live_exchange& x = exchanges_[id];
    link& l = *find_link(x.connection);
    if (error == errc::first_byte_timeout) note_lost(l);
    if (x.awaits_settings) return fail_unbegun(x, l, error, std::move(detail));
    x.result.failure.bytes_sent = l.driver.bytes_sent - x.sent_before;
    x.result.failure.bytes_received = l.wire->received(id);
    x.result.failure.maybe_processed |= x.result.failure.bytes_sent != 0;
    describe_failure(x, error, std::move(detail));
    core::cancel_facts facts;
    facts.request_complete =
        x.request_complete && (!l.is_http2() || l.wire->http2()->request_complete(id));
    facts.response_delimited = !l.wire->engine().is_close_delimited() &&
                               !l.wire->engine().is_raw() && !l.paused && error != errc::body_limit;
    const connection_id connection = x.connection;
    x.stage = exchange_stage::detached;
    complete_exchange(id, error);
    core_.cancel_assigned(now_, connection, id, facts);
}

phase shard::phase_of(const live_exchange& x) const {
    if (x.stage == exchange_stage::waiting) {
        const origin_entry* origin = x.origin.is_valid() ? &origins_[x.origin.index] : nullptr;
        return origin != nullptr && origin->dialing != 0 ? origin->dialing_phase : phase::queue;
    }
    if (x.head_at != base::never) return phase::body;
    return x.request_complete ? phase::first_byte : phase::send;
}

/// What waits for an origin. Of many that fail together, which happens when there is least time for
/// it, it is looked up once in a millisecond.
const std::string& shard::queue_detail(origin_id id) {
    origin_entry& origin = origins_[id.index];
    if (origin.queue_text.empty() || now_ - origin.queue_text_at >= std::chrono::milliseconds(1)) {
        const origin_stats s = core_.stats(now_, id);
        origin.queue_text = std::to_string(s.waiting) +
                            " exchanges wait for this origin, which has " + std::to_string(s.open) +
                            " connections (" + std::to_string(s.idle) + " idle) and " +
                            std::to_string(s.dialing + s.handshaking) + " being dialled.";
        origin.queue_text_at = now_;
    }
    return origin.queue_text;
}

/// Why a waiter is waiting, in numbers.
std::string shard::waiting_detail(origin_id origin, base::time_point started) {
    std::string text;
    text.reserve(240);
    if (core_.lacks_descriptors()) text += "No file descriptor is left for more connections. ";
    text += "The exchange waited ";
    text += text_of(now_ - started);
    text += " for a connection; ";
    text += queue_detail(origin);
    return text;
}

std::string shard::missed_detail(origin_id origin, base::time_point started,
                                 base::time_point deadline, const core::refusal& why) {
    std::string text;
    text.reserve(400);
    text += "The deadline is ";
    text += text_of(deadline - now_);
    text += " away; the quickest answers of ";
    text += origins_[origin.index].name;
    text += " took ";
    text += text_of(why.needed * 100 / std::max<std::uint32_t>(why.margin_percent, 100));
    text += " of late";
    if (why.margin_percent > 100) {
        text += ", and because most of what is sent to it comes back late, ";
        text += text_of(why.needed);
        text += " must be left";
    }
    text += ". ";
    text += waiting_detail(origin, started);
    return text;
}

void shard::describe_failure(live_exchange& x, error_code error, std::string detail) {
    failure& why = x.result.failure;
    why.phase = phase_of(x);
    why.origin = x.origin.is_valid() ? origins_[x.origin.index].name : x.where->origin.to_string();
    why.attempt = x.result.attempts;
    if (detail.empty() && x.stage == exchange_stage::waiting && x.origin.is_valid()) {
        detail = waiting_detail(x.origin, x.started);
    }
    if (detail.empty()) detail = error.message();
    why.detail = std::move(detail);
    if (x.origin.is_valid()) {
        why.dial_error = origins_[x.origin.index].dial_error;
        why.dial_detail = origins_[x.origin.index].dial_detail;
    }
}

// Completing.

/// Gives the caller its result. A detached exchange stays until its connection is through with it.
void shard::complete_exchange(exchange_id id, error_code error) {
    live_exchange& x = exchanges_[id];
    if (x.twin.is_valid()) part_twins(x, error);
    // Not the lost attempt of a hedged pair, nor a reserved connection that nobody uses.
    if (x.send || x.open || x.control || x.reserve) ++completed_;
    if (x.holder) {
        x.holder->ended = error;
        x.holder->is_usable = false;
    }
    end_admission(x, error);
    exchange_times_.remove(x.timer);
    x.result.timings.total = now_ - x.started;
    if (x.control) {
        complete_streamed(x, error);
    } else if (x.open) {
        complete<error_code, exchange>(std::move(x.open), error, exchange());
    } else if (x.reserve) {
        complete<error_code, reserved_connection>(std::move(x.reserve), error,
                                                  reserved_connection());
    } else {
        if (x.flow) report_attempt(x, error);
        complete<error_code, response>(std::move(x.send), error, std::move(x.result));
    }
    if (x.stage != exchange_stage::detached) erase_exchange(id);
}

void shard::end_exchange(exchange_id id) {
    if (live_exchange* x = exchanges_.find(id)) {
        (void)end_vote(*x, core::attempt_result::unknown);
        exchange_times_.remove(x->timer);
        if (link* l = find_link(x->connection)) let_go(*l, *x);
        erase_exchange(id);
    }
}

// Time.

void shard::set_phase(live_exchange& x, exchange_id id, milliseconds patience, errc code) {
    x.phase_until = base::after(now_, patience);
    x.phase_timeout = code;
    set_timer(x, id);
}

void shard::end_phase(live_exchange& x, exchange_id id) {
    x.phase_until = base::never;
    set_timer(x, id);
}

/// Later times are not set at once: the timer that is set fires early and looks again.
void shard::set_timer(live_exchange& x, exchange_id id) {
    const base::time_point next = x.next_time();
    if (next >= x.timer_at) return;
    x.timer_at = next;
    exchange_times_.set(x.timer, next, id);
}

/// Whether octets of a body have left since this was asked last: windows that open by little are
/// no reason for `writable`.
bool shard::has_written(live_exchange& x) {
    const link& l = *find_link(x.connection);
    if (!l.is_http2()) return false;
    const std::uint64_t sent = l.wire->http2()->sent(x.id);
    return std::exchange(x.written, sent) != sent;
}

void shard::on_exchange_time(exchange_id id) {
    live_exchange* found = exchanges_.find(id);
    if (found == nullptr) return;
    live_exchange& x = *found;
    x.timer = 0;
    x.timer_at = base::never;
    if (x.resume_at != base::never) return on_pause_over(id);
    if (x.held) return on_held_time(id);
    if (x.stage != exchange_stage::assigned) return;
    if (x.rate_at <= now_ && !check_rate(x, id)) return;
    if (x.deadline <= now_) {
        fail_assigned(id, errc::deadline_exceeded, {});
        return;
    }
    if (x.phase_until <= now_) {
        if (x.phase_timeout == errc::write_timeout && has_written(x)) {
            return set_phase(x, id, config_.timeouts.write_stall, errc::write_timeout);
        }
        fail_assigned(id, x.phase_timeout, {});
        return;
    }
    if (x.continue_at <= now_) {
        x.continue_at = base::never;
        release_body(x, *find_link(x.connection));
        if (exchanges_.find(id) == nullptr) return;
    }
    if (x.hedge_at <= now_) on_hedge_time(id);
    set_timer(x, id);
}

}  // namespace hearth::detail
