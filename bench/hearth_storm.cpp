// hearth_storm: arrivals that do not wait. Open loop: arrival i is due at start + i * interval
// whatever earlier ones do, and is cancelled at its due time + deadline. One JSON line on stdout.
//
//   hearth_storm --url https://HOST:PORT --ca FILE --interval-us N --duration-s N --deadline-ms N
//       --delay-ms N --slow-ms N --slow-fraction F --seed N [--max-conns N] [--warm N]
//       [--stall-at-s T --stall-for-ms M]
//
// Arrivals, client and counting share the client's one thread, so that one CPU carries all of it.

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "hearth/client.hpp"
#include "json_line.hpp"
#include "process.hpp"

namespace {

using boost::system::error_code;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using time_point = steady_clock::time_point;

constexpr std::uint64_t bin_ms = 100;

struct options {
    std::string url;
    std::string ca;
    std::uint64_t interval_us = 0;
    std::uint64_t duration_s = 0;
    std::uint64_t deadline_ms = 0;
    std::uint64_t delay_ms = 0;
    std::uint64_t slow_ms = 0;
    double slow_fraction = 0;
    std::uint64_t seed = 1;
    std::uint64_t max_conns = 0;
    std::uint64_t warm = 0;
    double stall_at_s = -1;
    std::uint64_t stall_for_ms = 0;
    bool http2 = false;
};

double take_real(bench::arguments& given, std::string_view option, double high) {
    const std::string text = given.take_value();
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || !(value >= 0) || value > high) {
        bench::usage_error(std::string(option) + " takes a number from 0 to " +
                           std::to_string(high) + ", not '" + text + "'.");
    }
    return value;
}

options parse(int count, char** values) {
    constexpr std::uint64_t many = 1'000'000'000;
    options result;
    const std::map<std::string_view, std::uint64_t*> numbers = {
        {"--interval-us", &result.interval_us},
        {"--duration-s", &result.duration_s},
        {"--deadline-ms", &result.deadline_ms},
        {"--delay-ms", &result.delay_ms},
        {"--slow-ms", &result.slow_ms},
        {"--max-conns", &result.max_conns},
        {"--warm", &result.warm},
        {"--stall-for-ms", &result.stall_for_ms},
    };
    bench::arguments given(count, values);
    while (!given.is_empty()) {
        const std::string_view option = given.take_option();
        if (const auto number = numbers.find(option); number != numbers.end()) {
            *number->second = given.take_number(0, many);
        } else if (option == "--url") {
            result.url = given.take_value();
        } else if (option == "--ca") {
            result.ca = given.take_value();
        } else if (option == "--slow-fraction") {
            result.slow_fraction = take_real(given, option, 1);
        } else if (option == "--stall-at-s") {
            result.stall_at_s = take_real(given, option, 1e6);
        } else if (option == "--seed") {
            result.seed = given.take_number(0, UINT64_MAX);
        } else if (option == "--h2") {
            result.http2 = true;
        } else {
            given.refuse();
        }
    }
    if (result.url.empty() || result.interval_us == 0 || result.duration_s == 0 ||
        result.deadline_ms == 0) {
        bench::usage_error("--url, --interval-us, --duration-s and --deadline-ms are needed.");
    }
    // Over HTTP/2 all share one connection: one request warms it.
    if (result.http2) result.warm = std::min<std::uint64_t>(result.warm, 1);
    return result;
}

class splitmix64 {
public:
    explicit splitmix64(std::uint64_t seed) : state_(seed) {}
    double unit() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
    }

private:
    std::uint64_t state_;
};

