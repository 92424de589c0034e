// origin_part: what one core has of an origin's limits, where several cores serve the origin.
//
// Every limit is cut into as many parts as there are cores, the remainder one each to the first
// ones, so that the parts of all are the limit. A core that has no part opens nothing.
#pragma once

#include <algorithm>
#include <cstdint>

namespace hearth::core {

struct origin_part {
    std::uint32_t index = 0;  ///< Below `count`.
    std::uint32_t count = 1;  ///< Parts that there are; 0: this core has none.

    bool operator==(const origin_part&) const = default;

    [[nodiscard]] constexpr bool is_none() const { return count == 0; }
    [[nodiscard]] constexpr std::uint32_t of(std::uint32_t limit) const {
        if (count <= 1) return count == 0 ? 0 : limit;
        return limit / count + (index < limit % count ? 1 : 0);
    }
    /// The same of a limit on connections. A core that has a part, and is given exchanges for it,
    /// can always have one: where there are more parts than connections that is one too many.
    [[nodiscard]] constexpr std::uint32_t of_connections(std::uint32_t limit) const {
        return count == 0 ? 0 : std::max(of(limit), std::min(limit, 1U));
    }
};

}  // namespace hearth::core
