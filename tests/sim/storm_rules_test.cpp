// Each rule of the library is needed: a storm that passes with all of them, and does not with this
// one removed. Rules that core has a setting for are switched off there; for those that live beside
// core (streams, repeats, tickets) the world plays a client without them.
#include "sim/storm_cases.hpp"

namespace hearth::sim {
namespace {

using namespace std::chrono_literals;

// Handshake slices run in the order of remaining work, a few at a time.
TEST(StormRulesTest, SteadyLoadNeedsScheduledHandshakes) {
    storm_settings s = slow_calls(100us, 0.10);
    EXPECT_GE(play(s).goodput, 0.99);
    s.pool.overload.schedule_handshakes = false;
    EXPECT_LT(play(s).goodput, 0.97);
}

// Dials to an origin that answers nobody in time come from a ration.
TEST(StormRulesTest, HandshakesInAHiccupNeedTheRation) {
    storm_settings s = hiccup(350us);
    EXPECT_LE(play(s).handshakes, 250U);
    s.pool.overload.ration_dials = false;
    EXPECT_GT(play(s).handshakes, 600U);
}

// A dial belongs to the pool: who leaves does not take it along.
TEST(StormRulesTest, ColdStartNeedsDialsThatAreKept) {
    storm_settings s = cold(1ms);
    s.costs.round_trip = 30ms;  // two of them are longer than the deadline
    EXPECT_LE(play(s).recovery, 200ms);
    s.pool.overload.keep_dials = false;
    const outcome dropped = play(s);
    EXPECT_GT(dropped.recovery, 300ms) << "dials begin again and again";
}

// A cancelled HTTP/1.1 exchange is drained.
TEST(StormRulesTest, ManySlowCallsNeedDraining) {
    storm_settings s = slow_calls(60us, 0.10);
    EXPECT_GT(play(s).at_last, 0.85);
    s.pool.pool.on_cancel = cancel_policy::close;
    EXPECT_LT(play(s).at_last, 0.7);
}

// A cancelled stream is reset; its connection stays.
TEST(StormRulesTest, SlowCallsOnStreamsNeedResets) {
    storm_settings s = slow_calls(100us, 0.10);
    s.max_streams = 100;
    s.warm = 2;
    s.pool.http2.reset_burst = 1'000'000;
    const outcome reset = play(s);
    EXPECT_GE(reset.goodput, 0.99);
    EXPECT_LE(reset.handshakes, 10U);
    s.resets = false;
    EXPECT_LT(play(s).goodput, 0.95) << "each slow call costs the others their connection";
}

// Where the peer allows few resets, streams go on silently, on as many connections as they need.
TEST(StormRulesTest, SlowCallsBeyondTheResetBudgetGoOnSilently) {
    storm_settings s = slow_calls(150us, 0.10);
    s.max_streams = 250;
    s.warm = 1;
    const outcome o = play(s);
    EXPECT_GE(o.goodput, 0.999);
    RecordProperty("handshakes", static_cast<int>(o.handshakes));
    EXPECT_LE(o.handshakes, 100U);
}

// Under overload who came last is served first.
TEST(StormRulesTest, RecoveryNeedsTheNewestFirst) {
    storm_settings s = limited(hiccup(350us), 100);
    EXPECT_LE(play(s).recovery, 100ms);
    s.pool.overload.target.reset();
    EXPECT_GT(play(s).recovery, 200ms);
}

// Who cannot be answered in time takes no connection.
TEST(StormRulesTest, LoadBeyondTheCpuNeedsLateOnesRefused) {
    storm_settings s = slow_calls(60us, 0.10);
    EXPECT_GT(play(s).goodput, 0.86);
    s.pool.overload.refuse_late = false;
    EXPECT_LT(play(s).goodput, 0.83);
}

// Where more calls come than the CPU carries, no more are under way than are answered in time, and
// most of the others are refused before they cost much.
TEST(StormRulesTest, CallsBeyondTheCpuNeedACrowdKeptOut) {
    storm_settings s = slow_calls(10us, 0);
    s.length = 8s;
    const outcome kept_out = play(s);
    EXPECT_GE(kept_out.at_last, 0.9 * 0.4) << "the origin can answer 40,000 a second of 100,000";
    EXPECT_LE(kept_out.handshakes, 500U);
    s.pool.overload.target.reset();
    EXPECT_LT(play(s).at_last, 0.2);
}

// Repeated attempts have a budget: a failing origin gets a tenth more, whatever callers ask for.
TEST(StormRulesTest, FailingOriginNeedsABudgetOfRepeats) {
    storm_settings s = hiccup(350us, 1s);
    s.fails = true;
    s.attempts = 4;
    const auto asked = [](const storm_settings& settings) {
        storm_world world(1, settings);
        world.run();
        return static_cast<double>(world.requests()) / static_cast<double>(world.arrivals());
    };
    EXPECT_LE(asked(s), 1.1);
    s.budget = {.share = 1.0, .floor_per_second = 1e9};
    EXPECT_GT(asked(s), 1.7);
}

// Connections are kept ready: a burst after a quiet time finds them, though all were lost in it.
TEST(StormRulesTest, BurstAfterARestartNeedsConnectionsKeptReady) {
    storm_settings s = restarted(100us);
    s.first_answer = 5ms;
    s.deadline = 15ms;
    s.quiet = 2s;
    s.length = 3500ms;
    const auto burst = [](const storm_settings& settings) {
        storm_world world(1, settings);
        world.run();
        return world.goodput(settings.disturbed_at + settings.quiet);
    };
    s.pool.pool.min_ready = 100;
    EXPECT_GE(burst(s), 0.999);
    s.pool.pool.min_ready = 0;
    EXPECT_LT(burst(s), 0.99);
}

// What is in use is replaced before its lifetime ends, and what is not in use is not: nobody waits
// while all connections go within a second.
TEST(StormRulesTest, LifetimesUnderLoadNeedReplacementsAhead) {
    storm_settings s = protected_storm(400us);
    s.costs.round_trip = 10ms;  // of a call; a dial takes two
    s.first_answer = 15ms;
    s.deadline = 16ms;
    s.pool.pool.max_lifetime = 15s;
    s.length = 17s;
    const outcome replaced = play(s);
    EXPECT_EQ(replaced.goodput, 1.0);
    EXPECT_LE(replaced.handshakes, 50U) << "some 38 of the 100 are in use at once";
    s.pool.pool.replace_ahead.reset();
    EXPECT_LT(play(s).goodput, 0.999);
}

// Tickets resume: what a restart costs is less.
TEST(StormRulesTest, RestartNeedsTickets) {
    storm_settings s = restarted(200us);
    s.tickets = 2;
    const outcome resumed = play(s);
    EXPECT_LE(resumed.recovery, 1s);
    s.tickets = 0;
    EXPECT_GE(play(s).handshake_cpu, 2 * resumed.handshake_cpu);
}

}  // namespace
}  // namespace hearth::sim
