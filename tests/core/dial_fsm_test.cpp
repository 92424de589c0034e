#include "core/dial_fsm.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

const time_point t0{1h};
const dial_timeouts timeouts{.name = 5s, .connect = 10s, .handshake = 7s, .attempt_delay = 250ms};
constexpr std::uint32_t none = dial_effect::no_attempt;

dial_fsm begun() {
    dial_fsm dial;
    dial.begin(t0, timeouts);
    return dial;
}

dial_fsm connecting_to(std::size_t addresses) {
    dial_fsm dial = begun();
    EXPECT_EQ(dial.on_resolved(t0, timeouts, addresses).connect, 0U);
    return dial;
}

TEST(DialFsmTest, BeginsByResolvingWithinItsTimeout) {
    dial_fsm dial = begun();
    EXPECT_EQ(dial.phase(), dial_phase::resolving);
    EXPECT_EQ(dial.deadline(), t0 + 5s);
    EXPECT_EQ(dial.began(), t0);
    EXPECT_EQ(dial.on_timer(t0 + 5s, timeouts).failure, dial_failure::name_timeout);
    EXPECT_EQ(dial.phase(), dial_phase::ended);
    EXPECT_EQ(dial.deadline(), base::never);
}

TEST(DialFsmTest, NoAddressIsAFailure) {
    dial_fsm dial = begun();
    EXPECT_EQ(dial.on_resolved(t0, timeouts, 0).failure, dial_failure::name_failed);
}

TEST(DialFsmTest, ConnectTimeoutStartsWhenTheNameIsKnown) {
    dial_fsm dial = begun();
    const dial_effect effect = dial.on_resolved(t0 + 4s, timeouts, 1);
    EXPECT_EQ(effect.connect, 0U);
    EXPECT_EQ(dial.deadline(), t0 + 14s);
    EXPECT_EQ(dial.on_timer(t0 + 14s, timeouts).failure, dial_failure::connect_timeout);
}

TEST(DialFsmTest, NextAddressStartsAfterTheAttemptDelay) {
    dial_fsm dial = connecting_to(3);
    EXPECT_EQ(dial.deadline(), t0 + 250ms);
    EXPECT_EQ(dial.on_timer(t0 + 249ms, timeouts).connect, none);
    EXPECT_EQ(dial.on_timer(t0 + 250ms, timeouts).connect, 1U);
    EXPECT_EQ(dial.deadline(), t0 + 500ms);
    EXPECT_EQ(dial.on_timer(t0 + 500ms, timeouts).connect, 2U);
    EXPECT_EQ(dial.deadline(), t0 + 10s) << "no address is left to try";
}

TEST(DialFsmTest, NextAddressStartsAtOnceWhenOneFails) {
    dial_fsm dial = connecting_to(3);
    EXPECT_EQ(dial.on_connect_failed(t0 + 10ms, timeouts, 0).connect, 1U);
    EXPECT_EQ(dial.deadline(), t0 + 260ms) << "the delay counts from the attempt's start";
}

TEST(DialFsmTest, FailsOnlyWhenEveryAddressHasFailed) {
    dial_fsm dial = connecting_to(2);
    EXPECT_EQ(dial.on_timer(t0 + 250ms, timeouts).connect, 1U);
    const dial_effect first = dial.on_connect_failed(t0 + 300ms, timeouts, 0);
    EXPECT_EQ(first.failure, dial_failure::none);
    EXPECT_EQ(first.connect, none);
    EXPECT_EQ(dial.on_connect_failed(t0 + 300ms, timeouts, 1).failure,
              dial_failure::connect_failed);
}

TEST(DialFsmTest, WinnerIsKeptAndLosersAreAbandoned) {
    dial_fsm dial = connecting_to(3);
    (void)dial.on_timer(t0 + 250ms, timeouts);
    (void)dial.on_timer(t0 + 500ms, timeouts);
    const dial_effect effect = dial.on_connected(t0 + 600ms, timeouts, 1);
    EXPECT_TRUE(effect.accepted);
    EXPECT_EQ(effect.cancel, 0b101U);
    EXPECT_EQ(effect.connect, none);
    EXPECT_EQ(dial.phase(), dial_phase::securing);
    EXPECT_EQ(dial.deadline(), t0 + 7600ms) << "time to connect is not charged to the handshake";
}

