#include "core/address_book.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;
using base::time_point;

constexpr time_point t0{1h};

struct book_test {
    explicit book_test(const addresses_config& settings = {}) : book(settings) {}
    book_test(const addresses_config& settings, const breaker_config& rules)
        : book(settings, rules, 1) {}

    /// The names in the order in which a dial tries them.
    std::vector<std::string> order(time_point now, const std::vector<address_book::address>& all) {
        book.update(now, all);
        std::vector<std::string> names;
        for (const std::uint32_t i : book.order(now, all, random)) names.push_back(all[i].name);
        return names;
    }
    std::string first(time_point now, const std::vector<address_book::address>& all) {
        return order(now, all).front();
    }
    void fail(time_point now, const std::string& name) { book.on_failed(now, name, random); }
    /// Loses exchanges of a connection to it; true if the last of them ejected it.
    bool lose(time_point now, const std::string& name, int count) {
        const address_book::slot held = book.hold(name);
        bool is_ejected = false;
        for (int i = 0; i < count; ++i) is_ejected = book.on_lost(now, held, random);
        book.release(held);
        return is_ejected;
    }

    /// Exchanges of a connection to it that come to this; true if one of them ejected it.
    bool answer(time_point now, const std::string& name, attempt_result result, int count = 1) {
        const address_book::slot held = book.hold(name);
        bool is_ejected = false;
        for (int i = 0; i < count; ++i) {
            const breaker::ticket ticket = book.begin(now, held);
            if (book.on_result(now, held, ticket, result)) is_ejected = true;
        }
        book.release(held);
        return is_ejected;
    }

    address_book book;
    base::prng random{1};
};

using names = std::vector<std::string>;
const std::vector<address_book::address> three = {{"a"}, {"b"}, {"c"}};
const std::vector<address_book::address> both = {{"A", true}, {"a"}, {"B", true}, {"b"}};

addresses_config balanced(address_balance balance) {
    addresses_config settings;
    settings.balance = balance;
    return settings;
}

TEST(AddressBookTest, KeepsTheOrderOfTheNameServiceByDefault) {
    book_test t;
    EXPECT_EQ(t.order(t0, three), (names{"a", "b", "c"}));
    EXPECT_EQ(t.order(t0, both), (names{"A", "a", "B", "b"}));
    EXPECT_EQ(t.book.load("a"), 1U) << "the first is held";
    EXPECT_EQ(t.book.load("b"), 0U);
}

TEST(AddressBookTest, FailedAddressIsTriedLastButTried) {
    book_test t;
    (void)t.order(t0, three);
    t.fail(t0, "a");
    EXPECT_EQ(t.order(t0, three), (names{"b", "c", "a"}));
    EXPECT_TRUE(t.book.is_resting(t0, "a"));
    t.fail(t0 + 1ms, "b");
    t.fail(t0 + 2ms, "c");
    EXPECT_EQ(t.order(t0 + 3ms, three).size(), 3U) << "a race without a memory";
}

TEST(AddressBookTest, DeadFamilyGoesBehindTheOther) {
    book_test t;
    (void)t.order(t0, both);
    t.fail(t0, "A");
    t.fail(t0, "B");
    EXPECT_EQ(t.first(t0, both), "a");
    EXPECT_EQ(t.order(t0, both)[1], "b");
}

TEST(AddressBookTest, RestDoublesUpToTheMaximumLessUpToAHalf) {
    addresses_config settings;
    settings.min_rest = 100ms;
    settings.max_rest = 350ms;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        book_test t(settings);
        t.random = base::prng(seed);
        time_point now = t0;
        for (const auto pause : {100ms, 200ms, 350ms, 350ms}) {
            (void)t.order(now, three);
            t.fail(now, "a");
            EXPECT_TRUE(t.book.is_resting(now + pause / 2 - 1ms, "a"));
            EXPECT_FALSE(t.book.is_resting(now + pause, "a"));
            now += pause;
        }
    }
}

