// A storm against an embedded TLS origin, twice: with the protections of the library, and without.
// Calls begin at a fixed rate, whatever earlier ones do, and each has a deadline. Meanwhile the
// origin stalls for half a second, is restarted, and answers some calls late. In between the calls
// pause and the client may connect anew: one that has collapsed comes back only then.
//
//   storm [--quick] [--interval-us N] [--picture FILE]
//
// The client is one thread on one CPU, the origin a process on another. The rate is chosen from
// what this machine takes for a handshake and for a warm call (`choose_pace`): the CPU can carry
// all calls on warm connections several times over, but by far not a handshake for each.
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <hearth/hearth.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "origin_process.hpp"
#include "storm_picture.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using boost::system::error_code;
using std::chrono::duration;

constexpr auto deadline = 50ms;
constexpr auto stalled_for = 500ms;  // what `origin_process::stall` does
constexpr unsigned warm_connections = 100;
constexpr double slow_share = 0.03;

enum class happening { nothing, stall, pause, restart, slow_calls };

/// From `at_s` until the next one.
struct scene {
    double at_s;
    happening what;
    const char* name;
};

struct script {
    std::vector<scene> scenes;
    double length_s;
};

script full_script() {
    return {{{0, happening::nothing, "calm"},
             {6, happening::stall, "stalls 500 ms"},
             {18, happening::pause, "pause"},
             {20, happening::nothing, "after a pause"},
             {24, happening::restart, "restart"},
             {36, happening::pause, "pause"},
             {38, happening::nothing, "after a pause"},
             {42, happening::slow_calls, "3 % slow calls"}},
            56};
}
script quick_script() {
    return {{{0, happening::nothing, "calm"},
             {1, happening::stall, "stalls 500 ms"},
             {3, happening::pause, "pause"},
             {4, happening::restart, "restart"},
             {6, happening::pause, "pause"},
             {7, happening::slow_calls, "3 % slow calls"}},
            9};
}

double cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Both storms, and the origins: each connection is a descriptor.
unsigned raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 768;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    (void)::getrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<unsigned>(std::clamp<rlim_t>(limit.rlim_cur, 512, 20'192) - 192);
}

hearth::config protected_config(const example::origin_process& origin, unsigned connections) {
    hearth::config settings;
    settings.io.threads = 1;
    settings.pool.max_connections = connections;
    settings.pool.max_connections_per_origin = connections;
    hearth::tls_options trust;
    trust.ca_pem = origin.ca_pem();
    trust.session_resumption = false;  // every handshake is a full one, as with a new certificate
    settings.tls.profile = hearth::tls_profile::make(trust);
    return settings;
}

hearth::config without_protections(hearth::config settings) {
    settings.overload.ration_dials = false;
    settings.overload.refuse_late = false;
    settings.overload.target.reset();
    settings.overload.schedule_handshakes = false;
    settings.overload.keep_dials = false;
    settings.pool.on_cancel = hearth::cancel_policy::close;
    return settings;
}

struct outcome {
    example::course course;
    std::uint64_t calls = 0;
    std::uint64_t answered = 0;
    std::uint64_t handshakes = 0;
    double handshake_cpu_s = 0;
    double cpu_s = 0;
};

class storm {
public:
    storm(hearth::config settings, example::origin_process& origin, const script& plan,
          clock_type::duration interval)
        : origin_(origin),
          plan_(plan),
          interval_(interval),
          client_(std::move(settings)),
          timer_(client_.get_executor()) {
        const auto bins = static_cast<std::size_t>(plan.length_s * example::bins_per_second);
        result_.course.offered.resize(bins);
        result_.course.in_time.resize(bins);
    }

    outcome run() {
        const auto where = hearth::origin::parse(origin_.url());
        (void)client_.warm(*where, warm_connections);
        const hearth::origin_stats before = client_.stats().total();
        const double cpu_before = cpu_seconds();
        boost::asio::post(client_.get_executor(), [this] {
            start_ = clock_type::now();
            tick();
        });
        finished_.get_future().wait();
        const hearth::origin_stats after = client_.stats().total();
        result_.handshakes = after.handshakes_full - before.handshakes_full;
        result_.handshake_cpu_s =
            duration<double>(after.handshake_cpu - before.handshake_cpu).count();
        result_.cpu_s = cpu_seconds() - cpu_before;
        return std::move(result_);
    }

private:
    // Begins the calls that are due, then sleeps until the next.
    void tick() {
        const auto now = clock_type::now();
        while (begun_ * interval_ < duration<double>(plan_.length_s) && due() <= now) {
            enter_scene();
            begin_call();
            ++begun_;
        }
        while (now - start_ >= std::chrono::seconds(shown_ + 1)) show_second(shown_++);
        if (begun_ * interval_ >= duration<double>(plan_.length_s) && in_flight_ == 0) {
            while (shown_ <= static_cast<int>(plan_.length_s)) show_second(shown_++);
            return finished_.set_value();
        }
        timer_.expires_at(std::max(due(), now + 50us));
        timer_.async_wait([this](error_code error) {
            if (!error) tick();
        });
    }
    [[nodiscard]] clock_type::time_point due() const { return start_ + begun_ * interval_; }
    [[nodiscard]] double due_s() const { return duration<double>(begun_ * interval_).count(); }

    void enter_scene() {
        if (next_scene_ == plan_.scenes.size() || due_s() < plan_.scenes[next_scene_].at_s) return;
        const scene& entered = plan_.scenes[next_scene_++];
        now_playing_ = entered.what;
        if (now_playing_ == happening::stall) {
            origin_.stall();
            stall_ends_ = due() + stalled_for;
        }
        if (now_playing_ == happening::restart) origin_.restart();
        // Whoever runs a client that is down would stop its calls and let it connect anew.
        if (now_playing_ == happening::pause) {
            client_.async_warm(*hearth::origin::parse(origin_.url()), warm_connections,
                               [](error_code, std::uint32_t) {});
        }
    }

    void begin_call() {
        if (now_playing_ == happening::pause) return;
        const bool is_slow = now_playing_ == happening::slow_calls &&
                             static_cast<double>(++drawn_ % 100) < slow_share * 100;
        const bool counts = !is_slow && due() >= stall_ends_;
        const auto bin = std::min(static_cast<std::size_t>(due_s() * example::bins_per_second),
                                  result_.course.offered.size() - 1);
        if (counts) ++result_.course.offered[bin];
        ++result_.calls;
        ++in_flight_;
        hearth::request request{hearth::method::get,
                                origin_.url() + (is_slow ? "/d/1000" : "/d/5")};
        request.deadline = due() + deadline;
        client_.async_send(std::move(request), [this, bin, counts, by = due() + deadline](
                                                   error_code error, const auto& response) {
            --in_flight_;
            if (error || response.status != 200 || clock_type::now() > by) return;
            ++result_.answered;
            if (counts) ++result_.course.in_time[bin];
        });
    }

    // A line of the second before: its calls are over.
    void show_second(int second) {
        if (second == 0) return;
        const auto from = static_cast<std::size_t>(second - 1) * example::bins_per_second;
        std::uint32_t offered = 0;
        std::uint32_t in_time = 0;
        for (std::size_t i = from; i < from + example::bins_per_second; ++i) {
            offered += result_.course.offered[i];
            in_time += result_.course.in_time[i];
        }
        if (offered == 0) {
            std::fprintf(stderr, "%3d s      0 calls %60s  %s\n", second - 1, "",
                         scene_at(second - 1));
            return;
        }
        const double share = static_cast<double>(in_time) / offered;
        const std::string bar(static_cast<std::size_t>(share * 40 + 0.5), '#');
        std::fprintf(stderr, "%3d s  %5u calls  %5.1f %% in time  %-40s  %s\n", second - 1, offered,
                     share * 100, bar.c_str(), scene_at(second - 1));
    }
    [[nodiscard]] const char* scene_at(double second) const {
        const char* name = "";
        for (const scene& one : plan_.scenes) {
            if (one.at_s <= second) name = one.name;
        }
        return name;
    }

    // All but the constants and the promise is touched on the client's thread, once the storm runs.
    example::origin_process& origin_;
    const script& plan_;
    const clock_type::duration interval_;
    outcome result_;
    clock_type::time_point start_;
    clock_type::time_point stall_ends_ = clock_type::time_point::min();
    std::int64_t begun_ = 0;
    std::size_t next_scene_ = 0;
    happening now_playing_ = happening::nothing;
    std::uint64_t drawn_ = 0;
    std::uint64_t in_flight_ = 0;
    int shown_ = 0;
    std::promise<void> finished_;
    hearth::client client_;  // after what its handlers touch
    boost::asio::steady_timer timer_;
};

// Calls without a pause, so many at a time: what both sides can carry on warm connections.
class closed_loop {
public:
    static constexpr int calls = 4000;

    closed_loop(hearth::client& client, std::string url) : client_(client), url_(std::move(url)) {}

    /// Wall time per call.
    clock_type::duration run() {
        const auto began = clock_type::now();
        boost::asio::post(client_.get_executor(), [this] {
            for (int i = 0; i < at_once; ++i) next();
        });
        finished_.get_future().wait();
        if (failed_) throw boost::system::system_error(failed_, "a call without any disturbance");
        return (clock_type::now() - began) / calls;
    }

private:
    static constexpr int at_once = 32;

    void next() {
        if (begun_ == calls) return;
        ++begun_;
        hearth::request request{hearth::method::get, url_};
        request.deadline = clock_type::now() + 10s;
        client_.async_send(std::move(request), [this](error_code error, const auto&) {
            if (error) failed_ = error;
            if (++ended_ == calls) return finished_.set_value();
            next();
        });
    }

    hearth::client& client_;
    const std::string url_;
    int begun_ = 0;  // on the client's thread
    int ended_ = 0;
    error_code failed_;
    std::promise<void> finished_;
};

// What this machine takes.
struct costs {
    clock_type::duration handshake;  ///< CPU of the client for a full one.
    clock_type::duration call;       ///< CPU of the client for a warm call.
    clock_type::duration carried;    ///< Between two warm calls at the most either side can do.
};

costs measure_costs(const hearth::config& settings, const example::origin_process& origin) {
    hearth::client client(settings);
    (void)client.warm(*hearth::origin::parse(origin.url()), warm_connections);
    const hearth::origin_stats total = client.stats().total();
    const double cpu_before = cpu_seconds();
    closed_loop loop(client, origin.url() + "/");
    costs found{};
    found.carried = loop.run();
    const duration<double> cpu(cpu_seconds() - cpu_before);
    found.call = std::chrono::duration_cast<clock_type::duration>(cpu) / closed_loop::calls;
    const auto handshakes = static_cast<std::int64_t>(total.handshakes_full);
    found.handshake = total.handshake_cpu / std::max<std::int64_t>(handshakes, 1);
    return found;
}

// Between two calls. A client without protections stays down when the calls that one patience
// brings want far more handshakes than the CPU can finish within it; a few would do, for a
// connection that got through serves ten calls in that time. Four to a handshake are enough by far,
// and do not bring it down before anything has happened; two and a half times what the slower side
// needs for a warm call leave room for everything else.
clock_type::duration choose_pace(const costs& found) {
    const auto wanted = found.handshake / 4;
    const auto possible = found.carried * 5 / 2;
    return std::clamp<clock_type::duration>(std::max(wanted, possible), 50us, 2ms);
}

struct stretch {
    double goodput = 1;
    double back_s = -1;  ///< From its beginning to the first second with 99 % in time; -1: none.
};

stretch measure(const example::course& course, double from_s, double to_s) {
    const auto from = static_cast<std::size_t>(from_s * example::bins_per_second);
    const auto to = static_cast<std::size_t>(to_s * example::bins_per_second);
    const auto share = [&](std::size_t first, std::size_t last) {
        double offered = 0;
        double in_time = 0;
        for (std::size_t i = first; i < last; ++i) {
            offered += course.offered[i];
            in_time += course.in_time[i];
        }
        return offered == 0 ? 1.0 : in_time / offered;
    };
    stretch found{.goodput = share(from, to)};
    const auto second = static_cast<std::size_t>(example::bins_per_second);
    for (std::size_t i = from; i + second <= to && found.back_s < 0; ++i) {
        const bool counts = course.offered[i] != 0;
        if (counts && share(i, i + second) >= 0.99) {
            found.back_s = static_cast<double>(i - from) / example::bins_per_second;
        }
    }
    return found;
}

template <class... Values>
void put(std::string& out, const char* format, Values... values) {
    char text[200];
    std::snprintf(text, sizeof text, format, values...);
    out += text;
}

std::string table(const script& plan, const outcome& with, const outcome& without) {
    std::string out;
    put(out, "%-34s%18s%18s\n", "", with.course.name.c_str(), without.course.name.c_str());
    for (std::size_t i = 0; i < plan.scenes.size(); ++i) {
        const scene& one = plan.scenes[i];
        if (one.what == happening::pause) continue;
        const double end = i + 1 < plan.scenes.size() ? plan.scenes[i + 1].at_s : plan.length_s;
        const stretch a = measure(with.course, one.at_s, end);
        const stretch b = measure(without.course, one.at_s, end);
        put(out, "%-14s in time            %16.2f %%%16.2f %%\n", one.name, a.goodput * 100,
            b.goodput * 100);
        if (one.what != happening::stall && one.what != happening::restart) continue;
        const double lost =
            one.what == happening::stall ? duration<double>(stalled_for).count() : 0;
        const auto back = [&](const stretch& s) {
            if (s.back_s < 0) return std::string("never");
            return std::to_string(static_cast<int>(std::max(0.0, s.back_s - lost) * 1000)) + " ms";
        };
        put(out, "%-14s 99 %% in time after %18s%18s\n", "", back(a).c_str(), back(b).c_str());
    }
    const auto ull = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    put(out, "%-34s%18llu%18llu\n", "calls", ull(with.calls), ull(without.calls));
    put(out, "%-34s%18llu%18llu\n", "answered in time", ull(with.answered), ull(without.answered));
    put(out, "%-34s%18llu%18llu\n", "handshakes", ull(with.handshakes), ull(without.handshakes));
    put(out, "%-34s%16.1f %%%16.1f %%\n", "CPU in handshakes, of the client's",
        100 * with.handshake_cpu_s / with.cpu_s, 100 * without.handshake_cpu_s / without.cpu_s);
    put(out, "%-34s%16.0f us%15.0f us\n", "CPU per call answered in time",
        1e6 * with.cpu_s / static_cast<double>(std::max<std::uint64_t>(with.answered, 1)),
        1e6 * without.cpu_s / static_cast<double>(std::max<std::uint64_t>(without.answered, 1)));
    return out;
}

int run(const script& plan, clock_type::duration interval, const std::string& file) {
    const unsigned connections = raise_descriptor_limit();
    const int cpus = static_cast<int>(std::thread::hardware_concurrency());
    hearth::testing::origin_options listen;
    listen.listen.minimum_version = hearth::tls_version::tls_1_3;
    listen.listen.tickets = 0;
    example::origin_process first(listen, cpus > 1 ? cpus - 1 : -1);
    example::origin_process second(listen, cpus > 1 ? cpus - 1 : -1);
    example::run_on(cpus > 1 ? 0 : -1);

    const hearth::config settings = protected_config(first, connections);
    const costs found = measure_costs(settings, first);
    if (interval == clock_type::duration::zero()) interval = choose_pace(found);
    const auto us = [](clock_type::duration d) { return duration<double, std::micro>(d).count(); };
    std::fprintf(
        stderr,
        "here a full handshake takes the client %.0f us of CPU, a warm call %.0f us at the least; "
        "a call begins every %.0f us:\nwarm calls are %.0f %% of the CPU or some more, a handshake "
        "for each would be %.0f %%, and a client that falls into that stays there\n",
        us(found.handshake), us(found.call), us(interval), 100 * us(found.call) / us(interval),
        100 * us(found.handshake) / us(interval));

    std::fprintf(stderr, "\nprotections on\n");
    outcome with = storm(settings, first, plan, interval).run();
    with.course.name = "protections on";
    with.course.color = "#c2410c";
    std::fprintf(stderr, "\nprotections off\n");
    const hearth::config bare = without_protections(protected_config(second, connections));
    outcome without = storm(bare, second, plan, interval).run();
    without.course.name = "off";
    without.course.color = "#6b7280";

    const std::string figures = table(plan, with, without);
    std::printf("\n%s", figures.c_str());
    example::picture picture(plan.length_s);
    for (const scene& one : plan.scenes) picture.add(example::mark{one.at_s, one.name});
    picture.add(without.course);
    picture.add(with.course);
    if (!picture.write(file, figures)) {
        std::fprintf(stderr, "cannot write %s\n", file.c_str());
        return 1;
    }
    std::printf("picture                           %s\n", file.c_str());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    script plan = full_script();
    clock_type::duration interval{};
    std::string file = "storm.html";
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if (option == "--quick") {
            plan = quick_script();
        } else if (option == "--interval-us" && i + 1 < argc) {
            interval = std::chrono::microseconds(std::strtol(argv[++i], nullptr, 10));
        } else if (option == "--picture" && i + 1 < argc) {
            file = argv[++i];
        } else {
            std::fprintf(stderr, "usage: storm [--quick] [--interval-us N] [--picture FILE]\n");
            return 64;
        }
    }
    try {
        return run(plan, interval, file);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
