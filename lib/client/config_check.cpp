#include "client/config_check.hpp"

#include <sys/resource.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <fstream>
#include <set>
#include <string_view>
#include <utility>

#include "client/config_advice.hpp"
#include "client/target.hpp"
#include "io/name_server.hpp"

namespace hearth::detail {
namespace {

using std::chrono::duration_cast;
using std::chrono::hours;
using std::chrono::seconds;

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t gib = 1024 * mib;
// IFNAMSIZ less the final NUL.
constexpr std::uint64_t max_interface_name = 15;

class checker {
public:
    checker(const config& value, const system_limits& system) : config_(value), system_(system) {}

    std::vector<config_finding> run() {
        check_pool();
        check_pool_times();
        check_handshake_and_tls();
        check_overload();
        check_http1();
        check_http2();
        check_floods();
        check_route();
        check_dns();
        check_overrides();
        check_addresses();
        check_timeouts();
        check_io();
        check_decode();
        check_repeating();
        check_breaker();
        check_gate();
        compare_ports();
        for (std::string& sentence : advise(config_)) {
            findings_.push_back({"Advice: " + std::move(sentence), true});
        }
        return std::move(findings_);
    }

private:
    void contradiction(std::string sentence) { findings_.push_back({std::move(sentence), false}); }

    template <class Value>
    void range(std::string_view field, Value value, Value low, Value high) {
        if (value >= low && value <= high) return;
        contradiction(std::string(field) + " is " + text_of(value) + "; it must be from " +
                      text_of(low) + " to " + text_of(high) + ".");
    }
    void count(std::string_view field, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
        range(field, value, low, high);
    }

    void check_pool();
    void check_pool_times();
    void check_handshake_and_tls();
    void check_overload();
    void check_http1();
    void check_http2();
    void check_floods();
    void check_route();
    void check_unix_path();
    void check_proxy(const std::string& field, const proxy& one);
    void check_dns();
    void check_overrides();
    void check_addresses();
    void check_override(const name_override& one, const std::string& field);
    void check_timeouts();
    void check_io();
    void check_decode();
    void check_repeating();
    void check_deadline();
    void check_breaker();
    void check_gate();
    void compare_ports();
    void share(std::string_view field, double value, double low, double high);

