#include "io/edge_wait.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>

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

constexpr std::uint64_t pipe_key = 7;

// By value: the structure is packed.
std::uint64_t key_of(const epoll_event& event) { return event.data.u64; }

// The reading end of a pipe, which is in a set.
class watched_pipe {
public:
    explicit watched_pipe(int set) {
        EXPECT_EQ(::pipe(ends_.data()), 0);
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        event.data.u64 = pipe_key;
        EXPECT_EQ(::epoll_ctl(set, EPOLL_CTL_ADD, ends_[0], &event), 0);
    }
    ~watched_pipe() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    watched_pipe(const watched_pipe&) = delete;
    watched_pipe& operator=(const watched_pipe&) = delete;
    void say(char what) const { EXPECT_EQ(::write(ends_[1], &what, 1), 1); }

private:
    std::array<int, 2> ends_{};
};

// A set with a pipe; with the parameter its context waits in the set.
struct EdgeWaitTest : ::testing::TestWithParam<bool> {
    EdgeWaitTest() {
        if (GetParam()) join_waits(context);
    }

    void say(char what) const { pipe.say(what); }
    // What there is to do now; what waits stays.
    void poll() {
        context.restart();
        context.poll();
    }
    // Opens it and lets the first wait end, which may be without an edge.
    void settle(edge_wait& edges) {
        ASSERT_FALSE(edges.open(set));
        edges.wait(listener);
        poll();
        if (listener->edges == 0) {
            edges.cancel();
            poll();
        }
        listener = std::make_shared<counting_listener>();
    }

    const int set = ::epoll_create1(0);
    watched_pipe pipe{set};
    asio::io_context context;
    std::shared_ptr<counting_listener> listener = std::make_shared<counting_listener>();
};

TEST_P(EdgeWaitTest, IsOpenWithADescriptorOfItsOwn) {
    std::optional<edge_wait> edges(std::in_place, context.get_executor());
    EXPECT_FALSE(edges->is_open());
    ASSERT_FALSE(edges->open(set));
    EXPECT_TRUE(edges->is_open());
    EXPECT_EQ(edges->descriptor(), set);
    edges.reset();
    EXPECT_EQ(::close(set), -1);  // it is closed
}