TEST(AddressBookTest, AWaveOfFailuresCountsOnce) {
    addresses_config settings;
    settings.min_rest = 100ms;
    book_test t(settings);
    (void)t.order(t0, three);
    for (int i = 0; i < 10; ++i) t.fail(t0, "a");
    EXPECT_FALSE(t.book.is_resting(t0 + 100ms, "a"));
}

TEST(AddressBookTest, AfterTheRestOneDialTriesItAndTheOthersFollowASuccess) {
    book_test t;
    (void)t.order(t0, three);
    t.fail(t0, "b");
    EXPECT_EQ(t.first(t0 + 1s, three), "b");
    EXPECT_EQ(t.order(t0 + 1s, three), (names{"a", "c", "b"})) << "it has not told yet";
    t.book.on_ready(t.book.hold("b"));
    EXPECT_EQ(t.order(t0 + 1s, three), (names{"a", "b", "c"}));
}

TEST(AddressBookTest, TrialThatFailsMakesTheRestLonger) {
    book_test t;
    (void)t.order(t0, three);
    t.fail(t0, "a");
    ASSERT_EQ(t.first(t0 + 1s, three), "a");
    t.fail(t0 + 1s, "a");
    EXPECT_TRUE(t.book.is_resting(t0 + 1999ms, "a"));
    EXPECT_FALSE(t.book.is_resting(t0 + 3s, "a"));
}

TEST(AddressBookTest, OnlyAddressIsTriedInAnyCaseAndRemembered) {
    const std::vector<address_book::address> one = {{"a"}};
    book_test t;
    EXPECT_EQ(t.order(t0, one), names{"a"});
    EXPECT_EQ(t.book.load("a"), 1U);
    t.fail(t0, "a");
    EXPECT_TRUE(t.book.is_resting(t0, "a"));
    EXPECT_EQ(t.order(t0, one), names{"a"}) << "there is no other";
    t.fail(t0, "a");
    EXPECT_FALSE(t.book.is_resting(t0 + 1s, "a")) << "a wave counts once";
    EXPECT_EQ(t.order(t0 + 1s, one), names{"a"});
    t.fail(t0 + 1s, "a");
    EXPECT_TRUE(t.book.is_resting(t0 + 1999ms, "a")) << "the trial counts";
    EXPECT_EQ(t.book.load("a"), 3U);
    t.book.on_ready(t.book.hold("a"));
    EXPECT_FALSE(t.book.is_resting(t0 + 1999ms, "a"));
}

TEST(AddressBookTest, TrialThatNeverTellsIsRepeated) {
    book_test t;
    (void)t.order(t0, three);
    t.fail(t0, "b");
    ASSERT_EQ(t.first(t0 + 1s, three), "b");
    EXPECT_EQ(t.first(t0 + 1999ms, three), "a");
    EXPECT_EQ(t.first(t0 + 2s, three), "b");
}

TEST(AddressBookTest, RoundRobinTakesTheHealthyOfTheFirstFamilyInTurn) {
    book_test t(balanced(address_balance::round_robin));
    names seen;
    for (int i = 0; i < 4; ++i) seen.push_back(t.first(t0, both));
    EXPECT_EQ(seen, (names{"A", "B", "A", "B"}));
    EXPECT_FALSE(t.order(t0, both)[1] == "B") << "the families alternate";
    book_test u(balanced(address_balance::round_robin));
    (void)u.order(t0, three);
    u.fail(t0, "b");
    for (int i = 0; i < 6; ++i) EXPECT_NE(u.first(t0, three), "b");
}

TEST(AddressBookTest, LeastLoadedSpreadsConnections) {
    book_test t(balanced(address_balance::least_loaded));
    for (int i = 0; i < 300; ++i) (void)t.order(t0, three);
    for (const auto& one : three) {
        EXPECT_GE(t.book.load(one.name), 90U);
        EXPECT_LE(t.book.load(one.name), 110U);
    }
    // All that is freed at one address comes back to it.
    const address_book::slot held = t.book.hold("c");
    for (int i = 0; i < 60; ++i) t.book.release(held);
    int chosen = 0;
    for (int i = 0; i < 60; ++i) chosen += t.first(t0, three) == "c" ? 1 : 0;
    EXPECT_GE(chosen, 30);
}

