// h2_flood_guard: counts what a peer sends without saying anything.
//
// Every kind of such a frame has an allowance (h2_settings): a bucket that begins full, loses one
// per frame, and is refilled by useful traffic and by time, never above its burst. There is no
// clock here: the engine's owner says how many seconds have passed. So a peer may always answer
// work with a proportionate number of housekeeping frames, and an idle one may keep its connection
// alive for ever.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "proto/h2_settings.hpp"

namespace hearth::proto {

enum class h2_nuisance : std::uint8_t {
    settings,
    ping,
    stray_reset,
    window_update,
    priority,
    empty_data,
    other,
};

class h2_flood_guard {
public:
    explicit h2_flood_guard(const h2_settings& settings);

    /// Takes one of the allowance; false if it was used up.
    [[nodiscard]] bool spend(h2_nuisance kind);
    /// The peer sent a frame of an open response.
    void on_useful_frame();
    /// A request was begun: the peer may reset, prioritise and credit it.
    void on_request();
    /// Octets of bodies were sent: the peer must give their windows back.
    void on_sent(std::size_t octets);
    void on_time_passed(std::uint32_t seconds);

private:
    static constexpr std::size_t kinds = 7;
    struct bucket {
        h2_allowance bound;
        std::uint32_t left = 0;
    };
    void refill(h2_nuisance kind, std::uint64_t count);

    std::array<bucket, kinds> buckets_;
    std::size_t sent_ = 0;  // octets not yet turned into allowance
};

/// What the connection fails with when the allowance of `kind` is used up.
[[nodiscard]] std::string_view flood_detail(h2_nuisance kind);

}  // namespace hearth::proto
