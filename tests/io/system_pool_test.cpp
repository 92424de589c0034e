#include "io/system_pool.hpp"

#include <gtest/gtest.h>

#include <boost/asio/ip/address.hpp>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

namespace hearth::io {
namespace {

// A name service in which the test holds back what it likes.
class slow_names {
public:
    name_answer ask(const std::string& name) {
        std::unique_lock lock(mutex_);
        ++asked_[name];
        changed_.notify_all();
        changed_.wait(lock, [&] { return is_open_ || !name.starts_with("slow"); });
        return {{}, name, {boost::asio::ip::make_address("10.0.0.1")}, {}};
    }
    void open() {
        const std::lock_guard lock(mutex_);
        is_open_ = true;
        changed_.notify_all();
    }
    void note(const std::string& name) {
        const std::lock_guard lock(mutex_);
        ++answered_[name];
        changed_.notify_all();
    }
    unsigned asked(const std::string& name) {
        const std::lock_guard lock(mutex_);
        return asked_[name];
    }
    unsigned answered(const std::string& name) {
        const std::lock_guard lock(mutex_);
        return answered_[name];
    }
    void await_asked(const std::string& name) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return asked_[name] != 0; });
    }
    void await_answered(const std::string& name, unsigned times = 1) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return answered_[name] >= times; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, unsigned> asked_;
    std::map<std::string, unsigned> answered_;
    bool is_open_ = false;
};

struct pool_test {
    explicit pool_test(std::uint32_t threads)
        : pool(std::make_unique<system_pool>(
              threads, [names = names](const std::string& name) { return names->ask(name); })) {}
    ~pool_test() { names->open(); }
    pool_test(const pool_test&) = delete;
    pool_test& operator=(const pool_test&) = delete;

    void ask(const std::string& name) {
        pool->ask(name, [names = names](const name_answer& answer) { names->note(answer.detail); });
    }

    std::shared_ptr<slow_names> names = std::make_shared<slow_names>();
    std::unique_ptr<system_pool> pool;
};

TEST(SystemPoolTest, OneSlowNameLessThanThereAreThreadsDelaysNobody) {
    pool_test t(3);
    for (const char* name : {"slow1", "slow2"}) {
        t.ask(name);
        t.names->await_asked(name);
    }
    for (int i = 0; i < 100; ++i) {
        const std::string name = "n" + std::to_string(i);
        t.ask(name);
        t.names->await_answered(name);  // one after the other: the third thread serves them all
    }
    EXPECT_EQ(t.names->answered("slow1"), 0U);
}

TEST(SystemPoolTest, NamesWaitForAThreadAndAllAreAnswered) {
    pool_test t(2);
    for (const char* name : {"slow1", "slow2"}) {
        t.ask(name);
        t.names->await_asked(name);
    }
    t.ask("quick");
    EXPECT_EQ(t.names->asked("quick"), 0U) << "no third thread";
    t.names->open();
    for (const char* name : {"slow1", "slow2", "quick"}) t.names->await_answered(name);
}

TEST(SystemPoolTest, ANameTakesOneThreadWhoeverWantsIt) {
    pool_test t(3);
    t.ask("slow");
    t.names->await_asked("slow");
    for (int i = 0; i < 5; ++i) t.ask("slow");
    t.ask("quick");
    t.names->await_answered("quick");
    t.names->open();
    t.names->await_answered("slow", 6);
    EXPECT_EQ(t.names->asked("slow"), 1U);
}

TEST(SystemPoolTest, IsDestroyedWithoutWaitingForASlowName) {
    pool_test t(1);
    t.ask("slow");
    t.names->await_asked("slow");
    t.ask("never");
    t.pool.reset();
    t.names->open();
    EXPECT_EQ(t.names->asked("never"), 0U);
    EXPECT_EQ(t.names->answered("slow"), 0U);
}

TEST(SystemPoolTest, IsDestroyedWithIdleThreadsOrNone) {
    pool_test used(2);
    used.ask("a");
    used.names->await_answered("a");
    used.pool.reset();
    EXPECT_EQ(used.names->asked("a"), 1U);
    const pool_test unused(2);
    EXPECT_EQ(unused.names->asked("a"), 0U);
}

// As where no thread can be started.
TEST(SystemPoolTest, WithoutAThreadTheAnswerIsAFailure) {
    system_pool pool(0);
    for (int i = 0; i < 2; ++i) {
        name_answer got;
        pool.ask("a.test", [&](const name_answer& answer) { got = answer; });
        EXPECT_EQ(got.error, errc::name_failed);
        EXPECT_EQ(got.detail, "'a.test': no thread can be started to ask.");
    }
}

}  // namespace
}  // namespace hearth::io
