#include "client/shard.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <boost/asio/io_context.hpp>
#include <thread>
#include <vector>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

// Begins `count` calls from `threads` threads at once and returns their completions.
std::vector<awaited_response> begin_many(client& subject, unsigned threads, unsigned count,
                                         const std::vector<std::string>& urls) {
    std::vector<std::vector<awaited_response>> parts(threads);
    std::vector<std::thread> workers;
    for (unsigned t = 0; t < threads; ++t) {
        workers.emplace_back([&, t] {
            for (unsigned i = t; i < count; i += threads) {
                parts[t].push_back(begin_send(subject, get(urls[i % urls.size()])));
            }
        });
    }
    for (std::thread& worker : workers) worker.join();
    std::vector<awaited_response> all;
    for (auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

TEST(ShardTest, LimitOfAnOriginIsExact) {
    testing::origin origin;
    config values;
    values.io.threads = 4;
    values.tls.profile = trust(origin.ca_pem());
    values.pool.max_connections_per_origin = 7;
    client subject(values);
    const auto calls = begin_many(subject, 4, 400, {origin.url("/d/1")});
    for (const awaited_response& call : calls) EXPECT_FALSE(call.error());
    EXPECT_EQ(origin.counters().connections_peak, 7U) << "all of the limit is used, and no more";
    EXPECT_EQ(origin.counters().connections_accepted, 7U);
    expect_consistent(subject.stats());
}

// The same server under several names: several origins for the client, one count of connections.
config several_names(const testing::origin& server, const std::vector<std::string>& names) {
    config values;
    for (const std::string& name : names) {
        values.dns.overrides.push_back({name, server.port(), {"127.0.0.1"}});
    }
    return values;
}

TEST(ShardTest, LimitOfTheClientHoldsOverOriginsAndThreads) {
    testing::origin server(plaintext());
    const std::vector<std::string> names{"a.test", "b.test", "c.test",
                                         "d.test", "e.test", "f.test"};
    config values = several_names(server, names);
    values.io.threads = 4;
    values.pool.max_connections = 8;
    values.pool.max_connections_per_origin = 6;
    client subject(values);
    std::vector<std::string> urls;
    for (const std::string& name : names) {
        urls.push_back("http://" + name + ":" + std::to_string(server.port()) + "/d/1");
    }
    const auto calls = begin_many(subject, 6, 600, urls);
    for (const awaited_response& call : calls) {
        EXPECT_FALSE(call.error()) << call.error().message() << call.value().failure.detail;
        EXPECT_EQ(call.count(), 1U);
    }
    EXPECT_LE(server.counters().requests_peak, 8U);
    EXPECT_GT(server.counters().requests_peak, 1U);
    const stats end = subject.stats();
    EXPECT_LE(end.total().open, 8U);
    EXPECT_EQ(end.completed, 600U);
    EXPECT_EQ(end.origins.size(), names.size());
    expect_consistent(end);
}

TEST(ShardTest, LimitsHoldAtEveryMoment) {
    testing::origin server(plaintext());
    const std::vector<std::string> names{"a.test", "b.test", "c.test"};
    config values = several_names(server, names);
    values.pool.max_connections = 5;
    values.pool.max_connections_per_origin = 3;
    asio::io_context context;
    client subject(context.get_executor(), values);
    std::vector<awaited_response> calls;
    for (std::size_t i = 0; i < 90; ++i) {
        calls.push_back(begin_send(
            subject, get("http://" + names[i % 3] + ":" + std::to_string(server.port()) + "/d/0")));
    }
    std::uint64_t most = 0;
    for (int events = 0; events < 100'000 && calls.back().count() == 0; ++events) {
        awaited<stats> snapshot;
        subject.async_stats(snapshot.handler());
        while (snapshot.count() == 0) ASSERT_NE(context.run_one_for(patience), 0U);
        const stats& now = std::get<0>(snapshot.wait());
        expect_consistent(now);
        std::uint64_t all = 0;
        for (const origin_stats& one : now.origins) {
            EXPECT_LE(one.open + one.dialing + one.handshaking, 3U);
            all += one.open + one.dialing + one.handshaking;
        }
        EXPECT_LE(all, 5U);
        most = std::max(most, all);
    }
    EXPECT_EQ(most, 5U);
    for (const awaited_response& call : calls) {
        while (call.count() == 0) ASSERT_NE(context.run_one_for(patience), 0U);
        EXPECT_FALSE(call.error());
    }
}

TEST(ShardTest, FullQueueRefusesAtOnce) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_connections_per_origin = 2;
    values.pool.max_waiters = 3;
    client subject(values);
    std::vector<awaited_response> calls;
    for (int i = 0; i < 5; ++i) calls.push_back(begin_send(subject, get(origin.url("/stall"))));
    ASSERT_TRUE(eventually([&] { return subject.stats().total().waiting == 3; }));
    const awaited_response refused = begin_send(subject, get(origin.url("/stall")));
    EXPECT_EQ(refused.error(), errc::queue_full);
    EXPECT_EQ(refused.value().failure.phase, phase::queue);
    EXPECT_TRUE(refused.error() == errc_condition::never_sent);
    EXPECT_EQ(subject.stats().total().queue_refused, 1U);
    for (const awaited_response& call : calls) EXPECT_EQ(call.count(), 0U);
}

TEST(ShardTest, NoWaitersMeansFailAtOnceButNotWhereADialMayServe) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_connections_per_origin = 2;
    values.pool.max_waiters = 0;
    client subject(values);
    const awaited_response first = begin_send(subject, get(origin.url("/d/20")));
    const awaited_response second = begin_send(subject, get(origin.url("/d/20")));
    const awaited_response third = begin_send(subject, get(origin.url("/d/0")));
    EXPECT_EQ(third.error(), errc::queue_full);
    EXPECT_FALSE(first.error());
    EXPECT_FALSE(second.error());
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U) << "an idle one serves it";
}

