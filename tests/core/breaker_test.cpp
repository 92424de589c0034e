#include "core/breaker.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;
using enum attempt_result;

const base::time_point t0{1000s};

breaker_config rules() {
    breaker_config values;
    values.enabled = true;
    values.failure_ratio = 0.8;
    values.min_volume = 10;
    values.window = 1s;
    values.open_for = 100ms;
    values.probes = 2;
    values.recovery = 100ms;
    return values;
}

void feed(breaker& subject, base::time_point now, attempt_result result, int times = 1) {
    for (int i = 0; i < times; ++i) {
        breaker::ticket ticket;
        ASSERT_TRUE(subject.admit(now, ticket));
        subject.on_result(now, ticket, result);
    }
}

bool passes(breaker& subject, base::time_point now) {
    breaker::ticket ticket;
    return subject.admit(now, ticket);
}

// A breaker in a state, and when it is there.
struct placed {
    breaker subject{rules(), 1};
    base::time_point now = t0;
};

placed in_state(breaker_state state) {
    placed at;
    if (state == breaker_state::closed) return at;
    feed(at.subject, at.now, failure, 10);
    if (state == breaker_state::open) return at;
    at.now += 100ms;
    if (state == breaker_state::half_open) return at;
    feed(at.subject, at.now, success, 2);
    return at;
}

TEST(BreakerTest, EveryStateTakesEveryResultOfItsOwnExchanges) {
    struct row {
        breaker_state from;
        attempt_result result;
        breaker_state to;
    };
    const row rows[] = {
        {breaker_state::closed, success, breaker_state::closed},
        {breaker_state::closed, unknown, breaker_state::closed},
        {breaker_state::closed, failure, breaker_state::open},
        {breaker_state::half_open, success, breaker_state::recovering},
        {breaker_state::half_open, unknown, breaker_state::half_open},
        {breaker_state::half_open, failure, breaker_state::open},
        {breaker_state::recovering, success, breaker_state::recovering},
        {breaker_state::recovering, unknown, breaker_state::recovering},
        {breaker_state::recovering, failure, breaker_state::open},
    };
    for (const row& one : rows) {
        placed at = in_state(one.from);
        ASSERT_EQ(at.subject.state(at.now), one.from);
        for (int asked = 0; asked < 200 && at.subject.state(at.now) == one.from; ++asked) {
            breaker::ticket ticket;
            if (at.subject.admit(at.now, ticket)) at.subject.on_result(at.now, ticket, one.result);
        }
        EXPECT_EQ(at.subject.state(at.now), one.to)
            << static_cast<int>(one.from) << " " << static_cast<int>(one.result);
    }
}

TEST(BreakerTest, BrownOutDoesNotOpenIt) {
    breaker subject(rules(), 1);
    for (int i = 0; i < 500; ++i) {
        feed(subject, t0 + 1ms * i, failure);
        feed(subject, t0 + 1ms * i, success);
    }
    EXPECT_EQ(subject.state(t0 + 500ms), breaker_state::closed);
    EXPECT_EQ(subject.times_opened(), 0U);
}

TEST(BreakerTest, FewResultsOrOldOnesDoNotOpenIt) {
    breaker subject(rules(), 1);
    feed(subject, t0, failure, 9);
    EXPECT_EQ(subject.state(t0), breaker_state::closed);
    feed(subject, t0 + 1100ms, failure, 9);  // the first nine have left the window
    EXPECT_EQ(subject.state(t0 + 1100ms), breaker_state::closed);
    feed(subject, t0 + 1100ms, failure);
    EXPECT_EQ(subject.state(t0 + 1100ms), breaker_state::open);
    EXPECT_EQ(subject.failures(), 10U);
    EXPECT_EQ(subject.results(), 10U);
}

TEST(BreakerTest, OpenRefusesUntilItsTimeWithJitter) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        breaker subject(rules(), seed);
        feed(subject, t0, failure, 10);
        EXPECT_FALSE(passes(subject, t0));
        EXPECT_GE(subject.until(), t0 + 80ms);
        EXPECT_LE(subject.until(), t0 + 100ms);
        EXPECT_FALSE(passes(subject, subject.until() - 1ns));
        EXPECT_TRUE(passes(subject, subject.until()));
    }
}

