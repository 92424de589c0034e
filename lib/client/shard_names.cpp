// shard, names that change: an origin's name is asked for again when its answer's life is over, as
// long as there are connections to it. Connections to addresses that the answer does not have any
// more are replaced, a quarter of all at a time: others first, then these end with what they carry.
#include <algorithm>
#include <chrono>
#include <utility>

#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

using boost::system::error_code;

namespace {

// Between two questions about one name at the least: for answers that must not be kept.
constexpr std::chrono::seconds shortest_life{1};
// And after one that failed, and after replacements that could not be had.
constexpr std::chrono::seconds pause_after_failure{2};
constexpr std::uint32_t share_at_once = 4;

bool is_unretired(const link& l, origin_id origin) {
    return l.ready && !l.closing && !l.retired && l.origin == origin && l.addresses.is_old();
}

}  // namespace

/// Sets the time of the next look. Fixed addresses need none.
void shard::follow_name(origin_id id) {
    origin_entry& entry = origins_[id.index];
    const auto until = resolver_->expiry(first_host(entry.key), first_port(entry.key));
    if (!until || entry.names.is_asking || !entry.names.book->holds_any()) return;
    name_times_.set(entry.names.timer, std::max(*until, now_ + shortest_life), id);
    replace_old(id);
}

void shard::on_name_times() {
    origin_id id;
    while (name_times_.pop_due(now_, id)) {
        origin_entry& entry = origins_[id.index];
        entry.names.timer = 0;
        // Without connections nothing depends on it: the next dial asks.
        if (closed_ || draining_ || core_.stats(now_, id).open == 0) continue;
        entry.names.is_asking = true;
        (void)resolver_->refresh(
            first_host(entry.key), first_port(entry.key),
            [weak = weak_from_this(), id, life = life_](
                error_code error, const std::string& /*detail*/, io::address_list addresses) {
                const auto self = weak.lock();
                if (!self) return;
                self->enter([&] {
                    if (self->life_ == life) self->on_name_answer(id, error, std::move(addresses));
                });
            });
    }
}

void shard::on_name_answer(origin_id id, error_code error, io::address_list addresses) {
    origin_entry& entry = origins_[id.index];
    entry.names.is_asking = false;
    if (closed_ || draining_ || !entry.names.book->holds_any()) return;
    keep_family(addresses, entry.key.route.local_address);
    if (error || addresses.empty()) {  // what is known is better than nothing
        name_times_.set(entry.names.timer, now_ + pause_after_failure, id);
        return;
    }
    entry.names.book->update(now_, address_race::name(addresses));
    follow_name(id);
}

/// Has as many more connections made as will be retired next.
void shard::replace_old(origin_id id) {
    origin_entry& entry = origins_[id.index];
    if (draining_ || entry.names.warming != 0 || !entry.names.book->holds_old()) return;
    const auto old = static_cast<std::uint32_t>(
        std::count_if(links_.begin(), links_.end(),
                      [&](const auto& one) { return one && is_unretired(*one, id); }));
    if (old == 0) return;
    const origin_stats has = core_.stats(now_, id);
    const auto ready = static_cast<std::uint32_t>(has.idle + has.active);
    entry.names.to_retire = std::min(old, std::max(1U, ready / share_at_once));
    entry.names.warming = next_warm_++;
    core_.warm(now_, id, ready + entry.names.to_retire, entry.names.warming,
               base::after(now_, config_.timeouts.connect + config_.timeouts.handshake));
}

/// The replacements are there, or as many as the limits allow. False: these were for a caller.
bool shard::retire_old(const core::action& warmed) {
    origin_entry& entry = origins_[warmed.origin.index];
    if (entry.names.warming == 0 || entry.names.warming != warmed.value) return false;
    entry.names.warming = 0;
    if (warmed.failure != core::wait_failure::none) {
        name_times_.set(entry.names.timer, now_ + pause_after_failure, warmed.origin);
        return true;
    }
    std::uint32_t left = std::exchange(entry.names.to_retire, 0);
    for (const auto& one : links_) {
        if (left == 0) break;
        if (!one || !is_unretired(*one, warmed.origin)) continue;
        one->retired = true;
        core_.on_draining(now_, one->id);
        --left;
    }
    replace_old(warmed.origin);
    return true;
}

}  // namespace hearth::detail
