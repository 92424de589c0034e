// shared_permits: the limit on handshakes past their ClientHello, for all shards of a client.
//
// A shard that found no permit is told to look when there is one: all that wait are, since those
// that come late wait again and one that has lost interest must keep nobody else from it. Once or
// twice per handshake, so a mutex does.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "core/handshake_permits.hpp"

namespace hearth::detail {

class shared_permits {
public:
    /// Has shard `index` look (`looks`). Called without the lock, and not again before it has
    /// looked; where it throws std::bad_alloc the shard is told when the next permit is free.
    using tell_function = std::function<void(std::size_t index)>;

    shared_permits(std::uint32_t limit, std::size_t shards, tell_function tell)
        : limit_(limit), shards_(shards), tell_(std::move(tell)) {}

    [[nodiscard]] bool take(std::size_t index) noexcept {
        const std::lock_guard lock(mutex_);
        if (taken_ >= limit_) {
            shards_[index].waits = true;
            return false;
        }
        most_ = std::max(most_, ++taken_);
        return true;
    }
    void give() noexcept {
        {
            const std::lock_guard lock(mutex_);
            --taken_;
        }
        tell_all();
    }
    /// Another limit; what has a permit keeps it.
    void set_limit(std::uint32_t limit) noexcept {
        {
            const std::lock_guard lock(mutex_);
            limit_ = limit;
        }
        tell_all();
    }
    /// Shard `index` looks: what it is told next is news.
    void looks(std::size_t index) noexcept {
        const std::lock_guard lock(mutex_);
        shards_[index].is_told = false;
    }
    /// The most that were taken at once.
    [[nodiscard]] std::uint32_t most() const {
        const std::lock_guard lock(mutex_);
        return most_;
    }

private:
    struct entry {
        bool waits = false;
        bool is_told = false;
    };

    void tell_all() noexcept {
        for (std::size_t i = 0; i < shards_.size(); ++i) {
            {
                const std::lock_guard lock(mutex_);
                entry& one = shards_[i];
                if (taken_ >= limit_ || !one.waits || one.is_told) continue;
                one = {.waits = false, .is_told = true};
            }
            try {
                tell_(i);
            } catch (const std::bad_alloc&) {
                const std::lock_guard lock(mutex_);
                shards_[i] = {.waits = true, .is_told = false};
            }
        }
    }

    mutable std::mutex mutex_;
    std::uint32_t limit_;
    std::uint32_t taken_ = 0;
    std::uint32_t most_ = 0;
    std::vector<entry> shards_;
    const tell_function tell_;
};

/// What the core of one shard sees of them.
class permits_of_shard final : public core::handshake_permits {
public:
    permits_of_shard(std::shared_ptr<shared_permits> all, std::size_t index)
        : all_(std::move(all)), index_(index) {}
    [[nodiscard]] bool take() noexcept override { return all_->take(index_); }
    void give() noexcept override { all_->give(); }

private:
    const std::shared_ptr<shared_permits> all_;
    const std::size_t index_;
};

}  // namespace hearth::detail
