#include "io/resolver.hpp"

#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <stop_token>
#include <utility>
#include <vector>

#include "io/name_lookup.hpp"

namespace hearth::io {
namespace {

// A name service whose answers the test gives by hand.
class manual_lookup final : public name_lookup {
public:
    struct call {
        std::string name;
        name_handler handler;
    };
    explicit manual_lookup(std::vector<call>& calls) : calls_(calls) {}
    void start(const std::string& name, name_handler handler) override {
        calls_.push_back({name, std::move(handler)});
    }

private:
    std::vector<call>& calls_;
};

struct outcome {
    unsigned calls = 0;
    boost::system::error_code error;
    std::string detail;
    std::vector<std::string> addresses;
};

class ResolverTest : public testing::Test {
protected:
    void make(const dns_config& config = {}) {
        resolver_ = make_caching_resolver(context_.get_executor(), config,
                                          std::make_unique<manual_lookup>(lookups_));
    }
    std::uint64_t resolve(const std::string& host, outcome& out, std::uint16_t port = 443) {
        return resolver_->resolve(
            host, port,
            [&out](boost::system::error_code error, std::string detail, const address_list& list) {
                ++out.calls;
                out.error = error;
                out.detail = std::move(detail);
                for (const auto& address : list) out.addresses.push_back(address.to_string());
            });
    }
    void run() {
        context_.restart();
        context_.run();
    }
    static name_answer answer(const char* address, std::chrono::seconds ttl) {
        return {{}, {}, {boost::asio::ip::make_address(address)}, ttl};
    }