TEST(DialFsmTest, LateAnswersOfAbandonedAttemptsAreIgnored) {
    dial_fsm dial = connecting_to(2);
    (void)dial.on_timer(t0 + 250ms, timeouts);
    (void)dial.on_connected(t0 + 260ms, timeouts, 0);
    EXPECT_FALSE(dial.on_connected(t0 + 270ms, timeouts, 1).accepted);
    EXPECT_FALSE(dial.on_connect_failed(t0 + 270ms, timeouts, 1).accepted);
    EXPECT_EQ(dial.phase(), dial_phase::securing);
}

TEST(DialFsmTest, AttemptsNeverStartedAreIgnored) {
    dial_fsm dial = connecting_to(2);
    EXPECT_FALSE(dial.on_connected(t0, timeouts, 1).accepted);
    EXPECT_FALSE(dial.on_connected(t0, timeouts, 64).accepted);
    EXPECT_FALSE(dial.on_connect_failed(t0, timeouts, 4'000'000'000U).accepted);
}

TEST(DialFsmTest, HandshakeHasItsOwnTimeout) {
    dial_fsm dial = connecting_to(1);
    (void)dial.on_connected(t0 + 1s, timeouts, 0);
    EXPECT_EQ(dial.on_timer(t0 + 8s, timeouts).failure, dial_failure::handshake_timeout);
}

TEST(DialFsmTest, TriesNoMoreThanMaxAddresses) {
    dial_fsm dial = connecting_to(1000);
    std::uint32_t started = 1;
    for (std::uint32_t i = 0; i < 1000; ++i) {
        const dial_effect effect = dial.on_connect_failed(t0, timeouts, i);
        if (effect.failure != dial_failure::none) break;
        started += effect.connect != none ? 1 : 0;
    }
    EXPECT_EQ(started, dial_fsm::max_addresses);
    EXPECT_EQ(dial.phase(), dial_phase::ended);
}

TEST(DialFsmTest, InfiniteTimeoutsNeverFire) {
    dial_fsm dial;
    const duration forever = duration::max();
    dial.begin(t0, {forever, forever, forever, forever});
    EXPECT_EQ(dial.deadline(), base::never);
}

// Every phase against every input: what is accepted, and where it leads.
struct phase_case {
    std::string name;
    std::function<dial_fsm()> make;
    dial_phase after_resolved;
    dial_phase after_connected;
    dial_phase after_failed;
    dial_phase after_timer;  // long after everything is due
};

TEST(DialFsmTest, EveryPhaseTakesEveryInput) {
    using enum dial_phase;
    const std::vector<phase_case> cases{
        {"resolving", begun, connecting, resolving, resolving, ended},
        {"connecting", [] { return connecting_to(1); }, connecting, securing, ended, ended},
        {"securing",
         [] {
             dial_fsm dial = connecting_to(1);
             (void)dial.on_connected(t0, timeouts, 0);
             return dial;
         },
         securing, securing, securing, ended},
        {"ended", [] { return dial_fsm{}; }, ended, ended, ended, ended},
    };
    for (const phase_case& c : cases) {
        const auto expect = [&](const char* input, dial_phase expected, const auto& apply) {
            dial_fsm dial = c.make();
            const dial_phase before = dial.phase();
            const dial_effect effect = apply(dial);
            EXPECT_EQ(dial.phase(), expected) << c.name << ' ' << input;
            EXPECT_EQ(effect.accepted, before != expected) << c.name << ' ' << input;
            EXPECT_EQ(effect.failure != dial_failure::none, before != ended && expected == ended)
                << c.name << ' ' << input;
        };
        expect("resolved", c.after_resolved,
               [](dial_fsm& d) { return d.on_resolved(t0, timeouts, 1); });
        expect("connected", c.after_connected,
               [](dial_fsm& d) { return d.on_connected(t0, timeouts, 0); });
        expect("failed", c.after_failed,
               [](dial_fsm& d) { return d.on_connect_failed(t0, timeouts, 0); });
        expect("timer", c.after_timer, [](dial_fsm& d) { return d.on_timer(t0 + 1h, timeouts); });
    }
}

}  // namespace
}  // namespace hearth::core
