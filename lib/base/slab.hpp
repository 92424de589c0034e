// A slab: values in stable places, named by index + generation, freed places reused.
//
// Invariants: a live slot's generation equals its id's; generations start at 1 and grow by one when a
// slot is freed, so a default-constructed id never matches. References stay valid until erase. Slots
// live in chunks that are never given back; free slots are chained, so `erase` allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/index_list.hpp"

namespace hearth::base {

template <class T, class Id>
class slab {
public:
    /// Makes a value in a free slot (the last one freed, if any) and returns its id.
    template <class... Args>
    Id emplace(Args&&... args) {
        if (free_ == no_index) add_chunk_if_full();
        const std::uint32_t index = free_ != no_index ? free_ : bound_++;
        slot& s = slot_at(index);
        s.value.emplace(std::forward<Args>(args)...);
        if (index == free_) free_ = s.next_free;
        ++size_;
        return Id{index, s.generation};
    }

    /// The value, or null if the id is dead.
    [[nodiscard]] T* find(Id id) {
        if (id.index >= bound_) return nullptr;
        slot& s = slot_at(id.index);
        return s.generation == id.generation && s.value ? &*s.value : nullptr;
    }
    [[nodiscard]] const T* find(Id id) const { return const_cast<slab*>(this)->find(id); }

    /// The value of an id that must be alive.
    [[nodiscard]] T& operator[](Id id) {
        T* value = find(id);
        HEARTH_ASSERT(value != nullptr);
        return *value;
    }

    /// The value in the slot number `index`, which must be alive. For links that name slots by index.
    [[nodiscard]] T& at(std::uint32_t index) {
        HEARTH_ASSERT(index < bound_ && slot_at(index).value);
        return *slot_at(index).value;
    }
    [[nodiscard]] const T& at(std::uint32_t index) const {
        return const_cast<slab*>(this)->at(index);
    }

    /// Ends a value; false if the id is dead.
    bool erase(Id id) {
        if (find(id) == nullptr) return false;
        slot& s = slot_at(id.index);
        s.value.reset();
        ++s.generation;
        s.next_free = free_;
        free_ = id.index;
        --size_;
        return true;
    }

    [[nodiscard]] std::size_t size() const { return size_; }

    /// Calls `visit(id, value)` for each live value, in index order. `visit` may erase that value.
    template <class Visit>
    void for_each(Visit&& visit) {
        for (std::uint32_t i = 0; i < bound_; ++i) {
            slot& s = slot_at(i);
            if (s.value) visit(Id{i, s.generation}, *s.value);
        }
    }
    template <class Visit>
    void for_each(Visit&& visit) const {
        const_cast<slab*>(this)->for_each(
            [&visit](Id id, T& value) { visit(id, std::as_const(value)); });
    }

private:
    struct slot {
        std::optional<T> value;
        std::uint32_t generation = 1;
        std::uint32_t next_free = no_index;
    };
    static constexpr std::uint32_t chunk_bits = 6;
    static constexpr std::uint32_t chunk_size = 1U << chunk_bits;

    [[nodiscard]] slot& slot_at(std::uint32_t index) {
        return chunks_[index >> chunk_bits][index & (chunk_size - 1)];
    }
    void add_chunk_if_full() {
        if (bound_ == chunks_.size() * chunk_size) {
            chunks_.push_back(std::make_unique<slot[]>(chunk_size));
        }
    }

    std::vector<std::unique_ptr<slot[]>> chunks_;
    std::uint32_t free_ = no_index;
    std::uint32_t bound_ = 0;  // slots ever used
    std::size_t size_ = 0;
};

}  // namespace hearth::base
