// stats_sum: what the shards of a client have to tell, as one. An origin that several of them serve
// is one in it.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

#include "hearth/stats.hpp"

HEARTH_BEGIN_NAMESPACE

namespace detail {

/// Of one origin, as `origin_stats::addresses` promises.
inline constexpr std::size_t most_addresses_told = 128;

/// What one shard has to tell of itself.
struct shard_snapshot {
    stats values;
    std::vector<std::size_t> keys;  ///< Hashes of its origins' keys, one by one.
};

class stats_sum {
public:
    stats sum;

    void add(shard_snapshot&& part);

private:
    std::unordered_map<std::size_t, std::size_t> places_;  // in `sum.origins`, by key
};

/// Adds the numbers of `one`, but for `threads` and `addresses`.
void add_origin(origin_stats& sum, const origin_stats& one);

}  // namespace detail

HEARTH_END_NAMESPACE
