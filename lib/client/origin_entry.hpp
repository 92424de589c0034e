// origin_entry: what a shard has of one origin, beside what core knows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/deadline_queue.hpp"
#include "base/handle_heap.hpp"
#include "client/address_race.hpp"
#include "client/pool_key.hpp"
#include "core/admission.hpp"
#include "core/budget.hpp"
#include "core/hedge_delay.hpp"
#include "hearth/error.hpp"

namespace hearth::detail {

/// What the shard knows of an origin; core knows it by id only.
struct origin_entry {
    pool_key key;
    std::string name;  // "https://host:port", and the route if there is one
    name_watch names;
    boost::system::error_code dial_error;  // of the last failed dial
    std::string dial_detail;
    phase dial_phase = phase::none;
    std::uint32_t dialing = 0;           // links that are not ready yet
    phase dialing_phase = phase::queue;  // how far the furthest of them is
    std::string queue_text;              // what waits for it, as a sentence, and as of when
    base::time_point queue_text_at;
    std::uint64_t stale_retries = 0;
    base::time_point used_at{};             // interned last
    base::heap_handle in_use = 0;           // its place among all by that
    std::uint32_t exchanges = 0;            // of it that live
    std::uint32_t links = 0;                // to it
    std::uint32_t slot = 0;                 // of its key, in the table of origins
    core::budget budget;                    // of extra work for it
    std::unique_ptr<core::admission> gate;  // null: everything passes
    base::deadline_handle gate_timer = 0;
    std::string last_failure;  // that the breaker counted
    std::uint64_t breaker_refused = 0;
    std::uint64_t rate_refused = 0;
    std::uint64_t concurrency_refused = 0;
    std::uint64_t load_refused = 0;
    std::optional<core::hedge_delay> hedging;  // made at first use
    std::uint64_t hedges = 0;
    std::uint64_t hedges_won = 0;
    std::uint64_t hedges_withheld = 0;
};

/// An origin as requests name it that have no route, profile or protocol of their own.
struct usual_origin {
    origin where;
    origin_id id;  // invalid: nothing is here
};

}  // namespace hearth::detail
