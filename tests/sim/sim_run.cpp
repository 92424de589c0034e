// Simulates many worlds, one after the other, until a number of exchanges has been through.
//
//   sim_run [--exchanges N] [--seed S]     worlds with the seeds S, S+1, ..., progress, totals
//   sim_run --seed S --exchanges N --replay    one world, every action printed: as a failure says
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "sim/world.hpp"

namespace {

using hearth::sim::world;
using hearth::sim::world_totals;
using ull = unsigned long long;

constexpr std::uint64_t exchanges_per_world = 50'000;

struct options {
    std::uint64_t exchanges = 10'000'000;
    std::uint64_t seed = 1;
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
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || end != text.data() + text.size() || value == 0) return false;
        if (name == "--exchanges") {
            out.exchanges = value;
        } else if (name == "--seed") {
            out.seed = value;
        } else {
            return false;
        }
    }
    return true;
}

const char* const failure_names[] = {"-",        "queue full",          "queue timeout",
                                     "deadline", "would miss deadline", "shed",
                                     "dial",     "descriptor limit",    "draining"};

void print(const world_totals& t, double seconds, std::uint64_t hash) {
    std::printf("exchanges    %llu in %.1f s\n", ull{t.exchanges}, seconds);
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
    std::printf("action hash  %016llx\n", ull{hash});
}

}  // namespace

int main(int count, char** values) {
    options wanted;
    if (!parse(count, values, wanted)) {
        std::fprintf(stderr, "usage: sim_run [--exchanges N] [--seed S] [--replay]\n");
        return 64;
    }
    hearth::sim::announce_world_on_abort();
    const auto begin = std::chrono::steady_clock::now();
    world_totals totals;
    std::uint64_t hash = 0;
    std::uint64_t seed = wanted.seed;
    std::uint64_t next_report = 1'000'000;
    while (totals.exchanges < wanted.exchanges) {
        const std::uint64_t size = wanted.replay ? wanted.exchanges : exchanges_per_world;
        world one(seed, size, hearth::sim::draw_settings(seed));
        one.set_trace(wanted.replay);
        one.run();
        totals.add(one.totals());
        hash = hash * 31 + one.action_hash();
        ++seed;
        if (wanted.replay) break;
        if (totals.exchanges >= next_report) {
            std::fprintf(stderr, "%llu exchanges, %llu worlds\n", ull{totals.exchanges},
                         ull{seed - wanted.seed});
            next_report += 1'000'000;
        }
    }
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
    print(totals, spent.count(), hash);
}
