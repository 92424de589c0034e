#include "client/placement.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "base/assert.hpp"

namespace hearth::detail {

namespace {

// Of a thread's time. Above the one it is about to have too little, below the other it could do
// more; between them nothing changes.
constexpr double hot = 0.85;
constexpr double cool = 0.60;
// Threads whose loads differ by less are as good as even.
constexpr double even = 0.1;

// A report is the truth for so long: a thread without work makes none.
constexpr auto fresh_for = 3 * placement::look_every;
// What the last change did shows in the second report after it.
constexpr auto settle_time = 2 * placement::look_every;
// Long exchanges may keep a thread from making room. It gets back what it gave up after this, for
// others wait meanwhile for what it may not open, and is not asked again for some time.
constexpr std::chrono::seconds room_time{1};
constexpr std::chrono::seconds room_pause{30};

// It was quiet for so long before a thread goes: to come back costs handshakes.
constexpr std::chrono::seconds quiet_time{5};

// Long exchanges may also keep a thread from leaving. Other changes go on beside it, and so many
// places are for these.
constexpr std::chrono::seconds leave_time{1};
constexpr std::size_t most_long_leaves = placement::most_changes / 2;

// Of a thread's calls, that one report has others take, and of how many slots.
constexpr double enough = 0.4;
constexpr int most_spread_at_once = 8;

}  // namespace

placement::placement(std::size_t shards, std::size_t useful, std::size_t most_takers,
                     tell_function tell)
    : useful_(std::clamp<std::size_t>(useful, 1, shards)),
      tell_(std::move(tell)),
      shards_(shards),
      slots_(origin_table::slots),
      most_takers_(std::clamp<std::size_t>(most_takers, 1, takers::most)) {}

takers placement::place(std::size_t slot, base::time_point now) {
    const std::lock_guard lock(mutex_);
    if (const takers known = table_.load(slot); !known.empty()) return known;
    now_ = std::max(now_, now);
    const std::size_t most_slots = (origin_table::slots + useful_ - 1) / useful_;
    std::size_t best = useful_;
    const auto is_better = [&](std::size_t index) {
        if (shards_[index].slots >= most_slots) return false;
        if (best == useful_) return true;
        const double load = load_of(index, now);
        const double best_load = load_of(best, now);
        if ((load < cool) != (best_load < cool)) return load < cool;
        return load < cool ? load > best_load : load < best_load;
    };
    for (std::size_t i = 0; i < useful_; ++i) {
        if (is_better(i)) best = i;
    }
    HEARTH_ASSERT(best < useful_);
    ++shards_[best].slots;
    slots_[slot].all = takers{}.with(best);
    table_.store(slot, slots_[slot].all);
    return slots_[slot].all;
}

void placement::set_most_takers(std::size_t most) {
    const std::lock_guard lock(mutex_);
    most_takers_ = std::clamp<std::size_t>(most, 1, takers::most);
    // No calls for those that are too many, from now on; they go one by one.
    for (std::size_t i = 0; spread_ != 0 && i < slots_.size(); ++i) {
        if (table_.load(i).count() > most_takers_) publish(i, table_.load(i));
    }
}

void placement::publish(std::size_t slot, takers all) {
    while (all.count() > most_takers_) all = all.without_last();
    table_.store(slot, all);
}

double placement::report(std::size_t index, base::time_point now, double load,
                         std::span<const std::uint32_t> calls) {
    double result = 0;
    {
        const std::lock_guard lock(mutex_);
        now_ = std::max(now_, now);
        give_up_late(now_);
        shard_state& here = shards_[index];
        here.load = load;
        here.reported_at = now;
        std::uint64_t sum = 0;
        for (const std::uint32_t count : calls) sum += count;
        if (spread_ != 0) {
            note_spread(index, now, load, calls, sum);
            result = passing(index, now, calls);
        }
        const bool was_hot = std::exchange(here.was_hot, load >= hot);
        if (here.was_hot && was_hot && now - changed_at_ >= settle_time) {
            relieve(index, now, calls, sum);
        }
    }
    tell_all();
    return result;
}

void placement::give_up_late(base::time_point now) {
    for (std::size_t i = 0; i < changes_; ++i) {
        slot_state& slot = slots_[changing_[i]];
        if (slot.now != change::making_room || now - slot.began < room_time) continue;
        slot.all = slot.all.without_last();
        slot.spread_after = now + room_pause;
        if (slot.all.count() == 1) --spread_;
        begin(changing_[i], change::growing, 0, slot.all.count());
    }
}

double placement::load_of(std::size_t index, base::time_point now) const {
    const shard_state& shard = shards_[index];
    return now - shard.reported_at > fresh_for ? 0 : shard.load;
}

/// The shard that has most time for a slot of shard `index`; `index` if there is none, or one that
/// serves the slot has time: calls move there by themselves.
std::size_t placement::helper_for(const slot_state& slot, std::size_t index,
                                  base::time_point now) const {
    for (std::size_t i = 0; i < slot.all.count(); ++i) {
        const std::size_t member = slot.all[i];
        if (slot.now == change::leaving && member == slot.all.last()) continue;
        if (member != index && load_of(member, now) < cool) return index;
    }
    std::size_t best = index;
    for (std::size_t i = 0; i < useful_; ++i) {
        if (!may_spread(slot, i) || load_of(i, now) >= cool || now < slot.spread_after) continue;
        if (best == index || load_of(i, now) < load_of(best, now)) best = i;
    }
    return best;
}

void placement::note_spread(std::size_t index, base::time_point now, double load,
                            std::span<const std::uint32_t> calls, std::uint64_t sum) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        slot_state& slot = slots_[i];
        if (slot.all.count() < 2 || !slot.all.has(index)) continue;
        if (slot.all.last() == index) {
            const double share = sum == 0 ? 0 : static_cast<double>(calls[i]) / double(sum);
            slot.last_load = load * share;
        }
        note_quiet(i, now);
    }
}

