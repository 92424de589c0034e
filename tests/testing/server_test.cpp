// Listening and spreading connections, with a protocol that only greets.
#include "testing/server.hpp"

#include <gtest/gtest.h>

#include "testing/plain_client.hpp"

namespace {

using namespace std::chrono_literals;
using namespace hearth::testing;
using namespace hearth::testing::internal;
using hearth::support::plain_client;

// Says its index and closes.
class greeting final : public protocol {
public:
    explicit greeting(connection& owner) : connection_(owner) {}
    void on_open() override {
        connection_.send(std::to_string(connection_.index()));
        connection_.close_when_sent(close_kind::clean);
    }
    void on_bytes(std::string_view /*bytes*/) override {}
    void on_room() override {}
    void on_end() override {}
    void on_drain() override {}
    void on_closed() override {}

private:
    connection& connection_;
};

std::unique_ptr<protocol> greet(connection& owner) { return std::make_unique<greeting>(owner); }

TEST(ServerTest, NumbersConnectionsInTheOrderTheyWereAccepted) {
    server listening({.tls = false, .threads = 3}, greet);
    for (int i = 0; i < 10; ++i) {
        plain_client client(listening.port());
        EXPECT_EQ(client.read_all(), std::to_string(i));
    }
}

TEST(ServerTest, ThePortIsKeptWhileNobodyListens) {
    server listening({.tls = false}, greet);
    const std::uint16_t port = listening.port();
    for (int i = 0; i < 20; ++i) {
        listening.set_refusing(true);
        EXPECT_FALSE(plain_client(port).is_connected());
        listening.set_refusing(false);
        EXPECT_EQ(plain_client(port).read_all(), std::to_string(i));
    }
}

TEST(ServerTest, ListensOnIpv6) {
    server listening({.tls = false, .bind_address = "::1"}, greet);
    EXPECT_EQ(listening.url("/a"), "http://[::1]:" + std::to_string(listening.port()) + "/a");
}

TEST(ServerTest, AnotherServerCannotTakeThePort) {
    server listening({.tls = false}, greet);
    EXPECT_THROW(server({.tls = false, .port = listening.port()}, greet), std::system_error);
}

TEST(ServerTest, DowntimeEndsByItself) {
    server listening({.tls = false}, greet);
    listening.restart(1ms);
    // The port answers again after a bounded number of attempts.
    bool is_back = false;
    for (int i = 0; i < 1'000'000 && !is_back; ++i) {
        is_back = plain_client(listening.port()).is_connected();
    }
    EXPECT_TRUE(is_back);
}

}  // namespace
