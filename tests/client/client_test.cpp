#include "hearth/client.hpp"

#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <thread>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

TEST(ClientTest, CompletesACallback) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    const awaited_response call = begin_send(subject, get(origin.url("/bytes/300")));
    EXPECT_FALSE(call.error()) << call.error().message();
    EXPECT_EQ(call.value().status, 200U);
    EXPECT_EQ(call.value().body, testing::pattern_octets(0, 300));
    EXPECT_EQ(call.value().attempts, 1U);
}

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 with sanitizers takes a parameter of Asio's use_future for uninitialised.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

TEST(ClientTest, CompletesAFuture) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    std::future<response> good = subject.async_send(get(origin.url("/d/0")), asio::use_future);
    std::future<response> bad = subject.async_send(get("ftp://x/"), asio::use_future);
    ASSERT_EQ(good.wait_for(patience), std::future_status::ready);
    EXPECT_EQ(good.get().status, 200U);
    ASSERT_EQ(bad.wait_for(patience), std::future_status::ready);
    try {
        (void)bad.get();
        FAIL() << "it did not throw";
    } catch (const boost::system::system_error& error) {
        EXPECT_EQ(error.code(), errc::unsupported_scheme);
    }
}

asio::awaitable<unsigned> fetch_twice(client& subject, std::string url, std::string bad_url) {
    const response first = co_await subject.async_send(get(std::move(url)), asio::use_awaitable);
    auto [error, second] =
        co_await subject.async_send(get(std::move(bad_url)), asio::as_tuple(asio::use_awaitable));
    EXPECT_EQ(error, errc::invalid_url);
    EXPECT_EQ(second.failure.phase, phase::validation);
    co_return first.status;
}

TEST(ClientTest, CompletesACoroutineOnTheCallersContext) {
    testing::origin origin(plaintext());
    asio::io_context context;
    client subject(context.get_executor());
    auto status = asio::co_spawn(context, fetch_twice(subject, origin.url("/d/0"), "http://a b/"),
                                 asio::use_future);
    while (status.wait_for(0s) != std::future_status::ready) {
        ASSERT_NE(context.run_one_for(patience), 0U);
    }
    EXPECT_EQ(status.get(), 200U);
}

TEST(ClientTest, ThrowingFutureCarriesTheFailure) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    request late = get(origin.url("/stall"));
    late.deadline = in(30ms);
    std::future<response> bad = subject.async_send(std::move(late), asio::use_future);
    ASSERT_EQ(bad.wait_for(patience), std::future_status::ready);
    try {
        (void)bad.get();
        FAIL() << "it did not throw";
    } catch (const send_error& error) {
        EXPECT_EQ(error.code(), errc::deadline_exceeded);
        EXPECT_EQ(error.failure().phase, phase::first_byte);
        EXPECT_EQ(error.failure().origin, origin_of(origin.url()).to_string());
    }
}

asio::awaitable<phase> phase_of_failure(client& subject, request what) {
    try {
        (void)co_await subject.async_send(std::move(what), asio::use_awaitable);
    } catch (const send_error& error) {
        co_return error.failure().phase;
    }
    co_return phase::none;
}

TEST(ClientTest, ThrowingCoroutineCarriesTheFailure) {
    testing::origin origin(plaintext());
    asio::io_context context;
    client subject(context.get_executor());
    auto good = asio::co_spawn(context, phase_of_failure(subject, get(origin.url("/d/0"))),
                               asio::use_future);
    request late = get(origin.url("/stall"));
    late.deadline = in(30ms);
    auto bad =
        asio::co_spawn(context, phase_of_failure(subject, std::move(late)), asio::use_future);
    while (bad.wait_for(0s) != std::future_status::ready) {
        ASSERT_NE(context.run_one_for(patience), 0U);
    }
    EXPECT_EQ(good.get(), phase::none);
    EXPECT_EQ(bad.get(), phase::first_byte);
}

TEST(ClientTest, DefaultTokenIsDeferred) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    auto operation = subject.async_send(get(origin.url("/d/0")));
    EXPECT_EQ(subject.stats().calls, 0U);  // nothing begins before it is launched
    awaited_response call;
    std::move(operation)(call.handler());
    EXPECT_FALSE(call.error());
    EXPECT_EQ(subject.stats().calls, 1U);
}

TEST(ClientTest, BlockingSendThrowsWithTheFailure) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    request late = get(origin.url("/stall"));
    late.deadline = in(30ms);
    try {
        (void)subject.send(std::move(late));
        FAIL() << "it did not throw";
    } catch (const send_error& error) {
        EXPECT_EQ(error.code(), errc::deadline_exceeded);
        EXPECT_EQ(error.failure().phase, phase::first_byte);
        EXPECT_EQ(error.failure().origin, origin_of(origin.url()).to_string());
        EXPECT_TRUE(error.failure().maybe_processed);
        EXPECT_NE(std::string(error.what()).find("first_byte"), std::string::npos);
    }
}