TEST(AddressBookTest, LostExchangesInARowEjectWithinTheShare) {
    book_test t;
    (void)t.order(t0, three);
    EXPECT_FALSE(t.lose(t0, "a", 4));
    t.book.on_answer(t.book.hold("a"));
    EXPECT_FALSE(t.lose(t0, "a", 4)) << "in a row";
    EXPECT_TRUE(t.lose(t0, "a", 1));
    EXPECT_EQ(t.first(t0, three), "b");
    EXPECT_FALSE(t.lose(t0, "b", 50)) << "two of three are more than a half";
}

TEST(AddressBookTest, OnlyAddressIsNeverEjected) {
    book_test t;
    (void)t.order(t0, {{"a"}});
    EXPECT_FALSE(t.lose(t0, "a", 50));
    EXPECT_FALSE(t.book.is_resting(t0, "a"));
}

TEST(AddressBookTest, EjectionCanBeSwitchedOff) {
    addresses_config settings;
    settings.eject_after.reset();
    book_test t(settings);
    (void)t.order(t0, three);
    EXPECT_FALSE(t.lose(t0, "a", 50));
}

TEST(AddressBookTest, EjectedAddressIsBackWhenItsTrialIsAnswered) {
    book_test t;
    (void)t.order(t0, three);
    ASSERT_TRUE(t.lose(t0, "b", 5));
    ASSERT_EQ(t.first(t0 + 1s, three), "b");
    const address_book::slot trial = t.book.hold("b");
    t.book.on_ready(trial);
    EXPECT_TRUE(t.book.is_resting(t0 + 1s, "b")) << "connections it always took";
    t.book.on_answer(trial);
    EXPECT_FALSE(t.book.is_resting(t0 + 1s, "b"));
}

TEST(AddressBookTest, EjectedAddressWhoseTrialIsLostIsEjectedAgain) {
    book_test t;
    (void)t.order(t0, three);
    ASSERT_TRUE(t.lose(t0, "b", 5));
    ASSERT_EQ(t.first(t0 + 1s, three), "b");
    EXPECT_TRUE(t.lose(t0 + 1s, "b", 1));
    EXPECT_TRUE(t.book.is_resting(t0 + 1999ms, "b"));
}

TEST(AddressBookTest, AddressThatLeftIsKeptWhileItIsHeld) {
    book_test t;
    (void)t.order(t0, three);
    const address_book::slot held = t.book.hold("b");
    t.book.update(t0, std::vector<address_book::address>{{"a"}, {"c"}});
    EXPECT_TRUE(t.book.holds_old());
    EXPECT_FALSE(t.book.is_current(held));
    EXPECT_EQ(t.book.size(), 3U);
    t.book.release(held);
    EXPECT_FALSE(t.book.holds_old());
    EXPECT_TRUE(t.book.holds_any()) << "the first of the order";
    t.book.release(t.book.hold("a"));
    t.book.release(0);
    EXPECT_FALSE(t.book.holds_any());
    t.book.update(t0, std::vector<address_book::address>{{"a"}, {"c"}});
    EXPECT_EQ(t.book.size(), 2U);
}

TEST(AddressBookTest, RestOutlivesAnAnswerWithoutTheAddress) {
    book_test t;
    (void)t.order(t0, three);
    t.fail(t0, "b");
    (void)t.order(t0, {{"a"}});
    EXPECT_EQ(t.order(t0, three).back(), "b");
}

TEST(AddressBookTest, WhatIsRememberedIsBounded) {
    book_test t;
    for (int i = 0; i < 1000; ++i) {
        const std::string name = std::to_string(i);
        (void)t.order(t0, {{name}});
        t.fail(t0, name);
        const address_book::slot held = t.book.hold(name);
        t.book.release(held);
        t.book.release(held);  // what `order` held
    }
    EXPECT_LE(t.book.size(), address_book::max_entries + 1);
}

