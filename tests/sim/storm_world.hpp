// A storm in the simulated world: arrivals that do not wait, each with a deadline, through the real
// core on one simulated CPU, to origins that get slow or lose all their connections.
//
// Theory. What makes a client collapse is CPU: it is spent on handshakes while warm exchanges are
// due. So here everything the shard does costs CPU time (`storm_costs`, from measurements), and is
// done in the order the shard does it: what has happened waits in one queue, and when core wants a
// turn for handshake slices, that goes to the end of the queue. The world is deterministic but for
// which arrivals are slow, drawn from the seed.
//
// `run` plays the storm to its end; the rest reads off what happened.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/prng.hpp"
#include "core/budget.hpp"
#include "core/pool_core.hpp"

namespace hearth::sim {

using base::duration;
using base::time_point;

/// CPU of the client for each thing it does, of the origin, and the network's latency.
struct storm_costs {
    duration arrive = std::chrono::microseconds{2};
    duration send = std::chrono::microseconds{8};
    duration receive = std::chrono::microseconds{10};
    duration cancel = std::chrono::microseconds{3};
    duration close = std::chrono::microseconds{10};
    duration connect = std::chrono::microseconds{15};
    duration hello = std::chrono::microseconds{70};
    duration flight = std::chrono::microseconds{480};
    duration resumed_flight = std::chrono::microseconds{120};
    duration origin_handshake = std::chrono::microseconds{300};
    duration origin_request = std::chrono::microseconds{25};
    duration round_trip = std::chrono::microseconds{60};
    double neighbour = 1;  ///< Everything of the client's takes so many times as long.
};

struct storm_settings {
    core::pool_settings pool;
    storm_costs costs;
    std::uint32_t origins = 1;  ///< Arrivals go to them in turn; each has a CPU of its own.
    duration interval = std::chrono::microseconds{350};
    duration length = std::chrono::seconds{5};
    duration deadline = std::chrono::milliseconds{50};
    duration delay = std::chrono::milliseconds{5};
    duration slow = std::chrono::milliseconds{1000};
    double slow_share = 0;
    std::uint32_t warm = 100;  ///< Connections per origin at first.
    duration first_answer{};   ///< What a call on each of these takes, before the storm; 0: none.
    duration disturbed_at = std::chrono::seconds{1};
    duration stall{};      ///< All arrivals from then on for so long are slow.
    bool restart = false;  ///< All connections are lost then.
    duration quiet{};      ///< From then on for so long nothing arrives.
    bool fails = false;    ///< Slow calls are answered at once, by an error.
    // What is not core's.
    std::uint32_t max_streams = 1;  ///< Exchanges of a connection at once; HTTP/2 above 1.
    bool resets = true;             ///< Else a stream is cancelled by closing its connection.
    std::uint32_t tickets = 0;      ///< Of each handshake; one resumes one.
    std::uint32_t attempts = 1;     ///< Of a call whose answer is an error.
    core::budget_limits budget;     ///< For the further ones.
};

class storm_world {
public:
    storm_world(std::uint64_t seed, const storm_settings& settings);
    storm_world(const storm_world&) = delete;
    storm_world& operator=(const storm_world&) = delete;

    void run();

    /// Share of the arrivals that are not slow, from `from` on, that were answered in time.
    [[nodiscard]] double goodput(duration from = {}) const;
    /// From the end of the disturbance to the first tenth of a second that starts a whole one with
    /// 99 % answered in time; `duration::max()` if there is none.
    [[nodiscard]] duration recovery() const;
    /// Sums over all origins, without the connections of the beginning.
    [[nodiscard]] origin_stats stats() const;
    [[nodiscard]] std::uint64_t arrivals() const { return arrivals_; }
    /// Exchanges that were neither served nor failed by their deadline, or ended twice.
    [[nodiscard]] std::uint64_t starved() const { return starved_; }
    /// What the origins were asked.
    [[nodiscard]] std::uint64_t requests() const { return requests_; }

private:
    static constexpr duration bin = std::chrono::milliseconds{100};
    enum class kind : std::uint8_t {
        arrival,
        overdue,
        answer,
        connected,
        flight,
        turn,
        timer,
        restart,
        lost,
        reset_seen
    };
    struct event {
        time_point when;
        std::uint64_t sequence = 0;
        kind what = kind::arrival;
        connection_id connection{};
        exchange_id exchange{};
        [[nodiscard]] bool operator<(const event& other) const {  // a heap's top is its largest
            return when != other.when ? when > other.when : sequence > other.sequence;
        }
    };
    enum class stage : std::uint8_t { absent, waiting, assigned, draining };
    struct call {
        std::uint32_t generation = 0;
        stage at = stage::absent;
        bool slow = false;
        std::uint32_t attempts = 0;
        std::uint32_t origin = 0;
        time_point due{};
        connection_id connection{};
    };
    struct link {
        std::uint32_t generation = 0;
        bool lives = false;
        bool is_ready = false;
        bool has_said_hello = false;
        bool is_resumed = false;
        std::uint32_t origin = 0;
        std::vector<exchange_id> exchanges;
    };

    void warm_up();
    void use_all_once();
    void schedule(time_point when, kind what, connection_id connection = {},
                  exchange_id exchange = {});
    void perform(const event& e);
    void arrive();
    void begin_call(call one);
    void answer(const event& e);
    void overdue(exchange_id name);
    void lose(connection_id name);
    void settle();
    void apply(const core::action& a);
    void assign(const core::action& a);
    void step(connection_id name);
    void end(exchange_id name, bool served);
    void end_all(link& of);
    [[nodiscard]] bool is_repeated(const call& one);
    [[nodiscard]] bool is_within(duration at, duration length) const {
        return at >= settings_.disturbed_at && at < settings_.disturbed_at + length;
    }
    void spend(duration cost);
    [[nodiscard]] time_point origin_done(std::uint32_t origin, duration work);
    [[nodiscard]] link* find(connection_id name);
    [[nodiscard]] call* find(exchange_id name);

    const storm_settings settings_;
    time_point start_;
    core::pool_core core_;
    base::prng random_;
    time_point now_;             // what core is told: the beginning of what is being done
    time_point clock_;           // how far the CPU has got
    std::vector<event> events_;  // a heap
    std::deque<event> ready_;
    std::uint64_t sequence_ = 0;
    bool turn_queued_ = false;
    bool timer_queued_ = false;
    std::vector<origin_id> origins_;
    std::vector<time_point> origin_free_;
    std::vector<link> links_;
    std::vector<call> calls_;
    std::vector<std::uint32_t> free_calls_;
    std::uint64_t arrivals_ = 0;
    std::uint64_t planned_ = 0;
    std::uint64_t starved_ = 0;
    std::uint64_t requests_ = 0;
    std::uint32_t tickets_ = 0;
    core::budget budget_;
    std::vector<std::uint64_t> offered_;
    std::vector<std::uint64_t> served_;
    origin_stats before_;
};

}  // namespace hearth::sim
