// `stats`: sums over origins and the words for close reasons.

#include "hearth/stats.hpp"

#include <algorithm>

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
        case close_reason::count_: break;
    }
    return "unknown";
}

origin_stats stats::total() const {
    origin_stats sum;
    for (const origin_stats& one : origins) {
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
    }
    return sum;
}

HEARTH_END_NAMESPACE