// Whether the others could do what the last one does, and for how long they could.
void placement::note_quiet(std::size_t at, base::time_point now) {
    slot_state& slot = slots_[at];
    if (slot.now != change::none) return;
    if (table_.load(at) != slot.all) publish(at, slot.all);  // there may be more of them again
    const std::size_t others = slot.all.count() - 1;
    double busiest = 0;
    for (std::size_t i = 0; i < others; ++i) {
        busiest = std::max(busiest, load_of(slot.all[i], now));
    }
    const double more = load_of(slot.all.last(), now) == 0 ? 0 : slot.last_load;
    const bool is_quiet = busiest + more / static_cast<double>(others) < cool;
    if (!is_quiet) {
        slot.quiet_since = base::never;
    } else if (slot.quiet_since == base::never) {
        slot.quiet_since = now;
    }
    // One after the other: what all of them do together may be too much for those that stay.
    const bool is_due = is_quiet && now - slot.quiet_since >= quiet_time && may_gather(now) &&
                        now - changed_at_ >= settle_time;
    const bool is_too_many = slot.all.count() > most_takers_ && changes_ < most_long_leaves;
    if (is_due || is_too_many) (void)begin_gather(at);
}

// No other change is under way that will show in the loads.
bool placement::may_gather(base::time_point now) const {
    if (changes_ >= most_long_leaves) return false;
    for (std::size_t i = 0; i < changes_; ++i) {
        const slot_state& slot = slots_[changing_[i]];
        if (slot.now != change::leaving || now - slot.began < leave_time) return false;
    }
    return true;
}

// The slots that shard `index` has most calls of get another one, until about half of what it does
// is to go elsewhere.
void placement::relieve(std::size_t index, base::time_point now,
                        std::span<const std::uint32_t> calls, std::uint64_t sum) {
    double moved = 0;
    for (int i = 0; i < most_spread_at_once && moved < enough * static_cast<double>(sum); ++i) {
        std::size_t best = calls.size();
        for (std::size_t slot = 0; slot < calls.size(); ++slot) {
            if (calls[slot] <= (best == calls.size() ? 0 : calls[best])) continue;
            if (helper_for(slots_[slot], index, now) != index) best = slot;
        }
        if (best == calls.size()) return;
        (void)begin_spread(best, helper_for(slots_[best], index, now));
        moved += calls[best] / static_cast<double>(slots_[best].all.count());
    }
}

// Calls that are made on a thread which serves them stay there; what it has too much of moves on.
double placement::passing(std::size_t index, base::time_point now,
                          std::span<const std::uint32_t> calls) const {
    const double load = load_of(index, now);
    double least = load;
    for (std::size_t slot = 0; slot < calls.size(); ++slot) {
        const takers all = calls[slot] == 0 ? takers{} : table_.load(slot);
        for (std::size_t i = 0; all.count() > 1 && i < all.count(); ++i) {
            least = std::min(least, load_of(all[i], now));
        }
    }
    return load - least > even ? (load - least) / 2 / load : 0;
}

