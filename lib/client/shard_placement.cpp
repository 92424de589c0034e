// shard, origins that several shards serve: its part of their limits, calls that come after it has
// given its part up, and the load that decides it (placement.hpp).
#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "client/handshake_workers.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

namespace {

// Between two looks at whether an order has been carried out.
constexpr std::chrono::milliseconds order_interval{10};

}  // namespace

core::origin_part shard::part_of(std::uint32_t slot) const {
    return places_ ? places_->part(slot) : core::origin_part{};
}

/// The floor of the budget is of all shards together; so is the share, by itself.
core::budget_limits shard::extra_work_of(const origin_entry& origin) const {
    const std::uint32_t count = std::max(part_of(origin.slot).count, 1U);
    return {config_.budget.share, config_.budget.floor_per_second / count};
}

/// Where this shard has given its part of a slot up: the one that was there first, and stays.
std::shared_ptr<shard> shard::owner_elsewhere(std::uint32_t slot) const {
    if (!places_ || !places_->has_none(slot)) return nullptr;
    const takers all = settings_.placement->table().load(slot);
    return all.empty() ? nullptr : (*settings_.peers)[all.first()].lock();
}

/// Sends a call on that was on its way when this shard gave its part up. A cancellation takes the
/// same way, and so comes after it.
bool shard::send_elsewhere(call& from, const std::shared_ptr<cancel_handle>& handle) {
    std::shared_ptr<shard> owner = owner_elsewhere(from.slot);
    if (!owner) return false;
    auto boxed = std::make_unique<call>(std::move(from));
    if (handle) handle->moved_to = owner;
    shard& to = *owner;
    to.submit_late([owner = std::move(owner), handle, boxed = std::move(boxed)] {
        owner->begin(std::move(*boxed), handle);
    });
    return true;
}

void shard::set_part(std::uint32_t slot, const core::origin_part& part) {
    places_->set_part(slot, part);
    for (const auto& [key, id] : origin_ids_) {
        if (origins_[id.index].slot == slot) core_.set_part(now_, id, part);
    }
}

void shard::take_order(const placement_order& order) {
    if (!places_ || !places_->add_order(order)) return;
    if (closed_ || is_starved_) {  // it has nothing
        places_->set_part(order.slot, order.part);
        for (std::size_t i = 0; i < places_->orders().size(); ++i) {
            if (places_->orders()[i].slot == order.slot) places_->remove_order(i);
        }
        settings_.placement->done(settings_.index, order, now_);
        return;
    }
    places_->orders_at = now_;
    if (!order.part.is_none()) set_part(order.slot, order.part);
}

bool shard::has_done(const placement_order& order) {
    bool has_exchanges = false;
    bool is_within = true;
    for (const auto& [key, id] : origin_ids_) {
        const origin_entry& entry = origins_[id.index];
        if (entry.slot != order.slot) continue;
        has_exchanges |= entry.exchanges != 0;
        is_within &= core_.is_within_part(id);
    }
    if (places_->part(order.slot) == order.part) return is_within;
    if (!has_exchanges) set_part(order.slot, order.part);
    return false;  // what rests is closed from now on
}

void shard::follow_orders() {
    for (std::size_t i = 0; i < places_->orders().size();) {
        const placement_order order = places_->orders()[i];
        if (!has_done(order)) {
            ++i;
            continue;
        }
        places_->remove_order(i);
        settings_.placement->done(settings_.index, order, now_);
    }
    places_->orders_at = places_->orders().empty() ? base::never : now_ + order_interval;
}

void shard::report_load() {
    if (std::this_thread::get_id() != thread_.load()) return;  // it has ended
    const double load = places_->measure(now_, thread_cpu());
    const double share = settings_.placement->report(settings_.index, now_, load, places_->calls());
    places_->forget_calls();
    places_->set_passes(share, exchanges_.size());
}

}  // namespace hearth::detail
