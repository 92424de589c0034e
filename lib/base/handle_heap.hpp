// A 4-ary heap whose items can be moved or removed by a handle in O(log n): the least key on top.
//
// A thing holds one `heap_handle` per place in a heap; 0 is none. Items with equal keys leave in
// the order they were set, which keeps runs reproducible. Memory grows and is kept: a warm heap
// allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.hpp"

namespace hearth::base {

/// Names an item of a heap; 0 is none.
using heap_handle = std::uint32_t;

template <class Key, class Payload>
class handle_heap {
public:
    /// Sets the item that `handle` names, making one if it names none.
    void set(heap_handle& handle, const Key& key, const Payload& payload) {
        if (handle == 0) {
            handle = new_handle();
            heap_.push_back({key, sequence_++, payload, handle});
            up(heap_.size() - 1);
            return;
        }
        const std::size_t at = positions_[handle];
        HEARTH_ASSERT(at < heap_.size() && heap_[at].handle == handle);
        heap_[at] = {key, sequence_++, payload, handle};
        down(up(at));
    }

    /// Removes the item and clears the handle; a handle of 0 is left alone.
    void remove(heap_handle& handle) {
        if (handle == 0) return;
        const std::size_t at = positions_[handle];
        HEARTH_ASSERT(at < heap_.size() && heap_[at].handle == handle);
        free_.push_back(handle);
        handle = 0;
        const item last = heap_.back();
        heap_.pop_back();
        if (at == heap_.size()) return;
        place(at, last);
        down(up(at));
    }

    /// Removes the top item and returns its payload; the holder clears its own handle.
    Payload pop() {
        HEARTH_ASSERT(!heap_.empty());
        const Payload payload = heap_.front().payload;
        heap_handle handle = heap_.front().handle;
        remove(handle);
        return payload;
    }

    [[nodiscard]] bool empty() const { return heap_.empty(); }
    [[nodiscard]] std::size_t size() const { return heap_.size(); }
    [[nodiscard]] const Key& top_key() const { return heap_.front().key; }
    [[nodiscard]] const Payload& top() const { return heap_.front().payload; }

private:
    struct item {
        Key key;
        std::uint64_t sequence = 0;
        Payload payload;
        heap_handle handle = 0;
        [[nodiscard]] bool before(const item& other) const {
            return key != other.key ? key < other.key : sequence < other.sequence;
        }
    };

    heap_handle new_handle() {
        if (!free_.empty()) {
            const heap_handle handle = free_.back();
            free_.pop_back();
            return handle;
        }
        if (positions_.empty()) positions_.push_back(0);  // handle 0 names nothing
        positions_.push_back(0);
        free_.reserve(positions_.size());  // `remove` never allocates
        return static_cast<heap_handle>(positions_.size() - 1);
    }
    void place(std::size_t at, const item& value) {
        heap_[at] = value;
        positions_[value.handle] = static_cast<std::uint32_t>(at);
    }
    std::size_t up(std::size_t at) {
        const item moving = heap_[at];
        while (at > 0 && moving.before(heap_[(at - 1) / 4])) {
            place(at, heap_[(at - 1) / 4]);
            at = (at - 1) / 4;
        }
        place(at, moving);
        return at;
    }
    void down(std::size_t at) {
        const item moving = heap_[at];
        for (;;) {
            std::size_t best = 0;
            for (std::size_t child = 4 * at + 1; child <= 4 * at + 4 && child < heap_.size();
                 ++child) {
                if (best == 0 || heap_[child].before(heap_[best])) best = child;
            }
            if (best == 0 || !heap_[best].before(moving)) break;
            place(at, heap_[best]);
            at = best;
        }
        place(at, moving);
    }

    std::vector<item> heap_;
    std::vector<std::uint32_t> positions_;  // by handle
    std::vector<heap_handle> free_;
    std::uint64_t sequence_ = 0;
};

}  // namespace hearth::base
