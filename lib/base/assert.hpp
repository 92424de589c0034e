// HEARTH_ASSERT guards our own invariants, never input.
//
// In builds with HEARTH_CHECKED (debug, sanitizers, simulation, fuzzing) a broken one aborts with
// its place. In release it is counted (`stats::internal_errors`) and the caller contains the
// damage.
#pragma once

#include <cstdint>

namespace hearth::base {

/// Reports a broken invariant: aborts in checked builds, else counts it.
void invariant_broken(const char* expression, const char* file, int line) noexcept;

/// Broken invariants counted so far in this process.
[[nodiscard]] std::uint64_t invariants_broken() noexcept;

}  // namespace hearth::base

#define HEARTH_ASSERT(expression)  \
    (static_cast<bool>(expression) \
         ? void(0)                 \
         : ::hearth::base::invariant_broken(#expression, __FILE__, __LINE__))
