// Real name servers: unbound and dnsmasq answer, refuse, fail, say nothing, truncate and change
// their minds; and the files of the system say where they are.
#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <iostream>
#include <optional>
#include <set>
#include <utility>

#include "hearth/testing/testing.hpp"
#include "interop/name_servers.hpp"
#include "interop/servers.hpp"
#include "io/resolver.hpp"
#include "support/awaited.hpp"
#include "support/forked.hpp"
#include "support/network_namespace.hpp"

namespace hearth::interop {
namespace {

using namespace std::chrono_literals;
using boost::system::error_code;
using words = std::vector<std::string>;

struct answer {
    error_code error;
    std::string detail;
    words addresses;
};

// A resolver that asks these servers, alone with its context.
class asking {
public:
    explicit asking(const words& servers) {
        dns_config values;
        values.servers = servers;
        names_ = io::make_resolver(context_.get_executor(), values);
    }
    answer ask(const std::string& name) {
        std::optional<answer> result;
        (void)begin(name, result);
        run_until([&] { return result.has_value(); });
        return result.value_or(answer{});
    }
    std::uint64_t begin(const std::string& name, std::optional<answer>& result) {
        return names_->resolve(
            name, 443, [&](error_code error, std::string detail, const io::address_list& all) {
                result.emplace(answer{error, std::move(detail), {}});
                for (const auto& one : all) result->addresses.push_back(one.to_string());
            });
    }
    template <class Claim>
    void run_until(Claim claim) {
        context_.restart();
        while (!claim() && context_.run_one_for(support::patience) != 0) {
        }
    }
    io::resolver& names() { return *names_; }

private:
    boost::asio::io_context context_;
    std::unique_ptr<io::resolver> names_;
};

const words records = {"a.test. 30 IN A 127.0.0.2", "a.test. 30 IN A 127.0.0.3",
                       "empty.test. 30 IN TXT here", "here.test. 30 IN CNAME there.test.",
                       "there.test. 30 IN CNAME here.test."};
const std::vector<unbound_zone> zones = {{"silent.test", "deny"}, {"refused.test", "refuse"}};

TEST(NamesTest, EachAnswerOfAServerIsWhatItMeans) {
    const unbound_server server(records, zones);
    asking names({server.address()});
    const answer good = names.ask("a.test");
    EXPECT_FALSE(good.error) << good.detail;
    EXPECT_EQ(std::set<std::string>(good.addresses.begin(), good.addresses.end()),
              (std::set<std::string>{"127.0.0.2", "127.0.0.3"}));
    EXPECT_EQ(names.ask("nobody.test").error, errc::name_not_found) << "NXDOMAIN";
    EXPECT_EQ(names.ask("empty.test").error, errc::name_not_found) << "NODATA";
    EXPECT_EQ(names.ask("here.test").error, errc::name_not_found) << "a circle of aliases";
    EXPECT_EQ(names.ask("www.fails.test").error, errc::name_failed) << "SERVFAIL";
    EXPECT_EQ(names.ask("www.refused.test").error, errc::name_failed) << "REFUSED";
}

TEST(NamesTest, AnAnswerTooLongForADatagramComesWhole) {
    std::string hosts;
    for (int i = 1; i <= 60; ++i) hosts += "127.0.1." + std::to_string(i) + " many.test\n";
    const dnsmasq_server server(hosts, 60);
    const answer many = asking({server.address()}).ask("many.test");
    EXPECT_FALSE(many.error) << many.detail;
    EXPECT_EQ(many.addresses.size(), 60U);
}

TEST(NamesTest, AliasesAreFollowed) {
    const dnsmasq_server server("127.0.0.4 host.test\n", 60,
                                {"www.test,edge.test", "edge.test,host.test"});
    EXPECT_EQ(asking({server.address()}).ask("www.test").addresses, words{"127.0.0.4"});
}

TEST(NamesTest, AServerThatIsGoneLeavesTheWorkToTheNext) {
    unbound_server gone({});
    gone.kill();
    const unbound_server there(records);
    EXPECT_FALSE(asking({gone.address(), there.address()}).ask("a.test").error);
}

TEST(NamesTest, ASilentNameDelaysNobodyAndCanBeCancelled) {
    const unbound_server server(records, zones);
    asking names({server.address()});
    std::optional<answer> silent;
    const std::uint64_t ticket = names.begin("www.silent.test", silent);
    EXPECT_FALSE(names.ask("a.test").error);
    EXPECT_EQ(names.ask("nobody.test").error, errc::name_not_found);
    EXPECT_FALSE(silent);
    names.names().cancel(ticket);
    names.run_until([&] { return silent.has_value(); });
    EXPECT_EQ(silent.value().error, boost::asio::error::operation_aborted);
}

TEST(NamesTest, AnswersAreKeptForTheirLifeAndNotLonger) {
    dnsmasq_server brief("127.0.0.2 moving.test\n", 1);
    dnsmasq_server lasting("127.0.0.2 moving.test\n", 3600);
    asking impatient({brief.address()});
    asking patient({lasting.address()});
    for (asking* one : {&impatient, &patient}) {
        EXPECT_EQ(one->ask("moving.test").addresses, words{"127.0.0.2"});
    }
    for (dnsmasq_server* one : {&brief, &lasting}) one->change("127.0.0.3 moving.test\n");
    EXPECT_TRUE(support::eventually([&] {
        return asking({lasting.address()}).ask("moving.test").addresses.at(0) == "127.0.0.3";
    }));
    EXPECT_EQ(patient.ask("moving.test").addresses, words{"127.0.0.2"});
    EXPECT_TRUE(support::eventually(
        [&] { return impatient.ask("moving.test").addresses == words{"127.0.0.3"}; }));
}

// Requests through a client that asks this server.
class asking_client {
public:
    explicit asking_client(const std::string& server) : subject_(values(server)) {}
    std::string url(const std::string& host) const {
        return "http://" + host + ":" + std::to_string(origin_.port()) + "/d/0";
    }
    support::awaited_response begin(const std::string& url,
                                    std::optional<deadline_type> deadline = {},
                                    const std::string& connection = "keep-alive") {
        request what;
        what.url = url;
        what.deadline = deadline;
        what.headers.set("connection", connection);
        return support::begin_send(subject_, std::move(what));
    }
    hearth::stats stats() const { return subject_.stats(); }

private:
    static config values(const std::string& server) {
        config result;
        result.io.threads = 1;
        result.dns.servers = {server};
        result.dns.min_ttl = 0s;
        result.pool.dial_patience = 0ms;
        return result;
    }
    testing::origin origin_{[] {
        testing::origin_options options;
        options.listen.tls = false;
        options.listen.bind_address = "0.0.0.0";
        return options;
    }()};
    client subject_;
};

TEST(NamesTest, OriginsWithASilentNameFailInTimeWhileOthersAreServed) {
    const unbound_server server(records, zones);
    asking_client names(server.address());
    std::vector<support::awaited_response> silent;
    for (int i = 0; i < 20; ++i) {
        silent.push_back(
            names.begin(names.url("n" + std::to_string(i) + ".silent.test"), in(300ms)));
    }
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(names.begin(names.url("a.test")).value().status, 200U);
    }
    for (const auto& one : silent) {
        EXPECT_EQ(one.error(), errc::deadline_exceeded);
        EXPECT_FALSE(one.value().failure.maybe_processed);
    }
}

TEST(NamesTest, TheFailureOfANameSaysWhatTheServerSaid) {
    const unbound_server server(records, zones);
    asking_client names(server.address());
    const std::pair<const char*, errc> cases[] = {{"nobody.test", errc::name_not_found},
                                                  {"www.fails.test", errc::name_failed},
                                                  {"www.refused.test", errc::name_failed}};
    for (const auto& [host, code] : cases) {
        const support::awaited_response call = names.begin(names.url(host));
        EXPECT_EQ(call.error(), code) << host;
        EXPECT_EQ(call.value().failure.phase, phase::name) << host;
        EXPECT_NE(call.value().failure.dial_detail.find(host), std::string::npos)
            << call.value().failure.dial_detail;
    }
}

TEST(NamesTest, ANameServerThatDiesLeavesWhatIsKnown) {
    unbound_server server({"a.test. 0 IN A 127.0.0.2"});
    asking_client names(server.address());
    const std::string url = names.url("a.test");
    EXPECT_EQ(names.begin(url, {}, "close").value().status, 200U);
    server.kill();
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(names.begin(url, {}, "close").value().status, 200U);
    }
    EXPECT_EQ(names.stats().total().failed_dials, 0U);
    EXPECT_EQ(names.stats().total().opened, 11U) << "the name was needed each time";
}

