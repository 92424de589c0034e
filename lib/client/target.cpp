#include "client/target.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address_v6.hpp>
#include <boost/url/grammar/charset.hpp>
#include <boost/url/grammar/digit_chars.hpp>
#include <boost/url/grammar/hexdig_chars.hpp>
#include <boost/url/rfc/pchars.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <charconv>
#include <cstdint>
#include <functional>

namespace hearth::detail {
namespace {

namespace urls = boost::urls;

// The parser of Boost.URL 1.81 is not used for the whole: it takes "http://1.2.3.4.evil.example/"
// for the host 1.2.3.4 with the path ".evil.example/". Its character tables are right.
constexpr auto target_octets = urls::pchars + '/' + '?';
constexpr auto name_octets = urls::unreserved_chars - '~';

using urls::grammar::digit_chars;
using urls::grammar::hexdig_chars;

// RFC 1035 2.3.4.
constexpr std::size_t max_label_bytes = 63;
constexpr std::size_t max_name_bytes = 253;

constexpr std::string_view no_idn =
    "the host has an octet outside ASCII; write an internationalised name in its xn-- form";

using host_result = boost::system::result<std::string, target_error>;
using target_result = boost::system::result<target, target_error>;

target_error refuse(std::size_t position, std::string_view rule, errc code = errc::invalid_url) {
    std::string detail = "At octet " + std::to_string(position) + ": ";
    detail += rule;
    detail += '.';
    return {make_error_code(code), std::move(detail), position};
}

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char c) { return lower(c); });
    return result;
}

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

template <class Charset>
std::size_t first_not_in(std::string_view text, const Charset& allowed) {
    const auto* found = urls::grammar::find_if_not(text.data(), text.data() + text.size(), allowed);
    return found == text.data() + text.size() ? std::string_view::npos
                                              : static_cast<std::size_t>(found - text.data());
}

// Names that resolvers of the C library would take for an address: "1.2.3", "0x7f.1", "10.1.2.300".
bool looks_like_address(std::string_view last_label) {
    if (last_label.starts_with("0x"))
        last_label.remove_prefix(2);
    else if (first_not_in(last_label, digit_chars) != std::string_view::npos)
        return false;
    return first_not_in(last_label, hexdig_chars) == std::string_view::npos;
}

bool is_ipv4(std::string_view text) {
    unsigned parts = 0;
    while (parts < 4) {
        const std::size_t size = std::min(text.find('.'), text.size());
        const std::string_view part = text.substr(0, size);
        unsigned value = 256;
        if (part.size() > 3 || (part.size() > 1 && part.front() == '0')) return false;
        const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
        if (error != std::errc{} || end != part.data() + part.size() || value > 255) return false;
        ++parts;
        if (size == text.size()) return parts == 4;
        text.remove_prefix(size + 1);
    }
    return false;
}

host_result parse_ipv6(std::string_view text, std::size_t at) {
    if (text.find('%') != std::string_view::npos) {
        return refuse(at, "an IPv6 literal with a zone id is not supported");
    }
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address_v6(std::string(text), error);
    if (error) return refuse(at, "the brackets do not hold an IPv6 address");
    return address.to_string();
}

host_result parse_name(std::string_view host, std::size_t at) {
    if (host.empty()) return refuse(at, "the host is empty");
    if (const std::size_t bad = first_not_in(host, name_octets); bad != std::string_view::npos) {
        if (!is_ascii(host[bad])) return refuse(at + bad, no_idn);
        if (host[bad] == '%') return refuse(at + bad, "the host is percent-encoded");
        return refuse(at + bad, "the host has an octet that no host name has");
    }
    if (is_ipv4(host)) return std::string(host);
    if (host.back() == '.') host.remove_suffix(1);
    if (host.empty()) return refuse(at, "the host is empty");
    if (host.size() > max_name_bytes) return refuse(at, "the host is longer than 253 octets");
    std::size_t label_at = 0;
    for (;;) {
        const std::size_t label_end = std::min(host.find('.', label_at), host.size());
        if (label_end == label_at) return refuse(at + label_at, "the host has an empty label");
        if (label_end - label_at > max_label_bytes) {
            return refuse(at + label_at, "the host has a label of more than 63 octets");
        }
        if (label_end == host.size()) break;
        label_at = label_end + 1;
    }
    std::string name = lower(host);
    if (looks_like_address(std::string_view(name).substr(label_at))) {
        return refuse(at, "the host ends in a number but is not an IPv4 address");
    }
    return name;
}

// host [":" port], without the user name.
struct authority_parts {
    std::string_view host;
    std::size_t host_at = 0;
    bool is_ipv6 = false;
    std::string_view port;  // Empty: the scheme's default.
    std::size_t port_at = 0;
};

