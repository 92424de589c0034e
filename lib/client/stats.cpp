// `stats`: sums over shards and origins, and the words for what is in them.
#include "client/stats_sum.hpp"

#include <algorithm>
#include <utility>

HEARTH_BEGIN_NAMESPACE

std::string_view to_string(close_reason value) noexcept {
    switch (value) {
        case close_reason::idle_timeout: return "idle_timeout";
        case close_reason::idle_limit: return "idle_limit";
        case close_reason::lifetime: return "lifetime";
        case close_reason::evicted: return "evicted";
        case close_reason::peer: return "peer";
        case close_reason::peer_error: return "peer_error";
        case close_reason::not_reusable: return "not_reusable";
        case close_reason::cancelled: return "cancelled";
        case close_reason::drain_limit: return "drain_limit";
        case close_reason::gave_way: return "gave_way";
        case close_reason::upgraded: return "upgraded";
        case close_reason::dial_failed: return "dial_failed";
        case close_reason::unused_dial: return "unused_dial";
        case close_reason::client_closed: return "client_closed";
        case close_reason::outdated: return "outdated";
        case close_reason::over_limit: return "over_limit";
        case close_reason::count_: break;
    }
    return "unknown";
}

std::string_view to_string(breaker_state value) noexcept {
    switch (value) {
        case breaker_state::closed: return "closed";
        case breaker_state::open: return "open";
        case breaker_state::half_open: return "half_open";
        case breaker_state::recovering: return "recovering";
    }
    return "unknown";
}

namespace detail {
namespace {

void add_gate(origin_stats& sum, const origin_stats& one) {
    const auto is_worse = [](breaker_state a, breaker_state b) {
        const auto rank = [](breaker_state s) {
            return s == breaker_state::open ? 4 : static_cast<int>(s);
        };
        return rank(a) > rank(b);
    };
    if (is_worse(one.breaker, sum.breaker)) sum.breaker = one.breaker;
    sum.concurrency_limit += one.concurrency_limit;
    sum.overload_limit += one.overload_limit;
    sum.held += one.held;
    sum.breaker_opened += one.breaker_opened;
    sum.breaker_refused += one.breaker_refused;
    sum.rate_refused += one.rate_refused;
    sum.concurrency_refused += one.concurrency_refused;
    sum.load_refused += one.load_refused;
    sum.hedges += one.hedges;
    sum.hedges_won += one.hedges_won;
    sum.hedges_withheld += one.hedges_withheld;
    sum.outdated += one.outdated;
}

}  // namespace

void add_origin(origin_stats& sum, const origin_stats& one) {
    sum.open += one.open;
    sum.idle += one.idle;
    sum.active += one.active;
    sum.dialing += one.dialing;
    sum.handshaking += one.handshaking;
    sum.draining += one.draining;
    sum.waiting += one.waiting;
    sum.oldest_wait = std::max(sum.oldest_wait, one.oldest_wait);
    sum.opened += one.opened;
    sum.closed += one.closed;
    for (std::size_t i = 0; i < sum.closed_by_reason.size(); ++i) {
        sum.closed_by_reason[i] += one.closed_by_reason[i];
    }
    sum.handshakes_full += one.handshakes_full;
    sum.handshakes_resumed += one.handshakes_resumed;
    sum.handshakes_failed += one.handshakes_failed;
    sum.handshakes_wasted += one.handshakes_wasted;
    sum.handshakes_useful += one.handshakes_useful;
    sum.handshake_cpu += one.handshake_cpu;
    sum.handshake_cpu_useful += one.handshake_cpu_useful;
    sum.exchanges += one.exchanges;
    sum.answered += one.answered;
    sum.drained += one.drained;
    sum.streams_reset += one.streams_reset;
    sum.failed_dials += one.failed_dials;
    sum.stale_retries += one.stale_retries;
    sum.queue_refused += one.queue_refused;
    sum.queue_timeouts += one.queue_timeouts;
    sum.queue_hopeless += one.queue_hopeless;
    sum.queue_shed += one.queue_shed;
    add_gate(sum, one);
}

namespace {

void add_counts(stats& sum, const stats& part) {
    sum.calls += part.calls;
    sum.completed += part.completed;
    sum.in_flight += part.in_flight;
    sum.bytes_received += part.bytes_received;
    sum.bytes_sent += part.bytes_sent;
    sum.file_bytes_received += part.file_bytes_received;
    sum.file_bytes_sent += part.file_bytes_sent;
    sum.read_calls += part.read_calls;
    sum.write_calls += part.write_calls;
    sum.stale_messages += part.stale_messages;
    sum.chains_remembered += part.chains_remembered;
    sum.handshakes_at_once = std::max(sum.handshakes_at_once, part.handshakes_at_once);
    sum.origins_forgotten += part.origins_forgotten;
}

/// What two threads know of the addresses of one origin.
void add_addresses(std::vector<address_stats>& sum, std::vector<address_stats>&& more) {
    for (address_stats& one : more) {
        const auto same = std::ranges::find(sum, one.address, &address_stats::address);
        if (same == sum.end()) {
            if (sum.size() < most_addresses_told) sum.push_back(std::move(one));
            continue;
        }
        same->connections += one.connections;
        same->failures += one.failures;
        same->lost += one.lost;
        same->is_current |= one.is_current;
        same->is_ejected |= one.is_ejected;
        if (one.rests_until > same->rests_until) same->rests_until = one.rests_until;
    }
}

}  // namespace

void stats_sum::add(shard_snapshot&& part) {
    add_counts(sum, part.values);
    for (std::size_t i = 0; i < part.values.origins.size(); ++i) {
        origin_stats& one = part.values.origins[i];
        const auto [known, is_new] = places_.try_emplace(part.keys[i], sum.origins.size());
        if (is_new) {
            sum.origins.push_back(std::move(one));
            continue;
        }
        origin_stats& all = sum.origins[known->second];
        add_origin(all, one);
        all.threads += one.threads;
        add_addresses(all.addresses, std::move(one.addresses));
    }
}

}  // namespace detail

origin_stats stats::total() const {
    origin_stats sum;
    for (const origin_stats& one : origins) {
        detail::add_origin(sum, one);
        sum.threads = std::max(sum.threads, one.threads);
    }
    return sum;
}

HEARTH_END_NAMESPACE
