#include "proto/h2_error_code.hpp"

#include <gtest/gtest.h>

namespace hearth::proto {
namespace {

TEST(H2ErrorCodeTest, NamesCodesAsTheRfcDoes) {
    EXPECT_EQ(to_string(h2_error_code::no_error), "NO_ERROR");
    EXPECT_EQ(to_string(h2_error_code::cancel), "CANCEL");
    EXPECT_EQ(to_string(h2_error_code::http_1_1_required), "HTTP_1_1_REQUIRED");
}

TEST(H2ErrorCodeTest, ShowsUnknownCodesInHex) {
    EXPECT_EQ(to_string(static_cast<h2_error_code>(0xe)), "0xe");
    EXPECT_EQ(to_string(static_cast<h2_error_code>(0xffffffff)), "0xffffffff");
}

}  // namespace
}  // namespace hearth::proto
