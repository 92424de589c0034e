// How connections follow names and get around addresses that are in trouble: a client and origins
// on loopback addresses, in real time.
//
//   move         a name moves from one address to another under load; answers live for a second.
//   trouble      of three addresses one is silent, then refuses, then answers ten times slower;
//                connections are replaced all the time. Against a single healthy address.
//   dead-ipv6    the first requests to a host whose IPv6 address is silent.
//   descriptors  1,000 requests at once to 50 origins with 64 descriptors.
//
// The tables are followed by what is promised of them, each with its bound; the exit status is 1 if
// one does not hold. With --smoke everything is short, and only counts are promised, not times.
//
//   names_hearth [--smoke] [move|trouble|dead-ipv6|descriptors]...
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "../command_line.hpp"
#include "../process.hpp"
#include "open_load.hpp"

namespace {

using namespace std::chrono_literals;
using bench::clock_type;
using bench::get;
using bench::load;
using bench::outcome;
using bench::percentile;
using bench::promises;
using boost::system::error_code;
using words = std::vector<std::string>;

// The name service of a scenario: the same addresses for every name, changed at any time.
class names {
public:
    names(words addresses, std::chrono::seconds ttl)
        : state_(std::make_shared<state>()), ttl_(ttl) {
        state_->addresses = std::move(addresses);
    }
    void change(words addresses) {
        const std::lock_guard lock(state_->mutex);
        state_->addresses = std::move(addresses);
    }
    [[nodiscard]] hearth::name_hook hook() const {
        return [state = state_, ttl = ttl_](const std::string& /*name*/,
                                            const std::stop_token& /*stop*/,
                                            const hearth::name_done& done) {
            hearth::name_result result;
            const std::lock_guard lock(state->mutex);
            for (const std::string& one : state->addresses) {
                result.addresses.push_back(boost::asio::ip::make_address(one));
            }
            result.ttl = ttl;
            done(std::move(result));
        };
    }
    [[nodiscard]] hearth::config values() const {
        hearth::config result;
        result.dns.resolver = hearth::resolver_kind::custom;
        result.dns.hook = hook();
        return result;
    }

private:
    struct state {
        std::mutex mutex;
        words addresses;
    };
    std::shared_ptr<state> state_;
    std::chrono::seconds ttl_;
};

hearth::testing::origin_options listen_on(const std::string& address, std::uint16_t port,
                                          bool tls) {
    hearth::testing::origin_options options;
    options.listen.tls = tls;
    options.listen.bind_address = address;
    options.listen.port = port;
    return options;
}

std::shared_ptr<const hearth::tls_profile> trust(const hearth::testing::origin& origin) {
    hearth::tls_options options;
    options.ca_pem = origin.ca_pem();
    return hearth::tls_profile::make(options);
}

std::string host_of(const std::string& peer) { return peer.substr(0, peer.rfind(':')); }

std::vector<double> times_of(const std::vector<outcome>& all, double from = 0.0) {
    std::vector<double> times;
    for (const outcome& one : all) {
        if (one.at >= from) times.push_back(one.took_ms);
    }
    return times;
}

std::uint64_t failed_of(const std::vector<outcome>& all) {
    return static_cast<std::uint64_t>(
        std::count_if(all.begin(), all.end(), [](const outcome& one) { return !one.good; }));
}

void move(bool is_smoke, promises& kept) {
    constexpr double rate = 2000;
    const double seconds = is_smoke ? 3 : 8;
    const double moved_at = is_smoke ? 1 : 3;
    const hearth::testing::origin origin(listen_on("0.0.0.0", 0, true));
    names service({"127.0.0.2"}, 1s);
    hearth::config values = service.values();
    values.tls.profile = trust(origin);
    values.protocol = hearth::protocol_policy::http1_only;
    const std::string url = "https://localhost:" + std::to_string(origin.port()) + "/d/5";
    load caller(
        std::move(values), rate, [&](std::uint64_t) { return get(url, 2s); },
        [&](std::uint64_t second) {
            if (static_cast<double>(second) >= moved_at) service.change({"127.0.0.3"});
        });
    std::uint64_t warm = 0;  // usable connections right before the move
    std::uint64_t least = ~0ULL;
    caller.watch([&](double at, const hearth::stats& seen) {
        const hearth::origin_stats now = seen.total();
        if (at < moved_at) {
            warm = now.idle + now.active;
        } else {
            least = std::min(least, now.idle + now.active);
        }
    });
    const auto results = caller.run(seconds);
    double last_old = moved_at;
    std::uint64_t on_new = 0;
    for (const outcome& one : results) {
        if (host_of(one.peer) == "127.0.0.2") last_old = std::max(last_old, one.at);
        on_new += host_of(one.peer) == "127.0.0.3" ? 1 : 0;
    }
    std::printf("move: 2,000 requests/s over TLS, answers after 5 ms, the name's life 1 s\n");
    std::printf("%10s %8s %10s %14s %12s %12s %14s\n", "requests", "failed", "p99 ms",
                "all on new, s", "warm before", "least after", "requests new");
    std::printf("%10zu %8llu %10.1f %14.2f %12llu %12llu %14llu\n", results.size(),
                static_cast<unsigned long long>(failed_of(results)),
                percentile(times_of(results), 0.99), last_old - moved_at,
                static_cast<unsigned long long>(warm), static_cast<unsigned long long>(least),
                static_cast<unsigned long long>(on_new));
    kept.at_most("move: failed requests", 0, static_cast<double>(failed_of(results)));
    kept.at_least("move: requests on the new address", 1, static_cast<double>(on_new));
    if (is_smoke) return;
    kept.at_most("move: seconds until all traffic is on the new address", 3.0, last_old - moved_at);
    kept.at_least(
        "move: least connections, share of those before", 0.5,
        static_cast<double>(least) / static_cast<double>(std::max<std::uint64_t>(warm, 1)));
}

// Accepts nothing: its queue is full, so the kernel drops whoever knocks.
class silent_listener {
public:
    silent_listener(const std::string& address, std::uint16_t port) {
        const auto parsed = boost::asio::ip::make_address(address);
        boost::asio::ip::tcp::endpoint where(parsed, port);
        const int family = parsed.is_v6() ? AF_INET6 : AF_INET;
        const auto open = [family](int more) { return ::socket(family, SOCK_STREAM | more, 0); };
        sockets_.push_back(open(SOCK_CLOEXEC));
        const int on = 1;
        (void)::setsockopt(sockets_[0], SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        const auto size = static_cast<socklen_t>(where.size());
        is_silent_ = ::bind(sockets_[0], where.data(), size) == 0 && ::listen(sockets_[0], 0) == 0;
        for (int i = 0; i < 4; ++i) {
            sockets_.push_back(open(SOCK_CLOEXEC | SOCK_NONBLOCK));
            (void)::connect(sockets_.back(), where.data(), size);
        }
    }
    ~silent_listener() {
        for (const int one : sockets_) ::close(one);
    }
    silent_listener(const silent_listener&) = delete;
    silent_listener& operator=(const silent_listener&) = delete;
    [[nodiscard]] bool is_silent() const { return is_silent_; }

private:
    std::vector<int> sockets_;
    bool is_silent_ = false;
};

struct trouble_row {
    std::vector<outcome> results;
    hearth::origin_stats origin;

