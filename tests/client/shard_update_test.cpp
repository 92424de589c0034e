// Config that changes while the client works.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using boost::system::error_code;

/// As many connections as there are exchanges at once.
void open_connections(client& subject, const std::string& url, std::size_t count) {
    std::vector<awaited_response> calls;
    for (std::size_t i = 0; i < count; ++i) calls.push_back(begin_send(subject, get(url)));
    for (const awaited_response& call : calls) ASSERT_FALSE(call.error()) << call.error().message();
}

TEST(ShardUpdateTest, BadConfigChangesNothingAndNamesTheField) {
    client subject(one_thread());
    config values = subject.current_config();
    values.pool.jitter = 2;
    values.pool.max_waiters = 7;
    try {
        subject.update(values);
        FAIL() << "a jitter of 2 is out of range";
    } catch (const send_error& error) {
        EXPECT_EQ(error.code(), errc::invalid_config);
        EXPECT_TRUE(error.failure().detail.starts_with("pool.jitter is ")) << error.what();
    }
    EXPECT_NE(subject.current_config().pool.max_waiters, 7U);
}

TEST(ShardUpdateTest, FieldThatCannotChangeIsNamed) {
    client subject(one_thread());
    config values = subject.current_config();
    values.io.threads = 2;
    awaited<error_code, std::string> told;
    subject.async_update(values, told.handler());
    EXPECT_EQ(told.error(), errc::invalid_config);
    EXPECT_TRUE(told.value().starts_with("io.threads cannot change")) << told.value();
    EXPECT_EQ(subject.current_config().io.threads, 1U);
}

TEST(ShardUpdateTest, CompletesWhenAllThreadsObey) {
    config values;
    values.io.threads = 3;
    client subject(values);
    values.pool.max_waiters = 7;
    awaited<error_code, std::string> told;
    subject.async_update(values, told.handler());
    EXPECT_FALSE(told.error());
    EXPECT_EQ(told.value(), "");
    EXPECT_EQ(told.count(), 1U);
    EXPECT_EQ(subject.current_config().pool.max_waiters, 7U);
}

TEST(ShardUpdateTest, NewTimeoutHoldsForNewExchanges) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    const awaited_response before = begin_send(subject, get(origin.url("/stall")));
    ASSERT_TRUE(eventually([&] { return origin.counters().requests_active == 1; }));
    config values = subject.current_config();
    values.timeouts.first_byte = 10ms;
    subject.update(values);
    error_code error;
    (void)subject.send(get(origin.url("/stall")), error);
    EXPECT_EQ(error, errc::first_byte_timeout);
    EXPECT_EQ(before.count(), 0U) << "what was begun before keeps the time it has";
}

TEST(ShardUpdateTest, HigherLimitServesWhoWaits) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_connections_per_origin = 1;
    values.pool.max_connections = 1;
    client subject(values);
    const awaited_response held = begin_send(subject, get(origin.url("/stall")));
    ASSERT_TRUE(eventually([&] { return origin.counters().requests_active == 1; }));
    const awaited_response waiting = begin_send(subject, get(origin.url("/d/0")));
    ASSERT_TRUE(eventually([&] { return subject.stats().total().waiting == 1; }));
    values.pool.max_connections_per_origin = 2;
    values.pool.max_connections = 2;
    subject.update(values);
    EXPECT_FALSE(waiting.error());
    EXPECT_EQ(held.count(), 0U);
}

TEST(ShardUpdateTest, LowerLimitsAreReachedWithoutCuttingAnything) {
    for (const std::uint32_t threads : {1U, 3U}) {
        testing::origin origin(plaintext());
        config values = one_thread();
        values.io.threads = threads;
        client subject(values);
        open_connections(subject, origin.url("/d/50"), 20);
        std::vector<awaited_response> calls;
        for (int i = 0; i < 10; ++i)
            calls.push_back(begin_send(subject, get(origin.url("/d/200"))));
        values.pool.max_connections = 5;
        values.pool.max_connections_per_origin = 5;
        subject.update(values);
        for (const awaited_response& call : calls) EXPECT_FALSE(call.error());
        EXPECT_TRUE(eventually([&] { return subject.stats().total().open <= 5; }));
        EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
        EXPECT_GE(closed_by(subject.stats(), close_reason::over_limit), 15U);
        expect_consistent(subject.stats());
    }
}