boost::system::result<authority_parts, target_error> split_authority(std::string_view text,
                                                                     std::size_t at) {
    if (const std::size_t user_end = text.rfind('@'); user_end != std::string_view::npos) {
        return refuse(at + user_end,
                      "a user name or password is not allowed here; send an authorization header");
    }
    authority_parts parts;
    std::size_t host_end = 0;
    if (text.starts_with('[')) {
        const std::size_t bracket = text.find(']');
        if (bracket == std::string_view::npos) return refuse(at, "the bracket is not closed");
        parts.is_ipv6 = true;
        parts.host = text.substr(1, bracket - 1);
        parts.host_at = at + 1;
        host_end = bracket + 1;
    } else {
        host_end = std::min(text.find(':'), text.size());
        parts.host = text.substr(0, host_end);
        parts.host_at = at;
    }
    if (host_end == text.size()) return parts;
    if (text[host_end] != ':') return refuse(at + host_end, "after the host comes ':' or '/'");
    parts.port = text.substr(host_end + 1);
    parts.port_at = at + host_end + 1;
    return parts;
}

boost::system::result<std::uint16_t, target_error> parse_port(std::string_view text,
                                                              std::size_t at) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
        return refuse(at, "the port is not a number from 1 to 65535");
    }
    return port;
}

// The first octet that may not stand in a request target, or npos (RFC 3986 3.3, 3.4).
std::size_t first_bad_target_octet(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t size = first_not_in(text.substr(at), target_octets);
        if (size == std::string_view::npos) break;
        at += size;
        const bool is_escape = text[at] == '%' && text.size() - at > 2 &&
                               hexdig_chars(text[at + 1]) && hexdig_chars(text[at + 2]);
        if (!is_escape) return at;
        at += 3;
    }
    return std::string_view::npos;
}

boost::system::result<std::string, target_error> parse_path_and_query(std::string_view text,
                                                                      std::size_t at) {
    text = text.substr(0, text.find('#'));
    if (const std::size_t bad = first_bad_target_octet(text); bad != std::string_view::npos) {
        return refuse(at + bad, text[bad] == '%' ? "'%' is not followed by two hexadecimal digits"
                                                 : "an octet that has to be percent-encoded here");
    }
    std::string result;
    result.reserve(text.size() + 1);
    if (!text.starts_with('/')) result += '/';
    result += text;
    return result;
}

std::string authority_of(const origin& value) {
    const bool is_ipv6 = value.host.find(':') != std::string::npos;
    std::string text = is_ipv6 ? "[" + value.host + "]" : value.host;
    if (value.port != (value.tls ? 443 : 80)) text += ":" + std::to_string(value.port);
    return text;
}

// Spaces and controls are named as such, whichever part of the URL they are in.
std::size_t first_unprintable(std::string_view url) {
    const auto* found = std::ranges::find_if(url, [](char c) {
        return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) == 0x7f;
    });
    return found == url.end() ? std::string_view::npos
                              : static_cast<std::size_t>(found - url.begin());
}

// The octets of "https://" or "http://"; sets `is_tls`.
boost::system::result<std::size_t, target_error> parse_scheme(std::string_view url, bool& is_tls) {
    const std::size_t size = url.find_first_of(":/?#");
    if (size == std::string_view::npos || url[size] != ':' || size == 0) {
        return refuse(0, "it does not start with https:// or http://");
    }
    const std::string scheme = lower(url.substr(0, size));
    is_tls = scheme == "https";
    if (!is_tls && scheme != "http") {
        return refuse(0, "the scheme is neither http nor https", errc::unsupported_scheme);
    }
    if (!url.substr(size).starts_with("://")) return refuse(size, "'//' and a host are missing");
    return size + 3;
}

// "https://" and "http://" as nearly everybody writes them, or 0.
std::size_t usual_scheme_bytes(std::string_view url) {
    if (url.starts_with("https://")) return 8;
    return url.starts_with("http://") ? 7 : 0;
}

std::size_t authority_end(std::string_view url, std::size_t from) {
    while (from < url.size() && url[from] != '/' && url[from] != '?' && url[from] != '#') ++from;
    return from;
}

// The origins that this thread's URLs named before: a service calls the same few for ever, and all
// that is left to look at then is the path. Holds only what was parsed and found right.
class known_origins {
public:
    [[nodiscard]] const target* find(std::string_view prefix) const {
        const entry& e = entries_[place(prefix)];
        return !prefix.empty() && e.prefix == prefix ? &e.parsed : nullptr;
    }
    void remember(std::string_view prefix, const target& parsed) {
        if (prefix.size() > max_prefix_bytes) return;
        entry& e = entries_[place(prefix)];
        e.prefix = prefix;
        e.parsed.origin = parsed.origin;
        e.parsed.authority = parsed.authority;
    }

private:
    static constexpr std::size_t max_prefix_bytes = 300;  // the longest name, scheme and port
    struct entry {
        std::string prefix;
        target parsed;
    };
    static std::size_t place(std::string_view prefix) {
        return std::hash<std::string_view>{}(prefix) % std::tuple_size_v<decltype(entries_)>;
    }
    std::array<entry, 32> entries_;
};

