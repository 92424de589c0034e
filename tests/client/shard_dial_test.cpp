// shard, dials: why a connection could not be had, as the caller sees it.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "client/deaf_listener.hpp"
#include "client/scripted.hpp"
#include "support/dns_server.hpp"
#include "support/forked.hpp"
#include "support/network_namespace.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

std::uint16_t closed_port() {
    const testing::origin gone(plaintext());
    return gone.port();
}

TEST(ShardDialTest, RefusedConnectNamesAddressAndCause) {
    client subject(one_thread());
    const std::uint16_t port = closed_port();
    const failed_call call = fail(subject, get("http://127.0.0.1:" + std::to_string(port)));
    EXPECT_EQ(call.error, errc::connect_failed);
    EXPECT_EQ(call.result.failure.phase, phase::connect);
    EXPECT_EQ(call.result.failure.dial_error, errc::connect_failed);
    EXPECT_NE(call.result.failure.detail.find("127.0.0.1:" + std::to_string(port)),
              std::string::npos);
    EXPECT_NE(call.result.failure.detail.find("refused"), std::string::npos);
    EXPECT_EQ(call.result.failure.attempt, 0U);
    EXPECT_FALSE(call.result.failure.maybe_processed);
    EXPECT_TRUE(call.error == errc_condition::never_sent);
    expect_consistent(subject.stats());
}

TEST(ShardDialTest, WaitersAreServedWhenTheOriginComesBack) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.dial_patience = 30s;
    client subject(values);
    origin.set_refusing(true);
    std::vector<awaited_response> calls;
    for (int i = 0; i < 5; ++i) calls.push_back(begin_send(subject, get(origin.url("/d/0"))));
    ASSERT_TRUE(eventually([&] { return subject.stats().total().failed_dials >= 2; }));
    for (const awaited_response& call : calls) EXPECT_EQ(call.count(), 0U);
    origin.set_refusing(false);
    for (const awaited_response& call : calls) EXPECT_FALSE(call.error()) << call.error().message();
}

TEST(ShardDialTest, OneFailedDialDoesNotFailTheWaiters) {
    testing::origin origin;
    config values = trusting(origin.ca_pem());
    values.timeouts.handshake = 1s;
    client subject(values);
    origin.set_silent(true);
    const awaited_response first = begin_send(subject, get(origin.url("/d/0")));
    ASSERT_TRUE(eventually([&] {
        return subject.stats().total().handshaking == 1 &&
               origin.counters().connections_accepted == 1;
    }));
    origin.set_silent(false);
    const awaited_response second = begin_send(subject, get(origin.url("/d/0")));
    EXPECT_FALSE(first.error()) << "it takes the connection that is there, whoever dialled it";
    EXPECT_FALSE(second.error());
    EXPECT_TRUE(eventually([&] { return subject.stats().total().failed_dials >= 1; }));
    expect_consistent(subject.stats());
}

TEST(ShardDialTest, PeerThatHangsUpInTheHandshake) {
    testing::raw_origin origin(plaintext_listen(),
                               testing::script{testing::expect_octets(1), testing::close()});
    config values = one_thread();
    values.pool.dial_patience = 0ms;
    client subject(values);
    const failed_call call =
        fail(subject, get("https://127.0.0.1:" + std::to_string(origin.port())));
    EXPECT_EQ(call.error, errc::handshake_failed);
    EXPECT_EQ(call.result.failure.phase, phase::handshake);
    EXPECT_FALSE(call.result.failure.detail.empty());
    EXPECT_EQ(subject.stats().total().handshakes_failed, 1U);
}

