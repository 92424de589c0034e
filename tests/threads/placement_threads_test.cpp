// Origins that are spread over threads and gathered again while everything else goes on.
#include <gtest/gtest.h>

#include <functional>
#include <thread>
#include <vector>

#include "client/client_state.hpp"
#include "threads/storm.hpp"

namespace hearth::threads {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;

/// Moves origins about until it is told to end.
class mover {
public:
    explicit mover(client& subject)
        : placement_(detail::client_access::state(subject).placement()) {
        thread_ = std::thread([this] { work(); });
    }
    ~mover() { stop(); }
    void stop() {
        ends_ = true;
        if (thread_.joinable()) thread_.join();
    }
    [[nodiscard]] unsigned spread() const { return spread_; }
    [[nodiscard]] unsigned gathered() const { return gathered_; }

private:
    void work() {
        std::minstd_rand random(7);
        while (!ends_) {
            for (std::size_t slot = 0; slot < detail::origin_table::slots; ++slot) {
                const detail::takers all = placement_->table().load(slot);
                if (all.empty()) continue;
                if (random() % 2 == 0) {
                    spread_ += placement_->spread(slot, random() % 4) ? 1U : 0U;
                } else {
                    gathered_ += placement_->gather(slot) ? 1U : 0U;
                }
            }
            std::this_thread::yield();
        }
    }

    std::shared_ptr<detail::placement> placement_;
    std::atomic<bool> ends_{false};
    std::atomic<unsigned> spread_{0};
    std::atomic<unsigned> gathered_{0};
    std::thread thread_;
};

config roomy(const targets& where) {
    config values = where.settings();
    values.pool.max_connections_per_origin = 64;
    values.pool.max_connections = 200;
    return values;
}

void storm_of(client& subject, asio::thread_pool& pool, const targets& where, tally& count,
              unsigned operations_each) {
    std::vector<std::thread> callers;
    for (unsigned number = 0; number < 6; ++number) {
        callers.emplace_back([&, number] {
            std::minstd_rand random(number + 1000);
            for (unsigned i = 0; i < operations_each; ++i) {
                operate(subject, pool, where, count, random);
            }
        });
    }
    for (std::thread& one : callers) one.join();
}

/// A chain of calls, each made by the handler of the one before: on a thread of the client.
void chain(client& subject, const std::string& url, tally& count, unsigned left) {
    request what;
    what.url = url;
    subject.async_send(std::move(what), [&subject, url, &count, left, done = count.watch()](
                                            error_code error, const response& got) {
        EXPECT_EQ(error, error_code{}) << got.failure.detail;
        done();
        if (left > 1) chain(subject, url, count, left - 1);
    });
}

TEST(PlacementThreadsTest, StormWhileOriginsMove) {
    const targets where(4);
    asio::thread_pool pool(2);
    tally count;
    client subject(roomy(where));
    {
        mover moving(subject);
        storm_of(subject, pool, where, count, 80);
        EXPECT_TRUE(eventually([&] { return count.is_quiet(); }));
        EXPECT_TRUE(eventually([&] { return moving.spread() > 0 && moving.gathered() > 0; }));
    }
    EXPECT_EQ(count.twice, 0U);
    ASSERT_TRUE(eventually([&] { return subject.stats().in_flight == 0; }));
    const stats end = subject.stats();
    EXPECT_EQ(end.calls, end.completed);
    EXPECT_EQ(end.internal_errors, 0U);
    EXPECT_EQ(end.origins.size(), 4U);
    for (const origin_stats& one : end.origins) {
        EXPECT_EQ(one.opened, one.closed + one.open + one.dialing + one.handshaking);
        EXPECT_EQ(one.waiting, 0U);
    }
    subject.drain();
    EXPECT_EQ(subject.stats().total().open, 0U);
    pool.join();
}

TEST(PlacementThreadsTest, NoCallIsLostWhileItsOriginMoves) {
    const targets where(2);
    tally count;
    client subject(roomy(where));
    mover moving(subject);
    for (unsigned i = 0; i < 24; ++i) {
        chain(subject, where.origins[i % 2]->url("/bytes/2000"), count, 60);
    }
    EXPECT_TRUE(eventually([&] { return count.begun == 24 * 60 && count.is_quiet(); }));
    moving.stop();
    EXPECT_EQ(count.twice, 0U);
    EXPECT_EQ(subject.stats().completed, 24U * 60U) << "each was begun once, on one of the threads";
}

TEST(PlacementThreadsTest, NoCallIsLostWhereThreadsHaveTooFewConnections) {
    const targets where(1);
    tally chained;
    tally count;
    config values = roomy(where);
    values.pool.max_connections_per_origin = 32;
    values.http2.max_connections = 4;
    values.http2.max_streams = 4;
    values.overload.target.reset();  // who waits is to be served
    client subject(values);
    detail::placement& placement = *detail::client_access::state(subject).placement();
    chain(subject, where.origins[0]->url("/bytes/2000"), chained, 1);
    ASSERT_TRUE(eventually([&] { return chained.is_quiet(); }));
    std::size_t slot = 0;
    while (placement.table().load(slot).empty()) ++slot;
    ASSERT_TRUE(placement.spread(slot, 1));
    ASSERT_TRUE(eventually([&] { return placement.table().load(slot).count() == 2; }));
    for (unsigned i = 0; i < 100; ++i) {
        chain(subject, where.origins[0]->url("/bytes/2000"), chained, 20);
    }
    asio::thread_pool pool(2);
    storm_of(subject, pool, where, count, 20);
    EXPECT_TRUE(eventually([&] { return count.is_quiet(); }));
    EXPECT_TRUE(eventually([&] { return chained.completed == 2001; }));
    EXPECT_EQ(count.twice + chained.twice, 0U);
    ASSERT_TRUE(eventually([&] { return subject.stats().in_flight == 0; }));
    const stats end = subject.stats();
    EXPECT_EQ(end.calls, end.completed);
    EXPECT_EQ(end.internal_errors, 0U);
    pool.join();
}

TEST(PlacementThreadsTest, DestructionWhileOriginsMove) {
    const targets where(3);
    for (unsigned round = 0; round < 4; ++round) {
        asio::thread_pool pool(2);
        tally count;
        {
            client subject(roomy(where));
            mover moving(subject);
            storm_of(subject, pool, where, count, 12);
            pool.join();
        }
        EXPECT_TRUE(eventually([&] { return count.is_quiet(); })) << count.begun << count.completed;
        EXPECT_EQ(count.twice, 0U);
    }
}

TEST(PlacementThreadsTest, SettingsChangeWhileOriginsMove) {
    const targets where(3);
    asio::thread_pool pool(2);
    tally count;
    client subject(roomy(where));
    mover moving(subject);
    std::thread changes([&] {
        for (std::uint32_t i = 0; i < 30; ++i) {
            config values = subject.current_config();
            values.pool.max_connections_per_origin = i % 2 == 0 ? 5 : 64;
            values.http2.max_connections = 1 + i % 8;
            subject.update(values);
            (void)subject.stats();
        }
    });
    storm_of(subject, pool, where, count, 40);
    changes.join();
    EXPECT_TRUE(eventually([&] { return count.is_quiet(); }));
    EXPECT_EQ(count.twice, 0U);
    EXPECT_EQ(subject.stats().internal_errors, 0U);
    pool.join();
}

}  // namespace
}  // namespace hearth::threads
