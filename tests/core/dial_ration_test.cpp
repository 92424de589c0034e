// The pace of dials to an origin that answers nobody.
#include "core/dial_ration.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

const base::time_point t0{std::chrono::hours{1}};

// Dials that begin within `time`, one as soon as it may.
int dials_within(dial_ration& ration, base::time_point from, base::duration time,
                 base::duration interval) {
    int dials = 0;
    base::time_point now = from;
    while (now <= from + time && dials < 10'000) {
        if (ration.next() > now) {
            now = ration.next();
            continue;
        }
        ration.take(now, interval);
        ++dials;
    }
    return dials;
}

TEST(DialRationTest, HoldsNothingAtFirst) { EXPECT_LE(dial_ration{}.next(), t0); }

TEST(DialRationTest, TwoAtOnceThenOnePerInterval) {
    dial_ration ration;
    ration.take(t0, 10ms);
    EXPECT_EQ(ration.next(), t0);
    ration.take(t0, 10ms);
    EXPECT_EQ(ration.next(), t0 + 10ms);
    EXPECT_EQ(dials_within(ration, t0, 1s, 10ms), 100);
}

TEST(DialRationTest, WhatWasNotUsedIsNotSavedUp) {
    dial_ration ration;
    ration.take(t0, 10ms);
    EXPECT_EQ(dials_within(ration, t0 + 1h, 100ms, 10ms), 12);
}

}  // namespace
}  // namespace hearth::core
