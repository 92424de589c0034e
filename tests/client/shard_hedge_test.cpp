// shard, hedging: a late answer is overtaken, the caller is told once, and what loses is cancelled.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

config hedging() {
    config values = one_thread();
    values.hedge.enabled = true;
    values.hedge.min_delay = 20ms;  // far above what a busy machine needs for an answer
    values.budget.floor_per_second = 100.0;
    return values;
}

// Does what a test says with the n-th request since then; answers the others at once.
class planned {
public:
    using plan = std::function<void(testing::responder&)>;
    void operator()(const testing::request_view& /*seen*/, testing::responder reply) const {
        const int index = state_->next.fetch_add(1);
        if (index == 0 && state_->first) return state_->first(reply);
        if (index == 1 && state_->second) return state_->second(reply);
        testing::reply whole;
        whole.body = "quick";
        reply.answer(std::move(whole));
    }
    // Between requests only.
    void set(plan first, plan second = {}) const {
        state_->first = std::move(first);
        state_->second = std::move(second);
        state_->next = 0;
    }

private:
    struct state {
        std::atomic<int> next{1000};
        plan first;
        plan second;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

void stall(testing::responder& reply) { reply.never_answer(); }

planned::plan answer_with(int status) {
    return [status](testing::responder& reply) {
        testing::reply whole;
        whole.status = status;
        reply.answer(std::move(whole));
    };
}

class ShardHedgeTest : public ::testing::Test {
protected:
    ShardHedgeTest() {
        origin_.on("/", plan_);
        for (int i = 0; i < 70; ++i) (void)subject_.send(get(origin_.url("/")));
        before_ = subject_.stats().total();
    }
    ~ShardHedgeTest() override { expect_consistent(subject_.stats()); }
    [[nodiscard]] origin_stats now() const { return subject_.stats().total(); }