TEST(AddressBookTest, TellsWhatIsKnownOfEachAddress) {
    book_test t;
    (void)t.order(t0, three);
    t.fail(t0, "b");
    t.fail(t0, "b");  // at the same time: counts once
    const auto known = t.book.stats(t0);
    ASSERT_EQ(known.size(), 3U);
    EXPECT_EQ(known[0].address, "a");
    EXPECT_EQ(known[0].connections, 1U);
    EXPECT_EQ(known[0].failures, 0U);
    EXPECT_FALSE(known[0].rests_until);
    EXPECT_EQ(known[1].failures, 1U);
    ASSERT_TRUE(known[1].rests_until);
    EXPECT_GT(*known[1].rests_until, t0);
    EXPECT_FALSE(known[1].is_ejected) << "it was never good";
    EXPECT_FALSE(t.book.stats(*known[1].rests_until)[1].rests_until) << "its turn to be tried";
}

TEST(AddressBookTest, TellsWhichAreEjectedAndWhichAreOld) {
    book_test t;
    (void)t.order(t0, three);
    const auto held = t.book.hold("a");
    ASSERT_TRUE(t.lose(t0, "a", 5));
    t.book.update(t0, std::vector<address_book::address>{{"c"}});
    const auto known = t.book.stats(t0);
    ASSERT_EQ(known.size(), 2U) << "nobody needs to know about b";
    EXPECT_EQ(known[0].address, "c");
    EXPECT_TRUE(known[0].is_current);
    EXPECT_EQ(known[1].address, "a");
    EXPECT_FALSE(known[1].is_current);
    EXPECT_TRUE(known[1].is_ejected);
    EXPECT_EQ(known[1].lost, 5U);
    t.book.on_answer(held);
    EXPECT_FALSE(t.book.stats(t0)[1].is_ejected);
    EXPECT_EQ(t.book.stats(t0)[1].lost, 5U) << "ever";
}

// Breakers.

breaker_config breaking() {
    breaker_config rules;
    rules.enabled = true;
    rules.min_volume = 10;
    rules.probes = 2;
    rules.open_for = 1s;
    rules.recovery = 1s;
    return rules;
}

TEST(AddressBookTest, BreakerEjectsAnAddressThatFailsNearlyEverything) {
    book_test t({}, breaking());
    EXPECT_EQ(t.first(t0, three), "a");
    EXPECT_FALSE(t.answer(t0, "a", attempt_result::success, 2));
    EXPECT_FALSE(t.answer(t0, "a", attempt_result::failure, 7)) << "nine results say nothing";
    EXPECT_TRUE(t.answer(t0, "a", attempt_result::failure));
    EXPECT_TRUE(t.book.is_resting(t0, "a"));
    EXPECT_EQ(t.order(t0, three), (names{"b", "c", "a"}));
}

TEST(AddressBookTest, BreakerIgnoresWhatSaysNothingOfTheAddress) {
    book_test t({}, breaking());
    t.book.update(t0, three);
    EXPECT_FALSE(t.answer(t0, "a", attempt_result::unknown, 100));
    EXPECT_FALSE(t.answer(t0, "a", attempt_result::success, 10));
    EXPECT_FALSE(t.answer(t0, "a", attempt_result::failure, 30)) << "30 of 40 is no outage";
    EXPECT_FALSE(t.book.is_resting(t0, "a"));
}

