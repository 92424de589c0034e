#include "client/verification.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace hearth {
namespace {

struct deliveries {
    [[nodiscard]] std::shared_ptr<verification_answer::state> ask() {
        return std::make_shared<verification_answer::state>(
            [this](bool is_accepted, const std::string& reason) {
                all.emplace_back(is_accepted, reason);
            });
    }
    std::vector<std::pair<bool, std::string>> all;
};

TEST(VerificationTest, FirstAnswerCounts) {
    deliveries got;
    const verification_answer answer(got.ask());
    answer.accept();
    answer.refuse("no");
    ASSERT_EQ(got.all.size(), 1U);
    EXPECT_TRUE(got.all[0].first);
}

TEST(VerificationTest, LastCopyThatDiesRefuses) {
    deliveries got;
    {
        const verification_answer first(got.ask());
        const verification_answer second(first);  // NOLINT(performance-*)
        EXPECT_TRUE(got.all.empty());
    }
    ASSERT_EQ(got.all.size(), 1U);
    EXPECT_FALSE(got.all[0].first);
    EXPECT_EQ(got.all[0].second, "the verifier gave no answer");
}

TEST(VerificationTest, EndOfTheQuestionIsSeen) {
    deliveries got;
    const auto state = got.ask();
    const verification_answer answer(state);
    {
        const detail::open_question question(state);
        EXPECT_FALSE(answer.is_abandoned());
    }
    EXPECT_TRUE(answer.is_abandoned());
}

}  // namespace
}  // namespace hearth
