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
    std::string upload;     // PUT this file; empty: GET.
    std::string sink_path;  // Bodies go there; empty: they are dropped.
    std::uint64_t concurrency = 1;
    std::uint64_t requests = 1;
    std::uint64_t warmup = 0;
    std::uint64_t idle = 0;
    bool is_tls = true;
    bool is_http2 = false;
    bool uses_new_connections = false;
    bool resumes = true;
};

/// Splits http[s]://host:port/path, as the harness writes it.
inline void split_url(load_options& given) {
    given.is_tls = given.url.starts_with("https://");
    const std::size_t host = given.is_tls ? 8 : 7;
    const std::size_t port = given.url.find(':', host);
    const std::size_t path = given.url.find('/', host);
    if ((!given.is_tls && !given.url.starts_with("http://")) || port > path ||
        path == std::string::npos) {
        usage_error("--url is http[s]://HOST:PORT/PATH.");
    }
    given.host = given.url.substr(host, port - host);
    given.port = given.url.substr(port + 1, path - port - 1);
    given.path = given.url.substr(path);
}

/// False: it is none of the options that have a value.
inline bool take_load_option(load_options& given, arguments& from, std::string_view option) {
    constexpr std::uint64_t many = 1'000'000'000;
    if (option == "--url") {
        given.url = from.take_value();
    } else if (option == "--ca") {
        given.ca = from.take_value();
    } else if (option == "--concurrency") {
        given.concurrency = from.take_number(1, 100'000);
    } else if (option == "--requests") {
        given.requests = from.take_number(1, many);
    } else if (option == "--warmup") {
        given.warmup = from.take_number(0, many);
    } else if (option == "--upload") {
        given.upload = from.take_value();
    } else if (option == "--idle") {
        given.idle = from.take_number(1, 100'000);
    } else if (option == "--resume") {
        given.resumes = from.take_number(0, 1) == 1;
    } else {
        return false;
    }
    return true;
}

inline load_options parse_load_options(int count, char** values) {
    load_options result;
    arguments given(count, values);
    while (!given.is_empty()) {
        const std::string_view option = given.take_option();
        if (take_load_option(result, given, option)) continue;
        if (option == "--proto") {
            result.is_http2 = given.take_value() == "h2";
        } else if (option == "--sink") {
            const std::string sink = given.take_value();
            if (sink.starts_with("file:")) result.sink_path = sink.substr(5);
        } else if (option == "--new-connections") {
            result.uses_new_connections = true;
        } else if (option == "--threads") {
            if (given.take_number(1, 256) != 1) unsupported("--threads");
        } else {
            given.refuse();
        }
    }
    split_url(result);
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
    bool on_answer(std::chrono::steady_clock::time_point started, bool ok, std::uint64_t bytes) {
        ++answered_;
        const auto took =
            static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                           std::chrono::steady_clock::now() - started)
                                           .count());
        if (answered_ == 1) first_us_ = took;
        if (answered_ == given_.warmup) {
            begin_ = cost::now();
            return false;
        }
        if (answered_ > given_.warmup) {
            latencies_us_.push_back(took);
            (ok ? ok_ : errors_) += 1;
            bytes_ += bytes;
        }
        return answered_ == given_.warmup + given_.requests;
    }
    void on_resumed() { ++resumed_; }
    /// Memory before and after opening idle connections.
    void set_resident(std::uint64_t before, std::uint64_t after) {
        before_kib_ = before;
        idle_kib_ = after;
    }
    int print(std::uint64_t connections) {
        const cost end = cost::now();
        std::sort(latencies_us_.begin(), latencies_us_.end());
        const auto quantile = [&](double share) {
            if (latencies_us_.empty()) return std::uint32_t{0};
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
            .number("first_us", first_us_)
            .number("rss0_kib", before_kib_)
            .number("rss_idle_kib", idle_kib_)
            .number("resumed", resumed_)
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
    std::uint64_t resumed_ = 0;
    std::uint64_t before_kib_ = 0;
    std::uint64_t idle_kib_ = 0;
    std::uint32_t first_us_ = 0;
};

}  // namespace bench
