// shard, the gate before the pool: breaker, rate limit, concurrency limit and shedding, end to end.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "client/scripted.hpp"
#include "support/h2_origin.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using boost::system::error_code;

config breaking() {
    config values = one_thread();
    values.breaker.enabled = true;
    values.breaker.min_volume = 5;
    values.breaker.open_for = 2s;
    values.breaker.recovery = 0ms;
    return values;
}

// Answers with a status that a test changes.
class changing_status {
public:
    explicit changing_status(int status) : status_(std::make_shared<std::atomic<int>>(status)) {}
    void operator()(const testing::request_view& /*seen*/, testing::responder reply) const {
        testing::reply whole;
        whole.status = status_->load();
        reply.answer(std::move(whole));
    }
    void set(int status) const { status_->store(status); }

private:
    std::shared_ptr<std::atomic<int>> status_;
};

// Keeps requests until a test lets them go.
class keeping {
public:
    void operator()(const testing::request_view& /*seen*/, testing::responder reply) const {
        const std::lock_guard lock(state_->mutex);
        state_->kept.push_back(std::move(reply));
    }
    void answer_all() const {
        std::vector<testing::responder> kept;
        {
            const std::lock_guard lock(state_->mutex);
            kept.swap(state_->kept);
        }
        for (auto& one : kept) one.answer({});
    }
    [[nodiscard]] std::size_t count() const {
        const std::lock_guard lock(state_->mutex);
        return state_->kept.size();
    }

private:
    struct state {
        std::mutex mutex;
        std::vector<testing::responder> kept;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

TEST(ShardAdmissionTest, BreakerOpensSaysWhyAndComesBack) {
    testing::origin origin(plaintext());
    const changing_status answer(503);
    origin.on("/", answer);
    client subject(breaking());
    for (int i = 0; i < 5; ++i) EXPECT_EQ(subject.send(get(origin.url("/"))).status, 503U);
    error_code error;
    const response refused = subject.send(get(origin.url("/")), error);
    EXPECT_EQ(error, errc::breaker_open);
    EXPECT_EQ(refused.failure.phase, phase::queue);
    EXPECT_NE(refused.failure.detail.find("5 failures in 5 results"), std::string::npos)
        << refused.failure.detail;
    EXPECT_NE(refused.failure.detail.find("status 503"), std::string::npos);
    ASSERT_TRUE(refused.failure.again_at);
    EXPECT_FALSE(refused.failure.maybe_processed);
    EXPECT_EQ(origin.counters().requests, 5U);
    const origin_stats now = subject.stats().total();
    EXPECT_EQ(now.breaker_opened, 1U);
    EXPECT_EQ(now.breaker_refused, 1U);

    answer.set(200);
    EXPECT_TRUE(eventually(
        [&] { return subject.send(get(origin.url("/")), error).status == 200 && !error; }));
    EXPECT_TRUE(eventually([&] {
        (void)subject.send(get(origin.url("/")), error);
        return subject.stats().total().breaker == breaker_state::closed;
    }));
    expect_consistent(subject.stats());
}

TEST(ShardAdmissionTest, RefusedConnectsOpenTheBreaker) {
    std::string url;
    {
        testing::origin origin(plaintext());
        url = origin.url("/");
    }
    config values = breaking();
    values.pool.dial_patience = 0ms;
    client subject(values);
    error_code error;
    EXPECT_TRUE(eventually([&] {
        (void)subject.send(get(url), error);
        return error == errc::breaker_open;
    }));
}

TEST(ShardAdmissionTest, WhatTheCallerEndsIsNoFailure) {
    testing::origin origin(plaintext());
    client subject(breaking());
    for (int i = 0; i < 20; ++i) {
        const response got = subject.send(get(origin.url("/status/404")));
        EXPECT_EQ(got.status, 404U);
    }
    EXPECT_EQ(subject.stats().total().breaker, breaker_state::closed);
}

TEST(ShardAdmissionTest, BreakerKeepsRepetitionsFromAnOriginThatIsDown) {
    testing::origin origin(plaintext());
    origin.on("/", changing_status(503));
    config values = breaking();
    values.retry.max_attempts = 3;
    values.retry.statuses = {503};
    values.retry.min_backoff = 0ms;
    values.retry.max_backoff = 0ms;
    values.budget.floor_per_second = 100.0;
    values.breaker.open_for = std::chrono::minutes(1);
    client subject(values);
    error_code error;
    for (int i = 0; i < 50; ++i) (void)subject.send(get(origin.url("/")), error);
    EXPECT_EQ(error, errc::breaker_open);
    EXPECT_EQ(origin.counters().requests, 5U);
}

TEST(ShardAdmissionTest, ConcurrencyLimitHoldsAndServesTheCriticalFirst) {
    testing::origin origin(plaintext());
    const keeping kept;
    origin.on("/", kept);
    config values = one_thread();
    values.concurrency = {
        .enabled = true, .initial_limit = 4, .min_limit = 4, .max_limit = 4, .max_wait = 60s};
    client subject(values);
    std::vector<awaited_response> calls(7);
    const auto send = [&](std::size_t index, priority_class priority) {
        request what = get(origin.url("/"));
        what.priority_class = priority;
        subject.async_send(std::move(what), calls[index].handler());
    };
    for (std::size_t i = 0; i < 4; ++i) send(i, priority_class::normal);
    ASSERT_TRUE(eventually([&] { return kept.count() == 4; }));
    send(4, priority_class::normal);
    send(5, priority_class::critical);  // its own place
    ASSERT_TRUE(eventually([&] { return kept.count() == 5; }));
    EXPECT_EQ(subject.stats().total().held, 1U);
    request what = get(origin.url("/"));
    what.priority_class = priority_class::sheddable;
    error_code error;
    (void)subject.send(what, error);
    EXPECT_EQ(error, errc::overloaded);
    kept.answer_all();
    ASSERT_TRUE(eventually([&] { return kept.count() == 1; }));
    kept.answer_all();
    for (std::size_t i = 0; i < 6; ++i) EXPECT_FALSE(calls[i].error()) << i;
    const origin_stats now = subject.stats().total();
    EXPECT_EQ(now.concurrency_limit, 4U);
    EXPECT_EQ(now.concurrency_refused, 1U);
    EXPECT_EQ(now.held, 0U);
    EXPECT_LE(now.opened, 5U);  // who is let in takes a connection that became free
    expect_consistent(subject.stats());
}

TEST(ShardAdmissionTest, HeldExchangesEndByDeadlineWaitAndCancel) {
    testing::origin origin(plaintext());
    const keeping kept;
    origin.on("/", kept);
    config values = one_thread();
    values.concurrency = {
        .enabled = true, .initial_limit = 1, .min_limit = 1, .max_limit = 1, .max_wait = 100ms};
    awaited_response first;
    awaited_response last;
    {
        client subject(values);
        subject.async_send(get(origin.url("/")), first.handler());
        ASSERT_TRUE(eventually([&] { return kept.count() == 1; }));
        error_code error;
        const response waited = subject.send(get(origin.url("/")), error);
        EXPECT_EQ(error, errc::overloaded);
        EXPECT_NE(waited.failure.detail.find("No place among the 1"), std::string::npos)
            << waited.failure.detail;
        request what = get(origin.url("/"));
        what.deadline = in(20ms);
        (void)subject.send(what, error);
        EXPECT_EQ(error, errc::deadline_exceeded);
        subject.async_send(get(origin.url("/")), last.handler());
        ASSERT_TRUE(
            eventually([&] { return subject.stats().total().held != 0 || last.count() != 0; }));
    }
    EXPECT_TRUE(last.error());  // the client's end, or its wait
    EXPECT_EQ(last.count(), 1U);
}

TEST(ShardAdmissionTest, StreamedExchangeGivesItsPlaceBackWithItsHead) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.concurrency = {
        .enabled = true, .initial_limit = 1, .min_limit = 1, .max_limit = 1, .max_wait = 60s};
    client subject(values);
    exchange stream = open(subject, get(origin.url("/drip/100000/10")));
    awaited_head head;
    stream.async_read_head(head.handler());
    ASSERT_FALSE(head.error());
    EXPECT_EQ(subject.send(get(origin.url("/status/200"))).status, 200U);
    stream.close();
}

TEST(ShardAdmissionTest, RateLimitSpreadsAndRefusesWhatCannotBeInTime) {
    testing::origin origin(plaintext());
    config values = one_thread();
    // Two more tokens come while one may wait; a busy machine has a quarter of a second to notice.
    values.rate_limit = {.per_second = 2.0, .burst = 1, .max_wait = 1250ms};
    client subject(values);
    std::vector<awaited_response> calls(6);
    for (auto& one : calls) subject.async_send(get(origin.url("/status/200")), one.handler());
    unsigned sent = 0;
    unsigned refused = 0;
    for (auto& one : calls) {
        if (!one.error()) {
            ++sent;
        } else {
            EXPECT_EQ(one.error(), errc::rate_limited);
            EXPECT_TRUE(one.value().failure.again_at);
            ++refused;
        }
    }
    EXPECT_EQ(sent + refused, 6U);
    EXPECT_GE(sent, 3U);
    EXPECT_EQ(subject.stats().total().rate_refused, refused);
    request never = get(origin.url("/status/200"));
    never.priority_class = priority_class::sheddable;
    error_code error;
    (void)subject.send(never, error);  // a token is there by now, or it is refused: never held
    EXPECT_TRUE(!error || error == errc::rate_limited) << error.message();
}

TEST(ShardAdmissionTest, ReportedLoadShedsByClass) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    request what = get(origin.url("/status/200"));
    const auto result = [&](priority_class priority) {
        what.priority_class = priority;
        error_code error;
        (void)subject.send(what, error);
        return error;
    };
    subject.report_load(1.0);
    EXPECT_EQ(result(priority_class::sheddable), errc::overloaded);
    EXPECT_FALSE(result(priority_class::normal));
    subject.report_load(2.0);
    EXPECT_EQ(result(priority_class::normal), errc::overloaded);
    EXPECT_FALSE(result(priority_class::critical));
    subject.report_load(0.0);
    EXPECT_FALSE(result(priority_class::sheddable));
    EXPECT_EQ(subject.stats().total().load_refused, 2U);
}

