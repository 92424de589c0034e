// origin_table: which shards take the calls of an origin.
//
// Keys of origins are hashed to slots; a slot names the shards that take the calls of its keys, in
// one word, so that a call costs one load and no lock. Written by `placement` only. Beside it is
// which of these shards are full: a hint, written by themselves.
#pragma once

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

    /// The shard at this place among those of the slot has no connection for another call.
    [[nodiscard]] bool is_full(std::size_t slot, std::size_t place) const {
        return (full_[slot].load(std::memory_order_relaxed) >> place & 1U) != 0;
    }
    void set_full(std::size_t slot, std::size_t place, bool is_full) {
        const auto bit = static_cast<std::uint8_t>(1U << place);
        if (is_full) {
            full_[slot].fetch_or(bit, std::memory_order_relaxed);
        } else {
            full_[slot].fetch_and(static_cast<std::uint8_t>(~bit), std::memory_order_relaxed);
        }
    }

private:
    std::array<std::atomic<std::uint64_t>, slots> words_{};
    std::array<std::atomic<std::uint8_t>, slots> full_{};  // a bit for each place
};

}  // namespace hearth::detail
