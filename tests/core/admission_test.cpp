#include "core/admission.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;
using enum priority_class;
using verdict = admission_verdict;

const base::time_point t0{1000s};

exchange_id name(std::uint32_t index) { return {index, 1}; }
bool always(exchange_id /*id*/) { return true; }

admission_rules places(std::uint32_t count) {
    admission_rules rules;
    rules.concurrency.enabled = true;
    rules.concurrency.initial_limit = count;
    rules.concurrency.min_limit = count;
    rules.concurrency.max_limit = count;
    rules.concurrency.max_wait = 100ms;
    return rules;
}

TEST(AdmissionTest, PlacesAreSharedByClass) {
    admission subject(places(20), 1);
    std::uint32_t next = 0;
    const auto fill = [&](priority_class priority) {
        std::uint32_t count = 0;
        while (subject.ask(t0, name(next), priority).verdict == verdict::admitted) {
            ++next;
            ++count;
        }
        return count;
    };
    EXPECT_EQ(fill(sheddable), 15U);
    EXPECT_EQ(fill(normal), 5U);
    EXPECT_EQ(fill(critical), 2U);
    EXPECT_EQ(subject.in_flight(), 22U);
    EXPECT_EQ(subject.held(), 2U);  // never the sheddable one
}

TEST(AdmissionTest, CriticalOnesAreServedFirst) {
    admission subject(places(1), 1);
    (void)subject.ask(t0, name(0), normal);
    (void)subject.ask(t0, name(1), critical);  // its own place
    EXPECT_EQ(subject.ask(t0, name(2), normal).verdict, verdict::held);
    EXPECT_EQ(subject.ask(t0, name(3), normal).verdict, verdict::held);
    EXPECT_EQ(subject.ask(t0, name(4), critical).verdict, verdict::held);
    EXPECT_FALSE(subject.next(t0, always));
    subject.end(t0, {}, attempt_result::success);
    subject.end(t0, {}, attempt_result::success);
    EXPECT_EQ(subject.next(t0, always)->exchange, name(4));
    EXPECT_FALSE(subject.next(t0, always));
    subject.end(t0, {}, attempt_result::success);
    EXPECT_EQ(subject.next(t0, always)->exchange, name(2));
    EXPECT_EQ(subject.held(), 1U);
}

TEST(AdmissionTest, WaitIsBounded) {
    admission subject(places(1), 1);
    (void)subject.ask(t0, name(0), normal);
    (void)subject.ask(t0, name(1), normal);
    EXPECT_EQ(subject.next_time(t0), t0 + 100ms);
    const auto ended = subject.next(t0 + 100ms, always);
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->answer.verdict, verdict::refused);
    EXPECT_EQ(ended->answer.refusal, admission_refusal::concurrency);
    EXPECT_EQ(subject.next_time(t0), base::never);
}

TEST(AdmissionTest, WhoHasLeftIsSkipped) {
    admission subject(places(1), 1);
    for (std::uint32_t i = 0; i < 4; ++i) (void)subject.ask(t0, name(i), normal);
    subject.end(t0, {}, attempt_result::success);
    const auto next = subject.next(t0, [](exchange_id id) { return id == name(3); });
    EXPECT_EQ(next->exchange, name(3));
    EXPECT_EQ(subject.held(), 0U);
}

TEST(AdmissionTest, HeldAreBounded) {
    admission_rules rules = places(1);
    rules.max_held = 2;
    admission subject(rules, 1);
    for (std::uint32_t i = 0; i < 3; ++i) (void)subject.ask(t0, name(i), normal);
    EXPECT_EQ(subject.ask(t0, name(9), normal).verdict, verdict::refused);
}

TEST(AdmissionTest, RateIsKeptAndForeseen) {
    admission_rules rules;
    rules.rate_limit.per_second = 100.0;
    rules.rate_limit.burst = 2;
    rules.rate_limit.max_wait = 30ms;
    admission subject(rules, 1);
    EXPECT_EQ(subject.ask(t0, name(0), normal).verdict, verdict::admitted);
    EXPECT_EQ(subject.ask(t0, name(1), normal).verdict, verdict::admitted);
    EXPECT_EQ(subject.ask(t0, name(9), sheddable).refusal, admission_refusal::rate);
    for (std::uint32_t i = 2; i < 5; ++i) {
        EXPECT_EQ(subject.ask(t0, name(i), normal).verdict, verdict::held) << i;
    }
    const auto late = subject.ask(t0, name(5), normal);
    EXPECT_EQ(late.refusal, admission_refusal::rate);
    EXPECT_EQ(late.again_at, t0 + 40ms);
    EXPECT_EQ(subject.next_time(t0), t0 + 10ms);
    for (std::uint32_t i = 2; i < 5; ++i) {
        const base::time_point at = t0 + 10ms * (i - 1);
        EXPECT_FALSE(subject.next(at - 1ns, always));
        EXPECT_EQ(subject.next(at, always)->exchange, name(i));
    }
}

