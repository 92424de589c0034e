#include "io/readiness_set.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

namespace hearth::io {
namespace {

namespace asio = boost::asio;

// One end of a pair of sockets in a set; the other end is the test's.
class watched final : public readiness_target {
public:
    explicit watched(readiness_set& set) : set_(set) {
        std::array<int, 2> both{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both.data()), 0);
        own_ = both[0];
        peer_ = both[1];
        EXPECT_FALSE(set_.add(own_, *this, watch));
    }
    ~watched() {
        remove();
        close_peer();
    }
    watched(const watched&) = delete;
    watched& operator=(const watched&) = delete;

    void on_ready(watch_id which, readiness news) override {
        EXPECT_EQ(which, watch);
        told.push_back(news);
        if (then) then();
    }
    void say(char what) const { EXPECT_EQ(::write(peer_, &what, 1), 1); }
    void close_peer() {
        if (peer_ >= 0) ::close(peer_);
        peer_ = -1;
    }
    void remove() {
        if (own_ < 0) return;
        set_.remove(watch);
        ::close(own_);
        own_ = -1;
    }

    watch_id watch;
    std::vector<readiness> told;
    std::function<void()> then;

private:
    readiness_set& set_;
    int own_ = -1;
    int peer_ = -1;
};

struct counting_owner final : readiness_owner {
    int batches = 0;
    void on_batch_told() override { ++batches; }
};

struct ReadinessSetTest : ::testing::Test {
    asio::io_context context;
    std::shared_ptr<counting_owner> owner = std::make_shared<counting_owner>();
    std::shared_ptr<readiness_set> set =
        std::make_shared<readiness_set>(context.get_executor(), owner);

