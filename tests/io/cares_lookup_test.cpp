#include <gtest/gtest.h>
#include <sys/resource.h>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <optional>
#include <utility>

#include "io/name_lookup.hpp"
#include "support/dns_server.hpp"

namespace hearth::io {
namespace {

using std::chrono::seconds;
using support::dns_server;

class CaresLookupTest : public testing::Test {
protected:
    CaresLookupTest() {
        config_.servers = {server_->address()};
        lookup_ = make_cares_lookup(context_.get_executor(), config_);
    }
    // Runs until the answer is there; the server's open receive would keep the context busy.
    name_answer ask(const std::string& name) {
        std::optional<name_answer> result;
        lookup_->start(name, [&](name_answer answer) { result = std::move(answer); });
        EXPECT_FALSE(result) << "the handler ran inside start";
        while (!result && context_.run_one() != 0) {
        }
        return result.value_or(name_answer{});
    }
    static std::vector<std::string> texts(const name_answer& answer) {
        std::vector<std::string> result;
        for (const auto& address : answer.addresses) result.push_back(address.to_string());
        return result;
    }
    void script(const std::string& name, dns_server::reply v6, dns_server::reply v4) {
        server_->script(name, dns_server::type_aaaa, std::move(v6));
        server_->script(name, dns_server::type_a, std::move(v4));
    }