TEST(ShardAdmissionTest, MeasuredQueueDelayShedsSheddableRequests) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_connections_per_origin = 1;
    values.shed.queue_delay = 1ms;
    client subject(values);
    std::vector<awaited_response> calls(20);
    for (auto& one : calls) subject.async_send(get(origin.url("/d/10")), one.handler());
    request what = get(origin.url("/status/200"));
    what.priority_class = priority_class::sheddable;
    EXPECT_TRUE(eventually([&] {
        error_code error;
        (void)subject.send(what, error);
        return error == errc::overloaded;
    }));
    for (auto& one : calls) (void)one.error();
    EXPECT_GE(subject.stats().total().load_refused, 1U);
}

// Over HTTP/2.

config http2_breaking() {
    config values = breaking();
    values.protocol = protocol_policy::http2_only;
    return values;
}

TEST(ShardAdmissionTest, StreamErrorsOpenTheBreaker) {
    std::atomic<bool> is_sound{false};
    h2_origin origin([&](const h2_origin::seen&) -> h2_origin::answer {
        if (is_sound) return {};
        return {.what = h2_origin::answer::kind::reset};
    });
    config values = http2_breaking();
    values.breaker.open_for = 50ms;
    client subject(values);
    error_code error;
    for (int i = 0; i < 5; ++i) {
        (void)subject.send(post(origin.url(), body("x")), error);
        EXPECT_EQ(error, errc::peer_reset);
    }
    EXPECT_EQ(subject.stats().total().breaker_opened, 1U);
    EXPECT_EQ(subject.stats().total().opened, 1U) << "streams failed, not the connection";
    is_sound = true;
    EXPECT_TRUE(eventually([&] {
        return subject.send(get(origin.url()), error).status == 200 &&
               subject.stats().total().breaker == breaker_state::closed;
    }));
    expect_consistent(subject.stats());
}

