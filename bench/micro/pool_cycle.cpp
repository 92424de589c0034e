// What the core of the pool costs for one warm exchange: acquire, first octet, release.
//
//   pool_cycle --origins N --waiters N --cycles N
//
// Every origin has an idle connection; cycles walk over the origins. With waiters (one origin then)
// each release serves the first of N waiters and a new one comes. Prints `ns_per_cycle` and the
// `allocations` of all cycles; bench/instructions.py runs it under callgrind, too.
#include <chrono>
#include <vector>

#include "../command_line.hpp"
#include "../json_line.hpp"
#include "base/slab.hpp"
#include "core/pool_core.hpp"
#include "support/allocations.hpp"

namespace {

using namespace hearth;
using steady_clock = std::chrono::steady_clock;

class world {
public:
    world(std::uint32_t origins, std::uint32_t waiters)
        : pool_(settings(origins, waiters), 1, origins), now_(steady_clock::now()) {
        for (std::uint32_t i = 0; i < origins; ++i) {
            origins_.push_back(pool_.add_origin(now_, {.tls = false, .max_connections = 1}));
            acquire(origins_.back());
            dial();
            holders_.push_back(assigned_);
        }
        for (std::uint32_t i = 0; i < waiters; ++i) acquire(origins_.front());
        if (waiters != 0) return;
        for (const core::action& holder : holders_) done(holder);
    }

    /// A warm exchange on the next origin.
    void cycle() {
        now_ += std::chrono::microseconds(1);
        acquire(origins_[at_]);
        pool_.on_first_byte(now_, assigned_.connection, assigned_.exchange);
        done(assigned_);
        if (++at_ == origins_.size()) at_ = 0;
        (void)pool_.next_deadline();
    }
    /// The connection is freed, a waiter gets it, and another one comes.
    void waiter_cycle() {
        now_ += std::chrono::microseconds(1);
        pool_.on_first_byte(now_, assigned_.connection, assigned_.exchange);
        done(assigned_);
        acquire(origins_.front());
        (void)pool_.next_deadline();
    }

private:
    static core::pool_settings settings(std::uint32_t origins, std::uint32_t waiters) {
        core::pool_settings values;
        values.pool.max_connections = origins;
        values.pool.max_waiters = waiters + 1;
        // Only costs of the warm path: nothing expires while it runs.
        values.pool.idle_timeout = std::chrono::hours(1);
        values.pool.max_lifetime = std::chrono::hours(1);
        values.timeouts.queue = std::chrono::hours(1);
        return values;
    }

    void acquire(origin_id origin) {
        pool_.acquire(now_, {exchanges_.emplace(), origin});
        drain();
    }
    void done(const core::action& holder) {
        pool_.on_exchange_done(now_, holder.connection, holder.exchange,
                               core::exchange_outcome::reusable);
        exchanges_.erase(holder.exchange);
        drain();
    }
    void dial() {
        const bool family = false;
        pool_.on_resolved(now_, dialled_, std::span(&family, 1));
        drain();
        pool_.on_connected(now_, dialled_, 0);
        drain();
        pool_.on_ready(now_, dialled_, {});
        drain();
    }
    void drain() {
        core::action next;
        while (pool_.poll_action(next)) {
            if (next.kind == core::action_kind::assign) assigned_ = next;
            if (next.kind == core::action_kind::dial) dialled_ = next.connection;
        }
    }

    core::pool_core pool_;
    core::time_point now_;
    std::vector<origin_id> origins_;
    std::vector<core::action> holders_;
    core::action assigned_;
    connection_id dialled_;
    struct nothing {};
    base::slab<nothing, exchange_id> exchanges_;  // names them as a shard does: each place anew
    std::size_t at_ = 0;
};

}  // namespace

int main(int count, char** values) {
    std::uint32_t origins = 1;
    std::uint32_t waiters = 0;
    std::uint64_t cycles = 1'000'000;
    bench::arguments given(count, values);
    while (!given.is_empty()) {
        const std::string_view option = given.take_option();
        if (option == "--origins") {
            origins = static_cast<std::uint32_t>(given.take_number(1, 100'000));
        } else if (option == "--waiters") {
            waiters = static_cast<std::uint32_t>(given.take_number(0, 100'000));
        } else if (option == "--cycles") {
            cycles = given.take_number(1, 1'000'000'000);
        } else {
            given.refuse();
        }
    }
    world all(origins, waiters);
    const auto run = [&](std::uint64_t times) {
        for (std::uint64_t i = 0; i < times; ++i) waiters != 0 ? all.waiter_cycle() : all.cycle();
    };
    run(2 * static_cast<std::uint64_t>(origins) + 10'000);  // until everything has its size
    const std::uint64_t allocations = support::allocations();
    const auto begin = steady_clock::now();
    run(cycles);
    const std::chrono::duration<double, std::nano> took = steady_clock::now() - begin;
    const std::uint64_t allocated = support::allocations() - allocations;
    bench::json_line()
        .number("cycles", cycles)
        .number("ns_per_cycle", took.count() / static_cast<double>(cycles))
        .number("allocations", allocated)
        .print();
    return 0;
}
