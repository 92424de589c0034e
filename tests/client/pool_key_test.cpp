#include "client/pool_key.hpp"

#include <gtest/gtest.h>

#include "client/scripted.hpp"

namespace hearth::detail {
namespace {

using namespace hearth::support;

constexpr const char* url = "https://127.0.0.1:1";

TEST(PoolKeyTest, SameRequestsHaveTheSameKey) {
    const config values;
    const request what;
    const pool_key first = make_pool_key(origin_of(url), what, values);
    const pool_key second = make_pool_key(origin_of(url), what, values);
    EXPECT_EQ(first, second);
    EXPECT_EQ(pool_key_hash{}(first), pool_key_hash{}(second));
    EXPECT_EQ(first.profile, tls_profile::system_default());
}

TEST(PoolKeyTest, RequestGoesOverConfig) {
    config values;
    values.tls.profile = tls_profile::make({});
    values.route.connect_port = 81;
    request what;
    EXPECT_EQ(make_pool_key(origin_of(url), what, values).profile, values.tls.profile);
    EXPECT_EQ(make_pool_key(origin_of(url), what, values).route, values.route);
    what.tls = tls_profile::make({});
    what.route = route{.connect_port = 82};
    EXPECT_EQ(make_pool_key(origin_of(url), what, values).profile, what.tls);
    EXPECT_EQ(make_pool_key(origin_of(url), what, values).route, *what.route);
}

TEST(PoolKeyTest, EveryPartTellsKeysApart) {
    const config values;
    const request plain;
    request profiled;
    profiled.tls = tls_profile::make({});
    request by_port;
    by_port.route = route{.connect_port = 5};
    request by_host;
    by_host.route = route{.connect_host = "a"};
    request by_path;
    by_path.route = route{.unix_path = "/a"};
    request by_address;
    by_address.route = route{.local_address = "127.0.0.2"};
    request by_interface;
    by_interface.route = route{.interface_name = "lo"};
    const auto through = [](proxy via) {
        request what;
        what.route = route{.proxy = std::move(via)};
        return what;
    };
    const pool_key keys[] = {
        make_pool_key(origin_of(url), through({proxy_kind::http, "p", 1}), values),
        make_pool_key(origin_of(url), through({proxy_kind::socks5, "p", 1}), values),
        make_pool_key(origin_of(url), through({proxy_kind::http, "q", 1}), values),
        make_pool_key(origin_of(url), through({proxy_kind::http, "p", 2}), values),
        make_pool_key(origin_of(url), through({proxy_kind::http, "p", 1, "u"}), values),
        make_pool_key(origin_of(url), through({proxy_kind::http, "p", 1, "u", "x"}), values),
        make_pool_key(origin_of(url), through({proxy_kind::http, "p", 1, "u", "y"}), values),
        make_pool_key(origin_of(url), plain, values),
        make_pool_key(origin_of("https://127.0.0.1:2"), plain, values),
        make_pool_key(origin_of("https://localhost:1"), plain, values),
        make_pool_key(origin_of("http://127.0.0.1:1"), plain, values),
        make_pool_key(origin_of(url), profiled, values),
        make_pool_key(origin_of(url), by_port, values),
        make_pool_key(origin_of(url), by_host, values),
        make_pool_key(origin_of(url), by_path, values),
        make_pool_key(origin_of(url), by_address, values),
        make_pool_key(origin_of(url), by_interface, values),
    };
    for (const pool_key& a : keys) {
        for (const pool_key& b : keys) EXPECT_EQ(a == b, &a == &b);
    }
}

TEST(PoolKeyTest, ProfileDoesNotMatterInPlaintext) {
    const config values;
    request profiled;
    profiled.tls = tls_profile::make({});
    EXPECT_EQ(make_pool_key(origin_of("http://a"), request{}, values),
              make_pool_key(origin_of("http://a"), profiled, values));
}

TEST(PoolKeyTest, ConnectionsAndTicketsAreNotSharedBetweenProfiles) {
    testing::origin origin;
    client subject(trusting(origin.ca_pem()));
    const auto other = trust(origin.ca_pem());
    EXPECT_FALSE(subject.send(support::get(origin.url("/d/0"))).connection.reused);
    for (int i = 0; i < 2; ++i) {
        request what = support::get(origin.url("/d/0"));
        what.tls = other;
        const response result = subject.send(std::move(what));
        EXPECT_EQ(result.connection.reused, i == 1);
        EXPECT_FALSE(result.connection.tls_resumed);
    }
    EXPECT_EQ(origin.counters().connections_accepted, 2U);
    EXPECT_EQ(origin.counters().handshakes_full, 2U);
    EXPECT_EQ(subject.stats().origins.size(), 2U);
}

TEST(PoolKeyTest, ConnectionsAreNotSharedBetweenRoutes) {
    testing::origin first(plaintext());
    testing::origin second(plaintext());
    client subject(one_thread());
    EXPECT_EQ(subject.send(support::get(first.url("/d/0"))).status, 200U);
    request detour = support::get(first.url("/d/0"));
    detour.route = route{.connect_port = second.port()};
    const response result = subject.send(std::move(detour));
    EXPECT_FALSE(result.connection.reused);
    EXPECT_EQ(result.connection.peer_address, "127.0.0.1:" + std::to_string(second.port()));
    EXPECT_EQ(first.counters().requests, 1U);
    EXPECT_EQ(second.counters().requests, 1U);
}

}  // namespace
}  // namespace hearth::detail
