// deadline: remaining time as text, adopted from a caller and told to an origin.
#include "client/deadline.hpp"

#include <gtest/gtest.h>

#include "client/scripted.hpp"
#include "hearth/deadline.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using enum deadline_format;

TEST(DeadlineTest, TextInEachFormat) {
    EXPECT_EQ(detail::text_of_remaining(1500ms, whole_milliseconds), "1500");
    EXPECT_EQ(detail::text_of_remaining(1500ms, decimal_seconds), "1.500");
    EXPECT_EQ(detail::text_of_remaining(1005ms, decimal_seconds), "1.005");
    EXPECT_EQ(detail::text_of_remaining(1500ms, grpc), "1500m");
    EXPECT_EQ(detail::text_of_remaining(std::chrono::hours(30), grpc), "108000S");
    EXPECT_EQ(detail::text_of_remaining(999us, whole_milliseconds), "1");
    EXPECT_EQ(detail::text_of_remaining(-5s, decimal_seconds), "0.001");
}

TEST(DeadlineTest, WhatIsWrittenIsRead) {
    for (const auto format : {whole_milliseconds, decimal_seconds, grpc}) {
        for (const base::duration left : {base::duration(1ms), base::duration(999ms),
                                          base::duration(1001ms), base::duration(86'400s)}) {
            EXPECT_EQ(detail::parse_remaining(detail::text_of_remaining(left, format), format),
                      left);
        }
    }
}

TEST(DeadlineTest, OddTextIsNoTime) {
    for (const char* text : {"", " ", "-1", "+1", "1x", "x", "1 ", "99999999999999999999",
                             "31536000001", "0x10", "1e3"}) {
        EXPECT_FALSE(detail::parse_remaining(text, whole_milliseconds)) << text;
    }
    for (const char* text : {"", ".", ".5", "1.", "1.x", "-1.0", "1.123456789012345678901"}) {
        EXPECT_FALSE(detail::parse_remaining(text, decimal_seconds)) << text;
    }
    for (const char* text : {"", "m", "1", "1x", "123456789m", "-1m", "1.5S"}) {
        EXPECT_FALSE(detail::parse_remaining(text, grpc)) << text;
    }
    EXPECT_EQ(detail::parse_remaining("5u", grpc), base::duration(5us));
    EXPECT_EQ(detail::parse_remaining("2H", grpc), base::duration(2h));
    EXPECT_EQ(detail::parse_remaining("0.25", decimal_seconds), base::duration(250ms));
}

TEST(DeadlineTest, NearerDeadlineHolds) {
    const deadline_config rules{.header = "x-timeout-ms", .margin = 10ms};
    headers incoming;
    request what;
    EXPECT_FALSE(adopt_deadline(what, incoming, rules));
    EXPECT_FALSE(what.deadline);
    incoming.set("X-Timeout-Ms", "60000");
    const auto before = in(0ms);
    EXPECT_TRUE(adopt_deadline(what, incoming, rules));
    ASSERT_TRUE(what.deadline);
    EXPECT_GE(*what.deadline, before + 59'990ms);
    const auto nearer = in(1s);
    what.deadline = nearer;
    EXPECT_TRUE(adopt_deadline(what, incoming, rules));
    EXPECT_EQ(*what.deadline, nearer);
    incoming.set("x-timeout-ms", "5");  // less than the margin: over already
    EXPECT_TRUE(adopt_deadline(what, incoming, rules));
    EXPECT_LE(*what.deadline, in(0ms));
}

TEST(DeadlineTest, OriginIsToldWhatIsLeft) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.deadline = {.header = "x-timeout-ms"};
    client subject(values);
    request what = get(origin.url("/echo"));
    what.deadline = in(60s);
    const std::string echo = subject.send(what).body;
    const std::size_t at = echo.find("x-timeout-ms: ");
    ASSERT_NE(at, std::string::npos) << echo;
    const int left = std::stoi(echo.substr(at + 14));
    EXPECT_GT(left, 0);
    EXPECT_LE(left, 60'000);
    what.deadline.reset();
    EXPECT_EQ(subject.send(what).body.find("x-timeout-ms"), std::string::npos);
}

TEST(DeadlineTest, EveryAttemptTellsItsOwnRest) {
    testing::origin origin(plaintext());
    const auto seen = std::make_shared<std::vector<std::string>>();
    origin.on("/", [seen](const testing::request_view& asked, testing::responder reply) {
        seen->emplace_back(asked.header("x-timeout").value_or("none"));
        reply.delay(5ms);
        reply.answer({.status = 503});
    });
    config values = one_thread();
    values.deadline = {.header = "x-timeout", .format = decimal_seconds};
    values.retry.max_attempts = 2;
    values.retry.statuses = {503};
    client subject(values);
    request what = get(origin.url("/"));
    what.deadline = in(60s);
    EXPECT_EQ(subject.send(what).attempt_log.size(), 2U);
    ASSERT_EQ(seen->size(), 2U);
    EXPECT_LT(std::stod((*seen)[1]), std::stod((*seen)[0]));
}

}  // namespace
}  // namespace hearth