bool placement::may_spread(const slot_state& slot, std::size_t index) const {
    if (slot.now == change::leaving) {  // it may stay
        return slot.all.last() == index && slot.all.count() <= most_takers_;
    }
    return slot.now == change::none && !slot.all.empty() && !slot.all.has(index) &&
           slot.all.count() < most_takers_ && changes_ < most_changes;
}

bool placement::begin_spread(std::size_t at, std::size_t index) {
    slot_state& slot = slots_[at];
    if (!may_spread(slot, index)) return false;
    const std::size_t members = slot.all.count();
    if (slot.now == change::leaving) {
        begin(at, change::joining, members - 1, members);
        return true;
    }
    changing_[changes_++] = static_cast<std::uint16_t>(at);
    if (members == 1) ++spread_;
    slot.all = slot.all.with(index);
    begin(at, change::making_room, 0, members);
    return true;
}

bool placement::begin_gather(std::size_t at) {
    slot_state& slot = slots_[at];
    const std::size_t members = slot.all.count();
    if (slot.now != change::none || members < 2 || changes_ == most_changes) return false;
    changing_[changes_++] = static_cast<std::uint16_t>(at);
    publish(at, slot.all.without_last());
    begin(at, change::leaving, members - 1, members);
    return true;
}

bool placement::spread(std::size_t slot, std::size_t index) {
    {
        const std::lock_guard lock(mutex_);
        if (!begin_spread(slot, index)) return false;
    }
    tell_all();
    return true;
}

bool placement::gather(std::size_t slot) {
    {
        const std::lock_guard lock(mutex_);
        if (!begin_gather(slot)) return false;
    }
    tell_all();
    return true;
}

// The next step of a change: those from place `from` to `to` are to be told, and answer.
void placement::begin(std::size_t at, change what, std::size_t from, std::size_t to) {
    slot_state& slot = slots_[at];
    slot.now = what;
    slot.number = ++numbers_;
    slot.began = now_;
    slot.waits_for = static_cast<std::uint8_t>((1U << to) - (1U << from));
    slot.untold = slot.waits_for;
}

void placement::done(std::size_t index, const placement_order& order, base::time_point now) {
    {
        const std::lock_guard lock(mutex_);
        slot_state& slot = slots_[order.slot];
        if (slot.now == change::none || slot.number != order.number) return;  // it changed its mind
        for (std::size_t i = 0; i < slot.all.count(); ++i) {
            if (slot.all[i] == index) slot.waits_for &= static_cast<std::uint8_t>(~(1U << i));
        }
        if (slot.waits_for != 0) return;
        end(order.slot, now);
    }
    tell_all();
}

// All have answered.
void placement::end(std::size_t at, base::time_point now) {
    slot_state& slot = slots_[at];
    const std::size_t members = slot.all.count();
    if (slot.now == change::making_room) {
        return begin(at, change::joining, members - 1, members);
    }
    if (slot.now == change::leaving) {
        slot.all = slot.all.without_last();
        if (members == 2) --spread_;
        return begin(at, change::growing, 0, members - 1);
    }
    if (slot.now == change::joining) {
        slot.quiet_since = base::never;
        publish(at, slot.all);
    }
    slot.now = change::none;
    changed_at_ = now;
    const auto changing = changing_.begin();
    std::swap(*std::find(changing, changing + static_cast<std::ptrdiff_t>(changes_), at),
              changing_[changes_ - 1]);
    --changes_;
}

bool placement::take_untold(message& out) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < changes_; ++i) {
        slot_state& slot = slots_[changing_[i]];
        if (slot.untold == 0) continue;
        const auto place = static_cast<std::uint32_t>(std::countr_zero(slot.untold));
        slot.untold &= static_cast<std::uint8_t>(slot.untold - 1);
        out.index = slot.all[place];
        out.order = {.slot = changing_[i], .number = slot.number, .part = {}};
        out.order.part =
            slot.now == change::leaving
                ? core::origin_part{0, 0}
                : core::origin_part{place, static_cast<std::uint32_t>(slot.all.count())};
        return true;
    }
    return false;
}

void placement::tell_all() {
    message next{};
    while (take_untold(next)) {
        try {
            tell_(next.index, next.order);
        } catch (const std::bad_alloc&) {
            const std::lock_guard lock(mutex_);
            slot_state& slot = slots_[next.order.slot];
            if (slot.number != next.order.number) return;
            for (std::size_t i = 0; i < slot.all.count(); ++i) {
                if (slot.all[i] == next.index) slot.untold |= static_cast<std::uint8_t>(1U << i);
            }
            return;
        }
    }
}

}  // namespace hearth::detail
