// hearth_load: the same work as any load client, measured from inside. One JSON line on stdout.
//
//   hearth_load --url URL [--url URL]... --ca FILE --proto h1 --concurrency N --requests N
//       [--warmup N] [--upload FILE] [--sink null|file:PATH] [--new-connections] [--resume 0|1]
//       [--idle N] [--threads N] [--deadline-ms N] [--unprotected]
//
// More URLs, of other origins, are for every n-th slot.
//
// With a deadline each request has one, so that all there is against overload looks at it;
// `--unprotected` switches that off.
//
// Each of N slots sends a request, and the next when its response has ended, all on the client's
// own threads. The first responses are streamed; as soon as one was small, whole bodies are
// received, which is cheaper.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <future>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "command_line.hpp"
#include "hearth/client.hpp"
#include "json_line.hpp"
#include "process.hpp"

namespace {

using boost::system::error_code;
using std::chrono::steady_clock;

struct options {
    std::string url;
    std::vector<std::string> other_urls;  // more than one --url: of other origins, in turn
    std::string ca;
    std::uint64_t concurrency = 0;
    std::uint64_t requests = 0;
    std::uint64_t warmup = 0;
    bool http2 = false;
    std::string upload;
    std::string sink_path;  // Empty: bodies are dropped.
    bool uses_new_connections = false;
    bool resumes = true;
    std::uint64_t idle = 0;
    std::uint32_t threads = 1;
    std::chrono::milliseconds deadline{};  // 0: none
    bool is_protected = true;
};

options parse(int count, char** values) {
    constexpr std::uint64_t many = 1'000'000'000;
    options result;
    bench::arguments given(count, values);
    while (!given.is_empty()) {
        const std::string_view option = given.take_option();
        if (option == "--url") {
            std::string url = given.take_value();
            if (result.url.empty())
                result.url = std::move(url);
            else
                result.other_urls.push_back(std::move(url));
        } else if (option == "--ca")
            result.ca = given.take_value();
        else if (option == "--proto") {
            const std::string proto = given.take_value();
            if (proto != "h1" && proto != "h2") bench::usage_error("--proto is h1 or h2.");
            result.http2 = proto == "h2";
        } else if (option == "--concurrency")
            result.concurrency = given.take_number(1, 1'000'000);
        else if (option == "--requests")
            result.requests = given.take_number(1, many);
        else if (option == "--warmup")
            result.warmup = given.take_number(0, many);
        else if (option == "--upload")
            result.upload = given.take_value();
        else if (option == "--sink") {
            const std::string sink = given.take_value();
            if (sink.starts_with("file:"))
                result.sink_path = sink.substr(5);
            else if (sink != "null")
                bench::usage_error("--sink is null or file:PATH.");
        } else if (option == "--new-connections")
            result.uses_new_connections = true;
        else if (option == "--deadline-ms")
            result.deadline = std::chrono::milliseconds(given.take_number(0, 3'600'000));
        else if (option == "--unprotected")
            result.is_protected = false;
        else if (option == "--resume")
            result.resumes = given.take_number(0, 1) == 1;
        else if (option == "--idle")
            result.idle = given.take_number(1, 1'000'000);
        else if (option == "--threads") {
            result.threads = static_cast<std::uint32_t>(given.take_number(1, 256));
        } else
            given.refuse();
    }
    if (result.url.empty()) bench::usage_error("--url is missing.");
    if (result.idle == 0 && (result.concurrency == 0 || result.requests == 0)) {
        bench::usage_error("--concurrency and --requests are needed.");
    }
    return result;
}

// Every rule against overload off, as in a pool that has none.
void remove_protection(hearth::config& config) {
    config.overload.ration_dials = false;
    config.overload.refuse_late = false;
    config.overload.target.reset();
    config.overload.schedule_handshakes = false;
    config.overload.keep_dials = false;
    config.pool.on_cancel = hearth::cancel_policy::close;
}

hearth::config make_config(const options& given) {
    const std::uint32_t possible = bench::raise_descriptor_limit();
    const std::uint64_t wanted = given.idle != 0 ? given.idle + 1 : given.concurrency;
    if (wanted > possible) {
        bench::usage_error("The limit of file descriptors allows " + std::to_string(possible) +
                           " connections only (ulimit -Hn).");
    }
    hearth::config config;
    config.pool.max_connections = static_cast<std::uint32_t>(wanted);
    config.pool.max_connections_per_origin = static_cast<std::uint32_t>(wanted);
    config.pool.max_waiters = 1'000'000;
    config.io.threads = given.threads;
    config.protocol =
        given.http2 ? hearth::protocol_policy::http2_only : hearth::protocol_policy::http1_only;
    config.tls.profile =
        hearth::tls_profile::make({.ca_file = given.ca, .session_resumption = given.resumes});
    if (!given.is_protected) remove_protection(config);
    return config;
}

bool is_success(unsigned status) { return status >= 200 && status < 300; }

// A file that stays open; -1 if there is none.
class open_file {
public:
    open_file() = default;
    open_file(const std::string& path, int flags) : number_(::open(path.c_str(), flags, 0644)) {
        if (number_ < 0) bench::usage_error("Cannot open " + path + ".");
    }
    ~open_file() {
        if (number_ >= 0) ::close(number_);
    }
    open_file(const open_file&) = delete;
    open_file& operator=(const open_file&) = delete;

