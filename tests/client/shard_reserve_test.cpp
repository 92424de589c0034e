// shard, reserved connections: one owner, one exchange after the other, and back to the pool.
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <mutex>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using boost::system::error_code;

using awaited_connection = awaited<error_code, reserved_connection>;

awaited_connection reserve(client& from, const std::string& url) {
    awaited_connection call;
    from.async_reserve(get(url), call.handler());
    return call;
}

awaited_response send_on(reserved_connection& on, request what) {
    awaited_response call;
    on.async_send(std::move(what), call.handler());
    return call;
}

/// Says on which connection a request came.
class ShardReserveTest : public ::testing::Test {
protected:
    ShardReserveTest() {
        origin_.on("/", [](const testing::request_view& seen, testing::responder reply) {
            testing::reply whole;
            whole.body = std::to_string(seen.connection) + std::string(seen.body);
            if (seen.query == "close") whole.close = true;
            reply.answer(std::move(whole));
        });
        origin_.on("/late", [](const testing::request_view&, testing::responder reply) {
            reply.never_answer();
        });
    }
    ~ShardReserveTest() override { expect_consistent(subject_.stats()); }

    testing::origin origin_{plaintext()};
    client subject_{one_thread()};
};

TEST_F(ShardReserveTest, OwnerHasItAloneAndOthersGetAnother) {
    const awaited_connection call = reserve(subject_, origin_.url("/"));
    ASSERT_FALSE(call.error());
    reserved_connection& mine = call.value();
    EXPECT_TRUE(mine.is_open());
    EXPECT_EQ(mine.info().peer_address, "127.0.0.1:" + std::to_string(origin_.port()));
    for (int i = 0; i < 3; ++i) {
        const response got = send_on(mine, post(origin_.url("/"), "!")).value();
        EXPECT_EQ(got.body, "0!");
        EXPECT_TRUE(got.connection.reused);
        EXPECT_EQ(subject_.send(get(origin_.url("/"))).body, "1");
    }
    EXPECT_EQ(subject_.stats().total().active, 1U);
    EXPECT_EQ(subject_.stats().in_flight, 0U);
    mine.release();
    EXPECT_FALSE(mine.is_open());
    EXPECT_TRUE(eventually([&] { return subject_.stats().total().idle == 2; }));
    EXPECT_EQ(subject_.send(get(origin_.url("/"))).body, "0") << "anybody's again";
}

TEST_F(ShardReserveTest, DroppedHandleGivesBackAndCloseCloses) {
    {
        const awaited_connection dropped = reserve(subject_, origin_.url("/"));
        EXPECT_FALSE(dropped.error());
    }
    EXPECT_TRUE(eventually([&] { return subject_.stats().total().idle == 1; }));
    const awaited_connection call = reserve(subject_, origin_.url("/"));
    EXPECT_EQ(send_on(call.value(), get(origin_.url("/"))).value().body, "0") << "the idle one";
    call.value().close();
    EXPECT_TRUE(eventually([&] { return subject_.stats().total().open == 0; }));
    EXPECT_EQ(subject_.stats().total().closed, 1U);
}

TEST_F(ShardReserveTest, OneExchangeAtATimeOfOneOrigin) {
    const awaited_connection call = reserve(subject_, origin_.url("/"));
    reserved_connection& mine = call.value();
    const awaited_response first = send_on(mine, get(origin_.url("/late")));
    EXPECT_EQ(send_on(mine, get(origin_.url("/"))).error(), errc::invalid_state);
    EXPECT_EQ(send_on(mine, get("nonsense")).error(), errc::invalid_url);
    mine.close();
    EXPECT_EQ(first.error(), boost::asio::error::operation_aborted);

    const awaited_connection next = reserve(subject_, origin_.url("/"));
    const awaited_response other = send_on(next.value(), get("http://127.0.0.1:9/"));
    EXPECT_EQ(other.error(), errc::invalid_state);
    EXPECT_NE(other.value().failure.detail.find(origin_.url()), std::string::npos);
    EXPECT_EQ(send_on(next.value(), get(origin_.url("/"))).value().status, 200U) << "still there";
}

