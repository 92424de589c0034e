// nginx is killed and started again under load: errors only for what could not be sent again
// safely, every call completes once, and nothing is left behind.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>

#include "interop/servers.hpp"
#include "support/awaited.hpp"

namespace hearth::interop {
namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

constexpr unsigned restarts = 10;
constexpr unsigned concurrency = 24;
constexpr unsigned limit = 16;

request call_number(const nginx_server& server, unsigned number) {
    request what;
    what.url = number % 2 == 0 ? server.tls("/hello") : server.plain("/hello");
    if (number % 4 == 3) {
        what.method = method::post;
        what.body = "a body";
    }
    return what;
}

class load {
public:
    load(client& subject, const nginx_server& server) : subject_(subject), server_(server) {}

    void begin() {
        for (unsigned i = 0; i < concurrency; ++i) next();
    }
    void end() {
        ending_ = true;
        EXPECT_TRUE(support::eventually([&] { return running == 0; }));
    }

    std::atomic<unsigned> running{0};
    std::atomic<unsigned> calls{0};
    std::atomic<unsigned> good{0};
    std::atomic<unsigned> failed{0};

private:
    void next() {
        if (ending_) return;
        const unsigned number = calls++;
        ++running;
        subject_.async_send(call_number(server_, number),
                            [this, number](error_code error, const response& result) {
                                judge(number, error, result);
                                next();
                                --running;
                            });
    }
    void judge(unsigned number, error_code error, const response& result) {
        if (!error) {
            EXPECT_EQ(result.status, 200U);
            ++good;
            return;
        }
        ++failed;
        EXPECT_TRUE(error == errc_condition::peer_fault) << error.message();
        // Only an attempt of which nothing was sent leaves no doubt.
        EXPECT_TRUE(result.failure.maybe_processed || result.failure.bytes_sent == 0)
            << result.failure.detail;
        // A GET is sent again unless its connection was fresh, it was sent again before, or an
        // octet of the answer had come.
        const bool is_post = number % 4 == 3;
        EXPECT_TRUE(is_post || result.attempts > 1 || !result.connection.reused ||
                    result.failure.bytes_received != 0)
            << error.message() << ": " << result.failure.detail;
    }

    client& subject_;
    const nginx_server& server_;
    std::atomic<bool> ending_{false};
};

TEST(InteropRestartTest, KillingNginxCostsOnlyWhatCannotBeRepeated) {
    nginx_server server;
    const std::size_t descriptors = support::open_descriptors();
    {
        config values = client_config();
        values.pool.max_connections_per_origin = limit;
        values.pool.dial_patience = 30s;  // the restart may take long on a busy machine
        values.pool.max_backoff = 50ms;
        client subject(values);
        load work(subject, server);
        work.begin();
        for (unsigned i = 0; i < restarts; ++i) {
            const unsigned good = work.good;
            ASSERT_TRUE(support::eventually([&] { return work.good >= good + 200; }));
            server.kill();
            server.start();
        }
        const unsigned good = work.good;
        EXPECT_TRUE(support::eventually([&] { return work.good >= good + 200; }));
        work.end();
        EXPECT_EQ(work.good + work.failed, work.calls);
        const stats end = subject.stats();
        EXPECT_EQ(end.calls, work.calls);
        EXPECT_EQ(end.completed, work.calls);
        EXPECT_EQ(end.in_flight, 0U);
        EXPECT_EQ(end.internal_errors, 0U);
        EXPECT_LE(end.total().open, 2 * limit);
        subject.drain();
        EXPECT_EQ(subject.stats().total().opened, subject.stats().total().closed);
    }
    EXPECT_EQ(support::open_descriptors(), descriptors);
}

}  // namespace
}  // namespace hearth::interop
