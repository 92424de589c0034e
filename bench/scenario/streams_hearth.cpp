// HTTP/2 exchanges that do not end as their servers think, one line of JSON:
//
//   streams_hearth cancel --url URL --ca FILE --requests N --concurrency N [--upload-url URL]
//                  [--seed N]
//     GETs, every tenth a POST of 100,000 octets; half of all get a deadline at a
//     random moment of the time that the others take.
//   streams_hearth downloads --url URL --ca FILE --concurrency N [--idle-readers N]
//     N GETs at once, read to the end; `--idle-readers` of them never read a single octet.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <hearth/hearth.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "../command_line.hpp"
#include "../json_line.hpp"
#include "../process.hpp"

namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

constexpr std::size_t upload_bytes = 100'000;
// What an exchange is thought to take before one has ended.
constexpr std::uint64_t first_guess_us = 2'000;

struct options {
    std::string url;
    std::string upload_url;
    std::string ca;
    std::uint64_t requests = 1;
    std::uint64_t concurrency = 1;
    std::uint64_t idle_readers = 0;
    std::uint64_t seed = 1;
    bool cancels = false;
};

options parse(int argc, char** argv) {
    options result;
    if (argc < 2) bench::usage_error("cancel or downloads?");
    result.cancels = std::string_view(argv[1]) == "cancel";
    bench::arguments given(argc - 1, argv + 1);
    while (!given.is_empty()) {
        const std::string_view option = given.take_option();
        if (option == "--url") {
            result.url = given.take_value();
        } else if (option == "--upload-url") {
            result.upload_url = given.take_value();
        } else if (option == "--ca") {
            result.ca = given.take_value();
        } else if (option == "--requests") {
            result.requests = given.take_number(1, 1'000'000'000);
        } else if (option == "--concurrency") {
            result.concurrency = given.take_number(1, 100'000);
        } else if (option == "--idle-readers") {
            result.idle_readers = given.take_number(0, 100'000);
        } else if (option == "--seed") {
            result.seed = given.take_number(0, UINT64_MAX);
        } else {
            given.refuse();
        }
    }
    return result;
}

void print_pool(bench::json_line& line, const hearth::origin_stats& sum) {
    const auto closed = [&](hearth::close_reason why) {
        return sum.closed_by_reason[static_cast<std::size_t>(why)];
    };
    line.number("opened", sum.opened)
        .number("open", sum.open)
        .number("closed_by_peer", closed(hearth::close_reason::peer))
        .number("closed_by_peer_error", closed(hearth::close_reason::peer_error))
        .number("streams_reset", sum.streams_reset)
        .number("drained", sum.drained);
}

// A call begins when one ends; the last one to end wakes `wait`.
class cancel_storm {
public:
    cancel_storm(hearth::client& client, const options& given)
        : client_(client), given_(given), random_(given.seed), upload_(upload_bytes, 'u') {}

    void run() {
        for (std::uint64_t i = 0; i < given_.concurrency; ++i) begin_next();
        done_.get_future().wait();
    }

    void print() const {
        bench::json_line line;
        line.number("requests", given_.requests)
            .number("ok", ok_.load())
            .number("cancelled", cancelled_.load())
            .number("siblings_failed", siblings_failed_.load());
        print_pool(line, client_.stats().total());
        line.number("rss_kib_after_10_percent", early_rss_kib_.load())
            .number("rss_kib_last", bench::resident_kib());
        for (const auto& [what, count] : failures_) line.number("failure: " + what, count);
        line.print();
    }

private:
    void begin_next() {
        const std::uint64_t number = begun_++;
        if (number >= given_.requests) return;
        hearth::request wanted{hearth::method::get, given_.url};
        if (number % 10 == 9 && !given_.upload_url.empty()) {
            wanted = {hearth::method::post, given_.upload_url};
            wanted.body = hearth::body(upload_);
        }
        const bool is_cancelled = number % 2 == 0;
        if (is_cancelled) wanted.deadline = hearth::in(random_time());
        const auto begin = std::chrono::steady_clock::now();
        client_.async_send(std::move(wanted), [this, is_cancelled, begin](
                                                  error_code error, const hearth::response& got) {
            if (!is_cancelled) note(std::chrono::steady_clock::now() - begin);
            if (!error) {
                ++ok_;
            } else if (is_cancelled) {
                ++cancelled_;
            } else {
                ++siblings_failed_;
                const std::lock_guard lock(mutex_);
                ++failures_[error.message() + " " + got.failure.detail];
            }
            const std::uint64_t completed = ++completed_;
            if (completed == given_.requests / 10) early_rss_kib_ = bench::resident_kib();
            if (completed == given_.requests) return done_.set_value();
            begin_next();
        });
    }

    std::chrono::microseconds random_time() {
        const std::lock_guard lock(mutex_);
        return std::chrono::microseconds(random_() % typical_us_);
    }

    void note(std::chrono::nanoseconds took) {
        const std::lock_guard lock(mutex_);
        const auto us = static_cast<std::uint64_t>(took.count()) / 1000;
        typical_us_ = std::max<std::uint64_t>((typical_us_ * 15 + us) / 16, 1);
    }

    hearth::client& client_;
    const options& given_;
    std::mutex mutex_;
    std::mt19937_64 random_;
    std::uint64_t typical_us_ = first_guess_us;  // what exchanges take that are not cancelled
    const std::string upload_;
    std::promise<void> done_;
    std::atomic<std::uint64_t> begun_{0};
    std::atomic<std::uint64_t> completed_{0};
    std::atomic<std::uint64_t> ok_{0};
    std::atomic<std::uint64_t> cancelled_{0};
    std::atomic<std::uint64_t> siblings_failed_{0};
    std::atomic<std::uint64_t> early_rss_kib_{0};
    std::map<std::string, std::uint64_t> failures_;
};

// Bodies read to the end and thrown away, but for those of callers that never read.
class downloads {
public:
    downloads(hearth::client& client, const options& given)
        : client_(client), given_(given), left_(given.concurrency - given.idle_readers) {}

    void run() {
        const auto begin = std::chrono::steady_clock::now();
        for (std::uint64_t i = 0; i < given_.concurrency; ++i) {
            client_.async_open({hearth::method::get, given_.url},
                               [this, reads = i >= given_.idle_readers](error_code error,
                                                                        hearth::exchange opened) {
                                   auto one = std::make_shared<download>(std::move(opened));
                                   const std::lock_guard lock(mutex_);
                                   if (!reads) return idle_.push_back(one);
                                   if (error) return end(error);
                                   read(one);
                               });
        }
        done_.get_future().wait();
        seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }

    void print() {
        bench::json_line line;
        line.number("requests", given_.concurrency)
            .number("idle_readers", given_.idle_readers)
            .number("failed", failed_.load())
            .number("bytes", bytes_.load())
            .number("seconds", seconds_);
        print_pool(line, client_.stats().total());
        line.number("rss_kib_last", bench::resident_kib()).print();
        const std::lock_guard lock(mutex_);
        idle_.clear();
    }

private:
    struct download {
        explicit download(hearth::exchange opened) : exchange(std::move(opened)) {}
        hearth::exchange exchange;
        std::vector<char> buffer = std::vector<char>(64 * 1024);
    };

    void read(const std::shared_ptr<download>& one) {
        one->exchange.async_read_some(boost::asio::buffer(one->buffer),
                                      [this, one](error_code error, std::size_t size) {
                                          bytes_ += size;
                                          if (!error) return read(one);
                                          end(error);
                                      });
    }

    void end(error_code error) {
        if (error != boost::asio::error::eof) ++failed_;
        if (--left_ == 0) done_.set_value();
    }

    hearth::client& client_;
    const options& given_;
    std::mutex mutex_;
    std::vector<std::shared_ptr<download>> idle_;
    std::promise<void> done_;
    std::atomic<std::uint64_t> left_;
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> failed_{0};
    double seconds_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    const options given = parse(argc, argv);
    hearth::config settings;
    settings.io.threads = 1;
    settings.protocol = hearth::protocol_policy::http2_only;
    settings.tls.profile = hearth::tls_profile::make({.ca_file = given.ca});
    hearth::client client(settings);
    if (given.cancels) {
        cancel_storm storm(client, given);
        storm.run();
        storm.print();
    } else {
        downloads all(client, given);
        all.run();
        all.print();
    }
    return 0;
}