    [[nodiscard]] int number() const { return number_; }
    [[nodiscard]] std::uint64_t size_bytes() const {
        struct stat about {};
        if (number_ < 0 || ::fstat(number_, &about) != 0) return 0;
        return static_cast<std::uint64_t>(about.st_size);
    }
    [[nodiscard]] bool write_at(std::uint64_t offset, const char* bytes, std::size_t size) const {
        while (size != 0) {
            const ssize_t written = ::pwrite(number_, bytes, size, static_cast<off_t>(offset));
            if (written <= 0) return false;
            bytes += written;
            offset += static_cast<std::uint64_t>(written);
            size -= static_cast<std::size_t>(written);
        }
        return true;
    }

private:
    int number_ = -1;
};

class load {
public:
    explicit load(const options& given)
        : given_(given),
          upload_(given.upload.empty() ? open_file() : open_file(given.upload, O_RDONLY)),
          sink_(given.sink_path.empty() ? open_file()
                                        : open_file(given.sink_path, O_WRONLY | O_CREAT | O_TRUNC)),
          client_(make_config(given)) {
        template_.url = given.url;
        if (given.uses_new_connections) template_.headers.set("connection", "close");
        if (!given.upload.empty()) {
            template_.method = hearth::method::put;
            template_.body = hearth::file_range{upload_.number(), 0, upload_.size_bytes()};
        }
    }

    // Returns whether every request was answered.
    bool run() {
        const std::uint64_t all = given_.warmup + given_.requests;
        latencies_us_.resize(all);
        slots_.resize(std::min(given_.concurrency, all));
        warm_up();
        for (slot& one : slots_) one.ok = one.errors = one.bytes = 0;
        const bench::cost begin = bench::cost::now();
        run_until(all);
        const bench::cost end = bench::cost::now();
        return report(begin, end);
    }

private:
    // A request at a time, touched by one handler at a time.
    struct slot {
        std::uint64_t index = 0;
        steady_clock::time_point started;
        std::uint64_t ok = 0;
        std::uint64_t errors = 0;
        std::uint64_t bytes = 0;       // Of all its bodies.
        std::uint64_t body_bytes = 0;  // Of the present one.
        bool is_ok = false;
        hearth::exchange exchange;
        std::vector<char> buffer;
    };

    static constexpr std::size_t buffer_bytes = 256 * 1024;
    static constexpr std::uint64_t small_body_bytes = 256 * 1024;

    // The pool opens no connection before it is needed and rations the handshakes; what is measured
    // is work on as many as were asked for. The first request finds none.
    void warm_up() {
        const bool keeps_many = !given_.http2 && !given_.uses_new_connections;
        if (!given_.other_urls.empty()) return run_until(given_.warmup);
        if (given_.warmup > 1 && given_.concurrency > 1 && keeps_many) {
            run_until(1);
            const auto where = hearth::origin::parse(given_.url);
            if (where) client_.warm(*where, static_cast<std::uint32_t>(given_.concurrency));
        }
        run_until(given_.warmup);
    }

    void run_until(std::uint64_t end) {
        end_ = end;
        if (next_ >= end) return;
        std::latch done(static_cast<std::ptrdiff_t>(slots_.size()));
        done_ = &done;
        for (slot& one : slots_) send_next(one);
        done.wait();
        next_ = end;  // Every slot has asked for one more than there was.
    }

    void send_next(slot& one) {
        one.index = next_.fetch_add(1, std::memory_order_relaxed);
        if (one.index >= end_) {
            done_->count_down();
            return;
        }
        one.started = steady_clock::now();
        one.body_bytes = 0;
        if (is_streaming_.load(std::memory_order_relaxed)) {
            client_.async_open(next_request(one),
                               [this, &one](error_code error, hearth::exchange opened) {
                                   on_open(one, error, std::move(opened));
                               });
            return;
        }
        client_.async_send(next_request(one),
                           [this, &one](error_code error, const hearth::response& got) {
                               on_response(one, error, got);
                           });
    }

