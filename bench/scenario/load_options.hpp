// What every rival of hearth_load takes and prints: the same options, the same JSON line, so that
// one harness runs them side by side. Clock and CPU count from after the warm-up.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "../command_line.hpp"
#include "../json_line.hpp"
#include "../process.hpp"

namespace bench {

struct load_options {
    std::string host;
    std::string port;
    std::string path;
    std::string url;
    std::string ca;
    std::uint64_t concurrency = 1;
    std::uint64_t requests = 1;
    std::uint64_t warmup = 0;
};

inline load_options parse_load_options(int count, char** values) {
    load_options result;
    arguments given(count, values);
    while (!given.is_empty()) {
        const std::string_view option = given.take_option();
        if (option == "--url") {
            result.url = given.take_value();
        } else if (option == "--ca") {
            result.ca = given.take_value();
        } else if (option == "--proto") {
            if (given.take_value() != "h1") unsupported("--proto");
        } else if (option == "--concurrency") {
            result.concurrency = given.take_number(1, 100'000);
        } else if (option == "--requests") {
            result.requests = given.take_number(1, 1'000'000'000);
        } else if (option == "--warmup") {
            result.warmup = given.take_number(0, 1'000'000'000);
        } else {
            given.refuse();
        }
    }
    // https://host:port/path, as the harness writes it.
    const std::size_t host = result.url.find("://") + 3;
    const std::size_t port = result.url.find(':', host);
    const std::size_t path = result.url.find('/', host);
    if (!result.url.starts_with("https://") || port > path || path == std::string::npos) {
        usage_error("--url is https://HOST:PORT/PATH.");
    }
    result.host = result.url.substr(host, port - host);
    result.port = result.url.substr(port + 1, path - port - 1);
    result.path = result.url.substr(path);
    return result;
}

/// Latencies and counts of one run.
class load_record {
public:
    explicit load_record(const load_options& given) : given_(given) {
        latencies_us_.reserve(given.requests);
        begin_ = cost::now();
    }

    [[nodiscard]] bool may_start() const { return started_ < given_.warmup + given_.requests; }
    void on_start() { ++started_; }
    /// True when the last answer is in.
    bool on_answer(std::chrono::steady_clock::time_point started, bool ok, std::size_t bytes) {
        ++answered_;
        if (answered_ == given_.warmup) {
            begin_ = cost::now();
            return false;
        }
        if (answered_ > given_.warmup) {
            const auto took = std::chrono::steady_clock::now() - started;
            latencies_us_.push_back(static_cast<std::uint32_t>(
                std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
            (ok ? ok_ : errors_) += 1;
            bytes_ += bytes;
        }
        return answered_ == given_.warmup + given_.requests;
    }
    int print(std::uint64_t connections) {
        const cost end = cost::now();
        std::sort(latencies_us_.begin(), latencies_us_.end());
        const auto quantile = [&](double share) {
            const auto last = static_cast<double>(latencies_us_.size() - 1);
            return latencies_us_[static_cast<std::size_t>(last * share)];
        };
        const double wall = std::chrono::duration<double>(end.when - begin_.when).count();
        json_line()
            .number("requests", given_.requests)
            .number("ok", ok_)
            .number("errors", errors_)
            .number("wall_s", wall)
            .number("cpu_user_s", end.user_s - begin_.user_s)
            .number("cpu_sys_s", end.system_s - begin_.system_s)
            .number("rps", static_cast<double>(given_.requests) / wall)
            .number("p50_us", quantile(0.5))
            .number("p99_us", quantile(0.99))
            .number("bytes", bytes_)
            .number("max_rss_kib", end.max_rss_kib)
            .number("connections", connections)
            .print();
        return ok_ == given_.requests ? 0 : 1;
    }

private:
    const load_options& given_;
    cost begin_;
    std::vector<std::uint32_t> latencies_us_;
    std::uint64_t started_ = 0;
    std::uint64_t answered_ = 0;
    std::uint64_t ok_ = 0;
    std::uint64_t errors_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace bench
