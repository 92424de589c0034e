// What recent answers say: when an origin is silent, and how quick it can be at best.
#include "core/answer_history.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

const time_point t0{std::chrono::hours{1}};

// An origin that answered `count` exchanges after `took` each, the last one at `t0`.
// Callers with less patience have left.
answer_history answered(duration took, int count = 50) {
    answer_history history;
    history.on_missed(t0, took);
    for (int i = count; i > 0; --i) {
        history.on_assigned(t0 - i * took);
        history.on_answer(t0 - (i - 1) * took, took);
    }
    return history;
}
void assign(answer_history& history, time_point when, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) history.on_assigned(when);
}

TEST(AnswerHistoryTest, QuickestIsOfTheLastTenToTwentySeconds) {
    answer_history history = answered(5ms);
    EXPECT_EQ(history.quickest(), 5ms);
    for (time_point now = t0 + 1s; now <= t0 + 15s; now += 1s) history.on_answer(now, 20ms);
    EXPECT_EQ(history.quickest(), 5ms);
    for (time_point now = t0 + 16s; now <= t0 + 25s; now += 1s) history.on_answer(now, 20ms);
    EXPECT_EQ(history.quickest(), 20ms);
    history.on_answer(t0 + 60s, 30ms);
    EXPECT_EQ(history.quickest(), 30ms) << "what was before the pause says nothing";
}

TEST(AnswerHistoryTest, KnowsNothingAtFirst) {
    const answer_history history;
    EXPECT_FALSE(history.is_silent(t0));
    EXPECT_EQ(history.least(t0), 0ns);
    EXPECT_FALSE(history.is_too_short(t0, 1ns));
}

TEST(AnswerHistoryTest, LeastFollowsTheQuickestAnswers) {
    answer_history history = answered(5ms);
    history.on_missed(t0, 50ms);
    EXPECT_EQ(history.least(t0), 5ms);
    for (int i = 0; i < 10; ++i) history.on_answer(t0, i % 4 == 0 ? 5ms : 40ms);
    EXPECT_LT(history.least(t0), 14ms) << "a quarter of them is still quick";
    for (int i = 0; i < 20; ++i) history.on_answer(t0, 1ms);
    EXPECT_LT(history.least(t0), 1100us);
    EXPECT_TRUE(history.is_too_short(t0, 900us));
    EXPECT_FALSE(history.is_too_short(t0, 1200us));
}

TEST(AnswerHistoryTest, LeastFadesToTheRoundTripFromAnyValue) {
    for (const duration initial : {1us, 5000us, 60'000'000us, 3'600'000'000us}) {
        answer_history history = answered(initial, 1);
        history.on_connected(2ms);
        EXPECT_EQ(history.least(t0), initial);
        EXPECT_EQ(history.least(t0 + 10s), std::min<duration>(initial, 2ms));
    }
}

TEST(AnswerHistoryTest, SlowAnswersRefuseNobodyUntilSomebodyWaitedInVain) {
    answer_history history;
    for (int i = 0; i < 50; ++i) history.on_answer(t0, 400ms);
    EXPECT_FALSE(history.is_too_short(t0, 50ms)) << "another path may be quick";
    history.on_missed(t0, 50ms);
    EXPECT_TRUE(history.is_too_short(t0, 49ms));
    EXPECT_FALSE(history.is_too_short(t0, 51ms));
    EXPECT_FALSE(history.is_too_short(t0 + 100ms, 26ms)) << "it fades";
    history.on_missed(t0 + 100ms, 10ms);
    EXPECT_TRUE(history.is_too_short(t0 + 100ms, 24ms)) << "a shorter one takes nothing back";
}

TEST(AnswerHistoryTest, OneAnswerAfterALongSilenceDoesNotBringTheOldEstimateBack) {
    answer_history history = answered(60s, 1);
    history.on_answer(t0 + 5s, 5ms);
    EXPECT_LE(history.least(t0 + 5s), 5ms);
}

TEST(AnswerHistoryTest, IsSilentWhenManyWaitFarLongerThanUsual) {
    answer_history history = answered(10ms);
    assign(history, t0, answer_history::enough);
    EXPECT_FALSE(history.is_silent(t0 + 40ms));
    EXPECT_TRUE(history.is_silent(t0 + 41ms));
    history.on_answer(t0 + 41ms, 41ms);
    EXPECT_FALSE(history.is_silent(t0 + 41ms)) << "the first answer ends it";
}

TEST(AnswerHistoryTest, FewWithoutAnAnswerAreNoSilence) {
    answer_history history = answered(10ms);
    assign(history, t0, answer_history::enough - 1);
    EXPECT_FALSE(history.is_silent(t0 + 1h));
}

TEST(AnswerHistoryTest, SilenceBeginsWithTheFirstQuestion) {
    answer_history history = answered(10ms);
    assign(history, t0 + 1h, 100);
    EXPECT_FALSE(history.is_silent(t0 + 1h + 40ms)) << "nobody asked for an hour";
    EXPECT_TRUE(history.is_silent(t0 + 1h + 41ms));
}

TEST(AnswerHistoryTest, OriginThatNeverAnsweredIsSilentOnlyWhenCallersLeft) {
    answer_history history;
    assign(history, t0, 1000);
    EXPECT_FALSE(history.is_silent(t0 + 1h)) << "it may just be slow";
    for (std::uint32_t i = 0; i < answer_history::enough; ++i) history.on_missed(t0, 1ms);
    EXPECT_TRUE(history.is_silent(t0));
}

TEST(AnswerHistoryTest, RoundTripIsALowOne) {
    answer_history history;
    history.on_connected(3ms);
    for (int i = 0; i < 4; ++i) history.on_connected(100ms);
    EXPECT_LT(history.least(t0), 20ms);
    history.on_connected(1ms);
    EXPECT_EQ(history.least(t0), 1ms);
}

}  // namespace
}  // namespace hearth::core
