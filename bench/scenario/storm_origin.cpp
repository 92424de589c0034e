// The embedded origin as a program of its own, for storms: TLS 1.3 without tickets, HTTP/1.1 and
// HTTP/2 (250 streams), `/d/<ms>` and `/bytes/<n>`. Prints one JSON line with its URL, and one with
// its counters when stdin ends. A line `restart` on stdin drops all connections and listens anew on
// the same port; `rotate` does so with a new certificate of the same authority.
//
//   storm_origin --ca-out FILE [--port N]
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <hearth/testing/testing.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "../command_line.hpp"
#include "../json_line.hpp"
#include "../process.hpp"

namespace {

void add(hearth::testing::origin_counters& sum, const hearth::testing::origin_counters& more) {
    sum.connections_accepted += more.connections_accepted;
    sum.connections_peak = std::max(sum.connections_peak, more.connections_peak);
    sum.connections_http2 += more.connections_http2;
    sum.streams_reset += more.streams_reset;
    sum.handshakes_full += more.handshakes_full;
    sum.handshakes_failed += more.handshakes_failed;
    sum.requests += more.requests;
    sum.requests_completed += more.requests_completed;
    sum.requests_aborted += more.requests_aborted;
}

}  // namespace

int main(int argc, char** argv) {
    std::string ca_out;
    hearth::testing::origin_options options;
    options.listen.minimum_version = hearth::tls_version::tls_1_3;
    options.listen.tickets = 0;
    options.listen.alpn = {"h2", "http/1.1"};
    options.http2.max_streams = 250;
    bench::arguments given(argc, argv);
    while (!given.is_empty()) {
        const std::string_view option = given.take_option();
        if (option == "--ca-out") {
            ca_out = given.take_value();
        } else if (option == "--port") {
            options.listen.port = static_cast<std::uint16_t>(given.take_number(1, 65535));
        } else {
            given.refuse();
        }
    }
    if (ca_out.empty()) bench::usage_error("--ca-out is missing.");
    (void)bench::raise_descriptor_limit();
    const hearth::testing::certificate_authority authority;
    std::ofstream(ca_out) << authority.ca_pem();
    options.listen.server_certificate = authority.issue();
    auto origin = std::make_unique<hearth::testing::origin>(options);
    bench::json_line().text("url", origin->url()).print();
    const std::string url = origin->url();
    options.listen.port = static_cast<std::uint16_t>(std::stoul(url.substr(url.rfind(':') + 1)));
    hearth::testing::origin_counters sum;
    for (std::string line; std::getline(std::cin, line);) {
        if (line == "rotate") options.listen.server_certificate = authority.issue();
        add(sum, origin->counters());
        origin.reset();
        origin = std::make_unique<hearth::testing::origin>(options);
    }
    add(sum, origin->counters());
    bench::json_line()
        .number("connections_accepted", sum.connections_accepted)
        .number("connections_peak", sum.connections_peak)
        .number("connections_http2", sum.connections_http2)
        .number("streams_reset", sum.streams_reset)
        .number("handshakes_full", sum.handshakes_full)
        .number("handshakes_failed", sum.handshakes_failed)
        .number("requests", sum.requests)
        .number("requests_completed", sum.requests_completed)
        .number("requests_aborted", sum.requests_aborted)
        .print();
    return 0;
}
