// The main job: 20,000 GETs over HTTP/1.1 and TLS at concurrency 64, sent by four threads through
// one client to an embedded origin; or, given URLs, each of them with its phases.
//
//   main_job                 against the embedded origin
//   main_job URL [URL ...]   fetches them through one client
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <hearth/hearth.hpp>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "origin_process.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using boost::system::error_code;

double milliseconds(hearth::timings::duration value) {
    return std::chrono::duration<double, std::milli>(value).count();
}

double cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct job {
    static constexpr int requests = 20'000;
    static constexpr int concurrency = 64;
    static constexpr int threads = 4;

    std::atomic<int> begun{0};
    std::atomic<int> ok{0};
    std::atomic<int> failed{0};
    std::mutex mutex;  // guards what follows
    std::vector<double> latencies_ms;
    std::string first_error;
};

/// Keeps one request in flight until all have been begun.
void send_next(hearth::client& client, const std::string& url, job& state) {
    if (state.begun.fetch_add(1) >= job::requests) return;
    client.async_send(
        {hearth::method::get, url}, [&](error_code error, const hearth::response& response) {
            const bool good = !error && response.status == 200;
            {
                const std::lock_guard lock(state.mutex);
                state.latencies_ms.push_back(milliseconds(response.timings.total));
                if (!good && state.first_error.empty()) {
                    state.first_error = error.message() + " " + response.failure.detail;
                }
            }
            send_next(client, url, state);
            ++(good ? state.ok : state.failed);
        });
}

void show_progress(const job& state) {
    const bool live = ::isatty(STDERR_FILENO) != 0;
    int shown = -1;
    for (;;) {
        const int done = state.ok + state.failed;
        const int tenth = done * 10 / job::requests;
        if (live || tenth != shown) {
            std::fprintf(stderr, "%s%6d of %d answered, %d failed%s", live ? "\r" : "", done,
                         job::requests, state.failed.load(), live ? "" : "\n");
            shown = tenth;
        }
        if (done == job::requests) break;
        std::this_thread::sleep_for(50ms);
    }
    if (live) std::fprintf(stderr, "\n");
}

int run_job() {
    const example::origin_process origin;  // before any thread exists
    hearth::config settings;
    hearth::tls_options trust;
    trust.ca_pem = origin.ca_pem();
    settings.tls.profile = hearth::tls_profile::make(trust);
    settings.pool.max_connections_per_origin = job::concurrency;
    hearth::client client(settings);

    job state;
    state.latencies_ms.reserve(job::requests);
    const std::string url = origin.url() + "/bytes/100";
    const double cpu_before = cpu_seconds();
    const auto before = clock_type::now();
    std::vector<std::thread> callers;
    for (int t = 0; t < job::threads; ++t) {
        callers.emplace_back([&] {
            for (int i = 0; i < job::concurrency / job::threads; ++i) {
                send_next(client, url, state);
            }
        });
    }
    for (std::thread& caller : callers) caller.join();
    show_progress(state);
    const double wall = std::chrono::duration<double>(clock_type::now() - before).count();
    const double cpu = cpu_seconds() - cpu_before;

    const hearth::origin_stats total = client.stats().total();
    auto& all = state.latencies_ms;
    std::sort(all.begin(), all.end());
    const auto quantile = [&](double q) {
        return all[static_cast<std::size_t>(q * static_cast<double>(all.size() - 1))];
    };
    std::printf("requests            %d\n", job::requests);
    std::printf("ok                  %d\n", state.ok.load());
    std::printf("connections opened  %llu\n", static_cast<unsigned long long>(total.opened));
    std::printf("handshakes          %llu full, %llu resumed\n",
                static_cast<unsigned long long>(total.handshakes_full),
                static_cast<unsigned long long>(total.handshakes_resumed));
    std::printf("latency             p50 %.2f ms, p99 %.2f ms\n", quantile(0.5), quantile(0.99));
    std::printf("client CPU          %.1f us per request (user and system, handshakes included)\n",
                cpu * 1e6 / job::requests);
    std::printf("rate                %.0f requests per second\n", job::requests / wall);
    if (state.failed != 0) std::printf("first error         %s\n", state.first_error.c_str());
    return state.failed == 0 ? 0 : 1;
}

void print_phases(const hearth::response& r) {
    const hearth::timings& t = r.timings;
    std::printf(
        "  phases    queued %.2f, name %.2f, connect %.2f, TLS %.2f, first byte %.2f, "
        "body %.2f, total %.2f ms\n",
        milliseconds(t.queued), milliseconds(t.name), milliseconds(t.connect),
        milliseconds(t.handshake), milliseconds(t.first_byte), milliseconds(t.body),
        milliseconds(t.total));
    const hearth::connection_info& c = r.connection;
    if (c.peer_address.empty()) return;
    std::printf("  address   %s, %s connection", c.peer_address.c_str(),
                c.reused ? "reused" : "new");
    if (c.tls) {
        std::printf(", %s (%s)%s", std::string(c.tls_version).c_str(),
                    std::string(c.tls_cipher).c_str(),
                    c.tls_resumed ? ", resumed" : ", full handshake");
    }
    std::printf("\n");
}

int fetch(int count, char** urls) {
    hearth::client client;
    int failed = 0;
    for (int i = 0; i < count; ++i) {
        error_code error;
        const hearth::response response = client.send({hearth::method::get, urls[i]}, error);
        std::printf("%s\n", urls[i]);
        if (error) {
            ++failed;
            std::printf("  failed in phase %s: %s\n",
                        std::string(hearth::to_string(response.failure.phase)).c_str(),
                        error.message().c_str());
            if (!response.failure.detail.empty()) {
                std::printf("  cause     %s\n", response.failure.detail.c_str());
            }
        } else {
            std::printf("  status    %u, %zu octets\n", response.status, response.body.size());
        }
        print_phases(response);
    }
    return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return argc > 1 ? fetch(argc - 1, argv + 1) : run_job();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
