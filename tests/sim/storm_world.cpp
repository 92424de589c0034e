// The course of a simulated storm, see storm_world.hpp.
#include "sim/storm_world.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace hearth::sim {

using namespace std::chrono_literals;
using core::action;
using core::action_kind;

storm_world::storm_world(std::uint64_t seed, const storm_settings& settings)
    : settings_(settings),
      start_(std::chrono::hours{1}),
      core_(settings.pool, seed, settings.pool.pool.max_connections),
      random_(seed),
      now_(start_),
      clock_(start_),
      origin_free_(settings.origins, start_),
      planned_(static_cast<std::uint64_t>(settings.length / settings.interval)),
      offered_(static_cast<std::size_t>(settings.length / bin) + 1),
      served_(offered_.size()) {
    for (std::uint32_t i = 0; i < settings.origins; ++i) {
        origins_.push_back(
            core_.add_origin(now_, {.tls = true, .may_multiplex = settings_.max_streams > 1}));
    }
}

void storm_world::schedule(time_point when, kind what, connection_id connection,
                           exchange_id exchange) {
    events_.push_back({when, sequence_++, what, connection, exchange});
    std::push_heap(events_.begin(), events_.end());
}

void storm_world::spend(duration cost) {
    clock_ += std::chrono::duration_cast<duration>(cost * settings_.costs.neighbour);
}

time_point storm_world::origin_done(std::uint32_t origin, duration work) {
    time_point& free = origin_free_[origin];
    free = std::max(free, clock_ + settings_.costs.round_trip / 2) + work;
    return free;
}

storm_world::link* storm_world::find(connection_id name) {
    if (name.index >= links_.size()) return nullptr;
    link& one = links_[name.index];
    return one.lives && one.generation == name.generation ? &one : nullptr;
}

storm_world::call* storm_world::find(exchange_id name) {
    if (name.index >= calls_.size()) return nullptr;
    call& one = calls_[name.index];
    return one.at != stage::absent && one.generation == name.generation ? &one : nullptr;
}

// Connections that cost nothing: the storm begins with them.
void storm_world::warm_up() {
    for (std::uint32_t i = 0; i < settings_.origins; ++i) {
        core_.warm(now_, origins_[i], settings_.warm, i, now_ + 1h);
        settle();
    }
    while (!events_.empty() || !ready_.empty()) {
        if (ready_.empty()) {
            std::pop_heap(events_.begin(), events_.end());
            ready_.push_back(events_.back());
            events_.pop_back();
        }
        const event next = ready_.front();
        ready_.pop_front();
        perform(next);
    }
    use_all_once();
    start_ = now_;
    clock_ = now_;
    std::fill(origin_free_.begin(), origin_free_.end(), start_);
    before_ = stats();
}

// A call without a deadline on each connection, long before the storm's own.
void storm_world::use_all_once() {
    if (settings_.first_answer == 0s) return;
    std::vector<exchange_id> first;
    std::vector<connection_id> on;
    for (std::uint32_t i = 0; i < settings_.origins * settings_.warm; ++i) {
        first.push_back({i, 1});
        core_.acquire(now_, {first.back(), origins_[i % settings_.origins], base::never, false});
        action next;
        while (core_.poll_action(next)) on.push_back(next.connection);
    }
    HEARTH_ASSERT(on.size() == first.size());
    now_ += settings_.first_answer;
    for (std::size_t i = 0; i < first.size(); ++i) {
        core_.on_exchange_done(now_, on[i], first[i], core::exchange_outcome::reusable);
        settle();
    }
    calls_.resize(first.size());
    for (std::uint32_t i = 0; i < calls_.size(); ++i) {
        calls_[i].generation = 1;
        free_calls_.push_back(i);
    }
}

