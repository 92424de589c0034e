#include "io/endpoint.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hearth::io {
namespace {

TEST(EndpointTest, UnixSocketsByPathAndByName) {
    EXPECT_EQ(to_string(make_unix_endpoint("/run/x.sock")), "unix:/run/x.sock");
    EXPECT_EQ(to_string(make_unix_endpoint("@abstract")), "unix:@abstract");
}

TEST(EndpointTest, PathTooLongForTheSystemGivesNone) {
    EXPECT_EQ(make_unix_endpoint(std::string(200, 'x')).size(), 0U);
}

TEST(EndpointTest, AddressesOfBothFamilies) {
    EXPECT_EQ(to_string(make_tcp_endpoint("::1", 443)), "[::1]:443");
    EXPECT_EQ(to_string(make_tcp_endpoint("127.0.0.1", 80)), "127.0.0.1:80");
}

}  // namespace
}  // namespace hearth::io
