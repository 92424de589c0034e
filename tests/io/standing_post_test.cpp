#include "io/standing_post.hpp"

#include <gtest/gtest.h>

#include <boost/asio/strand.hpp>
#include <memory>
#include <string>
#include <utility>

namespace hearth::io {
namespace {

namespace asio = boost::asio;

/// Posts itself while there are numbers left.
struct counter : std::enable_shared_from_this<counter> {
    counter(asio::any_io_executor on, std::string& to) : executor(std::move(on)), log(to) {}
    ~counter() { log += "end"; }
    counter(const counter&) = delete;
    counter& operator=(const counter&) = delete;
    void go(int left) {
        if (left == 0) return;
        post(executor, [self = shared_from_this(), left] {
            self->log += std::to_string(left);
            self->go(left - 1);
        });
    }
    asio::any_io_executor executor;
    std::string& log;
    standing_post post;
};

TEST(StandingPostTest, MayBeUsedAgainFromInsideItsOwnCall) {
    asio::io_context context;
    std::string log;
    std::make_shared<counter>(context.get_executor(), log)->go(3);
    EXPECT_EQ(log, "") << "never from inside";
    context.run();
    EXPECT_EQ(log, "321end");
}

TEST(StandingPostTest, IsAnOrdinaryPostOnOtherExecutors) {
    asio::io_context context;
    std::string log;
    std::make_shared<counter>(asio::make_strand(context), log)->go(3);
    context.run();
    EXPECT_EQ(log, "321end");
}

TEST(StandingPostTest, ACallThatIsNeverMadeEndsWithItsContext) {
    std::string log;
    {
        asio::io_context context;
        std::make_shared<counter>(context.get_executor(), log)->go(3);
        EXPECT_EQ(log, "");
    }
    EXPECT_EQ(log, "end");
}

TEST(StandingPostTest, TwoAtATimeCostMemoryAndNothingElse) {
    asio::io_context context;
    standing_post subject;
    std::string log;
    subject(context.get_executor(), [&] { log += "a"; });
    subject(context.get_executor(), [&] { log += "b"; });
    context.run();
    EXPECT_EQ(log, "ab");
}

}  // namespace
}  // namespace hearth::io