    testing::origin origin_{plaintext()};
    planned plan_;
    client subject_{hedging()};
    origin_stats before_;
};

TEST_F(ShardHedgeTest, StalledAttemptIsOvertaken) {
    plan_.set(stall);
    const response got = subject_.send(get(origin_.url("/")));
    EXPECT_EQ(got.body, "quick");
    EXPECT_TRUE(got.hedged);
    EXPECT_EQ(got.attempts, 2U);
    EXPECT_EQ(now().hedges - before_.hedges, 1U);
    EXPECT_EQ(now().hedges_won - before_.hedges_won, 1U);
    EXPECT_EQ(subject_.stats().in_flight, 0U);
}

TEST_F(ShardHedgeTest, FirstAttemptMayStillWin) {
    plan_.set(
        [](testing::responder& reply) {
            reply.delay(150ms);
            reply.answer({});
        },
        stall);
    const response got = subject_.send(get(origin_.url("/")));
    EXPECT_EQ(got.status, 200U);
    EXPECT_FALSE(got.hedged);
    EXPECT_EQ(now().hedges - before_.hedges, 1U);
    EXPECT_EQ(now().hedges_won, before_.hedges_won);
}

TEST_F(ShardHedgeTest, FailingHedgeLosesAndFailingFirstGivesTheCallerAway) {
    const auto late = [](testing::responder& reply) {
        reply.delay(150ms);
        reply.answer({});
    };
    plan_.set(late, answer_with(503));
    response got = subject_.send(get(origin_.url("/")));
    EXPECT_EQ(got.status, 200U);
    EXPECT_FALSE(got.hedged);
    plan_.set(
        [](testing::responder& reply) {
            reply.delay(60ms);
            reply.close(testing::close_kind::reset);
        },
        late);
    got = subject_.send(get(origin_.url("/")));
    EXPECT_EQ(got.status, 200U);
    EXPECT_TRUE(got.hedged);
    plan_.set(
        [](testing::responder& reply) {
            reply.delay(60ms);
            reply.answer({.status = 500});
        },
        answer_with(503));
    got = subject_.send(get(origin_.url("/")));
    EXPECT_EQ(got.status, 500U);  // the last one standing is the answer
}

TEST_F(ShardHedgeTest, DeadlineAndCancelEndBoth) {
    plan_.set(stall, stall);
    request what = get(origin_.url("/"));
    what.deadline = in(100ms);
    error_code error;
    (void)subject_.send(what, error);
    EXPECT_EQ(error, errc::deadline_exceeded);
    EXPECT_EQ(now().hedges - before_.hedges, 1U);

    plan_.set(stall, stall);
    asio::thread_pool pool(1);
    auto strand = asio::make_strand(pool);
    asio::cancellation_signal signal;
    awaited_response call;
    subject_.async_send(
        get(origin_.url("/")),
        asio::bind_executor(strand, asio::bind_cancellation_slot(signal.slot(), call.handler())));
    ASSERT_TRUE(eventually([&] { return now().hedges - before_.hedges == 2U; }));
    asio::post(strand, [&] { signal.emit(asio::cancellation_type::terminal); });
    EXPECT_EQ(call.error(), asio::error::operation_aborted);
    pool.join();
    EXPECT_EQ(call.count(), 1U);
    EXPECT_EQ(subject_.stats().in_flight, 0U);
}

TEST_F(ShardHedgeTest, ClientsEndCompletesAHedgedCallOnce) {
    awaited_response call;
    {
        client ending(hedging());
        for (int i = 0; i < 70; ++i) (void)ending.send(get(origin_.url("/")));
        plan_.set(stall, stall);
        ending.async_send(get(origin_.url("/")), call.handler());
        ASSERT_TRUE(eventually([&] { return ending.stats().total().hedges == 1U; }));
    }
    EXPECT_EQ(call.error(), errc::client_closed);
    EXPECT_EQ(call.count(), 1U);
}

TEST_F(ShardHedgeTest, WhatIsNotIdempotentHasNoBudgetOrIsStreamedIsNotHedged) {
    plan_.set(stall);
    request what = post(origin_.url("/"), "x");
    what.deadline = in(100ms);
    error_code error;
    (void)subject_.send(what, error);
    EXPECT_EQ(error, errc::deadline_exceeded);
    EXPECT_EQ(now().hedges, before_.hedges);

    config values = hedging();
    values.budget = {.share = 0.0, .floor_per_second = 0.0};
    client poor(values);
    for (int i = 0; i < 70; ++i) (void)poor.send(get(origin_.url("/")));
    plan_.set(stall);
    what = get(origin_.url("/"));
    what.deadline = in(100ms);
    (void)poor.send(what, error);
    EXPECT_EQ(error, errc::deadline_exceeded);
    EXPECT_EQ(poor.stats().total().hedges, 0U);
    EXPECT_GE(poor.stats().total().hedges_withheld, 1U);
}

TEST_F(ShardHedgeTest, FailedHedgeLeavesTheFirstAttemptItsRepetitions) {
    config values = hedging();
    values.retry.max_attempts = 2;
    values.retry.statuses = {503};
    values.retry.min_backoff = 0ms;
    client subject(values);
    for (int i = 0; i < 70; ++i) (void)subject.send(get(origin_.url("/")));
    plan_.set(stall, [](testing::responder& reply) { reply.answer({.status = 503}); });
    request what = post(origin_.url("/"), std::string(100'000, 'x'));
    what.idempotent = true;
    what.deadline = in(60s);
    awaited_response call = begin_send(subject, std::move(what));
    // The hedge failed, the first attempt never ends: cut it.
    ASSERT_TRUE(eventually([&] { return subject.stats().total().answered >= 71U; }));
    origin_.close_all_connections(testing::close_kind::reset);
    ASSERT_FALSE(call.error()) << call.error().message();
    EXPECT_EQ(call.value().status, 200U);
    EXPECT_EQ(subject.stats().in_flight, 0U);
}

}  // namespace
}  // namespace hearth
