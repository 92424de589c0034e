// lease_pool: the client-wide connection limit, handed out to shards in leases.
//
// A lease is the right to have one connection. Shards take leases when they want to dial and give back
// what they do not need when another shard waits; together they never hold more than the limit. A shard
// that got less than it asked for is remembered and told when leases come back. Used on the cold path
// only (dials and closes), so a mutex does.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "hearth/version.hpp"

namespace hearth::detail {

class lease_pool {
public:
    /// Tells shard `index`: leases may be had (`granted`), or give back `wanted` for others (recall).
    using grant_function = std::function<void(std::size_t index, std::uint32_t granted)>;
    using recall_function = std::function<void(std::size_t index, std::uint32_t wanted)>;

    lease_pool(std::uint32_t limit, std::size_t shards, grant_function grant,
               recall_function recall)
        : free_(limit), wanted_(shards, 0), grant_(std::move(grant)), recall_(std::move(recall)) {}

    /// Takes up to `wanted` leases now and returns how many; what is missing is remembered and asked
    /// back from the other shards.
    std::uint32_t take(std::size_t shard, std::uint32_t wanted) {
        std::uint32_t granted = 0;
        {
            const std::lock_guard lock(mutex_);
            granted = wanted < free_ ? wanted : free_;
            free_ -= granted;
            wanted_[shard] = wanted - granted;
        }
        if (granted == wanted) return granted;
        for (std::size_t i = 0; i < wanted_.size(); ++i) {
            if (i != shard) recall_(i, wanted - granted);
        }
        return granted;
    }

    /// Gives leases back; shards that wait are granted them in turn.
    void give(std::uint32_t count) {
        std::vector<std::uint32_t> grants;
        {
            const std::lock_guard lock(mutex_);
            free_ += count;
            grants.assign(wanted_.size(), 0);
            bool progress = true;
            while (free_ != 0 && progress) {
                progress = false;
                for (std::size_t i = 0; i < wanted_.size() && free_ != 0; ++i) {
                    const std::size_t shard = (next_ + i) % wanted_.size();
                    if (wanted_[shard] == 0) continue;
                    --wanted_[shard];
                    --free_;
                    ++grants[shard];
                    progress = true;
                }
            }
            next_ = (next_ + 1) % wanted_.size();
        }
        for (std::size_t i = 0; i < grants.size(); ++i) {
            if (grants[i] != 0) grant_(i, grants[i]);
        }
    }

private:
    std::mutex mutex_;
    std::uint32_t free_;
    std::vector<std::uint32_t> wanted_;
    std::size_t next_ = 0;
    grant_function grant_;
    recall_function recall_;
};

}  // namespace hearth::detail