void storm_world::run() {
    warm_up();
    schedule(start_, kind::arrival);
    if (settings_.restart) schedule(start_ + settings_.disturbed_at, kind::restart);
    for (;;) {
        while (!events_.empty() && events_.front().when <= clock_) {
            std::pop_heap(events_.begin(), events_.end());
            ready_.push_back(events_.back());
            events_.pop_back();
        }
        const time_point due = core_.next_deadline();
        if (due <= clock_ && !std::exchange(timer_queued_, true)) {
            ready_.push_back({.when = clock_, .what = kind::timer});
        }
        if (!ready_.empty()) {
            const event next = ready_.front();
            ready_.pop_front();
            now_ = clock_;
            perform(next);
            continue;
        }
        const bool is_over = arrivals_ == planned_ && free_calls_.size() == calls_.size();
        if (is_over || (events_.empty() && due == base::never)) break;
        clock_ = events_.empty() ? due : std::min(due, events_.front().when);
    }
    for (const call& one : calls_) starved_ += one.at == stage::waiting ? 1 : 0;
}

void storm_world::perform(const event& e) {
    switch (e.what) {
        case kind::arrival: arrive(); break;
        case kind::overdue: overdue(e.exchange); break;
        case kind::answer: answer(e); break;
        case kind::connected:
            if (find(e.connection) == nullptr) break;
            core_.on_connected(now_, e.connection, 0);
            core_.on_handshake_need(now_, e.connection, core::handshake_need::hello);
            break;
        case kind::flight:
            if (find(e.connection) == nullptr) break;
            core_.on_handshake_need(now_, e.connection, core::handshake_need::flight);
            break;
        case kind::turn:
            turn_queued_ = false;
            core_.on_turn(now_);
            break;
        case kind::timer:
            timer_queued_ = false;
            core_.on_timer(now_);
            break;
        case kind::restart:
            for (std::uint32_t i = 0; i < links_.size(); ++i) {
                if (links_[i].lives) schedule(now_, kind::lost, {i, links_[i].generation});
            }
            break;
        case kind::lost: lose(e.connection); break;
        case kind::reset_seen: core_.on_resets_seen(now_, e.connection, 1); break;
    }
    settle();
}

// What the shard does after every input.
void storm_world::settle() {
    action next;
    while (core_.poll_action(next)) apply(next);
    if (core_.wants_turn() && !std::exchange(turn_queued_, true)) {
        ready_.push_back({.when = clock_, .what = kind::turn});
    }
}

void storm_world::arrive() {
    const time_point due = start_ + arrivals_ * settings_.interval;
    const duration at = due - start_;
    if (is_within(at, settings_.quiet)) {
        if (++arrivals_ < planned_) schedule(due + settings_.interval, kind::arrival);
        return;
    }
    call one;
    one.slow = random_.unit() < settings_.slow_share || is_within(at, settings_.stall);
    one.due = due;
    one.origin = static_cast<std::uint32_t>(arrivals_ % settings_.origins);
    budget_.on_request(now_);
    if (!one.slow) ++offered_[static_cast<std::size_t>(at / bin)];
    if (++arrivals_ < planned_) schedule(due + settings_.interval, kind::arrival);
    spend(settings_.costs.arrive);
    begin_call(one);
}

// An attempt of a call.
void storm_world::begin_call(call one) {
    const time_point deadline = one.due + settings_.deadline;
    if (core_.ask(now_, origins_[one.origin], deadline).failure != core::wait_failure::none) return;
    if (free_calls_.empty()) {
        free_calls_.push_back(static_cast<std::uint32_t>(calls_.size()));
        calls_.emplace_back();
    }
    const std::uint32_t index = free_calls_.back();
    free_calls_.pop_back();
    one.generation = calls_[index].generation + 1;
    one.at = stage::waiting;
    ++one.attempts;
    calls_[index] = one;
    const exchange_id name{index, one.generation};
    schedule(deadline, kind::overdue, {}, name);
    core_.acquire(now_, {.exchange = name,
                         .origin = origins_[one.origin],
                         .deadline = deadline,
                         .is_let_in = true});
}