TEST(ShardUpdateTest, GatesAreMadeChangedAndOpened) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    ASSERT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    config values = subject.current_config();
    values.rate_limit = {.per_second = 0.001, .burst = 1, .max_wait = 0ms};
    subject.update(values);
    error_code error;
    (void)subject.send(get(origin.url("/d/0")), error);
    EXPECT_FALSE(error) << "the burst";
    (void)subject.send(get(origin.url("/d/0")), error);
    EXPECT_EQ(error, errc::rate_limited);
    values.rate_limit.per_second.reset();
    subject.update(values);
    (void)subject.send(get(origin.url("/d/0")), error);
    EXPECT_FALSE(error);
}

TEST(ShardUpdateTest, RepetitionsRedirectsAndDecodingAreSwitchedOn) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    EXPECT_EQ(subject.send(get(origin.url("/redirect/1"))).status, 302U);
    config values = subject.current_config();
    values.redirect.enabled = true;
    values.retry.max_attempts = 3;
    values.retry.statuses = {503};
    values.decode.enabled = true;
    subject.update(values);
    EXPECT_EQ(subject.send(get(origin.url("/redirect/1"))).status, 200U);
    const response repeated = subject.send(get(origin.url("/status/503")));
    EXPECT_GT(repeated.attempts, 1U);
    const response asked = subject.send(get(origin.url("/echo")));
    EXPECT_NE(asked.body.find("accept-encoding: "), std::string::npos) << asked.body;
}

TEST(ShardUpdateTest, BuffersAndSocketsFollow) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    ASSERT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    std::atomic<int> seen{0};
    config values = subject.current_config();
    values.io.receive_buffer = 16 * 1024;
    values.io.before_connect = [&seen](int, std::string_view) {
        ++seen;
        return error_code{};
    };
    subject.update(values);
    EXPECT_EQ(subject.send(get(origin.url("/bytes/300000"))).body,
              testing::pattern_octets(0, 300'000));
    EXPECT_EQ(seen, 0) << "the connection was there";
    request other = get(origin.url("/no-keepalive"));
    ASSERT_EQ(subject.send(other).status, 200U);
    ASSERT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    EXPECT_EQ(seen, 1);
}

TEST(ShardUpdateTest, UpdateFromAHandlerHoldsForTheNextCall) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    awaited_response second;
    subject.async_send(get(origin.url("/d/0")), [&](error_code, const response&) {
        config values = subject.current_config();
        values.timeouts.first_byte = 10ms;
        subject.update(values);
        subject.async_send(get(origin.url("/stall")), second.handler());
    });
    EXPECT_EQ(second.error(), errc::first_byte_timeout);
}

TEST(ShardUpdateTest, ChangesUnderLoadLoseNothing) {
    testing::origin origin(plaintext());
    config values;
    values.io.threads = 2;
    values.pool.max_connections_per_origin = 32;
    client subject(values);
    std::atomic<bool> ends{false};
    std::atomic<int> failed{0};
    std::atomic<int> answered{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
        callers.emplace_back([&] {
            while (!ends) {
                error_code error;
                const response got = subject.send(get(origin.url("/d/1")), error);
                ++(error || got.status != 200 ? failed : answered);
            }
        });
    }
    std::vector<std::thread> updaters;
    for (std::uint32_t i = 0; i < 2; ++i) {
        updaters.emplace_back([&, i] {
            for (std::uint32_t round = 0; round < 100; ++round) {
                config next = subject.current_config();
                next.pool.max_connections = 2 + (round * 7 + i) % 40;
                next.pool.max_connections_per_origin = 1 + (round + i) % 2;
                next.pool.idle_timeout = milliseconds{5'000 + round};
                next.timeouts.first_byte = milliseconds{60'000 - round};
                next.retry.max_attempts = 1 + round % 3;
                next.rate_limit.per_second.reset();
                if (round % 2 == 0) next.rate_limit = {1e6, 1000, 1s};
                subject.update(next);
            }
        });
    }
    for (std::thread& one : updaters) one.join();
    ends = true;
    for (std::thread& one : callers) one.join();
    EXPECT_EQ(failed, 0);
    EXPECT_GT(answered, 0);
    expect_consistent(subject.stats());
    const std::uint64_t most = subject.current_config().pool.max_connections;
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open <= most; }));
}

// Identity.

testing::origin_options presenting(const testing::certificate_authority& authority) {
    testing::origin_options options;
    options.listen.server_certificate = authority.issue();
    return options;
}

tls_options with_client(const testing::certificate_authority& authority,
                        const std::string& trusted) {
    const testing::certificate own = authority.issue({.names = {"client"}, .client_auth = true});
    tls_options options;
    options.ca_pem = trusted;
    options.certificate_pem = own.chain_pem;
    options.private_key_pem = own.key_pem;
    return options;
}

