// One thread: who runs where, and what happens to work that comes too late.
#include "testing/worker.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

namespace {

using hearth::testing::internal::worker;

TEST(WorkerTest, CallRunsOnTheWorkersThreadAndWaits) {
    worker home;
    home.start();
    std::thread::id there;
    bool is_inside = false;
    home.call([&] {
        there = std::this_thread::get_id();
        is_inside = home.runs_here();
    });
    EXPECT_NE(there, std::this_thread::get_id());
    EXPECT_TRUE(is_inside);
    EXPECT_FALSE(home.runs_here());
}

TEST(WorkerTest, ACallFromTheWorkerItselfRunsAtOnce) {
    worker home;
    home.start();
    bool has_run = false;
    home.call([&] { home.call([&] { has_run = true; }); });
    EXPECT_TRUE(has_run);
}

TEST(WorkerTest, TheMailboxOutlivesTheWorkerAndDropsItsMail) {
    std::shared_ptr<hearth::testing::internal::mailbox> mail;
    {
        worker home;
        home.start();
        mail = home.mail();
        EXPECT_TRUE(mail->post([] {}));
    }
    EXPECT_FALSE(mail->post([] {}));
    EXPECT_FALSE(mail->runs_here());
}

TEST(WorkerTest, CannotStopItself) {
    worker home;
    home.start();
    home.call([&] { EXPECT_THROW(home.stop(), std::logic_error); });
    home.stop();
    home.stop();
}

TEST(WorkerTest, ACallAfterTheEndDoesNothing) {
    worker home;
    home.start();
    home.stop();
    bool has_run = false;
    home.call([&] { has_run = true; });
    EXPECT_FALSE(has_run);
}

}  // namespace