TEST(ShardAdmissionTest, BrokenConnectionCountsOnceWhateverItCarried) {
    std::atomic<int> waiting{0};
    h2_origin origin([&](const h2_origin::seen& seen) -> h2_origin::answer {
        using kind = h2_origin::answer::kind;
        if (seen.path == "/cut") return {.what = kind::cut};
        ++waiting;
        return {.what = kind::stay_silent};
    });
    client subject(http2_breaking());
    std::vector<awaited_response> calls;
    for (int i = 0; i < 20; ++i) {
        calls.push_back(begin_send(subject, post(origin.url(), body("x"))));
    }
    ASSERT_TRUE(eventually([&] { return waiting == 20; }));
    calls.push_back(begin_send(subject, post(origin.url("/cut"), body("x"))));
    for (const awaited_response& call : calls) EXPECT_TRUE(call.error());
    EXPECT_EQ(subject.stats().total().breaker_opened, 0U);
    EXPECT_EQ(subject.stats().total().breaker, breaker_state::closed);
    expect_consistent(subject.stats());
}

TEST(ShardAdmissionTest, PlacesOfStreamsAreLimitedAndLearned) {
    std::atomic<int> at_once{0};
    std::atomic<int> most{0};
    h2_origin origin([&](const h2_origin::seen&) -> h2_origin::answer {
        const int now = ++at_once;
        if (now > most) most = now;
        return {.what = h2_origin::answer::kind::stay_silent};
    });
    config values = one_thread();
    values.protocol = protocol_policy::http2_only;
    values.concurrency.enabled = true;
    values.concurrency.initial_limit = 6;
    values.concurrency.max_wait = 0ms;
    client subject(values);
    std::vector<awaited_response> calls;
    for (int i = 0; i < 12; ++i) {
        request what = get(origin.url());
        what.deadline = in(300ms);
        calls.push_back(begin_send(subject, std::move(what)));
    }
    int refused = 0;
    for (const awaited_response& call : calls) refused += call.error() == errc::overloaded ? 1 : 0;
    EXPECT_GE(refused, 6);
    EXPECT_LE(most, 6);
    EXPECT_EQ(subject.stats().total().concurrency_refused, static_cast<std::uint64_t>(refused));
}

