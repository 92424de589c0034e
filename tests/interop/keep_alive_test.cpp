// Connections that servers end when it suits them: limits of requests and of idle time, and
// requests that meet the end on the wire.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "interop/servers.hpp"
#include "support/awaited.hpp"

namespace hearth::interop {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

// Sends calls one after the other, each a little later after the last than the one before, so that
// some meet the very moment at which the server ends the idle connection.
class paced_calls {
public:
    using make_request = std::function<request(int)>;
    using on_result = std::function<void(int, error_code, const response&)>;

    paced_calls(config values, make_request make, on_result done)
        : subject_(context_.get_executor(), std::move(values)),
          timer_(context_),
          make_(std::move(make)),
          done_(std::move(done)) {}

    void run(int calls, std::chrono::microseconds first, std::chrono::microseconds last) {
        calls_ = calls;
        first_ = first;
        step_ = (last - first) / calls;
        next(0);
        while (completed_ < calls && context_.run_one_for(support::patience) != 0) {
        }
    }
    [[nodiscard]] int completed() const { return completed_; }
    [[nodiscard]] stats snapshot() {
        support::awaited<stats> result;
        subject_.async_stats(result.handler());
        while (result.count() == 0 && context_.run_one_for(support::patience) != 0) {
        }
        return std::get<0>(result.wait());
    }

private:
    void next(int number) {
        subject_.async_send(make_(number),
                            [this, number](error_code error, const response& result) {
                                ++completed_;
                                done_(number, error, result);
                                if (number + 1 == calls_) return;
                                timer_.expires_after(first_ + number * step_);
                                timer_.async_wait([this, number](error_code) { next(number + 1); });
                            });
    }

