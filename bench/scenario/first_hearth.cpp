// How long the first request to an origin takes: cold (names, TCP, TLS and all), and after `warm`,
// beside those that follow it on the same connection. Each round has clients of its own. One
// request at a time, sent and awaited from outside of the client's thread, each 20 ms after what
// was before: an origin ends its side of a handshake later than the client, and whoever has slept
// is slower than who has not. Ends with one line of JSON, medians in microseconds.
//
//   first_hearth --url URL --ca FILE [--rounds N] [--requests N]
#include <algorithm>
#include <chrono>
#include <hearth/hearth.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../command_line.hpp"
#include "../json_line.hpp"

namespace {

struct options {
    std::string url;
    std::string ca;
    std::uint64_t rounds = 20;
    std::uint64_t requests = 10;  // behind each first one
};

options parse(int argc, char** argv) {
    options result;
    bench::arguments given(argc, argv);
    while (!given.is_empty()) {
        const std::string_view option = given.take_option();
        if (option == "--url") {
            result.url = given.take_value();
        } else if (option == "--ca") {
            result.ca = given.take_value();
        } else if (option == "--rounds") {
            result.rounds = given.take_number(1, 100'000);
        } else if (option == "--requests") {
            result.requests = given.take_number(1, 1'000'000);
        } else {
            given.refuse();
        }
    }
    return result;
}

using samples = std::vector<double>;

constexpr std::chrono::milliseconds rest{20};

double time_request(hearth::client& client, const std::string& url) {
    const auto began = std::chrono::steady_clock::now();
    const hearth::response response = client.send({hearth::method::get, url});
    const auto took = std::chrono::steady_clock::now() - began;
    if (response.status != 200) throw std::runtime_error("The origin did not answer with 200.");
    return std::chrono::duration<double, std::micro>(took).count();
}

double median(samples& all) {
    const auto middle = all.begin() + static_cast<samples::difference_type>(all.size() / 2);
    std::nth_element(all.begin(), middle, all.end());
    return *middle;
}

}  // namespace

int main(int argc, char** argv) {
    const options given = parse(argc, argv);
    const auto where = hearth::origin::parse(given.url);
    if (!where) bench::usage_error("--url is missing, or not an http or https URL.");
    hearth::config settings;
    settings.protocol = hearth::protocol_policy::http1_only;
    settings.tls.profile = hearth::tls_profile::make({.ca_file = given.ca});
    samples cold;
    samples first;
    samples following;
    try {
        for (std::uint64_t round = 0; round < given.rounds; ++round) {
            {
                hearth::client client(settings);
                cold.push_back(time_request(client, given.url));
            }
            hearth::client client(settings);
            client.warm(*where, 1);
            std::this_thread::sleep_for(rest);
            first.push_back(time_request(client, given.url));
            for (std::uint64_t i = 0; i < given.requests; ++i) {
                std::this_thread::sleep_for(rest);
                following.push_back(time_request(client, given.url));
            }
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    bench::json_line()
        .number("rounds", given.rounds)
        .number("cold_us", median(cold))
        .number("first_after_warm_us", median(first))
        .number("following_us", median(following))
        .print();
    return 0;
}
