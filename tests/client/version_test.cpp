#include "hearth/version.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hearth {
namespace {

TEST(VersionTest, HeaderAndLibraryAgree) { EXPECT_STREQ(version(), HEARTH_VERSION_STRING); }

TEST(VersionTest, TextAndNumbersAgree) {
    EXPECT_EQ(std::to_string(HEARTH_VERSION_MAJOR) + "." + std::to_string(HEARTH_VERSION_MINOR) +
                  "." + std::to_string(HEARTH_VERSION_PATCH),
              HEARTH_VERSION_STRING);
}

}  // namespace
}  // namespace hearth