TEST(ShardUpdateTest, ReplacedProfileReplacesConnectionsWithoutAnError) {
    const testing::certificate_authority authority;
    testing::origin_options options = presenting(authority);
    options.listen.client_ca_pem = authority.ca_pem();
    testing::origin origin(options);
    config values = one_thread();
    values.tls.profile = tls_profile::make(with_client(authority, authority.ca_pem()));
    values.tls.replace_within = 1s;
    values.pool.min_ready = 4;
    client subject(values);
    open_connections(subject, origin.url("/d/50"), 8);
    ASSERT_EQ(subject.stats().total().open, 8U);
    values.tls.profile = tls_profile::make(with_client(authority, authority.ca_pem()));
    subject.update(values);
    EXPECT_EQ(subject.stats().identity, 2U);
    std::uint64_t least = 8;
    EXPECT_TRUE(eventually([&] {
        EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
        const stats now = subject.stats();
        least = std::min(least, now.total().open);
        return now.total().outdated == 0 && closed_by(now, close_reason::outdated) == 8;
    }));
    EXPECT_GE(least, 4U);
    const origin_stats all = subject.stats().total();
    EXPECT_EQ(all.failed_dials, 0U);
    EXPECT_LE(subject.stats().handshakes_at_once, values.handshake.max_concurrent);
    expect_consistent(subject.stats());
}

TEST(ShardUpdateTest, NewDialsUseNothingOfTheOldProfile) {
    const testing::certificate_authority authority;
    testing::origin origin(presenting(authority));
    config values = trusting(authority.ca_pem());
    client subject(values);
    ASSERT_EQ(subject.send(get(origin.url("/no-keepalive"))).status, 200U);
    ASSERT_TRUE(subject.send(get(origin.url("/no-keepalive"))).connection.tls_resumed);
    values.tls.profile = trust(authority.ca_pem());
    subject.update(values);
    const response first = subject.send(get(origin.url("/no-keepalive")));
    EXPECT_FALSE(first.connection.tls_resumed) << "a ticket of the old profile";
    EXPECT_EQ(subject.stats().chains_remembered, 0U) << "a chain verified for the old one";
}

TEST(ShardUpdateTest, TrustThatIsWithdrawnHoldsForNewConnections) {
    const testing::certificate_authority good;
    const testing::certificate_authority other(testing::key_type::ecdsa_p256, "another root");
    testing::origin origin(presenting(good));
    config values = trusting(good.ca_pem());
    client subject(values);
    ASSERT_EQ(subject.send(get(origin.url("/no-keepalive"))).status, 200U);
    values.tls.profile = trust(other.ca_pem());
    subject.update(values);
    error_code error;
    const response refused = subject.send(get(origin.url("/d/0")), error);
    EXPECT_EQ(error, errc::certificate_rejected);
    EXPECT_EQ(refused.failure.phase, phase::handshake);
}

TEST(ShardUpdateTest, RequestsWithAProfileOfTheirOwnAreNotTouched) {
    const testing::certificate_authority authority;
    testing::origin origin(presenting(authority));
    config values = trusting(authority.ca_pem());
    values.tls.replace_within = 100ms;
    client subject(values);
    request own = get(origin.url("/d/0"));
    own.tls = trust(authority.ca_pem());
    ASSERT_EQ(subject.send(own).status, 200U);
    ASSERT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    values.tls.profile = trust(authority.ca_pem());
    subject.update(values);
    EXPECT_TRUE(
        eventually([&] { return closed_by(subject.stats(), close_reason::outdated) == 1; }));
    EXPECT_TRUE(subject.send(own).connection.reused);
}

TEST(ShardUpdateTest, PinThatDoesNotMatchIsToldWithItsPhase) {
    const testing::certificate_authority authority;
    testing::origin origin(presenting(authority));
    tls_options options;
    options.ca_pem = authority.ca_pem();
    options.pins = {std::string(43, 'A') + "="};
    config values = one_thread();
    values.tls.profile = tls_profile::make(options);
    client subject(values);
    error_code error;
    const response refused = subject.send(get(origin.url("/d/0")), error);
    EXPECT_EQ(error, errc::certificate_rejected);
    EXPECT_EQ(refused.failure.phase, phase::handshake);
    EXPECT_NE(refused.failure.dial_detail.find("pinned key"), std::string::npos)
        << refused.failure.dial_detail;
}

}  // namespace
}  // namespace hearth
