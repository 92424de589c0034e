// One client and many threads. Run under ThreadSanitizer these tests are about data races;
// everywhere they are about exactly one completion.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <thread>

#include "threads/storm.hpp"

namespace hearth::threads {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;

constexpr unsigned callers = 8;
constexpr unsigned operations = 60;

void from_many_threads(const std::function<void(unsigned)>& work) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < callers; ++i) threads.emplace_back(work, i);
    for (std::thread& thread : threads) thread.join();
}

void storm(client& subject, asio::thread_pool& pool, const targets& where, tally& count) {
    from_many_threads([&](unsigned number) {
        std::minstd_rand random(number + 1);
        for (unsigned i = 0; i < operations; ++i) operate(subject, pool, where, count, random);
    });
}

TEST(ClientThreadsTest, OwnThreadsServeCallersOnEightThreads) {
    const targets where(4);
    asio::thread_pool pool(2);
    tally count;
    client subject(where.settings());
    storm(subject, pool, where, count);
    EXPECT_TRUE(eventually([&] { return count.is_quiet(); }));
    EXPECT_EQ(count.twice, 0U);
    ASSERT_TRUE(eventually([&] { return subject.stats().in_flight == 0; }));
    const stats end = subject.stats();
    EXPECT_EQ(end.calls, end.completed);
    EXPECT_EQ(end.internal_errors, 0U);
    for (const origin_stats& one : end.origins) {
        EXPECT_EQ(one.opened, one.closed + one.open + one.dialing + one.handshaking);
        EXPECT_EQ(one.waiting, 0U);
    }
    subject.drain();
    EXPECT_EQ(subject.stats().total().open, 0U);
    pool.join();
}

TEST(ClientThreadsTest, CallersContextWithFourThreads) {
    const targets where(3);
    asio::thread_pool pool(2);
    tally count;
    asio::thread_pool context(4);
    client subject(context.get_executor(), where.settings());
    storm(subject, pool, where, count);
    EXPECT_TRUE(eventually([&] { return count.is_quiet(); }));
    EXPECT_EQ(count.twice, 0U);
    ASSERT_TRUE(eventually([&] { return subject.stats().in_flight == 0; }));
    EXPECT_EQ(subject.stats().internal_errors, 0U);
    pool.join();
}

TEST(ClientThreadsTest, ListOfSharedExecutors) {
    const targets where(5);
    asio::thread_pool pool(2);
    tally count;
    asio::thread_pool first(2);
    asio::thread_pool second(2);
    client subject(std::vector<client::executor_type>{first.get_executor(), second.get_executor(),
                                                      first.get_executor()},
                   where.settings());
    storm(subject, pool, where, count);
    EXPECT_TRUE(eventually([&] { return count.is_quiet(); }));
    EXPECT_EQ(count.twice, 0U);
    pool.join();
}

TEST(ClientThreadsTest, DrainWhileCallersGoOn) {
    const targets where(4);
    asio::thread_pool pool(2);
    tally count;
    client subject(where.settings());
    std::atomic<unsigned> begun{0};
    from_many_threads([&](unsigned number) {
        std::minstd_rand random(number + 100);
        for (unsigned i = 0; i < operations; ++i) {
            operate(subject, pool, where, count, random);
            if (++begun == callers * operations / 2) {
                subject.async_drain([done = count.watch()](error_code) { done(); });
            }
        }
    });
    EXPECT_TRUE(eventually([&] { return count.is_quiet(); }));
    EXPECT_EQ(count.twice, 0U);
    EXPECT_EQ(subject.stats().total().open, 0U);
    pool.join();
}

TEST(ClientThreadsTest, DestructionUnderLoad) {
    const targets where(4);
    for (unsigned round = 0; round < 6; ++round) {
        asio::thread_pool pool(2);
        tally count;
        {
            client subject(where.settings());
            from_many_threads([&](unsigned number) {
                std::minstd_rand random(number + 200 + round);
                for (unsigned i = 0; i < 10; ++i) operate(subject, pool, where, count, random);
            });
            pool.join();  // nobody calls the client any more; its work is in full swing
        }
        EXPECT_TRUE(eventually([&] { return count.is_quiet(); })) << count.begun << count.completed;
        EXPECT_EQ(count.twice, 0U);
    }
}

