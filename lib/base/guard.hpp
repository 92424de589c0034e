// guard: one thread at a time in what it stands in. For the few things of a shard that the threads
// of its handshakes use, too; all else of a shard is touched by its own thread only and needs none.
#pragma once

#include <mutex>

namespace hearth::base {

class guard {
public:
    /// Others wait until what this returns has ended.
    [[nodiscard]] std::unique_lock<std::mutex> enter() const { return std::unique_lock(mutex_); }

private:
    mutable std::mutex mutex_;
};

}  // namespace hearth::base
