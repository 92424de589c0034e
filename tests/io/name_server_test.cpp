#include "io/name_server.hpp"

#include <gtest/gtest.h>

namespace hearth::io {
namespace {

TEST(NameServerTest, ParsesAddressAndPort) {
    const auto v4 = parse_name_server("127.0.0.1:5353");
    ASSERT_TRUE(v4);
    EXPECT_EQ(v4->address().to_string(), "127.0.0.1");
    EXPECT_EQ(v4->port(), 5353);
    const auto v6 = parse_name_server("[::1]:53");
    ASSERT_TRUE(v6);
    EXPECT_EQ(v6->address().to_string(), "::1");
}

TEST(NameServerTest, RefusesWhatIsNotBoth) {
    for (const char* text :
         {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:53x",
          "dns.example:53", "::1:53", "[::1]", "[127.0.0.1]:53", ":53", "127.0.0.1 :53"}) {
        EXPECT_FALSE(parse_name_server(text)) << text;
    }
}

}  // namespace
}  // namespace hearth::io
