// origin_table: which shards take the calls of an origin.
//
// Keys of origins are hashed to slots; a slot names the shards that take the calls of its keys, in
// one word, so that a call costs one load and no lock. Written by `placement` only. There is also
// how many calls of others each of these shards has a connection for: a hint, by themselves.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "hearth/version.hpp"

namespace hearth::detail {

/// The shards of one slot, in the order they came to it. A value in a word.
class takers {
public:
    static constexpr std::size_t most = 7;
    static constexpr std::size_t most_shards = 256;  // that can be told apart

    constexpr takers() = default;
    explicit constexpr takers(std::uint64_t word) : word_(word) {}

    [[nodiscard]] constexpr std::uint64_t word() const { return word_; }
    [[nodiscard]] constexpr std::size_t count() const { return word_ & 0xff; }
    [[nodiscard]] constexpr bool empty() const { return word_ == 0; }
    [[nodiscard]] constexpr std::size_t operator[](std::size_t i) const {
        return (word_ >> (8 * (i + 1))) & 0xff;
    }
    [[nodiscard]] constexpr std::size_t first() const { return (*this)[0]; }
    [[nodiscard]] constexpr std::size_t last() const { return (*this)[count() - 1]; }
    [[nodiscard]] constexpr bool has(std::size_t shard) const {
        for (std::size_t i = 0; i < count(); ++i) {
            if ((*this)[i] == shard) return true;
        }
        return false;
    }
    [[nodiscard]] constexpr takers with(std::size_t shard) const {
        HEARTH_ASSERT(count() < most && shard < most_shards);
        return takers((word_ + 1) | (std::uint64_t{shard} << (8 * (count() + 1))));
    }
    [[nodiscard]] constexpr takers without_last() const {
        HEARTH_ASSERT(!empty());
        return takers((word_ & ~(std::uint64_t{0xff} << (8 * count()))) - 1);
    }
    bool operator==(const takers&) const = default;

private:
    std::uint64_t word_ = 0;  // the count in the lowest octet, then a shard in each
};

class origin_table {
public:
    static constexpr std::size_t slots = 1024;

    /// Of a key with this hash.
    [[nodiscard]] static constexpr std::size_t slot_of(std::size_t hash) {
        return static_cast<std::size_t>((std::uint64_t{hash} * 0x9e3779b97f4a7c15U) >> 54);
    }
    [[nodiscard]] takers load(std::size_t slot) const {
        return takers(words_[slot].load(std::memory_order_acquire));
    }
    void store(std::size_t slot, takers what) {
        words_[slot].store(what.word(), std::memory_order_release);
    }

    /// For how many calls the shard at this place among those of the slot has a connection.
    [[nodiscard]] std::uint32_t free(std::size_t slot, std::size_t place) const {
        return free_[slot][place].load(std::memory_order_relaxed);
    }
    /// So many; calls that were sent there and have not come yet take theirs first.
    void set_free(std::size_t slot, std::size_t place, std::uint32_t calls) {
        constexpr std::uint32_t most = 255;
        const std::uint32_t coming = coming_[slot][place].load(std::memory_order_relaxed);
        const auto value =
            static_cast<std::uint8_t>(std::min(calls - std::min(calls, coming), most));
        std::atomic<std::uint8_t>& told = free_[slot][place];
        if (told.load(std::memory_order_relaxed) != value) {
            told.store(value, std::memory_order_relaxed);
        }
    }
    /// Another shard is at this place, or none: whatever was sent there does not count.
    void reset_free(std::size_t slot, std::size_t place, std::uint32_t calls) {
        coming_[slot][place].store(0, std::memory_order_relaxed);
        set_free(slot, place, calls);
    }
    /// Takes one of them, for a call that is sent there; false: there is none.
    [[nodiscard]] bool claim(std::size_t slot, std::size_t place) {
        if (!take_one(free_[slot][place])) return false;
        coming_[slot][place].fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    /// That call has come, or could not be sent.
    void arrive(std::size_t slot, std::size_t place) { (void)take_one(coming_[slot][place]); }

private:
    template <class Count>
    static bool take_one(std::atomic<Count>& from) {
        Count known = from.load(std::memory_order_relaxed);
        while (known != 0) {
            const auto less = static_cast<Count>(known - 1);
            if (from.compare_exchange_weak(known, less, std::memory_order_relaxed)) return true;
        }
        return false;
    }

    std::array<std::atomic<std::uint64_t>, slots> words_{};
    std::array<std::array<std::atomic<std::uint8_t>, takers::most>, slots> free_{};
    std::array<std::array<std::atomic<std::uint32_t>, takers::most>, slots> coming_{};
};

}  // namespace hearth::detail
