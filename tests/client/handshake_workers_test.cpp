#include "client/handshake_workers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <vector>

namespace hearth::detail {
namespace {

TEST(HandshakeWorkersTest, OneThreadRunsJobsInTheirOrder) {
    handshake_workers workers(1);
    std::vector<int> order;
    std::promise<void> last;
    for (int i = 0; i < 100; ++i) {
        workers.post([&, i] {
            order.push_back(i);
            if (i == 99) last.set_value();
        });
    }
    last.get_future().wait();
    ASSERT_EQ(order.size(), 100U);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

// Each job waits for the other: one thread could not end them.
TEST(HandshakeWorkersTest, ThreadsWorkAtOnce) {
    handshake_workers workers(2);
    std::promise<void> here[2];
    std::promise<void> done[2];
    for (std::size_t i = 0; i < 2; ++i) {
        workers.post([&, i, other = here[1 - i].get_future().share()] {
            here[i].set_value();
            other.wait();
            done[i].set_value();
        });
    }
    for (auto& one : done) one.get_future().wait();
}

TEST(HandshakeWorkersTest, StopDropsWhatWaitsAndEndsWhatRuns) {
    handshake_workers workers(1);
    std::promise<void> begun;
    std::promise<void> go_on;
    std::atomic<bool> ended{false};
    std::atomic<int> later{0};
    workers.post([&] {
        begun.set_value();
        go_on.get_future().wait();
        ended = true;
    });
    const auto held = std::make_shared<int>();
    for (int i = 0; i < 10; ++i) workers.post([&, held] { ++later; });
    begun.get_future().wait();
    std::thread stopper([&] { workers.stop(); });
    while (held.use_count() != 1) std::this_thread::yield();  // what waits is let go at once
    EXPECT_FALSE(ended);
    go_on.set_value();
    stopper.join();
    EXPECT_TRUE(ended);
    EXPECT_EQ(later, 0);
    workers.post([&, held] { ++later; });
    EXPECT_EQ(held.use_count(), 1) << "nothing is taken after that";
}

TEST(HandshakeWorkersTest, JobMayStopThem) {
    auto workers = std::make_unique<handshake_workers>(2);
    std::promise<void> done;
    workers->post([&] {
        workers.reset();
        done.set_value();
    });
    done.get_future().wait();
    EXPECT_EQ(workers, nullptr);
}

}  // namespace
}  // namespace hearth::detail
