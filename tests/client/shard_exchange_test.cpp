// shard, exchanges: retries, time limits, expectations and body limits.
#include <gtest/gtest.h>

#include <future>
#include <mutex>

#include "client/deaf_listener.hpp"
#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using boost::system::error_code;
using testing::close_kind;
using testing::expect_request;

// The connection that turns out dead.

// Connection 0 answers once and ends when the second request is there; later ones answer for ever.
testing::script_source dies_at_second_request(close_kind how) {
    return [how](std::uint64_t connection) {
        testing::script steps;
        if (connection == 0) {
            steps = {expect_request(), testing::send(small_answer), expect_request(),
                     testing::close(how)};
        } else {
            for (int i = 0; i < 4; ++i) {
                steps.push_back(expect_request());
                steps.push_back(testing::send(small_answer));
            }
        }
        return steps;
    };
}

struct stale_case {
    bool tls;
    close_kind how;
};
constexpr stale_case stale_cases[] = {{false, close_kind::clean},
                                      {false, close_kind::reset},
                                      {true, close_kind::clean},
                                      {true, close_kind::without_close_notify},
                                      {true, close_kind::reset}};

TEST(ShardExchangeTest, GetOnADeadConnectionIsRepeatedOnce) {
    for (const stale_case& one : stale_cases) {
        testing::listen_options listen;
        listen.tls = one.tls;
        testing::raw_origin origin(listen, dies_at_second_request(one.how));
        client subject(one.tls ? trusting(origin.ca_pem()) : one_thread());
        EXPECT_EQ(subject.send(get(origin.url("/"))).attempts, 1U);
        const response second = subject.send(get(origin.url("/")));
        EXPECT_EQ(second.body, "ok");
        EXPECT_EQ(second.attempts, 2U);
        EXPECT_FALSE(second.connection.reused);
        EXPECT_EQ(subject.stats().total().stale_retries, 1U);
        EXPECT_EQ(origin.counters().requests, 3U);
        expect_consistent(subject.stats());
    }
}

TEST(ShardExchangeTest, PostOnADeadConnectionIsNeverSentTwice) {
    for (const stale_case& one : stale_cases) {
        testing::listen_options listen;
        listen.tls = one.tls;
        testing::raw_origin origin(listen, dies_at_second_request(one.how));
        client subject(one.tls ? trusting(origin.ca_pem()) : one_thread());
        EXPECT_EQ(subject.send(post(origin.url("/"), "x")).body, "ok");
        error_code error;
        const response second = subject.send(post(origin.url("/"), "x"), error);
        EXPECT_TRUE(error == errc::peer_closed || error == errc::peer_reset) << error.message();
        EXPECT_EQ(second.attempts, 1U);
        EXPECT_TRUE(second.failure.maybe_processed);
        EXPECT_TRUE(error == errc_condition::maybe_processed);
        EXPECT_EQ(second.failure.phase, phase::first_byte);
        EXPECT_EQ(origin.counters().requests, 2U);
    }
}

TEST(ShardExchangeTest, OpenedGetOnADeadConnectionIsRepeatedToo) {
    testing::raw_origin origin(plaintext_listen(), dies_at_second_request(close_kind::clean));
    client subject(one_thread());
    (void)subject.send(get(origin.url("/")));
    exchange x = open(subject, get(origin.url("/")));
    EXPECT_EQ(read_head(x).value().status, 200U);
    error_code error;
    EXPECT_EQ(read_body(x, error), "ok");
    EXPECT_EQ(subject.stats().total().stale_retries, 1U);
}

TEST(ShardExchangeTest, StreamedPutIsRepeatedOnlyWhileNothingWasWritten) {
    for (const bool written : {false, true}) {
        testing::raw_origin origin(plaintext_listen(), [written](std::uint64_t connection) {
            if (connection != 0) {
                return testing::script{expect_request(), testing::send(small_answer)};
            }
            return testing::script{expect_request(), testing::send(small_answer),
                                   written ? expect_request() : testing::expect_octets(20),
                                   testing::close()};
        });
        client subject(one_thread());
        (void)subject.send(get(origin.url("/")));
        request what = post(origin.url("/"), streamed_body{4});
        what.method = method::put;
        exchange x = open(subject, std::move(what));
        if (written) (void)begin_write(x, boost::asio::buffer("body", 4)).wait();
        const awaited_head head = read_head(x);
        if (!written) {
            ASSERT_TRUE(eventually([&] { return subject.stats().total().stale_retries == 1; }));
            EXPECT_FALSE(begin_write(x, boost::asio::buffer("body", 4)).error());
            EXPECT_FALSE(finish(x));
        }
        EXPECT_EQ(!head.error(), !written) << head.error().message();
    }
}