TEST(ClientThreadsTest, DestructionUnderLoadOnTheCallersContext) {
    const targets where(3);
    for (unsigned round = 0; round < 6; ++round) {
        tally count;
        asio::thread_pool context(4);
        asio::thread_pool pool(2);
        {
            client subject(context.get_executor(), where.settings());
            from_many_threads([&](unsigned number) {
                std::minstd_rand random(number + 300 + round);
                for (unsigned i = 0; i < 8; ++i) operate(subject, pool, where, count, random);
            });
            pool.join();
        }
        EXPECT_TRUE(eventually([&] { return count.is_quiet(); }));
        EXPECT_EQ(count.twice, 0U);
        context.join();
    }
}

TEST(ClientThreadsTest, DestructionFromItsOwnHandlerUnderLoad) {
    const targets where(4);
    for (unsigned round = 0; round < 6; ++round) {
        asio::thread_pool pool(2);
        tally count;
        auto subject = std::make_unique<client>(where.settings());
        from_many_threads([&](unsigned number) {
            std::minstd_rand random(number + 400 + round);
            for (unsigned i = 0; i < 8; ++i) operate(*subject, pool, where, count, random);
        });
        pool.join();
        request last;
        last.url = where.origins.front()->url("/d/0");
        client& alias = *subject;
        alias.async_send(std::move(last), [owner = std::move(subject), done = count.watch()](
                                              error_code, const response&) mutable {
            owner.reset();
            done();
        });
        EXPECT_TRUE(eventually([&] { return count.is_quiet(); }));
        EXPECT_EQ(count.twice, 0U);
    }
}

TEST(ClientThreadsTest, ExchangesOutliveTheClient) {
    const targets where(2);
    for (unsigned round = 0; round < 6; ++round) {
        std::vector<exchange> kept;
        auto subject = std::make_unique<client>(where.settings());
        for (unsigned i = 0; i < 8; ++i) {
            request what;
            what.url = where.origins[i % 2]->url("/bytes/5000000");
            kept.push_back(open(*subject, std::move(what)));
        }
        std::vector<std::vector<char>> buffers(kept.size(), std::vector<char>(10'000));
        std::vector<std::thread> users;
        for (std::size_t i = 0; i < kept.size(); ++i) {
            users.emplace_back([&, i] {
                std::minstd_rand random(static_cast<unsigned>(i) + round);
                for (int reads = 0; reads < 40; ++reads) {
                    const awaited_size read = begin_read(kept[i], asio::buffer(buffers[i]));
                    if (random() % 16 == 0) kept[i].cancel();
                    if (read.error()) break;
                    EXPECT_EQ(read.count(), 1U);
                }
                kept[i].close();
            });
        }
        subject.reset();
        for (std::thread& user : users) user.join();
    }
}

TEST(ClientThreadsTest, ConfigAndIdentityChangeDuringTheStorm) {
    const targets where(4);
    asio::thread_pool pool(2);
    tally count;
    client subject(where.settings());
    std::atomic<bool> ends{false};
    std::vector<std::thread> updaters;
    for (std::uint32_t number = 0; number < 2; ++number) {
        updaters.emplace_back([&, number] {
            for (std::uint32_t round = 0; !ends; ++round) {
                config next = subject.current_config();
                next.pool.max_connections_per_origin = 1 + (round + number) % 6;
                next.pool.max_connections = 6 + (round * 5 + number) % 30;
                next.handshake.max_concurrent = 1 + round % 16;
                next.tls.replace_within = 100ms;
                if (round % 8 == 0) next.tls.profile = where.settings().tls.profile;
                awaited<boost::system::error_code, std::string> told;
                subject.async_update(next, told.handler());
                EXPECT_FALSE(told.error()) << told.value();
            }
        });
    }
    storm(subject, pool, where, count);
    EXPECT_TRUE(eventually([&] { return count.is_quiet(); }));
    ends = true;
    for (std::thread& one : updaters) one.join();
    EXPECT_EQ(count.twice, 0U);
    ASSERT_TRUE(eventually([&] { return subject.stats().in_flight == 0; }));
    EXPECT_EQ(subject.stats().internal_errors, 0U);
    const std::uint64_t most = subject.current_config().pool.max_connections;
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open <= most; }));
    subject.drain();
    EXPECT_EQ(subject.stats().total().open, 0U);
    pool.join();
}

}  // namespace
}  // namespace hearth::threads