    asio::io_context context_;
    client subject_;
    asio::steady_timer timer_;
    make_request make_;
    on_result done_;
    int calls_ = 0;
    int completed_ = 0;
    std::chrono::microseconds first_{};
    std::chrono::microseconds step_{};
};

TEST(InteropKeepAliveTest, GetNeverFailsWhenNginxEndsIdleConnections) {
    const nginx_server server({.keepalive = "5ms"});
    for (const bool tls : {false, true}) {
        int failed = 0;
        paced_calls calls(
            client_config(),
            [&](int) { return get(tls ? server.tls("/hello") : server.plain("/hello")); },
            [&](int number, error_code error, const response& result) {
                if (!error && result.status == 200) return;
                ++failed;
                ADD_FAILURE() << "call " << number << ": " << error.message() << " "
                              << result.failure.detail;
            });
        calls.run(300, 3ms, 7ms);
        EXPECT_EQ(calls.completed(), 300);
        EXPECT_EQ(failed, 0);
        const stats end = calls.snapshot();
        EXPECT_GT(end.total().opened, 1U) << "the server did end connections";
        EXPECT_EQ(end.completed, 300U);
    }
}

TEST(InteropKeepAliveTest, PostIsNeverSentTwice) {
    const go_server server({.idle = "5ms"});
    for (const bool tls : {false, true}) {
        int good = 0;
        int failed = 0;
        paced_calls calls(
            client_config(),
            [&](int number) {
                request what = get(tls ? server.tls("/hello") : server.plain("/hello"));
                what.method = method::post;
                what.body = "once";
                what.headers.add("x-id", std::to_string(number) + (tls ? "s" : "p"));
                return what;
            },
            [&](int, error_code error, const response& result) {
                if (!error) {
                    ++good;
                    return;
                }
                ++failed;
                EXPECT_TRUE(error == errc::peer_closed || error == errc::peer_reset)
                    << error.message();
                EXPECT_TRUE(result.failure.maybe_processed);
                EXPECT_EQ(result.attempts, 1U);
            });
        calls.run(300, 3ms, 7ms);
        EXPECT_EQ(good + failed, 300);
        EXPECT_GT(good, 0);
        EXPECT_EQ(server.counter("most"), 1U) << "no request was seen twice";
    }
}

// Many threads in a closed loop against servers that end connections after a few requests.
struct load_result {
    std::atomic<unsigned> good{0};
    std::atomic<unsigned> bad{0};
    std::mutex mutex;
    std::string first_error;
};

void run_load(client& subject, const std::string& url, unsigned calls, unsigned concurrency,
              load_result& result) {
    std::atomic<unsigned> left{calls};
    support::awaited<error_code> finished;
    std::function<void()> next = [&] {
        if (left.fetch_sub(1) - 1 >= calls) return;  // it went below zero
        subject.async_send(get(url), [&](error_code error, const response& answer) {
            if (!error && answer.status == 200) {
                ++result.good;
            } else {
                const std::lock_guard lock(result.mutex);
                if (result.bad++ == 0) result.first_error = error.message() + answer.failure.detail;
            }
            if (result.good + result.bad == calls) return finished.handler()({});
            next();
        });
    };
    for (unsigned i = 0; i < concurrency; ++i) next();
    EXPECT_FALSE(finished.error());
}

TEST(InteropKeepAliveTest, RequestLimitsOfServersCostNoGet) {
    const nginx_server nginx({.keepalive_requests = 3});
    const apache_server apache({.keepalive_requests = 3});
    config values = client_config();
    values.pool.max_connections_per_origin = 16;
    client subject(values);
    for (const std::string& url : {nginx.plain("/hello"), nginx.tls("/hello"),
                                   apache.plain("/hello"), apache.tls("/hello")}) {
        load_result result;
        run_load(subject, url, 400, 24, result);
        EXPECT_EQ(result.good, 400U) << url << ": " << result.first_error;
    }
    const stats end = subject.stats();
    // Apache's limit counts what follows the first request of a connection.
    EXPECT_GE(end.total().opened, 2 * 400U / 3 + 2 * 400U / 4);
    EXPECT_EQ(end.internal_errors, 0U);
}

TEST(InteropKeepAliveTest, ConnectionsAreReusedAndNeverMoreThanTheLimit) {
    const go_server server;
    constexpr unsigned limit = 16;
    config values = client_config();
    values.pool.max_connections_per_origin = limit;
    const std::uint64_t before = server.counter("accepted");
    {
        client subject(values);
        load_result result;
        run_load(subject, server.tls("/hello"), 3000, 200, result);
        EXPECT_EQ(result.good, 3000U) << result.first_error;
        const origin_stats total = subject.stats().total();
        EXPECT_EQ(total.opened, limit);
        EXPECT_EQ(total.exchanges, 3000U);
    }
    EXPECT_EQ(server.counter("accepted") - before, limit + 1) << "and one that asks";
    EXPECT_LE(server.counter("peak"), limit + 1);
}

TEST(InteropKeepAliveTest, DescriptorsNeverExceedTheLimit) {
    const nginx_server server({.keepalive_requests = 5});
    constexpr unsigned limit = 12;
    config values = client_config();
    values.pool.max_connections_per_origin = limit;
    client subject(values);
    const std::size_t before = support::open_descriptors();
    std::atomic<bool> done{false};
    std::size_t most = 0;
    // The lowest free number is always the next one, so a scan upwards never counts too many.
    std::thread watch([&] {
        while (!done) most = std::max(most, support::open_descriptors());
    });
    load_result result;
    run_load(subject, server.tls("/hello"), 1500, 64, result);
    done = true;
    watch.join();
    EXPECT_EQ(result.good, 1500U) << result.first_error;
    EXPECT_GT(most, before);
    EXPECT_LE(most, before + limit + 1);  // one watches the sockets of the origin's shard
}

TEST(InteropKeepAliveTest, HaproxyAndApacheKeepConnections) {
    const go_server behind;
    const haproxy_server haproxy(behind.plain_port);
    const apache_server apache;
    config values = client_config();
    values.pool.max_connections_per_origin = 8;
    client subject(values);
    for (const std::string& url : {haproxy.tls("/hello"), haproxy.plain("/hello"),
                                   apache.tls("/hello"), apache.plain("/hello")}) {
        const std::uint64_t before = subject.stats().total().opened;
        load_result result;
        run_load(subject, url, 90, 8, result);
        EXPECT_EQ(result.good, 90U) << url << ": " << result.first_error;
        EXPECT_LE(subject.stats().total().opened - before, 8U) << url;
    }
}

}  // namespace
}  // namespace hearth::interop
