#include "client/client_state.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "client/scripted.hpp"
#include "support/forked.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

// The end of a client.

TEST(ClientStateTest, DestructorCompletesEveryPendingCallOnce) {
    testing::origin origin(plaintext());
    testing::origin silent;
    silent.set_silent(true);
    std::vector<awaited_response> calls;
    awaited<error_code, std::uint32_t> warming;
    {
        config values;
        values.io.threads = 3;
        values.pool.max_connections_per_origin = 4;
        client subject(values);
        for (int i = 0; i < 20; ++i)
            calls.push_back(begin_send(subject, get(origin.url("/stall"))));
        ASSERT_TRUE(eventually([&] { return origin.counters().requests_active == 4; }));
        subject.async_warm(origin_of(silent.url()), 1, warming.handler());
    }
    for (const awaited_response& call : calls) {
        EXPECT_EQ(call.count(), 1U);  // own threads were joined after their handlers ran
        EXPECT_EQ(call.error(), errc::client_closed);
        EXPECT_FALSE(call.value().failure.origin.empty());
    }
    EXPECT_EQ(warming.error(), errc::client_closed);
    EXPECT_TRUE(eventually([&] { return origin.counters().connections_open == 0; }));
}

TEST(ClientStateTest, HandlersOnTheCallersContextRunAfterTheDestructor) {
    testing::origin origin(plaintext());
    asio::io_context context;
    awaited_response call;
    {
        client subject(context.get_executor());
        call = begin_send(subject, get(origin.url("/stall")));
        while (origin.counters().requests_active == 0) {
            context.run_one_for(1ms);
        }
    }
    EXPECT_EQ(call.count(), 0U);
    context.run_for(patience);  // ends: nothing of the client is left
    EXPECT_EQ(call.count(), 1U);
    EXPECT_EQ(call.error(), errc::client_closed);
}

TEST(ClientStateTest, CallerOfADestroyedContextIsNotTouched) {
    testing::origin origin(plaintext());
    awaited_response call;
    {
        asio::io_context context;
        client subject(context.get_executor());
        call = begin_send(subject, get(origin.url("/stall")));
        while (origin.counters().requests_active == 0) context.run_one_for(1ms);
    }
    EXPECT_EQ(call.count(), 0U);
}

TEST(ClientStateTest, ClientMayDieInItsOwnHandler) {
    testing::origin origin(plaintext());
    auto subject = std::make_unique<client>(one_thread());
    awaited_response first;
    const awaited_response second = begin_send(*subject, get(origin.url("/stall")));
    subject->async_send(get(origin.url("/d/0")),
                        [&subject, tell = first.handler()](error_code error, response result) {
                            subject.reset();
                            tell(error, std::move(result));
                        });
    EXPECT_FALSE(first.error());
    EXPECT_EQ(second.error(), errc::client_closed);
    EXPECT_EQ(second.count(), 1U);
}

TEST(ClientStateTest, ExchangeOutlivesItsClient) {
    testing::origin origin(plaintext());
    auto subject = std::make_unique<client>(one_thread());
    exchange kept = open(*subject, get(origin.url("/stall")));
    const awaited_head head = read_head(kept);
    subject.reset();
    EXPECT_EQ(head.error(), errc::client_closed);
    char byte = 0;
    const awaited_size read = begin_read(kept, asio::buffer(&byte, 1));
    EXPECT_EQ(read.error(), errc::client_closed);
    const awaited_size write = begin_write(kept, asio::buffer("x", 1));
    EXPECT_TRUE(write.error());
    kept.cancel();
    kept.close();
    EXPECT_FALSE(kept.is_open());
}

TEST(ClientStateTest, CallsAfterADrainAreRefused) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    const awaited_response running = begin_send(subject, get(origin.url("/d/30")));
    ASSERT_TRUE(eventually([&] { return origin.counters().requests_active == 1; }));
    awaited_done drained;
    subject.async_drain(drained.handler());
    const awaited_response refused = begin_send(subject, get(origin.url("/d/0")));
    EXPECT_EQ(refused.error(), errc::client_draining);
    EXPECT_FALSE(drained.error());
    EXPECT_FALSE(running.error()) << "what ran before the drain ends well";
    EXPECT_EQ(running.count(), 1U);
    const stats end = subject.stats();
    EXPECT_EQ(end.total().open, 0U);
    expect_consistent(end);
    subject.drain();  // a second one ends at once
}

TEST(ClientStateTest, DrainEndsIdleConnections) {
    testing::origin origin;
    client subject(trusting(origin.ca_pem()));
    EXPECT_EQ(subject.warm(origin_of(origin.url()), 3), 3U);
    subject.drain();
    EXPECT_EQ(subject.stats().total().open, 0U);
    EXPECT_EQ(closed_by(subject.stats(), close_reason::client_closed), 3U);
    EXPECT_TRUE(eventually([&] { return origin.counters().connections_open == 0; }));
}

// Threads and shards.

