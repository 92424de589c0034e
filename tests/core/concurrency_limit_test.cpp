// concurrency_limit, against a model of an origin: so many workers, a service time, a queue.
#include "core/concurrency_limit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <queue>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;
const base::time_point t0{1000s};

concurrency_config rules() {
    concurrency_config values;
    values.enabled = true;
    return values;
}

/// Workers that take `service` each; asked for as often as the limit allows, up to `rate` a second.
struct origin_model {
    std::uint32_t workers;
    base::duration service;
    base::prng random{7};

    struct result {
        std::uint64_t answered = 0;
        base::duration longest_wait{};  // in the last half
        std::uint32_t limit = 0;
    };

    result run(concurrency_limit& limit, base::time_point from, base::duration length,
               double rate) {
        using ended = std::pair<base::time_point, base::time_point>;  // end, asked
        std::priority_queue<ended, std::vector<ended>, std::greater<>> under_way;
        std::priority_queue<base::time_point, std::vector<base::time_point>, std::greater<>> free;
        for (std::uint32_t i = 0; i < workers; ++i) free.push(from);
        result out;
        const auto step = base::duration(static_cast<base::duration::rep>(1e9 / rate));
        for (base::time_point now = from; now < from + length; now += step) {
            while (!under_way.empty() && under_way.top().first <= now) {
                const auto [end, asked] = under_way.top();
                const auto in_flight = static_cast<std::uint32_t>(under_way.size());
                under_way.pop();
                ++out.answered;
                limit.on_sample(end, asked, end - asked, in_flight);
            }
            if (under_way.size() >= limit.limit()) continue;
            const base::time_point begins = std::max(now, free.top());
            free.pop();
            const auto took = service * 9 / 10 +
                              base::duration(static_cast<base::duration::rep>(
                                  random.below(static_cast<std::uint64_t>((service / 5).count()))));
            free.push(begins + took);
            under_way.emplace(begins + took, now);
            if (now > from + length / 2)
                out.longest_wait = std::max(out.longest_wait, begins - now);
        }
        out.limit = limit.limit();
        return out;
    }
};

TEST(ConcurrencyLimitTest, FindsAnUnknownCapacityUnderTwiceTheLoad) {
    for (const std::uint32_t workers : {4U, 10U, 30U, 100U, 400U}) {
        concurrency_limit subject(rules(), workers);
        origin_model origin{workers, 10ms};
        const double capacity = workers / 0.010;
        (void)origin.run(subject, t0, 20s, 2 * capacity);
        const auto steady = origin.run(subject, t0 + 20s, 30s, 2 * capacity);
        EXPECT_GE(static_cast<double>(steady.answered), 0.9 * capacity * 30) << workers;
        // The square root that it needs to find out weighs more for few workers.
        EXPECT_LE(steady.longest_wait, workers < 10 ? 40ms : 25ms) << workers;
    }
}

TEST(ConcurrencyLimitTest, FollowsAnOriginThatLosesHalfOfIt) {
    concurrency_limit subject(rules(), 1);
    origin_model whole{40, 10ms};
    origin_model half{20, 10ms};
    (void)whole.run(subject, t0, 20s, 8000);
    const auto after = half.run(subject, t0 + 20s, 20s, 8000);
    EXPECT_GE(static_cast<double>(after.answered), 0.9 * 2000 * 20);
    EXPECT_LE(after.longest_wait, 25ms);
}

// An origin that became slower, not smaller: the time without a queue is measured anew.
TEST(ConcurrencyLimitTest, FollowsAnOriginThatBecameSlower) {
    concurrency_limit subject(rules(), 1);
    origin_model quick{40, 10ms};
    origin_model slow{40, 40ms};
    (void)quick.run(subject, t0, 20s, 8000);
    (void)slow.run(subject, t0 + 20s, 20s, 2000);
    const auto after = slow.run(subject, t0 + 40s, 20s, 2000);
    EXPECT_GE(static_cast<double>(after.answered), 0.9 * 1000 * 20);
}

TEST(ConcurrencyLimitTest, WhatIsNotUsedDoesNotGrow) {
    concurrency_limit subject(rules(), 1);
    origin_model origin{1000, 1ms};
    (void)origin.run(subject, t0, 30s, 2000);  // two in flight
    EXPECT_LE(subject.limit(), 20U);
}

TEST(ConcurrencyLimitTest, BoundsHold) {
    concurrency_config values = rules();
    values.min_limit = 3;
    values.max_limit = 30;
    values.initial_limit = 20;
    base::prng random(3);
    concurrency_limit subject(values, 3);
    base::time_point now = t0;
    for (int i = 0; i < 100'000; ++i) {
        now += 1ms;
        const auto took = std::chrono::microseconds(1 + random.below(200'000));
        subject.on_sample(now, now - took, took, static_cast<std::uint32_t>(random.below(100)));
        ASSERT_GE(subject.limit(), 3U);
        ASSERT_LE(subject.limit(), 30U);
    }
}

TEST(ConcurrencyLimitTest, OtherBoundsHoldAtOnce) {
    concurrency_limit subject(rules(), 1);
    concurrency_config narrow = rules();
    narrow.max_limit = 7;
    subject.set_rules(narrow);
    EXPECT_EQ(subject.limit(), 7U);
    narrow.min_limit = narrow.max_limit = 30;
    subject.set_rules(narrow);
    EXPECT_EQ(subject.limit(), 30U);
}

// As the pool uses it once too many were under way.
concurrency_limit crowded_limit(std::uint32_t initial, base::duration took) {
    concurrency_config values = rules();
    values.initial_limit = initial;
    values.max_limit = 10'000;
    return {values, 1, {.measure_every = 1s, .growth = 0.5, .crowded = took, .tolerated = 15ms}};
}

TEST(ConcurrencyLimitTest, CrowdIsBroughtDownWithinASecond) {
    concurrency_limit subject = crowded_limit(800, 400ms);
    origin_model origin{20, 10ms};
    (void)origin.run(subject, t0, 1500ms, 4000);
    const auto after = origin.run(subject, t0 + 1500ms, 10s, 4000);
    EXPECT_GE(static_cast<double>(after.answered), 0.9 * 2000 * 10);
    EXPECT_LE(after.longest_wait, 25ms);
}

// An origin that takes long for each, not because of many: the limit does not hold it down.
TEST(ConcurrencyLimitTest, SlowOriginIsNoCrowd) {
    concurrency_limit subject = crowded_limit(100, 200ms);
    origin_model origin{1000, 200ms};
    (void)origin.run(subject, t0, 5s, 4000);
    const auto after = origin.run(subject, t0 + 5s, 10s, 4000);
    EXPECT_GE(static_cast<double>(after.answered), 0.9 * 4000 * 10);
}

TEST(ConcurrencyLimitTest, MissesLowerTheLimitAndAnswersRaiseItAgain) {
    concurrency_limit subject = crowded_limit(800, 50ms);
    base::time_point now = t0;
    const auto pass = [&](base::duration length, bool is_answered) {
        for (const base::time_point end = now + length; now < end; now += 1ms) {
            is_answered ? subject.on_sample(now, now - 5ms, 5ms, subject.limit())
                        : subject.on_miss(now, now - 50ms, subject.limit());
        }
    };
    pass(1s, false);
    const std::uint32_t low = subject.limit();
    EXPECT_LE(low, 100U);
    pass(1s, true);
    EXPECT_GE(subject.limit(), 4 * low);
}

}  // namespace
}  // namespace hearth::core
