// A service that asks one origin through everything that can be switched on between a caller and
// the pool: breaker, limits, repeated attempts, hedges, one budget for what nobody asked for. The
// origin fails, is slow or is too small, as the phases say.
//
// Theory. `storm_world` asks whether the client has the CPU; here CPU is free, and the question is
// what the mechanisms do to the origin: how many requests are sent for those asked, and how many
// calls are answered in time. The pool below is the real core with everything on; calls, attempts,
// pauses and twins are played as the shard plays them. The origin has `workers` that serve one
// request each and a queue without a bound, so whoever asks too much of it waits there. The world
// is deterministic but for what the seed draws.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/prng.hpp"
#include "core/admission.hpp"
#include "core/budget.hpp"
#include "core/hedge_delay.hpp"
#include "core/pool_core.hpp"
#include "core/repeat_policy.hpp"

namespace hearth::sim {

using base::duration;
using base::time_point;

struct service_phase {
    duration length{};
    double failing = 0;  ///< Share of the requests that are answered by a failure.
    double slow = 0;     ///< Share that takes `slow_service`.
};

struct service_settings {
    core::pool_settings pool;
    core::admission_rules gate;
    core::repeat_rule repeat;
    core::budget_limits budget;
    hedge_config hedge;
    std::vector<service_phase> phases;
    duration interval = std::chrono::microseconds{500};
    duration deadline = std::chrono::milliseconds{500};
    double critical = 0;  ///< Share of the calls of that class; the others are normal.
    std::uint32_t workers = 1000;
    duration service = std::chrono::milliseconds{5};
    duration slow_service = std::chrono::milliseconds{300};
    duration round_trip = std::chrono::microseconds{500};
};

/// What a phase came to. Calls belong to the phase they arrived in, requests to the one they were
/// sent in.
struct phase_outcome {
    std::uint64_t asked = 0;
    std::uint64_t sent = 0;
    std::uint64_t served = 0;
    std::uint64_t settled_asked = 0;  ///< From one second after its beginning on, as the next.
    std::uint64_t settled_served = 0;
    std::uint64_t critical_asked = 0;
    std::uint64_t critical_served = 0;

    [[nodiscard]] double amplification() const { return ratio(sent, asked); }
    [[nodiscard]] double goodput() const { return ratio(served, asked); }
    [[nodiscard]] double settled() const { return ratio(settled_served, settled_asked); }

private:
    [[nodiscard]] static double ratio(std::uint64_t some, std::uint64_t all) {
        return all == 0 ? 1.0 : static_cast<double>(some) / static_cast<double>(all);
    }
};

class service_world {
public:
    service_world(std::uint64_t seed, const service_settings& settings);
    service_world(const service_world&) = delete;
    service_world& operator=(const service_world&) = delete;

    /// Plays all phases, and on until every call has ended.
    void run();

    [[nodiscard]] const std::vector<phase_outcome>& phases() const { return outcomes_; }
    /// From the beginning of the last phase to the first tenth of a second that starts a whole
    /// second with 99 % served; `duration::max()` if there is none.
    [[nodiscard]] duration recovery() const;
    /// Of the calls that were served.
    [[nodiscard]] duration latency(double percentile) const { return at(latencies_, percentile); }
    /// How long requests waited for a worker of the origin.
    [[nodiscard]] duration origin_wait(double percentile) const { return at(waits_, percentile); }
    [[nodiscard]] std::uint64_t hedges() const { return hedges_; }
    [[nodiscard]] std::uint64_t sent() const;
    [[nodiscard]] std::uint64_t asked() const;
    /// Calls that have not ended, or attempts that were left; 0 after `run`.
    [[nodiscard]] std::uint64_t unfinished() const { return calls_open_ + attempts_open_; }

private:
    static constexpr duration bin = std::chrono::milliseconds{100};
    static constexpr std::uint32_t none = 0xffffffff;
    enum class kind : std::uint8_t { arrival, resume, hedge, overdue, answer, connected, flight };
    struct event {
        time_point when{};
        std::uint64_t sequence = 0;
        kind what = kind::arrival;
        std::uint32_t call = none;
        std::uint32_t call_generation = 0;
        exchange_id exchange{};
        connection_id connection{};
        bool is_failure = false;
        [[nodiscard]] bool operator<(const event& other) const {  // a heap's top is its largest
            return when != other.when ? when > other.when : sequence > other.sequence;
        }
    };
    struct call {
        std::uint32_t generation = 0;
        bool is_open = false;
        priority_class priority = priority_class::normal;
        std::uint32_t attempts = 0;
        time_point asked{};
        std::array<std::uint32_t, 2> under_way{none, none};  // attempts; the second is a hedge
    };
    enum class stage : std::uint8_t { absent, held, waiting, assigned, draining };
    struct attempt {
        std::uint32_t generation = 0;
        stage at = stage::absent;
        bool is_hedge = false;
        bool is_admitted = false;
        std::uint32_t of = none;
        core::breaker::ticket ticket{};
        connection_id connection{};
        time_point assigned{};
        bool teaches = false;  // its answer tells the delay of hedges something
    };

    struct link {
        std::uint32_t generation = 0;
        bool lives = false;
        bool has_said_hello = false;
        exchange_id exchange{};
    };

    void schedule(event e, time_point when);
    void perform(const event& e);
    void settle();
    void apply(const core::action& a);
    void arrive();
    void begin(std::uint32_t index, bool is_hedge);
    void on_admission(std::uint32_t index, const core::admission_answer& answer);
    void step(connection_id name);
    void assign(const core::action& a);
    void on_hedge_time(const event& e);
    void on_answer(const event& e);
    void on_failure(std::uint32_t call_index, bool is_transient);
    void leave(std::uint32_t index, core::attempt_result result);
    void cancel(std::uint32_t index, core::attempt_result result);
    void release(std::uint32_t index);
    void end(std::uint32_t index, bool is_served);
    [[nodiscard]] call* find_call(const event& e);
    [[nodiscard]] attempt* find(exchange_id id);
    [[nodiscard]] link* find(connection_id id);
    [[nodiscard]] std::size_t phase_at(time_point when) const;
    [[nodiscard]] static duration at(std::vector<duration> all, double percentile);

    const service_settings settings_;
    core::pool_core core_;
    base::prng random_;
    core::admission gate_;
    core::budget budget_;
    std::optional<core::hedge_delay> hedging_;
    origin_id origin_;
    time_point start_;
    time_point now_;
    time_point ends_;
    std::vector<time_point> phase_begins_;
    std::vector<event> events_;  // a heap
    std::uint64_t sequence_ = 0;
    std::vector<call> calls_;
    std::vector<std::uint32_t> free_calls_;
    std::vector<attempt> attempts_;
    std::vector<std::uint32_t> free_attempts_;
    std::vector<link> links_;
    std::vector<time_point> workers_;  // a heap: the one that is free first on top
    std::uint64_t calls_open_ = 0;
    std::uint64_t attempts_open_ = 0;
    std::uint64_t hedges_ = 0;
    std::vector<phase_outcome> outcomes_;
    std::vector<std::uint64_t> bin_asked_;
    std::vector<std::uint64_t> bin_served_;
    std::vector<duration> latencies_;
    std::vector<duration> waits_;
};

}  // namespace hearth::sim
