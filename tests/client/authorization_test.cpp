// authorization: values, one fetch for everybody, tokens that are refreshed before anybody has to
// wait, and a refused token fetched anew.
#include "hearth/authorization.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using boost::system::error_code;

/// Nothing is held back: a failed fetch is followed by the next at once.
constexpr bearer_options eager{.margin = 30s, .refresh_ahead = 0ms, .failure_pause = 0ms};

bearer_tokens::token token(std::string value, std::chrono::milliseconds life = 1h) {
    return {std::move(value), std::chrono::steady_clock::now() + life};
}

TEST(AuthorizationTest, Values) {
    EXPECT_EQ(basic_authorization("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    EXPECT_EQ(bearer_authorization("abc"), "Bearer abc");
}

TEST(AuthorizationTest, OneFetchServesAllWhoWait) {
    std::vector<bearer_tokens::fetch_handler> fetches;
    bearer_tokens subject(
        [&](bearer_tokens::fetch_handler done) { fetches.push_back(std::move(done)); });
    std::vector<std::string> got;
    const auto use = [&](error_code error, std::string value) {
        got.push_back(error ? "failed" : std::move(value));
    };
    for (int i = 0; i < 5; ++i) subject.async_get(use);
    ASSERT_EQ(fetches.size(), 1U);
    EXPECT_TRUE(got.empty());
    fetches[0]({}, token("one"));
    EXPECT_EQ(got, std::vector<std::string>(5, "one"));
    subject.async_get(use);
    EXPECT_EQ(got.size(), 6U);
    EXPECT_EQ(fetches.size(), 1U);
}

TEST(AuthorizationTest, FailureIsToldToAllAndTheNextTriesAgain) {
    int fetches = 0;
    bearer_tokens subject(
        [&](const bearer_tokens::fetch_handler& done) {
            ++fetches;
            done(fetches == 1 ? error_code(errc::connect_failed) : error_code{}, token("two"));
        },
        eager);
    error_code first;
    subject.async_get([&](error_code error, const std::string& /*value*/) { first = error; });
    EXPECT_EQ(first, errc::connect_failed);
    std::string second;
    subject.async_get([&](error_code /*error*/, std::string value) { second = std::move(value); });
    EXPECT_EQ(second, "two");
    EXPECT_EQ(fetches, 2);
}

TEST(AuthorizationTest, ExpiredAndRefusedTokensAreFetchedAnew) {
    int fetches = 0;
    bearer_tokens subject(
        [&](const bearer_tokens::fetch_handler& done) {
            ++fetches;
            done({}, token(std::to_string(fetches), fetches == 1 ? 10s : 1h));
        },
        eager);
    const auto value = [&] {
        std::string result;
        subject.async_get([&](error_code /*error*/, std::string got) { result = std::move(got); });
        return result;
    };
    EXPECT_EQ(value(), "1");  // good for those who waited, too near its end for others
    EXPECT_EQ(value(), "2");
    EXPECT_EQ(value(), "2");
    subject.invalidate("1");  // of old
    EXPECT_EQ(value(), "2");
    subject.invalidate("2");
    EXPECT_EQ(value(), "3");
}

TEST(AuthorizationTest, ManyThreadsOneFetchByTheClientItself) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    std::atomic<int> used{0};
    bearer_tokens tokens([&](bearer_tokens::fetch_handler done) {
        subject.async_send(get(origin.url("/d/20")),
                           [done = std::move(done)](error_code error, const response& got) {
                               done(error, token("t" + std::to_string(got.status)));
                           });
    });
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int k = 0; k < 25; ++k) {
                tokens.async_get([&](error_code error, const std::string& value) {
                    if (!error && value == "t200") ++used;
                });
            }
        });
    }
    for (auto& one : threads) one.join();
    EXPECT_TRUE(eventually([&] { return used == 100; }));
    EXPECT_EQ(origin.counters().requests, 1U);
}

TEST(AuthorizationTest, TokenNearItsEndIsUsedWhileTheNextOneIsFetched) {
    std::vector<bearer_tokens::fetch_handler> fetches;
    bearer_tokens subject(
        [&](bearer_tokens::fetch_handler done) { fetches.push_back(std::move(done)); },
        {.margin = 30s, .refresh_ahead = 1h});
    std::vector<std::string> got;
    const auto use = [&](error_code error, std::string value) {
        got.push_back(error ? "failed" : std::move(value));
    };
    subject.async_get(use);
    fetches.at(0)({}, token("old", 10min));
    for (int i = 0; i < 3; ++i) subject.async_get(use);
    EXPECT_EQ(got, std::vector<std::string>(4, "old"));
    ASSERT_EQ(fetches.size(), 2U) << "one for all three";
    fetches.at(1)(errc::connect_failed, {});
    subject.async_get(use);
    EXPECT_EQ(got.back(), "old") << "still good";
    EXPECT_EQ(fetches.size(), 2U) << "the token service gets a pause";
}

