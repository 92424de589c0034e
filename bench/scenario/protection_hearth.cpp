// What retries, budgets, breakers, hedges and learned limits are worth, and what they cost: a
// client and an origin in one process, in real time, each scenario once with everything off and
// once on.
//
//   brown-out  the origin answers 503 to 10 % of its requests, then to half, to all, to none.
//   hedge      2 % of the answers take 300 ms, the others 5.
//   capacity   the origin can do 2,000 a second, and is asked for twice that; a tenth is critical.
//   bomb       a body of 1 MiB that decompresses to 1 GiB.
//
// The tables are followed by what is promised of them, each with its bound; the exit status is 1 if
// one does not hold.
//
//   protection_hearth [--seconds N] [--picture FILE] [brown-out|hedge|capacity|bomb]...
#include <sys/resource.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "../command_line.hpp"
#include "hearth/hearth.hpp"
#include "hearth/testing/testing.hpp"
#include "open_load.hpp"

namespace {

using namespace std::chrono_literals;
using bench::clock_type;
using bench::get;
using bench::good_share;
using bench::load;
using bench::outcome;
using bench::percentile;
using bench::plaintext;
using bench::promises;
using boost::system::error_code;

hearth::config everything() {
    hearth::config values;
    values.retry.max_attempts = 3;
    values.retry.statuses = {503};
    values.hedge.enabled = true;
    values.breaker.enabled = true;
    values.concurrency.enabled = true;
    return values;
}

// The goodput of both runs over time, as an SVG.
void draw(const std::string& file, const std::vector<std::vector<outcome>>& runs, double seconds) {
    constexpr double width = 900;
    constexpr double height = 300;
    std::ofstream out(file);
    out << "<svg xmlns='http://www.w3.org/2000/svg' viewBox='-60 -30 1000 380' "
           "font-family='sans-serif' font-size='14'>\n<rect x='-60' y='-30' width='1000' "
           "height='380' fill='white'/>\n";
    for (int percent = 0; percent <= 100; percent += 25) {
        const double y = height * (1.0 - percent / 100.0);
        out << "<line x1='0' x2='" << width << "' y1='" << y << "' y2='" << y
            << "' stroke='#ddd'/><text x='-10' y='" << y + 5 << "' text-anchor='end'>" << percent
            << " %</text>\n";
    }
    const char* const phases[] = {"well", "10 % fail", "50 % fail", "all fail", "recovered"};
    for (int i = 0; i < 5; ++i) {
        const double x = width * i / 5;
        out << "<line x1='" << x << "' x2='" << x << "' y1='0' y2='" << height
            << "' stroke='#bbb'/><text x='" << x + 6 << "' y='-8'>" << phases[i] << "</text>\n";
    }
    const char* const colours[] = {"#c33", "#36c"};
    const char* const names[] = {"everything off", "everything on"};
    for (std::size_t run = 0; run < runs.size(); ++run) {
        out << "<polyline fill='none' stroke-width='2' stroke='" << colours[run] << "' points='";
        for (double at = 0.0; at < seconds; at += 0.25) {
            out << width * at / seconds << ","
                << height * (1.0 - good_share(runs[run], at, at + 0.25)) << " ";
        }
        out << "'/><text x='" << 10 + 140 * static_cast<int>(run) << "' y='" << height + 35
            << "' fill='" << colours[run] << "'>" << names[run] << "</text>\n";
    }
    out << "<text x='" << width << "' y='" << height + 35
        << "' text-anchor='end'>answered with 200 in time, over " << seconds
        << " s</text>\n</svg>\n";
}

void brown_out(double phase_s, const std::string& picture, promises& kept) {
    constexpr double rate = 500;
    constexpr unsigned failing[] = {0, 10, 50, 100, 0};
    std::printf("brown-out: %.0f requests/s, deadline 500 ms, an answer takes 5 ms\n", rate);
    std::printf("%-15s %-10s %7s %7s %14s %9s\n", "", "phase", "asked", "sent", "amplification",
                "goodput");
    std::vector<std::vector<outcome>> runs;
    for (const bool on : {false, true}) {
        hearth::testing::origin origin(plaintext());
        const auto percent = std::make_shared<std::atomic<unsigned>>(0);
        const auto count = std::make_shared<std::atomic<std::uint64_t>>(0);
        origin.on("/", [=](const hearth::testing::request_view& /*seen*/,
                           hearth::testing::responder reply) {
            hearth::testing::reply whole;
            if (count->fetch_add(1) * 37 % 100 < percent->load()) whole.status = 503;
            reply.delay(5ms);
            reply.answer(std::move(whole));
        });
        std::vector<std::uint64_t> sent;
        const auto seconds_per_phase = static_cast<std::uint64_t>(phase_s);
        load caller(
            on ? everything() : hearth::config{}, rate,
            [&](std::uint64_t) { return get(origin.url("/"), 500ms); },
            [&](std::uint64_t second) {
                if (second % seconds_per_phase != 0) return;
                sent.push_back(count->load());
                percent->store(failing[std::min<std::uint64_t>(second / seconds_per_phase, 4)]);
            });
        auto results = caller.run(5 * phase_s);
        sent.push_back(count->load());
        for (std::size_t i = 0; i < 5; ++i) {
            const double from = static_cast<double>(i) * phase_s;
            const double asked = rate * phase_s;
            const auto put = static_cast<double>(sent[i + 1] - sent[i]);
            std::printf("%-15s %3u %% fail %7.0f %7.0f %14.3f %8.1f%%\n",
                        on ? "everything on" : "everything off", failing[i], asked, put,
                        put / asked, 100 * good_share(results, from, from + phase_s));
            if (!on) continue;
            kept.at_most("brown-out: requests sent per request asked, " +
                             std::to_string(failing[i]) + " % failing",
                         1.2, put / asked);
        }
        double back = 4 * phase_s;
        while (back < 5 * phase_s && good_share(results, back, back + 0.1) < 0.99) back += 0.05;
        std::printf("%-15s back at 99 %% %.2f s after the origin\n",
                    on ? "everything on" : "everything off", back - 4 * phase_s);
        if (on)
            kept.at_most("brown-out: seconds until 99 % are served again", 1.0, back - 4 * phase_s);
        runs.push_back(std::move(results));
    }
    for (std::size_t i = 0; i < 5; ++i) {
        const double from = static_cast<double>(i) * phase_s + std::min(1.0, phase_s / 2);
        const double end = static_cast<double>(i + 1) * phase_s;
        kept.at_least("brown-out: goodput on against off, " + std::to_string(failing[i]) +
                          " % failing, after 1 s",
                      good_share(runs[0], from, end) - 0.01, good_share(runs[1], from, end));
    }
    if (!picture.empty()) draw(picture, runs, 5 * phase_s);
}

void hedge(double seconds, promises& kept) {
    constexpr double rate = 500;
    std::printf("hedge: %.0f requests/s, 2 %% of the answers take 300 ms, the others 5\n", rate);
    std::printf("%-15s %9s %9s %9s %15s\n", "", "p50 ms", "p95 ms", "p99 ms", "extra requests");
    double p99_off = 0.0;
    for (const bool on : {false, true}) {
        hearth::testing::origin origin(plaintext());
        const auto count = std::make_shared<std::atomic<std::uint64_t>>(0);
        origin.on("/", [count](const hearth::testing::request_view& /*seen*/,
                               hearth::testing::responder reply) {
            reply.delay(count->fetch_add(1) * 37 % 100 < 2 ? 300ms : 5ms);
            reply.answer({});
        });
        hearth::config values;
        values.hedge.enabled = on;
        load caller(std::move(values), rate,
                    [&](std::uint64_t) { return get(origin.url("/"), 5s); }, {});
        const auto results = caller.run(seconds);
        std::vector<double> times;
        for (const outcome& one : results) {
            if (one.at > seconds / 5) times.push_back(one.took_ms);  // learned by then
        }
        const double extra =
            static_cast<double>(count->load()) / static_cast<double>(results.size());
        std::printf("%-15s %9.1f %9.1f %9.1f %14.1f%%\n", on ? "hedge on" : "hedge off",
                    percentile(times, 0.5), percentile(times, 0.95), percentile(times, 0.99),
                    100 * (extra - 1.0));
        if (!on) p99_off = percentile(times, 0.99);
        if (!on) continue;
        kept.at_least("hedge: the 99th percentile is shorter by the factor", 5.0,
                      p99_off / percentile(times, 0.99));
        kept.at_most("hedge: extra requests, %", 6.0, 100 * (extra - 1.0));
    }
}

// Workers that take 10 ms each, and a queue in front of them.
class busy_origin {
public:
    static constexpr std::size_t workers = 20;
    void operator()(const hearth::testing::request_view& /*seen*/,
                    hearth::testing::responder reply) const {
        const auto now = clock_type::now();
        clock_type::time_point begins;
        {
            const std::lock_guard lock(state_->mutex);
            auto& first = *std::min_element(state_->free.begin(), state_->free.end());
            begins = std::max(first, now);
            first = begins + 10ms;
            state_->waits.push_back(
                std::chrono::duration<double, std::milli>(begins - now).count());
        }
        reply.delay(begins + 10ms - now);
        reply.answer({});
    }
    [[nodiscard]] std::vector<double> waits() const {
        const std::lock_guard lock(state_->mutex);
        return state_->waits;
    }

private:
    struct state {
        mutable std::mutex mutex;
        std::vector<clock_type::time_point> free = std::vector<clock_type::time_point>(workers);
        std::vector<double> waits;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

void capacity(double seconds, promises& kept) {
    constexpr double able = 2000;
    std::printf(
        "capacity: an origin that can do %.0f/s is asked for %.0f, a tenth critical; deadline "
        "150 ms\n",
        able, 2 * able);
    std::printf("%-15s %13s %16s %14s %16s\n", "", "goodput/able", "queue p99 ms", "critical good",
                "critical p99 ms");
    for (const bool on : {false, true}) {
        hearth::testing::origin origin(plaintext());
        const busy_origin handler;
        origin.on("/", handler);
        hearth::config values;
        values.concurrency.enabled = on;
        load caller(std::move(values), 2 * able,
                    [&](std::uint64_t number) {
                        hearth::request what = get(origin.url("/"), 150ms);
                        if (number % 10 == 0)
                            what.priority_class = hearth::priority_class::critical;
                        return what;
                    },
                    {});
        const auto results = caller.run(seconds);
        std::vector<outcome> critical;
        std::vector<double> times;
        double good = 0.0;
        for (const outcome& one : results) {
            if (one.at < seconds / 4) continue;  // it learns
            if (one.good) good += 1.0;
            if (!one.critical) continue;
            critical.push_back(one);
            times.push_back(one.took_ms);
        }
        auto waits = handler.waits();
        waits.erase(waits.begin(), waits.begin() + static_cast<std::ptrdiff_t>(waits.size() / 4));
        std::printf("%-15s %13.2f %16.1f %13.1f%% %16.1f\n", on ? "limit on" : "limit off",
                    good / (able * seconds * 3 / 4), percentile(std::move(waits), 0.99),
                    100 * good_share(critical, 0.0, seconds), percentile(times, 0.99));
        if (!on) continue;
        kept.at_least("capacity: goodput per what the origin can do, asked for twice that", 0.9,
                      good / (able * seconds * 3 / 4));
        kept.at_least("capacity: critical requests served, %", 99.0,
                      100 * good_share(critical, 0.0, seconds));
    }
}

// A GiB of zeros, compressed.
std::string bomb_octets() {
    z_stream stream{};
    deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
    std::vector<unsigned char> zeros(1U << 20);
    std::vector<unsigned char> out(1U << 16);
    std::string all;
    for (int i = 0; i < 1024; ++i) {
        stream.next_in = zeros.data();
        stream.avail_in = static_cast<unsigned>(zeros.size());
        do {
            stream.next_out = out.data();
            stream.avail_out = static_cast<unsigned>(out.size());
            deflate(&stream, i == 1023 ? Z_FINISH : Z_NO_FLUSH);
            all.append(reinterpret_cast<const char*>(out.data()), out.size() - stream.avail_out);
        } while (stream.avail_out == 0);
    }
    deflateEnd(&stream);
    return all;
}

double peak_mib() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

void bomb(promises& kept) {
    hearth::testing::origin origin(plaintext());
    const std::string octets = bomb_octets();
    origin.on("/", [&octets](const hearth::testing::request_view& /*seen*/,
                             hearth::testing::responder reply) {
        hearth::testing::reply whole;
        whole.headers = {{"content-encoding", "gzip"}};
        whole.body = octets;
        reply.answer(std::move(whole));
    });
    std::printf("bomb: %.2f MiB of gzip that are 1 GiB\n",
                static_cast<double>(octets.size()) / (1 << 20));
    std::printf("%-34s %12s %16s  %s\n", "", "ms", "peak memory MiB", "end");
    // The first one pays for what the process needs anyway.
    for (const char* const limit :
         {"refused as too large, first", "default limits", "limit of the body only"}) {
        hearth::config values;
        values.decode.enabled = true;
        if (limit == std::string("limit of the body only")) values.decode.max_ratio.reset();
        hearth::client client(values);
        hearth::request what = get(origin.url("/"), 60s);
        if (limit == std::string("refused as too large, first")) what.max_body_bytes = 1;
        const double before = peak_mib();
        const auto begun = clock_type::now();
        error_code error;
        (void)client.send(std::move(what), error);
        const double took =
            std::chrono::duration<double, std::milli>(clock_type::now() - begun).count();
        std::printf("%-34s %12.1f %16.1f  %s\n", limit, took, peak_mib() - before,
                    error.message().c_str());
        kept.at_most("bomb: MiB of memory more, " + std::string(limit), 160.0, peak_mib() - before);
        kept.at_least("bomb: is an error, " + std::string(limit), 1.0, error ? 1.0 : 0.0);
    }
}

}  // namespace

int main(int argc, char** argv) {
    double seconds = 4;
    std::string picture;
    std::vector<std::string> wanted;
    bench::arguments given(argc, argv);
    while (!given.is_empty()) {
        const std::string option(given.take_option());
        if (option == "--seconds") {
            seconds = static_cast<double>(given.take_number(1, 600));
        } else if (option == "--picture") {
            picture = given.take_value();
        } else if (option == "brown-out" || option == "hedge" || option == "capacity" ||
                   option == "bomb") {
            wanted.push_back(option);
        } else {
            given.refuse();
        }
    }
    if (wanted.empty()) wanted = {"bomb", "brown-out", "hedge", "capacity"};
    promises kept;
    for (const std::string& one : wanted) {
        if (one == "brown-out") brown_out(seconds, picture, kept);
        if (one == "hedge") hedge(2 * seconds, kept);
        if (one == "capacity") capacity(2 * seconds, kept);
        if (one == "bomb") bomb(kept);
        std::printf("\n");
    }
    return kept.report() ? 0 : 1;
}
