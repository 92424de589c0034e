// The moving part of the simulated world: callers, network, CPU, other shards. See world.hpp.
#include "sim/world.hpp"

#include <algorithm>

namespace hearth::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t max_steps_per_exchange = 200;
constexpr std::size_t most_addresses = 4;

}  // namespace

void draw_http2(http2_config& http2, base::prng& random) {
    const auto pick = [&random](auto... choices) {
        const std::uint32_t all[] = {choices...};
        return all[random.below(sizeof...(choices))];
    };
    http2.max_connections = pick(16U, 1U, 3U);
    http2.max_streams = pick(1000U, 2U, 50U);
    if (const std::uint32_t ideal = pick(0U, 1U, 20U); ideal != 0) http2.ideal_streams = ideal;
    http2.assumed_streams = pick(100U, 1U, 10U);
    http2.reset_burst = pick(900U, 0U, 5U);
    http2.reset_rate = pick(30U, 1U, 1000U);
}

void draw_idle(pool_config& pool, base::prng& random) {
    const std::uint32_t most = pool.max_idle_per_origin.value_or(pool.min_ready);
    pool.min_ready = std::min(pool.min_ready, most);
    if (random.below(3) == 0) pool.idle_order = idle_order::least_recent;
    const milliseconds ahead[] = {1ms, 20ms, 5000ms};
    if (random.below(4) == 0)
        pool.replace_ahead.reset();
    else
        pool.replace_ahead = ahead[random.below(3)];
    pool.learn_idle_timeout = false;  // the checks do not know what peers have taught
}

