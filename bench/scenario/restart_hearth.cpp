// Load that outlives its origin: GETs from own threads while a harness stops and starts the origin.
// Every second a line of JSON says how many were answered, failed, and open; at the end one line
// sums up: descriptors and memory before and after, errors by code, whether any of them could have
// been retried.
//
//   restart_hearth --url URL --ca FILE --concurrency N --duration-s N
#include <dirent.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <hearth/hearth.hpp>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "../command_line.hpp"
#include "../json_line.hpp"
#include "../process.hpp"

namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

std::uint64_t open_descriptors() {
    std::uint64_t count = 0;
    DIR* all = ::opendir("/proc/self/fd");
    if (all == nullptr) return 0;
    while (::readdir(all) != nullptr) ++count;
    ::closedir(all);
    return count - 3;  // ".", ".." and the directory itself
}

struct totals {
    std::atomic<std::uint64_t> begun{0};
    std::atomic<std::uint64_t> ok{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> retriable{0};  // failed although nothing can have reached the peer
    std::atomic<std::uint64_t> running{0};
    std::atomic<bool> stop{false};
    std::mutex mutex;
    std::map<std::string, std::uint64_t> errors;
};

void send_next(hearth::client& client, const std::string& url, totals& all) {
    if (all.stop) {
        --all.running;
        return;
    }
    ++all.begun;
    client.async_send(
        {hearth::method::get, url}, [&, url](error_code error, const hearth::response& response) {
            if (!error && response.status == 200) {
                ++all.ok;
            } else {
                ++all.failed;
                if (error && !response.failure.maybe_processed) ++all.retriable;
                const std::lock_guard lock(all.mutex);
                ++all.errors[error ? error.message() : "status " + std::to_string(response.status)];
            }
            send_next(client, url, all);
        });
}

struct options {
    std::string url;
    std::string ca;
    std::uint64_t concurrency = 64;
    std::uint64_t duration_s = 10;
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
        } else if (option == "--concurrency") {
            result.concurrency = given.take_number(1, 100'000);
        } else if (option == "--duration-s") {
            result.duration_s = given.take_number(1, 100'000);
        } else {
            given.refuse();
        }
    }
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    const auto [url, ca, concurrency, duration_s] = parse(argc, argv);
    hearth::config settings;
    settings.protocol = hearth::protocol_policy::http1_only;
    settings.tls.profile = hearth::tls_profile::make({.ca_file = ca});
    settings.pool.max_connections_per_origin = static_cast<std::uint32_t>(concurrency);
    // The origin comes back: whoever has not been sent yet waits for it.
    settings.pool.dial_patience = 20s;
    settings.pool.max_backoff = 100ms;
    hearth::client client(settings);
    totals all;
    all.running = concurrency;
    for (std::uint64_t i = 0; i < concurrency; ++i) send_next(client, url, all);
    std::uint64_t first_fds = 0;
    std::uint64_t first_rss = 0;
    std::uint64_t last_ok = 0;
    std::uint64_t last_failed = 0;
    const std::uint64_t tenths = duration_s * 10;
    for (std::uint64_t tenth = 0; tenth < tenths; ++tenth) {
        std::this_thread::sleep_for(100ms);
        const std::uint64_t ok = all.ok;
        const std::uint64_t failed = all.failed;
        if (tenth == 10) {
            first_fds = open_descriptors();
            first_rss = bench::resident_kib();
        }
        bench::json_line()
            .number("tenth", tenth)
            .number("ok", ok - last_ok)
            .number("failed", failed - last_failed)
            .print();
        last_ok = ok;
        last_failed = failed;
    }
    const std::uint64_t last_fds = open_descriptors();
    const std::uint64_t last_rss = bench::resident_kib();
    all.stop = true;
    while (all.running != 0) std::this_thread::sleep_for(10ms);
    const hearth::origin_stats sum = client.stats().total();
    bench::json_line line;
    line.number("begun", all.begun.load())
        .number("ok", all.ok.load())
        .number("failed", all.failed.load())
        .number("failed_unsent", all.retriable.load())
        .number("stale_retries", sum.stale_retries)
        .number("opened", sum.opened)
        .number("closed", sum.closed)
        .number("open", sum.open)
        .number("fds_first", first_fds)
        .number("fds_last", last_fds)
        .number("rss_first_kib", first_rss)
        .number("rss_last_kib", last_rss);
    for (const auto& [what, count] : all.errors) line.number("error: " + what, count);
    line.print();
    return 0;
}