    [[nodiscard]] hearth::request next_request(const slot& one) const {
        hearth::request what = template_;
        const auto number = static_cast<std::size_t>(&one - slots_.data());
        if (const std::size_t at = number % (given_.other_urls.size() + 1); at != 0) {
            what.url = given_.other_urls[at - 1];
        }
        if (given_.deadline != std::chrono::milliseconds{0}) {
            what.deadline = one.started + given_.deadline;
        }
        return what;
    }

    void on_response(slot& one, error_code error, const hearth::response& got) {
        one.is_ok = is_success(got.status);
        take_body(one, got.body.data(), got.body.size());
        finish(one, error);
    }

    void on_open(slot& one, error_code error, hearth::exchange opened) {
        if (error) {
            finish(one, error);
            return;
        }
        one.exchange = std::move(opened);
        one.exchange.async_read_head([this, &one](error_code failed, hearth::response_head head) {
            one.is_ok = is_success(head.status);
            if (failed)
                finish(one, failed);
            else
                read_more(one);
        });
    }

    void read_more(slot& one) {
        if (sink_.number() >= 0) {
            read_to_sink(one);
            return;
        }
        if (one.buffer.empty()) one.buffer.resize(buffer_bytes);
        one.exchange.async_read_some(boost::asio::buffer(one.buffer),
                                     [this, &one](error_code error, std::size_t size) {
                                         take_body(one, one.buffer.data(), size);
                                         if (!error)
                                             read_more(one);
                                         else if (error == boost::asio::error::eof)
                                             finish(one, {});
                                         else
                                             finish(one, error);
                                     });
    }

    // Every body goes to the start of the file, as if each had opened it anew.
    void read_to_sink(slot& one) {
        constexpr std::uint64_t all = std::uint64_t{1} << 40U;
        one.exchange.async_read_to(
            {sink_.number(), 0, all}, [this, &one](error_code error, std::size_t size) {
                one.body_bytes += size;
                finish(one, error == boost::asio::error::eof ? error_code() : error);
            });
    }

    void take_body(slot& one, const char* bytes, std::size_t size) {
        if (sink_.number() >= 0 && !sink_.write_at(one.body_bytes, bytes, size)) one.is_ok = false;
        one.body_bytes += size;
    }

    void finish(slot& one, error_code error) {
        const auto took = steady_clock::now() - one.started;
        latencies_us_[one.index] = static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(took).count());
        one.exchange = {};
        if (error || !one.is_ok) {
            ++one.errors;
            complain(error);
        } else {
            ++one.ok;
            is_streaming_.store(one.body_bytes > small_body_bytes, std::memory_order_relaxed);
        }
        one.bytes += one.body_bytes;
        send_next(one);
    }

    void complain(error_code error) {
        if (has_complained_.exchange(true)) return;
        std::fprintf(stderr, "First failure: %s\n",
                     error ? error.message().c_str() : "the status was not 2xx.");
    }

    bool report(const bench::cost& begin, const bench::cost& end) {
        slot sum;
        for (const slot& one : slots_) {
            sum.ok += one.ok;
            sum.errors += one.errors;
            sum.bytes += one.bytes;
        }
        const std::uint32_t first_us = latencies_us_.front();
        const auto measured = latencies_us_.begin() + static_cast<std::ptrdiff_t>(given_.warmup);
        std::sort(measured, latencies_us_.end());
        const auto quantile = [&](double share) {
            const auto last = static_cast<double>(latencies_us_.end() - measured - 1);
            return measured[static_cast<std::ptrdiff_t>(last * share)];
        };
        const hearth::origin_stats total = client_.stats().total();
        const double wall_s = std::chrono::duration<double>(end.when - begin.when).count();
        const std::uint64_t uploaded = upload_.size_bytes() * sum.ok;
        bench::json_line()
            .number("requests", given_.requests)
            .number("ok", sum.ok)
            .number("errors", sum.errors)
            .number("wall_s", wall_s)
            .number("cpu_user_s", end.user_s - begin.user_s)
            .number("cpu_sys_s", end.system_s - begin.system_s)
            .number("rps", static_cast<double>(given_.requests) / wall_s)
            .number("p50_us", quantile(0.5))
            .number("p99_us", quantile(0.99))
            .number("bytes", sum.bytes + uploaded)
            .number("max_rss_kib", end.max_rss_kib)
            .number("connections", total.opened - total.failed_dials)
            .number("first_us", first_us)
            .number("rss0_kib", 0)
            .number("rss_idle_kib", 0)
            .number("resumed", total.handshakes_resumed)
            .print();
        return sum.ok == given_.requests;
    }