world_settings draw_settings(std::uint64_t seed) {
    base::prng random(seed ^ 0x5e771465);
    const auto pick = [&random](auto... choices) {
        const std::common_type_t<decltype(choices)...> values[] = {choices...};
        return values[random.below(sizeof...(choices))];
    };
    using count = std::uint32_t;
    world_settings s;
    pool_config& pool = s.pool.pool;
    pool.max_connections_per_origin = pick(1U, 2U, 4U, 16U, 64U);
    pool.max_connections = pick(2U, 8U, 64U, 1000U);
    if (random.below(2) == 0) pool.max_idle_per_origin = pick(0U, 1U, 4U, 32U);
    pool.max_waiters = pick(0U, 1U, 10U, 200U, 10'000U);
    pool.idle_timeout = pick(5ms, 50ms, 500ms, 60'000ms);
    pool.max_lifetime = pick(20ms, 200ms, 5000ms, 600'000ms);
    pool.jitter = pick(0.0, 0.1, 0.9);
    pool.dial_patience = pick(0ms, 20ms, 250ms);
    pool.min_backoff = pick(0ms, 1ms, 20ms);
    pool.max_backoff = pick(20ms, 200ms, 1000ms);
    pool.on_cancel = pick(cancel_policy::adaptive, cancel_policy::drain, cancel_policy::close);
    pool.drain_bytes = pick(0ULL, 100'000ULL, 100'000ULL);
    pool.drain_timeout = pick(0ms, 20ms, 500ms);
    pool.max_draining_per_origin = pick(0U, 2U, 1024U);
    pool.min_ready = std::min(pick(0U, 0U, 3U), pool.max_connections_per_origin);
    s.pool.handshake.max_concurrent = pick(1U, 2U, 16U);
    s.pool.handshake.slices_per_turn = pick(1U, 4U);
    s.pool.overload.ration_dials = pick(true, true, false);
    s.pool.overload.refuse_late = pick(true, true, false);
    s.pool.overload.target = pick(1ms, 5ms, 20ms);
    s.pool.overload.interval = pick(2ms, 20ms, 100ms);
    if (random.below(2) == 0) s.pool.overload.target.reset();
    s.pool.overload.keep_dials = pick(true, true, false);
    s.pool.timeouts.queue = pick(20ms, 200ms, 2000ms);
    s.pool.timeouts.name = pick(20ms, 200ms);
    s.pool.timeouts.connect = pick(20ms, 200ms);
    s.pool.timeouts.handshake = pick(20ms, 200ms);
    s.pool.attempt_delay = pick(5ms, 250ms);
    s.origins = static_cast<count>(1 + random.below(20));
    s.first_leases = static_cast<count>(random.below(pool.max_connections + 1));
    s.tls_share = pick(0.0, 0.5, 1.0);
    s.multiplexed_share = pick(0.0, 0.3, 1.0);
    draw_http2(s.pool.http2, random);
    s.service = pick(200us, 2000us, 20'000us);
    s.round_trip = pick(50us, 500us, 5000us);
    // From idling to overload, measured by what the limits could carry.
    const double carried =
        std::min<double>(pool.max_connections, pool.max_connections_per_origin * s.origins / 3.0);
    const double load = pick(0.1, 0.5, 0.9, 2.0);
    const duration each = s.service + s.round_trip;
    s.between_arrivals = std::chrono::duration_cast<duration>(each / (carried * load));
    s.slow_share = pick(0.0, 0.0, 0.001, 0.05);
    s.cancel_share = pick(0.0, 0.1, 0.5);
    s.deadline_share = pick(0.0, 0.7, 1.0);
    s.fault_share = pick(0.0, 0.001, 0.02, 0.2);
    s.outage_share = pick(0.0, 0.0, 0.1, 0.5);
    s.ends_abruptly = random.below(4) == 0;
    draw_idle(pool, random);
    return s;
}

world::world(std::uint64_t seed, std::uint64_t exchanges, const world_settings& settings)
    : seed_(seed),
      exchanges_(exchanges),
      settings_(settings),
      random_(seed),
      core_(settings.pool, seed + 1, settings.first_leases),
      now_(std::chrono::hours{1}),
      leases_here_(settings.first_leases),
      leases_elsewhere_(settings.pool.pool.max_connections - settings.first_leases) {}

duration world::up_to(duration longest) {
    return duration(
        static_cast<duration::rep>(random_.below(static_cast<std::uint64_t>(longest.count()) + 1)));
}

// Skewed towards short ones, with a mean of `mean`, at most nine times as long.
duration world::around(duration mean) {
    const double x = random_.unit();
    return std::chrono::duration_cast<duration>(mean * (9.0 * x * x * x * x * x * x * x * x) +
                                                mean * 0.001);
}

void world::schedule(duration delay, event_kind kind, connection_id connection,
                     exchange_id exchange, std::uint8_t value) {
    events_.push_back({now_ + delay, event_sequence_++, kind, value, connection, exchange});
    std::push_heap(events_.begin(), events_.end());
}

// The course of a world.

void world::run() {
    begin();
    const time_point start = now_;
    // Connections that are kept ready are dialled anew as often as they are idle for too long.
    const auto& pool = settings_.pool.pool;
    const std::uint64_t kept = std::uint64_t{pool.min_ready} * settings_.origins;
    const auto most_steps = [&] {
        const auto turnovers = static_cast<std::uint64_t>((now_ - start) / pool.idle_timeout);
        return exchanges_ * max_steps_per_exchange + 1'000'000 + turnovers * kept * 20;
    };
    while (step()) require(totals_.steps < most_steps(), "the world comes to an end");
    check_end();
}

void world::begin() {
    note_replay();
    for (std::uint32_t i = 0; i < settings_.origins; ++i) {
        mirror_origin& origin = origins_.emplace_back();
        origin.tls = chance(settings_.tls_share);
        origin.streams = chance(settings_.multiplexed_share) ? (chance(0.5) ? 3 : 100) : 1;
        const std::uint32_t own_limit = chance(0.2) ? 3 : 0;
        origin.limit = own_limit != 0 ? own_limit : settings_.pool.pool.max_connections_per_origin;
        const bool may_multiplex = origin.streams > 1 || chance(0.2);
        origin.id = core_.add_origin(
            now_,
            {.tls = origin.tls, .max_connections = own_limit, .may_multiplex = may_multiplex});
        schedule(up_to(500ms), event_kind::mood, {}, {i, 0});
    }
    schedule(0s, event_kind::arrival);
    schedule(up_to(20ms), event_kind::warm);
    schedule(up_to(20ms), event_kind::recall);
    if (settings_.ends_abruptly) {
        const auto expected = static_cast<long>(exchanges_) * settings_.between_arrivals;
        schedule(up_to(expected), event_kind::shut_down);
    }
}

// One event or timer. False when the world has ended.
bool world::step() {
    if (is_drained_ || is_shut_down_) return false;
    if (totals_.exchanges == exchanges_ && alive_exchanges_ == 0) end_world();
    if (is_drained_) return false;
    const time_point due = core_.next_deadline();
    require(!events_.empty() || due != base::never, "something is still to happen");
    if (!events_.empty()) {
        const duration ahead = events_.front().when - due;
        // A timer may be late: then what happens meanwhile comes first.
        const bool is_first =
            due == base::never || ahead < 0s || (ahead <= 1ms && chance(ahead == 0s ? 0.5 : 0.05));
        if (is_first) {
            std::pop_heap(events_.begin(), events_.end());
            const event next = events_.back();
            events_.pop_back();
            now_ = std::max(now_, next.when);
            handle(next);
            return true;
        }
    }
    now_ = std::max(now_, due);
    input([this] { core_.on_timer(now_); });
    return true;
}

void world::handle(const event& e) {
    switch (e.kind) {
        case event_kind::arrival: return on_arrival();
        case event_kind::cancel: return on_cancel(e.exchange);
        case event_kind::answer:
        case event_kind::overdue: {
            const mirror_exchange* x = find(e.exchange);
            if (x == nullptr || x->attempts != e.value) return;  // of an earlier attempt
            return e.kind == event_kind::answer ? on_answer(e.exchange) : on_overdue(e.exchange);
        }
        case event_kind::name: return on_name(e.connection);
        case event_kind::connected:
        case event_kind::connect_failed: return on_connect_event(e);
        case event_kind::flight: return on_flight(e.connection);
        case event_kind::slice_done: return on_slice_done(e.connection);
        case event_kind::ready: return on_ready(e.connection);
        case event_kind::reset: return on_reset(e.connection);
        case event_kind::goaway: return on_goaway(e.connection);
        case event_kind::resets_seen: return on_resets_seen(e.connection);
        case event_kind::streams: return on_streams(e.connection);
        case event_kind::doubt: return on_doubt(e.connection);
        case event_kind::turn: return on_turn();
        case event_kind::grant: return on_grant();
        case event_kind::recall: return on_recall();
        case event_kind::warm: return on_warm();
        case event_kind::mood: return on_mood(e.exchange.index);
        case event_kind::shut_down: return on_shut_down();
    }
}

// Runs what is due, so that the fact to come finds core as the mirror is.
void world::run_due() {
    if (core_.next_deadline() <= now_) input([this] { core_.on_timer(now_); });
}

// Gives core an input, acts on what it answers, and checks.
template <class Input>
void world::input(Input&& give, bool advances) {
    ++totals_.steps;
    give();
    drain_actions();
    check_after_input(advances);
    if (core_.wants_turn() && !turn_pending_) {
        turn_pending_ = true;
        schedule(std::max<duration>(cpu_free_at_ - now_, 0s), event_kind::turn);
    }
    if (totals_.steps % scan_interval == 0) scan();
}

void world::drain_actions() {
    core::action next;
    while (core_.poll_action(next)) {
        if (trace_) trace(next);
        apply(next);
    }
}

// Callers.

void world::on_arrival() {
    if (free_exchanges_.empty()) {
        free_exchanges_.push_back(static_cast<std::uint32_t>(exchange_table_.size()));
        exchange_table_.emplace_back();
    }
    const std::uint32_t index = free_exchanges_.back();
    free_exchanges_.pop_back();
    mirror_exchange& x = exchange_table_[index];
    ++x.generation;
    // A few origins get most of the load.
    const double skew = random_.unit();
    x.origin = static_cast<std::uint32_t>(skew * skew * settings_.origins);
    x.connection = {};
    x.fresh = false;
    x.attempts = 0;
    x.deadline = base::never;
    if (chance(settings_.deadline_share)) x.deadline = now_ + up_to(50 * settings_.service);
    ++alive_exchanges_;
    if (chance(settings_.cancel_share)) {
        schedule(up_to(5 * settings_.service), event_kind::cancel, {}, {index, x.generation});
    }
    if (++totals_.exchanges < exchanges_) {
        schedule(around(settings_.between_arrivals), event_kind::arrival);
    }
    acquire(index);
    // Some callers come too late.
    const bool is_late = settings_.has_late_callers && totals_.exchanges + 20 >= exchanges_;
    if (is_late && chance(0.05)) end_world();
}

void world::acquire(std::uint32_t index) {
    mirror_exchange& x = exchange_table_[index];
    mirror_origin& origin = origins_[x.origin];
    x.state = mirror_state::waiting;
    x.sequence = ++acquire_sequence_;
    x.queued_at = now_;
    x.bound = std::min(x.deadline, now_ + settings_.pool.timeouts.queue);
    x.failures_before = origin.failed_dials;
    ++origin.waiting;
    acquiring_ = {index, x.generation};
    input([&] { core_.acquire(now_, {acquiring_, origin.id, x.deadline, x.fresh}); });
    acquiring_ = {};
}

void world::on_cancel(exchange_id id) {
    mirror_exchange* x = find(id);
    if (x == nullptr || x->state == mirror_state::draining) return;
    if (x->state == mirror_state::assigned) return cancel_assigned(id);
    end_exchange(id);
    ++totals_.withdrawn;
    input([&] { core_.cancel(now_, id); }, false);
}

void world::on_overdue(exchange_id id) {
    if (find(id)->state == mirror_state::assigned) cancel_assigned(id);
}

void world::cancel_assigned(exchange_id id) {
    run_due();
    const mirror_exchange* x = find(id);
    if (x == nullptr || x->state != mirror_state::assigned) return;
    const core::cancel_facts facts{.request_complete = chance(0.8),
                                   .response_delimited = chance(0.9)};
    ++totals_.cancelled;
    cancelling_ = id;
    input([&] { core_.cancel_assigned(now_, x->connection, id, facts); });
    require(!cancelling_.is_valid(), "a cancelled exchange is drained, reset or closed");
}

void world::start_exchange(mirror_exchange& x, exchange_id id) {
    const mirror_origin& origin = origins_[x.origin];
    ++x.attempts;
    duration service = around(settings_.service) + settings_.round_trip;
    if (chance(settings_.slow_share)) service += 1s;
    if (origin.mood == origin_mood::silent) service += 30s;
    x.answer_at = now_ + service;
    const time_point patience_ends = std::min(x.deadline, now_ + 1500ms);
    const bool in_time = x.answer_at <= patience_ends;
    schedule((in_time ? x.answer_at : patience_ends) - now_,
             in_time ? event_kind::answer : event_kind::overdue, {}, id, x.attempts);
}

void world::on_answer(exchange_id id) {
    run_due();
    mirror_exchange* x = find(id);
    if (x == nullptr || x->connection == connection_id{}) return;
    const connection_id on = x->connection;
    if (chance(0.5)) input([&] { core_.on_first_byte(now_, on, id); });
    mirror_connection& c = *find(on);
    const bool is_fault = chance(settings_.fault_share);
    if (x->state == mirror_state::draining && is_fault && !c.is_multiplexed) {
        remove_connection(on, close_reason::drain_limit);
        return input([&] { core_.on_closed(now_, on, close_reason::drain_limit); });
    }
    auto outcome = core::exchange_outcome::reusable;
    if (is_fault) {
        outcome =
            chance(0.5) ? core::exchange_outcome::failed : core::exchange_outcome::not_reusable;
        if (c.is_multiplexed && chance(0.5)) outcome = core::exchange_outcome::refused;
    }
    const bool stays =
        outcome == core::exchange_outcome::reusable || outcome == core::exchange_outcome::refused;
    if (!stays) change(c, [&c] { c.is_leaving = true; });
    const bool is_lost = outcome == core::exchange_outcome::failed;
    const bool retries = is_lost && x->state == mirror_state::assigned && x->attempts < 3 &&
                         !is_draining_ && chance(0.7);
    ++(is_lost ? totals_.broken : totals_.answered);
    leave_connection(c, id.index);
    x->state = mirror_state::between;
    if (!retries) end_exchange(id);
    input([&] { core_.on_exchange_done(now_, on, id, outcome); });
    if (!retries) return;
    ++totals_.retried;
    exchange_table_[id.index].fresh = true;
    acquire(id.index);
}

// Dials.

void world::start_dial(connection_id id) {
    const mirror_origin& origin = origins_[find(id)->origin];
    if (chance(settings_.fault_share)) schedule(around(10ms), event_kind::reset, id);
    if (origin.mood == origin_mood::silent && chance(0.3)) return;
    schedule(around(settings_.round_trip), event_kind::name, id);
}

void world::on_name(connection_id id) {
    run_due();
    mirror_connection* c = find(id);
    const bool families[most_addresses] = {true, false, true, false};
    const std::size_t count = chance(settings_.fault_share) ? 0 : 1 + random_.below(most_addresses);
    if (c == nullptr) {
        if (!chance(0.3)) return;
        ++stale_expected_;
        return input([&] { core_.on_resolved(now_, id, std::span(families).first(count)); });
    }
    if (chance(settings_.fault_share)) {
        const core::dial_failure failures[] = {core::dial_failure::name_failed,
                                               core::dial_failure::name_not_found,
                                               core::dial_failure::descriptor_limit};
        return fail_dial(id, failures[random_.below(std::size(failures))]);
    }
    c->phase = mirror_phase::connecting;
    c->addresses = static_cast<std::uint32_t>(count);
    input([&] { core_.on_resolved(now_, id, std::span(families).first(count)); });
}

void world::fail_dial(connection_id id, core::dial_failure failure) {
    ++origins_[find(id)->origin].failed_dials;
    remove_connection(id, close_reason::dial_failed);
    input([&] { core_.on_dial_failed(now_, id, failure); });
}

void world::start_connect(connection_id id) {
    const mirror_connection& c = *find(id);
    const auto address = static_cast<std::uint8_t>(c.next_address - 1);
    const origin_mood mood = origins_[c.origin].mood;
    if (mood == origin_mood::silent || chance(settings_.fault_share * 0.3)) return;
    const bool fails = mood == origin_mood::refusing || chance(settings_.fault_share);
    schedule(around(settings_.round_trip),
             fails ? event_kind::connect_failed : event_kind::connected, id, {}, address);
}

void world::on_connect_event(const event& e) {
    run_due();
    mirror_connection* c = find(e.connection);
    const std::uint64_t bit = std::uint64_t{1} << e.value;
    const bool is_running =
        c != nullptr && c->phase == mirror_phase::connecting && (c->attempts & bit) != 0;
    const bool succeeds = e.kind == event_kind::connected;
    const auto tell = [&] {
        if (succeeds) {
            core_.on_connected(now_, e.connection, e.value);
        } else {
            core_.on_connect_failed(now_, e.connection, e.value);
        }
    };
    if (!is_running) {  // abandoned, or the dial is gone: the news may still come
        if (!chance(0.3)) return;
        ++stale_expected_;
        return input(tell);
    }
    c->attempts &= ~bit;
    if (!succeeds) return input(tell);
    c->phase = mirror_phase::securing;
    input(tell);
    c = find(e.connection);
    require(c != nullptr && c->attempts == 0, "the losers of a connect race are abandoned");
    if (!origins_[c->origin].tls) {
        return schedule(0s, event_kind::ready, e.connection);
    }
    c->need = core::handshake_need::hello;
    ++hellos_queued_;
    input([&] { core_.on_handshake_need(now_, e.connection, core::handshake_need::hello); });
}

void world::on_turn() {
    turn_pending_ = false;
    const std::uint64_t before = totals_.slices;
    input([this] { core_.on_turn(now_); });
    require(totals_.slices - before <= settings_.pool.handshake.slices_per_turn,
            "a turn runs no more slices than allowed");
}

void world::start_slice(connection_id id) {
    const mirror_connection& c = *find(id);
    const duration mean = c.need == core::handshake_need::hello ? 70us : 500us;
    cpu_free_at_ = std::max(cpu_free_at_, now_) + mean / 2 + up_to(mean);
    schedule(cpu_free_at_ - now_, event_kind::slice_done, id);
}

void world::on_slice_done(connection_id id) {
    run_due();
    mirror_connection* c = find(id);
    const duration cost = 100us;
    if (c == nullptr) {
        if (!chance(0.3)) return;
        ++stale_expected_;
        return input([&] { core_.on_slice_done(now_, id, cost, core::slice_outcome::done); });
    }
    const bool was_hello = c->need == core::handshake_need::hello;
    const origin_mood mood = origins_[c->origin].mood;
    auto outcome = was_hello ? core::slice_outcome::waiting : core::slice_outcome::done;
    if (!was_hello && chance(0.05)) {
        outcome = chance(0.5) ? core::slice_outcome::more : core::slice_outcome::waiting;
    }
    if (chance(settings_.fault_share) || (!was_hello && mood == origin_mood::rejecting)) {
        outcome = core::slice_outcome::failed;
    }
    c->is_running = false;
    c->need = core::handshake_need::none;
    const bool has_ended =
        outcome == core::slice_outcome::done || outcome == core::slice_outcome::failed;
    if (has_ended) {
        c->is_past_hello = false;
        --past_hello_;
    } else if (outcome == core::slice_outcome::more) {
        c->need = core::handshake_need::flight;
        ++flights_queued_;
    }
    input([&] { core_.on_slice_done(now_, id, cost, outcome); });
    if (outcome == core::slice_outcome::done) return schedule(0s, event_kind::ready, id);
    if (outcome == core::slice_outcome::failed) {
        return fail_dial(id, chance(0.5) ? core::dial_failure::handshake_failed
                                         : core::dial_failure::certificate_rejected);
    }
    const bool is_heard = outcome == core::slice_outcome::waiting && mood != origin_mood::silent;
    if (is_heard) schedule(around(settings_.round_trip), event_kind::flight, id);
}

void world::on_flight(connection_id id) {
    run_due();
    mirror_connection* c = find(id);
    if (c == nullptr) {
        if (!chance(0.3)) return;
        ++stale_expected_;
    } else {
        c->need = core::handshake_need::flight;
        ++flights_queued_;
    }
    input([&] { core_.on_handshake_need(now_, id, core::handshake_need::flight); });
}

void world::on_ready(connection_id id) {
    run_due();
    mirror_connection* c = find(id);
    core::ready_facts facts{.resumed = chance(0.5)};
    if (c == nullptr) {
        if (!chance(0.3)) return;
        ++stale_expected_;
        return input([&] { core_.on_ready(now_, id, facts); });
    }
    mirror_origin& origin = origins_[c->origin];
    facts.is_multiplexed = origin.streams > 1;
    facts.max_streams = origin.streams;
    change(*c, [c] { c->phase = mirror_phase::ready; });
    c->is_multiplexed = facts.is_multiplexed;
    c->max_streams = std::min(origin.streams, settings_.pool.http2.max_streams);
    c->ready_at = now_;
    c->idle_since = now_;
    --origin.coming;
    ++totals_.connections;
    if (chance(settings_.fault_share)) schedule(around(20ms), event_kind::reset, id);
    if (chance(settings_.fault_share)) schedule(around(20ms), event_kind::goaway, id);
    if (c->is_multiplexed && chance(0.3)) schedule(around(5ms), event_kind::streams, id);
    if (c->is_multiplexed && chance(0.1)) schedule(around(10ms), event_kind::doubt, id);
    input([&] { core_.on_ready(now_, id, facts); });
}

// Connections.

void world::on_reset(connection_id id) {
    run_due();
    mirror_connection* c = find(id);
    if (c != nullptr && c->phase != mirror_phase::ready) {
        return fail_dial(id, core::dial_failure::connect_failed);
    }
    if (c != nullptr && !c->exchanges.empty() && chance(0.5)) {  // told one by one
        change(*c, [c] { c->is_leaving = true; });
        const std::vector<std::uint32_t> all = c->exchanges;
        for (const std::uint32_t index : all) {
            const exchange_id x{index, exchange_table_[index].generation};
            leave_connection(*find(id), index);
            end_exchange(x);
            ++totals_.broken;
            input([&] { core_.on_exchange_done(now_, id, x, core::exchange_outcome::failed); });
        }
        return require(find(id) == nullptr, "a broken connection closes with its last exchange");
    }
    if (c == nullptr) {
        if (!chance(0.3)) return;
        ++stale_expected_;
    } else {
        if (c->is_multiplexed) ++origins_[c->origin].failed_dials;
        remove_connection(id, close_reason::peer_error);
    }
    input([&] { core_.on_closed(now_, id, close_reason::peer_error); });
}

void world::on_goaway(connection_id id) {
    run_due();
    mirror_connection* c = find(id);
    if (c == nullptr) {
        if (!chance(0.3)) return;
        ++stale_expected_;
    } else {
        // One that answered nobody counts like a failed dial.
        if (c->is_multiplexed) ++origins_[c->origin].failed_dials;
        change(*c, [c] { c->is_leaving = true; });
    }
    input([&] { core_.on_draining(now_, id); });
}

// What changes the room of a multiplexed connection. One that gets room again rests from then on.
template <class Change>
void world::change_room(mirror_connection& c, Change&& how) {
    const bool had_room = c.has_room();
    how();
    if (c.exchanges.empty() && c.has_room() != had_room) c.idle_since = now_;
}

void world::on_resets_seen(connection_id id) {
    run_due();
    mirror_connection* c = find(id);
    if (c == nullptr) {
        if (!chance(0.3)) return;
        ++stale_expected_;
    } else {
        change_room(*c, [c] { --c->held; });
    }
    input([&] { core_.on_resets_seen(now_, id, 1); });
}

void world::on_streams(connection_id id) {
    run_due();
    mirror_connection* c = find(id);
    const std::uint32_t choices[] = {0, 1, 3, 100};
    const std::uint32_t allowed = choices[random_.below(4)];
    if (c == nullptr) {
        if (!chance(0.3)) return;
        ++stale_expected_;
    } else {
        change_room(*c,
                    [&] { c->max_streams = std::min(allowed, settings_.pool.http2.max_streams); });
        // A peer does not forbid everything for ever.
        if (allowed < 3 || chance(0.3)) schedule(around(20ms), event_kind::streams, id);
    }
    input([&] { core_.on_streams_changed(now_, id, allowed); });
}

void world::on_doubt(connection_id id) {
    run_due();
    mirror_connection* c = find(id);
    if (c == nullptr) return;
    change_room(*c, [c] { c->is_in_doubt = !c->is_in_doubt; });
    schedule(around(c->is_in_doubt ? 5ms : 50ms), event_kind::doubt, id);
    const bool in_doubt = c->is_in_doubt;
    input([&] { core_.on_doubt(now_, id, in_doubt); });
}

// The rest.

void world::on_grant() {
    grant_pending_ = false;
    const std::uint32_t granted = std::min(leases_asked_, leases_elsewhere_);
    if (granted == 0) return;
    leases_asked_ -= granted;
    leases_elsewhere_ -= granted;
    leases_here_ += granted;
    totals_.leases_moved += granted;
    input([&] { core_.on_lease(now_, granted); });
}

void world::on_recall() {
    if (is_draining_) return;
    const auto wanted = static_cast<std::uint32_t>(random_.below(10));
    input([&] { core_.on_lease_recall(now_, chance(0.5) ? 0 : wanted); });
    schedule(around(20ms), event_kind::recall);
}

void world::on_warm() {
    if (is_draining_) return;
    const std::uint64_t ticket = next_ticket_++;
    const auto origin = static_cast<std::uint32_t>(random_.below(settings_.origins));
    const auto count = static_cast<std::uint32_t>(random_.below(12));
    const time_point deadline = now_ + around(20ms);
    warm_ups_[ticket] = {origin, count, deadline};
    origins_[origin].warm_wanted = std::max(origins_[origin].warm_wanted, count);
    input([&] { core_.warm(now_, origins_[origin].id, count, ticket, deadline); });
    schedule(around(20ms), event_kind::warm);
}

void world::on_mood(std::uint32_t index) {
    if (is_draining_) return;
    const origin_mood bad[] = {origin_mood::refusing, origin_mood::silent, origin_mood::rejecting};
    const bool is_bad = chance(settings_.outage_share);
    origins_[index].mood = is_bad ? bad[random_.below(std::size(bad))] : origin_mood::healthy;
    schedule(around(50ms), event_kind::mood, {}, {index, 0});
}

void world::on_shut_down() {
    if (is_draining_) return;
    is_draining_ = true;
    is_shut_down_ = true;
    totals_.forgotten += alive_exchanges_;
    for (std::uint32_t i = 0; i < exchange_table_.size(); ++i) {
        const exchange_id id{i, exchange_table_[i].generation};
        if (exchange_table_[i].state == mirror_state::waiting) end_exchange(id);
    }
    warm_ups_.clear();
    input([this] { core_.shut_down(now_); });
}

void world::end_world() {
    if (is_draining_) return;
    is_draining_ = true;
    input([this] { core_.drain(now_); });
}

}  // namespace hearth::sim
