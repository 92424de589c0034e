// A slab: values in stable places, named by index + generation, freed places reused.
//
// Invariants: a live slot's generation equals its id's; generations start at 1 or above and grow by
// one when a slot is freed, so a default-constructed id never matches. References stay valid until
// erase. Slots live in chunks that are never given back; free slots are chained, so `erase`
// allocates nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/index_list.hpp"

namespace hearth::base {

template <class T, class Id>
class slab {
public:
    /// The generation of the first value in each slot; not 0.
    explicit slab(std::uint32_t first_generation = 1) : first_generation_(first_generation) {
        HEARTH_ASSERT(first_generation != 0);
    }
    ~slab() { clear(); }
    slab(const slab&) = delete;
    slab& operator=(const slab&) = delete;

    /// Makes a value in a free slot (the last one freed, if any) and returns its id.
    template <class... Args>
    Id emplace(Args&&... args) {
        if (free_ == no_index && bound_ == chunks_.size() * chunk_size) {
            auto chunk = std::make_unique<slot[]>(chunk_size);
            for (std::uint32_t i = 0; i < chunk_size; ++i) chunk[i].generation = first_generation_;
            chunks_.push_back(std::move(chunk));
        }
        const bool is_reused = free_ != no_index;
        const std::uint32_t index = is_reused ? free_ : bound_;
        slot& s = slot_at(index);
        std::construct_at(s.value(), std::forward<Args>(args)...);
        if (is_reused) {
            free_ = s.next_free;
        } else {
            ++bound_;
        }
        s.next_free = living;
        ++size_;
        return Id{index, s.generation};
    }

    /// The value, or null if the id is dead.
    [[nodiscard]] T* find(Id id) {
        if (id.index >= bound_) return nullptr;
        slot& s = slot_at(id.index);
        return s.generation == id.generation && s.next_free == living ? s.value() : nullptr;
    }
    [[nodiscard]] const T* find(Id id) const { return const_cast<slab*>(this)->find(id); }

    /// The value of an id that must be alive.
    [[nodiscard]] T& operator[](Id id) {
        T* value = find(id);
        HEARTH_ASSERT(value != nullptr);
        return *value;
    }

    /// The value in the slot number `index`, which must be alive. For links that name slots by
    /// index.
    [[nodiscard]] T& at(std::uint32_t index) {
        HEARTH_ASSERT(index < bound_ && slot_at(index).next_free == living);
        return *slot_at(index).value();
    }
    [[nodiscard]] const T& at(std::uint32_t index) const {
        return const_cast<slab*>(this)->at(index);
    }

    /// Ends a value; false if the id is dead.
    bool erase(Id id) {
        T* value = find(id);
        if (value == nullptr) return false;
        std::destroy_at(value);
        slot& s = slot_at(id.index);
        ++s.generation;
        s.next_free = free_;
        free_ = id.index;
        --size_;
        return true;
    }

    /// Ends all values.
    void clear() {
        for_each([this](Id id, T&) { erase(id); });
    }

    [[nodiscard]] std::size_t size() const { return size_; }

    /// A generation that no id has had so far.
    [[nodiscard]] std::uint32_t unused_generation() const {
        std::uint32_t latest = first_generation_;
        for (const auto& chunk : chunks_) {
            for (std::uint32_t i = 0; i < chunk_size; ++i) {
                latest = std::max(latest, chunk[i].generation);
            }
        }
        return latest + 1;
    }

    /// Calls `visit(id, value)` for each live value, in index order. `visit` may erase that value.
    template <class Visit>
    void for_each(Visit&& visit) {
        for (std::uint32_t i = 0; i < bound_; ++i) {
            slot& s = slot_at(i);
            if (s.next_free == living) visit(Id{i, s.generation}, *s.value());
        }
    }
    template <class Visit>
    void for_each(Visit&& visit) const {
        const_cast<slab*>(this)->for_each(
            [&visit](Id id, T& value) { visit(id, std::as_const(value)); });
    }

private:
    /// In `next_free` of a slot that holds a value.
    static constexpr std::uint32_t living = no_index - 1;
    static constexpr std::uint32_t chunk_bits = 6;
    static constexpr std::uint32_t chunk_size = 1U << chunk_bits;

    // What every look-up reads stands first, in one cache line with the first members of a large
    // value.
    static constexpr std::size_t cache_line = 64;
    static constexpr std::size_t slot_alignment =
        std::max({alignof(T), sizeof(int), sizeof(T) > cache_line ? cache_line : 1});
    struct alignas(slot_alignment) slot {
        std::uint32_t generation = 1;
        std::uint32_t next_free = no_index;
        alignas(T) std::byte storage[sizeof(T)];
        [[nodiscard]] T* value() { return std::launder(reinterpret_cast<T*>(storage)); }
    };

    [[nodiscard]] slot& slot_at(std::uint32_t index) {
        return chunks_[index >> chunk_bits][index & (chunk_size - 1)];
    }

    std::vector<std::unique_ptr<slot[]>> chunks_;
    std::uint32_t first_generation_;
    std::uint32_t free_ = no_index;
    std::uint32_t bound_ = 0;  // slots ever used
    std::size_t size_ = 0;
};

}  // namespace hearth::base