TEST(ShardExchangeTest, ExchangeMayBeDroppedWhileItWaitsToBeRepeated) {
    auto origin = std::make_unique<testing::raw_origin>(
        plaintext_listen(),
        testing::script{expect_request(), testing::send(small_answer), expect_request(),
                        testing::wait(20ms), testing::close()});
    config values = one_thread();
    values.pool.dial_patience = 60s;
    client subject(values);
    (void)subject.send(get(origin->url("/")));
    exchange x = open(subject, get(origin->url("/")));
    const awaited_head head = read_head(x);
    origin->stop();
    ASSERT_TRUE(eventually([&] { return subject.stats().total().waiting == 1; }));
    x.cancel();
    EXPECT_EQ(head.error(), boost::asio::error::operation_aborted);
    EXPECT_EQ(subject.stats().total().waiting, 0U);
    expect_consistent(subject.stats());
}

TEST(ShardExchangeTest, WhatAnEarlierAttemptSentIsNotForgotten) {
    testing::raw_origin origin(plaintext_listen(),
                               testing::script{expect_request(), testing::send(small_answer),
                                               expect_request(), testing::wait(60s)});
    config values = one_thread();
    values.pool.dial_patience = 1ms;
    client subject(values);
    (void)subject.send(get(origin.url("/")));
    auto second = std::async(std::launch::async, [&] {
        error_code error;
        response result = subject.send(get(origin.url("/")), error);
        EXPECT_TRUE(error);
        return result;
    });
    ASSERT_TRUE(eventually([&] { return origin.counters().requests == 2; }));
    origin.stop();
    const response result = second.get();
    EXPECT_EQ(result.attempts, 1U) << "no other connection could be made";
    EXPECT_TRUE(result.failure.maybe_processed) << result.failure.detail;
}

TEST(ShardExchangeTest, CallerMaySayWhatIsIdempotent) {
    for (const bool idempotent : {true, false}) {
        testing::raw_origin origin(plaintext_listen(), dies_at_second_request(close_kind::clean));
        client subject(one_thread());
        (void)subject.send(get(origin.url("/")));
        request what = idempotent ? post(origin.url("/"), "again") : get(origin.url("/"));
        what.idempotent = idempotent;
        error_code error;
        const response second = subject.send(std::move(what), error);
        EXPECT_EQ(!error, idempotent);
        EXPECT_EQ(second.attempts, idempotent ? 2U : 1U);
    }
}

TEST(ShardExchangeTest, RetryCanBeTurnedOff) {
    testing::raw_origin origin(plaintext_listen(), dies_at_second_request(close_kind::clean));
    config values = one_thread();
    values.retry.stale_connection = false;
    client subject(values);
    (void)subject.send(get(origin.url("/")));
    error_code error;
    EXPECT_EQ(subject.send(get(origin.url("/")), error).attempts, 1U);
    EXPECT_EQ(error, errc::peer_closed);
}

TEST(ShardExchangeTest, FreshConnectionThatDiesIsNotRetried) {
    testing::raw_origin origin(plaintext_listen(),
                               testing::script{expect_request(), testing::close()});
    client subject(one_thread());
    error_code error;
    const response result = subject.send(get(origin.url("/")), error);
    EXPECT_EQ(error, errc::peer_closed);
    EXPECT_EQ(result.attempts, 1U);
    EXPECT_EQ(origin.counters().requests, 1U);
}

TEST(ShardExchangeTest, NothingIsRepeatedOnceAnOctetOfTheAnswerCame) {
    testing::raw_origin origin(plaintext_listen(), [](std::uint64_t) {
        return testing::script{expect_request(), testing::send(small_answer), expect_request(),
                               testing::send("HTTP/1.1 2"), testing::close()};
    });
    client subject(one_thread());
    (void)subject.send(get(origin.url("/")));
    error_code error;
    const response second = subject.send(get(origin.url("/")), error);
    EXPECT_TRUE(error == errc_condition::peer_fault) << error.message();
    EXPECT_EQ(second.attempts, 1U);
    EXPECT_EQ(origin.counters().requests, 2U);
}

