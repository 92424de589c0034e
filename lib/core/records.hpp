// The records pool code keeps of connections and exchanges, and the tables they live in.
//
// A record is plain data. It is found in O(1): connections by id in a slab, exchanges by the index
// of the id their owner gave them. Lists link records by index through their link members:
//  - connection `origin_links`: the one list of its origin that its state calls for (origin_pool);
//  - connection `shared_links`: all that drain a cancelled response, oldest first, whatever their
//    origin;
//  - exchange `links`: the queue of its origin while it waits, else the exchanges of its
//    connection.
#pragma once

#include <cstdint>
#include <vector>

#include "base/deadline_queue.hpp"
#include "base/id.hpp"
#include "base/index_list.hpp"
#include "base/slab.hpp"
#include "base/time.hpp"
#include "core/action.hpp"
#include "core/connection_state.hpp"
#include "core/dial_fsm.hpp"
#include "core/reset_budget.hpp"
#include "hearth/stats.hpp"

namespace hearth::core {

using base::no_index;

/// The list of its origin a connection is in.
enum class filed_in : std::uint8_t {
    nothing,    ///< full, or draining because it gets no more exchanges
    coming,     ///< dialing, handshaking: oldest first
    unused,     ///< idle, has never carried an exchange: most recent first
    used,       ///< idle: most recent first
    available,  ///< active: by number of exchanges
    draining,   ///< reads the rest of a cancelled response: oldest first
};

struct connection_record {
    // Touched by every exchange; ordered so that this is two cache lines of its slot.
    connection_id id;
    std::uint32_t origin = no_index;
    std::uint32_t exchanges = 0;
    std::uint32_t max_exchanges = 1;
    std::uint32_t held = 0;    ///< Resets the peer is not known to have seen.
    std::uint32_t bucket = 0;  ///< Of the `available` lists.
    connection_state state = connection_state::dialing;
    filed_in filed = filed_in::nothing;
    bool has_carried = false;   ///< An exchange was assigned to it.
    bool is_retiring = false;   ///< Closes with `retire_reason` when its exchanges have ended.
    bool is_cancelled = false;  ///< Its one exchange is cancelled and being drained.
    bool is_handshake_complete = false;
    bool has_served = false;    ///< A live caller got an answer on it.
    bool is_slow_dial = false;  ///< Its first address did not connect at once.
    bool is_multiplexed = false;
    bool is_in_doubt = false;  ///< It may be dead: it gets no new exchange.
    bool is_useless = false;   ///< Counted as one that answered nobody.
    bool is_leaving = false;   ///< Its lifetime is nearly over.
    bool is_refill = false;    ///< Nobody waited for its dial.
    bool is_outdated = false;  ///< What it was made with was replaced.
    close_reason retire_reason = close_reason::not_reusable;
    base::list_links origin_links;
    base::index_list assigned;
    base::deadline_handle timer = 0;  ///< Dial, drain or idle deadline, whichever the state has.
    base::heap_handle use = 0;        ///< In `record_tables::by_use`.
    base::time_point armed{};         ///< When `timer` fires, may be early for an idle one.
    base::time_point idle_since{};
    base::duration idle_timeout{};  ///< Jittered, for this connection.
    base::time_point retire_at = base::never;
    // The rest.
    base::list_links shared_links;
    base::deadline_handle leave_timer = 0;   ///< When it becomes `is_leaving`, then `gone_at`.
    base::time_point gone_at = base::never;  ///< Outdated: it gets no exchange after that.
    std::uint64_t number = 0;                ///< Of its dial, counting all of this pool's.
    base::time_point connect_began{};        ///< Of the last attempt.
    /// Its ClientHello left, and the server's flight is awaited.
    base::time_point hello_at = base::time_point::min();
    base::duration handshake_cpu{};
    dial_fsm dial;
    // Multiplexed.
    std::uint32_t silent = 0;  ///< Of `exchanges`: cancelled, their responses are thrown away.
    base::deadline_handle silent_timer = 0;
    reset_budget resets;

