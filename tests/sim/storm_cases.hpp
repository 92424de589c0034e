// The storms the tests ask about, and what one came to.
#pragma once

#include <gtest/gtest.h>

#include "sim/storm_world.hpp"

namespace hearth::sim {

// Every rule on, no limit on connections, an origin that answers after 5 ms.
inline storm_settings protected_storm(duration interval) {
    storm_settings s;
    s.pool.pool.max_connections = 60'000;
    s.pool.pool.max_connections_per_origin = 60'000;
    s.interval = interval;
    return s;
}
inline storm_settings hiccup(duration interval, duration stall = std::chrono::milliseconds{500}) {
    storm_settings s = protected_storm(interval);
    s.stall = stall;
    s.length = std::chrono::seconds{3} + stall;
    return s;
}
inline storm_settings slow_calls(duration interval, double share) {
    storm_settings s = protected_storm(interval);
    s.slow_share = share;
    return s;
}
inline storm_settings cold(duration interval) {
    storm_settings s = protected_storm(interval);
    s.warm = 0;
    s.disturbed_at = {};
    return s;
}
inline storm_settings restarted(duration interval) {
    storm_settings s = protected_storm(interval);
    s.restart = true;
    return s;
}
inline storm_settings limited(storm_settings s, std::uint32_t connections) {
    s.pool.pool.max_connections_per_origin = connections;
    return s;
}

struct outcome {
    double goodput = 0;
    double at_last = 0;  ///< Of the last two seconds.
    duration recovery{};
    std::uint64_t handshakes = 0;
    std::uint64_t useful = 0;
    duration handshake_cpu{};
};

/// Plays a storm; nobody may starve in it.
inline outcome play(const storm_settings& settings, std::uint64_t seed = 1) {
    storm_world world(seed, settings);
    world.run();
    const origin_stats stats = world.stats();
    EXPECT_EQ(world.starved(), 0U);
    EXPECT_EQ(stats.waiting, 0U);
    return {.goodput = world.goodput(),
            .at_last = world.goodput(settings.length - std::chrono::seconds{2}),
            .recovery = world.recovery(),
            .handshakes = stats.handshakes_full + stats.handshakes_resumed,
            .useful = stats.handshakes_useful,
            .handshake_cpu = stats.handshake_cpu};
}

}  // namespace hearth::sim
