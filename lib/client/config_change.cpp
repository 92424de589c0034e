#include "client/config_change.hpp"

#include <algorithm>
#include <string_view>

namespace hearth::detail {
namespace {

std::string sentence(std::string_view field, std::string_view instead) {
    std::string text(field);
    text.append(" cannot change while the client lives: ").append(instead);
    return text;
}

bool is_same(const name_override& a, const name_override& b) {
    return a.host == b.host && a.port == b.port && a.addresses == b.addresses;
}

std::string fixed_dns_field(const dns_config& before, const dns_config& after) {
    constexpr std::string_view instead = "its name service is built once; build another client.";
    if (before.resolver != after.resolver) return sentence("dns.resolver", instead);
    if (before.servers != after.servers) return sentence("dns.servers", instead);
    if (!std::ranges::equal(before.overrides, after.overrides, is_same)) {
        return sentence("dns.overrides", instead);
    }
    if (before.max_ttl != after.max_ttl) return sentence("dns.max_ttl", instead);
    if (before.min_ttl != after.min_ttl) return sentence("dns.min_ttl", instead);
    if (before.negative_ttl != after.negative_ttl) return sentence("dns.negative_ttl", instead);
    if (before.cache_entries != after.cache_entries) return sentence("dns.cache_entries", instead);
    if (before.stale_while_refresh != after.stale_while_refresh) {
        return sentence("dns.stale_while_refresh", instead);
    }
    if (before.stale_if_error != after.stale_if_error) {
        return sentence("dns.stale_if_error", instead);
    }
    if (before.system_threads != after.system_threads) {
        return sentence("dns.system_threads", instead);
    }
    if (static_cast<bool>(before.hook) != static_cast<bool>(after.hook)) {
        return sentence("dns.hook", instead);
    }
    return {};
}

}  // namespace

std::string fixed_field_changed(const config& before, const config& after) {
    if (before.io.threads != after.io.threads) {
        return sentence("io.threads", "its threads are made once; build another client.");
    }
    if (before.handshake.threads != after.handshake.threads) {
        return sentence("handshake.threads", "its threads are made once; build another client.");
    }
    if (before.overload.schedule_handshakes != after.overload.schedule_handshakes) {
        return sentence("overload.schedule_handshakes", "handshakes are under way.");
    }
    constexpr std::string_view by_request =
        "it is part of what names a pool; a request may bring another.";
    if (before.route != after.route) return sentence("route", by_request);
    if (before.protocol != after.protocol) return sentence("protocol", by_request);
    constexpr std::string_view by_route =
        "it is part of what names a pool; a request's route may bring another.";
    if (before.proxy.for_http != after.proxy.for_http) return sentence("proxy.for_http", by_route);
    if (before.proxy.for_https != after.proxy.for_https) {
        return sentence("proxy.for_https", by_route);
    }
    if (before.proxy.no_proxy != after.proxy.no_proxy) return sentence("proxy.no_proxy", by_route);
    return fixed_dns_field(before.dns, after.dns);
}

}  // namespace hearth::detail