TEST_F(ShardReserveTest, ReleaseLetsTheExchangeEndFirst) {
    origin_.on("/soon", [](const testing::request_view&, testing::responder reply) {
        reply.delay(100ms);
        reply.answer({});
    });
    awaited_response running;
    {
        const awaited_connection call = reserve(subject_, origin_.url("/"));
        running = send_on(call.value(), get(origin_.url("/soon")));
        call.value().release();
    }
    EXPECT_EQ(running.value().status, 200U);
    EXPECT_TRUE(eventually([&] { return subject_.stats().total().idle == 1; }));
}

TEST_F(ShardReserveTest, WhatEndsTheConnectionIsTold) {
    const awaited_connection call = reserve(subject_, origin_.url("/"));
    EXPECT_EQ(send_on(call.value(), get(origin_.url("/?close"))).value().status, 200U);
    EXPECT_TRUE(eventually([&] { return !call.value().is_open(); }));
    EXPECT_EQ(send_on(call.value(), get(origin_.url("/"))).error(), errc::peer_closed);

    const awaited_connection idle = reserve(subject_, origin_.url("/"));
    ASSERT_TRUE(idle.value().is_open());
    ASSERT_TRUE(eventually([&] {  // it has seen the first one go and this one come
        const testing::origin_counters seen = origin_.counters();
        return seen.connections_accepted == 2 && seen.connections_open == 1;
    }));
    origin_.close_all_connections();
    EXPECT_TRUE(eventually([&] { return !idle.value().is_open(); }));
    EXPECT_EQ(send_on(idle.value(), get(origin_.url("/"))).error(), errc::peer_closed);
    EXPECT_EQ(subject_.stats().total().open, 0U);
    EXPECT_EQ(subject_.stats().total().stale_retries, 0U);
}

TEST_F(ShardReserveTest, DeadlineEndsTheConnection) {
    const awaited_connection call = reserve(subject_, origin_.url("/"));
    request what = get(origin_.url("/late"));
    what.deadline = in(100ms);
    EXPECT_EQ(send_on(call.value(), std::move(what)).error(), errc::deadline_exceeded);
    EXPECT_TRUE(eventually([&] { return !call.value().is_open(); }));
    EXPECT_EQ(send_on(call.value(), get(origin_.url("/"))).error(), errc::deadline_exceeded);
}

TEST_F(ShardReserveTest, CountsInTheLimitsAndMayFail) {
    config values = one_thread();
    values.pool.max_connections_per_origin = 1;
    client subject(values);
    const awaited_connection call = reserve(subject, origin_.url("/"));
    ASSERT_FALSE(call.error());
    request what = get(origin_.url("/"));
    what.deadline = in(100ms);
    error_code error;
    (void)subject.send(what, error);
    EXPECT_EQ(error, errc_condition::timeout) << error.message();
    awaited_response waiting = begin_send(subject, get(origin_.url("/")));
    ASSERT_TRUE(eventually([&] { return subject.stats().total().waiting == 1; }));
    call.value().release();
    EXPECT_EQ(waiting.value().status, 200U);
    config impatient = one_thread();
    impatient.pool.dial_patience = 0ms;
    client lost(impatient);
    const awaited_connection nobody = reserve(lost, "http://127.0.0.1:9/");
    EXPECT_EQ(nobody.error(), errc::connect_failed);
    EXPECT_FALSE(nobody.value().is_open());
}

TEST_F(ShardReserveTest, DrainAndTheClientsEndTakeItBack) {
    awaited_connection call;
    {
        client ending(one_thread());
        call = reserve(ending, origin_.url("/"));
        ASSERT_FALSE(call.error());
        awaited_done drained;
        ending.async_drain(drained.handler());
        EXPECT_FALSE(drained.error());
        EXPECT_FALSE(call.value().is_open());
        EXPECT_EQ(send_on(call.value(), get(origin_.url("/"))).error(), errc::invalid_state);
    }
    awaited_connection last;
    {
        client ending(one_thread());
        last = reserve(ending, origin_.url("/"));
        ASSERT_FALSE(last.error());
    }
    EXPECT_FALSE(last.value().is_open());
    EXPECT_TRUE(send_on(last.value(), get(origin_.url("/"))).error());
}

}  // namespace
}  // namespace hearth
