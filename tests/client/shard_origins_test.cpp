// Which origins are forgotten, and what memory many of them take.
#include <gtest/gtest.h>
#include <malloc.h>

#include <string>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using boost::system::error_code;

config few_origins() {
    config values = one_thread();
    values.pool.max_origins = 256;
    values.pool.dial_patience = 0ms;
    return values;
}

/// A request that makes an origin of its own and leaves no connection.
request to_origin(const testing::origin& where, int number,
                  const std::string& path = "/no-keepalive") {
    request what = get("http://origin-" + std::to_string(number) + ".test" + path);
    what.route = route{.connect_host = "127.0.0.1", .connect_port = where.port()};
    return what;
}

TEST(ShardOriginsTest, MoreThanTheLimitAreNotKept) {
    testing::origin origin(plaintext());
    client subject(few_origins());
    for (int i = 0; i < 300; ++i) ASSERT_EQ(subject.send(to_origin(origin, i)).status, 200U);
    const stats now = subject.stats();
    EXPECT_EQ(now.origins.size(), 256U);
    EXPECT_EQ(now.origins_forgotten, 44U);
    EXPECT_EQ(now.completed, 300U);
    expect_consistent(now);
}

TEST(ShardOriginsTest, TheOneUsedLongestAgoGoesFirst) {
    testing::origin origin(plaintext());
    client subject(few_origins());
    for (int i = 0; i < 256; ++i) ASSERT_EQ(subject.send(to_origin(origin, i)).status, 200U);
    ASSERT_EQ(subject.send(to_origin(origin, 0)).status, 200U);
    ASSERT_EQ(subject.send(to_origin(origin, 1000)).status, 200U);
    bool has_first = false;
    bool has_second = false;
    for (const origin_stats& one : subject.stats().origins) {
        has_first |= one.origin.starts_with("http://origin-0.test");
        has_second |= one.origin.starts_with("http://origin-1.test");
    }
    EXPECT_TRUE(has_first);
    EXPECT_FALSE(has_second);
}

TEST(ShardOriginsTest, ConnectionsAndExchangesKeepTheirOrigin) {
    testing::origin origin(plaintext());
    client subject(few_origins());
    ASSERT_EQ(subject.send(to_origin(origin, 0, "/d/0")).status, 200U);
    const awaited_response held = begin_send(subject, to_origin(origin, 1, "/d/300"));
    for (int i = 2; i < 600; ++i) ASSERT_EQ(subject.send(to_origin(origin, i)).status, 200U);
    EXPECT_TRUE(subject.send(to_origin(origin, 0, "/d/0")).connection.reused);
    EXPECT_FALSE(held.error());
    EXPECT_EQ(held.value().status, 200U);
}

TEST(ShardOriginsTest, FailuresAreRememberedWhileOthersCanGo) {
    testing::origin origin(plaintext());
    config values = few_origins();
    values.pool.min_backoff = 3'600'000ms;
    values.pool.max_backoff = 3'600'000ms;
    client subject(values);
    request broken = get("http://broken.test/");
    broken.route = route{.connect_host = "127.0.0.1", .connect_port = 1};
    error_code error;
    (void)subject.send(broken, error);
    ASSERT_EQ(error, errc::connect_failed);
    for (int i = 0; i < 600; ++i) ASSERT_EQ(subject.send(to_origin(origin, i)).status, 200U);
    bool is_there = false;
    for (const origin_stats& one : subject.stats().origins) {
        is_there |= one.failed_dials == 1;
    }
    EXPECT_TRUE(is_there);
}

TEST(ShardOriginsTest, ManyOriginsTakeNoMoreMemoryThanTheLimit) {
    testing::origin origin(plaintext());
    client subject(few_origins());
    const auto in_use = [&](int first) {
        for (int i = first; i < first + 1000; ++i) {
            EXPECT_EQ(subject.send(to_origin(origin, i)).status, 200U);
        }
        return ::mallinfo2().uordblks;
    };
    const std::size_t before = in_use(0);
    const std::size_t after = in_use(1000);
    // 744 origins more at 2 KiB and up each would be above it.
    EXPECT_LT(after, before + 512 * 1024);
    EXPECT_EQ(subject.stats().origins.size(), 256U);
}

TEST(ShardOriginsTest, TicketsOfForgottenOriginsTakeNoMemory) {
    const testing::certificate_authority authority;
    testing::origin_options options;
    options.listen.server_certificate = authority.issue();
    testing::origin origin(options);
    tls_options trust;
    trust.ca_pem = authority.ca_pem();
    client subject(few_origins());
    const auto in_use = [&](int count) {
        for (int i = 0; i < count; ++i) {  // each profile has an origin and tickets of its own
            request what = get(origin.url("/no-keepalive"));
            what.tls = tls_profile::make(trust);
            EXPECT_EQ(subject.send(std::move(what)).status, 200U);
        }
        return ::mallinfo2().uordblks;
    };
    const std::size_t before = in_use(600);
    const std::size_t after = in_use(600);
    EXPECT_EQ(subject.stats().origins.size(), 256U);
    // Tickets of an origin take some 8 KiB, most of it the certificate they were issued under.
    EXPECT_LT(after, before + 1024 * 1024);
}

}  // namespace
}  // namespace hearth
