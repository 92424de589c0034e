// What pool_core knows of one origin: counts, and estimates that have their rules in units of their
// own. Written by pool_core's inside only, see pool_state.hpp.
#pragma once

#include <cstdint>
#include <memory>

#include "base/deadline_queue.hpp"
#include "base/index_list.hpp"
#include "core/answer_history.hpp"
#include "core/backoff.hpp"
#include "core/concurrency_limit.hpp"
#include "core/crowd_door.hpp"
#include "core/dial_ration.hpp"
#include "core/idle_lesson.hpp"
#include "core/origin_pool.hpp"
#include "core/pool_core.hpp"
#include "core/queue_watch.hpp"
#include "core/recent_peak.hpp"
#include "core/records.hpp"
#include "core/release_pace.hpp"

namespace hearth::core {

struct warm_tag;
using warm_id = base::id<warm_tag>;

/// A `warm` that has not ended.
struct warm_record {
    warm_id id;
    std::uint32_t origin = no_index;
    std::uint32_t count = 0;  ///< What can be had: clipped to the limits.
    std::uint64_t ticket = 0;
    base::deadline_handle timer = 0;
    base::list_links links;  ///< In its origin's list.
};

struct origin_record {
    // Touched by every exchange.
    origin_id id;
    origin_pool pool;
    std::uint64_t exchanges = 0;  ///< Ever assigned.
    std::uint64_t answered = 0;   ///< Of these, to a live caller.
    std::uint64_t missed = 0;     ///< Of these, not in time.
    std::uint32_t asking = 0;     ///< Live exchanges on connections, without an answer.
    bool is_touched = false;
    bool is_rationed = false;  ///< It answers nobody in time, and somebody waits.
    recent_peak used;          ///< Connections that carry exchanges.
    release_pace releases;
    answer_history answers;
    // The rest.
    origin_settings settings;
    core::backoff backoff;
    dial_ration ration;
    dial_ration refill;  ///< Of dials nobody waits for.
    queue_watch queue;
    std::unique_ptr<concurrency_limit> useful;  ///< Set: how many may ask at once.
    time_point crowded_at{};                    ///< When that last kept a waiter waiting.
    time_point measured_at{};
    crowd_door door;  ///< Who does not even wait for that.
    idle_lesson idle_closes;
    std::uint64_t lost_waiters = 0;  ///< That ran out of time.
    struct {
        time_point since{};
        std::uint64_t lost_before = 0;
        std::uint64_t late_before = 0;
        std::uint64_t sent_before = 0;
        std::uint64_t answered_before = 0;
        std::uint64_t missed_before = 0;
        bool were_some = false;
        double margin = 1;      ///< So many times what an answer takes must be left; 1: no margin.
        bool are_many = false;  ///< Of waiters, in the two intervals that ended at `since`.
        bool are_late = false;  ///< Or came too late, while most that were sent missed.
    } losses;
    std::uint64_t late_ones = 0;                 ///< Exchanges that could not be answered in time.
    std::uint32_t exchanges_per_connection = 1;  ///< As the last connection allowed, or a guess.
    bool is_multiplexed = false;                 ///< As the last connection was.
    bool is_protocol_known = true;               ///< One came up, or there is only one protocol.
    bool has_to_prove_itself = false;            ///< Its last connections answered nobody.
    bool has_lost_one = false;                   ///< That it had use for, to a GOAWAY.
    bool wants_spare = false;                    ///< Another connection before it is needed.
    std::uint32_t slow_dials = 0;
    duration flight_wait{};         ///< From ClientHello to the server's flight, a low estimate.
    std::uint32_t warm_target = 0;  ///< The largest of `warm_ups`.
    base::index_list warm_ups;
    base::deadline_handle timer = 0;  ///< When something that holds its dials back is over.
    base::time_point no_ports_until = base::time_point::min();
    base::time_point probe_holds_until = base::time_point::min();
    std::uint64_t dial_failures = 0;       ///< Those that may fail waiters.
    std::uint64_t permanent_failures = 0;  ///< Of these, the permanent ones.
    /// The part "ever" is kept, the rest filled on request. Apart, because it is large and seldom
    /// used: with thousands of origins what every exchange touches should fit the caches.
    std::unique_ptr<origin_stats> counters = std::make_unique<origin_stats>();

    /// Its part of a limit per origin.
    [[nodiscard]] std::uint32_t part_of(std::uint32_t limit) const {
        return settings.part.of(limit);
    }
};

}  // namespace hearth::core
