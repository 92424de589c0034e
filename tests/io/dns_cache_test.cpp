#include "io/dns_cache.hpp"

#include <gtest/gtest.h>

#include <boost/asio/ip/address.hpp>
#include <string>

namespace hearth::io {
namespace {

using std::chrono::seconds;

constexpr base::time_point t0{};

name_answer good(seconds ttl) { return {{}, {}, {boost::asio::ip::make_address("10.0.0.1")}, ttl}; }
name_answer missing() { return make_failed_answer(errc::name_not_found, "x", "no such name"); }

dns_config small_config() {
    dns_config config;
    config.min_ttl = seconds(5);
    config.max_ttl = seconds(100);
    config.negative_ttl = seconds(2);
    config.cache_entries = 3;
    config.stale_if_error = seconds(0);
    return config;
}

TEST(DnsCacheTest, ForgetsAnAnswerWhenItsTtlEnds) {
    dns_cache cache(small_config());
    cache.store(t0, "a", good(seconds(30)));
    ASSERT_NE(cache.find(t0 + seconds(30) - base::duration(1), "a"), nullptr);
    EXPECT_EQ(cache.find(t0 + seconds(30), "a"), nullptr);
    EXPECT_EQ(cache.size(), 0U);
}

TEST(DnsCacheTest, KeepsTtlsWithinFloorAndCeiling) {
    dns_cache cache(small_config());
    cache.store(t0, "low", good(seconds(0)));
    cache.store(t0, "high", good(seconds(100'000)));
    EXPECT_NE(cache.find(t0 + seconds(4), "low"), nullptr);
    EXPECT_EQ(cache.find(t0 + seconds(5), "low"), nullptr);
    EXPECT_NE(cache.find(t0 + seconds(99), "high"), nullptr);
    EXPECT_EQ(cache.find(t0 + seconds(100), "high"), nullptr);
}

TEST(DnsCacheTest, RemembersThatANameDoesNotExist) {
    dns_cache cache(small_config());
    cache.store(t0, "x", missing());
    const name_answer* known = cache.find(t0 + seconds(1), "x");
    ASSERT_NE(known, nullptr);
    EXPECT_EQ(known->error, errc::name_not_found);
    EXPECT_EQ(cache.find(t0 + seconds(2), "x"), nullptr);
}

TEST(DnsCacheTest, DoesNotKeepFailuresAndDropsWhatTheyReplace) {
    dns_cache cache(small_config());
    cache.store(t0, "x", good(seconds(30)));
    cache.store(t0, "x", make_failed_answer(errc::name_failed, "x", "server failure"));
    EXPECT_EQ(cache.find(t0, "x"), nullptr);
}

TEST(DnsCacheTest, DropsTheLeastRecentlyUsedNameFirst) {
    dns_cache cache(small_config());
    for (const char* name : {"a", "b", "c"}) cache.store(t0, name, good(seconds(30)));
    ASSERT_NE(cache.find(t0, "a"), nullptr);
    cache.store(t0, "d", good(seconds(30)));
    EXPECT_EQ(cache.size(), 3U);
    EXPECT_EQ(cache.find(t0, "b"), nullptr);
    EXPECT_NE(cache.find(t0, "a"), nullptr);
    EXPECT_NE(cache.find(t0, "c"), nullptr);
    EXPECT_NE(cache.find(t0, "d"), nullptr);
}

TEST(DnsCacheTest, KeepsNothingWithoutLifetimes) {
    dns_config config = small_config();
    config.min_ttl = seconds(0);
    config.negative_ttl = seconds(0);
    dns_cache cache(config);
    cache.store(t0, "a", good(seconds(0)));
    cache.store(t0, "x", missing());
    EXPECT_EQ(cache.size(), 0U);
}

TEST(DnsCacheTest, StaysBoundedUnderManyNames) {
    dns_cache cache(small_config());
    for (int i = 0; i < 1000; ++i) cache.store(t0, "n" + std::to_string(i), good(seconds(30)));
    EXPECT_EQ(cache.size(), 3U);
    EXPECT_NE(cache.find(t0, "n999"), nullptr);
}

TEST(DnsCacheTest, TellsWhenTheLifeOfAnAnswerEnds) {
    dns_cache cache(small_config());
    EXPECT_FALSE(cache.expiry("a"));
    cache.store(t0, "a", good(seconds(30)));
    EXPECT_EQ(cache.expiry("a"), t0 + seconds(30));
}

dns_config keeping_stale() {
    dns_config config = small_config();
    config.stale_while_refresh = seconds(10);
    config.stale_if_error = seconds(60);
    return config;
}

TEST(DnsCacheTest, AStaleAnswerIsKnownAsSuchForItsTime) {
    dns_cache cache(keeping_stale());
    cache.store(t0, "a", good(seconds(30)));
    EXPECT_EQ(cache.find(t0 + seconds(30), "a"), nullptr);
    EXPECT_NE(cache.find_stale(t0 + seconds(39), "a", seconds(10)), nullptr);
    EXPECT_EQ(cache.find_stale(t0 + seconds(40), "a", seconds(10)), nullptr);
    EXPECT_NE(cache.find_stale(t0 + seconds(89), "a", seconds(60)), nullptr);
    EXPECT_EQ(cache.find_stale(t0 + seconds(90), "a", seconds(60)), nullptr);
    EXPECT_EQ(cache.expiry("a"), t0 + seconds(30));
    EXPECT_EQ(cache.find(t0 + seconds(90), "a"), nullptr);
    EXPECT_EQ(cache.size(), 0U) << "kept no longer than it is of use";
}

TEST(DnsCacheTest, AStaleAnswerOutlivesFailuresButNoOtherAnswer) {
    dns_cache cache(keeping_stale());
    const auto later = t0 + seconds(31);
    cache.store(t0, "a", good(seconds(30)));
    cache.store(later, "a", make_failed_answer(errc::name_failed, "a", "server failure"));
    EXPECT_NE(cache.find_stale(later, "a", seconds(60)), nullptr);
    cache.store(later, "a", missing());
    EXPECT_EQ(cache.find_stale(later, "a", seconds(60)), nullptr);
    ASSERT_NE(cache.find(later, "a"), nullptr);
    EXPECT_EQ(cache.find(later + seconds(2), "a"), nullptr) << "a missing name is never stale";
    EXPECT_EQ(cache.size(), 0U);
}

TEST(DnsCacheTest, AnAnswerWithoutALifeIsStaleAtOnce) {
    dns_config config = keeping_stale();
    config.min_ttl = seconds(0);
    dns_cache cache(config);
    cache.store(t0, "a", good(seconds(0)));
    EXPECT_EQ(cache.find(t0, "a"), nullptr);
    EXPECT_NE(cache.find_stale(t0, "a", seconds(10)), nullptr);
}

}  // namespace
}  // namespace hearth::io
