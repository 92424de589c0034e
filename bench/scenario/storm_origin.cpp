// The embedded origin as a program of its own, for storms: TLS 1.3 without tickets, `/d/<ms>` and
// `/bytes/<n>`. Prints one JSON line with its URL, and one with its counters when stdin ends.
//
//   storm_origin --ca-out FILE [--port N]
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <hearth/testing/testing.hpp>
#include <string>

#include "../command_line.hpp"
#include "../json_line.hpp"
#include "../process.hpp"

int main(int argc, char** argv) {
    std::string ca_out;
    hearth::testing::origin_options options;
    options.listen.minimum_version = hearth::tls_version::tls_1_3;
    options.listen.tickets = 0;
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
    const hearth::testing::origin origin(options);
    std::ofstream(ca_out) << origin.ca_pem();
    bench::json_line().text("url", origin.url()).print();
    char nothing = 0;
    while (::read(STDIN_FILENO, &nothing, 1) > 0) {
    }
    const hearth::testing::origin_counters counters = origin.counters();
    bench::json_line()
        .number("connections_accepted", counters.connections_accepted)
        .number("connections_peak", counters.connections_peak)
        .number("handshakes_full", counters.handshakes_full)
        .number("handshakes_failed", counters.handshakes_failed)
        .number("requests", counters.requests)
        .number("requests_aborted", counters.requests_aborted)
        .print();
    return 0;
}
