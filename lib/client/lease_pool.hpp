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
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "hearth/version.hpp"

namespace hearth::detail {

class lease_pool {
public:
    /// What a shard hears of when it looks.
    struct news {
        std::uint32_t granted = 0;           ///< Leases that are its own from now on.
        std::uint32_t wanted_by_others = 0;  ///< That the other shards wait for.
    };
    /// Has shard `index` look (`collect`). Called without the lock, and not again before it has
    /// looked; where it throws std::bad_alloc the shard is told when leases move the next time.
    using tell_function = std::function<void(std::size_t index)>;

    lease_pool(std::uint32_t limit, std::size_t shards, tell_function tell)
        : limit_(limit), free_(limit), shards_(shards), tell_(std::move(tell)) {}

    /// Takes up to `wanted` leases now and returns how many; the rest stays asked for.
    std::uint32_t take(std::size_t shard, std::uint32_t wanted) {
        std::unique_lock lock(mutex_);
        const std::uint32_t granted = std::min(wanted, free_);
        free_ -= granted;
        shards_[shard].held += granted;
        shards_[shard].wanted += wanted - granted;
        note_spare();
        lock.unlock();
        tell_all();
        return granted;
    }

    /// Gives leases of `shard` back: what it owes is gone, and shards that wait are granted the
    /// rest in turn.
    void give(std::size_t shard, std::uint32_t count) {
        {
            const std::lock_guard lock(mutex_);
            put_back(shards_[shard], count);
            grant();
        }
        tell_all();
    }

    /// Gives back all that `shard` has: `count`, and what it was granted and has not collected. It
    /// asks for nothing any more.
    void leave(std::size_t shard, std::uint32_t count) {
        {
            const std::lock_guard lock(mutex_);
            put_back(shards_[shard], count + std::exchange(shards_[shard].granted, 0));
            shards_[shard].wanted = 0;
            grant();
        }
        tell_all();
    }

    /// What there is to know for a shard that was told to look.
    [[nodiscard]] news collect(std::size_t shard) {
        const std::lock_guard lock(mutex_);
        entry& here = shards_[shard];
        here.is_told = false;
        here.known = others(here);
        return {std::exchange(here.granted, 0), here.known};
    }

    /// Another limit. What is held beyond a lower one is owed, by each shard in proportion to what
    /// it has: the result says how much each is to give back, beside what it owes already.
    std::vector<std::uint32_t> set_limit(std::uint32_t limit) {
        std::vector<std::uint32_t> calls(shards_.size(), 0);
        std::unique_lock lock(mutex_);
        if (limit >= limit_) {
            free_ += limit - std::exchange(limit_, limit);
            grant();
            lock.unlock();
            tell_all();
            return calls;
        }
        std::uint32_t missing = std::exchange(limit_, limit) - limit;
        const std::uint32_t unused = std::min(missing, free_);
        free_ -= unused;
        missing -= unused;
        note_spare();
        for (std::size_t i = 0; missing != 0; i = (i + 1) % shards_.size()) {  // one each in turn
            if (shards_[i].held <= shards_[i].owed) continue;
            ++shards_[i].owed;
            ++calls[i];
            --missing;
        }
        return calls;
    }

    /// How many leases nobody has or waits for, as of a moment ago. Without the lock.
    [[nodiscard]] std::uint32_t spare() const { return spare_.load(std::memory_order_relaxed); }

    /// How many leases the shards but `shard` wait for.
    [[nodiscard]] std::uint32_t wanted_by_others(std::size_t shard) {
        const std::lock_guard lock(mutex_);
        return others(shards_[shard]);
    }

private:
    struct entry {
        std::uint32_t held = 0;     // what it was granted and has not collected included
        std::uint32_t owed = 0;     // of these, to be given back without being granted again
        std::uint32_t wanted = 0;   // asked for and not granted
        std::uint32_t granted = 0;  // not collected yet
        std::uint32_t known = 0;    // what the others waited for when it last looked
        bool is_told = false;       // to look
    };

    void put_back(entry& from, std::uint32_t count) {
        const std::uint32_t paid = std::min(count, from.owed);
        from.owed -= paid;
        from.held -= std::min(count, from.held);
        free_ += count - paid;
    }
    /// Grants what is free, in turn.
    void grant() {
        for (bool progress = true; free_ != 0 && progress;) {
            progress = false;
            for (std::size_t i = 0; i < shards_.size() && free_ != 0; ++i) {
                entry& next = shards_[(next_ + i) % shards_.size()];
                if (next.wanted == 0) continue;
                --next.wanted;
                --free_;
                ++next.held;
                ++next.granted;
                progress = true;
            }
        }
        next_ = (next_ + 1) % shards_.size();
        note_spare();
    }
    void note_spare() { spare_.store(free_, std::memory_order_relaxed); }
    [[nodiscard]] std::uint32_t others(const entry& here) const {
        std::uint32_t sum = 0;
        for (const entry& each : shards_) sum += each.wanted;
        return sum - here.wanted;
    }
    /// Tells those for whom something has changed.
    void tell_all() {
        for (std::size_t i = 0; i < shards_.size(); ++i) {
            {
                const std::lock_guard lock(mutex_);
                entry& one = shards_[i];
                const bool has_news = one.granted != 0 || one.known != others(one);
                if (one.is_told || !has_news) continue;
                one.is_told = true;
            }
            try {
                tell_(i);
            } catch (const std::bad_alloc&) {
                const std::lock_guard lock(mutex_);
                shards_[i].is_told = false;
            }
        }
    }

    std::mutex mutex_;
    std::uint32_t limit_;
    std::uint32_t free_;  // limit + owed = free + held
    std::atomic<std::uint32_t> spare_{free_};
    std::vector<entry> shards_;
    std::size_t next_ = 0;  // who is served first
    tell_function tell_;
};

}  // namespace hearth::detail
