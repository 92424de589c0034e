// shard, calls of several attempts: what is repeated, what is not, and what it may cost an origin.
#include <gtest/gtest.h>

#include <atomic>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using boost::system::error_code;

config repeating(std::uint32_t attempts = 3) {
    config values = one_thread();
    values.retry.max_attempts = attempts;
    values.retry.min_backoff = 0ms;
    values.retry.max_backoff = 1ms;
    values.retry.statuses = {503};
    return values;
}

// Answers 503 to the first `failures` requests, then 200.
class failing_first {
public:
    explicit failing_first(int failures, std::string retry_after = {})
        : left_(std::make_shared<std::atomic<int>>(failures)),
          retry_after_(std::move(retry_after)) {}
    void operator()(const testing::request_view& /*seen*/, testing::responder reply) const {
        testing::reply whole;
        if (left_->fetch_sub(1) > 0) {
            whole.status = 503;
            if (!retry_after_.empty()) whole.headers = {{"retry-after", retry_after_}};
        }
        reply.answer(std::move(whole));
    }

private:
    std::shared_ptr<std::atomic<int>> left_;
    std::string retry_after_;
};

TEST(ShardFlowTest, StatusThatWasOptedInIsRepeated) {
    testing::origin origin(plaintext());
    origin.on("/flaky", failing_first(2));
    client subject(repeating());
    const response got = subject.send(get(origin.url("/flaky")));
    EXPECT_EQ(got.status, 200U);
    ASSERT_EQ(got.attempt_log.size(), 3U);
    EXPECT_EQ(got.attempt_log[0].status, 503U);
    EXPECT_EQ(got.attempt_log[2].status, 200U);
    EXPECT_GE(got.attempt_log[2].began, got.attempt_log[1].began);
    EXPECT_EQ(got.attempts, 3U);
}

TEST(ShardFlowTest, LastAttemptsAnswerIsTheAnswer) {
    testing::origin origin(plaintext());
    origin.on("/flaky", failing_first(100));
    client subject(repeating());
    const response got = subject.send(get(origin.url("/flaky")));
    EXPECT_EQ(got.status, 503U);
    EXPECT_EQ(got.attempt_log.size(), 3U);
    request once = get(origin.url("/flaky"));
    once.max_attempts = 1;
    EXPECT_EQ(subject.send(once).attempts, 1U);
}

TEST(ShardFlowTest, WhatIsNotIdempotentIsNotRepeated) {
    testing::origin origin(plaintext());
    origin.on("/flaky", failing_first(1));
    client subject(repeating());
    EXPECT_EQ(subject.send(post(origin.url("/flaky"), "x")).status, 503U);
    origin.on("/flaky", failing_first(1));
    request what = post(origin.url("/flaky"), "x");
    what.idempotent = true;
    EXPECT_EQ(subject.send(what).status, 200U);
}

TEST(ShardFlowTest, LostConnectionsAreRepeated) {
    testing::origin origin(plaintext());
    const auto left = std::make_shared<std::atomic<int>>(2);
    origin.on("/cut", [left](const testing::request_view& /*seen*/, testing::responder reply) {
        if (left->fetch_sub(1) > 0) reply.cut_at(20);
        testing::reply whole;
        whole.body = std::string(100, 'x');
        reply.answer(std::move(whole));
    });
    client subject(repeating());
    const response got = subject.send(get(origin.url("/cut")));
    EXPECT_EQ(got.body, std::string(100, 'x'));
    ASSERT_EQ(got.attempt_log.size(), 3U);
    EXPECT_TRUE(got.attempt_log[0].error);
    EXPECT_FALSE(got.attempt_log[2].error);
}

TEST(ShardFlowTest, RetryAfterBeyondTheBoundIsAnswered) {
    testing::origin origin(plaintext());
    client subject(repeating());
    for (const char* value : {"3", "Fri, 31 Dec 1999 23:59:59 GMT"}) {
        origin.on("/busy", failing_first(1, value));
        EXPECT_EQ(subject.send(get(origin.url("/busy"))).attempt_log.size(), 1U) << value;
    }
    origin.on("/busy", failing_first(1, "0"));
    EXPECT_EQ(subject.send(get(origin.url("/busy"))).attempt_log.size(), 2U);
}

TEST(ShardFlowTest, DeadlineThatCannotHoldThePauseEndsIt) {
    testing::origin origin(plaintext());
    origin.on("/busy", failing_first(1, "2"));
    client subject(repeating());
    request what = get(origin.url("/busy"));
    what.deadline = in(1900ms);
    EXPECT_EQ(subject.send(what).attempt_log.size(), 1U);
}

TEST(ShardFlowTest, CancelAndEndReachACallThatPauses) {
    testing::origin origin(plaintext());
    origin.on("/busy", failing_first(1, "3600"));
    config values = repeating();
    values.retry.max_retry_after = std::chrono::hours(1);
    awaited_response call;
    {
        client subject(values);
        subject.async_send(get(origin.url("/busy")), call.handler());
        ASSERT_TRUE(eventually([&] {
            return origin.counters().requests_completed == 1 && subject.stats().calls == 2;
        }));
        EXPECT_EQ(call.count(), 0U);
    }
    EXPECT_EQ(call.error(), errc::client_closed);
    EXPECT_EQ(call.value().attempt_log.size(), 2U);
    EXPECT_EQ(call.count(), 1U);
}

TEST(ShardFlowTest, SpentBudgetIsTold) {
    testing::origin origin(plaintext());
    origin.on("/flaky", failing_first(100));
    config values = repeating();
    values.budget = {.share = 0.0, .floor_per_second = 0.0};
    client subject(values);
    const response got = subject.send(get(origin.url("/flaky")));
    EXPECT_EQ(got.status, 503U);
    ASSERT_EQ(got.attempt_log.size(), 1U);
    EXPECT_TRUE(got.attempt_log[0].budget_spent);
}

// An origin fails a tenth of its requests, then half, then all, then none.
TEST(ShardFlowTest, BrownOutIsNotMultiplied) {
    testing::origin origin(plaintext());
    const auto percent = std::make_shared<std::atomic<unsigned>>(0);
    const auto count = std::make_shared<std::atomic<unsigned>>(0);
    origin.on("/", [=](const testing::request_view& /*seen*/, testing::responder reply) {
        testing::reply whole;
        if (count->fetch_add(1) * 37 % 100 < percent->load()) whole.status = 503;
        reply.answer(std::move(whole));
    });
    client subject(repeating());
    constexpr unsigned asked = 500;
    unsigned asked_so_far = 0;
    const auto phase_of = [&](unsigned failing) {
        percent->store(failing);
        unsigned good = 0;
        for (unsigned i = 0; i < asked; ++i) {
            if (subject.send(get(origin.url("/"))).status == 200) ++good;
        }
        asked_so_far += asked;
        EXPECT_LE(origin.counters().requests, asked_so_far * 12 / 10) << failing;
        return good;
    };
    EXPECT_EQ(phase_of(0), asked);
    EXPECT_EQ(origin.counters().requests, asked);
    EXPECT_GE(phase_of(10), asked * 97 / 100);  // without: 90
    EXPECT_GE(phase_of(50), asked * 50 / 100);
    EXPECT_EQ(phase_of(100), 0U);
    const std::uint64_t before = origin.counters().requests;
    EXPECT_EQ(phase_of(0), asked);  // back at once
    EXPECT_EQ(origin.counters().requests - before, asked);
}

}  // namespace
}  // namespace hearth
