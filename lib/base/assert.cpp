#include "base/assert.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace hearth::base {
namespace {
std::atomic<std::uint64_t> broken_count{0};
}

void invariant_broken(const char* expression, const char* file, int line) noexcept {
    broken_count.fetch_add(1, std::memory_order_relaxed);
#if defined(HEARTH_CHECKED)
    std::fprintf(stderr, "hearth: broken invariant `%s` at %s:%d\n", expression, file, line);
    std::abort();
#else
    (void)expression;
    (void)file;
    (void)line;
#endif
}

std::uint64_t invariants_broken() noexcept { return broken_count.load(std::memory_order_relaxed); }

}  // namespace hearth::base