// The URLs of this thread's last calls: many services call a few for ever.
class known_targets {
public:
    using shared_target = std::shared_ptr<const target>;
    [[nodiscard]] const shared_target* find(std::string_view url) const {
        const entry& e = entries_[place(url)];
        return e.parsed && e.url == url ? &e.parsed : nullptr;
    }
    void remember(std::string_view url, const shared_target& parsed) {
        if (url.size() > max_kept_bytes) return;
        entry& e = entries_[place(url)];
        e.parsed.reset();  // should there be no memory for its name
        e.url = url;
        e.parsed = parsed;
    }

private:
    static constexpr std::size_t max_kept_bytes = 300;
    struct entry {
        std::string url;
        shared_target parsed;
    };
    // Cheaper than a hash of it all. URLs that share a place only lose it to each other.
    static std::size_t place(std::string_view url) {
        if (url.empty()) return 0;
        const auto octet = [url](std::size_t at) { return static_cast<unsigned char>(url[at]); };
        const std::size_t size = url.size();
        return (size + octet(size - 1) * 7U + octet(size - size / 4 - 1) * 3U + octet(size / 2)) %
               std::tuple_size_v<decltype(entries_)>;
    }
    std::array<entry, 32> entries_;
};

target_result parse_whole_target(std::string_view url) {
    if (const std::size_t bad = first_unprintable(url); bad != std::string_view::npos) {
        return refuse(bad, url[bad] == ' ' ? "a space has to be written as %20"
                                           : "a control octet is not allowed");
    }
    target result;
    const auto authority_at = parse_scheme(url, result.origin.tls);
    if (!authority_at) return authority_at.error();
    const std::size_t path_at = authority_end(url, *authority_at);

    const auto parts =
        split_authority(url.substr(*authority_at, path_at - *authority_at), *authority_at);
    if (!parts) return parts.error();
    auto host = parts->is_ipv6 ? parse_ipv6(parts->host, parts->host_at)
                               : parse_name(parts->host, parts->host_at);
    if (!host) return host.error();
    result.origin.host = std::move(*host);
    result.origin.port = result.origin.tls ? 443 : 80;
    if (!parts->port.empty()) {
        const auto port = parse_port(parts->port, parts->port_at);
        if (!port) return port.error();
        result.origin.port = *port;
    }
    auto path_and_query = parse_path_and_query(url.substr(path_at), path_at);
    if (!path_and_query) return path_and_query.error();
    result.path_and_query = std::move(*path_and_query);
    result.authority = authority_of(result.origin);
    return result;
}

}  // namespace

void throw_exception_from_error(const target_error& error, const boost::source_location&) {
    failure why;
    why.phase = phase::validation;
    why.detail = error.detail;
    throw send_error(error.code, std::move(why));
}

host_result parse_host(std::string_view host) {
    if (host.starts_with('[') && host.ends_with(']')) {
        return parse_ipv6(host.substr(1, host.size() - 2), 1);
    }
    if (host.find(':') != std::string_view::npos) return parse_ipv6(host, 0);
    return parse_name(host, 0);
}

target_result parse_target(std::string_view url) {
    if (url.size() > max_url_bytes) return refuse(max_url_bytes, "it is longer than 64 KiB");
    static thread_local known_origins known;
    const std::size_t scheme = usual_scheme_bytes(url);
    const std::size_t path_at = authority_end(url, scheme);
    const std::string_view prefix = scheme != 0 ? url.substr(0, path_at) : std::string_view();
    const std::string_view rest = url.substr(path_at);
    const target* before = known.find(prefix);
    if (before == nullptr || first_unprintable(rest) != std::string_view::npos) {
        auto parsed = parse_whole_target(url);
        if (parsed && scheme != 0) known.remember(prefix, *parsed);
        return parsed;
    }
    auto path_and_query = parse_path_and_query(rest, path_at);
    if (!path_and_query) return path_and_query.error();
    target result = *before;
    result.path_and_query = std::move(*path_and_query);
    return result;
}

boost::system::result<std::shared_ptr<const target>, target_error> share_target(
    std::string_view url) {
    static thread_local known_targets known;
    if (const auto* before = known.find(url)) return *before;
    auto parsed = parse_target(url);
    if (!parsed) return parsed.error();
    auto shared = std::make_shared<const target>(std::move(*parsed));
    if (url.find_first_of("?#") == std::string_view::npos) known.remember(url, shared);
    return shared;
}

}  // namespace hearth::detail