    /// Attempts to connect that came to nothing.
    [[nodiscard]] std::uint64_t in_vain() const {
        std::uint64_t sum = 0;
        for (const hearth::address_stats& one : origin.addresses) sum += one.failures;
        return sum;
    }
};

// A fresh client whose connections carry 100 requests each, so that the addresses matter all along.
trouble_row run_trouble(const words& addresses, std::uint16_t port, double seconds) {
    const names service(addresses, 60s);
    hearth::config values = service.values();
    values.pool.max_exchanges_per_connection = 100;
    values.addresses.balance = hearth::address_balance::least_loaded;
    const std::string url = "http://shop.test:" + std::to_string(port) + "/work";
    load caller(std::move(values), 500, [&](std::uint64_t) { return get(url, 10s); }, {});
    trouble_row row;
    row.results = caller.run(seconds);
    row.origin = caller.stats().origins.at(0);
    return row;
}

void print_trouble(const char* what, const trouble_row& row) {
    const auto times = times_of(row.results);
    std::printf("%-28s %8zu %7llu %8.1f %8.1f %8.1f %7llu %8llu\n", what, row.results.size(),
                static_cast<unsigned long long>(failed_of(row.results)), percentile(times, 0.5),
                percentile(times, 0.99), percentile(times, 1.0),
                static_cast<unsigned long long>(row.origin.opened),
                static_cast<unsigned long long>(row.in_vain()));
}

void trouble(bool is_smoke, promises& kept) {
    const double seconds = is_smoke ? 0.5 : 6;
    const auto serve = [](const std::string& address, std::uint16_t port,
                          std::chrono::milliseconds takes) {
        auto origin = std::make_unique<hearth::testing::origin>(listen_on(address, port, false));
        origin->on("/work",
                   [takes](const hearth::testing::request_view&, hearth::testing::responder reply) {
                       reply.delay(takes);
                       reply.answer({});
                   });
        return origin;
    };
    auto first = serve("127.0.0.2", 0, 5ms);
    const std::uint16_t port = first->port();
    const auto second = serve("127.0.0.3", port, 5ms);
    const auto third = serve("127.0.0.4", port, 5ms);
    const words all = {"127.0.0.2", "127.0.0.3", "127.0.0.4"};

    std::printf("trouble: 500 requests/s, answers after 5 ms, 100 requests a connection\n");
    std::printf("%-28s %8s %7s %8s %8s %8s %7s %8s\n", "", "requests", "failed", "p50 ms", "p99 ms",
                "max ms", "dials", "in vain");
    const trouble_row single = run_trouble({"127.0.0.3"}, port, seconds);
    print_trouble("a single healthy address", single);
    print_trouble("three healthy addresses", run_trouble(all, port, seconds));
    first.reset();
    std::map<std::string, trouble_row> rows;
    {
        const silent_listener silent("127.0.0.2", port);
        kept.at_least("trouble: the silent address is silent", 1, silent.is_silent() ? 1 : 0);
        rows["one of three silent"] = run_trouble(all, port, seconds);
        print_trouble("one of three silent", rows["one of three silent"]);
    }
    rows["one of three refuses"] = run_trouble(all, port, seconds);
    print_trouble("one of three refuses", rows["one of three refuses"]);
    first = serve("127.0.0.2", port, 50ms);
    const trouble_row slow = run_trouble(all, port, seconds);
    print_trouble("one of three 10x slower", slow);

    const double healthy = percentile(times_of(single.results), 0.99);
    for (const auto& [what, row] : rows) {
        kept.at_most(what + ": failed requests", 0, static_cast<double>(failed_of(row.results)));
        if (is_smoke) continue;
        kept.at_least(what + ": attempts in vain", 1, static_cast<double>(row.in_vain()));
        kept.at_most(what + ": p99 against a single healthy one", 2.0,
                     percentile(times_of(row.results), 0.99) / healthy);
        // One delay of 250 ms, and what the healthy ones cost at their worst.
        kept.at_most(
            what + ": the longest, ms, beyond the longest of a healthy one", 260,
            percentile(times_of(row.results), 1.0) - percentile(times_of(single.results), 1.0));
    }
    kept.at_most("one of three 10x slower: failed requests", 0,
                 static_cast<double>(failed_of(slow.results)));
}

void dead_ipv6(bool is_smoke, promises& kept) {
    const hearth::testing::origin origin(listen_on("127.0.0.1", 0, false));
    const silent_listener silent("::1", origin.port());
    if (!silent.is_silent()) {
        std::printf("dead-ipv6: this host has no IPv6 loopback\n");
        return;
    }
    const names service({"::1", "127.0.0.1"}, 60s);
    hearth::client subject(service.values());
    std::printf("dead-ipv6: a host with a silent IPv6 address, connections of their own\n");
    std::vector<double> took;
    for (int i = 0; i < 3; ++i) {
        hearth::request what =
            get("http://shop.test:" + std::to_string(origin.port()) + "/d/0", 10s);
        what.headers.set("connection", "close");
        const auto began = clock_type::now();
        error_code error;
        (void)subject.send(std::move(what), error);
        took.push_back(
            std::chrono::duration<double, std::milli>(clock_type::now() - began).count());
        std::printf("request %d: %.1f ms%s\n", i + 1, took.back(), error ? ", failed" : "");
        kept.at_most("dead-ipv6: request fails", 0, error ? 1 : 0);
    }
    if (is_smoke) return;
    kept.at_most("dead-ipv6: the first request, ms", 300, took[0]);
    kept.at_most("dead-ipv6: the second request, ms", 50, took[1]);
}

struct descriptors_result {
    std::uint64_t answered = 0;
    std::uint64_t explained = 0;
    std::uint64_t other = 0;
    double seconds = 0.0;
    double cpu_seconds = 0.0;
};

// In a process of its own, whose limit it is.
descriptors_result few_descriptors(std::uint16_t port) {
    constexpr int requests = 1000;
    constexpr int origins = 50;
    hearth::config values = names({"127.0.0.1"}, 60s).values();
    values.io.threads = 1;
    hearth::client subject(values);
    rlimit few{};
    ::getrlimit(RLIMIT_NOFILE, &few);
    few.rlim_cur = 64;
    ::setrlimit(RLIMIT_NOFILE, &few);

    descriptors_result result;
    std::mutex mutex;
    std::condition_variable changed;
    int open = requests;
    const bench::cost before = bench::cost::now();
    for (int i = 0; i < requests; ++i) {
        const std::string host = "h" + std::to_string(i % origins) + ".test:";
        subject.async_send(get("http://" + host + std::to_string(port) + "/d/5", 20s),
                           [&](error_code error, const hearth::response& got) {
                               const std::lock_guard lock(mutex);
                               const bool is_answered = !error && got.status == 200;
                               const bool is_explained = error == hearth::errc::descriptor_limit;
                               result.answered += is_answered ? 1 : 0;
                               result.explained += is_explained ? 1 : 0;
                               result.other += is_answered || is_explained ? 0 : 1;
                               if (--open == 0) changed.notify_one();
                           });
    }
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return open == 0; });
    const bench::cost after = bench::cost::now();
    result.seconds = std::chrono::duration<double>(after.when - before.when).count();
    result.cpu_seconds = after.user_s + after.system_s - before.user_s - before.system_s;
    return result;
}