TEST(ShardExchangeTest, DeadIdleConnectionIsNoticedBeforeItIsUsed) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    EXPECT_EQ(subject.warm(origin_of(origin.url()), 2), 2U);
    ASSERT_TRUE(eventually([&] { return origin.counters().connections_open == 2; }));
    origin.close_all_connections();
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }));
    EXPECT_EQ(closed_by(subject.stats(), close_reason::peer), 2U);
    const response result = subject.send(post(origin.url("/upload"), "x"));
    EXPECT_EQ(result.status, 200U);
    EXPECT_EQ(result.attempts, 1U);
}

// Time.

TEST(ShardExchangeTest, DeadlineInThePast) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    request what = get(origin.url("/d/0"));
    what.deadline = in(-1s);
    const failed_call call = fail(subject, std::move(what));
    EXPECT_EQ(call.error, errc::deadline_exceeded);
    EXPECT_EQ(origin.counters().connections_accepted, 0U);
}

TEST(ShardExchangeTest, DeadlineNamesThePhaseItPassedIn) {
    testing::origin origin(plaintext());
    testing::raw_origin half(
        plaintext_listen(),
        testing::script{expect_request(), testing::send("HTTP/1.1 200 OK\r\n"
                                                        "content-length: 9\r\n\r\nhalf")});
    const deaf_listener deaf;
    config values = one_thread();
    values.pool.max_connections_per_origin = 1;
    client subject(values);
    request late = get(origin.url("/stall"));
    late.deadline = in(300ms);
    const awaited_response holder = begin_send(subject, std::move(late));
    ASSERT_TRUE(eventually([&] { return origin.counters().requests_active == 1; }));
    request queued = get(origin.url("/d/0"));
    queued.deadline = in(30ms);
    EXPECT_EQ(fail(subject, std::move(queued)).result.failure.phase, phase::queue);
    EXPECT_EQ(holder.error(), errc::deadline_exceeded);
    EXPECT_EQ(holder.value().failure.phase, phase::first_byte);
    request in_body = get(half.url("/"));
    in_body.deadline = in(50ms);
    const failed_call body = fail(subject, std::move(in_body));
    EXPECT_EQ(body.error, errc::deadline_exceeded);
    EXPECT_EQ(body.result.failure.phase, phase::body);
    EXPECT_EQ(body.result.status, 200U) << "the head is kept";
    request in_send = post(deaf.url(), std::string(64 << 20, 'x'));
    in_send.deadline = in(200ms);
    const failed_call send = fail(subject, std::move(in_send));
    EXPECT_EQ(send.error, errc::deadline_exceeded);
    EXPECT_EQ(send.result.failure.phase, phase::send);
    EXPECT_GT(send.result.failure.bytes_sent, 0U);
}

TEST(ShardExchangeTest, PhaseTimeouts) {
    testing::origin origin(plaintext());
    testing::raw_origin half(
        plaintext_listen(),
        testing::script{expect_request(), testing::send("HTTP/1.1 200 OK\r\n"
                                                        "content-length: 9\r\n\r\nhalf")});
    const deaf_listener deaf;
    config values = one_thread();
    values.timeouts.first_byte = 40ms;
    values.timeouts.body_idle = 50ms;
    values.timeouts.write_stall = 60ms;
    client subject(values);
    const failed_call first = fail(subject, get(origin.url("/stall")));
    EXPECT_EQ(first.error, errc::first_byte_timeout);
    EXPECT_EQ(first.result.failure.phase, phase::first_byte);
    const failed_call second = fail(subject, get(half.url("/")));
    EXPECT_EQ(second.error, errc::body_idle_timeout);
    EXPECT_EQ(second.result.failure.phase, phase::body);
    const failed_call third = fail(subject, post(deaf.url(), std::string(64 << 20, 'x')));
    EXPECT_EQ(third.error, errc::write_timeout);
    EXPECT_EQ(third.result.failure.phase, phase::send);
    for (const auto& call : {&first, &second, &third}) {
        EXPECT_TRUE(call->error == errc_condition::timeout);
        EXPECT_TRUE(call->result.failure.maybe_processed);
    }
}

