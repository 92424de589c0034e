// `origin`: written and parsed by the rules of client/target.

#include "hearth/origin.hpp"

#include "client/target.hpp"

HEARTH_BEGIN_NAMESPACE

std::string origin::to_string() const {
    const bool is_ipv6 = host.find(':') != std::string::npos;
    std::string text = tls ? "https://" : "http://";
    text.reserve(text.size() + host.size() + 8);
    if (is_ipv6) text += '[';
    text += host;
    if (is_ipv6) text += ']';
    text += ':';
    text += std::to_string(port);
    return text;
}

boost::system::result<origin> origin::parse(std::string_view url) {
    const std::size_t scheme_end = url.find("://");
    if (scheme_end != std::string_view::npos) {
        url = url.substr(0, url.find_first_of("/?#", scheme_end + 3));
    }
    auto parsed = detail::parse_target(url);
    if (!parsed) return parsed.error().code;
    return std::move(parsed->origin);
}

HEARTH_END_NAMESPACE
