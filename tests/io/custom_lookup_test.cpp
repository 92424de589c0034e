#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "io/name_lookup.hpp"

namespace hearth::io {
namespace {

using namespace std::chrono_literals;

// A hook whose calls the test answers by hand.
class CustomLookupTest : public testing::Test {
protected:
    struct call {
        std::string name;
        std::stop_token stop;
        name_done done;
    };
    void make(std::chrono::milliseconds patience = 1h) {
        use(
            [this](const std::string& name, std::stop_token stop, name_done done) {
                calls_.push_back({name, std::move(stop), std::move(done)});
            },
            patience);
    }
    void use(name_hook hook, std::chrono::milliseconds patience = 1h) {
        lookup_ = make_custom_lookup(context_.get_executor(), std::move(hook), patience);
    }
    void start(const std::string& name) {
        lookup_->start(name, [this](name_answer answer) {
            ++answers_;
            answer_ = std::move(answer);
        });
    }
    void run() {
        context_.restart();
        context_.run();
    }
    static name_result found(std::initializer_list<const char*> addresses) {
        name_result result;
        for (const char* one : addresses) {
            result.addresses.push_back(boost::asio::ip::make_address(one));
        }
        result.ttl = 30s;
        return result;
    }

    boost::asio::io_context context_;
    std::vector<call> calls_;
    unsigned answers_ = 0;
    name_answer answer_;
    std::unique_ptr<name_lookup> lookup_;
};

TEST_F(CustomLookupTest, AnswersInTheOrderOfTheHook) {
    make();
    start("a.test");
    ASSERT_EQ(calls_.size(), 1U);
    EXPECT_EQ(calls_[0].name, "a.test");
    calls_[0].done(found({"10.0.0.2", "::1", "10.0.0.1"}));
    EXPECT_EQ(answers_, 0U) << "the handler ran inside the hook's call";
    run();
    EXPECT_FALSE(answer_.error);
    EXPECT_EQ(answer_.addresses, found({"10.0.0.2", "::1", "10.0.0.1"}).addresses);
    EXPECT_EQ(answer_.ttl, 30s);
    EXPECT_FALSE(calls_[0].stop.stop_requested());
}

TEST_F(CustomLookupTest, MayAnswerAtOnceOrFromAnotherThread) {
    use([](const std::string&, const std::stop_token&, const name_done& done) {
        done(found({"10.0.0.1"}));
    });
    start("a.test");
    EXPECT_EQ(answers_, 0U);
    run();
    EXPECT_EQ(answers_, 1U);
    make();
    start("b.test");
    std::thread other([this] { calls_[0].done(found({"10.0.0.1"})); });
    run();
    other.join();
    EXPECT_EQ(answers_, 2U);
}

TEST_F(CustomLookupTest, OnlyItsFirstAnswerCounts) {
    make();
    start("a.test");
    calls_[0].done(found({"10.0.0.1"}));
    calls_[0].done(found({"10.0.0.2"}));
    run();
    EXPECT_EQ(answers_, 1U);
    EXPECT_EQ(answer_.addresses, found({"10.0.0.1"}).addresses);
}

TEST_F(CustomLookupTest, TellsMissingNamesFromFailures) {
    make();
    const auto say = [this](boost::system::error_code error, std::string detail) {
        calls_.clear();
        start("a.test");
        calls_[0].done({error, std::move(detail), {}, {}});
        run();
        return answer_;
    };
    EXPECT_EQ(say(errc::name_not_found, {}).error, errc::name_not_found);
    EXPECT_EQ(say(errc::proxy_failed, "The registry is down.").error, errc::name_failed);
    EXPECT_EQ(answer_.detail, "The registry is down.");
    EXPECT_EQ(say({}, {}).error, errc::name_not_found) << "no address";
    EXPECT_EQ(answer_.detail, "'a.test': it has no address.");
}

TEST_F(CustomLookupTest, UsesABoundedNumberOfAddresses) {
    make();
    start("a.test");
    name_result many;
    for (unsigned i = 0; i < 1000; ++i) many.addresses.push_back(boost::asio::ip::address_v4(i));
    calls_[0].done(many);
    run();
    EXPECT_EQ(answer_.addresses.size(), max_addresses);
}

TEST_F(CustomLookupTest, AnExceptionIsAFailureOfTheName) {
    use([](const std::string&, const std::stop_token&, const name_done&) {
        throw std::runtime_error("no registry");
    });
    start("a.test");
    run();
    EXPECT_EQ(answer_.error, errc::name_failed);
    EXPECT_EQ(answer_.detail, "'a.test': dns.hook threw: no registry.");
    use([](const std::string&, const std::stop_token&, const name_done&) { throw 1; });
    start("a.test");
    run();
    EXPECT_EQ(answer_.detail, "'a.test': dns.hook threw.");
}

TEST_F(CustomLookupTest, IsToldToStopWhenItDoesNotAnswer) {
    make(1ms);
    start("a.test");
    run();
    EXPECT_TRUE(calls_[0].stop.stop_requested());
    EXPECT_EQ(answer_.error, errc::name_failed);
    EXPECT_EQ(answer_.detail, "'a.test': dns.hook did not answer in time.");
    calls_[0].done(found({"10.0.0.1"}));
    run();
    EXPECT_EQ(answers_, 1U);
}

TEST_F(CustomLookupTest, IsToldToStopWhenTheClientGoes) {
    make();
    start("a.test");
    lookup_.reset();
    EXPECT_TRUE(calls_[0].stop.stop_requested());
    run();
    calls_[0].done(found({"10.0.0.1"}));
    run();
    EXPECT_EQ(answers_, 0U);
}

TEST_F(CustomLookupTest, AHandlerMayDestroyIt) {
    make();
    lookup_->start("a.test", [this](const name_answer&) {
        ++answers_;
        lookup_.reset();
    });
    start("b.test");
    calls_[0].done(found({"10.0.0.1"}));
    run();
    EXPECT_EQ(answers_, 1U);
    EXPECT_TRUE(calls_[1].stop.stop_requested());
}

TEST_F(CustomLookupTest, RefusesMoreLookupsThanItsBound) {
    make();
    for (std::size_t i = 0; i < max_pending_lookups; ++i) start("stuck.test");
    start("one.more");
    EXPECT_EQ(calls_.size(), max_pending_lookups);
    context_.poll();
    EXPECT_EQ(answers_, 1U);
    EXPECT_EQ(answer_.error, errc::name_failed);
}

}  // namespace
}  // namespace hearth::io
