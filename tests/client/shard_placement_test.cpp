// An origin that several threads of a client serve: limits, calls that come too late, what is told.
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <utility>
#include <vector>

#include "client/client_state.hpp"
#include "client/scripted.hpp"
#include "client/shard_turn.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using boost::system::error_code;

/// A client of two threads, and an origin whose calls the test moves between them.
struct two_threads {
    explicit two_threads(config values = {}, const testing::origin_options& options = plaintext())
        : origin(options), subject(with_threads(std::move(values))) {
        EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
        while (placement().table().load(slot).empty()) ++slot;
    }
    static config with_threads(config values) {
        values.io.threads = 2;
        return values;
    }
    [[nodiscard]] detail::client_state& state() { return detail::client_access::state(subject); }
    [[nodiscard]] detail::placement& placement() { return *state().placement(); }
    [[nodiscard]] std::size_t threads() { return placement().table().load(slot).count(); }
    [[nodiscard]] std::size_t second() const { return 1; }
    void begin_spread() { ASSERT_TRUE(placement().spread(slot, second())); }
    void spread() {
        begin_spread();
        ASSERT_TRUE(eventually([this] { return threads() == 2; }));
    }
    /// Calls of one thread that wait for a connection.
    [[nodiscard]] std::uint64_t waiting_on(std::size_t index) {
        std::promise<std::uint64_t> told;
        detail::shard& one = *state().shards()[index];
        one.submit([&] { told.set_value(one.snapshot().values.total().waiting); });
        return told.get_future().get();
    }
    void begin_gather() { ASSERT_TRUE(placement().gather(slot)); }
    /// Until the second thread has nothing of the origin any more.
    void gather() {
        begin_gather();
        ASSERT_TRUE(eventually([this] { return told().threads == 1; }));
    }
    [[nodiscard]] origin_stats told() {
        const stats now = subject.stats();
        EXPECT_EQ(now.origins.size(), 1U) << "it is one origin, whoever serves it";
        return now.origins.at(0);
    }
    /// A call as it would be posted to the second thread by somebody who has read the table before.
    void begin_late(const std::string& path, detail::send_handler handler,
                    const std::shared_ptr<detail::cancel_handle>& handle = {}) {
        auto late = std::make_unique<detail::call>();
        late->what = get(origin.url(path));
        late->where = *detail::share_target(late->what.url);
        late->started = std::chrono::steady_clock::now();
        late->send = std::move(handler);
        late->slot = static_cast<std::uint32_t>(slot);
        detail::shard& to = *state().shards()[second()];
        to.submit([&to, handle, late = std::move(late)] { to.begin(std::move(*late), handle); });
    }

    testing::origin origin;
    client subject;
    std::size_t slot = 0;
};

config some_connections(std::uint32_t count) {
    config values;
    values.pool.max_connections_per_origin = count;
    return values;
}

TEST(ShardPlacementTest, BothThreadsServeAnOriginThatIsSpread) {
    two_threads t;
    EXPECT_EQ(t.told().threads, 1U);
    t.spread();
    for (int i = 0; i < 10; ++i) ASSERT_EQ(t.subject.send(get(t.origin.url("/d/0"))).status, 200U);
    const origin_stats now = t.told();
    EXPECT_EQ(now.threads, 2U);
    EXPECT_EQ(now.exchanges, 11U);
    EXPECT_EQ(now.idle, 2U) << "a connection of each";
    ASSERT_EQ(now.addresses.size(), 1U);
    EXPECT_EQ(now.addresses[0].connections, 2U);
    expect_consistent(t.subject.stats());
}

TEST(ShardPlacementTest, GatheredOriginHasOneThreadAndNoConnectionOfTheOther) {
    two_threads t;
    t.spread();
    for (int i = 0; i < 4; ++i) ASSERT_EQ(t.subject.send(get(t.origin.url("/d/0"))).status, 200U);
    t.gather();
    EXPECT_TRUE(eventually([&] { return t.told().open == 1; }));
    EXPECT_EQ(t.told().exchanges, 5U) << "what the other did is not forgotten";
    for (int i = 0; i < 4; ++i) ASSERT_EQ(t.subject.send(get(t.origin.url("/d/0"))).status, 200U);
    EXPECT_EQ(t.told().open, 1U);
    t.spread();
    for (int i = 0; i < 4; ++i) ASSERT_EQ(t.subject.send(get(t.origin.url("/d/0"))).status, 200U);
    EXPECT_EQ(t.told().open, 2U) << "and it may come again";
    expect_consistent(t.subject.stats());
}