TEST_P(EdgeWaitTest, EachArrivalEndsAWaitThoughNothingIsRead) {
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

TEST_P(EdgeWaitTest, EdgeThatNobodyWaitedForEndsTheNextWait) {
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

TEST_P(EdgeWaitTest, CancelledWaitIsToldAndTheNextOneWorks) {
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

TEST_P(EdgeWaitTest, WaitKeepsItsContextRunningAndItsListener) {
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

TEST_P(EdgeWaitTest, ContextThatEndsLetsTheListenerGo) {
    struct holder final : edge_listener {
        explicit holder(const asio::any_io_executor& executor) : edges(executor) {}
        void on_edge(error_code /*error*/) override { ++calls; }
        edge_wait edges;
        int calls = 0;
    };
    auto passing = std::make_unique<asio::io_context>();
    if (GetParam()) join_waits(*passing);
    auto owner = std::make_shared<holder>(passing->get_executor());
    ASSERT_FALSE(owner->edges.open(set));
    owner->edges.wait(owner);
    passing->poll();
    if (owner->calls != 0) owner->edges.wait(owner);
    const std::weak_ptr<holder> kept = owner;
    owner.reset();
    EXPECT_FALSE(kept.expired());
    passing.reset();
    EXPECT_TRUE(kept.expired());
}

TEST_P(EdgeWaitTest, TellsOnTheExecutorThatWasGiven) {
    struct checking final : edge_listener {
        explicit checking(asio::strand<asio::io_context::executor_type> where)
            : strand(std::move(where)) {}
        void on_edge(error_code /*error*/) override { is_inside = strand.running_in_this_thread(); }
        asio::strand<asio::io_context::executor_type> strand;
        bool is_inside = false;
    };
    const auto checked = std::make_shared<checking>(asio::make_strand(context));
    edge_wait edges(checked->strand);
    ASSERT_FALSE(edges.open(set));
    edges.wait(checked);
    say('a');
    poll();
    EXPECT_TRUE(checked->is_inside);
}

TEST_P(EdgeWaitTest, WorksOnAPoolOfThreads) {
    asio::thread_pool pool(2);
    edge_wait edges(pool.get_executor());
    ASSERT_FALSE(edges.open(set));
    say('a');
    edges.wait(listener);
    listener->told.acquire();
    EXPECT_EQ(listener->edges, 1);
}

TEST_P(EdgeWaitTest, TakesWhatIsReadyOnce) {
    edge_wait edges(context.get_executor());
    settle(edges);
    edges.wait(listener);
    say('a');
    poll();
    ASSERT_EQ(listener->edges, 1);
    const edge_wait::batch taken = edges.take();
    ASSERT_EQ(taken.events.size(), 1U);
    EXPECT_EQ(key_of(taken.events[0]), pipe_key);
    EXPECT_FALSE(taken.is_full);
    EXPECT_TRUE(edges.take().events.empty());
    say('b');
    EXPECT_EQ(edges.take().events.size(), 1U) << "also without a wait";
}

TEST_P(EdgeWaitTest, SaysWhenMoreMayBeReadyThanItTook) {
    std::list<watched_pipe> pipes;
    for (std::size_t i = 0; i != edge_wait::batch_size; ++i) pipes.emplace_back(set).say('a');
    edge_wait edges(context.get_executor());
    ASSERT_FALSE(edges.open(set));
    say('a');
    edges.wait(listener);
    asio::steady_timer timer(context);
    int expired = 0;
    timer.expires_after(std::chrono::seconds(0));
    timer.async_wait([&](error_code) { ++expired; });
    poll();
    ASSERT_EQ(listener->edges, 1);
    std::size_t found = 0;
    edge_wait::batch taken;
    do {
        taken = edges.take();
        found += taken.events.size();
        for (const epoll_event& event : taken.events) EXPECT_EQ(key_of(event), pipe_key);
    } while (taken.is_full);
    EXPECT_EQ(found, edge_wait::batch_size + 1);
    while (expired == 0) poll();
}

TEST_P(EdgeWaitTest, WaitIsNoHindranceToTimersAndToWhatOtherThreadsPost) {
    edge_wait edges(context.get_executor());
    settle(edges);
    edges.wait(listener);
    asio::steady_timer timer(context);
    int expired = 0;
    timer.expires_after(std::chrono::milliseconds(1));
    timer.async_wait([&](error_code) { ++expired; });
    context.restart();
    while (expired == 0) context.run_one();
    EXPECT_EQ(listener->edges, 0);
    bool is_posted = false;
    std::thread other([&] { asio::post(context, [&] { is_posted = true; }); });
    while (!is_posted) context.run_one();
    other.join();
    EXPECT_EQ(listener->edges, 0);
    say('a');
    while (listener->edges == 0) context.run_one();
}

TEST_P(EdgeWaitTest, OneIsWaitedForBesideAnother) {
    edge_wait first(context.get_executor());
    settle(first);
    const int other_set = ::epoll_create1(0);
    const watched_pipe other_pipe(other_set);
    edge_wait second(context.get_executor());
    ASSERT_FALSE(second.open(other_set));
    const auto also = std::make_shared<counting_listener>();
    first.wait(listener);
    second.wait(also);
    other_pipe.say('a');
    poll();
    EXPECT_EQ(also->edges, 1);
    EXPECT_EQ(listener->edges, 0);
    say('a');
    poll();
    EXPECT_EQ(listener->edges, 1);
}

TEST_P(EdgeWaitTest, PlaceOfOneThatIsGoneIsFree) {
    std::optional<edge_wait> first(std::in_place, context.get_executor());
    settle(*first);
    first->wait(listener);
    first.reset();
    poll();
    EXPECT_EQ(listener->cancelled, 1);
    const int other_set = ::epoll_create1(0);
    const watched_pipe other_pipe(other_set);
    edge_wait second(context.get_executor());
    ASSERT_FALSE(second.open(other_set));
    const auto also = std::make_shared<counting_listener>();
    second.wait(also);
    other_pipe.say('a');
    poll();
    EXPECT_EQ(also->edges, 1);
}

INSTANTIATE_TEST_SUITE_P(Contexts, EdgeWaitTest, ::testing::Bool(), [](const auto& mode) {
    return std::string(mode.param ? "Joined" : "Plain");
});

}  // namespace
}  // namespace hearth::io