void storm_world::end(exchange_id name, bool served) {
    call* one = find(name);
    HEARTH_ASSERT(one != nullptr);
    if (served && !one->slow) ++served_[static_cast<std::size_t>((one->due - start_) / bin)];
    one->at = stage::absent;
    free_calls_.push_back(name.index);
}

void storm_world::end_all(link& of) {
    for (const exchange_id on_it : std::exchange(of.exchanges, {})) {
        if (find(on_it) != nullptr) end(on_it, false);
    }
}

bool storm_world::is_repeated(const call& one) {
    return settings_.fails && one.slow && one.at == stage::assigned &&
           one.attempts < settings_.attempts && budget_.take(now_, settings_.budget);
}

void storm_world::answer(const event& e) {
    link* l = find(e.connection);
    call* one = find(e.exchange);
    if (l == nullptr || one == nullptr || one->connection != e.connection) return;
    if (std::erase(l->exchanges, e.exchange) == 0) return;
    spend(settings_.costs.receive);
    const bool is_error = settings_.fails && one->slow;
    const bool in_time = one->at == stage::assigned && clock_ <= one->due + settings_.deadline;
    core_.on_first_byte(now_, e.connection, e.exchange);
    if (is_repeated(*one)) {
        // The next attempt is another exchange for core, under the same deadline.
        const call next = *one;
        end(e.exchange, false);
        core_.on_exchange_done(now_, e.connection, e.exchange, core::exchange_outcome::reusable);
        begin_call(next);
        return;
    }
    end(e.exchange, in_time && !is_error);
    core_.on_exchange_done(now_, e.connection, e.exchange, core::exchange_outcome::reusable);
}

// A caller's patience is over. Core ends waiters itself.
void storm_world::overdue(exchange_id name) {
    call* one = find(name);
    if (one == nullptr || one->at != stage::assigned) return;
    spend(settings_.costs.cancel);
    one->at = stage::draining;
    core_.cancel_assigned(now_, one->connection, name, {.request_complete = true});
}

void storm_world::lose(connection_id name) {
    link* l = find(name);
    if (l == nullptr) return;
    spend(settings_.costs.close);
    const bool was_ready = l->is_ready;
    end_all(*l);
    l->lives = false;
    if (was_ready) {
        core_.on_closed(now_, name, close_reason::peer);
    } else {
        core_.on_dial_failed(now_, name, core::dial_failure::connect_failed);
    }
}

void storm_world::apply(const action& a) {
    switch (a.kind) {
        case action_kind::dial: {
            if (a.connection.index >= links_.size()) links_.resize(a.connection.index + 1);
            link fresh;
            fresh.generation = a.connection.generation;
            fresh.lives = true;
            fresh.origin = a.origin.index;
            fresh.is_resumed = tickets_ != 0;
            if (fresh.is_resumed) --tickets_;
            links_[a.connection.index] = fresh;
            const bool family = false;
            core_.on_resolved(now_, a.connection, std::span(&family, 1));
            break;
        }
        case action_kind::connect:
            spend(settings_.costs.connect);
            schedule(clock_ + settings_.costs.round_trip, kind::connected, a.connection);
            break;
        case action_kind::step: step(a.connection); break;
        case action_kind::assign: assign(a); break;
        case action_kind::close:
            if (link* l = find(a.connection)) {
                spend(settings_.costs.close);
                end_all(*l);
                l->lives = false;
            }
            break;
        case action_kind::fail: {
            spend(settings_.costs.cancel);
            const call* one = find(a.exchange);
            // A CPU that is late is no waiter's fault.
            if (one != nullptr && now_ > one->due + settings_.deadline + 1s) ++starved_;
            end(a.exchange, false);
            break;
        }
        case action_kind::reset:
            spend(settings_.costs.cancel);
            if (link* l = find(a.connection)) {
                std::erase(l->exchanges, a.exchange);
                end(a.exchange, false);
                if (settings_.resets) {
                    schedule(clock_ + settings_.costs.round_trip, kind::reset_seen, a.connection);
                } else {
                    schedule(clock_, kind::lost, a.connection);
                }
            }
            break;
        default: break;
    }
}