TEST(AuthorizationTest, FailureIsToldAtOnceDuringThePause) {
    int fetches = 0;
    bearer_tokens subject(
        [&](const bearer_tokens::fetch_handler& done) {
            ++fetches;
            done(errc::connect_failed, {});
        },
        {.failure_pause = 1h});
    for (int i = 0; i < 5; ++i) {
        error_code failed;
        subject.async_get([&](error_code error, const std::string& /*value*/) { failed = error; });
        EXPECT_EQ(failed, errc::connect_failed);
    }
    EXPECT_EQ(fetches, 1);
}

TEST(AuthorizationTest, FetchThatForgetsItsHandlerOrThrowsLeavesNobodyWaiting) {
    int fetches = 0;
    bearer_tokens subject(
        [&](const bearer_tokens::fetch_handler& done) {
            if (++fetches == 2) throw std::runtime_error("no");
            if (fetches == 3) {
                done({}, token("three"));
                done({}, token("twice"));
            }
        },
        eager);
    error_code failed;
    const auto use = [&](error_code error, const std::string& /*value*/) { failed = error; };
    subject.async_get(use);
    EXPECT_EQ(failed, boost::asio::error::operation_aborted);
    failed = {};
    EXPECT_THROW(subject.async_get(use), std::runtime_error);
    EXPECT_EQ(failed, boost::asio::error::operation_aborted);
    std::string value;
    for (int i = 0; i < 2; ++i) {
        subject.async_get([&](error_code error, std::string got) {
            failed = error;
            value = std::move(got);
        });
        EXPECT_FALSE(failed);
        EXPECT_EQ(value, "three") << "the first call counts";
    }
}

// An origin that wants the newest of the tokens it has given.
class AuthorizedTest : public ::testing::Test {
protected:
    AuthorizedTest() {
        origin_.on("/token", [this](const testing::request_view&, testing::responder reply) {
            testing::reply whole;
            whole.body = std::to_string(++given_);
            reply.answer(std::move(whole));
        });
        origin_.on("/", [this](const testing::request_view& seen, testing::responder reply) {
            testing::reply whole;
            const bool is_good =
                seen.header("authorization") == "Bearer " + std::to_string(wanted_.load());
            whole.status = is_good ? 200 : 401;
            whole.body = std::string(seen.body);
            reply.answer(std::move(whole));
        });
    }
    awaited_response send(request what) {
        awaited_response call;
        tokens_.async_send(subject_, std::move(what), call.handler());
        return call;
    }

    testing::origin origin_{plaintext()};
    client subject_{one_thread()};
    std::atomic<int> given_{0};
    std::atomic<int> wanted_{1};
    bearer_tokens tokens_{[this](bearer_tokens::fetch_handler done) {
        subject_.async_send(get(origin_.url("/token")),
                            [done = std::move(done)](error_code error, const response& got) {
                                done(error, token(got.body));
                            });
    }};
};

TEST_F(AuthorizedTest, RefusedTokenIsFetchedAnewOnceForAll) {
    EXPECT_EQ(send(get(origin_.url("/"))).value().status, 200U);
    wanted_ = 2;
    std::vector<awaited_response> calls;
    for (int i = 0; i < 20; ++i) calls.push_back(send(post(origin_.url("/"), "what")));
    for (const awaited_response& call : calls) {
        ASSERT_FALSE(call.error());
        EXPECT_EQ(call.value().status, 200U);
        EXPECT_EQ(call.value().body, "what") << "the body is sent again";
        EXPECT_EQ(call.count(), 1U);
    }
    EXPECT_EQ(given_, 2);
}

TEST_F(AuthorizedTest, SecondRefusalIsTheAnswer) {
    wanted_ = 99;
    EXPECT_EQ(send(get(origin_.url("/"))).value().status, 401U);
    EXPECT_EQ(given_, 2);
}

TEST_F(AuthorizedTest, FetchThatFailsIsTheError) {
    origin_.stop();
    awaited_response call = send(get(origin_.url("/")));
    EXPECT_TRUE(call.error());
}

}  // namespace
}  // namespace hearth