TEST(ClientTest, BlockingCallOnOwnThreadWouldDeadlock) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    awaited<error_code, error_code> seen;
    subject.async_send(get(origin.url("/d/0")), [&, tell = seen.handler()](error_code, response) {
        error_code from_send;
        (void)subject.send(get(origin.url("/d/0")), from_send);
        error_code from_stats;
        try {
            (void)subject.stats();
        } catch (const send_error& error) {
            from_stats = error.code();
        }
        tell(from_send, from_stats);
    });
    EXPECT_EQ(std::get<0>(seen.wait()), errc::would_deadlock);
    EXPECT_EQ(std::get<1>(seen.wait()), errc::would_deadlock);
}

TEST(ClientTest, BlockingCallOnTheCallersContextWouldDeadlock) {
    asio::io_context context;
    client subject(context.get_executor());
    error_code seen;
    asio::post(context, [&] { (void)subject.send(get("http://127.0.0.1:1/"), seen); });
    context.run_one();
    EXPECT_EQ(seen, errc::would_deadlock);
}

TEST(ClientTest, WorksOnAThreadPool) {
    testing::origin origin;
    config values;
    values.tls.profile = trust(origin.ca_pem());
    asio::thread_pool pool(3);
    client subject(pool.get_executor(), values);
    std::vector<awaited_response> calls;
    for (int i = 0; i < 50; ++i) calls.push_back(begin_send(subject, get(origin.url("/d/0"))));
    for (const awaited_response& call : calls) {
        EXPECT_FALSE(call.error()) << call.error().message();
        EXPECT_EQ(call.count(), 1U);
    }
    expect_consistent(subject.stats());
}

TEST(ClientTest, MovedClientKeepsItsCalls) {
    testing::origin origin(plaintext());
    client first(one_thread());
    const awaited_response call = begin_send(first, get(origin.url("/d/20")));
    client second(std::move(first));
    EXPECT_FALSE(call.error());
    EXPECT_EQ(second.stats().completed, 1U);
    second = client(one_thread());
    EXPECT_EQ(second.stats().calls, 0U);
}

TEST(ClientTest, HandlerRunsOnItsExecutor) {
    testing::origin origin(plaintext());
    asio::io_context context;
    client subject(one_thread());
    std::thread::id ran_on;
    subject.async_send(get(origin.url("/d/0")),
                       asio::bind_executor(context, [&](error_code error, response) {
                           EXPECT_FALSE(error);
                           ran_on = std::this_thread::get_id();
                       }));
    context.run_for(patience);  // the handler is outstanding work, so this ends by it
    EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(ClientTest, HandlerNeverRunsInsideTheCall) {
    asio::io_context context;
    client subject(context.get_executor());
    bool inside = false;
    awaited_response bad;
    asio::post(context, [&] {
        inside = true;
        subject.async_send(get("nonsense"), [&, tell = bad.handler()](error_code e, response r) {
            EXPECT_FALSE(inside);
            tell(e, std::move(r));
        });
        inside = false;
    });
    while (bad.count() == 0) ASSERT_NE(context.run_one_for(patience), 0U);
    EXPECT_EQ(bad.error(), errc::invalid_url);
}

TEST(ClientTest, ContradictoryConfigThrows) {
    config values;
    values.pool.max_connections = 0;
    try {
        const client subject(values);
        FAIL() << "it did not throw";
    } catch (const boost::system::system_error& error) {
        EXPECT_EQ(error.code(), errc::invalid_config);
        EXPECT_NE(std::string(error.what()).find("pool.max_connections"), std::string::npos);
    }
}

struct refused_input {
    errc code;
    std::function<void(request&)> spoil;
};

TEST(ClientTest, BadInputIsRefusedBeforeAnythingIsSent) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    const refused_input inputs[] = {
        {errc::invalid_url, [](request& r) { r.url = "http://a b/"; }},
        {errc::unsupported_scheme, [](request& r) { r.url = "ftp://host/"; }},
        {errc::invalid_method, [](request& r) { r.method = method("BAD METHOD"); }},
        {errc::invalid_header, [](request& r) { r.headers.add("x", "a\r\nb: c"); }},
        {errc::invalid_header, [](request& r) { r.headers.add("x\n", "a"); }},
        {errc::invalid_header, [](request& r) { r.headers.add("x", std::string_view("\0", 1)); }},
        {errc::invalid_framing, [](request& r) { r.headers.add("content-length", "7"); }},
        {errc::invalid_framing, [](request& r) { r.headers.add("transfer-encoding", "chunked"); }},
        {errc::invalid_trailer, [](request& r) { r.trailers.add("content-length", "1"); }},
        {errc::invalid_trailer, [](request& r) { r.trailers.add("x", "a\nb"); }},
        {errc::invalid_body, [](request& r) { r.body = streamed_body{}; }},
        {errc::invalid_body, [](request& r) { r.body = body::source_type(); }},
    };
    for (const refused_input& input : inputs) {
        request what = post(origin.url("/upload"), "abc");
        input.spoil(what);
        error_code error;
        const response refused = subject.send(std::move(what), error);
        EXPECT_EQ(error, input.code) << error.message() << ": " << refused.failure.detail;
        EXPECT_EQ(refused.failure.phase, phase::validation);
        EXPECT_FALSE(refused.failure.detail.empty());
    }
    EXPECT_EQ(origin.counters().connections_accepted, 0U);
    EXPECT_EQ(subject.stats().completed, std::size(inputs));
}

