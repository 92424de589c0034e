#include "client/link.hpp"

#include <gtest/gtest.h>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;

TEST(LinkTest, TellsWhatIsKnownOfATlsConnection) {
    testing::origin origin;
    client subject(trusting(origin.ca_pem()));
    const connection_info info = subject.send(get(origin.url("/d/0"))).connection;
    EXPECT_TRUE(info.tls);
    EXPECT_FALSE(info.reused);
    EXPECT_FALSE(info.tls_resumed);
    EXPECT_EQ(info.tls_version, "TLSv1.3");
    EXPECT_FALSE(info.tls_cipher.empty());
    EXPECT_EQ(info.alpn, "http/1.1");
    EXPECT_EQ(info.peer_address, "127.0.0.1:" + std::to_string(origin.port()));
    const connection_info again = subject.send(get(origin.url("/d/0"))).connection;
    EXPECT_TRUE(again.reused);
    EXPECT_EQ(again.tls_version, info.tls_version);
}

TEST(LinkTest, TellsWhatIsKnownOfAPlaintextConnection) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    const connection_info info = subject.send(get(origin.url("/d/0"))).connection;
    EXPECT_FALSE(info.tls);
    EXPECT_EQ(info.tls_version, "");
    EXPECT_EQ(info.tls_cipher, "");
    EXPECT_EQ(info.alpn, "");
}

TEST(LinkTest, StreamedHeadsCarryTheConnection) {
    testing::origin origin;
    client subject(trusting(origin.ca_pem()));
    exchange x = open(subject, get(origin.url("/d/0")));
    EXPECT_EQ(read_head(x).value().connection.tls_version, "TLSv1.3");
}

TEST(LinkTest, IPv6Works) {
    testing::origin_options options;
    options.listen.bind_address = "::1";
    testing::origin origin(options);
    client subject(trusting(origin.ca_pem()));
    const response result = subject.send(get(origin.url("/d/0")));
    EXPECT_EQ(result.connection.peer_address, "[::1]:" + std::to_string(origin.port()));
}

}  // namespace
}  // namespace hearth
