// shard, origins that several shards serve: its part of their limits, calls that come after it has
// given its part up, and the load that decides it (placement.hpp).
#include <algorithm>
#include <memory>
#include <new>
#include <thread>
#include <utility>

#include "client/handshake_workers.hpp"
#include "client/lease_pool.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

namespace {

// Between two looks at whether an order has been carried out; the longer one where only exchanges
// are waited for.
constexpr std::chrono::milliseconds order_interval{10};
constexpr std::chrono::milliseconds long_order_interval{320};

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

/// Where a call is to go on that came here: this shard has no part of its origin, or has none of
/// its part left while others have some. Null: it stays.
std::shared_ptr<shard> shard::better_place(call& from) {
    const core::origin_part part = places_->part(from.slot);
    if (part.count == 1) return nullptr;
    if (part.is_none()) return owner_elsewhere(from.slot);
    if (from.was_sent_on || closed_ || draining_ || is_starved_) return nullptr;
    if (from.not_before > now_ || !core_.is_full(origin_of(from.what, *from.where))) return nullptr;
    const takers all = settings_.placement->table().load(from.slot);
    for (std::size_t i = 1; i <= all.count(); ++i) {
        const std::size_t place = (part.index + i) % all.count();
        const std::size_t index = all[place];
        if (index == settings_.index || !settings_.placement->claim(from.slot, place)) continue;
        from.claimed = static_cast<std::uint8_t>(place);
        return (*settings_.peers)[index].lock();
    }
    return nullptr;
}

/// The place that was claimed for a call is its own from now on, or free.
void shard::note_arrival(call& from) {
    if (from.claimed == call::no_place) return;
    settings_.placement->arrive(from.slot, std::exchange(from.claimed, call::no_place));
    if (closed_ || is_starved_) return;
    places_->touch({from.slot, origin_of(from.what, *from.where)});
}

/// Sends a call on to a better place. A cancellation takes the same way, and so comes after it.
bool shard::send_elsewhere(call& from, const std::shared_ptr<cancel_handle>& handle) {
    note_arrival(from);
    const std::shared_ptr<shard> to = better_place(from);
    if (!to) return false;
    std::shared_ptr<cancel_handle> next;
    if (handle) {
        next = std::make_shared<cancel_handle>();
        next->owner = to;
        next->cancelled = handle->cancelled;
    }
    const auto boxed = std::make_shared<call>(std::move(from));
    boxed->was_sent_on = true;
    try {
        to->submit_late([to, next, boxed] { to->begin(std::move(*boxed), next); });
    } catch (const std::bad_alloc&) {
        from = std::move(*boxed);  // to be refused here
        if (from.claimed != call::no_place) settings_.placement->arrive(from.slot, from.claimed);
        throw;
    }
    if (handle) handle->next = std::move(next);
    return true;
}

/// Tells the others how many of their calls could come here, of each origin that has changed.
void shard::tell_free() {
    if (places_->touched().empty()) return;
    const std::uint32_t spare = settings_.lender ? settings_.lender->spare() : 0;
    for (const auto& [slot, origin] : places_->touched()) {
        const core::origin_part part = places_->part(slot);
        if (part.count < 2) continue;
        settings_.placement->set_free(slot, part.index, core_.places(origin, spare));
    }
    places_->forget_touched();
}

/// None can: what this shard had is gone.
void shard::forget_free() noexcept {
    if (!places_) return;
    places_->forget_touched();
    for (std::uint32_t slot = 0; slot < origin_table::slots; ++slot) {
        const core::origin_part part = places_->part(slot);
        if (part.count > 1) settings_.placement->set_free(slot, part.index, 0);
    }
}

/// What one that comes new has a place for, the first call finds out.
void shard::keep_part(std::uint32_t slot, const core::origin_part& part) {
    const core::origin_part before = places_->part(slot);
    if (before.count > 1) settings_.placement->reset_free(slot, before.index, 0);
    places_->set_part(slot, part);
    const std::uint32_t unknown = closed_ || is_starved_ ? 0 : 1;
    if (part.count > 1) settings_.placement->reset_free(slot, part.index, unknown);
}

void shard::set_part(std::uint32_t slot, const core::origin_part& part) {
    keep_part(slot, part);
    for (const auto& [key, id] : origin_ids_) {
        if (origins_[id.index].slot != slot) continue;
        core_.set_part(now_, id, part);
        places_->touch({slot, id});
    }
}

void shard::take_order(const placement_order& order) {
    if (!places_ || !places_->add_order(order)) return;
    if (closed_ || is_starved_) {  // it has nothing
        keep_part(order.slot, order.part);
        for (std::size_t i = 0; i < places_->orders().size(); ++i) {
            if (places_->orders()[i].slot == order.slot) places_->remove_order(i);
        }
        settings_.placement->done(settings_.index, order, now_);
        return;
    }
    places_->orders_at = now_;
    places_->order_interval = order_interval;
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
    base::duration next =
        std::min<base::duration>(places_->order_interval * 2, long_order_interval);
    for (std::size_t i = 0; i < places_->orders().size();) {
        const placement_order order = places_->orders()[i];
        if (has_done(order)) {
            places_->remove_order(i);
            settings_.placement->done(settings_.index, order, now_);
            continue;
        }
        ++i;
        if (places_->part(order.slot) == order.part) next = order_interval;
    }
    places_->order_interval = next;
    places_->orders_at = places_->orders().empty() ? base::never : now_ + next;
}

void shard::report_load() {
    if (std::this_thread::get_id() != thread_.load()) return;  // it has ended
    const double load = places_->measure(now_, thread_cpu());
    const double share = settings_.placement->report(settings_.index, now_, load, places_->calls());
    places_->forget_calls();
    places_->set_passes(share, exchanges_.size());
}

}  // namespace hearth::detail