void storm_world::assign(const action& a) {
    spend(settings_.costs.send);
    call* one = find(a.exchange);
    link* l = find(a.connection);
    HEARTH_ASSERT(one != nullptr && l != nullptr);
    one->at = stage::assigned;
    one->connection = a.connection;
    l->exchanges.push_back(a.exchange);
    ++requests_;
    const bool is_slow = one->slow && !settings_.fails;
    const time_point done = origin_done(l->origin, settings_.costs.origin_request) +
                            (is_slow ? settings_.slow : settings_.delay) +
                            settings_.costs.round_trip / 2;
    schedule(done, kind::answer, a.connection, a.exchange);
    if (clock_ > one->due + settings_.deadline) {
        schedule(clock_, kind::overdue, {}, a.exchange);  // its own came while it waited
    }
}

void storm_world::step(connection_id name) {
    link* l = find(name);
    HEARTH_ASSERT(l != nullptr);
    const bool is_hello = !std::exchange(l->has_said_hello, true);
    const duration flight = l->is_resumed ? settings_.costs.resumed_flight : settings_.costs.flight;
    const duration cost = is_hello ? settings_.costs.hello : flight;
    spend(cost);
    if (is_hello) {
        core_.on_slice_done(now_, name, cost, core::slice_outcome::waiting);
        schedule(origin_done(l->origin, settings_.costs.origin_handshake) +
                     settings_.costs.round_trip / 2,
                 kind::flight, name);
        return;
    }
    core_.on_slice_done(now_, name, cost, core::slice_outcome::done);
    l->is_ready = true;
    tickets_ += settings_.tickets;
    core_.on_ready(now_, name,
                   {.resumed = l->is_resumed,
                    .is_multiplexed = settings_.max_streams > 1,
                    .max_streams = settings_.max_streams});
}

double storm_world::goodput(duration from) const {
    std::uint64_t offered = 0;
    std::uint64_t served = 0;
    for (auto i = static_cast<std::size_t>(from / bin); i < offered_.size(); ++i) {
        offered += offered_[i];
        served += served_[i];
    }
    return offered == 0 ? 1.0 : static_cast<double>(served) / static_cast<double>(offered);
}

duration storm_world::recovery() const {
    const duration end = settings_.disturbed_at + settings_.stall;
    const std::size_t per_second = 1s / bin;
    for (auto i = static_cast<std::size_t>(end / bin); i + per_second < offered_.size(); ++i) {
        std::uint64_t offered = 0;
        std::uint64_t served = 0;
        for (std::size_t j = i; j < i + per_second; ++j) {
            offered += offered_[j];
            served += served_[j];
        }
        if (static_cast<double>(served) >= 0.99 * static_cast<double>(offered)) {
            return bin * static_cast<int>(i) - end;
        }
    }
    return duration::max();
}

origin_stats storm_world::stats() const {
    hearth::stats all;
    for (const origin_id origin : origins_) all.origins.push_back(core_.stats(now_, origin));
    origin_stats sum;
    for (const origin_stats& one : all.origins) {
        sum.opened += one.opened;
        sum.handshakes_full += one.handshakes_full;
        sum.handshakes_useful += one.handshakes_useful;
        sum.handshake_cpu += one.handshake_cpu;
        sum.handshake_cpu_useful += one.handshake_cpu_useful;
        sum.answered += one.answered;
        sum.drained += one.drained;
        sum.queue_hopeless += one.queue_hopeless;
        sum.queue_shed += one.queue_shed;
        sum.waiting += one.waiting;
    }
    sum.opened -= before_.opened;
    sum.handshakes_full -= before_.handshakes_full;
    sum.handshakes_useful -= before_.handshakes_useful;
    sum.handshake_cpu -= before_.handshake_cpu;
    return sum;
}

}  // namespace hearth::sim
