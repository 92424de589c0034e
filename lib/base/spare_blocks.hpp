// Large blocks of memory that a thread's buffers have given up, kept for the next ones.
//
// A connection holds no buffer while nothing is queued on it, so that one with a body under way
// takes and gives up to a few hundred KiB many times in a second. malloc returns such blocks to the
// kernel, and each page of the next one then costs a fault. What is kept here is bounded per
// thread: `kept` blocks of at most `largest` octets.
#pragma once

#include <cstddef>
#include <memory>

namespace hearth::base {

class spare_blocks {
public:
    using block = std::unique_ptr<std::byte[]>;
    static constexpr std::size_t least = 32 * 1024;  // malloc keeps smaller ones itself
    static constexpr std::size_t largest = 1024 * 1024;
    static constexpr std::size_t kept = 4;

    /// A block of `size` octets or more; `size` becomes what it has.
    [[nodiscard]] static block take(std::size_t& size);
    /// Keeps a block, or frees it.
    static void give(block given, std::size_t size);
};

}  // namespace hearth::base
