// shard, hedging: a late answer is overtaken, the caller is told once, and what loses is cancelled.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include "client/scripted.hpp"
#include "support/h2_origin.hpp"

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

// The same over HTTP/2: the last stage of a test stalls the first request, on connection 0.
class ShardHedgeHttp2Test : public ::testing::Test {
protected:
    ~ShardHedgeHttp2Test() override { expect_consistent(subject_.stats()); }
    static config values() {
        config values = hedging();
        values.protocol = protocol_policy::http2_only;
        values.http2.ideal_streams = 1;  // a second connection comes up when the first is in use
        return values;
    }
    h2_origin::answer answer(const h2_origin::seen& seen) {
        if (seen.path == "/hold") return {.delay = 200ms};
        if (seen.path != "/late" || has_stalled_.exchange(true)) {
            answered_by_ = seen.connection;
            return {};
        }
        stalled_on_ = seen.connection;
        return first_;
    }
    void learn() {
        for (int i = 0; i < 70; ++i) (void)subject_.send(get(origin_.url()));
    }
    /// Lets a second connection come up, by calls that are not hedged.
    void widen() {
        std::vector<awaited_response> calls;
        for (int i = 0; i < 4; ++i)
            calls.push_back(begin_send(subject_, post(origin_.url("/hold"), body("x"))));
        for (const awaited_response& call : calls) EXPECT_FALSE(call.error());
        ASSERT_TRUE(eventually([&] { return subject_.stats().total().open >= 2; }));
    }

    std::atomic<bool> has_stalled_{false};
    std::atomic<std::uint64_t> stalled_on_{99};
    std::atomic<std::uint64_t> answered_by_{99};
    h2_origin::answer first_{.what = h2_origin::answer::kind::stay_silent};
    h2_origin origin_{[this](const h2_origin::seen& seen) { return answer(seen); }};
    client subject_{values()};
};

TEST_F(ShardHedgeHttp2Test, LoserIsResetAndItsConnectionStays) {
    config values = ShardHedgeHttp2Test::values();
    values.http2.max_connections = 1;
    subject_ = client(values);
    learn();
    const response got = subject_.send(get(origin_.url("/late")));
    EXPECT_EQ(got.body, "ok");
    EXPECT_TRUE(got.hedged);
    EXPECT_EQ(got.version, 20U);
    EXPECT_TRUE(eventually([&] { return origin_.cancelled() == 1; }));
    const origin_stats total = subject_.stats().total();
    EXPECT_EQ(total.hedges_won, 1U);
    EXPECT_EQ(total.streams_reset, 1U);
    EXPECT_EQ(total.opened, 1U) << "the only connection carries both";
    EXPECT_EQ(total.closed, 0U);
    EXPECT_EQ(stalled_on_, answered_by_);
}

TEST_F(ShardHedgeHttp2Test, SecondAttemptTakesAnotherConnection) {
    learn();
    widen();
    const response got = subject_.send(get(origin_.url("/late")));
    EXPECT_TRUE(got.hedged);
    EXPECT_NE(stalled_on_, answered_by_);
    EXPECT_TRUE(eventually([&] { return origin_.cancelled() == 1; }));
    EXPECT_EQ(subject_.stats().total().closed, 0U);
}

TEST_F(ShardHedgeHttp2Test, StreamThatFailsGivesTheCallerToTheOther) {
    first_ = {.what = h2_origin::answer::kind::reset, .delay = 60ms};
    learn();
    EXPECT_EQ(subject_.send(get(origin_.url("/late"))).status, 200U);
    has_stalled_ = false;
    first_ = {.what = h2_origin::answer::kind::cut, .delay = 300ms};
    EXPECT_EQ(subject_.send(get(origin_.url("/late"))).status, 200U);
    EXPECT_EQ(subject_.stats().in_flight, 0U);
}

TEST_F(ShardHedgeHttp2Test, RefusedAttemptMovesAndTheOtherGoesOn) {
    first_ = {.what = h2_origin::answer::kind::reset, .code = 7, .delay = 60ms};
    learn();
    const response got = subject_.send(get(origin_.url("/late")));
    EXPECT_EQ(got.status, 200U);
    EXPECT_TRUE(eventually([&] { return subject_.stats().in_flight == 0; }));
}

}  // namespace
}  // namespace hearth