// What an application sees of a machine with these files, one code per kind of resolver.
int ask_the_system(std::uint16_t name_port) {
    const unbound_server server(
        {"api.corp.test. 30 IN A 127.0.0.2", "dual.corp.test. 30 IN A 127.0.0.4",
         "dual.corp.test. 30 IN AAAA 2001:db8::1"},
        {}, name_port);
    testing::origin_options options;
    options.listen.tls = false;
    options.listen.bind_address = "0.0.0.0";
    const testing::origin origin(options);
    int code = 1;
    for (const auto kind : {resolver_kind::c_ares, resolver_kind::system}) {
        config values;
        values.io.threads = 1;
        values.dns.resolver = kind;
        words tried;  // on the client's thread, while `send` waits
        values.io.before_connect = [&](int, std::string_view peer) -> error_code {
            tried.emplace_back(peer);
            return {};
        };
        client subject(values);
        const std::pair<const char*, const char*> cases[] = {{"api", "127.0.0.2"},
                                                             {"api.corp.test", "127.0.0.2"},
                                                             {"filed", "127.0.0.3"},
                                                             {"dual", "127.0.0.4"}};
        for (const auto& [host, address] : cases) {
            request what;
            what.url = std::string("http://") + host + ":" + std::to_string(origin.port()) + "/d/0";
            const response result = subject.send(std::move(what));
            if (!result.connection.peer_address.starts_with(address)) return code;
            ++code;
        }
        // A family that leads nowhere is not even tried (RFC 6724 6, rule 1).
        if (tried.size() != std::size(cases)) return code;
        ++code;
    }
    return 0;
}

TEST(NamesTest, TheFilesOfTheSystemAreObeyed) {
    constexpr int no_namespace = 77;
    const support::scratch_directory directory;
    const auto resolv = directory.write("resolv.conf", "nameserver 127.0.0.1\nsearch corp.test\n");
    const auto hosts = directory.write("hosts", "127.0.0.1 localhost\n127.0.0.3 filed\n");
    support::forked child([&] {
        if (!support::enter_network_with_names(resolv, hosts)) return no_namespace;
        return ask_the_system(53);
    });
    const int result = child.result();
    if (result == no_namespace) std::cout << "This system allows no namespaces.\n";
    EXPECT_TRUE(result == 0 || result == no_namespace) << result;
}

}  // namespace
}  // namespace hearth::interop
