// send_flow: redirects followed over real connections, and one completion whatever happens.
#include "client/send_flow.hpp"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <mutex>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

config following() {
    config values = one_thread();
    values.redirect.enabled = true;
    return values;
}

testing::handler redirect_to(int status, std::string location) {
    return [status, location = std::move(location)](const testing::request_view& /*seen*/,
                                                    testing::responder reply) {
        testing::reply whole;
        whole.status = status;
        whole.headers = {{"location", location}};
        whole.body = "moved";
        reply.answer(std::move(whole));
    };
}

// Says what it was asked: method, some fields, body.
void say_request(const testing::request_view& seen, testing::responder reply) {
    testing::reply whole;
    whole.body = std::string(seen.method) + "|" +
                 std::string(seen.header("authorization").value_or("-")) + "|" +
                 std::string(seen.header("host").value_or("-")) + "|" + std::string(seen.body);
    reply.answer(std::move(whole));
}

TEST(SendFlowTest, IsNeededOnlyWhereAskedFor) {
    request what;
    config values;
    EXPECT_FALSE(detail::send_flow::is_needed(what, detail::call_defaults::of(values)));
    what.follow_redirects = true;
    EXPECT_TRUE(detail::send_flow::is_needed(what, detail::call_defaults::of(values)));
    values.redirect.enabled = true;
    what.follow_redirects = false;
    EXPECT_FALSE(detail::send_flow::is_needed(what, detail::call_defaults::of(values)));
    what.max_attempts = 2;
    EXPECT_TRUE(detail::send_flow::is_needed(what, detail::call_defaults::of(values)));
}

TEST(SendFlowTest, RedirectsAreAnswersByDefault) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    const response got = subject.send(get(origin.url("/redirect/2")));
    EXPECT_EQ(got.status, 302U);
    EXPECT_TRUE(got.redirects.empty());
    EXPECT_TRUE(got.attempt_log.empty());
}

TEST(SendFlowTest, ChainIsFollowedOverOneConnection) {
    testing::origin origin(plaintext());
    client subject(following());
    const response got = subject.send(get(origin.url("/redirect/3")));
    EXPECT_EQ(got.status, 200U);
    ASSERT_EQ(got.redirects.size(), 3U);
    EXPECT_EQ(got.redirects[0].status, 302U);
    EXPECT_EQ(got.redirects[2].url, origin.url("/redirect/0"));
    EXPECT_EQ(got.attempts, 4U);
    ASSERT_EQ(got.attempt_log.size(), 4U);
    EXPECT_EQ(got.attempt_log[0].status, 302U);
    EXPECT_EQ(got.attempt_log[3].status, 200U);
    EXPECT_EQ(subject.stats().total().opened, 1U);
    expect_consistent(subject.stats());
}

TEST(SendFlowTest, HopLimitAndLoopsAreErrorsWithTheChain) {
    testing::origin origin(plaintext());
    origin.on("/loop", redirect_to(302, "/loop"));
    client subject(following());
    error_code error;
    const response far = subject.send(get(origin.url("/redirect/11")), error);
    EXPECT_EQ(error, errc::too_many_redirects);
    EXPECT_EQ(far.redirects.size(), 10U);
    EXPECT_EQ(far.status, 302U);
    (void)subject.send(get(origin.url("/loop")), error);
    EXPECT_EQ(error, errc::too_many_redirects);
    origin.on("/bad", redirect_to(302, "ftp://nowhere/"));
    const response bad = subject.send(get(origin.url("/bad")), error);
    EXPECT_EQ(error, errc::redirect_refused);
    EXPECT_FALSE(bad.failure.detail.empty());
    EXPECT_EQ(bad.failure.attempt_log.size(), 1U);
}

TEST(SendFlowTest, CredentialsStayWithTheirOrigin) {
    testing::origin first(plaintext());
    testing::origin second(plaintext());
    first.on("/away", redirect_to(302, second.url("/said")));
    first.on("/near", redirect_to(302, "/said"));
    first.on("/said", say_request);
    second.on("/said", say_request);
    client subject(following());
    request what = get(first.url("/away"));
    what.headers.set("authorization", "secret");
    const std::string second_host = "127.0.0.1:" + std::to_string(second.port());
    EXPECT_EQ(subject.send(what).body, "GET|-|" + second_host + "|");
    what.url = first.url("/near");
    EXPECT_EQ(subject.send(what).body,
              "GET|secret|127.0.0.1:" + std::to_string(first.port()) + "|");
}

TEST(SendFlowTest, BodiesAreReplayedOrLeftBehind) {
    testing::origin origin(plaintext());
    origin.on("/said", say_request);
    origin.on("/307", redirect_to(307, "/said"));
    origin.on("/303", redirect_to(303, "/said"));
    client subject(following());
    const std::string host = "|-|127.0.0.1:" + std::to_string(origin.port()) + "|";
    EXPECT_EQ(subject.send(post(origin.url("/307"), "content")).body, "POST" + host + "content");
    EXPECT_EQ(subject.send(post(origin.url("/303"), "content")).body, "GET" + host);
}

TEST(SendFlowTest, OneDeadlineHoldsOverAllHops) {
    testing::origin origin(plaintext());
    origin.on("/to-stall", redirect_to(302, "/stall"));
    client subject(following());
    request what = get(origin.url("/to-stall"));
    what.deadline = in(150ms);
    error_code error;
    const response got = subject.send(what, error);
    EXPECT_EQ(error, errc::deadline_exceeded);
    EXPECT_EQ(got.redirects.size(), 1U);
    EXPECT_TRUE(got.failure.maybe_processed);
}

TEST(SendFlowTest, CancelReachesTheHopUnderWay) {
    testing::origin origin(plaintext());
    origin.on("/to-stall", redirect_to(302, "/stall"));
    client subject(following());
    asio::thread_pool pool(1);
    auto strand = asio::make_strand(pool);
    asio::cancellation_signal signal;
    awaited_response call;
    subject.async_send(
        get(origin.url("/to-stall")),
        asio::bind_executor(strand, asio::bind_cancellation_slot(signal.slot(), call.handler())));
    ASSERT_TRUE(eventually([&] { return origin.counters().requests == 2; }));
    asio::post(strand, [&] { signal.emit(asio::cancellation_type::total); });  // too late for that
    asio::post(strand, [&] { signal.emit(asio::cancellation_type::terminal); });
    EXPECT_EQ(call.error(), asio::error::operation_aborted);
    EXPECT_EQ(call.value().redirects.size(), 1U);
    pool.join();
    EXPECT_EQ(call.count(), 1U);
}

TEST(SendFlowTest, ClientsEndCompletesTheCallOnce) {
    testing::origin origin(plaintext());
    origin.on("/to-stall", redirect_to(302, "/stall"));
    awaited_response call;
    {
        client subject(following());
        subject.async_send(get(origin.url("/to-stall")), call.handler());
        ASSERT_TRUE(eventually([&] { return origin.counters().requests == 2; }));
    }
    EXPECT_EQ(call.error(), errc::client_closed);
    EXPECT_EQ(call.count(), 1U);
}

TEST(SendFlowTest, BadUrlIsRefusedAsEver) {
    client subject(following());
    error_code error;
    (void)subject.send(get("nonsense"), error);
    EXPECT_EQ(error, errc::invalid_url);
}

}  // namespace
}  // namespace hearth
