// shard, names that change: connections follow, and none is given up for an answer that is worse.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <string>
#include <thread>
#include <vector>

#include "client/scripted.hpp"
#include "support/dns_server.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

// "moving.test" at one address after another, with answers that live for a second.
class moving_name {
public:
    explicit moving_name(const std::string& address) {
        answer({.addresses = {address}, .ttl = 1});
        server_.script("left.test", dns_server::type_a, {.addresses = {address}, .ttl = 1});
        server_.script("left.test", dns_server::type_aaaa, {.ttl = 1});
        thread_ = std::thread([this] { context_.run(); });
    }
    ~moving_name() {
        context_.stop();
        thread_.join();
    }
    moving_name(const moving_name&) = delete;
    moving_name& operator=(const moving_name&) = delete;

    void move(const std::string& address) { change({.addresses = {address}, .ttl = 1}); }
    void change(const dns_server::reply& what) {
        asio::post(context_, [this, what] { answer(what); });
    }
    [[nodiscard]] config values() const {
        config result = one_thread();
        result.dns.servers = {server_.address()};
        return result;
    }
    [[nodiscard]] unsigned queries(const std::string& host = "moving.test") {
        awaited<unsigned> count;
        asio::post(context_, [this, host, told = count.handler()] { told(server_.queries(host)); });
        return std::get<0>(count.wait());
    }

private:
    void answer(const dns_server::reply& what) {
        server_.script("moving.test", dns_server::type_a, what);
        server_.script("moving.test", dns_server::type_aaaa, {.ttl = 1});
    }

    asio::io_context context_;
    dns_server server_{context_};
    std::thread thread_;
};

struct everywhere {
    testing::origin origin{[] {
        testing::origin_options options = plaintext();
        options.listen.bind_address = "0.0.0.0";
        return options;
    }()};
    [[nodiscard]] std::string url(const std::string& path) const {
        return "http://moving.test:" + std::to_string(origin.port()) + path;
    }
};

/// As many connections as there are exchanges at once.
void open_connections(client& subject, const std::string& url, int count) {
    std::vector<awaited_response> calls;
    for (int i = 0; i < count; ++i) calls.push_back(begin_send(subject, get(url)));
    for (const awaited_response& call : calls) ASSERT_FALSE(call.error()) << call.error().message();
}

std::string address_of(const response& result) {
    const std::string& peer = result.connection.peer_address;
    return peer.substr(0, peer.rfind(':'));
}

TEST(ShardNamesTest, ConnectionsMoveWithTheName) {
    everywhere servers;
    moving_name name("127.0.0.1");
    client subject(name.values());
    open_connections(subject, servers.url("/d/50"), 8);
    ASSERT_EQ(subject.stats().total().open, 8U);
    name.move("127.0.0.2");
    std::uint64_t least = 8;
    EXPECT_TRUE(eventually([&] {
        const response result = subject.send(get(servers.url("/d/0")));
        EXPECT_EQ(result.status, 200U);
        least = std::min(least, std::uint64_t{subject.stats().total().open});
        return address_of(result) == "127.0.0.2" && subject.stats().total().closed >= 8;
    }));
    EXPECT_GE(least, 6U) << "a quarter at a time, the others first";
    EXPECT_EQ(subject.stats().total().failed_dials, 0U);
    expect_consistent(subject.stats());
}

TEST(ShardNamesTest, NameServerThatFailsChangesNothing) {
    everywhere servers;
    moving_name name("127.0.0.1");
    client subject(name.values());
    open_connections(subject, servers.url("/d/50"), 4);
    name.change({.code = 2});
    const unsigned before = name.queries();
    ASSERT_TRUE(eventually([&] { return name.queries() > before + 2; }));
    EXPECT_EQ(subject.send(get(servers.url("/d/0"))).status, 200U);
    EXPECT_EQ(subject.stats().total().open, 4U);
    EXPECT_EQ(subject.stats().total().closed, 0U);
}

TEST(ShardNamesTest, NewAddressThatRefusesCostsNoConnection) {
    testing::origin origin(plaintext());
    moving_name name("127.0.0.1");
    client subject(name.values());
    const std::string url = "http://moving.test:" + std::to_string(origin.port());
    open_connections(subject, url + "/d/50", 4);
    name.move("127.0.0.2");
    ASSERT_TRUE(eventually([&] { return subject.stats().total().failed_dials >= 1; }));
    EXPECT_EQ(subject.stats().total().open, 4U);
    EXPECT_EQ(subject.send(get(url + "/d/0")).status, 200U);
    name.move("127.0.0.1");
    const unsigned before = name.queries();
    ASSERT_TRUE(eventually([&] { return name.queries() > before + 2; }));
    EXPECT_EQ(subject.stats().total().closed, subject.stats().total().failed_dials);
}

TEST(ShardNamesTest, NobodyAsksForANameWithoutConnections) {
    everywhere servers;
    moving_name name("127.0.0.1");
    client subject(name.values());
    request last = get("http://left.test:" + std::to_string(servers.origin.port()) + "/d/0");
    last.headers.set("connection", "close");
    ASSERT_EQ(subject.send(std::move(last)).status, 200U);
    open_connections(subject, servers.url("/d/0"), 1);
    const unsigned before = name.queries();
    ASSERT_TRUE(eventually([&] { return name.queries() > before + 4; }));
    EXPECT_EQ(name.queries("left.test"), 2U) << "one for each family";
}

}  // namespace
}  // namespace hearth