    const config& config_;
    system_limits system_;
    std::vector<config_finding> findings_;
};

void checker::check_pool() {
    const pool_config& pool = config_.pool;
    count("pool.max_connections_per_origin", pool.max_connections_per_origin, 1, 1'000'000);
    count("pool.max_connections", pool.max_connections, 1, 1'000'000);
    if (pool.max_connections_per_origin > pool.max_connections) {
        contradiction("pool.max_connections_per_origin (" +
                      text_of(pool.max_connections_per_origin) +
                      ") is above pool.max_connections (" + text_of(pool.max_connections) +
                      "), which no origin can exceed.");
    }
    if (std::uint64_t{pool.max_connections} + reserved_descriptors > system_.descriptors) {
        contradiction("pool.max_connections (" + text_of(pool.max_connections) + ") and the " +
                      text_of(reserved_descriptors) +
                      " file descriptors left to the process are above its limit of " +
                      text_of(system_.descriptors) + " (ulimit -n); raise that or lower this.");
    }
    if (pool.max_idle_per_origin && *pool.max_idle_per_origin > pool.max_connections_per_origin) {
        contradiction("pool.max_idle_per_origin (" + text_of(*pool.max_idle_per_origin) +
                      ") is above pool.max_connections_per_origin (" +
                      text_of(pool.max_connections_per_origin) + ") and can never be reached.");
    }
    const std::uint32_t most_ready =
        std::min(pool.max_connections_per_origin,
                 pool.max_idle_per_origin.value_or(pool.max_connections_per_origin));
    if (pool.min_ready > most_ready) {
        contradiction("pool.min_ready (" + text_of(pool.min_ready) + ") is above " +
                      text_of(most_ready) +
                      ", what pool.max_connections_per_origin and pool.max_idle_per_origin leave.");
    }
    count("pool.max_waiters", pool.max_waiters, 0, 10'000'000);
    if (!(pool.jitter >= 0.0 && pool.jitter <= 0.9)) {  // Not a number is out of range, too.
        contradiction("pool.jitter is " + std::to_string(pool.jitter) +
                      "; it must be from 0 to 0.9.");
    }
    if (pool.on_cancel > cancel_policy::close) {
        contradiction("pool.on_cancel is none of adaptive, drain and close.");
    }
    if (pool.idle_order > idle_order::least_recent) {
        contradiction("pool.idle_order is none of most_recent and least_recent.");
    }
    count("pool.drain_bytes", pool.drain_bytes, 0, gib);
    if (pool.max_exchanges_per_connection) {
        count("pool.max_exchanges_per_connection", *pool.max_exchanges_per_connection, 1,
              1'000'000'000);
    }
    count("pool.max_draining_per_origin", pool.max_draining_per_origin, 0, 1'000'000);
    count("pool.max_origins", pool.max_origins, 256, 1'000'000);
}

void checker::check_pool_times() {
    const pool_config& pool = config_.pool;
    range<milliseconds>("pool.idle_timeout", pool.idle_timeout, milliseconds(1), hours(24));
    range<milliseconds>("pool.max_lifetime", pool.max_lifetime, milliseconds(1), hours(24 * 30));
    range<milliseconds>("pool.dial_patience", pool.dial_patience, milliseconds(0), hours(1));
    range<milliseconds>("pool.min_backoff", pool.min_backoff, milliseconds(1), hours(1));
    range<milliseconds>("pool.max_backoff", pool.max_backoff, milliseconds(1), hours(1));
    if (pool.min_backoff > pool.max_backoff) {
        contradiction("pool.min_backoff (" + text_of(pool.min_backoff) +
                      ") is above pool.max_backoff (" + text_of(pool.max_backoff) + ").");
    }
    if (pool.replace_ahead) {
        range<milliseconds>("pool.replace_ahead", *pool.replace_ahead, milliseconds(1), hours(1));
    }
    range<milliseconds>("pool.drain_timeout", pool.drain_timeout, milliseconds(1), hours(1));
}

void checker::check_handshake_and_tls() {
    count("handshake.max_concurrent", config_.handshake.max_concurrent, 1, 10'000);
    count("handshake.slices_per_turn", config_.handshake.slices_per_turn, 1, 64);
    count("handshake.threads", config_.handshake.threads, 0, 64);
    count("tls.tickets_per_origin", config_.tls.tickets_per_origin, 0, 64);
    if (config_.tls.remember_chains) {
        range<seconds>("tls.remember_chains", *config_.tls.remember_chains, seconds(1), hours(1));
    }
    range<milliseconds>("tls.replace_within", config_.tls.replace_within, milliseconds(100),
                        hours(1));
    if (config_.tls.watch_files) {
        range<milliseconds>("tls.watch_files", *config_.tls.watch_files, milliseconds(50),
                            hours(1));
    }
}

void checker::check_overload() {
    const overload_config& overload = config_.overload;
    if (overload.target) {
        range<milliseconds>("overload.target", *overload.target, milliseconds(1), hours(1));
    }
    range<milliseconds>("overload.interval", overload.interval, milliseconds(1), hours(1));
}

void checker::check_http1() {
    const http1_config& http1 = config_.http1;
    count("http1.max_header_bytes", http1.max_header_bytes, kib, 16 * mib);
    count("http1.max_header_count", http1.max_header_count, 1, 65'536);
    count("http1.max_informational", http1.max_informational, 0, 1000);
    range<milliseconds>("http1.continue_timeout", http1.continue_timeout, milliseconds(1),
                        hours(1));
    const bool has_control = std::ranges::any_of(config_.user_agent, [](char c) {
        return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
    });
    if (has_control) contradiction("user_agent has a control octet, which must not be sent.");
}

void checker::check_http2() {
    const http2_config& http2 = config_.http2;
    constexpr std::uint64_t max_window = 0x7fff'ffff;
    if (config_.protocol > protocol_policy::http2_only) {
        contradiction("protocol is none of http1_only, automatic and http2_only.");
    }
    count("http2.max_streams", http2.max_streams, 1, 1'000'000);
    if (http2.ideal_streams) count("http2.ideal_streams", *http2.ideal_streams, 1, 1'000'000);
    if (http2.ideal_streams && *http2.ideal_streams > http2.max_streams) {
        contradiction("http2.ideal_streams (" + text_of(*http2.ideal_streams) +
                      ") is above http2.max_streams (" + text_of(http2.max_streams) +
                      ") and can never be reached.");
    }
    count("http2.max_connections", http2.max_connections, 1, 1'000'000);
    count("http2.assumed_streams", http2.assumed_streams, 1, 1000);
    count("http2.reset_burst", http2.reset_burst, 0, 1'000'000);
    count("http2.reset_rate", http2.reset_rate, 0, 1'000'000);
    count("http2.max_header_bytes", http2.max_header_bytes, kib, 16 * mib);
    count("http2.max_header_count", http2.max_header_count, 8, 65'536);
    count("http2.initial_stream_window", http2.initial_stream_window, 65'535, max_window);
    count("http2.max_window", http2.max_window, 65'535, max_window);
    if (http2.max_window < http2.initial_stream_window) {
        contradiction("http2.max_window (" + text_of(http2.max_window) +
                      ") is below http2.initial_stream_window (" +
                      text_of(http2.initial_stream_window) + ").");
    }
    range<milliseconds>("http2.ping_after", http2.ping_after, seconds(1), hours(1));
    range<milliseconds>("http2.ping_timeout", http2.ping_timeout, seconds(1), hours(1));
}

void checker::check_floods() {
    const http2_flood_config& floods = config_.http2_floods;
    const auto frames = [this](std::string_view field, std::uint32_t value) {
        count(field, value, 1, 1'000'000);
    };
    frames("http2_floods.settings", floods.settings);
    frames("http2_floods.pings", floods.pings);
    frames("http2_floods.stray_resets", floods.stray_resets);
    frames("http2_floods.window_updates", floods.window_updates);
    frames("http2_floods.priorities", floods.priorities);
    frames("http2_floods.empty_data", floods.empty_data);
    frames("http2_floods.other_frames", floods.other_frames);
    count("http2_floods.pending_acks", floods.pending_acks, 16, 10'000);
    count("http2_floods.settings_entries", floods.settings_entries, 8, 1024);
    count("http2_floods.continuations", floods.continuations, 1, 1024);
    count("http2_floods.header_block_bytes", floods.header_block_bytes, kib, 16 * mib);
    count("http2_floods.header_table_bytes", floods.header_table_bytes, 0, mib);
}

void checker::check_route() {
    const hearth::route& route = config_.route;
    if (!route.connect_host.empty()) {
        if (const auto host = parse_host(route.connect_host); !host) {
            contradiction("route.connect_host is not a host name or address: " +
                          host.error().detail);
        }
    }
    if (route.proxy) check_proxy("route.proxy", *route.proxy);
    check_proxy("proxy.for_http", config_.proxy.for_http);
    check_proxy("proxy.for_https", config_.proxy.for_https);
    if (std::string wrong = check_source(route); !wrong.empty()) contradiction(std::move(wrong));
    if (!route.unix_path.empty()) check_unix_path();
}

void checker::check_unix_path() {
    const hearth::route& route = config_.route;
    if (!route.local_address.empty() || !route.interface_name.empty()) {
        contradiction(
            "route.unix_path is set beside route.local_address or route.interface_name, which are "
            "of the network.");
    }
    if (route.proxy && route.proxy->kind != proxy_kind::none) {
        contradiction("route.unix_path and route.proxy are both set; a connection has one end.");
    }
    if (!route.connect_host.empty()) {
        contradiction(
            "route.unix_path and route.connect_host are both set; a connection has one end.");
    }
    if (route.connect_port != 0) {
        contradiction("route.unix_path and route.connect_port are both set; sockets have no port.");
    }
    if (route.unix_path.size() >= sizeof(sockaddr_un::sun_path)) {
        contradiction("route.unix_path is " + text_of(route.unix_path.size()) +
                      " octets long; the system allows " +
                      text_of(sizeof(sockaddr_un::sun_path) - 1) + ".");
    }
}

void checker::check_proxy(const std::string& field, const proxy& one) {
    if (one.kind == proxy_kind::none) return;
    if (one.kind > proxy_kind::https) {
        contradiction(field + ".kind is none of none, http, socks5 and socks5h.");
    }
    if (const auto host = parse_host(one.host); !host) {
        contradiction(field + ".host is not a host name or address: " + host.error().detail);
    }
    if (one.port == 0) contradiction(field + ".port is 0, which nobody listens on.");
    if (one.user.find(':') != std::string::npos) {
        contradiction(field + ".user has a colon, which would begin the password.");
    }
    if (one.user.size() > 255 || one.password.size() > 255) {
        contradiction(field + " has a user or password of more than 255 octets.");
    }
    if (one.user.empty() && !one.password.empty()) {
        contradiction(field + " has a password without a user.");
    }
}

void checker::check_dns() {
    const dns_config& dns = config_.dns;
    if (dns.resolver > resolver_kind::custom) {
        contradiction("dns.resolver is none of c_ares, system and custom.");
    }
    if ((dns.resolver == resolver_kind::custom) != static_cast<bool>(dns.hook)) {
        contradiction(dns.hook ? "dns.hook is set, but dns.resolver is not custom."
                               : "dns.resolver is custom, but dns.hook is empty.");
    }
    range<seconds>("dns.stale_while_refresh", dns.stale_while_refresh, seconds(0), hours(24 * 7));
    range<seconds>("dns.stale_if_error", dns.stale_if_error, seconds(0), hours(24 * 7));
    count("dns.system_threads", dns.system_threads, 1, 64);
    range<seconds>("dns.max_ttl", dns.max_ttl, seconds(0), hours(24 * 7));
    range<seconds>("dns.min_ttl", dns.min_ttl, seconds(0), hours(24 * 7));
    if (dns.min_ttl > dns.max_ttl) {
        contradiction("dns.min_ttl (" + text_of(dns.min_ttl) + ") is above dns.max_ttl (" +
                      text_of(dns.max_ttl) + ").");
    }
    range<seconds>("dns.negative_ttl", dns.negative_ttl, seconds(0), hours(1));
    count("dns.cache_entries", dns.cache_entries, 1, 1'000'000);
    // RFC 8305 5 asks for at least 10 ms.
    range<milliseconds>("dns.attempt_delay", dns.attempt_delay, milliseconds(10), hours(1));
    for (const std::string& server : dns.servers) {
        if (io::parse_name_server(server)) continue;
        contradiction("dns.servers has '" + server + "', which is not \"address:port\".");
    }
    if (!dns.servers.empty() && dns.resolver != resolver_kind::c_ares) {
        contradiction(
            "dns.servers is set, but dns.resolver is not c_ares, the only one that asks them.");
    }
}

void checker::check_overrides() {
    std::set<std::pair<std::string, std::uint16_t>> seen;
    for (std::size_t i = 0; i < config_.dns.overrides.size(); ++i) {
        const name_override& one = config_.dns.overrides[i];
        const std::string field = "dns.overrides[" + std::to_string(i) + "]";
        check_override(one, field);
        const auto host = parse_host(one.host);
        if (host && !seen.emplace(*host, one.port).second) {
            contradiction(field + " names '" + one.host + "' and its port a second time.");
        }
    }
}

void checker::check_override(const name_override& one, const std::string& field) {
    if (const auto host = parse_host(one.host); !host) {
        contradiction(field + ".host is not a host name: " + host.error().detail);
    }
    if (one.addresses.empty()) contradiction(field + ".addresses is empty.");
    for (const std::string& address : one.addresses) {
        boost::system::error_code error;
        (void)boost::asio::ip::make_address(address, error);
        if (!error) continue;
        std::string sentence = field;
        sentence.append(".addresses has '").append(address).append("', which is no IP address.");
        contradiction(sentence);
    }
}

void checker::check_addresses() {
    const addresses_config& addresses = config_.addresses;
    if (addresses.balance > address_balance::least_loaded) {
        contradiction("addresses.balance is none of first_healthy, round_robin and least_loaded.");
    }
    range<milliseconds>("addresses.min_rest", addresses.min_rest, milliseconds(10), hours(1));
    range<milliseconds>("addresses.max_rest", addresses.max_rest, milliseconds(10), hours(1));
    if (addresses.min_rest > addresses.max_rest) {
        contradiction("addresses.min_rest (" + text_of(addresses.min_rest) +
                      ") is above addresses.max_rest (" + text_of(addresses.max_rest) + ").");
    }
    if (addresses.eject_after) count("addresses.eject_after", *addresses.eject_after, 1, 1000);
    share("addresses.max_ejected_share", addresses.max_ejected_share, 0.0, 1.0);
}

void checker::check_timeouts() {
    const timeouts_config& timeouts = config_.timeouts;
    range<milliseconds>("timeouts.queue", timeouts.queue, milliseconds(1), hours(1));
    range<milliseconds>("timeouts.name", timeouts.name, milliseconds(1), hours(1));
    range<milliseconds>("timeouts.connect", timeouts.connect, milliseconds(1), hours(1));
    range<milliseconds>("timeouts.handshake", timeouts.handshake, milliseconds(1), hours(1));
    range<milliseconds>("timeouts.first_byte", timeouts.first_byte, milliseconds(1), hours(24));
    range<milliseconds>("timeouts.body_idle", timeouts.body_idle, milliseconds(1), hours(24));
    range<milliseconds>("timeouts.write_stall", timeouts.write_stall, milliseconds(1), hours(24));
    if (timeouts.min_receive_rate) {
        count("timeouts.min_receive_rate", *timeouts.min_receive_rate, 1, gib);
    }
    if (timeouts.min_send_rate) count("timeouts.min_send_rate", *timeouts.min_send_rate, 1, gib);
    range<milliseconds>("timeouts.rate_window", timeouts.rate_window, milliseconds(100), hours(1));
    check_deadline();
    if (timeouts.total) {
        range<milliseconds>("timeouts.total", *timeouts.total, milliseconds(1), hours(24 * 7));
    }
}

void checker::check_deadline() {
    const deadline_config& deadline = config_.deadline;
    // A field name is a token, as a method is (RFC 9110 5.1).
    if (!deadline.header.empty() && deadline.header.size() <= method::max_size &&
        !method(std::string_view(deadline.header)).is_valid()) {
        contradiction("deadline.header is no name of a header field.");
    }
    if (deadline.header.size() > method::max_size) {
        contradiction("deadline.header is longer than " + text_of(method::max_size) + " octets.");
    }
    if (deadline.format > deadline_format::grpc) {
        contradiction("deadline.format is none of whole_milliseconds, decimal_seconds and grpc.");
    }
    range<milliseconds>("deadline.margin", deadline.margin, milliseconds(0), hours(1));
}

void checker::check_io() {
    const io_config& io = config_.io;
    count("io.threads", io.threads, 0, 256);
    count("io.receive_buffer", io.receive_buffer, 16 * kib, 16 * mib);
    count("io.bulk_read", io.bulk_read, 0, 16 * mib);
    count("io.send_buffer", io.send_buffer, 16 * kib, 16 * mib);
    if (io.keepalive_idle) {  // The kernel's own bound on TCP_KEEPIDLE.
        range<seconds>("io.keepalive_idle", *io.keepalive_idle, seconds(1), seconds(32'767));
    }
    range<seconds>("io.keepalive_interval", io.keepalive_interval, seconds(1), seconds(32'767));
    count("io.keepalive_count", io.keepalive_count, 1, 127);
    if (io.tcp_user_timeout) {
        range<milliseconds>("io.tcp_user_timeout", *io.tcp_user_timeout, seconds(1), hours(1));
    }
    if (io.socket_send_buffer) {
        count("io.socket_send_buffer", *io.socket_send_buffer, 4 * kib, 64 * mib);
    }
    if (io.socket_receive_buffer) {
        count("io.socket_receive_buffer", *io.socket_receive_buffer, 4 * kib, 64 * mib);
    }
}

/// Advice: an origin may have more addresses than one, which only its name service knows.
void checker::compare_ports() {
    const route& where = config_.route;
    const bool is_one_peer =
        !where.connect_host.empty() || (where.proxy && where.proxy->kind != proxy_kind::none);
    const std::uint64_t most =
        is_one_peer ? config_.pool.max_connections : config_.pool.max_connections_per_origin;
    if (most <= system_.ports) return;
    const std::string field =
        is_one_peer ? "pool.max_connections" : "pool.max_connections_per_origin";
    findings_.push_back({"Advice: " + field + " (" + text_of(most) + ") is above the " +
                             text_of(system_.ports) +
                             " local ports of the system (net.ipv4.ip_local_port_range), which are "
                             "all that can be connected to one address and port at once.",
                         true});
}

void checker::check_decode() {
    count("decode.max_codings", config_.decode.max_codings, 1, 8);
    if (config_.decode.max_ratio)
        count("decode.max_ratio", *config_.decode.max_ratio, 1, 1'000'000);
}

void checker::check_repeating() {
    const retry_config& retry = config_.retry;
    count("retry.max_attempts", retry.max_attempts, 1, 10);
    range<milliseconds>("retry.min_backoff", retry.min_backoff, milliseconds(0), hours(1));
    range<milliseconds>("retry.max_backoff", retry.max_backoff, milliseconds(0), hours(1));
    if (retry.min_backoff > retry.max_backoff) {
        contradiction("retry.min_backoff (" + text_of(retry.min_backoff) +
                      ") is above retry.max_backoff (" + text_of(retry.max_backoff) + ").");
    }
    range<milliseconds>("retry.max_retry_after", retry.max_retry_after, milliseconds(0), hours(1));
    for (const unsigned status : retry.statuses) count("retry.statuses", status, 400, 599);
    const budget_config& budget = config_.budget;
    if (!(budget.share >= 0.0 && budget.share <= 1.0)) {
        contradiction("budget.share is " + std::to_string(budget.share) +
                      "; it must be from 0 to 1.");
    }
    if (!(budget.floor_per_second >= 0.0 && budget.floor_per_second <= 1000.0)) {
        contradiction("budget.floor_per_second is " + std::to_string(budget.floor_per_second) +
                      "; it must be from 0 to 1000.");
    }
    count("redirect.max_hops", config_.redirect.max_hops, 1, 50);
}

void checker::share(std::string_view field, double value, double low, double high) {
    if (value >= low && value <= high) return;  // not a number is out of range, too
    const auto text = [](double number) {
        std::string digits = std::to_string(number);
        digits.erase(digits.find_last_not_of('0') + 1);
        if (digits.back() == '.') digits.pop_back();
        return digits;
    };
    contradiction(std::string(field) + " is " + text(value) + "; it must be from " + text(low) +
                  " to " + text(high) + ".");
}

void checker::check_breaker() {
    const breaker_config& breaker = config_.breaker;
    share("breaker.failure_ratio", breaker.failure_ratio, 0.01, 1.0);
    count("breaker.min_volume", breaker.min_volume, 1, 1'000'000);
    range<milliseconds>("breaker.window", breaker.window, milliseconds(100),
                        std::chrono::minutes(10));
    range<milliseconds>("breaker.open_for", breaker.open_for, milliseconds(1),
                        std::chrono::minutes(10));
    count("breaker.probes", breaker.probes, 1, 1000);
    range<milliseconds>("breaker.recovery", breaker.recovery, milliseconds(0),
                        std::chrono::minutes(10));
    share("breaker.panic_share", breaker.panic_share, 0.0, 1.0);
    for (const unsigned status : breaker.statuses) count("breaker.statuses", status, 400, 599);
}

void checker::check_gate() {
    share("hedge.percentile", config_.hedge.percentile, 0.5, 0.999);
    range<milliseconds>("hedge.min_delay", config_.hedge.min_delay, milliseconds(0), hours(1));
    const rate_limit_config& rate = config_.rate_limit;
    if (rate.per_second) share("rate_limit.per_second", *rate.per_second, 0.001, 1e6);
    count("rate_limit.burst", rate.burst, 1, 1'000'000);
    range<milliseconds>("rate_limit.max_wait", rate.max_wait, milliseconds(0), hours(1));
    const concurrency_config& places = config_.concurrency;
    count("concurrency.initial_limit", places.initial_limit, 1, 1'000'000);
    count("concurrency.min_limit", places.min_limit, 1, 1'000'000);
    count("concurrency.max_limit", places.max_limit, 1, 1'000'000);
    if (places.min_limit > places.max_limit) {
        contradiction("concurrency.min_limit (" + text_of(places.min_limit) +
                      ") is above concurrency.max_limit (" + text_of(places.max_limit) + ").");
    }
    share("concurrency.tolerance", places.tolerance, 1.05, 10.0);
    range<milliseconds>("concurrency.max_wait", places.max_wait, milliseconds(0), hours(1));
    const shed_config& shed = config_.shed;
    if (shed.loop_lag) {
        range<milliseconds>("shed.loop_lag", *shed.loop_lag, milliseconds(1), hours(1));
    }
    if (shed.queue_delay) {
        range<milliseconds>("shed.queue_delay", *shed.queue_delay, milliseconds(1), hours(1));
    }
}

}  // namespace

std::vector<config_finding> check_config(const config& value, const system_limits& system) {
    return checker(value, system).run();
}

system_limits read_system_limits() {
    system_limits limits;
    rlimit descriptors{};
    if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur != RLIM_INFINITY) {
        limits.descriptors = descriptors.rlim_cur;
    }
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
    if (range >> first >> last && first <= last) limits.ports = last - first + 1;
    return limits;
}

std::string check_source(const route& where) {
    boost::system::error_code no_address;
    if (!where.local_address.empty()) {
        (void)boost::asio::ip::make_address(where.local_address, no_address);
    }
    if (no_address) {
        return "route.local_address is '" + where.local_address + "', which is no IP address.";
    }
    if (where.interface_name.size() > max_interface_name) {
        return "route.interface_name is longer than " + text_of(max_interface_name) +
               " octets, so no interface has it.";
    }
    const bool has_more =
        !where.unix_path.empty() || !where.local_address.empty() || !where.interface_name.empty();
    if (where.dialer && has_more) {
        return "route.dialer is set beside route.unix_path, route.local_address or "
               "route.interface_name, which it would have to obey.";
    }
    return {};
}

std::string first_contradiction(const config& value) {
    for (config_finding& finding : check_config(value, read_system_limits())) {
        if (!finding.is_advice) return std::move(finding.sentence);
    }
    return {};
}

void require_valid(const config& value) {
    failure why;
    why.phase = phase::validation;
    why.detail = first_contradiction(value);
    if (why.detail.empty()) return;
    throw send_error(make_error_code(errc::invalid_config), std::move(why));
}

}  // namespace hearth::detail

HEARTH_BEGIN_NAMESPACE

std::vector<std::string> validate(const config& value) {
    std::vector<std::string> sentences;
    for (detail::config_finding& finding :
         detail::check_config(value, detail::read_system_limits())) {
        sentences.push_back(std::move(finding.sentence));
    }
    return sentences;
}

HEARTH_END_NAMESPACE