TEST(ShardPlacementTest, ThreadComesWhenTheOtherHasMadeRoom) {
    two_threads t(some_connections(32));
    std::vector<exchange> held;
    while (held.size() < 20) held.push_back(open(t.subject, get(t.origin.url("/stall"))));
    ASSERT_TRUE(eventually([&] { return t.told().active == 20; }));
    t.begin_spread();
    EXPECT_EQ(t.told().active, 20U);
    EXPECT_EQ(t.threads(), 1U) << "sixteen is to be its part, and it has twenty";
    held.resize(16);
    ASSERT_TRUE(eventually([&] { return t.threads() == 2; }));
    std::vector<awaited_response> calls;
    for (int i = 0; i < 80; ++i) {
        calls.push_back(begin_send(t.subject, get(t.origin.url("/stall"))));
    }
    ASSERT_TRUE(eventually([&] { return t.told().active == 32; }));
    EXPECT_EQ(t.told().waiting, 64U);
    EXPECT_LE(t.origin.counters().connections_peak, 32U);
}

TEST(ShardPlacementTest, BothPartsTogetherAreTheLimit) {
    two_threads t(some_connections(33));
    t.spread();
    std::vector<awaited_response> calls;
    for (int i = 0; i < 80; ++i) {
        calls.push_back(begin_send(t.subject, get(t.origin.url("/stall"))));
    }
    ASSERT_TRUE(eventually([&] { return t.origin.counters().requests_active == 33; }));
    EXPECT_EQ(t.told().active, 33U);
    EXPECT_EQ(t.told().waiting, 47U);
    EXPECT_EQ(t.origin.counters().connections_peak, 33U);
}

TEST(ShardPlacementTest, ThreadThatLeavesFinishesWhatItHas) {
    two_threads t;
    t.spread();
    exchange first = open(t.subject, get(t.origin.url("/bytes/5000000")));
    exchange second = open(t.subject, get(t.origin.url("/bytes/5000000")));
    t.begin_gather();
    ASSERT_EQ(t.subject.send(get(t.origin.url("/d/0"))).status, 200U);
    EXPECT_EQ(t.told().threads, 2U);
    for (exchange* one : {&first, &second}) {
        std::vector<char> buffer(100'000);
        std::size_t total = 0;
        for (;;) {
            const awaited_size read = begin_read(*one, boost::asio::buffer(buffer));
            total += read.value();
            if (read.error()) break;
        }
        EXPECT_EQ(total, 5'000'000U);
    }
    EXPECT_TRUE(eventually([&] { return t.told().threads == 1; }));
}

TEST(ShardPlacementTest, CallThatComesTooLateGoesOnWhereTheOriginIs) {
    two_threads t;
    t.spread();
    t.gather();
    awaited_response late;
    t.begin_late("/d/0", detail::make_handler<error_code, response>(late.handler()));
    EXPECT_EQ(late.error(), error_code{});
    EXPECT_EQ(late.value().status, 200U);
    EXPECT_EQ(t.told().threads, 1U);
    EXPECT_EQ(t.told().open, 1U);
    expect_consistent(t.subject.stats());
}

TEST(ShardPlacementTest, CancellationFollowsACallThatWentOn) {
    two_threads t;
    t.spread();
    t.gather();
    awaited_response late;
    const auto handle = std::make_shared<detail::cancel_handle>();
    handle->owner = t.state().shards()[t.second()];
    t.begin_late("/stall", detail::make_handler<error_code, response>(late.handler()), handle);
    handle->owner->submit([handle] { handle->owner->cancel(handle, false); });
    EXPECT_EQ(late.error(), boost::asio::error::operation_aborted);
    EXPECT_EQ(late.count(), 1U);
    EXPECT_TRUE(eventually([&] { return t.subject.stats().in_flight == 0; }));
}

/// Calls that never end, made where the second thread's part is.
struct late_calls {
    explicit late_calls(two_threads& where) : t(where) {}
    void begin(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            handles.push_back(std::make_shared<detail::cancel_handle>());
            handles.back()->owner = t.state().shards()[t.second()];
            all.emplace_back();
            t.begin_late("/stall", detail::make_handler<error_code, response>(all.back().handler()),
                         handles.back());
        }
    }
    void cancel() {
        for (const auto& one : handles) {
            one->owner->submit([one] { one->owner->cancel(one, false); });
        }
        for (const awaited_response& one : all) {
            EXPECT_EQ(one.error(), boost::asio::error::operation_aborted);
            EXPECT_EQ(one.count(), 1U);
        }
    }

    two_threads& t;
    std::vector<awaited_response> all;
    std::vector<std::shared_ptr<detail::cancel_handle>> handles;
};

TEST(ShardPlacementTest, CallGoesOnToAThreadThatHasAConnectionForIt) {
    two_threads t(some_connections(32));
    t.spread();
    const detail::origin_table& table = t.placement().table();
    EXPECT_TRUE(eventually([&] { return table.free(t.slot, 0) == 16; }));
    EXPECT_EQ(table.free(t.slot, 1), 1U) << "it has none of the origin's yet";
    late_calls calls(t);
    calls.begin(32);
    ASSERT_TRUE(eventually([&] { return t.told().active == 32; })) << "sixteen are its own part";
    EXPECT_EQ(t.told().waiting, 0U);
    EXPECT_EQ(t.origin.counters().connections_peak, 32U);
    calls.cancel();
    EXPECT_TRUE(eventually([&] { return t.subject.stats().in_flight == 0; }));
    expect_consistent(t.subject.stats());
}

