// shard, handshake slices: what is true of handshakes wherever their steps run.
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

config with_threads(const std::string& ca_pem, std::uint32_t threads) {
    config values = trusting(ca_pem);
    values.protocol = protocol_policy::http1_only;
    values.handshake.threads = threads;
    return values;
}

struct worker_time {
    int threads = 0;
    std::chrono::nanoseconds on_cpu{};
};

/// Of this process's threads for handshakes.
worker_time look_at_workers() {
    worker_time sum;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string name;
        std::int64_t on_cpu = 0;
        std::ifstream(task.path() / "comm") >> name;
        std::ifstream(task.path() / "schedstat") >> on_cpu;
        if (name != "hearth-tls") continue;
        ++sum.threads;
        sum.on_cpu += std::chrono::nanoseconds(on_cpu);
    }
    return sum;
}

TEST(ShardSlicesTest, ThreadsOfTheirOwnRunTheHandshakes) {
    testing::origin origin;
    client subject(with_threads(origin.ca_pem(), 2));
    subject.warm(origin_of(origin.url()), 10);
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    const origin_stats total = subject.stats().total();
    EXPECT_EQ(total.handshakes_full + total.handshakes_resumed, 10U);
    const worker_time workers = look_at_workers();
    EXPECT_EQ(workers.threads, 2);
    EXPECT_GT(total.handshake_cpu, 0ns);
    EXPECT_GE(workers.on_cpu, total.handshake_cpu) << "all of it was spent there";
}

TEST(ShardSlicesTest, NoThreadUnlessAskedFor) {
    testing::origin origin;
    client subject(with_threads(origin.ca_pem(), 0));
    subject.warm(origin_of(origin.url()), 3);
    EXPECT_EQ(look_at_workers().threads, 0);
}

TEST(ShardSlicesTest, SessionsAreResumedAndChainsRemembered) {
    testing::origin_options options;
    options.listen.tickets = 1;
    testing::origin origin(options);
    client subject(with_threads(origin.ca_pem(), 2));
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(subject.send(get(origin.url("/no-keepalive"))).status, 200U);
    }
    EXPECT_EQ(subject.stats().total().handshakes_resumed, 3U);
    options.listen.tickets = 0;
    testing::origin without_tickets(options);
    client other(with_threads(without_tickets.ca_pem(), 2));
    other.warm(origin_of(without_tickets.url()), 5);
    EXPECT_GT(other.stats().chains_remembered, 0U);
}

TEST(ShardSlicesTest, Http2IsSpokenBehindThem) {
    testing::origin_options options;
    options.listen.alpn = {"h2"};
    testing::origin origin(options);
    config values = with_threads(origin.ca_pem(), 2);
    values.protocol = protocol_policy::http2_only;
    client subject(values);
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).version, 20U);
}

TEST(ShardSlicesTest, FailuresAreToldAsEver) {
    testing::origin origin;
    const testing::certificate_authority other;
    client distrusting(with_threads(other.ca_pem(), 1));
    error_code error;
    const response refused = distrusting.send(get(origin.url("/d/0")), error);
    EXPECT_EQ(error, errc::certificate_rejected);
    EXPECT_EQ(refused.failure.phase, phase::handshake);

    testing::raw_origin talks_nonsense(
        plaintext_listen(),
        testing::script{testing::expect_octets(1), testing::send("no TLS here"), testing::close()});
    config values = with_threads(origin.ca_pem(), 1);
    values.pool.dial_patience = 0ms;
    client subject(values);
    const std::string where = "https://127.0.0.1:" + std::to_string(talks_nonsense.port());
    const response broken = subject.send(get(where), error);
    EXPECT_EQ(error, errc::handshake_failed);
    EXPECT_EQ(broken.failure.phase, phase::handshake);
    expect_consistent(subject.stats());
}

// The caller's context runs until there is nothing left to do, handshakes elsewhere included.
TEST(ShardSlicesTest, CallersContextWaitsForThem) {
    testing::origin origin;
    asio::io_context context(1);
    client subject(context.get_executor(), with_threads(origin.ca_pem(), 1));
    const awaited_response answer = begin_send(subject, get(origin.url("/no-keepalive")));
    context.run();
    ASSERT_EQ(answer.count(), 1U);
    EXPECT_EQ(answer.value().status, 200U);
}

// Dials end while their slices run, and the client does: no call is lost or ends twice.
TEST(ShardSlicesTest, EndsWhileHandshakesRun) {
    testing::origin origin;
    for (int round = 0; round < 10; ++round) {
        std::vector<awaited_response> calls;
        std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
        {
            config values = with_threads(origin.ca_pem(), 2);
            values.io.threads = 2;
            values.handshake.max_concurrent = 64;
            values.timeouts.handshake = std::chrono::milliseconds(1 + round * 3);
            client subject(values);
            for (int i = 0; i < 40; ++i) {
                request what = get(origin.url("/d/1"));
                what.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(i);
                calls.push_back(begin_send(subject, std::move(what)));
            }
            if (round % 2 == 0) (void)calls[20].error();
            expect_consistent(subject.stats());
        }
        for (const awaited_response& call : calls) EXPECT_EQ(call.count(), 1U);
    }
}

TEST(ShardSlicesTest, ManyShardsShareThem) {
    testing::origin origin;
    testing::origin second;
    config values = with_threads(origin.ca_pem(), 3);
    values.io.threads = 3;
    client subject(values);
    std::vector<awaited_response> calls;
    for (int i = 0; i < 60; ++i) {
        request what = get((i % 2 == 0 ? origin : second).url("/no-keepalive"));
        if (i % 2 != 0) what.tls = trust(second.ca_pem());
        calls.push_back(begin_send(subject, std::move(what)));
    }
    for (const awaited_response& call : calls) EXPECT_EQ(call.value().status, 200U);
    expect_consistent(subject.stats());
}

}  // namespace
}  // namespace hearth