// `fork` comes first: the process has no thread yet.
class limited_child {
public:
    limited_child() {
        if (::pipe(to_child_) != 0 || ::pipe(from_child_) != 0) return;
        child_ = ::fork();
        if (child_ != 0) return;
        ::close(to_child_[1]);
        std::uint16_t port = 0;
        if (::read(to_child_[0], &port, sizeof port) != sizeof port) ::_exit(0);  // not wanted
        const descriptors_result result = few_descriptors(port);
        const ssize_t sent = ::write(from_child_[1], &result, sizeof result);
        ::_exit(sent == sizeof result ? 0 : 1);
    }
    ~limited_child() {
        ::close(to_child_[1]);
        if (child_ > 0) ::waitpid(child_, nullptr, 0);
    }
    limited_child(const limited_child&) = delete;
    limited_child& operator=(const limited_child&) = delete;

    std::optional<descriptors_result> run(std::uint16_t port) {
        ::close(from_child_[1]);
        descriptors_result result;
        if (::write(to_child_[1], &port, sizeof port) != sizeof port ||
            ::read(from_child_[0], &result, sizeof result) != sizeof result) {
            return std::nullopt;
        }
        return result;
    }

private:
    int to_child_[2] = {-1, -1};
    int from_child_[2] = {-1, -1};
    pid_t child_ = -1;
};