TEST(BreakerTest, HalfOpenLetsOnlyProbesThrough) {
    placed at = in_state(breaker_state::half_open);
    breaker::ticket first;
    breaker::ticket second;
    EXPECT_TRUE(at.subject.admit(at.now, first));
    EXPECT_TRUE(at.subject.admit(at.now, second));
    EXPECT_TRUE(first.is_probe);
    EXPECT_FALSE(passes(at.subject, at.now));
    at.subject.on_result(at.now, first, unknown);  // gives its place back
    EXPECT_TRUE(passes(at.subject, at.now));
    at.subject.on_result(at.now, second, failure);
    EXPECT_EQ(at.subject.state(at.now), breaker_state::open);
    EXPECT_EQ(at.subject.failures(), 10U);  // still why
    EXPECT_EQ(at.subject.times_opened(), 2U);
}

TEST(BreakerTest, ResultsOfAnEarlierStateAreIgnored) {
    breaker subject(rules(), 1);
    breaker::ticket early;
    ASSERT_TRUE(subject.admit(t0, early));
    feed(subject, t0, failure, 10);
    subject.on_result(t0, early, success);
    EXPECT_EQ(subject.state(t0), breaker_state::open);
    subject.on_result(t0 + 100ms, early, failure);  // half open by now
    EXPECT_EQ(subject.state(t0 + 100ms), breaker_state::half_open);
    feed(subject, t0 + 100ms, success, 2);
    for (int i = 0; i < 20; ++i) subject.on_result(t0 + 100ms, early, failure);
    EXPECT_EQ(subject.state(t0 + 100ms), breaker_state::recovering);
}

TEST(BreakerTest, RecoveryGrowsFromATenthToAll) {
    placed at = in_state(breaker_state::recovering);
    const auto share_at = [&](base::duration later) {
        int passed = 0;
        for (int i = 0; i < 100; ++i) passed += passes(at.subject, at.now + later) ? 1 : 0;
        return passed;
    };
    EXPECT_NEAR(share_at(0ms), 10, 1);
    EXPECT_NEAR(share_at(50ms), 55, 1);
    EXPECT_EQ(share_at(100ms), 100);
    EXPECT_EQ(at.subject.state(at.now + 100ms), breaker_state::closed);
}

TEST(BreakerTest, PanicSharePassesWhileOpen) {
    breaker_config values = rules();
    values.panic_share = 0.25;
    breaker subject(values, 1);
    feed(subject, t0, failure, 10);
    int passed = 0;
    for (int i = 0; i < 100; ++i) passed += passes(subject, t0) ? 1 : 0;
    EXPECT_EQ(passed, 25);
}

// Whatever comes in which order: never stuck. An origin that is well again is let in again.
TEST(BreakerTest, AlwaysComesBack) {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        base::prng random(seed);
        breaker subject(rules(), seed);
        std::vector<breaker::ticket> under_way;
        base::time_point now = t0;
        for (int i = 0; i < 2000; ++i) {
            now += std::chrono::microseconds(random.below(3000));
            breaker::ticket ticket;
            if (subject.admit(now, ticket)) under_way.push_back(ticket);
            if (!under_way.empty() && random.below(2) == 0) {
                subject.on_result(now, under_way.back(), attempt_result(random.below(3)));
                under_way.pop_back();
            }
        }
        for (const auto& ticket : under_way) subject.on_result(now, ticket, unknown);
        for (int i = 0; i < 3000 && subject.state(now) != breaker_state::closed; ++i) {
            now += 1ms;
            breaker::ticket ticket;
            if (subject.admit(now, ticket)) subject.on_result(now, ticket, success);
        }
        EXPECT_EQ(subject.state(now), breaker_state::closed) << "seed " << seed;
    }
}

TEST(BreakerTest, OtherRulesHoldFromThenOn) {
    breaker subject(rules(), 1);
    feed(subject, t0, failure, 9);
    breaker_config stricter = rules();
    stricter.min_volume = 5;
    subject.set_rules(stricter);
    feed(subject, t0, failure);
    EXPECT_EQ(subject.state(t0), breaker_state::open);
}

TEST(BreakerTest, SwitchedOffItForgetsThatItWasOpen) {
    breaker subject(rules(), 1);
    feed(subject, t0, failure, 10);
    ASSERT_EQ(subject.state(t0), breaker_state::open);
    breaker_config off = rules();
    off.enabled = false;
    subject.set_rules(off);
    subject.set_rules(rules());
    EXPECT_EQ(subject.state(t0), breaker_state::closed);
    feed(subject, t0, failure, 9);
    EXPECT_EQ(subject.state(t0), breaker_state::closed) << "what it counted is gone, too";
}

}  // namespace
}  // namespace hearth::core
