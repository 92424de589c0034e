#include "core/idle_lesson.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;
const base::time_point t0{1000s};

TEST(IdleLessonTest, ThreeClosesThatAgreeAreARule) {
    idle_lesson subject;
    subject.on_closed(t0, 5010ms);
    subject.on_closed(t0 + 10s, 5000ms);
    EXPECT_EQ(subject.limit(t0 + 10s), std::nullopt);
    subject.on_closed(t0 + 20s, 5100ms);
    EXPECT_EQ(subject.limit(t0 + 20s), 4s) << "a second below the shortest";
}

TEST(IdleLessonTest, ShortTimesKeepAQuarterOfDistance) {
    idle_lesson subject;
    for (int i = 0; i < 3; ++i) subject.on_closed(t0 + i * 10s, 400ms);
    EXPECT_EQ(subject.limit(t0 + 20s), 300ms);
}

TEST(IdleLessonTest, ClosesOfOneMomentCountOnce) {
    idle_lesson subject;
    for (int i = 0; i < 50; ++i) subject.on_closed(t0 + i * 1ms, 5s);
    EXPECT_EQ(subject.limit(t0 + 1s), std::nullopt);
}

TEST(IdleLessonTest, ClosesOfEveryMomentAreARule) {
    idle_lesson subject;
    for (int i = 0; i < 50; ++i) subject.on_closed(t0 + i * 100ms, 5s);
    EXPECT_EQ(subject.limit(t0 + 5s), 4s);
}

TEST(IdleLessonTest, ClosesThatDisagreeTeachNothing) {
    idle_lesson subject;
    const base::duration times[] = {1s, 5s, 30s, 2s, 60s, 5s, 9s};
    base::time_point now = t0;
    for (const base::duration idle : times) {
        now += 100s;
        subject.on_closed(now, idle);
        EXPECT_EQ(subject.limit(now), std::nullopt);
    }
}

TEST(IdleLessonTest, ClosesRightBehindAnAnswerAreNoTimer) {
    idle_lesson subject;
    for (int i = 0; i < 9; ++i) subject.on_closed(t0 + i * 10s, 3ms);
    EXPECT_EQ(subject.limit(t0 + 90s), std::nullopt);
}

TEST(IdleLessonTest, WhatWasLearnedIsForgotten) {
    idle_lesson subject;
    for (int i = 0; i < 3; ++i) subject.on_closed(t0 + i * 10s, 5s);
    EXPECT_NE(subject.limit(t0 + 20s + 10min - 1ns), std::nullopt);
    EXPECT_EQ(subject.limit(t0 + 20s + 10min), std::nullopt);
    subject.on_closed(t0 + 20min, 5s);
    EXPECT_EQ(subject.limit(t0 + 20min), std::nullopt) << "learned from the beginning";
}

}  // namespace
}  // namespace hearth::core
