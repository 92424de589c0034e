// authorization: values, one fetch for everybody, and a refused token fetched anew.
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
    bearer_tokens subject([&](const bearer_tokens::fetch_handler& done) {
        ++fetches;
        done(fetches == 1 ? error_code(errc::connect_failed) : error_code{}, token("two"));
    });
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
        30s);
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

}  // namespace
}  // namespace hearth