TEST(ShardDialTest, PeerThatSpeaksNoTls) {
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{testing::expect_octets(1),
                        testing::send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")});
    config values = one_thread();
    values.pool.dial_patience = 0ms;
    client subject(values);
    const failed_call call =
        fail(subject, get("https://127.0.0.1:" + std::to_string(origin.port())));
    EXPECT_EQ(call.error, errc::handshake_failed);
}

// Sockets.

/// The local address and port that a socket is bound to.
asio::ip::tcp::endpoint local_end(int descriptor) {
    asio::ip::tcp::endpoint end;
    auto size = static_cast<socklen_t>(end.capacity());
    EXPECT_EQ(::getsockname(descriptor, end.data(), &size), 0);
    return end;
}

TEST(ShardDialTest, LocalAddressesShareNoConnection) {
    testing::origin origin(plaintext());
    std::vector<std::string> from;  // written on the client's thread, while `send` waits
    config values = one_thread();
    values.io.before_connect = [&](int descriptor, std::string_view /*peer*/) -> error_code {
        from.push_back(local_end(descriptor).address().to_string());
        return {};
    };
    client subject(values);
    for (const char* address : {"127.0.0.2", "127.0.0.3", "127.0.0.2"}) {
        request what = get(origin.url("/d/0"));
        what.route = route{.local_address = address};
        EXPECT_EQ(subject.send(std::move(what)).status, 200U);
    }
    EXPECT_EQ(from, (std::vector<std::string>{"127.0.0.2", "127.0.0.3"}));
    EXPECT_NE(subject.stats().origins.front().origin.find(" from 127.0.0."), std::string::npos);
}

TEST(ShardDialTest, ForeignLocalAddressIsAFailedConnect) {
    config values = one_thread();
    values.route.local_address = "192.0.2.1";
    values.pool.dial_patience = 0ms;
    client subject(values);
    const failed_call call = fail(subject, get("http://127.0.0.1:9"));
    EXPECT_EQ(call.error, errc::connect_failed);
    EXPECT_NE(call.result.failure.detail.find("127.0.0.1:9 from 192.0.2.1 failed"),
              std::string::npos)
        << call.result.failure.detail;
}

TEST(ShardDialTest, LocalAddressOfAnotherFamilyIsSaidSo) {
    config values = one_thread();
    values.route.local_address = "::1";
    values.pool.dial_patience = 0ms;
    client subject(values);
    const failed_call call = fail(subject, get("http://127.0.0.1:9"));
    EXPECT_EQ(call.error, errc::connect_failed);
    EXPECT_EQ(call.result.failure.phase, phase::connect);
    EXPECT_NE(call.result.failure.detail.find("family"), std::string::npos);
}

TEST(ShardDialTest, RouteThatNamesNoAddressIsRefusedAtOnce) {
    client subject(one_thread());
    request what = get("http://127.0.0.1:9");
    what.route = route{.local_address = "here"};
    const failed_call call = fail(subject, std::move(what));
    EXPECT_EQ(call.error, errc::invalid_config);
    EXPECT_EQ(call.result.failure.phase, phase::validation);
    EXPECT_EQ(subject.stats().total().opened, 0U);
}

TEST(ShardDialTest, HookThatRefusesFailsTheDialByItsWords) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.dial_patience = 0ms;
    values.io.before_connect = [](int, std::string_view) {
        return boost::system::errc::make_error_code(boost::system::errc::permission_denied);
    };
    client subject(values);
    const failed_call call = fail(subject, get(origin.url("/d/0")));
    EXPECT_EQ(call.error, errc::connect_failed);
    EXPECT_NE(call.result.failure.detail.find("ermission denied"), std::string::npos);
    EXPECT_EQ(origin.counters().connections_accepted, 0U);
}

TEST(ShardDialTest, LackOfLocalPortsIsTheReason) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.dial_patience = 0ms;
    std::uint16_t port = 0;  // the only one; chosen by the kernel, at first
    values.io.before_connect = [&](int descriptor, std::string_view /*peer*/) -> error_code {
        const int yes = 1;
        EXPECT_EQ(::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
        const asio::ip::tcp::endpoint here(asio::ip::make_address("127.0.0.1"), port);
        EXPECT_EQ(::bind(descriptor, here.data(), static_cast<socklen_t>(here.size())), 0);
        port = local_end(descriptor).port();
        return {};
    };
    client first(values);
    ASSERT_EQ(first.send(get(origin.url("/d/0"))).status, 200U);
    client second(values);
    const failed_call call = fail(second, get(origin.url("/d/0")));
    EXPECT_EQ(call.error, errc::descriptor_limit);
    EXPECT_NE(call.result.failure.dial_detail.find("No local port is free"), std::string::npos)
        << call.result.failure.dial_detail;
}

