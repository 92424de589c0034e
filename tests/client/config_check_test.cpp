#include "client/config_check.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::detail {
namespace {

using std::chrono::seconds;

constexpr system_limits usual_limit{.descriptors = 1024, .ports = 28'232};

struct bad_config {
    std::string_view field;
    std::function<void(config&)> spoil;
};

const bad_config out_of_range[] = {
    {"pool.max_connections_per_origin", [](config& c) { c.pool.max_connections_per_origin = 0; }},
    {"pool.max_connections", [](config& c) { c.pool.max_connections = 1'000'001; }},
    {"pool.max_waiters", [](config& c) { c.pool.max_waiters = 10'000'001; }},
    {"pool.idle_timeout", [](config& c) { c.pool.idle_timeout = milliseconds(0); }},
    {"pool.idle_timeout", [](config& c) { c.pool.idle_timeout = milliseconds::max(); }},
    {"pool.max_lifetime", [](config& c) { c.pool.max_lifetime = milliseconds(-1); }},
    {"pool.jitter", [](config& c) { c.pool.jitter = -0.1; }},
    {"pool.jitter", [](config& c) { c.pool.jitter = 0.91; }},
    {"pool.jitter", [](config& c) { c.pool.jitter = std::numeric_limits<double>::quiet_NaN(); }},
    {"pool.dial_patience", [](config& c) { c.pool.dial_patience = milliseconds(-1); }},
    {"pool.min_backoff", [](config& c) { c.pool.min_backoff = milliseconds(0); }},
    {"pool.max_backoff", [](config& c) { c.pool.max_backoff = milliseconds::max(); }},
    {"pool.on_cancel", [](config& c) { c.pool.on_cancel = static_cast<cancel_policy>(9); }},
    {"pool.drain_bytes", [](config& c) { c.pool.drain_bytes = 1ULL << 40; }},
    {"pool.drain_timeout", [](config& c) { c.pool.drain_timeout = milliseconds(0); }},
    {"pool.max_draining_per_origin", [](config& c) { c.pool.max_draining_per_origin = ~0U; }},
    {"pool.min_ready", [](config& c) { c.pool.min_ready = 257; }},
    {"pool.max_exchanges_per_connection",
     [](config& c) { c.pool.max_exchanges_per_connection = 0; }},
    {"handshake.max_concurrent", [](config& c) { c.handshake.max_concurrent = 0; }},
    {"overload.target", [](config& c) { c.overload.target = milliseconds(0); }},
    {"overload.interval", [](config& c) { c.overload.interval = milliseconds(0); }},
    {"handshake.slices_per_turn", [](config& c) { c.handshake.slices_per_turn = 65; }},
    {"handshake.threads", [](config& c) { c.handshake.threads = 65; }},
    {"tls.tickets_per_origin", [](config& c) { c.tls.tickets_per_origin = 65; }},
    {"http1.max_header_bytes", [](config& c) { c.http1.max_header_bytes = 1023; }},
    {"http1.max_header_count", [](config& c) { c.http1.max_header_count = 0; }},
    {"http1.max_informational", [](config& c) { c.http1.max_informational = 1001; }},
    {"http1.continue_timeout", [](config& c) { c.http1.continue_timeout = milliseconds::max(); }},
    {"protocol", [](config& c) { c.protocol = static_cast<protocol_policy>(3); }},
    {"http2.max_streams", [](config& c) { c.http2.max_streams = 0; }},
    {"http2.ideal_streams", [](config& c) { c.http2.ideal_streams = 0; }},
    {"http2.ideal_streams", [](config& c) { c.http2.ideal_streams = 1001; }},
    {"http2.max_connections", [](config& c) { c.http2.max_connections = 0; }},
    {"http2.assumed_streams", [](config& c) { c.http2.assumed_streams = 1001; }},
    {"http2.reset_burst", [](config& c) { c.http2.reset_burst = 1'000'001; }},
    {"pool.max_origins", [](config& c) { c.pool.max_origins = 255; }},
    {"tls.replace_within", [](config& c) { c.tls.replace_within = milliseconds(99); }},
    {"tls.watch_files", [](config& c) { c.tls.watch_files = milliseconds(49); }},
    {"pool.replace_ahead", [](config& c) { c.pool.replace_ahead = milliseconds(0); }},
    {"tls.remember_chains", [](config& c) { c.tls.remember_chains = std::chrono::seconds(0); }},
    {"tls.remember_chains", [](config& c) { c.tls.remember_chains = std::chrono::hours(2); }},
    {"http2.reset_rate", [](config& c) { c.http2.reset_rate = 1'000'001; }},
    {"http2.max_header_bytes", [](config& c) { c.http2.max_header_bytes = 1023; }},
    {"http2.max_header_count", [](config& c) { c.http2.max_header_count = 7; }},
    {"http2.initial_stream_window", [](config& c) { c.http2.initial_stream_window = 65'534; }},
    {"http2.max_window", [](config& c) { c.http2.max_window = 1U << 31; }},
    {"http2.max_window", [](config& c) { c.http2.max_window = 100'000; }},
    {"http2.ping_after", [](config& c) { c.http2.ping_after = milliseconds(999); }},
    {"http2_floods.settings", [](config& c) { c.http2_floods.settings = 0; }},
    {"http2_floods.pings", [](config& c) { c.http2_floods.pings = 0; }},
    {"http2_floods.stray_resets", [](config& c) { c.http2_floods.stray_resets = 0; }},
    {"http2_floods.window_updates", [](config& c) { c.http2_floods.window_updates = 1'000'001; }},
    {"http2_floods.priorities", [](config& c) { c.http2_floods.priorities = 0; }},
    {"http2_floods.empty_data", [](config& c) { c.http2_floods.empty_data = 0; }},
    {"http2_floods.other_frames", [](config& c) { c.http2_floods.other_frames = 0; }},
    {"http2_floods.pending_acks", [](config& c) { c.http2_floods.pending_acks = 15; }},
    {"http2_floods.settings_entries", [](config& c) { c.http2_floods.settings_entries = 7; }},
    {"http2_floods.continuations", [](config& c) { c.http2_floods.continuations = 0; }},
    {"http2_floods.header_block_bytes",
     [](config& c) { c.http2_floods.header_block_bytes = 1023; }},
    {"http2_floods.header_table_bytes",
     [](config& c) { c.http2_floods.header_table_bytes = 1U << 21; }},
    {"http2.ping_timeout", [](config& c) { c.http2.ping_timeout = milliseconds::max(); }},
    {"decode.max_codings", [](config& c) { c.decode.max_codings = 0; }},
    {"decode.max_ratio", [](config& c) { c.decode.max_ratio = 0; }},
    {"redirect.max_hops", [](config& c) { c.redirect.max_hops = 51; }},
    {"retry.max_attempts", [](config& c) { c.retry.max_attempts = 0; }},
    {"retry.min_backoff", [](config& c) { c.retry.min_backoff = milliseconds(2000); }},
    {"retry.max_retry_after", [](config& c) { c.retry.max_retry_after = milliseconds(-1); }},
    {"retry.statuses",
     [](config& c) {
         c.retry.statuses = {503, 200};
     }},
    {"proxy.for_http.host",
     [](config& c) {
         c.proxy.for_http = {proxy_kind::http, "a b", 1};
     }},
    {"proxy.for_https.port",
     [](config& c) {
         c.proxy.for_https = {proxy_kind::socks5, "a", 0};
     }},
    {"route.proxy.user",
     [](config& c) {
         c.route.proxy = proxy{proxy_kind::http, "a", 1, "x:y"};
     }},
    {"route.proxy",
     [](config& c) {
         c.route.proxy = proxy{proxy_kind::http, "a", 1, "", "p"};
     }},
    {"proxy.for_http",
     [](config& c) {
         c.proxy.for_http = {proxy_kind::socks5h, "a", 1, std::string(256, 'u')};
     }},
    {"timeouts.min_receive_rate", [](config& c) { c.timeouts.min_receive_rate = 0; }},
    {"timeouts.min_send_rate", [](config& c) { c.timeouts.min_send_rate = 0; }},
    {"timeouts.rate_window", [](config& c) { c.timeouts.rate_window = milliseconds(99); }},
    {"deadline.header", [](config& c) { c.deadline.header = "a b"; }},
    {"deadline.header", [](config& c) { c.deadline.header = std::string(32, 'a'); }},
    {"deadline.format", [](config& c) { c.deadline.format = static_cast<deadline_format>(9); }},
    {"deadline.margin", [](config& c) { c.deadline.margin = milliseconds(-1); }},
    {"hedge.percentile", [](config& c) { c.hedge.percentile = 0.4; }},
    {"hedge.min_delay", [](config& c) { c.hedge.min_delay = milliseconds(-1); }},
    {"breaker.failure_ratio", [](config& c) { c.breaker.failure_ratio = 0.0; }},
    {"breaker.min_volume", [](config& c) { c.breaker.min_volume = 0; }},
    {"breaker.window", [](config& c) { c.breaker.window = milliseconds(99); }},
    {"breaker.open_for", [](config& c) { c.breaker.open_for = milliseconds(0); }},
    {"breaker.probes", [](config& c) { c.breaker.probes = 0; }},
    {"breaker.recovery", [](config& c) { c.breaker.recovery = milliseconds(-1); }},
    {"breaker.panic_share", [](config& c) { c.breaker.panic_share = 1.1; }},
    {"breaker.statuses", [](config& c) { c.breaker.statuses = {200}; }},
    {"rate_limit.per_second", [](config& c) { c.rate_limit.per_second = 0.0; }},
    {"rate_limit.burst", [](config& c) { c.rate_limit.burst = 0; }},
    {"rate_limit.max_wait", [](config& c) { c.rate_limit.max_wait = milliseconds(-1); }},
    {"concurrency.initial_limit", [](config& c) { c.concurrency.initial_limit = 0; }},
    {"concurrency.min_limit", [](config& c) { c.concurrency.min_limit = 1001; }},
    {"concurrency.max_limit", [](config& c) { c.concurrency.max_limit = 1'000'001; }},
    {"concurrency.tolerance", [](config& c) { c.concurrency.tolerance = 1.0; }},
    {"concurrency.max_wait", [](config& c) { c.concurrency.max_wait = milliseconds(-1); }},
    {"shed.loop_lag", [](config& c) { c.shed.loop_lag = milliseconds(0); }},
    {"shed.queue_delay", [](config& c) { c.shed.queue_delay = milliseconds(0); }},
    {"budget.share", [](config& c) { c.budget.share = 1.5; }},
    {"budget.floor_per_second", [](config& c) { c.budget.floor_per_second = -1; }},
    {"user_agent", [](config& c) { c.user_agent = "x\r\ny"; }},
    {"route.connect_host", [](config& c) { c.route.connect_host = "a b"; }},
    {"route.unix_path", [](config& c) { c.route.unix_path = std::string(108, 'x'); }},
    {"route.local_address", [](config& c) { c.route.local_address = "localhost"; }},
    {"route.interface_name", [](config& c) { c.route.interface_name = std::string(16, 'x'); }},
    {"dns.resolver", [](config& c) { c.dns.resolver = static_cast<resolver_kind>(9); }},
    {"dns.max_ttl", [](config& c) { c.dns.max_ttl = seconds::max(); }},
    {"dns.min_ttl", [](config& c) { c.dns.min_ttl = seconds(-1); }},
    {"dns.negative_ttl", [](config& c) { c.dns.negative_ttl = seconds(-1); }},
    {"dns.cache_entries", [](config& c) { c.dns.cache_entries = 0; }},
    {"dns.attempt_delay", [](config& c) { c.dns.attempt_delay = milliseconds(9); }},
    {"dns.servers", [](config& c) { c.dns.servers = {"127.0.0.1"}; }},
    {"dns.stale_while_refresh", [](config& c) { c.dns.stale_while_refresh = seconds(-1); }},
    {"dns.stale_if_error", [](config& c) { c.dns.stale_if_error = seconds::max(); }},
    {"dns.system_threads", [](config& c) { c.dns.system_threads = 0; }},
    {"dns.system_threads", [](config& c) { c.dns.system_threads = 65; }},
    {"dns.resolver", [](config& c) { c.dns.resolver = resolver_kind::custom; }},
    {"dns.hook", [](config& c) { c.dns.hook = [](auto&&...) {}; }},
    {"dns.overrides[0].host", [](config& c) { c.dns.overrides = {{"", 0, {"10.0.0.1"}}}; }},
    {"dns.overrides[0].addresses", [](config& c) { c.dns.overrides = {{"a", 0, {}}}; }},
    {"dns.overrides[0].addresses", [](config& c) { c.dns.overrides = {{"a", 0, {"b"}}}; }},
    {"timeouts.queue", [](config& c) { c.timeouts.queue = std::chrono::hours(2); }},
    {"timeouts.name", [](config& c) { c.timeouts.name = milliseconds(0); }},
    {"timeouts.connect", [](config& c) { c.timeouts.connect = milliseconds(-5); }},
    {"timeouts.handshake", [](config& c) { c.timeouts.handshake = milliseconds::max(); }},
    {"timeouts.first_byte", [](config& c) { c.timeouts.first_byte = milliseconds(0); }},
    {"timeouts.body_idle", [](config& c) { c.timeouts.body_idle = milliseconds(0); }},
    {"timeouts.write_stall", [](config& c) { c.timeouts.write_stall = milliseconds(0); }},
    {"timeouts.total", [](config& c) { c.timeouts.total = milliseconds(0); }},
    {"io.threads", [](config& c) { c.io.threads = 257; }},
    {"io.receive_buffer", [](config& c) { c.io.receive_buffer = 1024; }},
    {"io.bulk_read", [](config& c) { c.io.bulk_read = 17U << 20U; }},
    {"io.send_buffer", [](config& c) { c.io.send_buffer = ~0U; }},
    {"io.keepalive_idle", [](config& c) { c.io.keepalive_idle = seconds(0); }},
    {"addresses.balance", [](config& c) { c.addresses.balance = static_cast<address_balance>(3); }},
    {"addresses.min_rest", [](config& c) { c.addresses.min_rest = milliseconds(9); }},
    {"addresses.max_rest", [](config& c) { c.addresses.max_rest = milliseconds::max(); }},
    {"addresses.eject_after", [](config& c) { c.addresses.eject_after = 0; }},
    {"addresses.max_ejected_share", [](config& c) { c.addresses.max_ejected_share = 1.1; }},
    {"io.keepalive_interval", [](config& c) { c.io.keepalive_interval = seconds(32'768); }},
    {"io.keepalive_count", [](config& c) { c.io.keepalive_count = 128; }},
    {"io.tcp_user_timeout", [](config& c) { c.io.tcp_user_timeout = milliseconds(999); }},
    {"io.socket_send_buffer", [](config& c) { c.io.socket_send_buffer = 4095; }},
    {"io.socket_receive_buffer", [](config& c) { c.io.socket_receive_buffer = 65U << 20U; }},
};

const bad_config contradictory[] = {
    {"pool.idle_order", [](config& c) { c.pool.idle_order = static_cast<idle_order>(9); }},
    {"pool.max_connections_per_origin",
     [](config& c) {
         c.pool.max_connections_per_origin = 65;
         c.pool.max_connections = 64;
     }},
    {"pool.max_idle_per_origin",
     [](config& c) {
         c.pool.max_connections_per_origin = 8;
         c.pool.max_idle_per_origin = 9;
     }},
    {"pool.max_connections", [](config& c) { c.pool.max_connections = 961; }},
    {"pool.min_backoff",
     [](config& c) {
         c.pool.min_backoff = milliseconds(20);
         c.pool.max_backoff = milliseconds(19);
     }},
    {"dns.min_ttl",
     [](config& c) {
         c.dns.min_ttl = seconds(301);
         c.dns.max_ttl = seconds(300);
     }},
    {"addresses.min_rest",
     [](config& c) {
         c.addresses.min_rest = milliseconds(20);
         c.addresses.max_rest = milliseconds(19);
     }},
    {"dns.overrides[1]",
     [](config& c) {
         c.dns.overrides = {{"a", 1, {"10.0.0.1"}}, {"A", 1, {"10.0.0.2"}}};
     }},
    {"dns.servers",
     [](config& c) {
         c.dns.servers = {"127.0.0.1:53"};
         c.dns.resolver = resolver_kind::system;
     }},
    {"route.dialer",
     [](config& c) {
         struct none final : dialer {
             void dial(const std::string&, std::uint16_t, std::stop_token,
                       dial_done) const override {}
         };
         c.route.dialer = std::make_shared<none>();
         c.route.local_address = "127.0.0.1";
     }},
    {"route.unix_path",
     [](config& c) {
         c.route.unix_path = "/run/x";
         c.route.connect_host = "a";
     }},
    {"route.unix_path and route.proxy",
     [](config& c) {
         c.route.unix_path = "/run/x";
         c.route.proxy = proxy{proxy_kind::http, "a", 1};
     }},
    {"route.unix_path",
     [](config& c) {
         c.route.unix_path = "@x";
         c.route.connect_port = 1;
     }},
    {"route.unix_path",
     [](config& c) {
         c.route.unix_path = "@x";
         c.route.local_address = "127.0.0.1";
     }},
};

std::vector<config_finding> findings_of(const bad_config& one) {
    config value;
    one.spoil(value);
    return check_config(value, usual_limit);
}

bool is_sentence(const std::string& text) { return text.size() > 20 && text.back() == '.'; }

TEST(ConfigCheckTest, DefaultsHaveNoFindingsUnderTheUsualDescriptorLimit) {
    EXPECT_TRUE(check_config(config{}, usual_limit).empty());
}

TEST(ConfigCheckTest, NamesTheFieldThatIsOutOfRange) {
    for (const bad_config& one : out_of_range) {
        const auto findings = findings_of(one);
        ASSERT_FALSE(findings.empty()) << one.field;
        EXPECT_FALSE(findings.front().is_advice) << findings.front().sentence;
        EXPECT_TRUE(findings.front().sentence.starts_with(one.field)) << findings.front().sentence;
        EXPECT_TRUE(is_sentence(findings.front().sentence)) << findings.front().sentence;
    }
}

TEST(ConfigCheckTest, FindsFieldsThatContradictEachOther) {
    for (const bad_config& one : contradictory) {
        const auto findings = findings_of(one);
        ASSERT_EQ(findings.size(), 1U) << one.field;
        EXPECT_FALSE(findings.front().is_advice);
        EXPECT_TRUE(findings.front().sentence.starts_with(one.field)) << findings.front().sentence;
        EXPECT_TRUE(is_sentence(findings.front().sentence));
    }
}

TEST(ConfigCheckTest, AdviceIsCalledSo) {
    config value;
    value.pool.max_idle_per_origin = 2;
    const auto findings = check_config(value, usual_limit);
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_TRUE(findings.front().is_advice);
    EXPECT_TRUE(findings.front().sentence.starts_with("Advice: pool.max_idle_per_origin"));
}

TEST(ConfigCheckTest, MoreConnectionsThanLocalPortsAreAdvisedAgainst) {
    config value;
    value.pool.max_connections = 900;
    value.pool.max_connections_per_origin = 200;
    system_limits few = usual_limit;
    few.ports = 200;
    EXPECT_TRUE(check_config(value, few).empty());
    few.ports = 199;
    const auto findings = check_config(value, few);
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_TRUE(findings.front().is_advice);
    EXPECT_TRUE(
        findings.front().sentence.starts_with("Advice: pool.max_connections_per_origin (200)"));
}

TEST(ConfigCheckTest, ConnectionsToOnePeerShareItsPorts) {
    config value;
    value.route.proxy = proxy{proxy_kind::http, "a", 1};
    system_limits few = usual_limit;
    few.ports = value.pool.max_connections;
    EXPECT_TRUE(check_config(value, few).empty());
    --few.ports;
    const auto findings = check_config(value, few);
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_TRUE(findings.front().sentence.starts_with("Advice: pool.max_connections ("));
}

TEST(ConfigCheckTest, LimitsOfThisProcessAreRead) {
    const system_limits mine = read_system_limits();
    EXPECT_GE(mine.descriptors, 3U);
    EXPECT_GE(mine.ports, 1U);
    EXPECT_LE(mine.ports, 65'535U);
}

TEST(ConfigCheckTest, BoundsAreLegalThemselves) {
    config value;
    value.route.local_address = "::1";
    value.route.interface_name = std::string(15, 'x');
    value.io.keepalive_count = 127;
    value.io.tcp_user_timeout = milliseconds(1000);
    value.io.socket_send_buffer = 4096;
    value.pool.max_connections = 960;
    value.pool.max_connections_per_origin = 960;
    value.pool.max_idle_per_origin = 960;
    value.pool.max_waiters = 0;
    value.pool.jitter = 0.9;
    value.pool.dial_patience = milliseconds(0);
    value.handshake.max_concurrent = 10'000;
    value.tls.tickets_per_origin = 0;
    value.http1.max_header_bytes = 1024;
    value.dns.min_ttl = seconds(300);
    value.dns.negative_ttl = seconds(0);
    value.timeouts.queue = std::chrono::hours(1);
    value.max_body_bytes = 0;
    value.dns.servers = {"127.0.0.1:53", "[::1]:5353"};
    value.dns.overrides = {{"a", 1, {"10.0.0.1", "::1"}}, {"a", 2, {"10.0.0.1"}}};
    EXPECT_TRUE(check_config(value, usual_limit).empty());
}

TEST(ConfigCheckTest, ReportsEverythingWithContradictionsFirst) {
    config value;
    value.pool.max_idle_per_origin = 2;
    value.io.threads = 1000;
    value.pool.jitter = 5;
    const auto findings = check_config(value, usual_limit);
    ASSERT_EQ(findings.size(), 3U);
    EXPECT_TRUE(findings[0].sentence.starts_with("pool.jitter"));
    EXPECT_TRUE(findings[1].sentence.starts_with("io.threads"));
    EXPECT_TRUE(findings[2].is_advice);
}

TEST(ConfigCheckTest, PublicValidateGivesTheSameSentences) {
    config value;
    value.pool.jitter = 5;
    const std::vector<std::string> sentences = validate(value);
    ASSERT_FALSE(sentences.empty());
    EXPECT_EQ(sentences.front(), check_config(value, read_system_limits()).front().sentence);
}

TEST(ConfigCheckTest, RequireValidThrowsContradictionsButNotAdvice) {
    config value;
    value.pool.max_connections = 4;
    value.pool.max_connections_per_origin = 4;
    value.pool.max_idle_per_origin = 2;
    EXPECT_NO_THROW(require_valid(value));
    value.pool.jitter = 5;
    try {
        require_valid(value);
        FAIL() << "nothing was thrown";
    } catch (const send_error& error) {
        EXPECT_EQ(error.code(), errc::invalid_config);
        EXPECT_TRUE(error.failure().detail.starts_with("pool.jitter"));
    }
}

}  // namespace
}  // namespace hearth::detail
