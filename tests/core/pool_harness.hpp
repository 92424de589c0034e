// What tests of the pool share: a pool_core with short names for its inputs, a clock, and the
// actions it gave so far. Every input drains the actions and checks all invariants.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "core/pool_core.hpp"

namespace hearth::core {

using namespace std::chrono_literals;

inline const time_point t0{std::chrono::hours{1}};

class pool_harness {
public:
    explicit pool_harness(const pool_settings& settings = {}, std::uint32_t leases = 1000)
        : pool(settings, 1, leases) {}

    origin_id add_origin(const origin_settings& settings = {.tls = false}) {
        return pool.add_origin(now, settings);
    }
    exchange_id acquire(origin_id origin, time_point deadline = base::never, bool fresh = false) {
        const exchange_id exchange{next_exchange++, 1};
        pool.acquire(now, {exchange, origin, deadline, fresh});
        drain_actions();
        return exchange;
    }
    void cancel(exchange_id exchange) {
        pool.cancel(now, exchange);
        drain_actions();
    }
    void cancel_assigned(connection_id connection, exchange_id exchange,
                         const cancel_facts& facts = {.request_complete = true}) {
        pool.cancel_assigned(now, connection, exchange, facts);
        drain_actions();
    }
    void done(connection_id connection, exchange_id exchange,
              exchange_outcome outcome = exchange_outcome::reusable) {
        pool.on_exchange_done(now, connection, exchange, outcome);
        drain_actions();
    }
    void resolved(connection_id connection, std::size_t addresses = 1) {
        const bool families[8] = {};
        pool.on_resolved(now, connection, std::span(families).first(addresses));
        drain_actions();
    }
    void connected(connection_id connection, std::uint32_t address = 0) {
        pool.on_connected(now, connection, address);
        drain_actions();
    }
    void ready(connection_id connection, const ready_facts& facts = {}) {
        pool.on_ready(now, connection, facts);
        drain_actions();
    }
    /// A plaintext dial, from `dial` to `on_ready`.
    void finish_dial(connection_id connection, const ready_facts& facts = {}) {
        resolved(connection);
        connected(connection);
        ready(connection, facts);
    }
    void fail_dial(connection_id connection, dial_failure failure = dial_failure::connect_failed) {
        pool.on_dial_failed(now, connection, failure);
        drain_actions();
    }
    void closed(connection_id connection, close_reason reason = close_reason::peer) {
        pool.on_closed(now, connection, reason);
        drain_actions();
    }
    /// Time passes, and the timer fires whenever it is due.
    void wait(duration time) {
        const time_point end = now + time;
        for (int i = 0; i < 100'000 && pool.next_deadline() <= end; ++i) {
            now = std::max(now, pool.next_deadline());
            pool.on_timer(now);
            drain_actions();
        }
        now = end;
        pool.on_timer(now);
        drain_actions();
    }
    void drain_actions() {
        action next;
        while (pool.poll_action(next)) actions.push_back(next);
        pool.check_invariants();
        EXPECT_EQ(base::invariants_broken(), 0U);  // where they do not abort
    }

    // What the pool did.
    [[nodiscard]] std::vector<action> all(action_kind kind) const {
        std::vector<action> found;
        std::copy_if(actions.begin(), actions.end(), std::back_inserter(found),
                     [kind](const action& a) { return a.kind == kind; });
        return found;
    }
    [[nodiscard]] std::size_t count(action_kind kind) const { return all(kind).size(); }
    /// The last action of a kind; its kind is `none` if there is none.
    [[nodiscard]] action last(action_kind kind) const {
        const auto found = all(kind);
        return found.empty() ? action{} : found.back();
    }
    /// All since the last call of it.
    [[nodiscard]] std::vector<action> take() { return std::exchange(actions, {}); }
    /// An idle connection of a plaintext origin, made by one exchange that has ended.
    connection_id make_idle(origin_id origin) {
        const exchange_id exchange = acquire(origin);
        const connection_id connection = last(action_kind::dial).connection;
        finish_dial(connection);
        done(connection, exchange);
        return connection;
    }
    [[nodiscard]] origin_stats stats(origin_id origin) const { return pool.stats(now, origin); }

    time_point now = t0;
    pool_core pool;
    std::vector<action> actions;
    std::uint32_t next_exchange = 0;
};

}  // namespace hearth::core
