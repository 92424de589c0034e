#include "proto/h2_flood_guard.hpp"

#include <algorithm>

namespace hearth::proto {

h2_flood_guard::h2_flood_guard(const h2_settings& settings)
    : buckets_{bucket{settings.settings_frames, settings.settings_frames.burst},
               bucket{settings.pings, settings.pings.burst},
               bucket{settings.stray_resets, settings.stray_resets.burst},
               bucket{settings.window_updates, settings.window_updates.burst},
               bucket{settings.priorities, settings.priorities.burst},
               bucket{settings.empty_data, settings.empty_data.burst},
               bucket{settings.other_frames, settings.other_frames.burst}} {}

bool h2_flood_guard::spend(h2_nuisance kind) {
    bucket& b = buckets_[static_cast<std::size_t>(kind)];
    if (b.left == 0) return false;
    --b.left;
    return true;
}

void h2_flood_guard::on_useful_frame() {
    // Servers measure round trips with a PING beside their data, and some end a flush with empty
    // DATA.
    refill(h2_nuisance::ping, 1);
    refill(h2_nuisance::empty_data, 1);
}

void h2_flood_guard::on_request() {
    refill(h2_nuisance::stray_reset, 1);
    refill(h2_nuisance::priority, 1);
    refill(h2_nuisance::window_update, 2);
    refill(h2_nuisance::other, 2);
}

void h2_flood_guard::on_sent(std::size_t octets) {
    // One for each 512 octets: servers that read a body in KiB pieces credit stream and connection.
    constexpr std::size_t octets_per_update = 512;
    sent_ += octets;
    refill(h2_nuisance::window_update, sent_ / octets_per_update);
    sent_ %= octets_per_update;
}

void h2_flood_guard::on_time_passed(std::uint32_t seconds) {
    for (bucket& b : buckets_) {
        const std::uint64_t more = std::uint64_t{b.bound.per_second} * seconds;
        b.left = static_cast<std::uint32_t>(std::min<std::uint64_t>(b.bound.burst, b.left + more));
    }
}

void h2_flood_guard::refill(h2_nuisance kind, std::uint64_t count) {
    bucket& b = buckets_[static_cast<std::size_t>(kind)];
    b.left = static_cast<std::uint32_t>(std::min<std::uint64_t>(b.bound.burst, b.left + count));
}

std::string_view flood_detail(h2_nuisance kind) {
    switch (kind) {
        case h2_nuisance::settings: return "the peer sends too many SETTINGS frames";
        case h2_nuisance::ping: return "the peer sends too many PING frames";
        case h2_nuisance::stray_reset: return "the peer resets too many streams that are not open";
        case h2_nuisance::window_update: return "the peer sends too many WINDOW_UPDATE frames";
        case h2_nuisance::priority: return "the peer sends too many PRIORITY frames";
        case h2_nuisance::empty_data: return "the peer sends too many DATA frames without data";
        case h2_nuisance::other: return "the peer sends too many frames that concern nothing";
    }
    return {};
}

}  // namespace hearth::proto