// Descriptors.

/// What a crowd of requests came to.
struct crowd_result {
    int answered = 0;
    int refused = 0;  ///< For lack of descriptors, and said so.
    int others = 0;
    std::uint64_t failed_dials = 0;
    long cpu_ms = 0;
};

long cpu_ms_used() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

/// 1,000 requests at once to 50 origins (loopback addresses), with 64 descriptors for everything.
crowd_result send_a_crowd(std::uint16_t port) {
    client subject(one_thread());
    const rlimit few{64, 64};
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) throw std::runtime_error("setrlimit failed");
    const long before = cpu_ms_used();
    std::vector<awaited_response> calls;
    for (int i = 0; i < 1000; ++i) {
        const std::string host = "127.0.1." + std::to_string(1 + i % 50);
        calls.push_back(
            begin_send(subject, get("http://" + host + ":" + std::to_string(port) + "/d/10")));
    }
    crowd_result result;
    for (const awaited_response& call : calls) {
        const failure& why = call.value().failure;
        if (!call.error()) {
            ++result.answered;
        } else if (call.error() == errc::descriptor_limit && !why.detail.empty()) {
            ++result.refused;
        } else {
            ++result.others;
        }
    }
    result.failed_dials = subject.stats().total().failed_dials;
    result.cpu_ms = cpu_ms_used() - before;
    return result;
}

TEST(ShardDialTest, FewDescriptorsServeACrowdByTurns) {
    std::array<int, 2> to_child{};
    std::array<int, 2> to_parent{};
    ASSERT_EQ(::pipe(to_child.data()), 0);
    ASSERT_EQ(::pipe(to_parent.data()), 0);
    forked child([&] {  // before the origin: it must share neither threads nor descriptors
        ::close(to_child[1]);
        std::uint16_t port = 0;
        if (::read(to_child[0], &port, sizeof port) != sizeof port) return 1;
        const crowd_result result = send_a_crowd(port);
        return ::write(to_parent[1], &result, sizeof result) == sizeof result ? 0 : 1;
    });
    testing::origin_options options = plaintext();
    options.listen.bind_address = "0.0.0.0";
    testing::origin origin(options);
    const std::uint16_t port = origin.port();
    ASSERT_EQ(::write(to_child[1], &port, sizeof port), static_cast<ssize_t>(sizeof port));
    ASSERT_EQ(child.result(), 0);
    crowd_result result;
    ASSERT_EQ(::read(to_parent[0], &result, sizeof result), static_cast<ssize_t>(sizeof result));
    for (const int descriptor : {to_child[0], to_child[1], to_parent[0], to_parent[1]}) {
        ::close(descriptor);
    }
    RecordProperty("answered", result.answered);
    RecordProperty("refused", result.refused);
    RecordProperty("failed_dials", static_cast<int>(result.failed_dials));
    RecordProperty("cpu_ms", static_cast<int>(result.cpu_ms));
    EXPECT_EQ(result.others, 0);
    EXPECT_EQ(result.answered + result.refused, 1000);
    EXPECT_GE(result.answered, 900);
    EXPECT_LT(result.failed_dials, 2000U) << "it does not spin";
}

TEST(ShardDialTest, NameThatNobodyCanBeAskedForIsALackOfDescriptors) {
    asio::io_context context;
    config values;
    values.pool.dial_patience = 0ms;
    values.dns.servers = {"127.0.0.1:1"};
    client subject(context.get_executor(), values);
    rlimit usual{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &usual), 0);
    const rlimit none{0, usual.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const awaited_response call = begin_send(subject, get("http://host.test:1"));
    while (call.count() == 0 && context.run_one_for(patience) != 0) {
    }
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
    EXPECT_EQ(call.error(), errc::descriptor_limit);
    EXPECT_EQ(call.value().failure.dial_error, errc::descriptor_limit);
    EXPECT_NE(call.value().failure.dial_detail.find("host.test"), std::string::npos);
}

// Certificates.

struct bad_certificate {
    const char* name;
    testing::certificate_options options;
    bool foreign;
};

