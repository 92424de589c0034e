// shard, the gate before the pool: which calls may go to their origin now, which are held, and what
// the end of each teaches the breaker and the limits.
#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

using boost::system::error_code;

namespace {

// How often the thread's lateness is looked at while there are exchanges.
constexpr milliseconds beat{50};

std::string text_of(base::duration value) {
    const auto ms = std::chrono::ceil<milliseconds>(value).count();
    return std::to_string(ms) + " ms";
}

/// Failures that say something about the origin: it could not be reached, or broke the exchange.
bool is_origins_fault(error_code error) {
    if (error.category() != error_category()) return false;
    switch (static_cast<errc>(error.value())) {
        case errc::name_not_found:
        case errc::name_failed:
        case errc::name_timeout:
        case errc::connect_failed:
        case errc::connect_timeout:
        case errc::handshake_failed:
        case errc::handshake_timeout:
        case errc::certificate_rejected:
        case errc::first_byte_timeout:
        case errc::body_idle_timeout:
        case errc::throughput_timeout:
        case errc::peer_closed:
        case errc::peer_reset:
        case errc::peer_truncated:
        case errc::peer_protocol_error:
        case errc::peer_tls_error: return true;
        default: return false;
    }
}

}  // namespace

core::admission_rules shard::admission_rules() const {
    return {config_.breaker, config_.rate_limit, config_.concurrency, config_.pool.max_waiters};
}

std::unique_ptr<core::admission> shard::make_admission() {
    const core::admission_rules rules = admission_rules();
    return rules.any() ? std::make_unique<core::admission>(rules, random_.next()) : nullptr;
}

base::time_point shard::deadline_of(const request& what, base::time_point started) const {
    if (what.deadline) return *what.deadline;
    return config_.timeouts.total ? base::after(started, *config_.timeouts.total) : base::never;
}

/// Ends a call that core refuses at once: for less than it takes to begin an exchange, because this
/// happens where there are more calls than there is CPU.
bool shard::turn_away(call& from) {
    if (!from.send || from.flow || from.not_before > now_) return false;
    const base::time_point deadline = deadline_of(from.what, from.started);
    if (deadline == base::never) return false;
    const origin_id id = origin_of(from.what, *from.where);
    // They have the first word.
    const double reported = settings_.reported_load ? settings_.reported_load->load() : 0.0;
    if (load_.sheds(now_, from.what.priority_class, reported)) return false;
    if (origins_[id.index].gate) return false;
    const core::refusal refusal = core_.ask(now_, id, deadline);
    from.is_let_in = refusal.failure == core::wait_failure::none;
    if (from.is_let_in) return false;
    const error_code error = error_of(refusal.failure, id);
    failure why;
    why.phase = phase::queue;
    why.origin = origins_[id.index].name;
    why.dial_error = origins_[id.index].dial_error;
    why.dial_detail = origins_[id.index].dial_detail;
    if (refusal.failure == core::wait_failure::would_miss_deadline) {
        why.detail = missed_detail(id, from.started, deadline, refusal);
    } else if (refusal.failure == core::wait_failure::shed) {
        why.detail.reserve(240);
        why.detail =
            "More calls come than can be answered in time, and this one was not let in to ";
        why.detail += "wait; ";
        why.detail += queue_detail(id);
    } else {
        why.detail = error.message();
    }
    refuse(std::move(from), error, std::move(why));
    return true;
}

/// Lets a call to the pool, holds it, or refuses it.
void shard::admit(live_exchange& x, exchange_id id) {
    const double reported = settings_.reported_load ? settings_.reported_load->load() : 0.0;
    // A hedge is worth no wait.
    const priority_class priority = x.is_hedge ? priority_class::sheddable : x.what.priority_class;
    if (load_.sheds(now_, priority, reported)) {
        ++origins_[x.origin.index].load_refused;
        describe_failure(x, errc::overloaded, "The client sheds load: the process is too busy.");
        complete_exchange(id, errc::overloaded);
        return;
    }
    origin_entry& origin = origins_[x.origin.index];
    if (!origin.gate) {
        acquire(x, false);
        return;
    }
    const auto answer = origin.gate->ask(now_, id, priority);
    if (answer.verdict == core::admission_verdict::held) {
        x.held = true;
        set_timer(x, id);
        arm_gate(x.origin);
        return;
    }
    on_admission(id, answer);
}

void shard::on_admission(exchange_id id, const core::admission_answer& answer) {
    live_exchange& x = exchanges_[id];
    if (std::exchange(x.held, false)) {
        exchange_times_.remove(x.timer);
        x.timer_at = base::never;
    }
    if (answer.verdict == core::admission_verdict::refused) {
        refuse_admission(x, id, answer);
        return;
    }
    x.admitted = true;
    x.ticket = answer.ticket;
    acquire(x, false);
}

