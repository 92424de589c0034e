// A queue of octets in one contiguous buffer: appended at the end, consumed at the front.
//
// Memory is kept while octets are queued and can be given back when empty (`release`), so that an
// idle connection holds nothing. Not bounded by itself: who appends obeys the limit.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "base/assert.hpp"
#include "base/spare_blocks.hpp"

namespace hearth::base {

class byte_queue {
public:
    [[nodiscard]] std::size_t size() const { return end_ - begin_; }
    [[nodiscard]] bool empty() const { return begin_ == end_; }
    [[nodiscard]] std::span<const std::byte> data() const {
        return {storage_.get() + begin_, size()};
    }

    void append(std::span<const std::byte> bytes) {
        if (bytes.empty()) return;
        std::memcpy(prepare(bytes.size()).data(), bytes.data(), bytes.size());
        end_ += bytes.size();
    }
    void append(std::string_view text) { append(std::as_bytes(std::span(text))); }

    /// Room for at least `size` octets at the end; `commit` makes what was written there part of
    /// it.
    [[nodiscard]] std::span<std::byte> prepare(std::size_t size) {
        if (capacity_ - end_ < size) make_room(size);
        return {storage_.get() + end_, capacity_ - end_};
    }
    void commit(std::size_t size) {
        HEARTH_ASSERT(size <= capacity_ - end_);
        end_ += std::min(size, capacity_ - end_);
    }
    void consume(std::size_t size) {
        HEARTH_ASSERT(size <= this->size());
        begin_ += std::min(size, this->size());
        if (begin_ == end_) begin_ = end_ = 0;
    }
    /// The octets before the first one, which were consumed, to be written over; null if there are
    /// fewer.
    [[nodiscard]] std::byte* before(std::size_t octets) {
        return begin_ < octets ? nullptr : storage_.get() + begin_ - octets;
    }
    void clear() { begin_ = end_ = 0; }
    /// Gives the memory back if nothing is queued.
    void release() {
        if (!empty() || capacity_ == 0) return;
        spare_blocks::give(std::move(storage_), std::exchange(capacity_, 0));
    }
    [[nodiscard]] std::size_t capacity() const { return capacity_; }

private:
    void make_room(std::size_t size) {
        const std::size_t used = this->size();
        if (begin_ >= used && capacity_ - used >= size) {  // cheap to move down
            std::memcpy(storage_.get(), storage_.get() + begin_, used);
        } else {
            std::size_t larger = capacity_ < 512 ? 512 : capacity_ * 2;
            while (larger - used < size) larger *= 2;
            spare_blocks::block next = spare_blocks::take(larger);
            if (used != 0) std::memcpy(next.get(), storage_.get() + begin_, used);
            storage_.swap(next);
            spare_blocks::give(std::move(next), std::exchange(capacity_, larger));
        }
        begin_ = 0;
        end_ = used;
    }

    spare_blocks::block storage_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace hearth::base
