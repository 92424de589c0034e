#include "client/config_change.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string_view>

namespace hearth::detail {
namespace {

struct changed_field {
    std::string_view name;
    std::function<void(config&)> change;
};

const changed_field fixed_fields[] = {
    {"io.threads", [](config& c) { c.io.threads = 3; }},
    {"handshake.threads", [](config& c) { c.handshake.threads = 3; }},
    {"overload.schedule_handshakes", [](config& c) { c.overload.schedule_handshakes = false; }},
    {"route", [](config& c) { c.route.connect_port = 81; }},
    {"protocol", [](config& c) { c.protocol = protocol_policy::http2_only; }},
    {"proxy.for_http", [](config& c) { c.proxy.for_http.host = "p"; }},
    {"proxy.for_https", [](config& c) { c.proxy.for_https.host = "p"; }},
    {"proxy.no_proxy", [](config& c) { c.proxy.no_proxy = {"a"}; }},
    {"dns.resolver", [](config& c) { c.dns.resolver = resolver_kind::system; }},
    {"dns.servers", [](config& c) { c.dns.servers = {"127.0.0.1:53"}; }},
    {"dns.overrides", [](config& c) { c.dns.overrides = {{.host = "a", .addresses = {"::1"}}}; }},
    {"dns.max_ttl", [](config& c) { c.dns.max_ttl = std::chrono::seconds{7}; }},
    {"dns.min_ttl", [](config& c) { c.dns.min_ttl = std::chrono::seconds{2}; }},
    {"dns.negative_ttl", [](config& c) { c.dns.negative_ttl = std::chrono::seconds{7}; }},
    {"dns.stale_while_refresh",
     [](config& c) { c.dns.stale_while_refresh = std::chrono::seconds{7}; }},
    {"dns.stale_if_error", [](config& c) { c.dns.stale_if_error = std::chrono::seconds{7}; }},
    {"dns.system_threads", [](config& c) { c.dns.system_threads = 7; }},
    {"dns.hook",
     [](config& c) { c.dns.hook = [](const std::string&, std::stop_token, name_done) {}; }},
    {"dns.cache_entries", [](config& c) { c.dns.cache_entries = 7; }},
};

TEST(ConfigChangeTest, SentenceNamesTheFieldThatMustNotChange) {
    for (const changed_field& field : fixed_fields) {
        config after;
        field.change(after);
        const std::string sentence = fixed_field_changed(config{}, after);
        EXPECT_TRUE(sentence.starts_with(std::string(field.name) + " cannot change")) << sentence;
        EXPECT_TRUE(sentence.ends_with(".")) << sentence;
        EXPECT_EQ(fixed_field_changed(after, after), "");
    }
}

TEST(ConfigChangeTest, EverythingElseMayChange) {
    config after;
    after.pool.max_connections = 7;
    after.pool.max_connections_per_origin = 7;
    after.handshake.max_concurrent = 2;
    after.overload.refuse_late = false;
    after.tls.profile = tls_profile::make({});
    after.http1.max_header_count = 7;
    after.http2.max_streams = 7;
    after.timeouts.queue = milliseconds{7};
    after.retry.max_attempts = 3;
    after.budget.share = 0.5;
    after.breaker.enabled = true;
    after.rate_limit.per_second = 7;
    after.io.receive_buffer = 64 * 1024;
    after.io.bulk_read = 0;
    after.dns.attempt_delay = milliseconds{70};
    after.addresses.eject_after = 7;
    EXPECT_EQ(fixed_field_changed(config{}, after), "");
}

}  // namespace
}  // namespace hearth::detail
