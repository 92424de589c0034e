// Fuzz target: URLs, references, host names and header maps. The first octet chooses which.
//
// Invariants: what is accepted is sent without an octet that ends or splits a line, has one
// reading (parsing what was made of it gives the same again), and sentences about what is refused
// never repeat it; `headers` behaves like a plain list of pairs.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/redirect.hpp"
#include "client/target.hpp"
#include "hearth/headers.hpp"
#include "proto/http_grammar.hpp"

namespace {

using namespace hearth;

void require(bool holds, const char* claim, std::string_view text) {
    if (holds) return;
    std::fprintf(stderr, "%s: %.*s\n", claim, static_cast<int>(text.size()), text.data());
    std::abort();
}

bool is_visible_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

void check_url(const std::string& url) {
    const auto parsed = detail::parse_target(url);
    if (!parsed) {
        const std::string& why = parsed.error().detail;
        require(!why.empty() && proto::is_field_text(why), "a bad sentence", why);
        // A fuzzer learns our sentences; none of them has the sign that ends credentials.
        require(why.find('@') == std::string::npos, "the URL is repeated", why);
        return;
    }
    require(parsed->path_and_query.starts_with('/'), "no path", url);
    require(is_visible_ascii(parsed->path_and_query), "octets in the target", url);
    require(parsed->path_and_query.find('#') == std::string::npos, "a fragment is sent", url);
    require(is_visible_ascii(parsed->authority) && !parsed->authority.empty(), "authority", url);
    require(parsed->authority.find_first_of("@/?#\\") == std::string::npos, "authority", url);
    require(parsed->origin.port != 0, "port 0", url);
    // One reading: what we made of it is an URL, and means the same.
    const std::string again = parsed->origin.to_string() + parsed->path_and_query;
    const auto second = detail::parse_target(again);
    require(second.has_value() || again.size() > detail::max_url_bytes, "not an URL again", again);
    if (!second) return;
    require(second->origin == parsed->origin, "another origin", again);
    require(second->path_and_query == parsed->path_and_query, "another path", again);
    require(second->authority == parsed->authority, "another authority", again);
    const auto host = detail::parse_host(parsed->origin.host);
    require(host.has_value() && *host == parsed->origin.host, "another host", again);
}

void check_reference(const std::string& base, const std::string& reference) {
    if (!detail::parse_target(base)) return;
    const std::string resolved = detail::resolve_location(base, reference);
    if (resolved.empty()) return;
    require(is_visible_ascii(resolved), "octets in a reference", resolved);
    check_url(resolved);
}

using pairs = std::vector<std::pair<std::string, std::string>>;

std::string lower(std::string text) {
    for (char& c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return text;
}

void check_headers(FuzzedDataProvider& from) {
    headers subject;
    pairs model;
    const auto name = [&] {
        static const char* const names[] = {"a", "A", "b", "Cookie", "cookie", ""};
        const auto choice = from.ConsumeIntegralInRange<std::size_t>(0, 7);
        return choice < std::size(names) ? names[choice] : from.ConsumeRandomLengthString(9);
    };
    for (int i = 0; i < 100 && from.remaining_bytes() != 0; ++i) {
        const std::string key = name();
        const auto same = [&](const auto& each) { return lower(each.first) == lower(key); };
        switch (from.ConsumeIntegralInRange<int>(0, 3)) {
            case 0: {
                const std::string value = from.ConsumeRandomLengthString(20);
                subject.add(key, value);
                model.emplace_back(key, value);
                break;
            }
            case 1: {
                const std::string value = from.ConsumeRandomLengthString(20);
                subject.set(key, value);
                const auto first = std::find_if(model.begin(), model.end(), same);
                if (first == model.end()) {
                    model.emplace_back(key, value);
                } else {
                    *first = {key, value};
                    model.erase(std::remove_if(first + 1, model.end(), same), model.end());
                }
                break;
            }
            case 2: {
                const auto gone = std::remove_if(model.begin(), model.end(), same);
                const auto count = static_cast<std::size_t>(model.end() - gone);
                model.erase(gone, model.end());
                require(subject.erase(key) == count, "erased another number", key);
                break;
            }
            default: {
                const auto first = std::find_if(model.begin(), model.end(), same);
                const auto found = subject.find(key);
                require(found.has_value() == (first != model.end()), "found differs", key);
                require(!found || *found == first->second, "another value", key);
            }
        }
        require(subject.size() == model.size(), "another size", key);
        for (std::size_t at = 0; at < model.size(); ++at) {
            require(subject.at(at).name == model[at].first, "another name", key);
            require(subject.at(at).value == model[at].second, "another value", key);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    if (data[0] % 3 == 2) {
        FuzzedDataProvider from(data + 1, size - 1);
        check_headers(from);
        return 0;
    }
    const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
    if (data[0] % 3 == 0) {
        check_url(text);
        return 0;
    }
    const std::size_t cut = std::min(text.find('\n'), text.size());
    check_reference(text.substr(0, cut), text.substr(std::min(cut + 1, text.size())));
    return 0;
}
