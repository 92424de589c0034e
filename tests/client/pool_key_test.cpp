#include "client/pool_key.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

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
    EXPECT_EQ(first.profile, nullptr) << "the client's own, whichever that is";
}

TEST(PoolKeyTest, RequestGoesOverConfig) {
    config values;
    values.tls.profile = tls_profile::make({});
    values.route.connect_port = 81;
    request what;
    EXPECT_EQ(make_pool_key(origin_of(url), what, values).profile, nullptr);
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
    struct no_dialer final : dialer {
        void dial(const std::string&, std::uint16_t, std::stop_token, dial_done) const override {}
    };
    request by_dialer;
    by_dialer.route = route{.dialer = std::make_shared<no_dialer>()};
    request by_other_dialer;
    by_other_dialer.route = route{.dialer = std::make_shared<no_dialer>()};
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
        make_pool_key(origin_of(url), through({proxy_kind::https, "p", 1}), values),
        make_pool_key(origin_of(url),
                      through({proxy_kind::https, "p", 1, {}, {}, tls_profile::make({})}), values),
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
        make_pool_key(origin_of(url), by_dialer, values),
        make_pool_key(origin_of(url), by_other_dialer, values),
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

// Sends each twice, in turn: the first of each needs a connection of its own, the second gets that.
void expect_apart(client& subject, const std::vector<request>& all) {
    for (const bool is_reused : {false, true}) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            boost::system::error_code error;
            const response result = subject.send(request(all[i]), error);
            EXPECT_FALSE(error) << i << ": " << result.failure.dial_detail;
            EXPECT_EQ(result.connection.reused, is_reused) << i;
            EXPECT_FALSE(result.connection.tls_resumed) << i << ": by a ticket of another";
        }
    }
    EXPECT_EQ(subject.stats().total().opened, all.size());
}

TEST(PoolKeyTest, NothingIsSharedAcrossTrustAndIdentities) {
    const testing::certificate_authority clients;
    const testing::certificate_authority stranger;
    testing::origin_options options;
    options.listen.client_ca_pem = clients.ca_pem();
    testing::origin origin(options);
    const auto profile = [&, first = clients.issue({.client_auth = true})](auto change) {
        tls_options values;
        values.ca_pem = origin.ca_pem();
        values.certificate_pem = first.chain_pem;
        values.private_key_pem = first.key_pem;
        change(values);
        request what = support::get(origin.url("/d/0"));
        what.tls = tls_profile::make(values);
        return what;
    };
    const auto second = clients.issue({.client_auth = true});
    const std::vector<request> all = {
        profile([](tls_options&) {}),
        profile([](tls_options&) {}),  // equal options, but what is asked for is this profile
        profile([&](tls_options& values) {
            values.certificate_pem = second.chain_pem;
            values.private_key_pem = second.key_pem;
        }),
        profile([](tls_options& values) { values.server_name = "localhost"; }),
        profile([](tls_options& values) { values.verify_name = "localhost"; }),
        profile([&](tls_options& values) { values.ca_pem += stranger.ca_pem(); }),
        profile([](tls_options& values) { values.danger_skip_verification = true; }),
    };
    client subject(one_thread());
    expect_apart(subject, all);
    EXPECT_EQ(origin.counters().handshakes_full, all.size());
}

TEST(PoolKeyTest, NothingIsSharedAcrossProtocolPolicies) {
    testing::origin_options options;
    options.listen.alpn = {"h2", "http/1.1"};
    options.listen.tickets = 0;
    testing::origin origin(options);
    std::vector<request> all;
    for (const auto policy :
         {protocol_policy::http1_only, protocol_policy::automatic, protocol_policy::http2_only}) {
        all.push_back(support::get(origin.url("/d/0")));
        all.back().protocol = policy;
    }
    client subject(trusting(origin.ca_pem()));
    expect_apart(subject, all);
}

TEST(PoolKeyTest, NothingIsSharedAcrossProxiesAndTheirCredentials) {
    testing::listen_options listen = plaintext_listen();
    listen.bind_address = "0.0.0.0";
    testing::raw_origin server(listen, {testing::expect_request(), testing::send(small_answer),
                                        testing::expect_request(), testing::send(small_answer)});
    const std::uint16_t port = server.port();
    const proxy ways[] = {
        {proxy_kind::http, "127.0.0.1", port},
        {proxy_kind::http, "127.0.0.2", port},
        {proxy_kind::http, "127.0.0.1", port, "u", "x"},
        {proxy_kind::http, "127.0.0.1", port, "u", "y"},
        {proxy_kind::http, "127.0.0.1", port, "v", "x"},
    };
    std::vector<request> all;
    for (const proxy& way : ways) {
        all.push_back(support::get("http://shop.test/"));
        all.back().route = route{.proxy = way};
    }
    all.push_back(support::get("http://shop.test/"));
    all.back().route = route{.connect_host = "127.0.0.1", .connect_port = port};
    client subject(one_thread());
    expect_apart(subject, all);
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::string seen = server.received(i);
        const std::string field = "proxy-authorization: ";
        const std::size_t first = seen.find(field);
        if (first == std::string::npos) continue;
        const std::string credentials = seen.substr(first, seen.find('\r', first) - first);
        EXPECT_NE(seen.find(credentials, first + 1), std::string::npos) << "twice the same";
    }
}

TEST(PoolKeyTest, NothingIsSharedAcrossTheEndsOfRoutes) {
    testing::origin_options options = plaintext();
    options.listen.bind_address = "0.0.0.0";
    testing::origin origin(options);
    const route ways[] = {
        {},
        {.connect_host = "127.0.0.2"},
        {.connect_host = "localhost"},
        {.local_address = "127.0.0.3"},
        {.interface_name = "lo"},
    };
    std::vector<request> all;
    for (const route& way : ways) {
        all.push_back(support::get(origin.url("/d/0")));
        all.back().route = way;
    }
    client subject(one_thread());
    expect_apart(subject, all);
}

}  // namespace
}  // namespace hearth::detail
