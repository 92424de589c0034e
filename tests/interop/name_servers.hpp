// Real name servers of the tests: unbound and dnsmasq, each with the names of the test only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "support/server_process.hpp"

namespace hearth::interop {

/// What a zone of unbound does with every question: "deny" drops it without a word, "refuse"
/// answers REFUSED, "static" NXDOMAIN for what has no data.
struct unbound_zone {
    std::string name;
    std::string kind;
};

/// Knows "test." (static), the zones and the records ("a.test. 30 IN A 127.0.0.2") that it is
/// given, and "fails.test", to which its own questions fail: SERVFAIL.
class unbound_server {
public:
    explicit unbound_server(const std::vector<std::string>& records,
                            const std::vector<unbound_zone>& zones = {},
                            std::uint16_t port = support::free_port());
    /// As `dns.servers` wants it.
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    /// Kills it, so that nobody listens there any more.
    void kill() { process_->kill(); }

private:
    std::uint16_t port_;
    support::scratch_directory directory_;
    std::optional<support::server_process> process_;
};

/// Knows what a hosts file says, and nothing else of "test."; follows its aliases itself.
class dnsmasq_server {
public:
    /// `aliases`: "from,to".
    explicit dnsmasq_server(const std::string& hosts, unsigned ttl,
                            const std::vector<std::string>& aliases = {});
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    /// Other records from soon on: a test asks until they are there.
    void change(const std::string& hosts);

private:
    std::uint16_t port_ = support::free_port();
    support::scratch_directory directory_;
    std::optional<support::server_process> process_;
};

}  // namespace hearth::interop
