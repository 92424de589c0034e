// config_advice: one sentence for each trap, none for what is sound.
#include "client/config_advice.hpp"

#include <gtest/gtest.h>

namespace hearth::detail {
namespace {

using std::chrono::milliseconds;

struct unwise_config {
    const char* field;
    void (*spoil)(config&);
};

const unwise_config unwise[] = {
    {"pool.max_idle_per_origin", [](config& c) { c.pool.max_idle_per_origin = 2; }},
    {"pool.max_draining_per_origin",
     [](config& c) {
         c.pool.max_connections = 5000;
         c.pool.max_connections_per_origin = 5000;
     }},
    {"pool.idle_timeout", [](config& c) { c.pool.max_lifetime = milliseconds(1000); }},
    {"pool.dial_patience", [](config& c) { c.timeouts.queue = milliseconds(100); }},
    {"timeouts.handshake", [](config& c) { c.timeouts.handshake = milliseconds(15); }},
    {"breaker.failure_ratio",
     [](config& c) {
         c.breaker.enabled = true;
         c.breaker.failure_ratio = 0.5;
     }},
    {"breaker.open_for",
     [](config& c) {
         c.breaker.enabled = true;
         c.breaker.open_for = milliseconds(30'000);
     }},
    {"timeouts.first_byte",
     [](config& c) {
         c.retry.max_attempts = 3;
         c.timeouts.total = milliseconds(2'000);
     }},
    {"retry.max_attempts",
     [](config& c) {
         c.retry.max_attempts = 3;
         c.budget = {.share = 0.0, .floor_per_second = 0.0};
     }},
    {"budget.share",
     [](config& c) {
         c.retry.max_attempts = 3;
         c.budget.share = 0.5;
     }},
    {"hedge.percentile",
     [](config& c) {
         c.hedge.enabled = true;
         c.hedge.percentile = 0.8;
     }},
    {"concurrency.min_limit",
     [](config& c) {
         c.concurrency.enabled = true;
         c.concurrency.min_limit = 300;
     }},
    {"pool.idle_order", [](config& c) { c.pool.idle_order = idle_order::least_recent; }},
    {"shed.queue_delay",
     [](config& c) {
         c.shed.queue_delay = milliseconds(2000);
         c.timeouts.queue = milliseconds(1000);
     }},
    {"rate_limit.max_wait",
     [](config& c) {
         c.rate_limit.per_second = 10.0;
         c.timeouts.total = milliseconds(500);
     }},
    {"concurrency.max_wait",
     [](config& c) {
         c.concurrency.enabled = true;
         c.timeouts.total = milliseconds(100);
     }},
    {"hedge.min_delay",
     [](config& c) {
         c.hedge.enabled = true;
         c.hedge.min_delay = milliseconds(1000);
         c.timeouts.total = milliseconds(1000);
     }},
    {"deadline.margin",
     [](config& c) {
         c.deadline = {.header = "x-timeout", .margin = milliseconds(200)};
         c.timeouts.total = milliseconds(100);
     }},
    {"timeouts.rate_window",
     [](config& c) {
         c.timeouts.min_receive_rate = 1000;
         c.timeouts.total = milliseconds(5000);
     }},
    {"decode.max_ratio",
     [](config& c) {
         c.decode.enabled = true;
         c.decode.max_ratio.reset();
     }},
};

TEST(ConfigAdviceTest, EachTrapHasOneSentenceThatNamesItsField) {
    for (const unwise_config& one : unwise) {
        config value;
        one.spoil(value);
        const auto sentences = advise(value);
        ASSERT_EQ(sentences.size(), 1U) << one.field;
        EXPECT_TRUE(sentences.front().starts_with(one.field)) << sentences.front();
        EXPECT_EQ(sentences.front().back(), '.') << sentences.front();
    }
}

TEST(ConfigAdviceTest, WhatIsSoundOrOffNeedsNone) {
    EXPECT_TRUE(advise(config{}).empty());
    config value;
    value.timeouts.total = milliseconds(50);  // below what is off
    EXPECT_TRUE(advise(value).empty());
    config all;
    all.retry.max_attempts = 3;
    all.hedge.enabled = true;
    all.breaker.enabled = true;
    all.concurrency.enabled = true;
    all.decode.enabled = true;
    EXPECT_TRUE(advise(all).empty());
    all.pool.max_draining_per_origin = 0;
    all.pool.on_cancel = cancel_policy::close;
    EXPECT_TRUE(advise(all).empty());
    all.pool.idle_order = idle_order::least_recent;
    all.pool.max_idle_per_origin = all.pool.max_connections_per_origin;
    EXPECT_TRUE(advise(all).empty());
}

TEST(ConfigAdviceTest, NumbersAreWrittenForPeople) {
    EXPECT_EQ(text_of(std::uint64_t{1024}), "1024");
    EXPECT_EQ(text_of(milliseconds(0)), "0 ms");
    EXPECT_EQ(text_of(milliseconds(1500)), "1500 ms");
    EXPECT_EQ(text_of(milliseconds(2000)), "2 s");
    EXPECT_EQ(text_of(milliseconds(7'200'000)), "2 h");
    EXPECT_EQ(text_of(std::chrono::seconds(90)), "90 s");
}
}  // namespace
}  // namespace hearth::detail
