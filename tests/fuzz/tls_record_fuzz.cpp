// Fuzz target: what a peer sends under tls_engine. The first octet chooses: raw octets in place of
// the server's flight; a real server whose handshake octets are changed, cut, repeated or added to;
// or a real connection, fuzzed behind its handshake, with records of the engine's or of libssl's.
//
// Invariants: a step or read never throws; a failed engine stays failed, with a code and a
// sentence; nothing that was not sent by the real server comes out as plain text; what the engine
// holds before the handshake's end is bounded; output is bounded.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "support/tls_server.hpp"

namespace {

using namespace hearth;
using proto::tls_engine;
using proto::tls_status;
using proto::tls_step;

constexpr std::string_view secret = "the server said this and nothing else";
// The bound of tls_engine.hpp on input that nobody has looked at, and one slice.
constexpr std::size_t max_held = (256 + 128) * 1024;
constexpr int max_steps = 10'000;

void require(bool holds, const char* claim) {
    if (holds) return;
    std::fprintf(stderr, "%s\n", claim);
    std::abort();
}

const proto::tls_settings& settings(bool has_own_records) {
    static const proto::tls_settings of_libssl = support::settings_with();
    static const proto::tls_settings own = [] {
        proto::tls_settings made = of_libssl;
        made.libssl_calls = support::never;
        return made;
    }();
    return has_own_records ? own : of_libssl;
}

const support::tls_server_context& server_context(bool is_old) {
    static const support::tls_server_context current(support::origin_identity());
    static const support::tls_server_context old(support::origin_identity(),
                                                 {.maximum_version = TLS1_2_VERSION});
    return is_old ? old : current;
}

/// Octets in memory of their own, so that the sanitizer sees reads beyond them.
void give(tls_engine& client, std::string_view octets) {
    const auto own = std::make_unique<std::byte[]>(octets.size());
    std::transform(octets.begin(), octets.end(), own.get(),
                   [](char c) { return static_cast<std::byte>(c); });
    client.receive({own.get(), octets.size()});
    for (int i = 0; i < max_steps && !client.is_established(); ++i) {
        const tls_step result = client.step();
        if (result == tls_step::failed) {
            require(!client.error_detail().empty(), "a failure without a sentence");
            require(client.step() == tls_step::failed, "a failed engine came back");
            break;
        }
        if (result != tls_step::more) break;
    }
    std::string plain;
    std::array<std::byte, 512> buffer;
    for (int i = 0; i < max_steps && client.is_established(); ++i) {
        const auto result = client.decrypt(buffer);
        plain.append(reinterpret_cast<const char*>(buffer.data()), result.size);
        if (result.status == tls_status::failed) {
            require(!client.error_detail().empty(), "a failure without a sentence");
            require(client.decrypt(buffer).size == 0, "a failed engine gave octets");
        }
        if (result.status != tls_status::ok) break;
    }
    require(secret.starts_with(plain), "plain text from nowhere");
    client.retain();
    require(client.is_established() || client.memory() <= max_held, "too much is held");
    require(client.output().size() <= 64 * 1024, "too much is to be sent");
}

/// What the fuzzer makes of octets of a real server: a list of (operation, place, value).
std::string changed(std::string octets, std::span<const std::uint8_t> how) {
    while (how.size() >= 4 && !octets.empty()) {
        const std::size_t at = (std::size_t{how[1]} << 8U | how[2]) % octets.size();
        switch (how[0] % 6) {
            case 0: octets[at] = static_cast<char>(how[3]); break;
            case 1: octets[at] = static_cast<char>(octets[at] ^ (1 << (how[3] % 8))); break;
            case 2: octets.resize(at); break;
            case 3: octets.insert(at, how[3], static_cast<char>(how[3])); break;
            case 4: octets.erase(at, how[3]); break;
            default: octets.append(octets, at, how[3]); break;
        }
        how = how.subspan(4);
    }
    return octets;
}

void fuzz_flight(std::span<const std::uint8_t> how, bool is_old) {
    tls_engine client(settings(false));
    support::tls_server server(server_context(is_old));
    (void)client.step();
    // Two flights of TLS 1.2, one of 1.3 and its tickets.
    for (int flight = 0; flight < 3; ++flight) {
        server.receive(support::take_output(client));
        server.advance();
        const std::size_t part = std::min<std::size_t>(how.size(), how.empty() ? 0 : how[0] % 32);
        give(client, changed(server.take_output(), how.first(part)));
        how = how.subspan(part);
    }
}

void fuzz_established(std::span<const std::uint8_t> how, bool is_old, bool has_own_records) {
    tls_engine client(settings(has_own_records));
    support::tls_server server(server_context(is_old));
    require(support::connect(client, server), "a sound handshake failed");
    server.write(secret);
    give(client, changed(server.take_output(), how));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::span<const std::uint8_t> rest(data + 1, size - 1);
    const bool is_old = (data[0] & 4U) != 0;
    switch (data[0] & 3U) {
        case 0: fuzz_flight(rest, is_old); break;
        case 1: fuzz_established(rest, is_old, (data[0] & 8U) != 0); break;
        default: {
            tls_engine client(settings(false));
            (void)client.step();
            const std::string_view octets(reinterpret_cast<const char*>(rest.data()), rest.size());
            const std::size_t middle = octets.size() / 2;
            give(client, octets.substr(0, middle));
            give(client, octets.substr(middle));
        }
    }
    return 0;
}