    boost::asio::io_context context_;
    std::vector<manual_lookup::call> lookups_;
    std::unique_ptr<resolver> resolver_;
};

TEST_F(ResolverTest, AnswersLiteralsWithoutALookup) {
    make();
    outcome v4;
    outcome v6;
    resolve("10.1.2.3", v4);
    resolve("::1", v6);
    EXPECT_EQ(v4.calls, 0U) << "a handler ran inside resolve";
    run();
    EXPECT_EQ(v4.addresses, std::vector<std::string>{"10.1.2.3"});
    EXPECT_EQ(v6.addresses, std::vector<std::string>{"::1"});
    EXPECT_TRUE(lookups_.empty());
}

TEST_F(ResolverTest, OverridesKeepTheirOrderAndTheVeryPortGoesFirst) {
    dns_config config;
    config.overrides = {{"A.Example.", 0, {"10.0.0.9"}},
                        {"a.example", 8443, {"10.0.0.2", "::1", "10.0.0.1"}}};
    make(config);
    outcome any;
    outcome exact;
    resolve("a.example", any, 443);
    resolve("a.example", exact, 8443);
    run();
    EXPECT_EQ(any.addresses, std::vector<std::string>{"10.0.0.9"});
    EXPECT_EQ(exact.addresses, (std::vector<std::string>{"10.0.0.2", "::1", "10.0.0.1"}));
    EXPECT_TRUE(lookups_.empty());
}

TEST_F(ResolverTest, OverridesAlsoReplaceLiterals) {
    dns_config config;
    config.overrides = {{"10.0.0.1", 443, {"127.0.0.1"}}};
    make(config);
    outcome out;
    resolve("10.0.0.1", out);
    run();
    EXPECT_EQ(out.addresses, std::vector<std::string>{"127.0.0.1"});
}

TEST_F(ResolverTest, KnowsAtOnceWhatNeedsNoLookup) {
    dns_config config;
    config.overrides = {{"fixed.example", 0, {"10.0.0.9"}}, {"none.example", 0, {}}};
    make(config);
    const auto list = [](const char* address) {
        return address_list{boost::asio::ip::make_address(address)};
    };
    EXPECT_EQ(resolver_->known("[::1]", 443), list("::1"));
    EXPECT_EQ(resolver_->known("FIXED.example.", 443), list("10.0.0.9"));
    EXPECT_EQ(resolver_->known("none.example", 443), std::nullopt) << "why is `resolve`'s to say";
    EXPECT_EQ(resolver_->known("a.example", 443), std::nullopt);
    outcome out;
    resolve("a.example", out);
    EXPECT_EQ(resolver_->known("a.example", 443), std::nullopt);
    lookups_.at(0).handler(answer("10.0.0.1", std::chrono::seconds(60)));
    run();
    EXPECT_EQ(resolver_->known("A.example", 443), list("10.0.0.1"));
    EXPECT_EQ(lookups_.size(), 1U);
}

TEST_F(ResolverTest, KnowsNothingThatIsOutOfDateOrMissing) {
    dns_config config;
    config.stale_while_refresh = std::chrono::seconds(60);
    config.stale_if_error = std::chrono::seconds(60);
    config.min_ttl = std::chrono::seconds(0);
    make(config);
    outcome out;
    resolve("old.example", out);
    lookups_.at(0).handler(answer("10.0.0.1", std::chrono::seconds(0)));
    resolve("missing.example", out);
    lookups_.at(1).handler({make_error_code(errc::name_not_found), "no such name", {}, {}});
    run();
    EXPECT_EQ(resolver_->known("old.example", 443), std::nullopt);
    EXPECT_EQ(resolver_->known("missing.example", 443), std::nullopt);
    EXPECT_EQ(lookups_.size(), 2U) << "nobody is asked";
}

TEST_F(ResolverTest, AsksOncePerNameHoweverManyWait) {
    make();
    std::vector<outcome> outs(50);
    for (outcome& one : outs) resolve("a.example", one);
    outcome upper;
    resolve("A.EXAMPLE", upper);
    ASSERT_EQ(lookups_.size(), 1U);
    lookups_[0].handler(answer("10.0.0.1", std::chrono::seconds(60)));
    run();
    for (const outcome& one : outs) {
        EXPECT_EQ(one.calls, 1U);
        EXPECT_EQ(one.addresses, std::vector<std::string>{"10.0.0.1"});
    }
    EXPECT_EQ(upper.calls, 1U);
}

TEST_F(ResolverTest, AnswersFromTheCacheAfterwards) {
    make();
    outcome first;
    outcome second;
    resolve("a.example", first);
    lookups_[0].handler(answer("10.0.0.1", std::chrono::seconds(60)));
    run();
    resolve("a.example", second);
    run();
    EXPECT_EQ(lookups_.size(), 1U);
    EXPECT_EQ(second.addresses, std::vector<std::string>{"10.0.0.1"});
}

TEST_F(ResolverTest, RemembersMissingNamesButNotFailures) {
    make();
    outcome missing;
    outcome again;
    resolve("x.example", missing);
    lookups_[0].handler(make_failed_answer(errc::name_not_found, "x.example", "no such name"));
    run();
    resolve("x.example", again);
    run();
    EXPECT_EQ(again.error, errc::name_not_found);
    EXPECT_EQ(again.detail, "'x.example': no such name.");
    EXPECT_EQ(lookups_.size(), 1U);

    outcome failed;
    outcome retried;
    resolve("y.example", failed);
    lookups_[1].handler(make_failed_answer(errc::name_failed, "y.example", "server failure"));
    run();
    EXPECT_EQ(failed.error, errc::name_failed);
    resolve("y.example", retried);
    EXPECT_EQ(lookups_.size(), 3U);
}

TEST_F(ResolverTest, ACancelledCallEndsOnceAndLeavesTheLookupToTheCache) {
    make();
    outcome gone;
    outcome stays;
    const std::uint64_t ticket = resolve("a.example", gone);
    resolve("a.example", stays);
    resolver_->cancel(ticket);
    EXPECT_EQ(gone.calls, 0U) << "a handler ran inside cancel";
    run();
    EXPECT_EQ(gone.error, boost::asio::error::operation_aborted);
    lookups_[0].handler(answer("10.0.0.1", std::chrono::seconds(60)));
    run();
    EXPECT_EQ(gone.calls, 1U);
    EXPECT_EQ(stays.calls, 1U);
    outcome later;
    resolve("a.example", later);
    run();
    EXPECT_EQ(later.calls, 1U);
    EXPECT_EQ(lookups_.size(), 1U);
}

TEST_F(ResolverTest, CancelBeatsAnAnswerThatIsPostedAlready) {
    make();
    outcome out;
    const std::uint64_t ticket = resolve("10.0.0.1", out);
    resolver_->cancel(ticket);
    resolver_->cancel(ticket);
    resolver_->cancel(ticket + 1000);
    run();
    EXPECT_EQ(out.calls, 1U);
    EXPECT_EQ(out.error, boost::asio::error::operation_aborted);
}

TEST_F(ResolverTest, DestructionEndsEveryCallOnce) {
    make();
    outcome waiting;
    outcome posted;
    resolve("a.example", waiting);
    resolve("10.0.0.1", posted);
    resolver_.reset();
    run();
    EXPECT_EQ(waiting.calls, 1U);
    EXPECT_EQ(posted.calls, 1U);
    EXPECT_EQ(waiting.error, boost::asio::error::operation_aborted);
    EXPECT_EQ(posted.error, boost::asio::error::operation_aborted);
    lookups_[0].handler(
        answer("10.0.0.1", std::chrono::seconds(60)));  // Too late; nobody is there.
    run();
    EXPECT_EQ(waiting.calls, 1U);
}

TEST_F(ResolverTest, AHandlerMayDestroyTheResolver) {
    make();
    outcome other;
    unsigned calls = 0;
    resolver_->resolve(
        "a.example", 443,
        [&](const boost::system::error_code&, const std::string&, const address_list&) {
            ++calls;
            resolver_.reset();
        });
    resolve("a.example", other);
    lookups_[0].handler(answer("10.0.0.1", std::chrono::seconds(60)));
    run();
    EXPECT_EQ(calls, 1U);
    EXPECT_EQ(other.calls, 1U);
    EXPECT_EQ(other.error, boost::asio::error::operation_aborted);
}

TEST_F(ResolverTest, AHandlerMayResolveAgain) {
    make();
    outcome inner;
    resolver_->resolve("10.0.0.1", 443,
                       [&](const boost::system::error_code&, const std::string&,
                           const address_list&) { resolve("10.0.0.2", inner); });
    run();
    EXPECT_EQ(inner.addresses, std::vector<std::string>{"10.0.0.2"});
}

// Answers that are out of date at once.
dns_config short_lived() {
    dns_config config;
    config.min_ttl = std::chrono::seconds(0);
    return config;
}
constexpr std::chrono::seconds none{0};

TEST_F(ResolverTest, AStaleAnswerIsUsedAtOnceWhileItIsAskedForAnew) {
    dns_config config = short_lived();
    config.stale_while_refresh = std::chrono::seconds(60);
    config.stale_if_error = none;
    make(config);
    outcome first;
    outcome stale;
    outcome again;
    resolve("a.example", first);
    lookups_[0].handler(answer("10.0.0.1", none));
    run();
    resolve("a.example", stale);
    resolve("a.example", again);
    ASSERT_EQ(lookups_.size(), 2U) << "one lookup, however many use the old answer";
    run();
    EXPECT_EQ(stale.addresses, std::vector<std::string>{"10.0.0.1"});
    EXPECT_EQ(again.calls, 1U);
    lookups_[1].handler(answer("10.0.0.2", std::chrono::seconds(60)));
    outcome fresh;
    resolve("a.example", fresh);
    run();
    EXPECT_EQ(fresh.addresses, std::vector<std::string>{"10.0.0.2"});
    EXPECT_EQ(lookups_.size(), 2U);
}

TEST_F(ResolverTest, ByDefaultAnAnswerThatIsOutOfDateIsNotUsed) {
    make(short_lived());
    outcome first;
    outcome second;
    resolve("a.example", first);
    lookups_[0].handler(answer("10.0.0.1", none));
    run();
    resolve("a.example", second);
    context_.restart();
    context_.poll();
    EXPECT_EQ(second.calls, 0U);
    ASSERT_EQ(lookups_.size(), 2U);
    lookups_[1].handler(answer("10.0.0.2", none));
    run();
    EXPECT_EQ(second.addresses, std::vector<std::string>{"10.0.0.2"});
}

TEST_F(ResolverTest, AStaleAnswerStandsInForAFailureButNotForAMissingName) {
    make(short_lived());
    outcome first;
    outcome failed;
    outcome during;
    outcome refreshed;
    resolve("a.example", first);
    lookups_[0].handler(answer("10.0.0.1", none));
    run();
    resolve("a.example", failed);
    resolver_->refresh("a.example", 443,
                       [&](boost::system::error_code error, const std::string&,
                           const address_list&) { refreshed.error = error; });
    lookups_[1].handler(make_failed_answer(errc::name_failed, "a.example", "server failure"));
    run();
    EXPECT_FALSE(failed.error);
    EXPECT_EQ(failed.addresses, std::vector<std::string>{"10.0.0.1"});
    EXPECT_EQ(refreshed.error, errc::name_failed) << "who wants the truth gets it";
    resolve("a.example", during);
    run();
    EXPECT_EQ(during.addresses, std::vector<std::string>{"10.0.0.1"});
    ASSERT_EQ(lookups_.size(), 2U) << "the name service is left alone for a while";

    outcome missing;
    resolver_->refresh("a.example", 443, [](auto&&...) {});
    ASSERT_EQ(lookups_.size(), 3U);
    lookups_[2].handler(make_failed_answer(errc::name_not_found, "a.example", "no such name"));
    resolve("a.example", missing);
    run();
    EXPECT_EQ(missing.error, errc::name_not_found);
}

TEST_F(ResolverTest, AStaleAnswerStandsInForALookupThatIsLate) {
    make(short_lived());
    outcome first;
    outcome waiting;
    outcome later;
    unsigned refreshed = 0;
    resolve("a.example", first);
    lookups_[0].handler(answer("10.0.0.1", none));
    run();
    resolve("a.example", waiting);
    resolver_->refresh("a.example", 443, [&](auto&&...) { ++refreshed; });
    run();  // until it is late
    EXPECT_EQ(waiting.addresses, std::vector<std::string>{"10.0.0.1"});
    EXPECT_EQ(refreshed, 0U);
    resolve("a.example", later);
    run();
    EXPECT_EQ(later.calls, 1U) << "nobody waits for the same again";
    ASSERT_EQ(lookups_.size(), 2U);
    lookups_[1].handler(answer("10.0.0.2", std::chrono::seconds(60)));
    run();
    EXPECT_EQ(refreshed, 1U);
    EXPECT_EQ(waiting.calls, 1U);
}

TEST_F(ResolverTest, NothingStaleMeansWaitingForTheLookup) {
    dns_config config = short_lived();
    config.stale_if_error = none;
    make(config);
    outcome first;
    outcome second;
    resolve("a.example", first);
    lookups_[0].handler(answer("10.0.0.1", none));
    run();
    resolve("a.example", second);
    lookups_[1].handler(make_failed_answer(errc::name_failed, "a.example", "server failure"));
    run();
    EXPECT_EQ(second.error, errc::name_failed);
}

TEST_F(ResolverTest, MakeResolverAsksTheHook) {
    dns_config config;
    config.resolver = resolver_kind::custom;
    config.hook = [](const std::string& name, const std::stop_token&, const name_done& done) {
        done(
            {{}, {}, {boost::asio::ip::make_address(name == "a.test" ? "10.0.0.7" : "::1")}, none});
    };
    resolver_ = make_resolver(context_.get_executor(), config);
    outcome out;
    resolve("A.test.", out);
    run();
    EXPECT_EQ(out.addresses, std::vector<std::string>{"10.0.0.7"});
}

TEST_F(ResolverTest, FixedAnswersNeverExpireAndOthersByTheirTtl) {
    dns_config config;
    config.overrides = {{"fixed.test", 0, {"10.0.0.9"}}};
    make(config);
    EXPECT_FALSE(resolver_->expiry("10.1.2.3", 443));
    EXPECT_FALSE(resolver_->expiry("Fixed.test", 443));
    outcome out;
    resolve("a.test", out);
    const auto unknown = resolver_->expiry("a.test", 443);
    ASSERT_TRUE(unknown) << "at once";
    lookups_.at(0).handler(answer("10.0.0.1", std::chrono::seconds(60)));
    EXPECT_GE(resolver_->expiry("A.test.", 443), *unknown + std::chrono::seconds(60));
}

}  // namespace
}  // namespace hearth::io
