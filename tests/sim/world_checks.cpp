// The mirror of the simulated world: every action of core is checked against what the contract
// allows and then acted on. See world.hpp.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/assert.hpp"
#include "sim/world.hpp"

#if __has_include("sim_commit.hpp")
#include "sim_commit.hpp"
#endif
#if !defined(HEARTH_COMMIT)
#define HEARTH_COMMIT "unknown"
#endif

namespace hearth::sim {

using core::action;
using core::action_kind;
using core::wait_failure;

namespace {

// Written by the world that runs, read by the abort handler: a plain buffer, no allocation.
char replay_note[400] = "";

void on_abort(int) {
    // Only async-signal-safe calls; the process is lost anyway.
    [[maybe_unused]] const std::size_t written =
        std::fwrite(replay_note, 1, std::strlen(replay_note), stderr);
    std::signal(SIGABRT, SIG_DFL);
}

void mix(std::uint64_t& hash, std::uint64_t value) {
    hash = (hash ^ value) * 0x100000001b3ULL;
    hash ^= hash >> 29;
}

}  // namespace

void announce_world_on_abort() { std::signal(SIGABRT, on_abort); }

void world_totals::add(const world_totals& other) {
    exchanges += other.exchanges;
    answered += other.answered;
    broken += other.broken;
    cancelled += other.cancelled;
    withdrawn += other.withdrawn;
    forgotten += other.forgotten;
    for (std::size_t i = 0; i < failed.size(); ++i) failed[i] += other.failed[i];
    retried += other.retried;
    dials += other.dials;
    connections += other.connections;
    slices += other.slices;
    drained += other.drained;
    for (std::size_t i = 0; i < closed.size(); ++i) closed[i] += other.closed[i];
    leases_moved += other.leases_moved;
    stale_facts += other.stale_facts;
    steps += other.steps;
    scans += other.scans;
}

void world::require(bool claim, const char* what) {
    if (!claim) report_failure(what);
}

void world::report_failure(const char* what) {
    std::fprintf(stderr, "sim: broken: %s (step %llu, %.6f s)\n", what,
                 static_cast<unsigned long long>(totals_.steps),
                 std::chrono::duration<double>(now_.time_since_epoch()).count() - 3600.0);
    std::abort();
}

world::mirror_connection* world::find(connection_id id) {
    if (id.index >= connection_table_.size()) return nullptr;
    mirror_connection& c = connection_table_[id.index];
    return c.generation == id.generation && c.phase != mirror_phase::absent ? &c : nullptr;
}

world::mirror_exchange* world::find(exchange_id id) {
    if (id.index >= exchange_table_.size()) return nullptr;
    mirror_exchange& x = exchange_table_[id.index];
    return x.generation == id.generation && x.state != mirror_state::absent ? &x : nullptr;
}

void world::end_exchange(exchange_id id) {
    mirror_exchange* x = find(id);
    require(x != nullptr, "an exchange ends once");
    if (x->state == mirror_state::waiting) --origins_[x->origin].waiting;
    x->state = mirror_state::absent;
    free_exchanges_.push_back(id.index);
    --alive_exchanges_;
}

void world::leave_connection(mirror_connection& c, std::uint32_t exchange) {
    const auto found = std::find(c.exchanges.begin(), c.exchanges.end(), exchange);
    require(found != c.exchanges.end(), "an exchange is on the connection it was assigned to");
    mirror_exchange& x = exchange_table_[exchange];
    *found = c.exchanges.back();
    c.exchanges.pop_back();
    if (c.exchanges.empty()) c.idle_since = now_;
    x.connection = {};
    change(c, [&c] { c.is_draining = false; });
}

// Removes a connection and whatever is still on it.
void world::remove_connection(connection_id id, close_reason reason) {
    mirror_connection& c = *find(id);
    mirror_origin& origin = origins_[c.origin];
    while (!c.exchanges.empty()) {
        const std::uint32_t index = c.exchanges.back();
        const exchange_id x{index, exchange_table_[index].generation};
        if (exchange_table_[index].state == mirror_state::assigned && !is_shut_down_ &&
            x != cancelling_) {
            ++totals_.broken;
        }
        if (x == cancelling_) cancelling_ = {};
        leave_connection(c, index);
        end_exchange(x);
    }
    if (!c.is_running) {
        flights_queued_ -= c.need == core::handshake_need::flight ? 1 : 0;
        hellos_queued_ -= c.need == core::handshake_need::hello ? 1 : 0;
    }
    if (c.is_past_hello) --past_hello_;
    --origin.connections;
    if (c.phase != mirror_phase::ready) --origin.coming;
    change(c, [&c] { c.phase = mirror_phase::absent; });
    --alive_connections_;
    ++totals_.closed[static_cast<std::size_t>(reason)];
}

void world::apply(const action& a) {
    mix(hash_, static_cast<std::uint64_t>(now_.time_since_epoch().count()));
    mix(hash_, static_cast<std::uint64_t>(a.kind) << 8 | static_cast<std::uint64_t>(a.reason));
    mix(hash_, static_cast<std::uint64_t>(a.failure) << 8 | static_cast<std::uint64_t>(a.dial));
    mix(hash_, std::uint64_t{a.connection.index} << 32 | a.connection.generation);
    mix(hash_, std::uint64_t{a.exchange.index} << 32 | a.exchange.generation);
    mix(hash_, std::uint64_t{a.origin.index} << 32 | a.count);
    mix(hash_, a.value);
    switch (a.kind) {
        case action_kind::none: return report_failure("an action says something");
        case action_kind::dial: return apply_dial(a);
        case action_kind::connect:
        case action_kind::cancel_connect: return apply_connect(a);
        case action_kind::step: return apply_step(a);
        case action_kind::assign: return apply_assign(a);
        case action_kind::drain: return apply_drain(a);
        case action_kind::reset: return apply_reset(a);
        case action_kind::close: return apply_close(a);
        case action_kind::fail: return apply_fail(a);
        case action_kind::warmed: return apply_warmed(a);
        case action_kind::drained: return apply_drained();
        case action_kind::want_lease:
        case action_kind::return_lease: return apply_leases(a);
    }
}

void world::apply_dial(const action& a) {
    require(find(a.connection) == nullptr, "a dial makes a new connection");
    if (a.connection.index >= connection_table_.size()) {
        connection_table_.resize(a.connection.index + 1);
    }
    mirror_connection& c = connection_table_[a.connection.index];
    require(c.phase == mirror_phase::absent, "a place holds one connection");
    require(a.connection.generation > c.generation, "a name is used once");
    std::vector<std::uint32_t> kept = std::move(c.exchanges);  // its memory
    c = {};
    c.exchanges = std::move(kept);
    c.generation = a.connection.generation;
    c.phase = mirror_phase::resolving;
    c.origin = a.origin.index;
    mirror_origin& origin = origins_[c.origin];
    require(++origin.connections <= origin.limit, "an origin's limit is never overshot");
    require(++alive_connections_ <= leases_here_, "connections never exceed the leases held");
    // A multiplexed one may have begun to leave for its age, which only core knows.
    const std::uint32_t ready = origin.streams == 1 ? origin.ready : 0;
    const std::uint32_t warm_missing = origin.warm_wanted > ready ? origin.warm_wanted - ready : 0;
    // One multiplexed connection may come up before it is needed.
    const std::uint32_t spare = origin.streams == 1 ? 0 : 1;
    const bool is_refill = ready < settings_.pool.pool.min_ready || may_leave(c.origin);
    const std::uint32_t refill = is_refill ? 1 : 0;
    require(++origin.coming <= std::max({origin.waiting, warm_missing, spare, refill}),
            "dials in progress never exceed what waits for them");
    require(!is_draining_ || origin.waiting >= origin.coming, "a draining pool dials for waiters");
    ++totals_.dials;
    start_dial(a.connection);
}

// Whether a connection of that origin may be near the end of its lifetime.
bool world::may_leave(std::uint32_t origin) const {
    const pool_config& pool = settings_.pool.pool;
    if (!pool.replace_ahead) return false;
    const auto shortest =
        std::chrono::duration_cast<duration>(pool.max_lifetime * (1 - pool.jitter));
    const duration ahead = std::min<duration>(*pool.replace_ahead, shortest / 4);
    return std::ranges::any_of(connection_table_, [&](const mirror_connection& c) {
        return c.phase == mirror_phase::ready && c.origin == origin &&
               now_ >= c.ready_at + shortest - ahead;
    });
}

void world::apply_connect(const action& a) {
    mirror_connection* c = find(a.connection);
    require(c != nullptr, "a connect belongs to a dial");
    const std::uint64_t bit = std::uint64_t{1} << a.value;
    if (a.kind == action_kind::cancel_connect) {
        require((c->attempts & bit) != 0, "only a running connect is abandoned");
        c->attempts &= ~bit;
        return;
    }
    require(c->phase == mirror_phase::connecting, "a connect follows the name");
    require(a.value == c->next_address && a.value < c->addresses, "addresses are tried in order");
    ++c->next_address;
    c->attempts |= bit;
    start_connect(a.connection);
}

void world::apply_step(const action& a) {
    mirror_connection* c = find(a.connection);
    require(c != nullptr && c->phase == mirror_phase::securing, "a slice belongs to a handshake");
    require(!c->is_running, "one slice of a handshake at a time");
    require(c->need != core::handshake_need::none, "a slice has something to do");
    if (c->need == core::handshake_need::hello) {
        --hellos_queued_;
        require(flights_queued_ == 0, "answers to servers come before hellos");
        require(past_hello_ < settings_.pool.handshake.max_concurrent,
                "handshakes past their hello are limited");
        c->is_past_hello = true;
        ++past_hello_;
    } else {
        --flights_queued_;
    }
    c->is_running = true;
    ++totals_.slices;
    start_slice(a.connection);
}

void world::apply_assign(const action& a) {
    mirror_exchange* x = find(a.exchange);
    mirror_connection* c = find(a.connection);
    require(x != nullptr && x->state == mirror_state::waiting, "only a waiter is assigned");
    require(c != nullptr && c->phase == mirror_phase::ready, "only to a ready connection");
    require(c->origin == x->origin, "of its origin");
    require(!c->is_leaving, "that is not leaving");
    require(c->has_room(), "and has room");
    require(now_ < x->bound, "nobody who has expired is assigned");
    // At the limit of connections one that carries others will do.
    require(!x->fresh || !c->has_carried || c->is_multiplexed,
            "a fresh connection is given where one is wanted");
    require(!c->is_draining, "nor reading the rest of a cancelled response");
    if (c->exchanges.empty()) {
        require(now_ < c->idle_since + settings_.pool.pool.idle_timeout, "not idle for too long");
        require(now_ < c->ready_at + settings_.pool.pool.max_lifetime, "not too old");
    }
    mirror_origin& origin = origins_[x->origin];
    std::uint64_t& last = x->fresh ? origin.last_fresh : origin.last_ordinary;
    const bool may_turn = settings_.pool.overload.target.has_value();
    require(x->sequence > last || may_turn, "first come, first served");
    last = x->sequence;
    --origin.waiting;
    c->has_carried = true;
    c->exchanges.push_back(a.exchange.index);
    x->state = mirror_state::assigned;
    x->connection = a.connection;
    start_exchange(*x, a.exchange);
}

void world::apply_drain(const action& a) {
    mirror_exchange* x = find(a.exchange);
    mirror_connection* c = find(a.connection);
    require(x != nullptr && a.exchange == cancelling_, "only a cancelled exchange is drained");
    require(c != nullptr && x->connection == a.connection, "where it is");
    if (c->is_multiplexed) {
        require(a.value == 0, "a stream goes on without a limit of octets");
        cancelling_ = {};
        x->state = mirror_state::draining;
        c->has_been_silent = true;
        ++totals_.drained;
        schedule(std::max<duration>(x->answer_at - now_, {}), event_kind::answer, {}, a.exchange,
                 x->attempts);
        return;
    }
    require(!c->is_leaving, "on a connection worth it");
    require(settings_.pool.pool.on_cancel != cancel_policy::close, "unless the policy is to close");
    require(a.value == settings_.pool.pool.drain_bytes && a.value != 0, "within the limit");
    cancelling_ = {};
    x->state = mirror_state::draining;
    change(*c, [c] { c->is_draining = true; });
    ++totals_.drained;
    schedule(std::max<duration>(x->answer_at - now_, {}), event_kind::answer, {}, a.exchange,
             x->attempts);
}

void world::apply_reset(const action& a) {
    mirror_connection* c = find(a.connection);
    const mirror_exchange* x = find(a.exchange);
    require(x != nullptr && x->connection == a.connection, "a stream is reset where it is");
    require(a.exchange == cancelling_ || x->state == mirror_state::draining,
            "only a cancelled exchange is reset");
    require(c != nullptr && c->is_multiplexed, "on a multiplexed connection");
    if (a.exchange == cancelling_) cancelling_ = {};
    ++c->held;
    schedule(settings_.round_trip, event_kind::resets_seen, a.connection);
    leave_connection(*c, a.exchange.index);
    end_exchange(a.exchange);
}

void world::apply_close(const action& a) {
    mirror_connection* c = find(a.connection);
    require(c != nullptr, "a connection is closed once");
    check_close_reason(a, *c);
    if (a.reason == close_reason::dial_failed) ++origins_[c->origin].failed_dials;
    remove_connection(a.connection, a.reason);
}

void world::check_close_reason(const action& a, const mirror_connection& c) {
    const bool is_ready = c.phase == mirror_phase::ready;
    const bool is_idle = is_ready && c.exchanges.empty();
    const bool is_draining = c.is_draining;
    const pool_config& pool = settings_.pool.pool;
    const double least = 1.0 - pool.jitter;
    bool is_right = false;
    switch (a.reason) {
        case close_reason::idle_timeout:
            is_right = is_idle && !c.is_leaving && now_ >= c.idle_since + pool.idle_timeout * least;
            break;
        case close_reason::idle_limit:
        case close_reason::evicted: is_right = is_idle && !c.is_leaving; break;
        case close_reason::lifetime:
            is_right = is_idle && now_ >= c.ready_at + pool.max_lifetime * least;
            break;
        case close_reason::not_reusable:
        case close_reason::peer_error:
            is_right = is_idle && (c.is_leaving || c.has_been_silent);
            break;
        case close_reason::cancelled:
            is_right = c.exchanges.size() == 1 && cancelling_.is_valid() &&
                       c.exchanges[0] == cancelling_.index;
            break;
        case close_reason::drain_limit:
        case close_reason::gave_way: is_right = is_draining; break;
        case close_reason::dial_failed:
            is_right = !is_ready && a.dial != core::dial_failure::none;
            break;
        case close_reason::unused_dial:
            is_right = !is_ready && (is_draining_ || !settings_.pool.overload.keep_dials);
            break;
        case close_reason::client_closed:
            is_right = is_shut_down_ || (is_draining_ && (is_idle || is_draining));
            break;
        case close_reason::peer:
        case close_reason::upgraded:
        case close_reason::outdated:    // nothing of this world is replaced
        case close_reason::over_limit:  // nor is a limit lowered
        case close_reason::count_: break;
    }
    require(is_right, "the reason for closing is true");
}

void world::apply_fail(const action& a) {
    mirror_exchange* x = find(a.exchange);
    require(x != nullptr && x->state == mirror_state::waiting, "only a waiter fails");
    const mirror_origin& origin = origins_[x->origin];
    const bool is_new = a.exchange == acquiring_;
    const bool is_impatient = now_ - x->queued_at >= settings_.pool.pool.dial_patience;
    bool is_right = false;
    switch (a.failure) {
        case wait_failure::queue_full:
            is_right = is_new && origin.waiting > settings_.pool.pool.max_waiters;
            break;
        case wait_failure::queue_timeout:
            is_right = now_ >= x->queued_at + settings_.pool.timeouts.queue;
            break;
        case wait_failure::deadline: is_right = now_ >= x->deadline; break;
        case wait_failure::dial:
        case wait_failure::descriptor_limit:
            is_right = origin.failed_dials > x->failures_before ||
                       (origin.failed_dials != 0 && (is_new || is_impatient)) ||
                       (a.failure == wait_failure::descriptor_limit &&
                        now_ >= x->queued_at + settings_.pool.timeouts.queue);
            break;
        case wait_failure::draining: is_right = is_draining_ && is_new; break;
        case wait_failure::would_miss_deadline:
            is_right = settings_.pool.overload.refuse_late && x->deadline != base::never &&
                       x->deadline - now_ < duration(static_cast<duration::rep>(a.value));
            break;
        case wait_failure::shed:
            // Others wait; who comes now is not let in, who has waited gives up.
            is_right = settings_.pool.overload.target && origin.waiting > 1 &&
                       (is_new || now_ - x->queued_at >= *settings_.pool.overload.target);
            break;
        case wait_failure::none: break;
    }
    require(is_right, "the reason for failing is true");
    ++totals_.failed[static_cast<std::size_t>(a.failure)];
    end_exchange(a.exchange);
}

void world::apply_warmed(const action& a) {
    const auto found = warm_ups_.find(a.value);
    require(found != warm_ups_.end(), "a warm-up ends once");
    mirror_origin& origin = origins_[found->second.origin];
    require(origin.streams == 1 ? a.count == origin.ready : a.count <= origin.ready,
            "it tells how many are ready");
    const std::uint32_t index = found->second.origin;
    warm_ups_.erase(found);
    origin.warm_wanted = 0;
    for (const auto& [ticket, other] : warm_ups_) {
        if (other.origin == index) origin.warm_wanted = std::max(origin.warm_wanted, other.count);
    }
}

void world::apply_leases(const action& a) {
    const auto count = static_cast<std::uint32_t>(a.value);
    require(count != 0, "leases are moved in numbers");
    if (a.kind == action_kind::want_lease) {
        leases_asked_ += count;
        require(leases_asked_ + leases_here_ <= settings_.pool.pool.max_connections,
                "no more leases are asked for than exist");
    } else {
        require(count <= leases_here_, "only leases held are returned");
        leases_here_ -= count;
        leases_elsewhere_ += count;
        totals_.leases_moved += count;
    }
    if (leases_asked_ == 0 || grant_pending_) return;
    grant_pending_ = true;
    schedule(around(std::chrono::milliseconds{5}), event_kind::grant);
}

void world::apply_drained() {
    require(is_draining_ && !is_drained_, "a drain ends once");
    require(alive_exchanges_ == 0 && alive_connections_ == 0, "when nothing is left");
    is_drained_ = true;
}

void world::check_after_input(bool advanced) {
    require(!advanced || core_.next_deadline() > now_, "what is due is done");
    require(core_.leases_held() == leases_here_, "leases are held as they were moved");
    require(core_.leases_used() == alive_connections_, "each connection uses one lease");
    require(past_hello_ <= settings_.pool.handshake.max_concurrent, "handshakes are limited");
    const bool may_step =
        flights_queued_ != 0 ||
        (hellos_queued_ != 0 && past_hello_ < settings_.pool.handshake.max_concurrent);
    require(core_.wants_turn() == may_step, "a turn is wanted exactly when a slice may run");
    require(core_.stale_facts() == stale_expected_, "exactly the stale facts are stale");
}

void world::note_replay() const {
    std::snprintf(replay_note, sizeof(replay_note),
                  "sim: seed %llu, commit %s; again: "
                  "sim_run --seed %llu --exchanges %llu --replay\n",
                  static_cast<unsigned long long>(seed_), HEARTH_COMMIT,
                  static_cast<unsigned long long>(seed_),
                  static_cast<unsigned long long>(exchanges_));
}

void world::scan() {
    ++totals_.scans;
    core_.check_invariants();
    scan_exchanges();
    scan_origins();
    for (const auto& [ticket, warm_up] : warm_ups_) {
        require(warm_up.deadline > now_ || core_.next_deadline() <= now_,
                "a warm-up ends by its deadline");
    }
}

void world::scan_exchanges() {
    std::uint64_t alive = 0;
    for (std::uint32_t i = 0; i < exchange_table_.size(); ++i) {
        const mirror_exchange& x = exchange_table_[i];
        if (x.state == mirror_state::absent) continue;
        ++alive;
        if (x.state == mirror_state::between) continue;
        if (x.state == mirror_state::waiting) {
            // Unless the timer is late.
            require(x.bound > now_ || core_.next_deadline() <= now_, "no waiter is lost");
            continue;
        }
        const mirror_connection* c = find(x.connection);
        require(c != nullptr, "an assigned exchange has a connection");
        require(std::count(c->exchanges.begin(), c->exchanges.end(), i) == 1, "exactly one");
    }
    require(alive == alive_exchanges_, "each exchange is counted once");
}

void world::scan_origins() {
    struct counts {
        std::uint64_t dialing = 0, handshaking = 0, idle = 0, active = 0, draining = 0;
    };
    std::vector<counts> seen(origins_.size());
    for (const mirror_connection& c : connection_table_) {
        if (c.phase == mirror_phase::absent) continue;
        counts& n = seen[c.origin];
        const bool is_tls = origins_[c.origin].tls;
        const bool drains = c.is_leaving || c.is_draining;
        if (c.phase != mirror_phase::ready) {
            ++(c.phase == mirror_phase::securing && is_tls ? n.handshaking : n.dialing);
        } else if (c.exchanges.empty() && c.has_room()) {
            ++n.idle;
        } else {
            ++(drains ? n.draining : n.active);
        }
    }
    for (std::size_t i = 0; i < origins_.size(); ++i) {
        const origin_stats stats = core_.stats(now_, origins_[i].id);
        const counts& n = seen[i];
        require(stats.dialing == n.dialing, "dials are counted");
        require(stats.handshaking == n.handshaking, "handshakes are counted");
        require(stats.idle == n.idle, "idle connections are counted");
        // A multiplexed one may have begun to leave for its age, which only core knows.
        require(stats.active + stats.draining == n.active + n.draining, "busy ones are counted");
        require(stats.draining >= n.draining, "draining ones are counted");
        require(stats.waiting == origins_[i].waiting, "waiters are counted");
        require(stats.opened == stats.closed + stats.open + stats.dialing + stats.handshaking,
                "every connection opened exists or was closed");
    }
}

void world::check_end() {
    scan();
    require(alive_exchanges_ == 0 && alive_connections_ == 0, "nothing is left at the end");
    require(warm_ups_.empty(), "no warm-up is left at the end");
    totals_.stale_facts = core_.stale_facts();
    std::uint64_t ended = totals_.forgotten + totals_.withdrawn;
    for (const std::uint64_t each : totals_.failed) ended += each;
    require(ended <= totals_.exchanges + totals_.retried, "each exchange ends once");
    require(base::invariants_broken() == 0, "no invariant of core was broken");
}

void world::trace(const action& a) const {
    static const char* const names[] = {"none",   "dial",    "connect",    "cancel_connect", "step",
                                        "assign", "drain",   "reset",      "close",          "fail",
                                        "warmed", "drained", "want_lease", "return_lease"};
    std::fprintf(stderr, "%llu %.6f %s c%u.%u x%u.%u o%u value %llu reason %u failure %u dial %u\n",
                 static_cast<unsigned long long>(totals_.steps),
                 std::chrono::duration<double>(now_.time_since_epoch()).count() - 3600.0,
                 names[static_cast<std::size_t>(a.kind)], a.connection.index,
                 a.connection.generation, a.exchange.index, a.exchange.generation, a.origin.index,
                 static_cast<unsigned long long>(a.value), static_cast<unsigned>(a.reason),
                 static_cast<unsigned>(a.failure), static_cast<unsigned>(a.dial));
}

}  // namespace hearth::sim
