#include "client/fork_count.hpp"

#include <pthread.h>

#include <atomic>

HEARTH_BEGIN_NAMESPACE

namespace detail {
namespace {

std::atomic<std::uint32_t> forks{0};

/// Runs in the child, alone.
void count_fork() { forks.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

std::uint32_t fork_count() {
    static const bool is_watching = ::pthread_atfork(nullptr, nullptr, &count_fork) == 0;
    (void)is_watching;  // without memory for the handler, forks go unnoticed
    return forks.load(std::memory_order_relaxed);
}

}  // namespace detail

HEARTH_END_NAMESPACE