TEST(ShardExchangeTest, SteadyDripOutlastsTheIdleTimeout) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.timeouts.body_idle = 500ms;
    values.timeouts.first_byte = 500ms;
    client subject(values);
    EXPECT_EQ(subject.send(get(origin.url("/drip/30/25"))).body.size(), 30U);
}

TEST(ShardExchangeTest, TotalTimeoutHoldsWhereThereIsNoDeadline) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.timeouts.total = 30ms;
    client subject(values);
    EXPECT_EQ(fail(subject, get(origin.url("/stall"))).error, errc::deadline_exceeded);
    request patient = get(origin.url("/d/60"));
    patient.deadline = in(patience);
    EXPECT_EQ(subject.send(std::move(patient)).status, 200U) << "a deadline goes first";
}

TEST(ShardExchangeTest, TimingsSumUp) {
    testing::origin origin;
    client subject(trusting(origin.ca_pem()));
    const response first = subject.send(get(origin.url("/d/5")));
    EXPECT_GT(first.timings.handshake.count(), 0);
    EXPECT_GE(first.timings.first_byte, 5ms);
    EXPECT_LE(first.timings.queued + first.timings.first_byte + first.timings.body,
              first.timings.total);
    EXPECT_LE(first.timings.handshake + first.timings.connect, first.timings.queued);
    const response second = subject.send(get(origin.url("/d/5")));
    EXPECT_EQ(second.timings.handshake.count(), 0);
    EXPECT_EQ(second.timings.connect.count(), 0);
}

// Expectations.

TEST(ShardExchangeTest, ContinueReleasesTheBody) {
    testing::origin origin;
    client subject(trusting(origin.ca_pem()));
    request what = post(origin.url("/continue"), "held body");
    what.expect_continue = true;
    std::mutex mutex;
    std::vector<unsigned> seen;
    what.on_informational = [&](unsigned status, const headers&) {
        const std::lock_guard lock(mutex);
        seen.push_back(status);
    };
    const response result = subject.send(std::move(what));
    EXPECT_EQ(result.status, 200U);
    EXPECT_EQ(result.body.substr(0, 2), "9 ");
    const std::lock_guard lock(mutex);
    EXPECT_EQ(seen, std::vector<unsigned>{100});
}

TEST(ShardExchangeTest, BodyGoesWhenNobodyContinues) {
    testing::raw_origin origin(plaintext_listen(),
                               testing::script{expect_request(), testing::send(small_answer)});
    config values = one_thread();
    values.http1.continue_timeout = 30ms;
    client subject(values);
    request what = post(origin.url("/"), "held body");
    what.expect_continue = true;
    EXPECT_EQ(subject.send(std::move(what)).body, "ok");
    EXPECT_NE(origin.received(0).find("Expect: 100-continue"), std::string::npos);
    EXPECT_NE(origin.received(0).find("held body"), std::string::npos);
}

TEST(ShardExchangeTest, FinalAnswerInPlaceOfContinueKeepsTheBodyBack) {
    testing::origin origin(plaintext());
    origin.on(
        "/no",
        [](const testing::request_view&, testing::responder to) {
            to.answer({.status = 413, .body = "too large"});
        },
        testing::handler_call::after_head);
    client subject(one_thread());
    request what = post(origin.url("/no"), "held body");
    what.expect_continue = true;
    const response result = subject.send(std::move(what));
    EXPECT_EQ(result.status, 413U);
    EXPECT_EQ(result.body, "too large");
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
}

TEST(ShardExchangeTest, EarlyAnswerEndsALargeUpload) {
    testing::origin origin(plaintext());
    origin.on(
        "/no",
        [](const testing::request_view&, testing::responder to) {
            to.answer({.status = 413, .body = "too large", .close = true});
        },
        testing::handler_call::after_head);
    client subject(one_thread());
    const response result = subject.send(post(origin.url("/no"), std::string(32 << 20, 'x')));
    EXPECT_EQ(result.status, 413U);
    EXPECT_EQ(result.body, "too large");
    EXPECT_FALSE(subject.send(get(origin.url("/d/0"))).connection.reused);
}

// Limits of the body.