TEST(ShardDialTest, BadCertificatesAreRejectedAtOnce) {
    testing::certificate_authority ours;
    testing::certificate_authority theirs(testing::key_type::ecdsa_p256, "somebody else");
    const bad_certificate cases[] = {
        {"unknown issuer", {}, true},
        {"expired", {.not_before = -48h, .not_after = -24h}, false},
        {"not yet valid", {.not_before = 24h}, false},
        {"another name", {.names = {"other.test"}, .ips = {"192.0.2.1"}}, false},
        {"a client's", {.client_auth = true}, false},
        {"no intermediate", {.by_intermediate = true, .omit_intermediate = true}, false},
    };
    for (const bad_certificate& one : cases) {
        testing::origin_options options;
        options.listen.server_certificate = (one.foreign ? theirs : ours).issue(one.options);
        testing::origin origin(options);
        config values = trusting(ours.ca_pem());
        values.pool.dial_patience = 30s;  // it is not waited out
        client subject(values);
        const failed_call call = fail(subject, get(origin.url("/d/0")));
        EXPECT_EQ(call.error, errc::certificate_rejected) << one.name << call.error.message();
        EXPECT_EQ(call.result.failure.phase, phase::handshake) << one.name;
        EXPECT_FALSE(call.result.failure.detail.empty()) << one.name;
        EXPECT_EQ(origin.counters().requests, 0U) << one.name;
    }
}

TEST(ShardDialTest, GoodChainsAreAccepted) {
    testing::certificate_authority authority;
    for (const auto key : {testing::key_type::ecdsa_p256, testing::key_type::rsa_2048}) {
        testing::origin_options options;
        options.listen.server_certificate = authority.issue({.key = key, .by_intermediate = true});
        testing::origin origin(options);
        client subject(trusting(authority.ca_pem()));
        EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    }
}

TEST(ShardDialTest, RequiredClientCertificate) {
    testing::certificate_authority authority;
    testing::origin_options options;
    options.listen.server_certificate = authority.issue();
    options.listen.client_ca_pem = authority.ca_pem();
    options.listen.maximum_version = tls_version::tls_1_2;  // refused within the handshake
    testing::origin origin(options);
    config values = trusting(authority.ca_pem());
    values.pool.dial_patience = 0ms;
    client subject(values);
    EXPECT_EQ(fail(subject, get(origin.url("/d/0"))).error, errc::handshake_failed);
    const testing::certificate own = authority.issue({.client_auth = true});
    tls_options identity;
    identity.ca_pem = authority.ca_pem();
    identity.certificate_pem = own.chain_pem;
    identity.private_key_pem = own.key_pem;
    request what = get(origin.url("/d/0"));
    what.tls = tls_profile::make(identity);
    EXPECT_EQ(subject.send(std::move(what)).status, 200U);
}

TEST(ShardDialTest, VerifyNameAndServerNameOverrides) {
    testing::certificate_authority authority;
    testing::origin_options options;
    options.listen.server_certificate = authority.issue({.names = {"inner.test"}, .ips = {}});
    testing::origin origin(options);
    config values = trusting(authority.ca_pem());
    client subject(values);
    EXPECT_EQ(fail(subject, get(origin.url("/d/0"))).error, errc::certificate_rejected);
    tls_options inner;
    inner.ca_pem = authority.ca_pem();
    inner.verify_name = "inner.test";
    request what = get(origin.url("/d/0"));
    what.tls = tls_profile::make(inner);
    EXPECT_EQ(subject.send(std::move(what)).status, 200U);
}

// Of this process's socket that is connected to `port`; -1 if there is none.
int keep_alive_towards(std::uint16_t port) {
    for (int descriptor = 3; descriptor < 1024; ++descriptor) {
        asio::ip::tcp::endpoint peer;
        auto size = static_cast<socklen_t>(peer.capacity());
        if (::getpeername(descriptor, peer.data(), &size) != 0 || peer.port() != port) continue;
        int value = -1;
        socklen_t value_size = sizeof value;
        ::getsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &value, &value_size);
        return value;
    }
    return -1;
}