void descriptors(limited_child& child, promises& kept) {
    const hearth::testing::origin origin(listen_on("127.0.0.1", 0, false));
    const auto result = child.run(origin.port());
    kept.at_least("descriptors: the process came to an end", 1, result ? 1 : 0);
    if (!result) return;
    std::printf("descriptors: 64, for 1,000 requests at once to 50 origins, answers after 5 ms\n");
    std::printf(
        "answered %llu, refused with the reason %llu, other %llu, in %.2f s with %.2f s of "
        "CPU\n",
        static_cast<unsigned long long>(result->answered),
        static_cast<unsigned long long>(result->explained),
        static_cast<unsigned long long>(result->other), result->seconds, result->cpu_seconds);
    kept.at_least("descriptors: answered, or refused with the reason", 1000,
                  static_cast<double>(result->answered + result->explained));
}

}  // namespace

int main(int argc, char** argv) {
    limited_child child;
    bool is_smoke = false;
    std::vector<std::string> wanted;
    bench::arguments given(argc, argv);
    while (!given.is_empty()) {
        const std::string option(given.take_option());
        if (option == "--smoke") {
            is_smoke = true;
        } else if (option == "move" || option == "trouble" || option == "dead-ipv6" ||
                   option == "descriptors") {
            wanted.push_back(option);
        } else {
            given.refuse();
        }
    }
    if (wanted.empty()) wanted = {"move", "trouble", "dead-ipv6", "descriptors"};
    promises kept;
    for (const std::string& one : wanted) {
        if (one == "move") move(is_smoke, kept);
        if (one == "trouble") trouble(is_smoke, kept);
        if (one == "dead-ipv6") dead_ipv6(is_smoke, kept);
        if (one == "descriptors") descriptors(child, kept);
        std::printf("\n");
    }
    return kept.report() ? 0 : 1;
}
