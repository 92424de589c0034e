#include "client/call_queue.hpp"

#include <gtest/gtest.h>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace hearth::detail {
namespace {

using boost::system::error_code;

/// Notes in a log when it is called, and when it ends.
class noted final : public pending_call {
public:
    noted(std::string& log, char name) : log_(log), name_(name) {}
    ~noted() override { log_ += '-'; }
    noted(const noted&) = delete;
    noted& operator=(const noted&) = delete;
    void run(call_ptr /*self*/) override { log_ += name_; }
    void set_due() { is_due_ = true; }

private:
    std::string& log_;
    char name_;
};

void run_all(call_queue& queue) {
    call_ptr next;
    while (queue.pop(next)) {
        pending_call& call = *next;
        call.run(std::move(next));
    }
}

TEST(CallQueueTest, FirstInFirstOut) {
    std::string log;
    call_queue queue;
    for (const char name : {'a', 'b', 'c'}) queue.push(std::make_unique<noted>(log, name));
    queue.push_front(std::make_unique<noted>(log, 'z'));
    queue.push(nullptr);
    EXPECT_EQ(queue.size(), 4U);
    run_all(queue);
    EXPECT_EQ(log, "z-a-b-c-");
    EXPECT_TRUE(queue.empty());
    queue.push_front(std::make_unique<noted>(log, 'd'));
    queue.push(std::make_unique<noted>(log, 'e'));
    run_all(queue);
    EXPECT_EQ(log, "z-a-b-c-d-e-");
}

TEST(CallQueueTest, EndsWhatIsLeft) {
    std::string log;
    {
        call_queue queue;
        for (int i = 0; i < 100'000; ++i) queue.push(std::make_unique<noted>(log, 'a'));
    }
    EXPECT_EQ(log, std::string(100'000, '-'));
}

TEST(CallQueueTest, WhatAnExceptionLosesIsKept) {
    std::string log;
    call_queue kept;
    try {
        const call_rescue rescue(kept, rescued::all);
        const call_ptr ended(std::make_unique<noted>(log, 'a'));
        const call_ptr lost(std::make_unique<noted>(log, 'b'));
        throw std::bad_alloc();
    } catch (const std::bad_alloc&) {
        EXPECT_EQ(kept.size(), 2U);
    }
    EXPECT_EQ(log, "");
    {
        const call_rescue rescue(kept, rescued::all);
        const call_ptr ended(std::make_unique<noted>(log, 'c'));
    }
    EXPECT_EQ(log, "-") << "no exception ended it";
    EXPECT_EQ(kept.size(), 2U);
}

TEST(CallQueueTest, OnlyDueOnesAreKeptIfThatIsWanted) {
    std::string log;
    call_queue kept;
    try {
        const call_rescue rescue(kept, rescued::due);
        const call_ptr fresh(std::make_unique<noted>(log, 'a'));
        auto due = std::make_unique<noted>(log, 'b');
        due->set_due();
        const call_ptr lost(std::move(due));
        throw std::bad_alloc();
    } catch (const std::bad_alloc&) {
        EXPECT_EQ(kept.size(), 1U);
    }
    run_all(kept);
    EXPECT_EQ(log, "-b-");
}

TEST(CallQueueTest, TheInnermostRescueCounts) {
    std::string log;
    call_queue outer;
    call_queue inner;
    try {
        const call_rescue all(outer, rescued::all);
        const call_ptr lost(std::make_unique<noted>(log, 'a'));
        try {
            const call_rescue rescue(inner, rescued::all);
            const call_ptr lost_inside(std::make_unique<noted>(log, 'b'));
            throw std::bad_alloc();
        } catch (const std::bad_alloc&) {
            EXPECT_EQ(inner.size(), 1U);
            throw;
        }
    } catch (const std::bad_alloc&) {
        EXPECT_EQ(outer.size(), 1U);
    }
    EXPECT_EQ(log, "");
}

// Destructors that run because of an exception may use a client, which is nothing unusual to it.
TEST(CallQueueTest, AnExceptionThatWasThereBeforeLosesNothing) {
    std::string log;
    call_queue kept;
    struct uses_a_client {
        std::string& log;
        call_queue& kept;
        ~uses_a_client() {
            const call_rescue rescue(kept, rescued::all);
            const call_ptr ended(std::make_unique<noted>(log, 'a'));
        }
    };
    try {
        const uses_a_client user{log, kept};
        throw std::runtime_error("of something else");
    } catch (const std::runtime_error&) {
        EXPECT_TRUE(kept.empty());
    }
    EXPECT_EQ(log, "-");
}

TEST(CallQueueTest, HandlersThatFailHaveTheirErrorAndEmptyValues) {
    error_code told;
    std::string text = "untouched";
    handler_ptr<error_code, std::string> handler =
        make_handler<error_code, std::string>([&](error_code error, std::string value) {
            told = error;
            text = std::move(value);
        });
    EXPECT_TRUE(handler->fail(boost::asio::error::no_memory));
    call_queue queue;
    queue.push(std::move(handler));
    run_all(queue);
    EXPECT_EQ(told, boost::asio::error::no_memory);
    EXPECT_EQ(text, "");
    std::string log;
    EXPECT_FALSE(noted(log, 'a').fail(boost::asio::error::no_memory)) << "nobody waits for it";
}

TEST(CallQueueTest, OneWhoseHandlerHasBeenCalledIsNotKept) {
    call_queue kept;
    int calls = 0;
    handler_ptr<int> handler = make_handler<int>([&](int) {
        ++calls;
        throw std::bad_alloc();
    });
    handler->set_result(7);
    call_ptr call = std::move(handler);
    try {
        const call_rescue rescue(kept, rescued::all);
        pending_call& running = *call;
        running.run(std::move(call));
    } catch (const std::bad_alloc&) {
        EXPECT_TRUE(kept.empty());
    }
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(is_own_exception());
}

/// Takes nothing, for there is no memory.
class full_context final : public boost::asio::execution_context {};
class full_executor {
public:
    explicit full_executor(full_context& context) : context_(&context) {}
    boost::asio::execution_context& query(boost::asio::execution::context_t /*unused*/) const {
        return *context_;
    }
    static constexpr boost::asio::execution::blocking_t query(
        boost::asio::execution::blocking_t /*unused*/) {
        return boost::asio::execution::blocking.never;
    }
    template <class Function>
    void execute(Function /*what*/) const {
        throw std::bad_alloc();
    }
    bool operator==(const full_executor& other) const noexcept {
        return context_ == other.context_;
    }
    bool operator!=(const full_executor& other) const noexcept { return !(*this == other); }

private:
    full_context* context_;
};

TEST(CallQueueTest, HandlersThatTheirExecutorCannotTakeKeepTheirResult) {
    full_context context;
    call_queue kept;
    call_ptr call = make_handler<int>(
        boost::asio::bind_executor(full_executor(context), [](int) { FAIL() << "it was called"; }));
    static_cast<pending_handler<int>&>(*call).set_result(7);
    try {
        const call_rescue rescue(kept, rescued::due);
        pending_call& running = *call;
        running.run(std::move(call));
    } catch (const std::bad_alloc&) {
        EXPECT_EQ(kept.size(), 1U);
    }
}

}  // namespace
}  // namespace hearth::detail
