#include "hearth/error.hpp"

#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace hearth {
namespace {

// Codes are gap-free within each block, so a code added to the enumeration without a row is found
// here.
std::vector<errc> all_codes() {
    const std::pair<errc, errc> blocks[] = {
        {errc::invalid_url, errc::wrong_process},
        {errc::queue_full, errc::proxy_failed},
        {errc::first_byte_timeout, errc::unsupported_by_peer},
        {errc::client_closed, errc::out_of_memory},
    };
    std::vector<errc> codes;
    for (const auto& [first, last] : blocks) {
        for (int code = static_cast<int>(first); code <= static_cast<int>(last); ++code) {
            codes.push_back(static_cast<errc>(code));
        }
    }
    return codes;
}

bool matches(errc code, errc_condition condition) { return make_error_code(code) == condition; }

TEST(ErrorTest, EveryCodeHasASentenceOfItsOwn) {
    std::set<std::string> seen;
    for (const errc code : all_codes()) {
        const std::string sentence = make_error_code(code).message();
        EXPECT_EQ(sentence.back(), '.') << sentence;
        EXPECT_EQ(sentence.find("no code"), std::string::npos) << static_cast<int>(code);
        EXPECT_GE(sentence.size(), 20U) << sentence;
        EXPECT_TRUE(seen.insert(sentence).second) << sentence;
    }
}

TEST(ErrorTest, EveryCodeIsEitherNeverSentOrMaybeProcessed) {
    for (const errc code : all_codes()) {
        EXPECT_NE(matches(code, errc_condition::never_sent),
                  matches(code, errc_condition::maybe_processed))
            << make_error_code(code).message();
    }
}

TEST(ErrorTest, SentencesThatClaimNothingWasSentAgreeWithTheCondition) {
    for (const errc code : all_codes()) {
        if (make_error_code(code).message().find("nothing was sent") == std::string::npos) continue;
        EXPECT_TRUE(matches(code, errc_condition::never_sent)) << static_cast<int>(code);
    }
}

TEST(ErrorTest, ConditionsGroupTheCodesTheyName) {
    EXPECT_TRUE(matches(errc::queue_timeout, errc_condition::timeout));
    EXPECT_TRUE(matches(errc::deadline_exceeded, errc_condition::timeout));
    EXPECT_TRUE(matches(errc::would_miss_deadline, errc_condition::timeout));
    EXPECT_FALSE(matches(errc::queue_full, errc_condition::timeout));
    EXPECT_TRUE(matches(errc::unsupported_scheme, errc_condition::invalid_input));
    EXPECT_FALSE(matches(errc::would_deadlock, errc_condition::invalid_input));
    EXPECT_TRUE(matches(errc::peer_truncated, errc_condition::peer_fault));
    EXPECT_FALSE(matches(errc::connect_failed, errc_condition::peer_fault));
    EXPECT_TRUE(matches(errc::certificate_rejected, errc_condition::tls));
    EXPECT_TRUE(matches(errc::handshake_timeout, errc_condition::tls));
    EXPECT_TRUE(matches(errc::handshake_timeout, errc_condition::timeout));
    EXPECT_FALSE(matches(errc::peer_reset, errc_condition::tls));
}

TEST(ErrorTest, ForeignAndUnknownCodesMatchNoCondition) {
    const boost::system::error_code foreign = boost::asio::error::operation_aborted;
    const boost::system::error_code unknown(39, error_category());
    for (int i = 1; i <= static_cast<int>(errc_condition::tls); ++i) {
        EXPECT_FALSE(foreign == static_cast<errc_condition>(i));
        EXPECT_FALSE(unknown == static_cast<errc_condition>(i));
    }
    EXPECT_FALSE(make_error_code(errc::internal) ==
                 boost::system::error_condition(99, condition_category()));
    EXPECT_EQ(unknown.message(), "This is no code of hearth.");
}

TEST(ErrorTest, CodesConvertByThemselvesAndKnowTheirCategory) {
    const boost::system::error_code code = errc::queue_full;
    EXPECT_EQ(code.value(), 40);
    EXPECT_STREQ(code.category().name(), "hearth");
    EXPECT_STREQ(condition_category().name(), "hearth.condition");
    EXPECT_TRUE(code.failed());
}

TEST(ErrorTest, EveryConditionHasASentenceOfItsOwn) {
    std::set<std::string> seen;
    for (int i = 1; i <= static_cast<int>(errc_condition::tls); ++i) {
        const std::string sentence = make_error_condition(static_cast<errc_condition>(i)).message();
        EXPECT_EQ(sentence.back(), '.');
        EXPECT_TRUE(seen.insert(sentence).second) << sentence;
    }
}

TEST(ErrorTest, PhasesHaveDistinctWords) {
    std::set<std::string> seen;
    for (int i = 0; i <= static_cast<int>(phase::body); ++i) {
        std::ostringstream out;
        out << static_cast<phase>(i);
        EXPECT_EQ(out.str(), to_string(static_cast<phase>(i)));
        EXPECT_TRUE(seen.insert(out.str()).second) << out.str();
    }
    EXPECT_EQ(to_string(static_cast<phase>(200)), "unknown");
}

TEST(SendErrorTest, WhatTellsTheWholeStory) {
    failure why;
    why.phase = phase::queue;
    why.origin = "https://a.example:443";
    why.attempt = 2;
    why.detail = "31 exchanges wait";
    why.dial_error = errc::connect_failed;
    why.dial_detail = "10.0.0.1:443: Connection refused.";
    const send_error error(errc::queue_timeout, why);
    EXPECT_STREQ(error.what(),
                 "No connection could be had within the queue timeout; nothing was sent. "
                 "[phase queue, https://a.example:443, attempt 2] 31 exchanges wait. "
                 "Last dial: The TCP connect failed at every address of the host. "
                 "10.0.0.1:443: Connection refused.");
    EXPECT_EQ(error.code(), errc::queue_timeout);
    EXPECT_EQ(error.failure().attempt, 2U);
}

TEST(SendErrorTest, WhatSaysADialErrorOnce) {
    failure why;
    why.detail = why.dial_detail = "10.0.0.1:443: Connection refused.";
    why.dial_error = errc::connect_failed;
    const send_error error(errc::connect_failed, why);
    EXPECT_STREQ(error.what(),
                 "The TCP connect failed at every address of the host. "
                 "10.0.0.1:443: Connection refused.");
}

TEST(SendErrorTest, WhatOmitsWhatIsNotKnown) {
    const send_error error(errc::client_closed, {});
    EXPECT_EQ(error.what(), make_error_code(errc::client_closed).message());
}

TEST(SendErrorTest, IsCaughtAsSystemErrorWithItsText) {
    try {
        throw send_error(boost::asio::error::operation_aborted, {});
    } catch (const boost::system::system_error& caught) {
        EXPECT_EQ(caught.code(), boost::asio::error::operation_aborted);
        EXPECT_STREQ(caught.what(), "Operation canceled.");
    }
}

}  // namespace
}  // namespace hearth