TEST(ShardTest, WaiterFailsWithQueueTimeout) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_connections_per_origin = 1;
    values.timeouts.queue = 30ms;
    client subject(values);
    const awaited_response first = begin_send(subject, get(origin.url("/stall")));
    ASSERT_TRUE(eventually([&] { return origin.counters().requests_active == 1; }));
    const awaited_response second = begin_send(subject, get(origin.url("/stall")));
    EXPECT_EQ(second.error(), errc::queue_timeout);
    EXPECT_EQ(second.value().failure.phase, phase::queue);
    EXPECT_NE(second.value().failure.detail.find("1 connections"), std::string::npos)
        << second.value().failure.detail;
    EXPECT_EQ(subject.stats().total().queue_timeouts, 1U);
}

TEST(ShardTest, WaiterIsServedByTheConnectionThatIsFreedFirst) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_connections_per_origin = 1;
    client subject(values);
    std::vector<awaited_response> calls;
    for (int i = 0; i < 20; ++i) calls.push_back(begin_send(subject, get(origin.url("/d/0"))));
    for (const awaited_response& call : calls) EXPECT_FALSE(call.error());
    EXPECT_TRUE(calls.back().value().connection.reused);
    EXPECT_EQ(origin.counters().connections_accepted, 1U);
}

TEST(ShardTest, MostRecentlyUsedConnectionIsTakenFirst) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    EXPECT_EQ(subject.warm(origin_of(origin.url()), 3), 3U);
    std::atomic<std::uint64_t> used{0};
    origin.on("/which", [&](const testing::request_view& request, testing::responder to) {
        used |= 1ULL << request.connection;
        to.answer({});
    });
    for (int i = 0; i < 10; ++i) (void)subject.send(get(origin.url("/which")));
    EXPECT_EQ(std::popcount(used.load()), 1);
}

TEST(ShardTest, IdleConnectionOfAnotherOriginMakesRoom) {
    testing::origin first(plaintext());
    testing::origin second(plaintext());
    config values = one_thread();
    values.pool.max_connections = 1;
    values.pool.max_connections_per_origin = 1;
    client subject(values);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(subject.send(get((i % 2 == 0 ? first : second).url("/d/0"))).status, 200U);
        EXPECT_EQ(subject.stats().total().open, 1U);
    }
    EXPECT_EQ(closed_by(subject.stats(), close_reason::evicted), 3U);
}

TEST(ShardTest, LeasesMoveBetweenThreads) {
    std::vector<std::unique_ptr<testing::origin>> origins;
    for (int i = 0; i < 6; ++i) {
        origins.push_back(std::make_unique<testing::origin>(plaintext()));
    }
    config values;
    values.io.threads = 3;
    values.pool.max_connections = 1;
    values.pool.max_connections_per_origin = 1;
    client subject(values);
    for (std::size_t i = 0; i < 24; ++i) {
        EXPECT_EQ(subject.send(get(origins[i % 6]->url("/d/0"))).status, 200U);
    }
    EXPECT_EQ(subject.stats().total().open, 1U);
    expect_consistent(subject.stats());
}

