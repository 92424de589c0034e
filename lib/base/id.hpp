// Typed names of things in slabs: index + generation.
//
// Layers name things to each other by id only. An id whose generation is not the slot's current one
// is dead; messages about dead ids are legal (events cross) and dropped by whoever looks them up.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace hearth::base {

template <class Tag>
struct id {
    static constexpr std::uint32_t no_index = 0xffffffff;

    std::uint32_t index = no_index;
    std::uint32_t generation = 0;

    [[nodiscard]] constexpr bool is_valid() const { return index != no_index; }
    constexpr auto operator<=>(const id&) const = default;
};

struct connection_tag;
struct exchange_tag;
struct origin_tag;

}  // namespace hearth::base

namespace hearth {

using connection_id = base::id<base::connection_tag>;
using exchange_id = base::id<base::exchange_tag>;
using origin_id = base::id<base::origin_tag>;

}  // namespace hearth

template <class Tag>
struct std::hash<hearth::base::id<Tag>> {
    std::size_t operator()(const hearth::base::id<Tag>& value) const noexcept {
        return std::hash<std::uint64_t>{}((std::uint64_t{value.generation} << 32) | value.index);
    }
};