TEST(ClientTest, BadUrlNamesThePosition) {
    client subject(one_thread());
    error_code error;
    const response refused = subject.send(get("http://host/a b"), error);
    EXPECT_EQ(error, errc::invalid_url);
    EXPECT_NE(refused.failure.detail.find("13"), std::string::npos) << refused.failure.detail;
}

// Cancellation.

constexpr asio::cancellation_type all_types[] = {asio::cancellation_type::terminal,
                                                 asio::cancellation_type::partial,
                                                 asio::cancellation_type::total};

TEST(ClientTest, EveryCancellationTypeWithdrawsAWaiter) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_connections_per_origin = 1;
    client subject(values);
    const awaited_response first = begin_send(subject, get(origin.url("/stall")));
    ASSERT_TRUE(eventually([&] { return origin.counters().requests_active == 1; }));
    for (const auto type : all_types) {
        asio::cancellation_signal signal;
        awaited_response call;
        subject.async_send(get(origin.url("/d/0")),
                           asio::bind_cancellation_slot(signal.slot(), call.handler()));
        signal.emit(type);
        EXPECT_EQ(call.error(), asio::error::operation_aborted);
        EXPECT_EQ(call.value().failure.phase, phase::queue);
        EXPECT_FALSE(call.value().failure.maybe_processed);
    }
    EXPECT_EQ(first.count(), 0U);
    EXPECT_EQ(origin.counters().requests, 1U);
}

TEST(ClientTest, StrongCancellationEndsASentCall) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial}) {
        const auto before = origin.counters().requests;
        asio::cancellation_signal signal;
        awaited_response call;
        subject.async_send(get(origin.url("/stall")),
                           asio::bind_cancellation_slot(signal.slot(), call.handler()));
        ASSERT_TRUE(eventually([&] { return origin.counters().requests > before; }));
        signal.emit(type);
        EXPECT_EQ(call.error(), asio::error::operation_aborted);
        EXPECT_EQ(call.value().failure.phase, phase::first_byte);
        EXPECT_TRUE(call.value().failure.maybe_processed);
    }
}

TEST(ClientTest, TotalCancellationLeavesASentCallAlone) {
    testing::origin origin(plaintext());
    std::promise<testing::responder> arrived;
    origin.on("/hold", [&](const testing::request_view&, testing::responder to) {
        arrived.set_value(std::move(to));
    });
    client subject(one_thread());
    asio::cancellation_signal signal;
    awaited_response call;
    subject.async_send(get(origin.url("/hold")),
                       asio::bind_cancellation_slot(signal.slot(), call.handler()));
    testing::responder to = arrived.get_future().get();
    signal.emit(asio::cancellation_type::total);
    (void)subject.stats();  // the signal was looked at by now
    EXPECT_EQ(call.count(), 0U);
    to.answer({.body = "kept"});
    EXPECT_FALSE(call.error());
    EXPECT_EQ(call.value().body, "kept");
}

TEST(ClientTest, CancelledCallDrainsAndItsConnectionIsUsedAgain) {
    testing::origin origin(plaintext());
    std::promise<testing::responder> arrived;
    origin.on("/hold", [&](const testing::request_view&, testing::responder to) {
        arrived.set_value(std::move(to));
    });
    client subject(one_thread());
    asio::cancellation_signal signal;
    awaited_response call;
    subject.async_send(get(origin.url("/hold")),
                       asio::bind_cancellation_slot(signal.slot(), call.handler()));
    testing::responder to = arrived.get_future().get();
    signal.emit(asio::cancellation_type::terminal);
    EXPECT_EQ(call.error(), asio::error::operation_aborted);
    to.answer({.body = "for nobody"});
    ASSERT_TRUE(eventually([&] { return subject.stats().total().idle == 1; }));
    const response next = subject.send(get(origin.url("/bytes/5")));
    EXPECT_EQ(next.body, testing::pattern_octets(0, 5));
    EXPECT_TRUE(next.connection.reused);
    EXPECT_EQ(origin.counters().connections_accepted, 1U);
}

TEST(ClientTest, CancelOfACompletedCallDoesNothing) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    asio::cancellation_signal signal;
    awaited_response call;
    subject.async_send(get(origin.url("/d/0")),
                       asio::bind_cancellation_slot(signal.slot(), call.handler()));
    EXPECT_FALSE(call.error());
    signal.emit(asio::cancellation_type::terminal);
    (void)subject.stats();
    EXPECT_EQ(call.count(), 1U);
}

}  // namespace
}  // namespace hearth
