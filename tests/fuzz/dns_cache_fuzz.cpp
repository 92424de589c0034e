// Fuzz target: dns_cache beside a plain model of it, under any sequence of answers, questions and
// times; then the order of addresses and the text of name servers.
//
// Invariants: never more names than the limit; an answer is found as it was stored, until it
// expires and not after; the least recently used name goes first; addresses are neither invented
// nor doubled.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <string>

#include "io/dns_cache.hpp"
#include "io/name_server.hpp"

namespace {

using namespace hearth;
using std::chrono::seconds;

void require(bool holds, const char* claim) {
    if (holds) return;
    std::fprintf(stderr, "%s\n", claim);
    std::abort();
}

io::address_list some_addresses(FuzzedDataProvider& from) {
    io::address_list all;
    for (auto left = from.ConsumeIntegralInRange<int>(0, 80); left > 0; --left) {
        if (from.ConsumeBool()) {
            all.emplace_back(boost::asio::ip::address_v4(from.ConsumeIntegral<std::uint32_t>()));
        } else {
            boost::asio::ip::address_v6::bytes_type octets{};
            octets.back() = from.ConsumeIntegral<std::uint8_t>();
            all.emplace_back(boost::asio::ip::address_v6(octets));
        }
    }
    return all;
}

struct known {
    std::string name;
    io::name_answer answer;
    base::time_point expires;
};

void check_cache(FuzzedDataProvider& from) {
    dns_config config;
    config.cache_entries = from.ConsumeIntegralInRange<std::uint32_t>(1, 6);
    config.min_ttl = seconds(from.ConsumeIntegralInRange<int>(0, 3));
    config.max_ttl = seconds(from.ConsumeIntegralInRange<int>(3, 100));
    config.negative_ttl = seconds(from.ConsumeIntegralInRange<int>(0, 4));
    config.stale_if_error = seconds(0);  // what is out of date is gone
    io::dns_cache subject(config);
    std::list<known> model;  // most recently used first
    base::time_point now{std::chrono::hours(1)};
    const auto find = [&](const std::string& name) {
        return std::find_if(model.begin(), model.end(),
                            [&](const known& each) { return each.name == name; });
    };
    for (int i = 0; i < 500 && from.remaining_bytes() != 0; ++i) {
        const std::string name(1, static_cast<char>('a' + from.ConsumeIntegralInRange(0, 9)));
        now += seconds(from.ConsumeIntegralInRange<int>(0, 2));
        const auto at = find(name);
        if (from.ConsumeBool()) {
            const io::name_answer* found = subject.find(now, name);
            const bool is_known = at != model.end() && at->expires > now;
            require((found != nullptr) == is_known, "found differs from what is known");
            if (at != model.end() && !is_known) model.erase(at);
            if (!is_known) continue;
            require(found->addresses == at->answer.addresses, "another answer");
            require(found->error == at->answer.error, "another error");
            model.splice(model.begin(), model, at);
            continue;
        }
        io::name_answer answer;
        switch (from.ConsumeIntegralInRange(0, 3)) {
            case 0: answer = io::make_failed_answer(errc::name_not_found, name, "x"); break;
            case 1: answer = io::make_failed_answer(errc::name_failed, name, "x"); break;
            default: answer.addresses = io::interleave_families(some_addresses(from));
        }
        answer.ttl = seconds(from.ConsumeIntegral<std::int32_t>());
        subject.store(now, name, answer);
        if (at != model.end()) model.erase(at);
        seconds keep(0);
        if (!answer.error) keep = std::max(config.min_ttl, std::min(answer.ttl, config.max_ttl));
        if (answer.error == errc::name_not_found) keep = config.negative_ttl;
        if (keep > seconds(0)) {
            if (model.size() == config.cache_entries) model.pop_back();
            model.push_front({name, answer, now + keep});
        }
        require(subject.size() == model.size(), "another number of names");
        require(subject.size() <= config.cache_entries, "more names than the limit");
    }
}

void check_order(FuzzedDataProvider& from) {
    const io::address_list given = some_addresses(from);
    const io::address_list ordered = io::interleave_families(given);
    require(ordered.size() <= io::max_addresses, "too many addresses");
    require(ordered.empty() == given.empty(), "all addresses are gone");
    for (auto at = ordered.begin(); at != ordered.end(); ++at) {
        require(std::find(given.begin(), given.end(), *at) != given.end(), "an invented address");
        require(std::find(ordered.begin(), at, *at) == at, "an address twice");
    }
}

void check_server(const std::string& text) {
    const auto server = io::parse_name_server(text);
    if (!server) return;
    require(server->port() != 0, "port 0");
    const std::string address = server->address().to_string();
    const std::string again = (server->address().is_v6() ? '[' + address + ']' : address) + ':' +
                              std::to_string(server->port());
    const auto second = io::parse_name_server(again);
    require(second.has_value() && *second == *server, "another name server");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider from(data, size);
    switch (from.ConsumeIntegralInRange(0, 3)) {
        case 0: check_order(from); break;
        case 1: check_server(from.ConsumeRemainingBytesAsString()); break;
        default: check_cache(from);
    }
    return 0;
}