TEST(ClientStateTest, EveryThreadServesOrigins) {
    std::vector<std::unique_ptr<testing::origin>> origins;
    for (int i = 0; i < 6; ++i) {
        origins.push_back(std::make_unique<testing::origin>(plaintext()));
    }
    config values;
    values.io.threads = 4;
    client subject(values);
    std::vector<awaited_response> calls;
    for (std::size_t i = 0; i < 60; ++i) {
        calls.push_back(begin_send(subject, get(origins[i % 6]->url("/d/1"))));
    }
    for (const awaited_response& call : calls) EXPECT_FALSE(call.error());
    const stats end = subject.stats();
    EXPECT_EQ(end.origins.size(), 6U);
    EXPECT_EQ(end.total().exchanges, 60U);
    expect_consistent(end);
}

TEST(ClientStateTest, ListOfExecutorsIsAListOfShards) {
    testing::origin first(plaintext());
    testing::origin second(plaintext());
    asio::io_context contexts[2];
    client subject(
        std::vector<client::executor_type>{contexts[0].get_executor(), contexts[1].get_executor()});
    auto guard_a = asio::make_work_guard(contexts[0]);
    auto guard_b = asio::make_work_guard(contexts[1]);
    std::thread threads[] = {std::thread([&] { contexts[0].run(); }),
                             std::thread([&] { contexts[1].run(); })};
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(subject.send(get((i % 2 == 0 ? first : second).url("/d/0"))).status, 200U);
    }
    EXPECT_EQ(subject.stats().completed, 20U);
    subject.drain();
    guard_a.reset();
    guard_b.reset();
    { const client gone(std::move(subject)); }
    for (std::thread& thread : threads) thread.join();
}

TEST(ClientStateTest, NoExecutorIsRefused) {
    EXPECT_THROW(client(std::vector<client::executor_type>{}), boost::system::system_error);
}

// Fork.

/// True if `call` throws what is wrong.
template <class Call>
bool is_refused(Call call) {
    try {
        call();
    } catch (const send_error& error) {
        return error.code() == errc::wrong_process && !error.failure().detail.empty();
    }
    return false;
}

TEST(ClientStateTest, EveryCallInAForkIsRefused) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    ASSERT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    const std::string url = origin.url("/d/0");
    forked child([&] {
        error_code error;
        (void)subject.send(get(url), error);
        int wrong = error == errc::wrong_process ? 0 : 1;
        const auto expect = [&](bool refused) { wrong += refused ? 0 : 1; };
        const auto ignore = [](auto&&...) {};
        expect(is_refused([&] { (void)subject.send(get(url)); }));
        expect(is_refused([&] { subject.async_send(get(url), ignore); }));
        expect(is_refused([&] { subject.async_open(get(url), ignore); }));
        expect(is_refused([&] { subject.async_warm(origin_of(url), 1, ignore); }));
        expect(is_refused([&] { (void)subject.warm(origin_of(url), 1); }));
        expect(is_refused([&] { subject.async_drain(ignore); }));
        expect(is_refused([&] { subject.drain(); }));
        expect(is_refused([&] { (void)subject.stats(); }));
        return wrong;
    });
    EXPECT_EQ(child.result(), 0) << "calls that were not refused";
}

TEST(ClientStateTest, DestroyedInAForkItLeavesTheParentsConnectionsAlone) {
    testing::origin origin;
    std::optional<client> subject(trusting(origin.ca_pem()));
    ASSERT_EQ(subject->send(get(origin.url("/d/0"))).status, 200U);
    awaited<error_code, exchange> opened;
    subject->async_open(get(origin.url("/d/0")), opened.handler());
    ASSERT_FALSE(opened.error());
    exchange& streamed = std::get<1>(opened.wait());
    // Its answer is here, too, then: a fork of a process whose threads are at work may find the
    // locks of a sanitizer's allocator taken for ever.
    ASSERT_EQ(subject->send(get(origin.url("/d/10"))).status, 200U);
    forked child([&] {
        if (!is_refused([&] { streamed.async_read_head([](auto&&...) {}); })) return 1;
        streamed.cancel();
        streamed.close();
        subject.reset();
        return 0;
    });
    EXPECT_EQ(child.result(), 0);
    awaited<error_code, response_head> head;
    streamed.async_read_head(head.handler());
    EXPECT_FALSE(head.error()) << head.error().message();
    EXPECT_EQ(subject->send(get(origin.url("/d/0"))).status, 200U);
    EXPECT_LE(origin.counters().connections_accepted, 2U);
}

#ifndef __SANITIZE_THREAD__  // which allows no threads in a fork
TEST(ClientStateTest, ChildBuildsAClientOfItsOwn) {
    testing::origin origin(plaintext());
    const client parents(one_thread());
    const std::string url = origin.url("/d/0");
    forked child([&] {
        client own(one_thread());
        return own.send(get(url)).status == 200U ? 0 : 1;
    });
    EXPECT_EQ(child.result(), 0);
}
#endif

}  // namespace
}  // namespace hearth