TEST(ShardDialTest, TheKernelIsToldToLookAfterAConnectionWhenHalfTheTimeIsOver) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.io.keepalive_idle = 1s;
    client subject(values);
    ASSERT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    EXPECT_TRUE(eventually([&] { return keep_alive_towards(origin.port()) == 1; }));
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    EXPECT_EQ(origin.counters().connections_accepted, 1U);
}

TEST(ShardDialTest, SessionsAreResumed) {
    for (const auto version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
        testing::origin_options options;
        options.listen.maximum_version = version;
        testing::origin origin(options);
        client subject(trusting(origin.ca_pem()));
        const response first = subject.send(get(origin.url("/no-keepalive")));
        EXPECT_FALSE(first.connection.tls_resumed);
        const response second = subject.send(get(origin.url("/no-keepalive")));
        EXPECT_TRUE(second.connection.tls_resumed);
        EXPECT_EQ(second.connection.tls_version,
                  version == tls_version::tls_1_2 ? "TLSv1.2" : "TLSv1.3");
        const origin_stats total = subject.stats().total();
        EXPECT_EQ(total.handshakes_full, 1U);
        EXPECT_EQ(total.handshakes_resumed, 1U);
        EXPECT_EQ(origin.counters().handshakes_resumed, 1U);
    }
}

TEST(ShardDialTest, ChainOfAnOriginIsVerifiedOnceInAWhile) {
    testing::origin_options options;
    options.listen.tickets = 0;
    testing::origin origin(options);
    config values = trusting(origin.ca_pem());
    const auto remembered_of_three = [&] {
        client subject(values);
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(subject.send(get(origin.url("/no-keepalive"))).status, 200U);
        }
        EXPECT_EQ(subject.stats().total().handshakes_full, 3U);
        return subject.stats().chains_remembered;
    };
    EXPECT_EQ(remembered_of_three(), 2U);
    values.tls.remember_chains.reset();
    EXPECT_EQ(remembered_of_three(), 0U);
}

// Names and addresses.

TEST(ShardDialTest, NameOverridesNeedNoNameService) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.dns.overrides = {{"users.test", 0, {"127.0.0.1"}}};
    client subject(values);
    const response result =
        subject.send(get("http://users.test:" + std::to_string(origin.port()) + "/d/0"));
    EXPECT_EQ(result.connection.peer_address, "127.0.0.1:" + std::to_string(origin.port()));
}

TEST(ShardDialTest, SecondAddressIsTriedWhenTheFirstRefuses) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.dns.overrides = {{"users.test", 0, {"127.0.0.2", "127.0.0.1"}}};
    client subject(values);
    const response result =
        subject.send(get("http://users.test:" + std::to_string(origin.port()) + "/d/0"));
    EXPECT_EQ(result.connection.peer_address, "127.0.0.1:" + std::to_string(origin.port()));
}

// Addresses that fail.

/// A client of "many.test" at several addresses, and whom it tried to connect to.
struct many_addresses {
    std::vector<std::string> tried;  // written on the client's thread, while `send` waits

    config values(std::vector<std::string> addresses) {
        config result = one_thread();
        result.dns.overrides = {{"many.test", 0, std::move(addresses)}};
        result.dns.attempt_delay = 20ms;
        result.io.before_connect = [this](int, std::string_view peer) -> error_code {
            tried.emplace_back(peer.substr(0, peer.rfind(':')));
            return {};
        };
        return result;
    }
    /// One exchange on a connection of its own.
    static request closing(std::uint16_t port) {
        request what = get("http://many.test:" + std::to_string(port) + "/d/0");
        what.headers.set("connection", "close");
        return what;
    }
};

TEST(ShardDialTest, AddressThatRefusedIsNotTriedFirstAgain) {
    testing::origin origin(plaintext());
    many_addresses many;
    client subject(many.values({"127.0.0.2", "127.0.0.1"}));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(subject.send(many.closing(origin.port())).status, 200U);
    }
    EXPECT_EQ(many.tried,
              (std::vector<std::string>{"127.0.0.2", "127.0.0.1", "127.0.0.1", "127.0.0.1"}));
}

