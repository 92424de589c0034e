// Statistics, the full scan of all invariants, and pool_core's outer shell. Part of pool_core's
// inside, see pool_state.hpp.
#include "core/pool_core.hpp"
#include "core/pool_state.hpp"

namespace hearth::core {

using implementation = pool_core::implementation;

origin_stats implementation::stats(time_point now, origin_id name) const {
    const origin_record* origin = origins_.find(name);
    if (origin == nullptr) return {};
    using enum connection_state;
    const origin_pool& pool = origin->pool;
    origin_stats out = *origin->counters;
    out.exchanges = origin->exchanges;
    out.answered = origin->answered;
    out.idle = pool.count(idle);
    out.active = pool.count(active) + pool.count(full);
    out.draining = pool.count(draining);
    out.open = out.idle + out.active + out.draining;
    out.dialing = pool.count(dialing);
    out.handshaking = pool.count(handshaking);
    out.waiting = pool.waiters();
    out.overload_limit = origin->useful ? origin->useful->limit() : 0;
    const std::uint32_t waiter = pool.first_waiter(tables_);
    if (waiter != no_index) out.oldest_wait = now - tables_.exchanges.at(waiter).since;
    return out;
}

void implementation::check_invariants() const {
    std::uint64_t assigned = 0;
    std::vector<std::uint32_t> by_origin(limits_.bound());
    tables_.connections.for_each([&](connection_id id, const connection_record& connection) {
        HEARTH_ASSERT(connection.id == id);
        check_connection(connection);
        assigned += connection.exchanges;
        ++by_origin[connection.origin];
    });
    std::uint64_t waiting = 0;
    std::uint64_t idle = 0;
    origins_.for_each([&](origin_id id, const origin_record& origin) {
        const origin_pool& pool = origin.pool;
        pool.check_invariants(tables_, id.index);
        // Whoever could be served has been.
        if (!is_crowded(origin)) {
            const bool has_fresh = pool.pick(true, no_index) != no_index;
            HEARTH_ASSERT(pool.waiters() == pool.fresh_waiters() || pool.pick(false) == no_index);
            HEARTH_ASSERT(pool.fresh_waiters() == 0 || !has_fresh);
        }
        // Whoever waits for a dial that may begin stands in line, or is looked at in time.
        const bool may_dial = !is_draining_ && demand_of(origin).for_waiters != 0;
        HEARTH_ASSERT(!may_dial || limits_.is_in_line(id.index) || origin.timer != 0);
        waiting += pool.waiters();
        idle += pool.count(connection_state::idle);
        const std::uint32_t exist =
            pool.coming() + pool.ready() + pool.count(connection_state::draining);
        HEARTH_ASSERT(exist == by_origin[id.index] && exist == limits_.count(id.index));
        HEARTH_ASSERT(origin.counters->opened == origin.counters->closed + exist);
        HEARTH_ASSERT(origin.answered <= origin.exchanges);
        HEARTH_ASSERT(origin.counters->handshakes_useful <=
                      origin.counters->handshakes_full + origin.counters->handshakes_resumed);
        HEARTH_ASSERT(!origin.is_touched);
        HEARTH_ASSERT(!origin.warm_ups.empty() || origin.warm_target == 0);
        HEARTH_ASSERT(excess_timer_ != 0 ||
                      pool.count(connection_state::idle) <= most_idle(origin));
        if (is_draining_) HEARTH_ASSERT(pool.count(connection_state::idle) == 0);
    });
    std::uint64_t living = 0;
    for (std::uint32_t i = 0; i < tables_.exchanges.size(); ++i) {
        living += tables_.exchanges.at(i).state != exchange_state::absent ? 1 : 0;
    }
    HEARTH_ASSERT(idle == tables_.idle_count);
    HEARTH_ASSERT(living == exchanges_ && living == assigned + waiting);
    HEARTH_ASSERT(tables_.connections.size() == limits_.used());
    HEARTH_ASSERT(scheduler_.is_within_limit());
    HEARTH_ASSERT(touched_.empty());
    limits_.check_invariants();
}

void implementation::check_connection(const connection_record& c) const {
    using enum connection_state;
    HEARTH_ASSERT(c.state != closed && (c.is_multiplexed || c.exchanges <= c.max_exchanges));
    HEARTH_ASSERT(c.is_multiplexed || (c.held == 0 && c.silent == 0 && !c.is_in_doubt));
    HEARTH_ASSERT(c.silent == 0 || c.silent_timer != 0);
    std::uint32_t silent = 0;
    HEARTH_ASSERT(c.assigned.size() == c.exchanges);
    HEARTH_ASSERT(!c.is_cancelled || (c.state == draining && c.exchanges == 1));
    HEARTH_ASSERT(!c.is_retiring || c.state == draining);
    for (std::uint32_t i = c.assigned.front(); i != no_index;) {
        const exchange_record& x = tables_.exchanges.at(i);
        HEARTH_ASSERT(x.connection == c.id.index && x.origin == c.origin);
        if (c.is_multiplexed) {
            silent += x.state == exchange_state::cancelled ? 1 : 0;
        } else {
            HEARTH_ASSERT(x.state ==
                          (c.is_cancelled ? exchange_state::cancelled : exchange_state::assigned));
        }
        i = x.links.next;
    }
    HEARTH_ASSERT(silent == c.silent);
    switch (c.state) {
        case dialing:
        case handshaking:
            HEARTH_ASSERT(c.filed == filed_in::coming && c.exchanges == 0 && c.timer != 0);
            return;
        case idle:
            HEARTH_ASSERT(c.filed == (c.has_carried ? filed_in::used : filed_in::unused));
            HEARTH_ASSERT(c.exchanges == 0 && c.timer != 0 && c.armed <= c.idle_end());
            HEARTH_ASSERT(c.use != 0);
            return;
        case active:
            HEARTH_ASSERT(c.filed == filed_in::available);
            HEARTH_ASSERT(c.exchanges != 0 && c.has_room());
            return;
        case full:
            HEARTH_ASSERT(c.filed == filed_in::nothing && !c.has_room());
            HEARTH_ASSERT(c.exchanges != 0 || (c.is_multiplexed && c.timer != 0));
            return;
        case draining:
            HEARTH_ASSERT(c.filed == (c.is_cancelled ? filed_in::draining : filed_in::nothing));
            HEARTH_ASSERT(c.exchanges != 0 && (!c.is_cancelled || c.timer != 0));
            return;
        case closed: return;
    }
}

pool_core::pool_core(const pool_settings& settings, std::uint64_t seed, std::uint32_t leases)
    : implementation_(std::make_unique<implementation>(settings, seed, leases, 1)) {}
pool_core::~pool_core() = default;

void pool_core::stop() noexcept {
    if (implementation_) first_generation_ = implementation_->unused_generation();
    implementation_.reset();
}

void pool_core::restart(const pool_settings& settings, std::uint64_t seed, std::uint32_t leases) {
    stop();
    implementation_ = std::make_unique<implementation>(settings, seed, leases, first_generation_);
}

origin_id pool_core::add_origin(time_point now, const origin_settings& settings) {
    return implementation_->add_origin(now, settings);
}
void pool_core::update(time_point now, const pool_settings& settings) {
    implementation_->update(now, settings);
}
void pool_core::set_part(time_point now, origin_id origin, const origin_part& part) {
    implementation_->set_part(now, origin, part);
}
bool pool_core::is_within_part(origin_id origin) const {
    return implementation_->is_within_part(origin);
}
bool pool_core::is_full(origin_id origin) const { return implementation_->is_full(origin); }
std::uint32_t pool_core::places(origin_id origin, std::uint32_t spare_leases) const {
    return implementation_->places(origin, spare_leases);
}
origin_use pool_core::use_of(origin_id origin) const { return implementation_->use_of(origin); }
void pool_core::forget_origin(time_point now, origin_id origin) {
    implementation_->forget_origin(now, origin);
}
refusal pool_core::ask(time_point now, origin_id origin, time_point deadline) {
    return implementation_->ask(now, origin, deadline);
}
void pool_core::acquire(time_point now, const acquire_params& params) {
    implementation_->acquire(now, params);
}
void pool_core::cancel(time_point now, exchange_id exchange) {
    implementation_->cancel(now, exchange);
}
void pool_core::cancel_assigned(time_point now, connection_id connection, exchange_id exchange,
                                const cancel_facts& facts) {
    implementation_->cancel_assigned(now, connection, exchange, facts);
}
void pool_core::warm(time_point now, origin_id origin, std::uint32_t count, std::uint64_t ticket,
                     time_point deadline) {
    implementation_->warm(now, origin, count, ticket, deadline);
}
void pool_core::drain(time_point now) { implementation_->drain(now); }
void pool_core::shut_down(time_point now) { implementation_->shut_down(now); }

void pool_core::on_resolved(time_point now, connection_id connection,
                            std::span<const bool> families) {
    implementation_->on_resolved(now, connection, families.size());
}
void pool_core::on_connected(time_point now, connection_id connection, std::uint32_t address) {
    implementation_->on_connected(now, connection, address);
}
void pool_core::on_connect_failed(time_point now, connection_id connection, std::uint32_t address) {
    implementation_->on_connect_failed(now, connection, address);
}
void pool_core::on_handshake_need(time_point now, connection_id connection, handshake_need need) {
    implementation_->on_handshake_need(now, connection, need);
}
void pool_core::on_slice_done(time_point now, connection_id connection, duration cost,
                              slice_outcome outcome) {
    implementation_->on_slice_done(now, connection, cost, outcome);
}
void pool_core::on_ready(time_point now, connection_id connection, const ready_facts& facts) {
    implementation_->on_ready(now, connection, facts);
}
void pool_core::on_dial_failed(time_point now, connection_id connection, dial_failure failure) {
    implementation_->on_dial_failed(now, connection, failure);
}
void pool_core::on_first_byte(time_point now, connection_id connection, exchange_id exchange) {
    implementation_->on_first_byte(now, connection, exchange);
}
void pool_core::on_exchange_done(time_point now, connection_id connection, exchange_id exchange,
                                 exchange_outcome outcome) {
    implementation_->on_exchange_done(now, connection, exchange, outcome);
}
void pool_core::on_keep_alive(time_point now, connection_id connection, duration patience) {
    implementation_->on_keep_alive(now, connection, patience);
}

void pool_core::on_draining(time_point now, connection_id connection) {
    implementation_->on_draining(now, connection);
}
void pool_core::on_streams_changed(time_point now, connection_id connection,
                                   std::uint32_t max_streams) {
    implementation_->on_streams_changed(now, connection, max_streams);
}
void pool_core::on_resets_seen(time_point now, connection_id connection, std::uint32_t count) {
    implementation_->on_resets_seen(now, connection, count);
}
void pool_core::on_doubt(time_point now, connection_id connection, bool in_doubt) {
    implementation_->on_doubt(now, connection, in_doubt);
}
void pool_core::on_closed(time_point now, connection_id connection, close_reason reason) {
    implementation_->on_closed(now, connection, reason);
}
void pool_core::on_turn(time_point now) { implementation_->on_turn(now); }
void pool_core::on_permits(time_point now) { implementation_->on_permits(now); }
void pool_core::on_timer(time_point now) { implementation_->on_timer(now); }
void pool_core::on_lease(time_point now, std::uint32_t granted) {
    implementation_->on_lease(now, granted);
}
void pool_core::on_lease_recall(time_point now, std::uint32_t wanted) {
    implementation_->on_lease_recall(now, wanted);
}
void pool_core::on_lease_debt(time_point now, std::uint32_t owed) {
    implementation_->on_lease_debt(now, owed);
}
void pool_core::on_outdated(time_point now, connection_id connection, duration within) {
    implementation_->on_outdated(now, connection, within);
}

bool pool_core::poll_action(action& out) { return implementation_->poll_action(out); }
time_point pool_core::next_deadline() const { return implementation_->next_deadline(); }
bool pool_core::wants_turn() const { return implementation_->wants_turn(); }

bool pool_core::lacks_descriptors() const { return implementation_->leases().is_at_ceiling(); }
std::size_t pool_core::origin_count() const { return implementation_->origin_count(); }
origin_stats pool_core::stats(time_point now, origin_id origin) const {
    return implementation_->stats(now, origin);
}
std::uint64_t pool_core::stale_facts() const { return implementation_->stale_facts(); }
std::uint32_t pool_core::leases_held() const { return implementation_->leases().held(); }
std::uint32_t pool_core::leases_used() const { return implementation_->leases().used(); }
std::uint32_t pool_core::leases_owed() const { return implementation_->leases().owed(); }
std::uint32_t pool_core::handshakes_at_once() const {
    return implementation_->handshakes_at_once();
}
void pool_core::check_invariants() const { implementation_->check_invariants(); }

}  // namespace hearth::core