TEST(AddressBookTest, BrokenAddressIsBackAfterProbesAndTakesItsShareSlowly) {
    book_test t({}, breaking());
    t.book.update(t0, three);
    ASSERT_TRUE(t.answer(t0, "a", attempt_result::failure, 10));
    const time_point later = t0 + 1s;
    EXPECT_EQ(t.first(later, three), "a") << "one dial tries it";
    EXPECT_EQ(t.first(later, three), "b") << "the others do not";
    t.book.on_ready(t.book.hold("a"));
    EXPECT_EQ(t.first(later, three), "b") << "a handshake is no answer";
    EXPECT_FALSE(t.answer(later, "a", attempt_result::success, 2));
    int first = 0;
    for (int i = 0; i < 20; ++i) first += t.first(later + 500ms, three) == "a" ? 1 : 0;
    EXPECT_EQ(first, 11) << "halfway between a tenth and all";
    EXPECT_EQ(t.first(later + 1s, three), "a");
    EXPECT_EQ(t.first(later + 1s, three), "a");
}

TEST(AddressBookTest, FailedProbeOpensTheBreakerAgain) {
    book_test t({}, breaking());
    t.book.update(t0, three);
    ASSERT_TRUE(t.answer(t0, "a", attempt_result::failure, 10));
    EXPECT_EQ(t.first(t0 + 1s, three), "a");
    EXPECT_TRUE(t.answer(t0 + 1s, "a", attempt_result::failure)) << "its connection is let go";
    EXPECT_EQ(t.first(t0 + 1s, three), "b");
    EXPECT_EQ(t.first(t0 + 2s, three), "a");
}

// The caller of a probe left: another exchange takes its place.
TEST(AddressBookTest, ProbeWithoutAResultGivesItsPlaceBack) {
    book_test t({}, breaking());
    t.book.update(t0, three);
    ASSERT_TRUE(t.answer(t0, "a", attempt_result::failure, 10));
    EXPECT_EQ(t.first(t0 + 1s, three), "a");
    EXPECT_FALSE(t.answer(t0 + 1s, "a", attempt_result::unknown, 5));
    EXPECT_FALSE(t.answer(t0 + 1s, "a", attempt_result::success, 2));
    EXPECT_FALSE(t.book.is_resting(t0 + 1s, "a"));
}

TEST(AddressBookTest, BreakersEjectNoMoreThanTheirShare) {
    book_test t({}, breaking());
    t.book.update(t0, three);
    EXPECT_TRUE(t.answer(t0, "a", attempt_result::failure, 10));
    EXPECT_FALSE(t.answer(t0, "b", attempt_result::failure, 100)) << "two of three are too many";
    EXPECT_EQ(t.first(t0, three), "b");
}

// Results that come after the address has left its name, and its connections with it.
TEST(AddressBookTest, AddressIsKnownUntilItsExchangesHaveEnded) {
    book_test t({}, breaking());
    t.book.update(t0, three);
    const address_book::slot a = t.book.hold("a");
    const breaker::ticket ticket = t.book.begin(t0, a);
    t.book.release(a);
    const std::vector<address_book::address> others = {{"x"}, {"y"}, {"z"}};
    t.book.update(t0, others);
    EXPECT_EQ(t.book.size(), 4U);
    EXPECT_FALSE(t.book.on_result(t0, a, ticket, attempt_result::failure));
    t.book.update(t0, others);
    EXPECT_EQ(t.book.size(), 3U);
}

TEST(AddressBookTest, BreakersObeyOtherRulesAndStopWhereThereAreNone) {
    book_test t({}, breaking());
    t.book.update(t0, three);
    breaker_config quicker = breaking();
    quicker.min_volume = 3;
    t.book.set_settings({}, quicker);
    EXPECT_TRUE(t.answer(t0, "a", attempt_result::failure, 3));
    t.book.set_settings({}, {});
    const std::vector<address_book::address> others = {{"x"}, {"y"}, {"z"}};
    t.book.update(t0, others);
    EXPECT_FALSE(t.answer(t0, "x", attempt_result::failure, 100));
}

TEST(AddressBookTest, OtherSettingsHoldFromThenOn) {
    book_test t;
    EXPECT_EQ(t.order(t0, three), (names{"a", "b", "c"}));
    t.book.set_settings(balanced(address_balance::round_robin), {});
    const std::string first = t.first(t0, three);
    EXPECT_NE(t.first(t0, three), first);
}

}  // namespace
}  // namespace hearth::core