    /// What counts against `max_exchanges`.
    [[nodiscard]] std::uint32_t streams() const { return exchanges + held; }
    [[nodiscard]] bool has_room() const { return streams() < max_exchanges && !is_in_doubt; }
    /// When an idle connection is to be closed.
    [[nodiscard]] base::time_point idle_end() const {
        const base::time_point end = base::after(idle_since, idle_timeout);
        return end < retire_at ? end : retire_at;
    }
};

enum class exchange_state : std::uint8_t {
    absent,
    waiting,
    assigned,
    cancelled,  ///< Still on its connection, which drains it.
};

struct exchange_record {
    std::uint32_t generation = 0;
    exchange_state state = exchange_state::absent;
    bool wants_fresh = false;
    bool is_answered = false;  ///< The first octet of its response is here.
    bool is_asking = false;    ///< It is on a connection, alive, and has no answer.
    std::uint32_t origin = no_index;
    std::uint32_t connection = no_index;
    base::list_links links;
    base::time_point since{};  ///< Waiting: when it was queued. Else: when it was assigned.
    base::time_point deadline = base::never;
    base::deadline_handle timer = 0;
    // What its origin had counted when it was queued.
    std::uint64_t failed_dials_before = 0;
    std::uint64_t permanent_failures_before = 0;
};

/// Exchanges by the index of their id.
class exchange_table {
public:
    /// The record of a living exchange, or null.
    [[nodiscard]] exchange_record* find(exchange_id id) {
        if (id.index >= records_.size()) return nullptr;
        exchange_record& record = records_[id.index];
        const bool is_it =
            record.generation == id.generation && record.state != exchange_state::absent;
        return is_it ? &record : nullptr;
    }
    /// A clear record for a new exchange. Null if the place is taken by a living one.
    [[nodiscard]] exchange_record* open(exchange_id id) {
        if (id.index >= records_.size()) records_.resize(std::size_t{id.index} + 1);
        exchange_record& record = records_[id.index];
        if (record.state != exchange_state::absent) return nullptr;
        record = {};
        record.generation = id.generation;
        return &record;
    }
    void close(std::uint32_t index) { records_[index].state = exchange_state::absent; }

    [[nodiscard]] exchange_record& at(std::uint32_t index) { return records_[index]; }
    [[nodiscard]] const exchange_record& at(std::uint32_t index) const { return records_[index]; }
    [[nodiscard]] exchange_id id_of(std::uint32_t index) const {
        return {index, records_[index].generation};
    }
    [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(records_.size()); }

private:
    std::vector<exchange_record> records_;
};

/// What a deadline is for; `index` names the connection, exchange, origin or warm-up.
enum class timed_kind : std::uint8_t {
    dial,
    idle,
    drain,
    leave,
    gone,
    silent,
    waiter,
    origin,
    warm_up,
    ceiling,
    excess
};
struct timed {
    timed_kind kind = timed_kind::dial;
    std::uint32_t index = no_index;
};

struct record_tables {
    explicit record_tables(std::uint32_t first_generation = 1) : connections(first_generation) {}

    base::slab<connection_record, connection_id> connections;
    exchange_table exchanges;
    /// Connections by the time they last became idle, as it was when they were entered: a use does
    /// not move a connection, `least_recently_used` does when it comes across it.
    base::handle_heap<base::time_point, std::uint32_t> by_use;
    std::uint32_t idle_count = 0;
    base::index_list draining_by_age;  ///< By `shared_links`, longest draining first.

    /// `connection` has become idle.
    void note_use(connection_record& connection) {
        if (connection.use != 0) return;
        by_use.set(connection.use, connection.idle_since, connection.id.index);
    }

    /// The connection that has been idle longest, of any origin; `no_index` if none is idle. Each
    /// use since the last call costs at most one step, O(log n).
    [[nodiscard]] std::uint32_t least_recently_used() {
        while (!by_use.empty()) {
            connection_record& connection = connections.at(by_use.top());
            if (connection.state != connection_state::idle) {
                by_use.remove(connection.use);  // entered again when it rests
            } else if (connection.idle_since != by_use.top_key()) {
                by_use.set(connection.use, connection.idle_since, connection.id.index);
            } else {
                return connection.id.index;
            }
        }
        return no_index;
    }

    [[nodiscard]] auto origin_links() {
        return
            [this](std::uint32_t i) -> base::list_links& { return connections.at(i).origin_links; };
    }
    [[nodiscard]] auto shared_links() {
        return
            [this](std::uint32_t i) -> base::list_links& { return connections.at(i).shared_links; };
    }
    [[nodiscard]] auto exchange_links() {
        return [this](std::uint32_t i) -> base::list_links& { return exchanges.at(i).links; };
    }
};

}  // namespace hearth::core