    const options given_;
    const open_file upload_;
    const open_file sink_;
    hearth::client client_;
    hearth::request template_;
    std::vector<slot> slots_;
    std::vector<std::uint32_t> latencies_us_;  // By index of the request.
    std::atomic<std::uint64_t> next_{0};
    std::uint64_t end_ = 0;
    std::latch* done_ = nullptr;
    std::atomic<bool> is_streaming_{true};
    std::atomic<bool> has_complained_{false};
};

// N + 1 connections that are all in use at once, each answering a request, and then all idle.
class idle_run {
public:
    explicit idle_run(const options& given) : given_(given), client_(make_config(given)) {}

    bool run() {
        const bench::cost begin = bench::cost::now();
        open_and_answer(1);
        const double first_us =
            std::chrono::duration<double, std::micro>(steady_clock::now() - begin.when).count();
        const std::uint64_t rss0 = bench::resident_kib();
        // The idle connection takes one of them, so that N are new.
        open_and_answer(given_.idle + 1);
        const bench::cost end = bench::cost::now();
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        const std::uint64_t rss_idle = bench::resident_kib();

        const hearth::origin_stats total = client_.stats().total();
        const std::uint64_t requests = given_.idle + 2;
        const double wall_s = std::chrono::duration<double>(end.when - begin.when).count();
        const bool is_complete = ok_ == requests && total.idle == given_.idle + 1;
        if (!is_complete) {
            std::fprintf(stderr, "Answered %llu of %llu; %llu connections are idle.\n",
                         static_cast<unsigned long long>(ok_),
                         static_cast<unsigned long long>(requests),
                         static_cast<unsigned long long>(total.idle));
        }
        bench::json_line()
            .number("requests", requests)
            .number("ok", ok_)
            .number("errors", requests - ok_)
            .number("wall_s", wall_s)
            .number("cpu_user_s", end.user_s - begin.user_s)
            .number("cpu_sys_s", end.system_s - begin.system_s)
            .number("rps", static_cast<double>(requests) / wall_s)
            .number("p50_us", 0)
            .number("p99_us", 0)
            .number("bytes", bytes_)
            .number("max_rss_kib", bench::cost::now().max_rss_kib)
            .number("connections", total.opened - total.failed_dials)
            .number("first_us", static_cast<std::uint64_t>(first_us))
            .number("rss0_kib", rss0)
            .number("rss_idle_kib", rss_idle)
            .number("resumed", total.handshakes_resumed)
            .print();
        return is_complete;
    }

private:
    // Dials at once; below the time a handshake may wait for its turn.
    static constexpr std::size_t batch = 128;

    void open_and_answer(std::uint64_t count) {
        hearth::request request;
        request.url = given_.url;
        // Unread, so that none becomes idle before all are open.
        std::vector<hearth::exchange> held(count);
        for (std::size_t at = 0; at < count; at += batch) {
            const std::size_t end = std::min<std::size_t>(at + batch, count);
            std::latch opened(static_cast<std::ptrdiff_t>(end - at));
            for (std::size_t i = at; i < end; ++i) {
                client_.async_open(request, [&, i](error_code error, hearth::exchange exchange) {
                    if (error) std::fprintf(stderr, "Open: %s\n", error.message().c_str());
                    held[i] = std::move(exchange);
                    opened.count_down();
                });
            }
            opened.wait();
        }
        for (hearth::exchange& one : held) {
            if (one.is_open() && read_all(one)) ++ok_;
        }
    }

    bool read_all(hearth::exchange& from) {
        const auto status = std::make_shared<std::promise<unsigned>>();
        from.async_read_head([status](error_code error, const hearth::response_head& head) {
            status->set_value(error ? 0 : head.status);
        });
        if (!is_success(status->get_future().get())) return false;
        for (;;) {
            const auto read = std::make_shared<std::promise<error_code>>();
            from.async_read_some(boost::asio::buffer(buffer_),
                                 [this, read](error_code error, std::size_t size) {
                                     bytes_ += size;
                                     read->set_value(error);
                                 });
            const error_code error = read->get_future().get();
            if (error) return error == boost::asio::error::eof;
        }
    }

    const options given_;
    hearth::client client_;
    std::array<char, 16 * 1024> buffer_{};
    std::uint64_t ok_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace

int main(int count, char** values) {
    const options given = parse(count, values);
    try {
        const bool is_complete =
            given.idle != 0 ? idle_run(given).run() : std::make_unique<load>(given)->run();
        return is_complete ? 0 : 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