TEST(ShardExchangeTest, BodyLimitOfConfigAndRequest) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.max_body_bytes = 1000;
    client subject(values);
    for (const std::string path : {"/bytes/", "/chunked/"}) {
        EXPECT_EQ(subject.send(get(origin.url(path + "1000"))).body.size(), 1000U);
        const failed_call call = fail(subject, get(origin.url(path + "1001")));
        EXPECT_EQ(call.error, errc::body_limit);
        EXPECT_EQ(call.result.failure.phase, phase::body);
        EXPECT_LE(call.result.body.size(), 1000U);
        request larger = get(origin.url(path + "5000"));
        larger.max_body_bytes = 5000;
        EXPECT_EQ(subject.send(std::move(larger)).body.size(), 5000U);
    }
    request none = get(origin.url("/bytes/0"));
    none.max_body_bytes = 0;
    EXPECT_EQ(subject.send(std::move(none)).status, 200U);
}

TEST(ShardExchangeTest, BodilessAnswersKeepTheConnection) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    request head = get(origin.url("/bytes/12345"));
    head.method = method::head;
    const response first = subject.send(std::move(head));
    EXPECT_EQ(first.headers["content-length"], "12345");
    EXPECT_EQ(first.body, "");
    EXPECT_EQ(subject.send(get(origin.url("/status/204"))).status, 204U);
    EXPECT_EQ(subject.send(get(origin.url("/status/304"))).status, 304U);
    EXPECT_TRUE(subject.send(get(origin.url("/status/500"))).connection.reused);
    EXPECT_EQ(origin.counters().connections_accepted, 1U);
}

// Drained answers.

TEST(ShardExchangeTest, DrainBeyondItsLimitsCloses) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.on_cancel = cancel_policy::drain;
    values.pool.drain_bytes = 10'000;
    client subject(values);
    request what = get(origin.url("/bytes/50000000"));
    what.max_body_bytes = 1U << 30;
    awaited_exchange opened;
    {
        exchange x = open(subject, std::move(what));
        EXPECT_EQ(read_head(x).value().status, 200U);
    }
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }));
    expect_consistent(subject.stats());
    EXPECT_LT(origin.counters().bytes_sent, 50'000'000U);
}

TEST(ShardExchangeTest, DrainingConnectionGivesWayToAWaiter) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_connections_per_origin = 1;
    values.pool.on_cancel = cancel_policy::drain;
    values.pool.drain_timeout = 60s;
    client subject(values);
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);  // the dial is no part of it
    request late = get(origin.url("/stall"));
    late.deadline = in(200ms);
    EXPECT_EQ(fail(subject, std::move(late)).error, errc::deadline_exceeded);
    EXPECT_EQ(subject.stats().total().draining, 1U);
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    EXPECT_EQ(closed_by(subject.stats(), close_reason::gave_way), 1U);
}

TEST(ShardExchangeTest, ServersOwnKeepAliveTimeIsHonoured) {
    testing::origin origin(plaintext());
    origin.on("/short", [](const testing::request_view& /*seen*/, testing::responder reply) {
        reply.answer({.headers = {{"keep-alive", "timeout=1, max=100"}}});
    });
    client subject(one_thread());
    EXPECT_EQ(subject.send(get(origin.url("/status/200"))).status, 200U);
    EXPECT_EQ(subject.send(get(origin.url("/short"))).status, 200U);
    EXPECT_EQ(subject.stats().total().idle, 1U);
    // Closed by us, long before the default of a minute.
    EXPECT_TRUE(
        eventually([&] { return closed_by(subject.stats(), close_reason::idle_timeout) == 1U; }));
    EXPECT_EQ(subject.send(get(origin.url("/status/200"))).status, 200U);
    expect_consistent(subject.stats());
}

TEST(ShardExchangeTest, ConnectionIsReplacedAfterItsExchanges) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_exchanges_per_connection = 3;
    client subject(values);
    for (int i = 0; i < 7; ++i)
        EXPECT_EQ(subject.send(get(origin.url("/status/200"))).status, 200U);
    EXPECT_EQ(subject.stats().total().opened, 3U);
    EXPECT_EQ(closed_by(subject.stats(), close_reason::not_reusable), 2U);
    expect_consistent(subject.stats());
}

}  // namespace
}  // namespace hearth