void shard::refuse_admission(live_exchange& x, exchange_id id,
                             const core::admission_answer& answer) {
    origin_entry& origin = origins_[x.origin.index];
    errc code = errc::overloaded;
    std::string detail;
    switch (answer.refusal) {
        case core::admission_refusal::none: break;
        case core::admission_refusal::breaker: {
            code = errc::breaker_open;
            ++origin.breaker_refused;
            const core::breaker& circuit = origin.gate->circuit();
            detail = "The breaker of " + origin.name + " has opened after " +
                     std::to_string(circuit.failures()) + " failures in " +
                     std::to_string(circuit.results()) + " results";
            if (!origin.last_failure.empty()) detail += " (the last: " + origin.last_failure + ")";
            detail += answer.again_at > now_
                          ? "; it stays open for another " + text_of(answer.again_at - now_) + "."
                          : "; it probes now.";
            break;
        }
        case core::admission_refusal::rate:
            code = errc::rate_limited;
            ++origin.rate_refused;
            detail = "The rate limit of " + origin.name + " has no place for another " +
                     text_of(answer.again_at - now_) + ".";
            break;
        case core::admission_refusal::concurrency:
            ++origin.concurrency_refused;
            detail = "No place among the " + std::to_string(origin.gate->limit().value_or(0)) +
                     " exchanges that " + origin.name + " is given at once, for " +
                     text_of(now_ - x.started) + "; " + std::to_string(origin.gate->held()) +
                     " others wait for one.";
            break;
    }
    if (answer.again_at != base::never) {
        x.result.failure.again_at = std::max(answer.again_at, now_);
    }
    describe_failure(x, code, std::move(detail));
    complete_exchange(id, code);
}

/// An attempt has ended, or a streamed one has its head: its place is free.
void shard::end_admission(live_exchange& x, error_code error) {
    if (!std::exchange(x.admitted, false)) return;
    origin_entry& origin = origins_[x.origin.index];
    core::attempt_result result = result_of(x, error);
    if (end_vote(x, result)) {
        // Was it all the address's fault? The origin's breaker sees what the others do.
        origin.gate->forget_failures();
        result = core::attempt_result::unknown;
    }
    const bool was_slow = x.assigned != base::never && x.head_at == base::never &&
                          (error == errc::deadline_exceeded || error == errc::first_byte_timeout);
    if (was_slow) origin.gate->sample(now_, x.assigned);
    origin.gate->end(now_, x.ticket, result);
    if (result == core::attempt_result::failure) {
        origin.last_failure = error ? error.message() : "status " + std::to_string(x.result.status);
    }
    if (origin.gate->held() != 0) unserved_.push_back(x.origin);
}

core::attempt_result shard::result_of(const live_exchange& x, error_code error) const {
    using core::attempt_result;
    if (!error) {
        const auto& bad = config_.breaker.statuses;
        return std::find(bad.begin(), bad.end(), x.result.status) != bad.end()
                   ? attempt_result::failure
                   : attempt_result::success;
    }
    if (x.shares_failure) return attempt_result::unknown;
    if (is_origins_fault(error)) return attempt_result::failure;
    if (error == errc::deadline_exceeded || error == errc::queue_timeout) {
        if (x.assigned != base::never) return attempt_result::failure;
        // Never on a connection: the origin's fault if dials to it fail, else our own queue.
        if (origins_[x.origin.index].dial_error) return attempt_result::failure;
    }
    return attempt_result::unknown;
}

/// Lets in who was held and can go now. True: something happened.
bool shard::serve_held() {
    if (unserved_.empty()) return false;
    std::vector<origin_id> origins;
    origins.swap(unserved_);
    const auto is_there = [this](exchange_id id) {
        const live_exchange* x = exchanges_.find(id);
        return x != nullptr && x->held;
    };
    for (const origin_id id : origins) {
        core::admission& gate = *origins_[id.index].gate;
        while (const auto next = gate.next(now_, is_there)) {
            if (is_there(next->exchange)) on_admission(next->exchange, next->answer);
        }
        arm_gate(id);
    }
    return true;
}

void shard::arm_gate(origin_id id) {
    origin_entry& origin = origins_[id.index];
    gate_times_.set(origin.gate_timer, origin.gate->next_time(now_), id);
}

/// When the timer must fire for gates and for the look at our own lateness.
base::time_point shard::next_gate_time() {
    if (load_.measures_lag() && beat_at_ == base::never && calls_ != completed_) {
        beat_at_ = now_ + beat;
    }
    return std::min(gate_times_.next(), beat_at_);
}

void shard::on_gate_time() {
    if (beat_at_ <= now_) {
        load_.on_lag(now_, now_ - beat_at_);
        beat_at_ = base::never;
    }
    origin_id id;
    while (gate_times_.pop_due(now_, id)) {
        origins_[id.index].gate_timer = 0;
        unserved_.push_back(id);
    }
}

void shard::on_held_time(exchange_id id) {
    live_exchange& x = exchanges_[id];
    if (x.deadline > now_) {
        set_timer(x, id);
        return;
    }
    describe_failure(x, errc::deadline_exceeded,
                     "The deadline passed while the exchange was held by a limit of its origin.");
    complete_exchange(id, errc::deadline_exceeded);
}

void shard::add_gate_stats(const origin_entry& entry, origin_stats& out) const {
    out.load_refused = entry.load_refused;
    out.hedges = entry.hedges;
    out.hedges_won = entry.hedges_won;
    out.hedges_withheld = entry.hedges_withheld;
    if (!entry.gate) return;
    out.breaker = entry.gate->circuit().state(now_);
    out.concurrency_limit = entry.gate->limit().value_or(0);
    out.held = entry.gate->held();
    out.breaker_opened = entry.gate->circuit().times_opened();
    out.breaker_refused = entry.breaker_refused;
    out.rate_refused = entry.rate_refused;
    out.concurrency_refused = entry.concurrency_refused;
}

}  // namespace hearth::detail