    boost::asio::io_context context_;
    std::optional<dns_server> server_{std::in_place, context_};
    dns_config config_;
    std::unique_ptr<name_lookup> lookup_;
};

TEST_F(CaresLookupTest, JoinsBothFamiliesWithTheSmallerTtl) {
    script("both.example", {.addresses = {"2001:db8::1"}, .ttl = 90},
           {.addresses = {"127.0.0.2", "127.0.0.3"}, .ttl = 30});
    const name_answer answer = ask("both.example");
    ASSERT_FALSE(answer.error) << answer.detail;
    const std::vector<std::string> all = texts(answer);
    // Which family is first depends on whether IPv6 leads anywhere from here.
    const bool is_known =
        all == std::vector<std::string>{"2001:db8::1", "127.0.0.2", "127.0.0.3"} ||
        all == std::vector<std::string>{"127.0.0.2", "2001:db8::1", "127.0.0.3"};
    EXPECT_TRUE(is_known) << testing::PrintToString(all);
    EXPECT_EQ(answer.ttl, seconds(30));
    EXPECT_EQ(server_->queries("both.example"), 2U);
}

TEST_F(CaresLookupTest, OneFamilyIsEnough) {
    script("four.example", {}, {.addresses = {"127.0.0.2"}, .ttl = 30});
    const name_answer answer = ask("four.example");
    ASSERT_FALSE(answer.error) << answer.detail;
    EXPECT_EQ(texts(answer), std::vector<std::string>{"127.0.0.2"});
    EXPECT_EQ(answer.ttl, seconds(30));
}

TEST_F(CaresLookupTest, AFamilyThatNeverAnswersDoesNotHoldUpTheOther) {
    script("half.example", {.is_silent = true}, {.addresses = {"127.0.0.2"}, .ttl = 30});
    const name_answer answer = ask("half.example");
    ASSERT_FALSE(answer.error) << answer.detail;
    EXPECT_EQ(texts(answer), std::vector<std::string>{"127.0.0.2"});
    EXPECT_EQ(answer.ttl, seconds(0)) << "half an answer must be asked for again soon";
}

TEST_F(CaresLookupTest, AFailingFamilyDoesNotSpoilTheOther) {
    script("limp.example", {.code = 2}, {.addresses = {"127.0.0.2"}, .ttl = 30});
    const name_answer answer = ask("limp.example");
    ASSERT_FALSE(answer.error) << answer.detail;
    EXPECT_EQ(texts(answer), std::vector<std::string>{"127.0.0.2"});
    EXPECT_EQ(answer.ttl, seconds(0));
}

TEST_F(CaresLookupTest, SaysThatANameDoesNotExist) {
    const name_answer answer = ask("missing.example");
    EXPECT_EQ(answer.error, errc::name_not_found);
    EXPECT_TRUE(answer.detail.starts_with("'missing.example': ")) << answer.detail;
}

TEST_F(CaresLookupTest, ANameWithoutAddressesIsNotFoundEither) {
    script("empty.example", {}, {});
    EXPECT_EQ(ask("empty.example").error, errc::name_not_found);
}

TEST_F(CaresLookupTest, AServerFailureIsNotAMissingName) {
    script("broken.example", {.code = 2}, {.code = 2});
    const name_answer answer = ask("broken.example");
    EXPECT_EQ(answer.error, errc::name_failed);
    EXPECT_FALSE(answer.detail.empty());
}

TEST_F(CaresLookupTest, HalfAMissingNameIsAFailure) {
    script("torn.example", {.code = 2}, {});
    EXPECT_EQ(ask("torn.example").error, errc::name_failed);
}

TEST_F(CaresLookupTest, FollowsAliasesWithTheSmallestTtl) {
    const std::vector<std::pair<std::string, std::string>> chain = {
        {"www.example", "edge.example"}, {"edge.example", "host.example"}};
    script("www.example", {.aliases = chain},
           {.addresses = {"127.0.0.2"}, .ttl = 20, .aliases = chain, .owner = "host.example"});
    const name_answer answer = ask("www.example");
    ASSERT_FALSE(answer.error) << answer.detail;
    EXPECT_EQ(texts(answer), std::vector<std::string>{"127.0.0.2"});
    EXPECT_EQ(answer.ttl, seconds(20));
}

TEST_F(CaresLookupTest, AddressesOfAnotherNameAreNotTaken) {
    const dns_server::reply lie{.addresses = {"127.0.0.66"}, .owner = "evil.example"};
    script("good.example", {}, lie);
    const name_answer answer = ask("good.example");
    EXPECT_TRUE(answer.error) << "took " << testing::PrintToString(texts(answer));
    // Behind an alias to somewhere else, too.
    script("www.example", {},
           {.addresses = {"127.0.0.66"},
            .aliases = {{"www.example", "host.example"}},
            .owner = "evil.example"});
    EXPECT_TRUE(ask("www.example").error);
}

TEST_F(CaresLookupTest, AnAnswerToAnotherQuestionIsNotTaken) {
    const dns_server::reply lie{.addresses = {"127.0.0.66"}, .question = "evil.example"};
    script("good.example", lie, lie);
    server_->on_query([this] {  // once it has lied to both questions
        if (server_->queries("good.example") == 2) {
            script("good.example", {}, {.addresses = {"127.0.0.2"}});
        }
    });
    EXPECT_EQ(texts(ask("good.example")), std::vector<std::string>{"127.0.0.2"});
    EXPECT_GE(server_->queries("good.example"), 4U) << "asked again";
}

TEST_F(CaresLookupTest, AliasesInACircleEnd) {
    const dns_server::reply circle{
        .aliases = {{"a.example", "b.example"}, {"b.example", "a.example"}}};
    script("a.example", circle, circle);
    EXPECT_EQ(ask("a.example").error, errc::name_not_found);
    const dns_server::reply itself{.aliases = {{"c.example", "c.example"}}};
    script("c.example", itself, itself);
    EXPECT_EQ(ask("c.example").error, errc::name_not_found);
}

TEST_F(CaresLookupTest, LocalhostNeedsNoServer) {
    for (const char* name : {"localhost", "db.localhost"}) {
        const name_answer answer = ask(name);
        ASSERT_FALSE(answer.error) << answer.detail;
        EXPECT_EQ(texts(answer), (std::vector<std::string>{"::1", "127.0.0.1"}));
        EXPECT_EQ(server_->queries(name), 0U);
    }
}

TEST_F(CaresLookupTest, AnswersManyNamesAtOnce) {
    constexpr unsigned count = 50;  // What a socket's receive buffer holds, twice.
    unsigned answered = 0;
    for (unsigned i = 0; i < count; ++i) {
        const std::string name = "n" + std::to_string(i) + ".example";
        script(name, {}, {.addresses = {"127.0.0.2"}});
        lookup_->start(name, [&](const name_answer& answer) {
            EXPECT_FALSE(answer.error) << answer.detail;
            ++answered;
        });
    }
    while (answered < count && context_.run_one() != 0) {
    }
    EXPECT_EQ(answered, count);
}

TEST_F(CaresLookupTest, RefusesMoreLookupsThanItsBound) {
    script("stuck.example", {.is_silent = true}, {.is_silent = true});
    for (std::size_t i = 0; i < max_pending_lookups; ++i) {
        lookup_->start("stuck.example", [](const name_answer&) {});
    }
    EXPECT_EQ(ask("stuck.example").error, errc::name_failed);
}

TEST_F(CaresLookupTest, CanBeDestroyedWithQueriesUnderWay) {
    script("stuck.example", {.is_silent = true}, {.is_silent = true});
    bool was_called = false;
    lookup_->start("stuck.example", [&](const name_answer&) { was_called = true; });
    while (server_->queries("stuck.example") < 2 && context_.run_one() != 0) {
    }
    lookup_.reset();
    server_.reset();
    context_.run();
    EXPECT_FALSE(was_called);
}

TEST_F(CaresLookupTest, CanBeDestroyedBeforeItsFirstQueryLeft) {
    lookup_->start("a.example", [](const name_answer&) { FAIL() << "nobody waits any more"; });
    lookup_.reset();
    server_.reset();
    context_.run();
}

TEST_F(CaresLookupTest, CanBeDestroyedByAHandler) {
    script("a.example", {}, {.addresses = {"127.0.0.2"}});
    bool was_called = false;
    lookup_->start("a.example", [&](const name_answer&) {
        was_called = true;
        lookup_.reset();
        server_.reset();
    });
    context_.run();
    EXPECT_TRUE(was_called);
}

TEST_F(CaresLookupTest, LeavesTheContextWithoutWorkWhenIdle) {
    script("a.example", {}, {.addresses = {"127.0.0.2"}});
    EXPECT_FALSE(ask("a.example").error);
    server_.reset();
    context_.restart();
    context_.run();  // Returns only if nothing is waited for.
}

TEST(CaresLookupServersTest, AServerThatRefusesFailsTheName) {
    boost::asio::io_context context;
    dns_config config;
    {
        const dns_server gone(context);
        config.servers = {gone.address()};
    }
    const auto lookup = make_cares_lookup(context.get_executor(), config);
    name_answer result;
    lookup->start("a.example", [&](name_answer answer) { result = std::move(answer); });
    context.run();
    EXPECT_EQ(result.error, errc::name_failed);
}

TEST(CaresLookupServersTest, UnusableServersFailEveryName) {
    boost::asio::io_context context;
    dns_config config;
    config.servers = {"not an address"};
    const auto lookup = make_cares_lookup(context.get_executor(), config);
    name_answer result;
    lookup->start("a.example", [&](name_answer answer) { result = std::move(answer); });
    context.run();
    EXPECT_EQ(result.error, errc::name_failed);
    EXPECT_FALSE(result.detail.empty());
}

TEST(CaresLookupServersTest, MakeResolverJoinsCacheAndLookup) {
    boost::asio::io_context context;
    dns_server server(context);
    server.script("a.example", dns_server::type_a, {.addresses = {"127.0.0.2"}});
    server.script("a.example", dns_server::type_aaaa, {});
    dns_config config;
    config.servers = {server.address()};
    const auto names = make_resolver(context.get_executor(), config);
    unsigned answered = 0;
    for (unsigned i = 1; i <= 2; ++i) {
        names->resolve("a.example", 443,
                       [&](boost::system::error_code error, const std::string&,
                           const address_list& addresses) {
                           EXPECT_FALSE(error);
                           EXPECT_EQ(addresses.size(), 1U);
                           ++answered;
                       });
        while (answered < i && context.run_one() != 0) {
        }
    }
    EXPECT_EQ(server.queries("a.example"), 2U);
}

TEST_F(CaresLookupTest, LackOfDescriptorsIsNoAnswerOfTheServer) {
    script("host.example", {}, {.addresses = {"127.0.0.2"}});
    rlimit usual{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &usual), 0);
    const rlimit none{0, usual.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const name_answer answer = ask("host.example");
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
    EXPECT_EQ(answer.error, errc::descriptor_limit);
    EXPECT_NE(answer.detail.find("host.example"), std::string::npos);
    EXPECT_FALSE(ask("host.example").error) << "it is not for ever";
}

}  // namespace
}  // namespace hearth::io