TEST(ShardDialTest, StatisticsTellOfEachAddress) {
    testing::origin origin(plaintext());
    many_addresses many;
    config values = many.values({"127.0.0.2", "127.0.0.1"});
    values.addresses.min_rest = 60s;
    client subject(values);
    const std::string port = std::to_string(origin.port());
    EXPECT_EQ(subject.send(get("http://many.test:" + port + "/d/0")).status, 200U);
    EXPECT_EQ(subject.send(get("http://127.0.0.1:" + port + "/d/0")).status, 200U);
    const stats seen = subject.stats();
    EXPECT_TRUE(seen.total().addresses.empty());
    ASSERT_EQ(seen.origins.size(), 2U);
    const bool is_first = seen.origins[0].origin.find("many.test") != std::string::npos;
    const origin_stats& both = seen.origins[is_first ? 0 : 1];
    ASSERT_EQ(both.addresses.size(), 2U);
    EXPECT_EQ(both.addresses[0].address, "127.0.0.2");
    EXPECT_EQ(both.addresses[0].failures, 1U);
    EXPECT_TRUE(both.addresses[0].rests_until);
    EXPECT_EQ(both.addresses[0].connections, 0U);
    EXPECT_EQ(both.addresses[1].connections, 1U);
    EXPECT_FALSE(both.addresses[1].rests_until);
    EXPECT_TRUE(both.addresses[1].is_current);
    EXPECT_EQ(seen.origins[is_first ? 1 : 0].addresses.size(), 1U) << "a literal is an address";
}

TEST(ShardDialTest, SilentAddressCostsOneDialItsDelay) {
    deaf_listener deaf(0);
    deaf.fill();
    testing::origin_options options = plaintext();
    options.listen.bind_address = "127.0.0.2";
    options.listen.port = deaf.port();
    testing::origin origin(options);
    many_addresses many;
    client subject(many.values({"127.0.0.1", "127.0.0.2"}));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(subject.send(many.closing(origin.port())).status, 200U);
    }
    EXPECT_EQ(many.tried,
              (std::vector<std::string>{"127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.2"}));
}

TEST(ShardDialTest, AddressesShareTheConnectionsIfAsked) {
    testing::origin_options options = plaintext();
    options.listen.bind_address = "0.0.0.0";
    testing::origin origin(options);
    many_addresses many;
    config values = many.values({"127.0.0.1", "127.0.0.2", "127.0.0.3"});
    values.addresses.balance = address_balance::round_robin;
    client subject(values);
    for (int i = 0; i < 6; ++i) {
        EXPECT_EQ(subject.send(many.closing(origin.port())).status, 200U);
    }
    EXPECT_EQ(many.tried, (std::vector<std::string>{"127.0.0.1", "127.0.0.2", "127.0.0.3",
                                                    "127.0.0.1", "127.0.0.2", "127.0.0.3"}));
}

TEST(ShardDialTest, AddressThatLosesExchangesIsLeft) {
    testing::origin origin(plaintext());
    testing::listen_options listen = plaintext_listen();
    listen.bind_address = "127.0.0.2";
    listen.port = origin.port();
    testing::raw_origin broken(
        listen, testing::script{testing::expect_octets(1), testing::send("HTTP/1.1 oops\r\n\r\n"),
                                testing::close()});
    many_addresses many;
    config values = many.values({"127.0.0.2", "127.0.0.1"});
    values.addresses.eject_after = 3;
    client subject(values);
    int lost = 0;
    for (int i = 0; i < 6; ++i) {
        error_code error;
        (void)subject.send(many.closing(origin.port()), error);
        lost += error ? 1 : 0;
    }
    EXPECT_EQ(lost, 3);
    EXPECT_EQ(many.tried.back(), "127.0.0.1");
    EXPECT_EQ(subject.send(many.closing(origin.port())).status, 200U);
}

