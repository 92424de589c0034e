#include "base/spare_blocks.hpp"

#include <array>
#include <utility>

namespace hearth::base {
namespace {

// Outlives `spares`, so that what ends after them finds out.
thread_local bool has_ended = false;

struct spares {
    struct spare {
        spare_blocks::block memory;
        std::size_t size = 0;  // 0: nothing is here
    };
    std::array<spare, spare_blocks::kept> blocks;
    spares() = default;
    ~spares() { has_ended = true; }
    spares(const spares&) = delete;
    spares& operator=(const spares&) = delete;
};

spares* own_spares() {
    if (has_ended) return nullptr;
    thread_local spares own;
    return &own;
}

}  // namespace

spare_blocks::block spare_blocks::take(std::size_t& size) {
    spares* const own = size >= least ? own_spares() : nullptr;
    if (own != nullptr) {
        spares::spare* best = nullptr;
        for (spares::spare& one : own->blocks) {
            if (one.size >= size && (best == nullptr || one.size < best->size)) best = &one;
        }
        if (best != nullptr) {
            size = std::exchange(best->size, 0);
            return std::move(best->memory);
        }
    }
    return std::make_unique_for_overwrite<std::byte[]>(size);
}

void spare_blocks::give(block given, std::size_t size) {
    spares* const own = size >= least && size <= largest ? own_spares() : nullptr;
    if (own == nullptr) return;
    spares::spare* smallest = &own->blocks.front();
    for (spares::spare& one : own->blocks) {
        if (one.size < smallest->size) smallest = &one;
    }
    if (smallest->size < size) *smallest = {std::move(given), size};
}

}  // namespace hearth::base
