// lease_pool: the client-wide connection limit, handed out to shards in leases.
//
// A lease is the right to have one connection. Shards take leases when they want to dial and give
// back what they do not need when another shard waits; together they never hold more than the
// limit, but for what is owed since the limit was lowered. What a shard asked for and did not get
// stays asked for until it is granted. Whenever what the others wait for changes, a shard is told
// to look (`wanted_by_others`): messages may cross, the number never lies. Used on the cold path
// only (dials and closes), so a mutex does.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <mutex>
#include <new>
#include <numeric>
#include <utility>
#include <vector>

#include "hearth/version.hpp"

namespace hearth::detail {

class lease_pool {
public:
    /// Tells shard `index` that it has `granted` leases more.
    using grant_function = std::function<void(std::size_t index, std::uint32_t granted)>;
    /// Tells shard `index` that what the others wait for has changed.
    using recall_function = std::function<void(std::size_t index)>;

    lease_pool(std::uint32_t limit, std::size_t shards, grant_function grant,
               recall_function recall)
        : limit_(limit),
          free_(limit),
          held_(shards, 0),
          owed_(shards, 0),
          wanted_(shards, 0),
          told_(shards, 0),
          grant_(std::move(grant)),
          recall_(std::move(recall)) {}

    /// Takes up to `wanted` leases now and returns how many; the rest stays asked for.
    std::uint32_t take(std::size_t shard, std::uint32_t wanted) {
        std::unique_lock lock(mutex_);
        const std::uint32_t granted = std::min(wanted, free_);
        free_ -= granted;
        held_[shard] += granted;
        wanted_[shard] += wanted - granted;
        lock.unlock();
        tell_changes();
        return granted;
    }

    /// Gives leases of `shard` back: what it owes is gone, and shards that wait are granted the
    /// rest in turn.
    void give(std::size_t shard, std::uint32_t count) {
        {
            const std::lock_guard lock(mutex_);
            put_back(shard, count);
        }
        hand_out();
    }

    /// Gives back all that `shard` has, which is `count`; it asks for nothing any more.
    void leave(std::size_t shard, std::uint32_t count) {
        {
            const std::lock_guard lock(mutex_);
            put_back(shard, count);
            wanted_[shard] = 0;
        }
        hand_out();
    }

    /// Another limit. What is held beyond a lower one is owed, by each shard in proportion to what
    /// it has: the result says how much each is to give back, beside what it owes already.
    std::vector<std::uint32_t> set_limit(std::uint32_t limit) {
        std::unique_lock lock(mutex_);
        std::vector<std::uint32_t> calls(held_.size(), 0);
        if (limit >= limit_) {
            free_ += limit - std::exchange(limit_, limit);
            lock.unlock();
            hand_out();
            return calls;
        }
        std::uint32_t missing = std::exchange(limit_, limit) - limit;
        const std::uint32_t unused = std::min(missing, free_);
        free_ -= unused;
        missing -= unused;
        for (std::size_t i = 0; missing != 0; i = (i + 1) % held_.size()) {  // one each in turn
            if (held_[i] <= owed_[i]) continue;
            ++owed_[i];
            ++calls[i];
            --missing;
        }
        return calls;
    }

    /// How many leases the shards but `shard` wait for.
    [[nodiscard]] std::uint32_t wanted_by_others(std::size_t shard) {
        const std::lock_guard lock(mutex_);
        return others(shard);
    }

private:
    void put_back(std::size_t shard, std::uint32_t count) {
        const std::uint32_t paid = std::min(count, owed_[shard]);
        owed_[shard] -= paid;
        held_[shard] -= std::min(count, held_[shard]);
        free_ += count - paid;
    }
    /// Grants what is free, in turn, and calls out without the lock. Whoever cannot be told, for
    /// there is no memory, waits until leases move again.
    void hand_out() {
        try {
            const std::vector<std::uint32_t> grants = grant();
            for (std::size_t i = 0; i < grants.size(); ++i) {
                if (grants[i] != 0) tell_granted(i, grants[i]);
            }
        } catch (const std::bad_alloc&) {  // nothing was granted
        }
        tell_changes();
    }
    [[nodiscard]] std::vector<std::uint32_t> grant() {
        const std::lock_guard lock(mutex_);
        std::vector<std::uint32_t> grants(wanted_.size(), 0);
        for (bool progress = true; free_ != 0 && progress;) {
            progress = false;
            for (std::size_t i = 0; i < wanted_.size() && free_ != 0; ++i) {
                const std::size_t shard = (next_ + i) % wanted_.size();
                if (wanted_[shard] == 0) continue;
                --wanted_[shard];
                --free_;
                ++held_[shard];
                ++grants[shard];
                progress = true;
            }
        }
        next_ = (next_ + 1) % wanted_.size();
        return grants;
    }
    void tell_granted(std::size_t shard, std::uint32_t count) {
        try {
            grant_(shard, count);
        } catch (const std::bad_alloc&) {
            const std::lock_guard lock(mutex_);
            put_back(shard, count);
            wanted_[shard] += count;
        }
    }
    [[nodiscard]] std::uint32_t others(std::size_t shard) const {
        return std::accumulate(wanted_.begin(), wanted_.end(), std::uint32_t{0}) - wanted_[shard];
    }
    /// Calls out, without the lock, to those for whom something has changed.
    void tell_changes() {
        for (std::size_t i = 0; i < wanted_.size(); ++i) {
            {
                const std::lock_guard lock(mutex_);
                const std::uint32_t now = others(i);
                if (std::exchange(told_[i], now) == now) continue;
            }
            try {
                recall_(i);
            } catch (const std::bad_alloc&) {
                const std::lock_guard lock(mutex_);
                told_[i] = untold;
            }
        }
    }

    static constexpr std::uint32_t untold = 0xffffffff;

    std::mutex mutex_;
    std::uint32_t limit_;
    std::uint32_t free_;                 // limit + owed = free + held
    std::vector<std::uint32_t> held_;    // by shard, grants on their way included
    std::vector<std::uint32_t> owed_;    // of these, to be given back without being granted again
    std::vector<std::uint32_t> wanted_;  // asked for and not granted, by shard
    std::vector<std::uint32_t> told_;    // what the others waited for when a shard was last told
    std::size_t next_ = 0;               // who is served first
    grant_function grant_;
    recall_function recall_;
};

}  // namespace hearth::detail
