#include "core/load_watch.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;
using enum priority_class;
const base::time_point t0{1000s};

TEST(LoadWatchTest, NothingIsShedByDefault) {
    load_watch subject{shed_config{}};
    subject.on_lag(t0, 10s);
    subject.on_queue_delay(t0, 10s);
    EXPECT_FALSE(subject.measures_lag());
    EXPECT_FALSE(subject.sheds(t0, sheddable, 0.99));
}

TEST(LoadWatchTest, ReportedLoadShedsByClass) {
    const load_watch subject{shed_config{}};
    EXPECT_TRUE(subject.sheds(t0, sheddable, 1.0));
    EXPECT_FALSE(subject.sheds(t0, normal, 1.9));
    EXPECT_TRUE(subject.sheds(t0, normal, 2.0));
    EXPECT_FALSE(subject.sheds(t0, critical, 1000.0));
}

TEST(LoadWatchTest, OneLateTurnShedsNothingManyDo) {
    load_watch subject{shed_config{.loop_lag = 20ms}};
    subject.on_lag(t0, 40ms);
    EXPECT_FALSE(subject.sheds(t0, sheddable, 0.0));
    for (int i = 0; i < 10; ++i) subject.on_lag(t0, 40ms);
    EXPECT_TRUE(subject.sheds(t0, sheddable, 0.0));
    EXPECT_FALSE(subject.sheds(t0, normal, 0.0));
    subject.on_lag(t0, 0ms);
    EXPECT_TRUE(subject.sheds(t0, sheddable, 0.0));  // one quick one ends nothing
}

TEST(LoadWatchTest, WhatIsNotMeasuredFades) {
    load_watch subject{shed_config{.queue_delay = 10ms}};
    for (int i = 0; i < 50; ++i) subject.on_queue_delay(t0, 80ms);
    EXPECT_TRUE(subject.sheds(t0, normal, 0.0));
    EXPECT_FALSE(subject.sheds(t0 + 300ms, normal, 0.0));
    EXPECT_FALSE(subject.sheds(t0 + 400ms, sheddable, 0.0));
    EXPECT_EQ(subject.load(t0 + 1h, 0.0), 0.0);
}

TEST(LoadWatchTest, OtherRulesJudgeWhatWasMeasured) {
    load_watch subject{shed_config{.queue_delay = 10ms}};
    for (int i = 0; i < 50; ++i) subject.on_queue_delay(t0, 15ms);
    ASSERT_TRUE(subject.sheds(t0, sheddable, 0.0));
    subject.set_rules({.queue_delay = 30ms});
    EXPECT_FALSE(subject.sheds(t0, sheddable, 0.0));
}

}  // namespace
}  // namespace hearth::core
