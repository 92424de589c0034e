#include "hearth/handler.hpp"

#include <gtest/gtest.h>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <thread>

namespace hearth {
namespace {

namespace asio = boost::asio;

/// What a context sees of its executors: how much work they hold, and what they do after the last
/// work is gone, when its owner may have destroyed it.
struct watched_context {
    int work = 0;
    bool had_work = false;
    int late_touches = 0;

    void touch() {
        if (had_work && work == 0) ++late_touches;
    }
};

/// An executor that runs inline and tells its context of every copy.
class watched_executor {
public:
    watched_executor(watched_context& context, bool is_tracked)
        : context_(&context), is_tracked_(is_tracked) {
        begin();
    }
    watched_executor(const watched_executor& other) noexcept
        : context_(other.context_), is_tracked_(other.is_tracked_) {
        begin();
    }
    watched_executor& operator=(const watched_executor&) = delete;
    ~watched_executor() {
        context_->touch();
        if (is_tracked_) --context_->work;
    }

    // The names that Asio asks for.
    [[nodiscard]] watched_executor require(
        asio::execution::outstanding_work_t::tracked_t /*unused*/) const {
        return {*context_, true};
    }
    [[nodiscard]] watched_executor require(
        asio::execution::outstanding_work_t::untracked_t /*unused*/) const {
        return {*context_, false};
    }
    template <class Function>
    void execute(Function function) const {
        context_->touch();
        function();
    }
    // Asio asks whether they are there.
    [[maybe_unused]] friend bool operator==(const watched_executor& a,
                                            const watched_executor& b) noexcept {
        return a.context_ == b.context_ && a.is_tracked_ == b.is_tracked_;
    }
    [[maybe_unused]] friend bool operator!=(const watched_executor& a,
                                            const watched_executor& b) noexcept {
        return !(a == b);
    }

private:
    void begin() const {
        context_->touch();
        if (is_tracked_) {
            ++context_->work;
            context_->had_work = true;
        }
    }

    watched_context* context_;
    bool is_tracked_;
};

TEST(HandlerTest, CarriesItsResult) {
    int got = 0;
    auto subject = detail::make_handler<int>([&got](int value) { got = value; });
    subject->set_result(7);
    auto* held = subject.get();
    held->run(std::move(subject));
    EXPECT_EQ(got, 7);
}

TEST(HandlerTest, HoldsWorkUntilItIsCalledAndDoesNotTouchTheContextAfter) {
    watched_context context;
    int got = 0;
    {
        auto subject = detail::make_handler<int>(asio::bind_executor(
            watched_executor(context, false), [&got](int value) { got = value; }));
        EXPECT_GT(context.work, 0);
        subject->set_result(7);
        auto* held = subject.get();
        held->run(std::move(subject));
    }
    EXPECT_EQ(got, 7);
    EXPECT_EQ(context.work, 0);
    EXPECT_EQ(context.late_touches, 0);
}

TEST(HandlerTest, OneThatNeverRunsDoesNotTouchTheContextAfterItsWork) {
    watched_context context;
    auto subject = detail::make_handler<int>(
        asio::bind_executor(watched_executor(context, false), [](int) {}));
    subject.reset();
    EXPECT_EQ(context.work, 0);
    EXPECT_EQ(context.late_touches, 0);
}

TEST(HandlerTest, APoolThatWaitsForItsWorkMayGoAtOnce) {
    for (int round = 0; round < 200; ++round) {
        bool was_called = false;
        auto pool = std::make_unique<asio::thread_pool>(1);
        auto subject = detail::make_handler<int>(
            asio::bind_executor(pool->get_executor(), [&was_called](int) { was_called = true; }));
        subject->set_result(7);
        std::thread runner([&subject] {
            auto* held = subject.get();
            held->run(std::move(subject));
        });
        pool->join();
        pool.reset();
        runner.join();
        ASSERT_TRUE(was_called);
    }
}

}  // namespace
}  // namespace hearth
