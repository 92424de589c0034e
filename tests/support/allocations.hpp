// Counts what the calling thread allocates. A program that calls this gets allocations.cpp linked
// in, which replaces the global operator new.
#pragma once

#include <cstdint>

namespace hearth::support {

/// Calls of operator new by this thread so far.
[[nodiscard]] std::uint64_t allocations() noexcept;

}  // namespace hearth::support