hearth::config make_config(const options& given) {
    const std::uint32_t possible = bench::raise_descriptor_limit();
    hearth::config config;
    config.io.threads = 1;
    config.protocol =
        given.http2 ? hearth::protocol_policy::http2_only : hearth::protocol_policy::http1_only;
    config.pool.max_connections = std::min<std::uint32_t>(possible, 60'000);
    config.pool.max_connections_per_origin = given.max_conns == 0
                                                 ? config.pool.max_connections
                                                 : static_cast<std::uint32_t>(given.max_conns);
    // No more than connections, of which there are more than the default expects.
    config.pool.max_draining_per_origin = config.pool.max_connections_per_origin;
    config.tls.profile =
        hearth::tls_profile::make({.ca_file = given.ca, .session_resumption = false});
    return config;
}

double seconds(steady_clock::duration value) {
    return std::chrono::duration<double>(value).count();
}

double cpu(const bench::cost& from, const bench::cost& to) {
    return to.user_s + to.system_s - from.user_s - from.system_s;
}

class storm {
public:
    explicit storm(const options& given)
        : given_(given),
          client_(make_config(given)),
          timer_(client_.get_executor()),
          draws_(given.seed),
          total_(given.duration_s * 1'000'000 / given.interval_us) {
        const std::size_t bins = given.duration_s * 1000 / bin_ms;
        bin_offered_.resize(bins);
        bin_ok_.resize(bins);
        sec_ok_.resize(given.duration_s);
        sec_timeouts_.resize(given.duration_s);
        sec_opened_.resize(given.duration_s);
        latencies_.reserve(total_);
    }

    void run() {
        const bench::cost begin = bench::cost::now();
        warm_up();
        warm_stats_ = client_.stats().total();
        conns_warm_ = warm_stats_.open;
        opened_before_ = warm_stats_.opened;
        const bench::cost start = bench::cost::now();
        cpu_warm_ = cpu(begin, start);
        boost::asio::post(client_.get_executor(), [this] {
            start_ = steady_clock::now();
            next_second_ = 1;
            tick();
        });
        finished_.get_future().wait();
        const bench::cost end = bench::cost::now();
        report(cpu(start, end), seconds(end.when - start.when));
    }

private:
    [[nodiscard]] std::string path(std::uint64_t delay) const {
        return given_.url + "/d/" + std::to_string(delay);
    }

    // Ready connections, and then a request on each, so that the origin has seen them all.
    void warm_up() {
        if (given_.warm == 0) return;
        const auto where = hearth::origin::parse(given_.url);
        if (!where) bench::usage_error("--url is not an origin.");
        client_.warm(*where, static_cast<std::uint32_t>(given_.warm));
        std::promise<void> done;
        std::atomic<std::uint64_t> left{given_.warm};
        for (std::uint64_t i = 0; i < given_.warm; ++i) {
            client_.async_send(
                {hearth::method::get, path(400)}, [&](error_code error, const hearth::response&) {
                    if (error) {
                        std::fprintf(stderr, "warm-up: %s\n", error.message().c_str());
                    }
                    if (--left == 0) done.set_value();
                });
        }
        done.get_future().wait();
    }

    // Starts what is due, then sleeps until the next arrival.
    void tick() {
        const time_point now = steady_clock::now();
        while (begun_ < total_ && due(begun_) <= now) arrive(begun_++, now);
        if (now >= start_ + std::chrono::seconds(next_second_) &&
            next_second_ <= given_.duration_s) {
            count_opened(next_second_++ - 1);
        }
        if (begun_ == total_) {
            if (ended_ == total_) finish();
            return;
        }
        timer_.expires_at(due(begun_));
        timer_.async_wait([this](error_code error) {
            if (!error) tick();
        });
    }

    [[nodiscard]] time_point due(std::uint64_t index) const {
        return start_ + microseconds(index * given_.interval_us);
    }

    [[nodiscard]] bool is_stalled(std::uint64_t index) const {
        if (given_.stall_at_s < 0) return false;
        const double at = static_cast<double>(index * given_.interval_us) / 1e6;
        return at >= given_.stall_at_s &&
               at < given_.stall_at_s + static_cast<double>(given_.stall_for_ms) / 1e3;
    }

    void arrive(std::uint64_t index, time_point now) {
        const bool slow = draws_.unit() < given_.slow_fraction || is_stalled(index);
        const time_point when = due(index);
        if (now - when > milliseconds(1)) ++late_starts_;
        if (!slow) {
            ++nonslow_;
            ++bin_offered_[bin(index)];
        }
        peak_inflight_ = std::max(peak_inflight_, begun_ + 1 - ended_);
        hearth::request request{hearth::method::get, path(slow ? given_.slow_ms : given_.delay_ms)};
        request.deadline = when + milliseconds(given_.deadline_ms);
        client_.async_send(std::move(request),
                           [this, index, slow](error_code error, const hearth::response& got) {
                               on_answer(index, slow, error, got);
                           });
    }

    [[nodiscard]] std::size_t bin(std::uint64_t index) const {
        return std::min<std::size_t>(index * given_.interval_us / (bin_ms * 1000),
                                     bin_offered_.size() - 1);
    }

    void on_answer(std::uint64_t index, bool slow, error_code error, const hearth::response& got) {
        ++ended_;
        const auto took = steady_clock::now() - due(index);
        const bool in_time = took <= milliseconds(given_.deadline_ms);
        const bool ok = !error && got.status == 200 && in_time;
        const std::size_t second =
            std::min<std::size_t>(index * given_.interval_us / 1'000'000, sec_ok_.size() - 1);
        if (ok) {
            ++ok_;
            ++sec_ok_[second];
            if (!slow) {
                ++nonslow_ok_;
                ++bin_ok_[bin(index)];
            }
        } else if (!error || error == hearth::errc_condition::timeout ||
                   error == hearth::errc::overloaded) {  // refused unsent, would have been late
            ++timeouts_;
            ++sec_timeouts_[second];
        } else {
            ++errors_;
            ++error_kinds_[error.message()];
        }
        if (!slow) {
            const double ms = std::chrono::duration<double, std::milli>(took).count();
            latencies_.push_back(ok ? ms : static_cast<double>(given_.deadline_ms));
        }
        if (ended_ == total_ && begun_ == total_) finish();
    }

    void count_opened(std::size_t second) {
        client_.async_stats([this, second](const hearth::stats& now) {
            const std::uint64_t opened = now.total().opened;
            sec_opened_[second] = opened - opened_before_ - opened_seen_;
            opened_seen_ = opened - opened_before_;
        });
    }

    void finish() {
        client_.async_stats([this](const hearth::stats& now) {
            total_stats_ = now.total();
            opened_ = total_stats_.opened - opened_before_;
            sec_opened_.back() += opened_ - std::min(opened_, opened_seen_);
            finished_.set_value();
        });
    }

    static std::uint64_t handshakes(const hearth::origin_stats& from) {
        return from.handshakes_full + from.handshakes_resumed;
    }
    // Connections that a cancelled exchange cost.
    [[nodiscard]] std::uint64_t closed_by_cancel() const {
        std::uint64_t sum = 0;
        for (const auto reason :
             {hearth::close_reason::cancelled, hearth::close_reason::drain_limit,
              hearth::close_reason::gave_way}) {
            sum += total_stats_.closed_by_reason[static_cast<std::size_t>(reason)];
        }
        return sum;
    }

    void report(double cpu_s, double wall_s) {
        std::sort(latencies_.begin(), latencies_.end());
        const auto quantile = [&](double share) {
            if (latencies_.empty()) return 0.0;
            const auto last = static_cast<double>(latencies_.size() - 1);
            return latencies_[static_cast<std::size_t>(last * share)];
        };
        const double goodput =
            nonslow_ == 0 ? 1.0 : static_cast<double>(nonslow_ok_) / static_cast<double>(nonslow_);
        bench::json_line()
            .number("sent", total_)
            .number("ok", ok_)
            .number("timeouts", timeouts_)
            .number("errors", errors_)
            .counts("error_kinds", error_kinds_)
            .number("nonslow", nonslow_)
            .number("nonslow_ok", nonslow_ok_)
            .number("goodput", goodput)
            .number("p50_ms", quantile(0.5))
            .number("p99_ms", quantile(0.99))
            .number("p999_ms", quantile(0.999))
            .number("cpu_s", cpu_s)
            .number("wall_s", wall_s)
            .number("cpu_warm_s", cpu_warm_)
            .number("conns_warm", conns_warm_)
            .number("conns_opened", opened_)
            .number("late_starts", late_starts_)
            .number("peak_inflight", peak_inflight_)
            .number("maxrss_mb", static_cast<double>(bench::cost::now().max_rss_kib) / 1024)
            .numbers("sec_ok", sec_ok_)
            .numbers("sec_timeouts", sec_timeouts_)
            .numbers("sec_opened", sec_opened_)
            .number("hs", handshakes(total_stats_) - handshakes(warm_stats_))
            .number("hs_useful", total_stats_.handshakes_useful - warm_stats_.handshakes_useful)
            .number("hs_resumed", total_stats_.handshakes_resumed - warm_stats_.handshakes_resumed)
            .number("hs_cpu_s", seconds(total_stats_.handshake_cpu - warm_stats_.handshake_cpu))
            .number("hs_cpu_useful_s",
                    seconds(total_stats_.handshake_cpu_useful - warm_stats_.handshake_cpu_useful))
            .number("drained", total_stats_.drained - warm_stats_.drained)
            .number("cancel_closed", closed_by_cancel())
            .number("queue_timeouts", total_stats_.queue_timeouts)
            .number("queue_hopeless", total_stats_.queue_hopeless)
            .number("queue_shed", total_stats_.queue_shed)
            .number("bin_ms", bin_ms)
            .numbers("bin_offered", bin_offered_)
            .numbers("bin_ok", bin_ok_)
            .print();
    }

    // Everything below is touched on the client's thread only, once the storm has begun.
    const options given_;
    hearth::client client_;
    boost::asio::steady_timer timer_;
    splitmix64 draws_;
    const std::uint64_t total_;
    time_point start_;
    std::uint64_t next_second_ = 0;
    std::uint64_t begun_ = 0;
    std::uint64_t ended_ = 0;
    std::uint64_t ok_ = 0;
    std::uint64_t timeouts_ = 0;
    std::uint64_t errors_ = 0;
    std::map<std::string, std::uint64_t> error_kinds_;
    std::uint64_t nonslow_ = 0;
    std::uint64_t nonslow_ok_ = 0;
    std::uint64_t late_starts_ = 0;
    std::uint64_t peak_inflight_ = 0;
    std::uint64_t conns_warm_ = 0;
    std::uint64_t opened_before_ = 0;
    std::uint64_t opened_seen_ = 0;
    std::uint64_t opened_ = 0;
    hearth::origin_stats warm_stats_;
    hearth::origin_stats total_stats_;
    double cpu_warm_ = 0;
    std::vector<double> latencies_;
    std::vector<std::uint64_t> bin_offered_;
    std::vector<std::uint64_t> bin_ok_;
    std::vector<std::uint64_t> sec_ok_;
    std::vector<std::uint64_t> sec_timeouts_;
    std::vector<std::uint64_t> sec_opened_;
    std::promise<void> finished_;
};

}  // namespace

int main(int argc, char** argv) {
    try {
        storm(parse(argc, argv)).run();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