// Warm-up.

TEST(ShardTest, WarmDialsWhatIsMissing) {
    testing::origin origin;
    client subject(trusting(origin.ca_pem()));
    EXPECT_EQ(subject.warm(origin_of(origin.url()), 2), 2U);
    EXPECT_EQ(subject.warm(origin_of(origin.url()), 4), 4U);
    EXPECT_EQ(subject.warm(origin_of(origin.url()), 1), 4U);
    EXPECT_TRUE(eventually([&] { return origin.counters().connections_accepted == 4; }));
    const response result = subject.send(get(origin.url("/d/0")));
    EXPECT_TRUE(result.connection.reused) << "it was warm before";
    EXPECT_EQ(result.timings.handshake.count(), 0);
}

TEST(ShardTest, WarmStopsAtTheLimit) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_connections_per_origin = 3;
    client subject(values);
    EXPECT_EQ(subject.warm(origin_of(origin.url()), 100), 3U);
    EXPECT_TRUE(eventually([&] { return origin.counters().connections_open == 3; }));
    EXPECT_EQ(origin.counters().connections_peak, 3U);
}

TEST(ShardTest, WarmTellsWhyItFailed) {
    std::uint16_t closed_port = 0;
    {
        const testing::origin gone(plaintext());
        closed_port = gone.port();
    }
    client subject(one_thread());
    try {
        (void)subject.warm(origin_of("http://127.0.0.1:" + std::to_string(closed_port)), 2);
        FAIL() << "it did not throw";
    } catch (const send_error& error) {
        EXPECT_EQ(error.code(), errc::connect_failed) << error.what();
    }
}

// The life of idle connections.

TEST(ShardTest, IdleConnectionsEndByTheirTimeout) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.idle_timeout = 20ms;
    client subject(values);
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }));
    EXPECT_EQ(closed_by(subject.stats(), close_reason::idle_timeout), 1U);
    EXPECT_TRUE(eventually([&] { return origin.counters().connections_open == 0; }));
}

TEST(ShardTest, OldConnectionsAreRetiredWhenIdle) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_lifetime = 20ms;
    client subject(values);
    EXPECT_EQ(subject.send(get(origin.url("/d/50"))).status, 200U) << "not while it is in use";
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }));
    EXPECT_EQ(closed_by(subject.stats(), close_reason::lifetime), 1U);
}

TEST(ShardTest, IdleConnectionsBeyondTheCapAreClosed) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_idle_per_origin = 2;
    client subject(values);
    std::vector<awaited_response> calls;
    for (int i = 0; i < 6; ++i) calls.push_back(begin_send(subject, get(origin.url("/d/30"))));
    for (const awaited_response& call : calls) EXPECT_FALSE(call.error());
    EXPECT_TRUE(eventually([&] { return subject.stats().total().active == 0; }));
    const stats end = subject.stats();
    EXPECT_EQ(end.total().idle, 2U);
    EXPECT_EQ(closed_by(end, close_reason::idle_limit), 4U);
    expect_consistent(end);
}

TEST(ShardTest, NumbersAgreeAfterAMixedDay) {
    testing::origin origin;
    config values = trusting(origin.ca_pem());
    values.pool.max_connections_per_origin = 8;
    client subject(values);
    const std::string paths[] = {"/d/0",          "/garbage",         "/reset-at/5",
                                 "/no-keepalive", "/truncate-at/300", "/status/404",
                                 "/chunked/5000", "/close-at/10"};
    std::vector<awaited_response> calls;
    for (int i = 0; i < 160; ++i) {
        request what = get(origin.url(paths[i % 8]));
        if (i % 5 == 0) what.deadline = in(2ms);
        calls.push_back(begin_send(subject, std::move(what)));
        if (i % 20 == 0) expect_consistent(subject.stats());
    }
    for (const awaited_response& call : calls) (void)call.wait();
    const stats end = subject.stats();
    expect_consistent(end);
    EXPECT_EQ(end.calls, 160U);
    EXPECT_EQ(end.completed, 160U);
    for (const awaited_response& call : calls) EXPECT_EQ(call.count(), 1U);
    EXPECT_LE(origin.counters().requests_peak, 8U);
    subject.drain();
    const stats drained = subject.stats();
    expect_consistent(drained);
    EXPECT_EQ(drained.total().opened, drained.total().closed);
}

}  // namespace
}  // namespace hearth
