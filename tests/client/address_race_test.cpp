#include "client/address_race.hpp"

#include <gtest/gtest.h>

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace hearth::detail {
namespace {

using namespace std::chrono_literals;
using base::time_point;

constexpr time_point t0{1h};

struct race_test {
    std::shared_ptr<core::address_book> book =
        std::make_shared<core::address_book>(addresses_config{});
    base::prng random{1};

    void set(address_race& race, time_point now = t0) {
        io::address_list all;
        for (const char* text : {"127.0.0.1", "127.0.0.2", "127.0.0.3"}) {
            all.push_back(boost::asio::ip::make_address(text));
        }
        race.set(now, book, all, random);
        race.set_port(80);
    }
    [[nodiscard]] bool is_resting(const char* name) const { return book->is_resting(t0, name); }
};

TEST(AddressRaceTest, HoldsTheFirstAndThenTheWinner) {
    race_test t;
    {
        address_race race;
        t.set(race);
        EXPECT_EQ(io::to_string(race[0]), "127.0.0.1:80");
        EXPECT_EQ(t.book->load("127.0.0.1"), 1U);
        race.start(0);
        race.start(1);
        race.win(1);
        EXPECT_EQ(t.book->load("127.0.0.1"), 0U);
        EXPECT_EQ(t.book->load("127.0.0.2"), 1U);
    }
    EXPECT_EQ(t.book->load("127.0.0.2"), 0U);
}

TEST(AddressRaceTest, WhoIsOvertakenRestsAndWhoBeganLaterDoesNot) {
    race_test t;
    address_race race;
    t.set(race);
    for (std::uint32_t i = 0; i < 3; ++i) race.start(i);
    race.win(1);
    race.abandon(t0, 0, t.random);
    race.abandon(t0, 2, t.random);
    EXPECT_TRUE(t.is_resting("127.0.0.1"));
    EXPECT_FALSE(t.is_resting("127.0.0.2"));
    EXPECT_FALSE(t.is_resting("127.0.0.3"));
}

TEST(AddressRaceTest, GivenUpWithoutAWinnerSaysNothing) {
    race_test t;
    address_race race;
    t.set(race);
    race.start(0);
    race.abandon(t0, 0, t.random);
    EXPECT_FALSE(t.is_resting("127.0.0.1"));
}

TEST(AddressRaceTest, EachFailureCountsAndTheLastIsKnown) {
    race_test t;
    address_race race;
    t.set(race);
    for (std::uint32_t i = 0; i < 3; ++i) {
        EXPECT_FALSE(race.all_failed());
        race.start(i);
        race.fail(t0, i, t.random);
    }
    EXPECT_TRUE(race.all_failed());
    EXPECT_TRUE(t.is_resting("127.0.0.3"));
}

TEST(AddressRaceTest, TimeoutIsTheFaultOfThoseUnderWay) {
    race_test t;
    address_race race;
    t.set(race);
    race.start(0);
    race.start(1);
    race.fail(t0, t.random);
    EXPECT_TRUE(t.is_resting("127.0.0.1"));
    EXPECT_TRUE(t.is_resting("127.0.0.2"));
    EXPECT_FALSE(t.is_resting("127.0.0.3"));
}

TEST(AddressRaceTest, FailedHandshakeIsTheFaultOfTheWinner) {
    race_test t;
    address_race race;
    t.set(race);
    race.start(0);
    race.win(0);
    race.fail(t0, t.random);
    EXPECT_TRUE(t.is_resting("127.0.0.1"));
    race.ready();
    EXPECT_FALSE(t.is_resting("127.0.0.1"));
}

TEST(AddressRaceTest, LostExchangesEjectTheAddressOfTheWinner) {
    race_test t;
    address_race race;
    address_race same;
    address_race other;
    for (address_race* one : {&race, &same, &other}) t.set(*one);
    race.win(0);
    same.win(0);
    other.win(1);
    for (int i = 0; i < 4; ++i) EXPECT_FALSE(race.lose(t0, t.random));
    EXPECT_TRUE(race.lose(t0, t.random));
    EXPECT_TRUE(same.is_at(race.book(), race.held()));
    EXPECT_FALSE(other.is_at(race.book(), race.held()));
    same.answer();
    EXPECT_FALSE(t.is_resting("127.0.0.1"));
}

TEST(AddressRaceTest, OneWayOnlyNeedsNoBook) {
    race_test t;
    address_race race;
    race.set(io::make_unix_endpoint("@x"));
    EXPECT_EQ(race.size(), 1U);
    race.start(0);
    race.fail(t0, 0, t.random);
    race.fail(t0, t.random);
    race.win(0);
    race.ready();
    race.answer();
    EXPECT_FALSE(race.lose(t0, t.random));
    EXPECT_FALSE(race.is_at(race.book(), race.held()));
}

TEST(AddressRaceTest, IsOldOnceTheNameHasItNoMore) {
    race_test t;
    address_race race;
    t.set(race);
    EXPECT_FALSE(race.is_old());
    t.book->update(t0, address_race::name({boost::asio::ip::make_address("127.0.0.2")}));
    EXPECT_TRUE(race.is_old());
    race.win(1);
    EXPECT_FALSE(race.is_old());
}

TEST(AddressRaceTest, LocalAddressLeavesItsFamily) {
    const auto v4 = boost::asio::ip::make_address("127.0.0.1");
    const auto v6 = boost::asio::ip::make_address("::1");
    io::address_list all = {v6, v4};
    keep_family(all, "");
    EXPECT_EQ(all.size(), 2U);
    keep_family(all, "127.0.0.2");
    EXPECT_EQ(all, io::address_list{v4});
    keep_family(all, "::2");
    EXPECT_TRUE(all.empty());
}

}  // namespace
}  // namespace hearth::detail
