#include "io/edge_wait.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>
#include <semaphore>

namespace hearth::io {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

class counting_listener final : public edge_listener {
public:
    void on_edge(error_code error) override {
        ++(error ? cancelled : edges);
        told.release();
    }
    int edges = 0;
    int cancelled = 0;
    std::counting_semaphore<> told{0};
};

// A pipe whose reading end is waited for.
struct EdgeWaitTest : ::testing::Test {
    EdgeWaitTest() { EXPECT_EQ(::pipe(ends.data()), 0); }
    ~EdgeWaitTest() override { ::close(ends[1]); }

    void say(char what) const { EXPECT_EQ(::write(ends[1], &what, 1), 1); }
    // What there is to do now; what waits stays.
    void poll() {
        context.restart();
        context.poll();
    }
    // Opens it and lets the first wait end, which may be without an edge.
    void settle(edge_wait& edges) {
        ASSERT_FALSE(edges.open(ends[0]));
        edges.wait(listener);
        poll();
        if (listener->edges == 0) {
            edges.cancel();
            poll();
        }
        listener = std::make_shared<counting_listener>();
    }

    std::array<int, 2> ends{};
    asio::io_context context;
    std::shared_ptr<counting_listener> listener = std::make_shared<counting_listener>();
};

TEST_F(EdgeWaitTest, IsOpenWithADescriptorOfItsOwn) {
    std::optional<edge_wait> edges(std::in_place, context.get_executor());
    EXPECT_FALSE(edges->is_open());
    ASSERT_FALSE(edges->open(ends[0]));
    EXPECT_TRUE(edges->is_open());
    EXPECT_EQ(edges->descriptor(), ends[0]);
    edges.reset();
    EXPECT_EQ(::close(ends[0]), -1);  // it is closed
}

TEST_F(EdgeWaitTest, EachArrivalEndsAWaitThoughNothingIsRead) {
    edge_wait edges(context.get_executor());
    settle(edges);
    for (int i = 1; i <= 3; ++i) {
        edges.wait(listener);
        poll();
        EXPECT_EQ(listener->edges, i - 1);
        say('a');
        EXPECT_EQ(listener->edges, i - 1) << "never from inside";
        poll();
        EXPECT_EQ(listener->edges, i);
    }
}

TEST_F(EdgeWaitTest, EdgeThatNobodyWaitedForEndsTheNextWait) {
    edge_wait edges(context.get_executor());
    settle(edges);
    const auto keeps_running = asio::make_work_guard(context);
    say('a');
    poll();
    edges.wait(listener);
    EXPECT_EQ(listener->edges, 0) << "never from inside";
    poll();
    EXPECT_EQ(listener->edges, 1);
}

TEST_F(EdgeWaitTest, CancelledWaitIsToldAndTheNextOneWorks) {
    edge_wait edges(context.get_executor());
    settle(edges);
    edges.wait(listener);
    edges.cancel();
    poll();
    EXPECT_EQ(listener->cancelled, 1);
    edges.wait(listener);
    say('a');
    poll();
    EXPECT_EQ(listener->edges, 1);
    edges.cancel();  // nothing to cancel
}

TEST_F(EdgeWaitTest, WaitKeepsItsContextRunningAndItsListener) {
    edge_wait edges(context.get_executor());
    settle(edges);
    const std::weak_ptr<counting_listener> kept = listener;
    edges.wait(std::move(listener));
    poll();
    EXPECT_FALSE(context.stopped());
    EXPECT_FALSE(kept.expired());
    edges.cancel();
    poll();
    EXPECT_TRUE(context.stopped());
    EXPECT_TRUE(kept.expired());
}

TEST_F(EdgeWaitTest, ContextThatEndsLetsTheListenerGo) {
    struct holder final : edge_listener {
        explicit holder(const asio::any_io_executor& executor) : edges(executor) {}
        void on_edge(error_code /*error*/) override { ++calls; }
        edge_wait edges;
        int calls = 0;
    };
    auto passing = std::make_unique<asio::io_context>();
    auto owner = std::make_shared<holder>(passing->get_executor());
    ASSERT_FALSE(owner->edges.open(ends[0]));
    owner->edges.wait(owner);
    passing->poll();
    owner->edges.wait(owner);
    const std::weak_ptr<holder> kept = owner;
    owner.reset();
    EXPECT_FALSE(kept.expired());
    passing.reset();
    EXPECT_TRUE(kept.expired());
}

TEST_F(EdgeWaitTest, TellsOnTheExecutorThatWasGiven) {
    struct checking final : edge_listener {
        explicit checking(asio::strand<asio::io_context::executor_type> where)
            : strand(std::move(where)) {}
        void on_edge(error_code /*error*/) override { is_inside = strand.running_in_this_thread(); }
        asio::strand<asio::io_context::executor_type> strand;
        bool is_inside = false;
    };
    const auto checked = std::make_shared<checking>(asio::make_strand(context));
    edge_wait edges(checked->strand);
    ASSERT_FALSE(edges.open(ends[0]));
    edges.wait(checked);
    say('a');
    poll();
    EXPECT_TRUE(checked->is_inside);
}

TEST_F(EdgeWaitTest, WorksOnAPoolOfThreads) {
    asio::thread_pool pool(2);
    edge_wait edges(pool.get_executor());
    ASSERT_FALSE(edges.open(ends[0]));
    say('a');
    edges.wait(listener);
    listener->told.acquire();
    EXPECT_EQ(listener->edges, 1);
}

}  // namespace
}  // namespace hearth::io
