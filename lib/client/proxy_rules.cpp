#include "client/proxy_rules.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <charconv>
#include <cstdlib>

#include "client/target.hpp"
#include "hearth/error.hpp"
#include "hearth/proxy.hpp"

namespace hearth::detail {
namespace {

namespace ip = boost::asio::ip;

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return result;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

bool is_in_network(const std::string& host, const std::string& network) {
    boost::system::error_code error;
    const auto address = ip::make_address(host, error);
    if (error) return false;
    if (address.is_v4()) {
        const auto net = ip::make_network_v4(network, error);
        return !error &&
               ip::network_v4(address.to_v4(), net.prefix_length()).network() == net.network();
    }
    const auto net = ip::make_network_v6(network, error);
    return !error &&
           ip::network_v6(address.to_v6(), net.prefix_length()).network() == net.network();
}

/// The port at the end of a rule; 0 if there is none. It is cut off.
std::uint16_t take_port(std::string& rule) {
    const std::size_t colon = rule.rfind(':');
    if (colon == std::string::npos) return 0;
    // An IPv6 address without brackets has no port.
    if (rule.front() != '[' && rule.find(':') != colon) return 0;
    if (rule.front() == '[' && rule[colon - 1] != ']') return 0;
    std::uint16_t port = 0;
    const char* const last = rule.data() + rule.size();
    const auto [end, bad] = std::from_chars(rule.data() + colon + 1, last, port);
    if (bad != std::errc{} || end != last) return 0;
    rule.erase(colon);
    return port;
}

bool matches(const origin& where, std::string rule) {
    if (rule == "*") return true;
    if (rule.find('/') != std::string::npos) return is_in_network(where.host, rule);
    const std::uint16_t port = take_port(rule);
    if (port != 0 && port != where.port) return false;
    if (rule.size() > 2 && rule.front() == '[' && rule.back() == ']') {
        rule = rule.substr(1, rule.size() - 2);
    }
    if (rule.starts_with("*.")) rule.erase(0, 1);
    const std::string name = rule.starts_with('.') ? rule.substr(1) : rule;
    if (name.empty()) return false;
    if (const auto host = parse_host(name); host && *host == where.host) return true;
    return where.host.size() > name.size() && where.host.ends_with(name) &&
           where.host[where.host.size() - name.size() - 1] == '.';
}

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// Percent-decoded; false if it is not well-formed.
bool decode(std::string_view text, std::string& out) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return false;
        out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
        i += 2;
    }
    return true;
}

bool parse_credentials(std::string_view text, proxy& result) {
    const std::size_t colon = text.find(':');
    if (!decode(text.substr(0, colon), result.user)) return false;
    return colon == std::string_view::npos || decode(text.substr(colon + 1), result.password);
}

bool parse_authority(std::string_view text, proxy& result) {
    std::size_t host_end = text.rfind(':');
    if (host_end != std::string_view::npos && text.find(']', host_end) != std::string_view::npos) {
        host_end = std::string_view::npos;  // the colons of an IPv6 literal
    }
    const auto host = parse_host(text.substr(0, host_end));
    if (!host) return false;
    result.host = *host;
    if (host_end == std::string_view::npos) return true;
    const std::string_view digits = text.substr(host_end + 1);
    const auto [end, bad] =
        std::from_chars(digits.data(), digits.data() + digits.size(), result.port);
    return bad == std::errc{} && end == digits.data() + digits.size() && result.port != 0;
}

std::string variable(const char* name) {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return value == nullptr ? std::string() : std::string(trimmed(value));
}

std::string variable(const char* name, const char* otherwise) {
    std::string value = variable(name);
    return value.empty() ? variable(otherwise) : value;
}

proxy parsed_variable(const std::string& text, const char* name) {
    if (text.empty()) return {};
    if (auto result = proxy::parse(text)) return *std::move(result);
    failure why;
    why.detail = std::string("The environment variable ") + name + " is no proxy.";
    throw send_error(errc::invalid_config, std::move(why));
}

}  // namespace

bool bypasses_proxy(const origin& where, const std::vector<std::string>& rules) {
    return std::any_of(rules.begin(), rules.end(), [&](const std::string& rule) {
        const std::string_view text = trimmed(rule);
        return !text.empty() && matches(where, lower(text));
    });
}

const proxy* proxy_for(const origin& where, const proxy_config& values) {
    const proxy& one = where.tls ? values.for_https : values.for_http;
    if (one.kind == proxy_kind::none || bypasses_proxy(where, values.no_proxy)) return nullptr;
    return &one;
}

std::string describe_proxy(const proxy& value) {
    const bool is_v6 = value.host.find(':') != std::string::npos;
    std::string text = value.kind == proxy_kind::http     ? "http://"
                       : value.kind == proxy_kind::https  ? "https://"
                       : value.kind == proxy_kind::socks5 ? "socks5://"
                                                          : "socks5h://";
    text += is_v6 ? "[" + value.host + "]" : value.host;
    return text + ":" + std::to_string(value.port);
}

}  // namespace hearth::detail

HEARTH_BEGIN_NAMESPACE

boost::system::result<proxy> proxy::parse(std::string_view text) {
    proxy result;
    result.kind = proxy_kind::http;
    const std::size_t scheme_end = text.find("://");
    if (scheme_end != std::string_view::npos) {
        const std::string scheme = detail::lower(text.substr(0, scheme_end));
        if (scheme == "socks5") {
            result.kind = proxy_kind::socks5;
        } else if (scheme == "https") {
            result.kind = proxy_kind::https;
        } else if (scheme == "socks5h") {
            result.kind = proxy_kind::socks5h;
        } else if (scheme != "http") {
            return boost::system::error_code(errc::unsupported_scheme);
        }
        text.remove_prefix(scheme_end + 3);
    }
    text = text.substr(0, text.find_first_of("/?#"));
    if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
        if (!detail::parse_credentials(text.substr(0, at), result)) {
            return boost::system::error_code(errc::invalid_url);
        }
        text.remove_prefix(at + 1);
    }
    result.port = result.kind == proxy_kind::http    ? 8080
                  : result.kind == proxy_kind::https ? 443
                                                     : 1080;
    if (!detail::parse_authority(text, result)) {
        return boost::system::error_code(errc::invalid_url);
    }
    return result;
}

proxy_config proxies_from_environment() {
    proxy_config values;
    const std::string all = detail::variable("all_proxy", "ALL_PROXY");
    std::string http = detail::variable("http_proxy");
    std::string https = detail::variable("https_proxy", "HTTPS_PROXY");
    values.for_http = detail::parsed_variable(http.empty() ? all : http, "http_proxy");
    values.for_https = detail::parsed_variable(https.empty() ? all : https, "https_proxy");
    std::string rules = detail::variable("no_proxy", "NO_PROXY");
    for (std::size_t begin = 0; begin < rules.size();) {
        const std::size_t end = std::min(rules.find(',', begin), rules.size());
        const std::string_view rule =
            detail::trimmed(std::string_view(rules).substr(begin, end - begin));
        if (!rule.empty()) values.no_proxy.emplace_back(rule);
        begin = end + 1;
    }
    return values;
}

HEARTH_END_NAMESPACE
