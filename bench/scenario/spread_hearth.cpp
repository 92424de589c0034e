// One hot origin and two threads of the client. Handlers burn CPU, as an application's would, so
// that one thread cannot answer all: how fast is the second one there, what does it bring, and when
// does it go again? And what it costs to hand a call to another thread and its answer back.
//
//   spread_hearth --url URL --ca FILE [--work-us N] [--seconds N] [--requests N]
#include <atomic>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <future>
#include <hearth/hearth.hpp>
#include <memory>
#include <string>
#include <thread>

#include "../command_line.hpp"
#include "../json_line.hpp"
#include "../process.hpp"

namespace {

using namespace std::chrono_literals;
using boost::system::error_code;
using clock_type = std::chrono::steady_clock;

struct options {
    std::string url;
    std::string ca;
    std::uint64_t work_us = 100;
    std::uint64_t seconds = 3;
    std::uint64_t requests = 10'000;
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
        } else if (option == "--work-us") {
            result.work_us = given.take_number(0, 100'000);
        } else if (option == "--seconds") {
            result.seconds = given.take_number(1, 1'000);
        } else if (option == "--requests") {
            result.requests = given.take_number(1, 10'000'000);
        } else {
            given.refuse();
        }
    }
    return result;
}

hearth::config settings_of(const options& given, std::uint32_t threads) {
    hearth::config settings;
    settings.io.threads = threads;
    settings.protocol = hearth::protocol_policy::http1_only;
    settings.tls.profile = hearth::tls_profile::make({.ca_file = given.ca});
    return settings;
}

std::uint64_t threads_of(const hearth::client& client) { return client.stats().total().threads; }

double seconds_since(clock_type::time_point then) {
    return std::chrono::duration<double>(clock_type::now() - then).count();
}

/// 64 calls at a time, each made by the handler of another, until it is told to end.
class load {
public:
    load(hearth::client& client, const options& given) : client_(client), given_(given) {
        for (int i = 0; i < 64; ++i) {
            ++running_;
            next();
        }
    }
    ~load() {
        ends_ = true;
        while (running_ != 0) std::this_thread::sleep_for(1ms);
    }
    load(const load&) = delete;
    load& operator=(const load&) = delete;
    [[nodiscard]] std::uint64_t answered() const { return answered_; }
    [[nodiscard]] std::uint64_t failed() const { return failed_; }

private:
    void next() {
        client_.async_send(
            {hearth::method::get, given_.url}, [this](error_code error, const hearth::response&) {
                ++(error ? failed_ : answered_);
                const auto until = clock_type::now() + std::chrono::microseconds(given_.work_us);
                while (clock_type::now() < until) {
                }
                if (!ends_) return next();
                --running_;
            });
    }

    hearth::client& client_;
    const options& given_;
    std::atomic<bool> ends_{false};
    std::atomic<int> running_{0};
    std::atomic<std::uint64_t> answered_{0};
    std::atomic<std::uint64_t> failed_{0};
};

struct hot_phase {
    double rate = 0;
    double spread_after_s = -1;
    std::uint64_t failed = 0;
    std::uint64_t threads = 0;
};

/// The rate of the second half: of what it has settled to.
hot_phase run_hot(hearth::client& client, const options& given) {
    hot_phase result;
    const load running(client, given);
    const auto began = clock_type::now();
    const auto half = std::chrono::milliseconds(500 * given.seconds);
    while (clock_type::now() - began < half) {
        std::this_thread::sleep_for(10ms);
        if (result.spread_after_s < 0 && threads_of(client) > 1) {
            result.spread_after_s = seconds_since(began);
        }
    }
    const std::uint64_t before = running.answered();
    const auto middle = clock_type::now();
    std::this_thread::sleep_for(half);
    result.rate = static_cast<double>(running.answered() - before) / seconds_since(middle);
    result.threads = threads_of(client);
    result.failed = running.failed();
    return result;
}

/// Some calls a second, until one thread serves the origin again.
double run_calm(hearth::client& client, const options& given) {
    const auto began = clock_type::now();
    while (threads_of(client) > 1 && clock_type::now() - began < 60s) {
        (void)client.send({hearth::method::get, given.url});
        std::this_thread::sleep_for(20ms);
    }
    return seconds_since(began);
}

/// Calls one after the other; their handlers run on `where`, or where the client is.
struct chain : std::enable_shared_from_this<chain> {
    chain(hearth::client& client_, const options& given, boost::asio::any_io_executor where_)
        : client(client_), url(given.url), left(given.requests), where(std::move(where_)) {}
    void next() {
        auto handler = [self = shared_from_this()](error_code, const hearth::response&) {
            if (self->left-- > 1) return self->next();
            self->done.set_value();
        };
        hearth::request what{hearth::method::get, url};
        if (where) {
            client.async_send(std::move(what), boost::asio::bind_executor(where, handler));
        } else {
            client.async_send(std::move(what), handler);
        }
    }

    hearth::client& client;
    const std::string url;
    std::uint64_t left;
    boost::asio::any_io_executor where;
    std::promise<void> done;
};

/// CPU of the process per call, in us.
double cost_of_chain(hearth::client& client, const options& given,
                     const boost::asio::any_io_executor& where) {
    const auto calls = std::make_shared<chain>(client, given, where);
    const auto before = bench::cost::now();
    calls->next();
    calls->done.get_future().wait();
    const auto after = bench::cost::now();
    const double spent = after.user_s + after.system_s - before.user_s - before.system_s;
    return spent * 1e6 / static_cast<double>(given.requests);
}

/// What a call costs more whose caller lives on another thread.
void measure_hop(const options& given, bench::json_line& out) {
    hearth::client client(settings_of(given, 1));
    (void)client.send({hearth::method::get, given.url});
    boost::asio::io_context context(1);
    auto guard = boost::asio::make_work_guard(context);
    std::thread other([&] { context.run(); });
    double here = 1e9;
    double there = 1e9;
    for (int round = 0; round < 3; ++round) {
        here = std::min(here, cost_of_chain(client, given, {}));
        there = std::min(there, cost_of_chain(client, given, context.get_executor()));
    }
    guard.reset();
    other.join();
    out.number("own_us", here).number("hopping_us", there);
}

}  // namespace

int main(int argc, char** argv) {
    const options given = parse(argc, argv);
    bench::json_line out;
    {
        hearth::client one(settings_of(given, 1));
        const hot_phase alone = run_hot(one, given);
        hearth::client two(settings_of(given, 2));
        const hot_phase both = run_hot(two, given);
        out.number("one_rate", alone.rate)
            .number("two_rate", both.rate)
            .number("threads", both.threads)
            .number("spread_after_s", both.spread_after_s)
            .number("failed", alone.failed + both.failed)
            .number("gathered_after_s", run_calm(two, given))
            .number("threads_in_the_end", threads_of(two));
        const hearth::origin_stats sum = two.stats().total();
        out.number("connections_opened", sum.opened);
    }
    measure_hop(given, out);
    out.print();
    return 0;
}