// Far more calls than four connections carry in time: those that would wait in vain are refused
// before they wait.
TEST(ShardAdmissionTest, WhoWouldWaitInVainIsNotLetIn) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_connections_per_origin = 4;
    values.overload.target = 1ms;
    values.overload.interval = 5ms;
    client subject(values);
    std::string detail;
    for (int round = 0; round < 100 && detail.empty(); ++round) {
        std::vector<awaited_response> calls;
        for (int i = 0; i < 200; ++i) {
            request what = get(origin.url("/d/20"));
            what.deadline = in(60ms);
            calls.push_back(begin_send(subject, std::move(what)));
        }
        for (const awaited_response& call : calls) {
            const failure& why = call.value().failure;
            const bool is_it = why.detail.find("not let in to wait") != std::string::npos;
            if (call.error() != errc::overloaded || !is_it) continue;
            detail = why.detail;
            EXPECT_EQ(why.phase, phase::queue);
            EXPECT_FALSE(why.origin.empty());
            EXPECT_FALSE(why.maybe_processed);
        }
    }
    EXPECT_NE(detail.find("exchanges wait for this origin, which has "), std::string::npos)
        << detail;
    EXPECT_GT(subject.stats().total().queue_shed, 0U);
    expect_consistent(subject.stats());
}

}  // namespace
}  // namespace hearth
