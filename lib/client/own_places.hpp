// own_places: what one shard knows of the origins that several shards serve, and what it tells of
// its own load.
//
// It outlives a lack of memory, and asks for none after it was made: an order that were forgotten
// would leave the other shards waiting for its answer.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <span>

#include "base/time.hpp"
#include "client/placement.hpp"
#include "core/action.hpp"
#include "core/origin_part.hpp"

namespace hearth::detail {

class own_places {
public:
    /// A slot nobody has said anything of is this shard's alone: it gets calls of no other.
    [[nodiscard]] core::origin_part part(std::uint32_t slot) const {
        return {parts_[slot].index, parts_[slot].count};
    }
    void set_part(std::uint32_t slot, const core::origin_part& part) {
        parts_[slot] = {static_cast<std::uint8_t>(part.index),
                        static_cast<std::uint8_t>(part.count)};
    }
    [[nodiscard]] bool has_none(std::uint32_t slot) const { return parts_[slot].count == 0; }

    void count_call(std::uint32_t slot) { ++calls_[slot]; }

    // Parts that something has happened to in this turn; the others are told of so many.
    static constexpr std::size_t most_touched = 64;
    struct touched_part {
        std::uint32_t slot = 0;
        origin_id origin;  // of the slot's
    };
    void touch(const touched_part& part) {
        if (parts_[part.slot].count < 2 || touched_count_ == most_touched) return;
        for (const touched_part& known : touched()) {
            if (known.slot == part.slot) return;
        }
        touched_[touched_count_++] = part;
    }
    [[nodiscard]] std::span<const touched_part> touched() const {
        return std::span(touched_).first(touched_count_);
    }
    void forget_touched() { touched_count_ = 0; }

    // Orders, at most one of each slot.
    /// One that another has overtaken is not added: false.
    bool add_order(const placement_order& order) {
        std::uint32_t& last = numbers_[order.slot];
        if (static_cast<std::int32_t>(order.number - last) < 0) return false;
        last = order.number;
        const auto end = orders_.begin() + static_cast<std::ptrdiff_t>(count_);
        const auto same = std::find_if(orders_.begin(), end, [&](const placement_order& known) {
            return known.slot == order.slot;
        });
        if (same == orders_.end()) return false;  // more than can be under way
        *same = order;
        if (same == end) ++count_;
        return true;
    }
    [[nodiscard]] std::span<const placement_order> orders() const {
        return std::span(orders_).first(count_);
    }
    void remove_order(std::size_t place) { orders_[place] = orders_[--count_]; }
    /// When the orders are looked at next.
    base::time_point orders_at = base::never;
    base::duration order_interval{};  ///< To the look after that.

    // Load.
    /// The next report is due.
    [[nodiscard]] bool is_due(base::time_point now) const { return now >= report_at_; }
    /// The share of the time since the last call that the thread was on a core.
    [[nodiscard]] double measure(base::time_point now, std::chrono::nanoseconds cpu) {
        const base::duration passed = now - measured_at_;
        const bool is_first = measured_at_ == base::time_point{};
        const double load =
            is_first || passed <= base::duration::zero()
                ? 0
                : std::clamp(std::chrono::duration<double>(cpu - cpu_) / passed, 0.0, 1.0);
        measured_at_ = now;
        cpu_ = cpu;
        report_at_ = now + placement::look_every;
        return load;
    }
    /// Calls begun since the last time, by slot.
    [[nodiscard]] std::span<const std::uint32_t> calls() const { return calls_; }
    void forget_calls() { calls_.fill(0); }

    // Calls that are made on this thread, and are to go to another.
    void set_passes(double share, std::size_t in_flight) {
        passes_ = static_cast<std::uint32_t>(std::ceil(share * static_cast<double>(in_flight)));
    }
    [[nodiscard]] bool take_pass() {
        if (passes_ == 0) return false;
        --passes_;
        return true;
    }

private:
    struct part_of_slot {
        std::uint8_t index = 0;
        std::uint8_t count = 1;
    };

    std::array<part_of_slot, origin_table::slots> parts_{};
    std::array<std::uint32_t, origin_table::slots> calls_{};
    std::array<std::uint32_t, origin_table::slots> numbers_{};  // of the last orders
    std::array<placement_order, placement::most_changes> orders_{};
    std::size_t count_ = 0;
    std::array<touched_part, most_touched> touched_{};
    std::size_t touched_count_ = 0;
    base::time_point measured_at_{};
    std::chrono::nanoseconds cpu_{};
    base::time_point report_at_{};
    std::uint32_t passes_ = 0;
};

}  // namespace hearth::detail
