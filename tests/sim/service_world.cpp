// The course of a service's calls, see service_world.hpp.
#include "sim/service_world.hpp"

#include <algorithm>
#include <functional>
#include <span>
#include <utility>

#include "base/assert.hpp"

namespace hearth::sim {

using namespace std::chrono_literals;
using core::action;
using core::action_kind;
using core::attempt_result;

service_world::service_world(std::uint64_t seed, const service_settings& settings)
    : settings_(settings),
      core_(settings.pool, seed, settings.pool.pool.max_connections),
      random_(seed),
      gate_(settings.gate, ~seed),
      start_(1h),
      now_(start_),
      ends_(start_),
      workers_(settings.workers, start_),
      outcomes_(settings.phases.size()) {
    origin_ = core_.add_origin(now_, {});
    if (settings.hedge.enabled) hedging_.emplace(settings.hedge.percentile);
    for (const service_phase& one : settings.phases) {
        phase_begins_.push_back(ends_);
        ends_ += one.length;
    }
    bin_asked_.resize(static_cast<std::size_t>((ends_ - start_) / bin) + 1);
    bin_served_.resize(bin_asked_.size());
}

void service_world::schedule(event e, time_point when) {
    e.when = when;
    e.sequence = sequence_++;
    events_.push_back(e);
    std::push_heap(events_.begin(), events_.end());
}

service_world::call* service_world::find_call(const event& e) {
    call& one = calls_[e.call];
    return one.is_open && one.generation == e.call_generation ? &one : nullptr;
}

service_world::attempt* service_world::find(exchange_id id) {
    if (id.index >= attempts_.size()) return nullptr;
    attempt& one = attempts_[id.index];
    return one.at != stage::absent && one.generation == id.generation ? &one : nullptr;
}

std::size_t service_world::phase_at(time_point when) const {
    const auto after = std::upper_bound(phase_begins_.begin(), phase_begins_.end(), when);
    return static_cast<std::size_t>(after - phase_begins_.begin()) - 1;
}

void service_world::run() {
    schedule({.what = kind::arrival}, start_);
    for (;;) {
        time_point due = std::min(core_.next_deadline(), gate_.next_time(now_));
        if (!events_.empty()) due = std::min(due, events_.front().when);
        const bool is_over = now_ >= ends_ && calls_open_ == 0 && attempts_open_ == 0;
        if (due == base::never || is_over) break;
        now_ = std::max(now_, due);
        if (!events_.empty() && events_.front().when <= now_) {
            std::pop_heap(events_.begin(), events_.end());
            const event next = events_.back();
            events_.pop_back();
            perform(next);
        } else {
            core_.on_timer(now_);
        }
        settle();
    }
}

// What the shard does after every input: core's actions, and those who are held no more.
void service_world::settle() {
    const auto is_there = [this](exchange_id id) {
        const attempt* one = find(id);
        return one != nullptr && one->at == stage::held;
    };
    for (bool is_done = false; !is_done;) {
        is_done = true;
        action next;
        while (core_.poll_action(next)) apply(next);
        if (core_.wants_turn()) {
            core_.on_turn(now_);
            is_done = false;
        }
        while (const auto released = gate_.next(now_, is_there)) {
            is_done = false;
            if (is_there(released->exchange)) {
                on_admission(released->exchange.index, released->answer);
            }
        }
    }
}

void service_world::perform(const event& e) {
    switch (e.what) {
        case kind::arrival: arrive(); break;
        case kind::resume:
            if (find_call(e) != nullptr) begin(e.call, false);
            break;
        case kind::hedge: on_hedge_time(e); break;
        case kind::overdue:
            if (find_call(e) != nullptr) end(e.call, false);
            break;
        case kind::answer: on_answer(e); break;
        case kind::connected:
            core_.on_connected(now_, e.connection, 0);
            core_.on_handshake_need(now_, e.connection, core::handshake_need::hello);
            break;
        case kind::flight:
            core_.on_handshake_need(now_, e.connection, core::handshake_need::flight);
            break;
    }
}

void service_world::arrive() {
    if (now_ + settings_.interval < ends_) {
        schedule({.what = kind::arrival}, now_ + settings_.interval);
    }
    if (free_calls_.empty()) {
        free_calls_.push_back(static_cast<std::uint32_t>(calls_.size()));
        calls_.emplace_back();
    }
    const std::uint32_t index = free_calls_.back();
    free_calls_.pop_back();
    call& one = calls_[index];
    one = {.generation = one.generation + 1, .is_open = true, .asked = now_};
    if (random_.unit() < settings_.critical) one.priority = priority_class::critical;
    ++calls_open_;
    const std::size_t phase = phase_at(now_);
    phase_outcome& of = outcomes_[phase];
    ++of.asked;
    ++bin_asked_[static_cast<std::size_t>((now_ - start_) / bin)];
    if (now_ >= phase_begins_[phase] + 1s) ++of.settled_asked;
    if (one.priority == priority_class::critical) ++of.critical_asked;
    budget_.on_request(now_);
    schedule({.what = kind::overdue, .call = index, .call_generation = one.generation},
             now_ + settings_.deadline);
    begin(index, false);
}

void service_world::begin(std::uint32_t index, bool is_hedge) {
    if (free_attempts_.empty()) {
        free_attempts_.push_back(static_cast<std::uint32_t>(attempts_.size()));
        attempts_.emplace_back();
    }
    const std::uint32_t name = free_attempts_.back();
    free_attempts_.pop_back();
    attempt& one = attempts_[name];
    one = {.generation = one.generation + 1, .at = stage::held, .is_hedge = is_hedge, .of = index};
    ++attempts_open_;
    call& of = calls_[index];
    of.under_way[is_hedge ? 1 : 0] = name;
    if (!is_hedge) ++of.attempts;
    const priority_class priority = is_hedge ? priority_class::sheddable : of.priority;
    const auto answer = gate_.ask(now_, {name, one.generation}, priority);
    if (answer.verdict != core::admission_verdict::held) on_admission(name, answer);
}

void service_world::on_admission(std::uint32_t index, const core::admission_answer& answer) {
    attempt& one = attempts_[index];
    const std::uint32_t of = one.of;
    if (answer.verdict == core::admission_verdict::refused) {
        leave(index, attempt_result::unknown);
        release(index);
        on_failure(of, false);
        return;
    }
    one.is_admitted = true;
    one.ticket = answer.ticket;
    one.at = stage::waiting;
    core_.acquire(now_, {{index, one.generation}, origin_, calls_[of].asked + settings_.deadline});
}

service_world::link* service_world::find(connection_id id) {
    if (id.index >= links_.size()) return nullptr;
    link& one = links_[id.index];
    return one.lives && one.generation == id.generation ? &one : nullptr;
}

void service_world::apply(const action& a) {
    switch (a.kind) {
        case action_kind::dial: {
            if (a.connection.index >= links_.size()) links_.resize(a.connection.index + 1);
            links_[a.connection.index] = {.generation = a.connection.generation, .lives = true};
            const bool family = false;
            core_.on_resolved(now_, a.connection, std::span(&family, 1));
            break;
        }
        case action_kind::connect:
            schedule({.what = kind::connected, .connection = a.connection},
                     now_ + settings_.round_trip);
            break;
        case action_kind::step: step(a.connection); break;
        case action_kind::assign: assign(a); break;
        case action_kind::close:
            if (link* l = find(a.connection)) {
                l->lives = false;
                // Only one that nobody waits for any more is still on it.
                if (find(l->exchange) != nullptr) release(l->exchange.index);
            }
            break;
        case action_kind::fail: {
            const attempt* one = find(a.exchange);
            HEARTH_ASSERT(one != nullptr && one->at == stage::waiting);
            const std::uint32_t of = one->of;
            leave(a.exchange.index, attempt_result::unknown);
            release(a.exchange.index);
            on_failure(of, false);
            break;
        }
        default: break;
    }
}

void service_world::step(connection_id name) {
    link* l = find(name);
    HEARTH_ASSERT(l != nullptr);
    if (!std::exchange(l->has_said_hello, true)) {
        core_.on_slice_done(now_, name, 70us, core::slice_outcome::waiting);
        schedule({.what = kind::flight, .connection = name}, now_ + settings_.round_trip);
        return;
    }
    core_.on_slice_done(now_, name, 480us, core::slice_outcome::done);
    core_.on_ready(now_, name, {});
}

void service_world::assign(const action& a) {
    attempt* one = find(a.exchange);
    link* l = find(a.connection);
    HEARTH_ASSERT(one != nullptr && l != nullptr);
    one->at = stage::assigned;
    one->connection = a.connection;
    one->assigned = now_;
    l->exchange = a.exchange;
    const std::size_t phase = phase_at(std::min(now_, ends_ - duration{1}));
    ++outcomes_[phase].sent;

    // The origin: whoever comes waits for the worker that is free first.
    const time_point there = now_ + settings_.round_trip / 2;
    std::pop_heap(workers_.begin(), workers_.end(), std::greater<>{});
    const time_point begun = std::max(there, workers_.back());
    const bool is_slow = random_.unit() < settings_.phases[phase].slow;
    const bool is_failure = random_.unit() < settings_.phases[phase].failing;
    const time_point done = begun + (is_slow ? settings_.slow_service : settings_.service);
    workers_.back() = done;
    std::push_heap(workers_.begin(), workers_.end(), std::greater<>{});
    waits_.push_back(begun - there);
    schedule({.what = kind::answer,
              .exchange = a.exchange,
              .connection = a.connection,
              .is_failure = is_failure},
             done + settings_.round_trip / 2);

    const call& of = calls_[one->of];
    if (!hedging_ || one->is_hedge || of.under_way[1] != none) return;
    one->teaches = true;
    if (const auto delay = hedging_->delay()) {
        schedule({.what = kind::hedge,
                  .call = one->of,
                  .call_generation = of.generation,
                  .exchange = a.exchange},
                 now_ + std::max<duration>(*delay, settings_.hedge.min_delay));
    }
}

void service_world::on_hedge_time(const event& e) {
    attempt* one = find(e.exchange);
    if (one == nullptr || one->at != stage::assigned || find_call(e) == nullptr) return;
    one->teaches = false;
    if (!hedging_->on_late() || !budget_.take(now_, settings_.budget)) return;
    ++hedges_;
    begin(e.call, true);
}

void service_world::on_answer(const event& e) {
    link* l = find(e.connection);
    attempt* one = find(e.exchange);
    if (l == nullptr || one == nullptr || one->connection != e.connection) return;
    core_.on_first_byte(now_, e.connection, e.exchange);
    const std::uint32_t index = e.exchange.index;
    const bool has_caller = one->at == stage::assigned;
    const std::uint32_t of = one->of;
    if (has_caller) {
        if (one->is_admitted) gate_.sample(now_, one->assigned);
        if (one->teaches) hedging_->on_answer(now_ - one->assigned);
        leave(index, e.is_failure ? attempt_result::failure : attempt_result::success);
    }
    // Before core gives the connection away: the twin may be who waits for it.
    if (has_caller && e.is_failure) on_failure(of, true);
    if (has_caller && !e.is_failure) end(of, true);
    l->exchange = {};
    release(index);
    core_.on_exchange_done(now_, e.connection, e.exchange, core::exchange_outcome::reusable);
}

// An attempt has come to nothing: the call goes on with its twin, or tries again, or has failed.
void service_world::on_failure(std::uint32_t call_index, bool is_transient) {
    call& one = calls_[call_index];
    if (!one.is_open || one.under_way[0] != none || one.under_way[1] != none) return;
    core::repeat_facts facts;
    facts.is_transient = is_transient;
    facts.is_idempotent = true;
    facts.is_replayable = true;
    facts.attempts = one.attempts;
    facts.deadline = one.asked + settings_.deadline;
    const auto pause = core::pause_before_repeat(now_, facts, settings_.repeat, random_);
    if (!pause || !budget_.take(now_, settings_.budget)) {
        end(call_index, false);
        return;
    }
    schedule({.what = kind::resume, .call = call_index, .call_generation = one.generation},
             now_ + *pause);
}

// An attempt is nobody's any more; it may be on its connection still.
void service_world::leave(std::uint32_t index, attempt_result result) {
    attempt& one = attempts_[index];
    if (std::exchange(one.is_admitted, false)) gate_.end(now_, one.ticket, result);
    call& of = calls_[one.of];
    for (std::uint32_t& name : of.under_way) {
        if (name == index) name = none;
    }
}

void service_world::release(std::uint32_t index) {
    attempts_[index].at = stage::absent;
    free_attempts_.push_back(index);
    --attempts_open_;
}

void service_world::cancel(std::uint32_t index, attempt_result result) {
    attempt& one = attempts_[index];
    const exchange_id name{index, one.generation};
    const stage was = one.at;
    leave(index, was == stage::assigned ? result : attempt_result::unknown);
    if (was == stage::assigned) {
        one.at = stage::draining;
        core_.cancel_assigned(now_, one.connection, name, {.request_complete = true});
        return;
    }
    if (was == stage::waiting) core_.cancel(now_, name);
    release(index);
}

// A call has its answer, or none: whatever is under way for it is cancelled.
void service_world::end(std::uint32_t index, bool is_served) {
    call& one = calls_[index];
    HEARTH_ASSERT(one.is_open);
    one.is_open = false;
    const bool is_overdue = now_ >= one.asked + settings_.deadline;
    for (const std::uint32_t name : std::array(one.under_way)) {
        if (name == none) continue;
        cancel(name, is_overdue ? attempt_result::failure : attempt_result::unknown);
    }
    if (is_served) {
        const std::size_t phase = phase_at(one.asked);
        phase_outcome& of = outcomes_[phase];
        ++of.served;
        ++bin_served_[static_cast<std::size_t>((one.asked - start_) / bin)];
        if (one.asked >= phase_begins_[phase] + 1s) ++of.settled_served;
        if (one.priority == priority_class::critical) ++of.critical_served;
        latencies_.push_back(now_ - one.asked);
    }
    free_calls_.push_back(index);
    --calls_open_;
}

duration service_world::recovery() const {
    const auto first = static_cast<std::size_t>((phase_begins_.back() - start_) / bin);
    const std::size_t per_second = 1s / bin;
    for (std::size_t i = first; i + per_second < bin_asked_.size(); ++i) {
        std::uint64_t asked = 0;
        std::uint64_t served = 0;
        for (std::size_t j = i; j < i + per_second; ++j) {
            asked += bin_asked_[j];
            served += bin_served_[j];
        }
        if (static_cast<double>(served) >= 0.99 * static_cast<double>(asked)) {
            return bin * static_cast<int>(i - first);
        }
    }
    return duration::max();
}

duration service_world::at(std::vector<duration> all, double percentile) {
    if (all.empty()) return {};
    const auto rank = static_cast<std::size_t>(percentile * static_cast<double>(all.size() - 1));
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(rank), all.end());
    return all[rank];
}

std::uint64_t service_world::sent() const {
    std::uint64_t sum = 0;
    for (const phase_outcome& one : outcomes_) sum += one.sent;
    return sum;
}

std::uint64_t service_world::asked() const {
    std::uint64_t sum = 0;
    for (const phase_outcome& one : outcomes_) sum += one.asked;
    return sum;
}

}  // namespace hearth::sim