// By statuses, which lose nothing: that is for breakers to see.
TEST(ShardDialTest, AddressWhoseBreakerOpensIsLeft) {
    testing::origin good(plaintext());
    testing::origin_options options = plaintext();
    options.listen.bind_address = "127.0.0.2";
    options.listen.port = good.port();
    testing::origin failing(options);
    const auto answer = [](int status) {
        return [status](const testing::request_view& /*seen*/, testing::responder reply) {
            testing::reply whole;
            whole.status = status;
            reply.answer(std::move(whole));
        };
    };
    good.on("/who", answer(200));
    failing.on("/who", answer(503));
    many_addresses many;
    config values = many.values({"127.0.0.2", "127.0.0.1"});
    values.breaker.enabled = true;
    values.breaker.min_volume = 5;
    values.breaker.open_for = 10min;
    client subject(values);
    int failed = 0;
    for (int i = 0; i < 20; ++i) {
        // They share connections: those to the address are let go, too.
        const request what = get("http://many.test:" + std::to_string(good.port()) + "/who");
        failed += subject.send(what).status == 503 ? 1 : 0;
    }
    EXPECT_EQ(failed, 5);
    EXPECT_EQ(many.tried, (std::vector<std::string>{"127.0.0.2", "127.0.0.1"}));
    const origin_stats total = subject.stats().total();
    EXPECT_EQ(total.breaker, breaker_state::closed) << "the origin is well";
    EXPECT_EQ(total.breaker_opened, 0U);
    expect_consistent(subject.stats());
}

/// Two requests, on connections of their own, to an origin at `dead` and 127.0.0.1: what they
/// tried, or nothing if one failed.
std::vector<std::string> dial_dual_stack(const std::string& dead) {
    testing::origin origin(plaintext());
    many_addresses many;
    config values = many.values({dead, "127.0.0.1"});
    values.dns.attempt_delay = config{}.dns.attempt_delay;
    client subject(values);
    for (int i = 0; i < 2; ++i) {
        const auto began = std::chrono::steady_clock::now();
        if (subject.send(many.closing(origin.port())).status != 200) return {};
        const auto took = std::chrono::steady_clock::now() - began;
        std::cout << dead << ", request " << i + 1 << ": "
                  << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms"
                  << '\n'
                  << std::flush;
    }
    return many.tried;
}

TEST(ShardDialTest, DeadIpv6CostsTheFirstDialOfADualStackHostOneDelay) {
    constexpr int no_namespace = 77;
    forked child([&] {
        if (!enter_network_with_silent_ipv6()) return no_namespace;
        const std::vector<std::string> silent = {"[fd00::2]", "127.0.0.1", "127.0.0.1"};
        if (dial_dual_stack("fd00::2") != silent) return 1;
        const std::vector<std::string> unreachable = {"[fe00::2]", "127.0.0.1", "127.0.0.1"};
        return dial_dual_stack("fe00::2") == unreachable ? 0 : 2;
    });
    const int result = child.result();
    if (result == no_namespace) std::cout << "This system allows no network namespace.\n";
    EXPECT_TRUE(result == 0 || result == no_namespace) << result;
}

// A name server of the test, run by a thread of its own.
struct name_service {
    asio::io_context context;
    dns_server server{context};
    std::thread thread;

    void start() {
        thread = std::thread([this] { context.run(); });
    }
    ~name_service() {
        context.stop();
        if (thread.joinable()) thread.join();
    }
    config values() const {
        config result = one_thread();
        result.dns.servers = {server.address()};
        return result;
    }
};

TEST(ShardDialTest, UnknownNameFailsAtOnce) {
    name_service names;
    names.start();
    config values = names.values();
    values.pool.dial_patience = 30s;
    client subject(values);
    const failed_call call = fail(subject, get("http://nobody.test/"));
    EXPECT_EQ(call.error, errc::name_not_found);
    EXPECT_EQ(call.result.failure.phase, phase::name);
    EXPECT_NE(call.result.failure.detail.find("nobody.test"), std::string::npos)
        << call.result.failure.detail;
}

TEST(ShardDialTest, SilentNameServiceTimesOut) {
    name_service names;
    names.server.script("slow.test", dns_server::type_a, {.is_silent = true});
    names.server.script("slow.test", dns_server::type_aaaa, {.is_silent = true});
    names.start();
    config values = names.values();
    values.timeouts.name = 50ms;
    values.pool.dial_patience = 0ms;
    client subject(values);
    const failed_call call = fail(subject, get("http://slow.test/"));
    EXPECT_EQ(call.error, errc::name_timeout);
    EXPECT_EQ(call.result.failure.phase, phase::name);
    request late = get("http://slow.test/");
    late.deadline = in(20ms);
    const failed_call second = fail(subject, std::move(late));
    EXPECT_TRUE(second.error == errc_condition::timeout) << second.error.message();
}

