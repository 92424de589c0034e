#include "io/answer_box.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace hearth::io {
namespace {

using box_type = answer_box<std::string>;

struct boxed {
    boost::asio::io_context context;
    std::shared_ptr<box_type> box = std::make_shared<box_type>(context.get_executor());
    std::vector<std::string> heard;

    std::uint64_t add() {
        return box->add([this](std::string answer) { heard.push_back(std::move(answer)); });
    }
};

using words = std::vector<std::string>;

TEST(AnswerBoxTest, AnAnswerComesOnTheExecutorNeverFromInsideDeliver) {
    boxed t;
    const std::uint64_t next = t.box->next_number();
    const std::uint64_t number = t.add();
    EXPECT_EQ(number, next);
    t.box->deliver(number, "a");
    EXPECT_TRUE(t.heard.empty());
    t.context.run();
    EXPECT_EQ(t.heard, words{"a"});
    EXPECT_EQ(t.box->size(), 0U);
}

TEST(AnswerBoxTest, AHandlerThatWaitsKeepsTheContextRunning) {
    boxed t;
    const std::uint64_t number = t.add();
    std::thread other([&] { t.box->deliver(number, "late"); });
    t.context.run();  // does not return before that
    other.join();
    EXPECT_EQ(t.heard, words{"late"});
}

TEST(AnswerBoxTest, OnlyTheFirstAnswerCounts) {
    boxed t;
    const std::uint64_t number = t.add();
    t.box->deliver(number, "first");
    t.box->deliver(number, "second");
    t.box->deliver(number + 1, "nobody's");
    t.context.run();
    EXPECT_EQ(t.heard, words{"first"});
}

TEST(AnswerBoxTest, WhatIsForgottenIsNotAnswered) {
    boxed t;
    const std::uint64_t number = t.add();
    t.box->deliver(number, "a");
    EXPECT_TRUE(t.box->forget(number));
    EXPECT_FALSE(t.box->forget(number));
    t.context.run();
    EXPECT_TRUE(t.heard.empty());
}

TEST(AnswerBoxTest, AfterItWasShutTheExecutorIsLeftAlone) {
    auto t = std::make_unique<boxed>();
    const auto box = t->box;
    const std::uint64_t number = t->add();
    box->shut();
    t->context.run();  // nothing keeps it
    t.reset();
    box->deliver(number, "too late");
    EXPECT_EQ(box->size(), 0U);
}

}  // namespace
}  // namespace hearth::io
