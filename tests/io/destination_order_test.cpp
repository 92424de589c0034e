#include "io/destination_order.hpp"

#include <gtest/gtest.h>

#include <map>

namespace hearth::io {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::make_address;

/// Whether IPv4 goes first, with these local addresses; an empty one: none leads there.
bool is_v4_first_of(const char* v6, const char* from_v6, const char* v4, const char* from_v4) {
    const std::map<address, std::string> sources = {{make_address(v6), from_v6},
                                                    {make_address(v4), from_v4}};
    return is_v4_first(make_address(v6), make_address(v4),
                       [&](const address& to) -> std::optional<address> {
                           const std::string& from = sources.at(to);
                           if (from.empty()) return std::nullopt;
                           return make_address(from);
                       });
}

TEST(DestinationOrderTest, AvoidsWhatNoLocalAddressLeadsTo) {
    EXPECT_TRUE(is_v4_first_of("2001:db8::1", "", "198.51.100.1", "198.51.100.117"));
    EXPECT_FALSE(is_v4_first_of("2001:db8::1", "2001:db8::2", "198.51.100.1", ""));
    EXPECT_FALSE(is_v4_first_of("2001:db8::1", "", "198.51.100.1", "")) << "the precedence decides";
}

// The examples of RFC 6724 10.2 that have both families.
TEST(DestinationOrderTest, DecidesTheExamplesOfItsRfc) {
    EXPECT_FALSE(
        is_v4_first_of("2001:db8:1::1", "2001:db8:1::2", "198.51.100.121", "169.254.13.78"))
        << "prefer matching scope";
    EXPECT_TRUE(is_v4_first_of("2001:db8:1::1", "fe80::1", "198.51.100.121", "198.51.100.117"))
        << "prefer matching scope";
    EXPECT_FALSE(is_v4_first_of("2001:db8:1::1", "2001:db8:1::2", "10.1.2.3", "10.1.2.4"))
        << "prefer higher precedence";
    EXPECT_TRUE(is_v4_first_of("2002:c633:6401::1", "fe80::1", "198.51.100.121", "198.51.100.117"));
}

TEST(DestinationOrderTest, PrefersAMatchingLabel) {
    // To the world from an address that only the site knows.
    EXPECT_TRUE(is_v4_first_of("2001:db8::1", "fd00::2", "198.51.100.1", "198.51.100.2"));
    EXPECT_TRUE(is_v4_first_of("2001:db8::1", "2001:0:1::2", "198.51.100.1", "198.51.100.2"));
}

TEST(DestinationOrderTest, PrefersIpv4ToUniqueLocalAndTunnelledAddresses) {
    EXPECT_TRUE(is_v4_first_of("fd00::1", "fd00::2", "10.0.0.1", "10.0.0.2"));
    EXPECT_TRUE(is_v4_first_of("2002:0102:0304::1", "2002:0102:0304::2", "1.2.3.4", "1.2.3.5"));
    EXPECT_TRUE(is_v4_first_of("2001:0:1::1", "2001:0:1::2", "1.2.3.4", "1.2.3.5"));
    EXPECT_TRUE(is_v4_first_of("fec0::1", "fec0::2", "10.0.0.1", "10.0.0.2"));
}

TEST(DestinationOrderTest, PrefersIpv6OnTheLoopback) {
    EXPECT_FALSE(is_v4_first_of("::1", "::1", "127.0.0.1", "127.0.0.1"));
}

TEST(DestinationOrderTest, FindsTheSourceThatTheKernelWouldTake) {
    EXPECT_EQ(find_source(make_address("127.0.0.2")), make_address("127.0.0.1"));
}

}  // namespace
}  // namespace hearth::io
