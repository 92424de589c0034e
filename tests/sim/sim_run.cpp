// Simulates many worlds, one after the other.
//
//   sim_run [--exchanges N] [--seed S]     worlds with the seeds S, S+1, ... of 50,000 exchanges
//                                          each, until N exchanges have been through
//   sim_run --worlds W --size N [--seed S] [--state FILE]
//                                          W worlds of N exchanges each; with a file, progress is
//                                          kept there, and the same command goes on where it ended
//   sim_run --seed S --exchanges N --replay    one world, every action printed: as a failure says
#include <bit>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <type_traits>

#include "sim/world.hpp"

namespace {

using hearth::sim::world;
using hearth::sim::world_totals;
using ull = unsigned long long;

constexpr std::uint64_t exchanges_per_world = 50'000;

struct options {
    std::uint64_t exchanges = 10'000'000;
    std::uint64_t seed = 1;
    std::uint64_t worlds = 0;  ///< Of `size` exchanges each, in place of a number of exchanges.
    std::uint64_t size = exchanges_per_world;
    std::string state;
    bool replay = false;
};

bool parse(int count, char** values, options& out) {
    for (int i = 1; i < count; ++i) {
        const std::string_view name = values[i];
        if (name == "--replay") {
            out.replay = true;
            continue;
        }
        if (i + 1 == count) return false;
        const std::string_view text = values[++i];
        if (name == "--state") {
            out.state = text;
            continue;
        }
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || end != text.data() + text.size() || value == 0) return false;
        if (name == "--exchanges") {
            out.exchanges = value;
        } else if (name == "--seed") {
            out.seed = value;
        } else if (name == "--worlds") {
            out.worlds = value;
        } else if (name == "--size") {
            out.size = value;
        } else {
            return false;
        }
    }
    return out.state.empty() || out.worlds != 0;
}

/// How far a run has come: nothing but numbers, so that a file can hold it.
struct progress {
    std::uint64_t first_seed = 0;
    std::uint64_t size = 0;
    std::uint64_t worlds = 0;
    std::uint64_t hash = 0;
    std::uint64_t milliseconds = 0;
    world_totals totals;
};
using progress_numbers = std::array<std::uint64_t, sizeof(progress) / sizeof(std::uint64_t)>;
static_assert(std::has_unique_object_representations_v<progress>);

/// False if the file belongs to another run. A file that is not there is the beginning.
bool read(const std::string& path, progress& out) {
    std::ifstream in(path);
    if (!in) return true;
    progress_numbers numbers;
    for (std::uint64_t& each : numbers) {
        if (!(in >> each)) return false;
    }
    const auto found = std::bit_cast<progress>(numbers);
    if (found.first_seed != out.first_seed || found.size != out.size) return false;
    out = found;
    return true;
}

/// Whole or not at all, whenever the program is ended.
bool write(const std::string& path, const progress& what) {
    const std::string fresh = path + ".new";
    std::ofstream out(fresh);
    for (const std::uint64_t each : std::bit_cast<progress_numbers>(what)) out << each << '\n';
    out.close();
    return out && std::rename(fresh.c_str(), path.c_str()) == 0;
}

const char* const failure_names[] = {"-",        "queue full",          "queue timeout",
                                     "deadline", "would miss deadline", "shed",
                                     "dial",     "descriptor limit",    "draining"};

void print(const progress& run) {
    const world_totals& t = run.totals;
    std::printf("worlds       %llu, seeds from %llu\n", ull{run.worlds}, ull{run.first_seed});
    std::printf("exchanges    %llu in %.1f s\n", ull{t.exchanges},
                static_cast<double>(run.milliseconds) / 1000);
    std::printf(
        "  answered %llu, broken %llu, cancelled %llu (drained %llu), withdrawn %llu, "
        "forgotten %llu, retried %llu\n",
        ull{t.answered}, ull{t.broken}, ull{t.cancelled}, ull{t.drained}, ull{t.withdrawn},
        ull{t.forgotten}, ull{t.retried});
    std::printf("  failed:");
    for (std::size_t i = 1; i < t.failed.size(); ++i) {
        if (t.failed[i] != 0) std::printf(" %s %llu;", failure_names[i], ull{t.failed[i]});
    }
    std::printf("\ndials        %llu, usable %llu, handshake slices %llu\n", ull{t.dials},
                ull{t.connections}, ull{t.slices});
    std::printf("closed by reason (in the order of hearth::close_reason):");
    for (const std::uint64_t each : t.closed) std::printf(" %llu", ull{each});
    std::printf("\nleases moved %llu, stale facts %llu\n", ull{t.leases_moved}, ull{t.stale_facts});
    std::printf("steps        %llu checked, %llu full scans\n", ull{t.steps}, ull{t.scans});
    std::printf("action hash  %016llx\n", ull{run.hash});
}

bool is_done(const options& wanted, const progress& run) {
    if (wanted.replay) return run.worlds == 1;
    if (wanted.worlds != 0) return run.worlds >= wanted.worlds;
    return run.totals.exchanges >= wanted.exchanges;
}

void simulate(progress& run, std::uint64_t size, bool is_traced) {
    const std::uint64_t seed = run.first_seed + run.worlds;
    world one(seed, size, hearth::sim::draw_settings(seed));
    one.set_trace(is_traced);
    one.run();
    run.totals.add(one.totals());
    run.hash = run.hash * 31 + one.action_hash();
    ++run.worlds;
}

}  // namespace

int main(int count, char** values) {
    options wanted;
    if (!parse(count, values, wanted)) {
        std::fprintf(stderr,
                     "usage: sim_run [--exchanges N | --worlds W --size N [--state FILE]] "
                     "[--seed S] [--replay]\n");
        return 64;
    }
    hearth::sim::announce_world_on_abort();
    progress run{.first_seed = wanted.seed, .size = wanted.size, .totals = {}};
    if (!wanted.state.empty() && !read(wanted.state, run)) {
        std::fprintf(stderr, "%s is of another run\n", wanted.state.c_str());
        return 65;
    }
    constexpr std::uint64_t report_interval = 1'000'000;  // exchanges
    const std::uint64_t milliseconds_before = run.milliseconds;
    const auto begin = std::chrono::steady_clock::now();
    std::uint64_t next_report = run.totals.exchanges + report_interval;
    const auto save = [&] {
        run.milliseconds =
            milliseconds_before +
            static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                           std::chrono::steady_clock::now() - begin)
                                           .count());
        return wanted.state.empty() || write(wanted.state, run);
    };
    while (!is_done(wanted, run)) {
        simulate(run, wanted.replay ? wanted.exchanges : wanted.size, wanted.replay);
        if (run.totals.exchanges < next_report) continue;
        next_report += report_interval;
        std::fprintf(stderr, "%llu exchanges, %llu worlds\n", ull{run.totals.exchanges},
                     ull{run.worlds});
        if (!save()) break;
    }
    if (!save()) {
        std::fprintf(stderr, "cannot write %s\n", wanted.state.c_str());
        return 74;
    }
    print(run);
}
