#include "client/redirect.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "client/target.hpp"

namespace hearth::detail {

namespace {

constexpr std::array credential_fields{"authorization", "proxy-authorization", "cookie"};
// Of the body that stays behind (RFC 9110 15.4, 8.3 to 8.8, and framing).
constexpr std::array body_fields{"content-type",
                                 "content-encoding",
                                 "content-language",
                                 "content-location",
                                 "content-length",
                                 "content-md5",
                                 "digest",
                                 "content-digest",
                                 "repr-digest",
                                 "last-modified",
                                 "transfer-encoding",
                                 "trailer",
                                 "expect"};

bool is_redirect(unsigned status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool becomes_get(const method& was, unsigned status) {
    if (was == method::get || was == method::head) return false;
    return status == 303 || ((status == 301 || status == 302) && was == method::post);
}

void leave_body_behind(request& what) {
    what.method = method::get;
    what.body = {};
    what.trailers.clear();
    what.expect_continue = false;
    for (const char* name : body_fields) what.headers.erase(name);
}

bool has_control(std::string_view text) {
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
    }
    return false;
}

std::string encoded(std::string_view text) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    static constexpr std::string_view never = " \"<>\\^`{|}";
    std::string result;
    bool in_query = false;
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (c == '?') in_query = true;
        if (octet < 0x80 && never.find(c) == std::string_view::npos &&
            !(in_query && (c == '[' || c == ']'))) {
            result += c;
            continue;
        }
        result += '%';
        result += digits[octet >> 4U];
        result += digits[octet & 0x0fU];
    }
    return result;
}

/// A URI reference in its five parts (RFC 3986 appendix B), each with its delimiters.
struct reference {
    std::string_view scheme;     // "http:"
    std::string_view authority;  // "//host:80"
    std::string_view path;
    std::string_view query;     // "?..."
    std::string_view fragment;  // "#..."
};

std::string_view cut_at(std::string_view& text, std::string_view ends) {
    const std::size_t at = std::min(text.find_first_of(ends), text.size());
    const std::string_view part = text.substr(0, at);
    text.remove_prefix(at);
    return part;
}

reference split(std::string_view text) {
    reference parts;
    const std::size_t colon = text.find_first_of(":/?#");
    if (colon != std::string_view::npos && colon != 0 && text[colon] == ':') {
        parts.scheme = text.substr(0, colon + 1);
        text.remove_prefix(colon + 1);
    }
    if (text.starts_with("//")) {
        const std::string_view all = text;
        text.remove_prefix(2);
        const std::size_t size = cut_at(text, "/?#").size() + 2;
        parts.authority = all.substr(0, size);
    }
    parts.path = cut_at(text, "?#");
    parts.query = cut_at(text, "#");
    parts.fragment = text;
    return parts;
}

/// RFC 3986 5.2.4, of a path that begins with a slash or is empty.
std::string without_dots(std::string_view path) {
    std::string result;
    while (!path.empty()) {
        const std::size_t next = std::min(path.find('/', 1), path.size());
        const std::string_view segment = path.substr(0, next);
        const bool is_last = next == path.size();
        if (segment == "/..") {
            result.resize(std::min(result.rfind('/'), result.size()));
            if (is_last) result += '/';
        } else if (segment == "/.") {
            if (is_last) result += '/';
        } else {
            result += segment;
        }
        path.remove_prefix(next);
    }
    return result;
}

redirect_outcome refuse(errc code, std::string detail) {
    return {redirect_verdict::refused, code, std::move(detail)};
}

/// Splits the fragment off.
std::string take_fragment(std::string& url) {
    const std::size_t at = url.find('#');
    if (at == std::string::npos) return {};
    std::string fragment = url.substr(at);
    url.resize(at);
    return fragment;
}

}  // namespace

std::string resolve_location(std::string_view base, std::string_view location) {
    if (has_control(location)) return {};
    const reference from = split(base);
    const std::string text = encoded(location);
    const reference to = split(text);
    if (from.scheme.empty() || from.authority.empty()) return {};
    std::string result;
    const bool has_authority = !to.scheme.empty() || !to.authority.empty();
    result += to.scheme.empty() ? from.scheme : to.scheme;
    result += has_authority ? to.authority : from.authority;
    if (has_authority || to.path.starts_with('/')) {
        result += without_dots(to.path);
        result += to.query;
    } else if (to.path.empty()) {
        result += from.path;
        result += to.query.empty() ? from.query : to.query;
    } else {
        const std::size_t slash = from.path.rfind('/');
        std::string merged(slash == std::string_view::npos ? "/" : from.path.substr(0, slash + 1));
        merged += to.path;
        result += without_dots(merged);
        result += to.query;
    }
    result += to.fragment;
    return result;
}

redirect_chain::redirect_chain(const request& first, const redirect_config& values)
    : values_(&values) {
    std::string url = first.url;
    fragment_ = take_fragment(url);
    visited_.insert(key_of(first));
}

std::string redirect_chain::key_of(const request& what) const {
    std::string key(what.method.text());
    key += dropped_ ? " - " : " + ";
    key += what.url.substr(0, what.url.find('#'));
    return key;
}

redirect_outcome redirect_chain::next(request& what, const response& got, bool is_replayable) {
    if (!is_redirect(got.status) || !got.headers.contains("location")) return {};
    if (hops_.size() >= values_->max_hops) {
        return refuse(errc::too_many_redirects, "The response redirects for the " +
                                                    std::to_string(hops_.size() + 1) +
                                                    "th time, beyond redirect.max_hops.");
    }
    const auto locations = got.headers.values("location");
    std::string base = what.url;
    take_fragment(base);
    std::string url = resolve_location(base, locations.front());
    std::string fragment = take_fragment(url);
    const auto before = parse_target(base);
    const auto after = parse_target(url);
    if (locations.size() != 1 || url.empty() || !before || !after) {
        return refuse(errc::redirect_refused,
                      "The location of the redirect is not one legal http or https URL.");
    }
    if (!after->origin.tls && values_->https_only) {
        return refuse(errc::redirect_refused,
                      "The redirect leads to http, which redirect.https_only forbids.");
    }
    const bool keeps_origin = before->origin == after->origin;
    if (before->origin.tls && !after->origin.tls && has_credentials(what)) {
        return refuse(errc::redirect_refused,
                      "The redirect leads from https to http, and the request has credentials.");
    }
    if (becomes_get(what.method, got.status)) {
        leave_body_behind(what);
    } else if (!is_replayable) {
        return refuse(errc::redirect_refused,
                      "The request would have to be repeated, but its body cannot be.");
    }
    if (!keeps_origin) drop_credentials(what);
    if (fragment.empty()) fragment = fragment_;
    fragment_ = fragment;
    what.url = url;
    what.target.clear();
    hops_.push_back({got.status, url + fragment});
    if (!visited_.insert(key_of(what)).second) {
        return refuse(errc::too_many_redirects, "The response redirects in a loop.");
    }
    return {redirect_verdict::follow, {}, {}};
}

void redirect_chain::drop_credentials(request& what) {
    for (const char* name : credential_fields) what.headers.erase(name);
    for (const std::string& name : values_->sensitive_headers) what.headers.erase(name);
    what.headers.erase("host");
    what.tls.reset();
    what.route.reset();
    dropped_ = true;
}

bool redirect_chain::has_credentials(const request& what) const {
    for (const char* name : credential_fields) {
        if (what.headers.contains(name)) return true;
    }
    for (const std::string& name : values_->sensitive_headers) {
        if (what.headers.contains(name)) return true;
    }
    return false;
}

}  // namespace hearth::detail