TEST(AdmissionTest, OpenBreakerRefusesThoseWhoAreHeld) {
    admission_rules rules = places(1);
    rules.breaker.enabled = true;
    rules.breaker.min_volume = 1;
    admission subject(rules, 1);
    const auto first = subject.ask(t0, name(0), normal);
    (void)subject.ask(t0, name(1), normal);
    subject.end(t0, first.ticket, attempt_result::failure);
    const auto held = subject.next(t0, always);
    EXPECT_EQ(held->answer.refusal, admission_refusal::breaker);
    EXPECT_EQ(held->answer.again_at, subject.circuit().until());
    EXPECT_EQ(subject.ask(t0, name(2), critical).refusal, admission_refusal::breaker);
}

// Any order of calls: what is admitted never exceeds the places, and who is held is answered once.
TEST(AdmissionTest, EveryExchangeIsAnsweredOnce) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        admission_rules rules = places(5);
        rules.rate_limit.per_second = 500.0;
        rules.breaker.enabled = true;
        admission subject(rules, seed);
        base::prng random(seed);
        base::time_point now = t0;
        std::set<std::uint32_t> held;
        std::map<std::uint32_t, breaker::ticket> admitted;
        std::uint32_t next = 0;
        const auto is_there = [&](exchange_id id) { return held.count(id.index) != 0; };
        const auto take = [&](std::uint32_t index, const admission_answer& answer) {
            if (answer.verdict == verdict::admitted) admitted.emplace(index, answer.ticket);
            if (answer.verdict == verdict::held) held.insert(index);
        };
        for (int i = 0; i < 5000; ++i) {
            now += std::chrono::microseconds(random.below(2000));
            const auto priority = static_cast<priority_class>(random.below(3));
            take(next, subject.ask(now, name(next), priority));
            ++next;
            if (!admitted.empty() && random.below(3) != 0) {
                const auto one = admitted.begin();
                subject.end(now, one->second, static_cast<attempt_result>(random.below(3)));
                admitted.erase(one);
            }
            if (!held.empty() && random.below(10) == 0) held.erase(held.begin());
            while (const auto release = subject.next(now, is_there)) {
                ASSERT_EQ(held.erase(release->exchange.index), 1U);
                ASSERT_NE(release->answer.verdict, verdict::held);
                take(release->exchange.index, release->answer);
            }
            ASSERT_LE(admitted.size(), 6U);
            ASSERT_EQ(admitted.size(), subject.in_flight());
            if (!held.empty()) {
                ASSERT_GT(subject.next_time(now), now);
            }
        }
        now += 10s;
        while (const auto release = subject.next(now, is_there))
            held.erase(release->exchange.index);
        EXPECT_TRUE(held.empty());
    }
}

TEST(AdmissionTest, MorePlacesLetInWhoIsHeld) {
    admission subject(places(1), 1);
    ASSERT_EQ(subject.ask(t0, name(0), normal).verdict, verdict::admitted);
    ASSERT_EQ(subject.ask(t0, name(1), normal).verdict, verdict::held);
    subject.set_rules(t0, places(2));
    const auto next = subject.next(t0, always);
    ASSERT_TRUE(next.has_value());
    EXPECT_EQ(next->exchange, name(1));
    EXPECT_EQ(next->answer.verdict, verdict::admitted);
}

TEST(AdmissionTest, SwitchedOffItLetsEverybodyIn) {
    admission subject(places(1), 1);
    ASSERT_EQ(subject.ask(t0, name(0), normal).verdict, verdict::admitted);
    ASSERT_EQ(subject.ask(t0, name(1), normal).verdict, verdict::held);
    subject.set_rules(t0, {});
    EXPECT_TRUE(subject.next(t0, always).has_value());
    EXPECT_EQ(subject.ask(t0, name(2), normal).verdict, verdict::admitted);
    EXPECT_EQ(subject.limit(), std::nullopt);
}

TEST(AdmissionTest, ChangedRateGivesNoBurst) {
    admission_rules rules;
    rules.rate_limit = {.per_second = 1.0, .burst = 5, .max_wait = 0ms};
    admission subject(rules, 1);
    for (std::uint32_t i = 0; i < 5; ++i) {
        ASSERT_EQ(subject.ask(t0, name(i), normal).verdict, verdict::admitted);
    }
    rules.rate_limit.per_second = 10.0;
    subject.set_rules(t0, rules);
    EXPECT_EQ(subject.ask(t0, name(6), normal).verdict, verdict::refused);
    EXPECT_EQ(subject.ask(t0 + 100ms, name(7), normal).verdict, verdict::admitted);
    EXPECT_EQ(subject.ask(t0 + 100ms, name(8), normal).verdict, verdict::refused);
}

}  // namespace
}  // namespace hearth::core