TEST(ShardDialTest, ConnectThatHangsTimesOut) {
    deaf_listener hole(0);
    hole.fill();
    config values = one_thread();
    values.timeouts.connect = 40ms;
    values.pool.dial_patience = 0ms;
    client subject(values);
    const failed_call call = fail(subject, get(hole.url()));
    EXPECT_EQ(call.error, errc::connect_timeout);
    EXPECT_EQ(call.result.failure.phase, phase::connect);
}

TEST(ShardDialTest, DeadlineInConnectAndHandshakeKeepsThePhase) {
    deaf_listener hole(0);
    hole.fill();
    testing::raw_origin silent(plaintext_listen(), testing::script{testing::expect_octets(1)});
    client subject(one_thread());
    request to_connect = get(hole.url());
    to_connect.deadline = in(40ms);
    const failed_call first = fail(subject, std::move(to_connect));
    EXPECT_EQ(first.error, errc::deadline_exceeded);
    EXPECT_EQ(first.result.failure.phase, phase::connect);
    request to_shake = get("https://127.0.0.1:" + std::to_string(silent.port()));
    to_shake.deadline = in(100ms);
    const failed_call second = fail(subject, std::move(to_shake));
    EXPECT_EQ(second.error, errc::deadline_exceeded);
    EXPECT_EQ(second.result.failure.phase, phase::handshake);
    EXPECT_FALSE(second.result.failure.maybe_processed);
}

TEST(ShardDialTest, HandshakeThatHangsTimesOut) {
    testing::raw_origin silent(plaintext_listen(), testing::script{testing::expect_octets(1)});
    config values = one_thread();
    values.timeouts.handshake = 40ms;
    values.pool.dial_patience = 0ms;
    client subject(values);
    const failed_call call =
        fail(subject, get("https://127.0.0.1:" + std::to_string(silent.port())));
    EXPECT_EQ(call.error, errc::handshake_timeout);
    EXPECT_EQ(call.result.failure.phase, phase::handshake);
}

// False: the handshake was done before the call could be cancelled, which shows nothing.
bool outlives_its_caller() {
    testing::origin origin;
    origin.set_latency(0ms);
    const config values = trusting(origin.ca_pem());
    asio::io_context context;
    client subject(context.get_executor(), values);
    asio::cancellation_signal signal;
    awaited_response call;
    subject.async_send(get(origin.url("/d/0")),
                       asio::bind_cancellation_slot(signal.slot(), call.handler()));
    while (origin.counters().connections_accepted == 0) context.run_one_for(1ms);
    signal.emit(asio::cancellation_type::terminal);
    while (call.count() == 0) context.run_one_for(patience);
    EXPECT_EQ(call.error(), asio::error::operation_aborted);
    if (call.value().attempts != 0) return false;
    const awaited_response next = begin_send(subject, get(origin.url("/d/0")));
    while (next.count() == 0) context.run_one_for(patience);
    EXPECT_FALSE(next.error());
    EXPECT_EQ(origin.counters().connections_accepted, 1U);
    return true;
}

TEST(ShardDialTest, DialOutlivesItsCallerAndWarmsThePool) {
    bool shown = false;
    for (int tries = 0; tries < 100 && !shown; ++tries) shown = outlives_its_caller();
    EXPECT_TRUE(shown);
}

TEST(ShardDialTest, UnixSocketRoute) {
    client subject(one_thread());
    request what = get("http://docker.test/");
    what.route = route{.unix_path = "@hearth-nobody-listens-here"};
    const failed_call call = fail(subject, std::move(what));
    EXPECT_EQ(call.error, errc::connect_failed);
    EXPECT_NE(call.result.failure.detail.find("unix:@hearth-nobody"), std::string::npos);
}

}  // namespace
}  // namespace hearth
