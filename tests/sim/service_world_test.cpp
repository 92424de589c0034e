// What repeats, hedges, breakers and learned limits do to an origin in trouble, in the simulated
// world: with all of them, with each alone, and in many worlds.
#include "sim/service_world.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>

namespace hearth::sim {
namespace {

using namespace std::chrono_literals;

// 2,000 calls a second; the origin fails a tenth, then half, then all, and is well again.
service_settings brown_out() {
    service_settings s;
    s.phases = {{2s}, {4s, 0.1}, {4s, 0.5}, {4s, 1.0}, {4s}};
    return s;
}
void repeat(service_settings& s) {
    s.repeat = {
        .max_attempts = 3, .min_backoff = 10ms, .max_backoff = 100ms, .max_retry_after = 1s};
}
void hedge(service_settings& s) { s.hedge.enabled = true; }
void break_circuit(service_settings& s) { s.gate.breaker.enabled = true; }
void limit(service_settings& s) {
    s.gate.concurrency.enabled = true;
    s.gate.concurrency.initial_limit = 100;
}
void use_all(service_settings& s) {
    repeat(s);
    hedge(s);
    break_circuit(s);
    limit(s);
}

// Ends with every call answered or failed, nothing left over.
void play(service_world& world) {
    world.run();
    EXPECT_EQ(world.unfinished(), 0U);
}

// Not worse than `off` in any phase once it is a second old, back within a second of the recovery,
// and never more than 1.2 requests for each one asked.
void expect_no_harm(const service_settings& settings, std::uint64_t seed, const std::string& what) {
    service_settings bare = settings;
    bare.gate = {};
    bare.repeat = {};
    bare.hedge.enabled = false;
    service_world off(seed, bare);
    service_world on(seed, settings);
    play(off);
    play(on);
    for (std::size_t i = 0; i < settings.phases.size(); ++i) {
        const std::string where =
            what + ", seed " + std::to_string(seed) + ", phase " + std::to_string(i);
        // One a second is free, so that an origin with little traffic can be retried.
        const auto length = std::chrono::duration<double>(settings.phases[i].length + 1s).count();
        EXPECT_LE(on.phases()[i].amplification(),
                  1.2 + length / static_cast<double>(on.phases()[i].asked))
            << where;
        // Both worlds draw failures of their own: four standard deviations of what few calls give.
        const double chance = 2.0 / std::sqrt(static_cast<double>(off.phases()[i].settled_asked));
        EXPECT_GE(on.phases()[i].settled(), off.phases()[i].settled() - chance) << where;
    }
    EXPECT_LE(on.recovery(), 1s) << what << ", seed " << seed;
}

TEST(ServiceWorldTest, NothingSwitchedOnSendsWhatIsAsked) {
    service_world world(1, brown_out());
    play(world);
    const auto& phases = world.phases();
    for (const phase_outcome& one : phases) EXPECT_EQ(one.sent, one.asked);
    EXPECT_NEAR(phases[1].goodput(), 0.9, 0.02);
    EXPECT_NEAR(phases[2].goodput(), 0.5, 0.02);
    EXPECT_EQ(phases[3].served, 0U);
    EXPECT_EQ(phases[4].goodput(), 1.0);
}

TEST(ServiceWorldTest, BrownOutIsNoOutageWithEverythingOn) {
    service_settings s = brown_out();
    use_all(s);
    expect_no_harm(s, 1, "everything");
    service_world world(1, s);
    play(world);
    EXPECT_GE(world.phases()[1].settled(), 0.99) << "a tenth failing is what repeats are for";
    EXPECT_LE(world.phases()[3].amplification(), 1.0) << "nobody hammers an origin that is down";
}

TEST(ServiceWorldTest, NoMechanismAloneMakesABrownOutWorse) {
    using setter = void (*)(service_settings&);
    const std::pair<const char*, setter> all[] = {
        {"repeats", repeat}, {"hedges", hedge}, {"breaker", break_circuit}, {"limit", limit}};
    for (const auto& [name, use] : all) {
        service_settings s = brown_out();
        use(s);
        expect_no_harm(s, 1, name);
    }
}

// Without the one budget for all of them, attempts multiply: what it is there for.
TEST(ServiceWorldTest, AmplificationIsBoundedByTheBudgetAlone) {
    service_settings s = brown_out();
    repeat(s);
    s.budget.share = 2.0;
    service_world world(1, s);
    play(world);
    EXPECT_GT(world.phases()[3].amplification(), 2.5);
}

TEST(ServiceWorldTest, NoSeedMakesABrownOutWorse) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        base::prng draw(seed);
        service_settings s;
        s.interval = std::chrono::microseconds{300 + draw.below(3000)};
        s.deadline = std::chrono::milliseconds{100 + draw.below(900)};
        s.service = std::chrono::microseconds{500 + draw.below(20'000)};
        s.round_trip = std::chrono::microseconds{50 + draw.below(5000)};
        const double tenth = 0.3 * draw.unit();
        const double half = tenth + 0.4 * draw.unit();
        s.phases = {{2s}, {3s, tenth}, {3s, half}, {3s, 1.0}, {3s}};
        if (draw.below(4) != 0) repeat(s);
        if (draw.below(4) != 0) hedge(s);
        if (draw.below(4) != 0) break_circuit(s);
        if (draw.below(4) != 0) limit(s);
        expect_no_harm(s, seed, "drawn");
    }
}

TEST(ServiceWorldTest, HedgesCutTheTailForAFewRequestsMore) {
    service_settings s;
    s.phases = {{20s, 0.0, 0.02}};
    service_world off(1, s);
    hedge(s);
    service_world on(1, s);
    play(off);
    play(on);
    EXPECT_LE(on.latency(0.99) * 5, off.latency(0.99));
    EXPECT_LE(static_cast<double>(on.sent()), 1.06 * static_cast<double>(on.asked()));
    EXPECT_GT(on.hedges(), 0U);
}

// When all answers are slow a second request is the last thing the origin needs.
TEST(ServiceWorldTest, SlowOriginGetsFewHedges) {
    service_settings s;
    s.phases = {{5s}, {5s, 0.0, 1.0}};
    hedge(s);
    service_world world(1, s);
    play(world);
    EXPECT_LE(world.phases()[1].amplification(), 1.02);
}

// The origin can do 2,000 a second and is asked for twice that.
TEST(ServiceWorldTest, LearnedLimitKeepsTheQueueShortAndCriticalCallsServed) {
    service_settings s;
    s.phases = {{20s}};
    s.workers = 10;
    s.interval = 250us;
    s.critical = 0.1;
    s.pool.pool.max_connections = 60'000;
    s.pool.pool.max_connections_per_origin = 60'000;
    service_world off(1, s);
    s.gate.concurrency.enabled = true;
    service_world on(1, s);
    play(off);
    play(on);
    const phase_outcome& got = on.phases()[0];
    EXPECT_GE(static_cast<double>(got.served), 0.9 * 2000 * 20);
    EXPECT_LE(on.origin_wait(0.99), 50ms);
    EXPECT_GE(off.origin_wait(0.99), 400ms) << "without it nearly the deadline is spent there";
    EXPECT_GE(static_cast<double>(got.critical_served),
              0.99 * static_cast<double>(got.critical_asked));
}

// The same seed gives the same world.
TEST(ServiceWorldTest, IsDeterministic) {
    service_settings s = brown_out();
    use_all(s);
    service_world one(7, s);
    service_world two(7, s);
    play(one);
    play(two);
    EXPECT_EQ(one.sent(), two.sent());
    EXPECT_EQ(one.latency(0.999), two.latency(0.999));
}

}  // namespace
}  // namespace hearth::sim
