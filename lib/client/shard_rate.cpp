// shard, throughput floors: an exchange whose body moves, but too slowly to be worth waiting for.
//
// A window of `timeouts.rate_window` is looked at as a whole. It counts only while we wait for the
// network: a reader or a writer of ours that is slow begins a new one. Over HTTP/2 an exchange's
// own octets count, whatever else its connection carries.
#include <algorithm>
#include <utility>

#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

using boost::system::error_code;

/// Begins a window for the body that is sent, or received, from now on.
void shard::begin_rate(live_exchange& x, exchange_id id,
                       const std::optional<std::uint64_t>& floor) {
    x.rate_at = base::never;
    if (!floor) return;
    x.rate_from = moved_octets(x);
    x.rate_at = base::after(now_, config_.timeouts.rate_window);
    set_timer(x, id);
}

/// A window is over. False: the exchange has failed.
bool shard::check_rate(live_exchange& x, exchange_id id) {
    const bool receives = x.head_at != base::never;
    const auto& floor =
        receives ? config_.timeouts.min_receive_rate : config_.timeouts.min_send_rate;
    const std::uint64_t moved = moved_octets(x) - x.rate_from;
    const bool is_ours = receives ? waits_for_reader(x) : !waits_for_network(x);
    const auto least = static_cast<double>(floor.value_or(0)) *
                       std::chrono::duration<double>(config_.timeouts.rate_window).count();
    if (is_ours || static_cast<double>(moved) >= least) {
        begin_rate(x, id, floor);
        return true;
    }
    fail_assigned(id, errc::throughput_timeout,
                  "Only " + std::to_string(moved) + " octets of the " +
                      (receives ? "response" : "request") + " body moved in " +
                      std::to_string(config_.timeouts.rate_window.count()) + " ms; the floor is " +
                      std::to_string(floor.value_or(0)) + " a second.");
    return false;
}

/// Octets of the body that moved: of a request over HTTP/2 those that have left its stream.
std::uint64_t shard::moved_octets(const live_exchange& x) {
    return x.head_at != base::never ? x.body_octets : x.body_octets - unsent_octets(x);
}

/// HTTP/2: octets of the request body that its stream has and could not send yet.
std::uint64_t shard::unsent_octets(const live_exchange& x) {
    const link* l = find_link(x.connection);
    if (l == nullptr || !l->is_http2() || x.request_complete) return 0;
    const std::size_t most = config_.io.send_buffer;
    return std::min<std::uint64_t>(most - std::min(most, l->wire->room(x.id, most)), x.body_octets);
}

/// Whether octets of the request body are there that the network does not take.
bool shard::waits_for_network(const live_exchange& x) {
    return x.more_to_send || unsent_octets(x) != 0;
}

/// Whether octets are there that the caller has not read.
bool shard::waits_for_reader(const live_exchange& x) {
    if (!x.control) return false;
    const link* l = find_link(x.connection);
    return !x.control->read || x.control->unread.size() != 0 || (l != nullptr && l->paused);
}

}  // namespace hearth::detail