TEST(ShardPlacementTest, CallsStayWhereNoThreadHasAConnectionForThem) {
    two_threads t(some_connections(32));
    t.spread();
    late_calls calls(t);
    calls.begin(37);
    ASSERT_TRUE(eventually([&] { return t.told().waiting == 5; }));
    const detail::origin_table& table = t.placement().table();
    EXPECT_EQ(t.waiting_on(0), 0U) << "none went there in vain";
    EXPECT_EQ(t.waiting_on(1), 5U);
    EXPECT_EQ(table.free(t.slot, 0), 0U);
    EXPECT_EQ(table.free(t.slot, 1), 0U);
    calls.cancel();
    EXPECT_TRUE(eventually([&] { return t.subject.stats().in_flight == 0; }));
    for (const std::size_t place : {0U, 1U}) {
        EXPECT_TRUE(eventually([&] { return table.free(t.slot, place) != 0; }))
            << "when the cancelled ones have ended";
    }
    expect_consistent(t.subject.stats());
}

TEST(ShardPlacementTest, NobodyIsSentToAThreadThatLeaves) {
    two_threads t(some_connections(32));
    t.spread();
    for (int i = 0; i < 4; ++i) ASSERT_EQ(t.subject.send(get(t.origin.url("/d/0"))).status, 200U);
    const detail::origin_table& table = t.placement().table();
    EXPECT_TRUE(eventually([&] { return table.free(t.slot, 1) != 0; }));
    t.gather();
    EXPECT_EQ(table.free(t.slot, 1), 0U);
    EXPECT_TRUE(eventually([&] { return table.free(t.slot, 0) == 0; })) << "nobody asks it";
    EXPECT_EQ(t.subject.send(get(t.origin.url("/d/0"))).status, 200U);
    EXPECT_EQ(table.free(t.slot, 0), 0U);
}

TEST(ShardPlacementTest, WarmUpReachesAllThreadsOfAnOrigin) {
    two_threads t;
    t.spread();
    EXPECT_EQ(t.subject.warm(origin_of(t.origin.url("")), 7), 7U);
    EXPECT_EQ(t.told().idle, 7U);
    EXPECT_TRUE(eventually([&] { return t.origin.counters().connections_open == 7; }));
    t.gather();
    EXPECT_TRUE(eventually([&] { return t.told().idle < 7; }));
    EXPECT_EQ(t.subject.warm(origin_of(t.origin.url("")), 7), 7U);
}

TEST(ShardPlacementTest, OriginWithAGateStaysWhole) {
    config values;
    values.rate_limit.per_second = 1000;
    two_threads t(values);
    EXPECT_FALSE(t.placement().spread(t.slot, 1));
}

TEST(ShardPlacementTest, LowerLimitsLeaveNoPartTooSmall) {
    two_threads t;
    t.spread();
    config less = t.subject.current_config();
    less.pool.max_connections_per_origin = 20;
    t.subject.update(less);
    t.gather();
    EXPECT_FALSE(t.placement().spread(t.slot, 1)) << "ten would be too few";
}

TEST(ShardPlacementTest, LimitOnHandshakesIsTheWholeClients) {
    const testing::certificate_authority authority;
    testing::origin_options options;
    options.listen.server_certificate = authority.issue();
    config values;
    values.tls.profile = trust(authority.ca_pem());
    values.handshake.max_concurrent = 3;
    values.protocol = protocol_policy::http1_only;
    two_threads t(values, options);
    t.spread();
    EXPECT_EQ(t.subject.warm(origin_of(t.origin.url("")), 40), 40U);
    EXPECT_EQ(t.subject.stats().handshakes_at_once, 3U);
    config less = t.subject.current_config();
    less.handshake.max_concurrent = 1;
    t.subject.update(less);
    EXPECT_EQ(t.subject.warm(origin_of(t.origin.url("")), 80), 80U) << "none waits for ever";
}

TEST(ShardPlacementTest, FloorOfTheBudgetIsSharedOut) {
    config values;
    values.retry.max_attempts = 2;
    values.retry.min_backoff = 0ms;
    values.retry.statuses = {503};
    values.budget = {.share = 0.0, .floor_per_second = 0.5};  // one in two seconds
    two_threads t(values);
    t.origin.on("/bad", [](const testing::request_view& /*seen*/, testing::responder reply) {
        testing::reply whole;
        whole.status = 503;
        reply.answer(std::move(whole));
    });
    t.spread();
    for (int i = 0; i < 4; ++i) {
        const response got = t.subject.send(get(t.origin.url("/bad")));
        EXPECT_EQ(got.status, 503U);
        EXPECT_EQ(got.attempts, 1U) << "half of one is none";
    }
}

TEST(ShardPlacementTest, OneThreadHasNoPlacement) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    EXPECT_EQ(detail::client_access::state(subject).placement(), nullptr);
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    EXPECT_EQ(subject.stats().origins.at(0).threads, 1U);
}

}  // namespace
}  // namespace hearth