    // What there is to do now; what waits stays.
    void poll() {
        context.restart();
        context.poll();
    }
};

TEST_F(ReadinessSetTest, ReadinessOfTheMomentOfAddingIsAnEdge) {
    watched one(*set);
    set->begin_wait();
    poll();
    ASSERT_EQ(one.told.size(), 1U);
    EXPECT_TRUE(one.told[0].writable);
    EXPECT_FALSE(one.told[0].readable);
    EXPECT_FALSE(one.told[0].ending);
}

TEST_F(ReadinessSetTest, EveryArrivalIsAnEdgeThoughNothingWasRead) {
    watched one(*set);
    set->begin_wait();
    poll();
    one.say('a');
    poll();
    poll();  // the same octet is no news
    ASSERT_EQ(one.told.size(), 2U);
    EXPECT_TRUE(one.told[1].readable);
    one.say('b');
    poll();
    EXPECT_EQ(one.told.size(), 3U);
}

TEST_F(ReadinessSetTest, OwnerHearsOfTheEndOfABatch) {
    watched one(*set);
    watched other(*set);
    bool was_telling = false;
    int batches_before = 0;
    other.then = [&] {
        was_telling = set->is_telling();
        batches_before = owner->batches;
    };
    set->begin_wait();
    poll();
    EXPECT_EQ(one.told.size() + other.told.size(), 2U);
    EXPECT_TRUE(was_telling);
    EXPECT_EQ(batches_before, 0);
    EXPECT_EQ(owner->batches, 1);
    EXPECT_FALSE(set->is_telling());
}

TEST_F(ReadinessSetTest, NobodyIsInABatchThatAnExceptionLeft) {
    watched one(*set);
    watched other(*set);
    watched again(*set);
    set->begin_wait();
    poll();
    one.say('a');
    other.say('a');
    bool is_first = true;
    const auto fail = [&] {
        if (std::exchange(is_first, false)) throw std::runtime_error("mine");
    };
    one.then = fail;
    other.then = fail;
    bool was_telling = true;
    again.then = [&] { was_telling = set->is_telling(); };
    set->call_again(again.watch);
    EXPECT_THROW(poll(), std::runtime_error);
    poll();
    EXPECT_FALSE(was_telling);
    EXPECT_EQ(one.told.size() + other.told.size(), 4U);
}

TEST_F(ReadinessSetTest, EndOfStreamIsToldApartFromData) {
    watched one(*set);
    set->begin_wait();
    one.say('a');
    poll();
    EXPECT_FALSE(one.told.back().ending);
    one.close_peer();
    poll();
    EXPECT_TRUE(one.told.back().readable);
    EXPECT_TRUE(one.told.back().ending);
}

TEST_F(ReadinessSetTest, NothingKeepsTheExecutorBusyWithoutWaits) {
    watched one(*set);
    context.run();  // returns
    EXPECT_TRUE(one.told.empty());
    set->begin_wait();
    poll();
    set->end_wait();
    context.restart();
    context.run();  // returns
    one.say('a');
    context.restart();
    context.run();
    EXPECT_EQ(one.told.size(), 1U);
    set->begin_wait();  // what came meanwhile is not lost
    poll();
    EXPECT_EQ(one.told.size(), 2U);
}

TEST_F(ReadinessSetTest, WaitThatBeginsBeforeTheLastOneHasEndedIsKept) {
    watched one(*set);
    set->begin_wait();
    poll();
    set->end_wait();
    set->begin_wait();
    poll();
    one.say('a');
    poll();
    EXPECT_EQ(one.told.size(), 2U);
}

TEST_F(ReadinessSetTest, RemovedTargetIsNotCalledThoughItsEdgeWasTaken) {
    watched one(*set);
    watched two(*set);
    one.then = [&] { two.remove(); };
    two.then = [&] { one.remove(); };
    set->begin_wait();
    poll();
    EXPECT_EQ(one.told.size() + two.told.size(), 1U);
}

TEST_F(ReadinessSetTest, NameOfARemovedOneIsNeverUsedAgain) {
    watched one(*set);
    const watch_id before = one.watch;
    one.remove();
    watched two(*set);
    EXPECT_EQ(two.watch.index, before.index);
    EXPECT_FALSE(set->contains(before));
    EXPECT_TRUE(set->contains(two.watch));
    set->remove(before);
    EXPECT_TRUE(set->contains(two.watch));
}

TEST_F(ReadinessSetTest, CallAgainCallsOnceFromTheExecutor) {
    watched one(*set);
    set->call_again(one.watch);
    set->call_again(one.watch);
    EXPECT_TRUE(one.told.empty());
    poll();
    ASSERT_EQ(one.told.size(), 1U);
    EXPECT_FALSE(one.told[0].readable || one.told[0].writable || one.told[0].ending);
    set->call_again(one.watch);
    one.remove();
    poll();
    EXPECT_EQ(one.told.size(), 1U);
}

TEST_F(ReadinessSetTest, ThrowingHandlerCostsNobodyAnEdge) {
    watched one(*set);
    watched two(*set);
    watched three(*set);
    for (watched* each : {&one, &two, &three}) {
        each->then = [] { throw std::runtime_error("a caller's handler"); };
    }
    set->begin_wait();
    int thrown = 0;
    for (int i = 0; i < 10; ++i) {  // some of what runs tells nobody
        context.restart();
        try {
            context.poll_one();
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    EXPECT_EQ(thrown, 3);
    EXPECT_EQ(one.told.size() + two.told.size() + three.told.size(), 3U);
    one.then = nullptr;
    one.say('a');
    poll();
    EXPECT_EQ(one.told.size(), 2U);
}

TEST_F(ReadinessSetTest, MoreSocketsThanABatchAreAllTold) {
    std::vector<std::unique_ptr<watched>> all;
    for (int i = 0; i < 200; ++i) all.push_back(std::make_unique<watched>(*set));
    set->begin_wait();
    poll();
    for (const auto& one : all) EXPECT_EQ(one->told.size(), 1U);
}

TEST_F(ReadinessSetTest, NobodyIsToldAfterTheOwnerHasGone) {
    watched one(*set);
    set->begin_wait();
    set->call_again(one.watch);
    owner.reset();
    poll();
    EXPECT_TRUE(one.told.empty());
}

}  // namespace
}  // namespace hearth::io
