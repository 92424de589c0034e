// Storms in the simulated world: what the rules of overload reach together. storm_rules_test.cpp
// shows that each of them is needed.
#include "sim/storm_cases.hpp"

namespace hearth::sim {
namespace {

using namespace std::chrono_literals;

TEST(StormWorldTest, HiccupIsOverWhenTheOriginIsBack) {
    for (const duration interval : {1000us, 700us, 500us, 350us, 200us}) {
        for (const std::uint32_t connections : {60'000U, 600U, 100U}) {
            const outcome got = play(limited(hiccup(interval), connections));
            EXPECT_LE(got.recovery, 200ms) << interval.count() << ", max " << connections;
            EXPECT_LE(got.handshakes, 250U) << interval.count() << ", max " << connections;
        }
    }
}

TEST(StormWorldTest, LongHiccupIsOverAsSoon) {
    for (const std::uint32_t connections : {60'000U, 600U, 100U}) {
        EXPECT_LE(play(limited(hiccup(350us, 5s), connections)).recovery, 200ms) << connections;
    }
}

TEST(StormWorldTest, SlowCallsCostNobodyElse) {
    for (const double share : {0.03, 0.10}) {
        for (const duration interval : {1500us, 700us, 350us, 200us, 100us}) {
            EXPECT_GE(play(slow_calls(interval, share)).goodput, 0.99) << interval.count();
        }
    }
    for (const std::uint32_t connections : {600U, 100U}) {
        EXPECT_GE(play(limited(slow_calls(200us, 0.03), connections)).goodput, 0.99);
    }
}

// The estimate of an answer's time must not refuse the first calls with a deadline.
TEST(StormWorldTest, SlowCallsBeforeTheStormCostNobodyInIt) {
    for (const duration interval : {1500us, 700us, 350us, 200us}) {
        storm_settings s = slow_calls(interval, 0.03);
        s.first_answer = 400ms;
        EXPECT_GE(play(s).goodput, 0.999) << interval.count();
    }
}

TEST(StormWorldTest, ColdStartAndRestartAreOverWithinASecond) {
    for (const duration interval : {350us, 200us, 100us}) {
        EXPECT_LE(play(cold(interval)).recovery, 1s) << interval.count();
        EXPECT_LE(play(restarted(interval)).recovery, 1s) << interval.count();
    }
}

// What is dialled for a burst must be of use to it.
TEST(StormWorldTest, RestartTakesNoMoreHandshakesThanServe) {
    for (const duration interval : {350us, 200us, 100us}) {
        for (storm_settings s : {restarted(interval), cold(interval)}) {
            s.first_answer = 5ms;
            s.costs.arrive = 8us;
            s.costs.receive = 18us;
            const outcome got = play(s);
            EXPECT_LE(got.recovery, 1s) << interval.count();
            EXPECT_LE(got.handshakes, 20ms / interval) << interval.count();
        }
    }
}

TEST(StormWorldTest, NeighbourOnTheCpuChangesNothingOfThat) {
    const auto with_neighbour = [](storm_settings s) {
        s.costs.neighbour = 1.5;
        return s;
    };
    EXPECT_LE(play(with_neighbour(hiccup(350us))).recovery, 200ms);
    EXPECT_LE(play(with_neighbour(limited(hiccup(350us), 100))).recovery, 200ms);
    EXPECT_GE(play(with_neighbour(slow_calls(350us, 0.10))).goodput, 0.99);
    EXPECT_LE(play(with_neighbour(cold(350us))).recovery, 1s);
}

// More calls than our CPU carries, by little and by far, on quick and on slow ones: what it can do
// beside refusing the others is done in time. Here calls that the CPU has no time for wait before
// they come to the pool, with ever less time left.
void expect_what_a_slow_cpu_can(std::uint32_t streams) {
    for (const double slowness : {1.0, 1.5, 2.0, 2.5, 3.0}) {
        for (const duration interval : {10us, 15us, 20us, 30us, 40us, 60us}) {
            storm_settings s = protected_storm(interval);
            s.length = 6s;
            s.max_streams = streams;
            if (streams > 1) s.warm = 1;
            s.costs.neighbour = slowness;
            const std::chrono::duration<double> refusal = slowness * s.costs.arrive;
            const std::chrono::duration<double> answer =
                slowness * (s.costs.send + s.costs.receive);
            const std::chrono::duration<double> each = interval;
            const double left = 1 - refusal / each;  // of the CPU, if all were refused
            const double possible =
                std::min({left * each / answer, each / s.costs.origin_request, 1.0});
            EXPECT_GE(play(s).at_last, 0.65 * possible)
                << interval.count() << " ns, " << slowness << " times as slow";
        }
    }
}
TEST(StormWorldTest, CpuThatIsTooSlowDoesWhatItCan) { expect_what_a_slow_cpu_can(1); }
TEST(StormWorldTest, CpuThatIsTooSlowDoesWhatItCanOverStreams) { expect_what_a_slow_cpu_can(250); }

TEST(StormWorldTest, WithoutAnyRuleTheHiccupNeverEnds) {
    storm_settings s = hiccup(350us);
    s.pool.overload = {
        .ration_dials = false, .refuse_late = false, .target = {}, .schedule_handshakes = false};
    s.pool.pool.on_cancel = cancel_policy::close;
    const outcome got = play(s);
    EXPECT_EQ(got.recovery, duration::max());
    EXPECT_LT(got.at_last, 0.1) << "a stable state: the CPU does nothing but handshakes";
}

// Many worlds.

TEST(StormWorldTest, NoSeedCollapses) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        base::prng draw(seed);
        storm_settings s = hiccup(std::chrono::microseconds{150 + draw.below(2000)},
                                  std::chrono::milliseconds{100 + draw.below(500)});
        s.disturbed_at = 300ms;
        s.length = s.disturbed_at + s.stall + 1300ms;
        s.slow_share = 0.05 * draw.unit();
        s.warm = static_cast<std::uint32_t>(draw.below(200));
        s.restart = draw.below(4) == 0;
        if (draw.below(2) == 0) {
            s.pool.pool.max_connections_per_origin =
                60 + static_cast<std::uint32_t>(draw.below(600));
        }
        const outcome got = play(s, seed);
        EXPECT_LE(got.recovery, 300ms) << "seed " << seed;
    }
}

// 64 cores with 10,000 origins among them, each with at most 64 connections, and a million arrivals
// a second. The cores share nothing, so they are played one after the other.
TEST(StormWorldTest, GiantWorldRecovers) {
    constexpr std::uint64_t cores = 64;
    for (std::uint64_t core = 1; core <= cores; ++core) {
        storm_settings s = hiccup(64us, 300ms);
        s.origins = 10'000 / cores + (core <= 10'000 % cores ? 1 : 0);
        s.warm = 8;
        s.pool.pool.max_connections_per_origin = 64;
        s.slow_share = 0.03;
        s.disturbed_at = 500ms;
        s.length = 2500ms;
        const outcome got = play(s, core);
        EXPECT_LE(got.recovery, 300ms) << "core " << core;
        // Each origin needs a connection that is not busy: some 90 ms of handshakes.
        EXPECT_GE(got.goodput, 0.90) << "core " << core;
    }
}

}  // namespace
}  // namespace hearth::sim
