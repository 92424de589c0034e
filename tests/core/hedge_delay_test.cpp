// hedge_delay, against a model of answer times in which a hedge takes the quicker of two.
#include "core/hedge_delay.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/prng.hpp"

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

// About 5 ms, and 2 % of a second.
base::duration mostly_quick(base::prng& random) {
    if (random.below(100) < 2) return 1s;
    return 4ms + std::chrono::microseconds(random.below(2000));
}

struct outcome {
    std::vector<base::duration> times;
    std::uint64_t hedges = 0;

    base::duration percentile(double share) {
        const auto rank = static_cast<std::ptrdiff_t>(share * static_cast<double>(times.size()));
        std::nth_element(times.begin(), times.begin() + rank, times.end());
        return times[static_cast<std::size_t>(rank)];
    }
};

template <class Times>
outcome run(hedge_delay& subject, base::prng& random, int requests, Times answer_time) {
    outcome out;
    for (int i = 0; i < requests; ++i) {
        base::duration took = answer_time(random);
        const auto delay = subject.delay();
        if (delay && took > *delay) {
            if (subject.on_late()) {
                ++out.hedges;
                took = std::min(took, *delay + answer_time(random));
            }
        } else {
            subject.on_answer(took);
        }
        out.times.push_back(took);
    }
    return out;
}

TEST(HedgeDelayTest, CutsTheTailForItsShareOfRequests) {
    base::prng random(3);
    outcome without;
    for (int i = 0; i < 20'000; ++i) without.times.push_back(mostly_quick(random));
    hedge_delay subject(0.95);
    (void)run(subject, random, 2000, mostly_quick);
    outcome with = run(subject, random, 20'000, mostly_quick);
    EXPECT_EQ(without.percentile(0.99), 1s);
    EXPECT_LE(with.percentile(0.99), 200ms);  // a fifth; in fact about 11 ms
    EXPECT_LE(with.hedges, 20'000 * 6 / 100);
    EXPECT_GE(with.hedges, 20'000 * 3 / 100);
}

TEST(HedgeDelayTest, ShareIsKeptForAnyDistribution) {
    const auto spread = [](base::prng& random) {
        return std::chrono::microseconds(random.below(100'000)) + base::duration(0);
    };
    for (const double percentile : {0.5, 0.9, 0.95, 0.99}) {
        base::prng random(5);
        hedge_delay subject(percentile);
        (void)run(subject, random, 5000, spread);
        const outcome got = run(subject, random, 20'000, spread);
        EXPECT_LE(static_cast<double>(got.hedges), 20'000 * (1.0 - percentile) * 1.2) << percentile;
    }
}

TEST(HedgeDelayTest, NothingIsHedgedWhileEverybodyIsSlow) {
    base::prng random(3);
    hedge_delay subject(0.95);
    (void)run(subject, random, 2000, mostly_quick);
    const auto slow = [](base::prng&) { return base::duration(500ms); };
    EXPECT_LE(run(subject, random, 30, slow).hedges, 8U);
    EXPECT_LE(run(subject, random, 2000, slow).hedges, 2000U * 6 / 100);  // learned as normal
    (void)run(subject, random, 3000, mostly_quick);
    EXPECT_GE(run(subject, random, 1000, mostly_quick).hedges, 20U);  // it comes back
}

TEST(HedgeDelayTest, FewAnswersSayNothing) {
    hedge_delay subject(0.95);
    for (std::size_t i = 0; i + 1 < hedge_delay::lessons; ++i) subject.on_answer(1ms);
    EXPECT_FALSE(subject.delay());
    EXPECT_FALSE(subject.on_late());
    subject.on_answer(1ms);
    EXPECT_EQ(subject.delay(), 1ms);
}

}  // namespace
}  // namespace hearth::core
