// A ring: a FIFO queue in one array that grows by doubling and never shrinks, so that a warm one
// allocates nothing.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/assert.hpp"

namespace hearth::base {

template <class T>
class ring {
public:
    explicit ring(std::size_t capacity = 16) {
        std::size_t size = 1;
        while (size < capacity) size *= 2;
        slots_.resize(size);
    }

    void push(T value) {
        if (size_ == slots_.size()) grow();
        slots_[(first_ + size_) & (slots_.size() - 1)] = std::move(value);
        ++size_;
    }
    /// From now on so many stand in it without memory being asked for.
    void reserve(std::size_t capacity) {
        while (slots_.size() < capacity) grow();
    }
    /// Moves the oldest value out; false if there is none.
    [[nodiscard]] bool pop(T& value) {
        if (size_ == 0) return false;
        value = std::move(slots_[first_]);
        first_ = (first_ + 1) & (slots_.size() - 1);
        --size_;
        return true;
    }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

private:
    void grow() {
        std::vector<T> larger(slots_.size() * 2);
        for (std::size_t i = 0; i < size_; ++i) {
            larger[i] = std::move(slots_[(first_ + i) & (slots_.size() - 1)]);
        }
        slots_ = std::move(larger);
        first_ = 0;
    }

    std::vector<T> slots_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace hearth::base
