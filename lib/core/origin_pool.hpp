// origin_pool: the connections and waiters of one origin, in the order they are to be used.
//
// Rules.
//  - An exchange takes the most recently used idle connection, so that what is not needed ages out,
//    or the least recently used one (`idle_order`), so that all are used in turn; one that was
//    never used before is kept back for exchanges that want a fresh one while a used one is there.
//    Active ones with room (multiplexed) come first, the one with the fewest exchanges, so that the
//    others can age out.
//  - Waiters are kept in the order they came, and can be served from both ends. One that wants a
//    fresh connection is passed over by connections that have carried an exchange, and keeps its
//    place.
//  - `change` is the only writer of a connection's state. It checks the transition against the
//    table in connection_state.hpp and moves the connection to the list the new state calls for.
//
// Invariants: each connection is in the list its state calls for and no other; counts equal lists.
// Records live in `record_tables`, which every call is given; called by the pool alone.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/records.hpp"
#include "hearth/config.hpp"

namespace hearth::core {

class origin_pool {
public:
    explicit origin_pool(idle_order order = idle_order::most_recent)
        : takes_oldest_(order == idle_order::least_recent) {}

    void set_order(idle_order order) { takes_oldest_ = order == idle_order::least_recent; }

    // Connections.
    /// Takes in a connection that was just made (`dialing`).
    void add(record_tables& tables, connection_record& connection);
    /// Moves `connection` to its next state and list.
    void change(record_tables& tables, connection_record& connection, connection_event event);
    /// The lifetime of `connection` is nearly over.
    void leave(connection_record& connection);
    /// A connection came up in place of one that leaves.
    void replace() { ++replaced_; }
    /// What an exchange would take now: an index of a connection, or `no_index`. An idle one is
    /// preferred to active ones that carry `ideal` exchanges or more.
    [[nodiscard]] std::uint32_t pick(bool fresh, std::uint32_t ideal = base::no_index) const;
    /// What it would take in place of `avoided`, which `pick` has named; that one if there is none.
    [[nodiscard]] std::uint32_t pick_besides(const record_tables& tables,
                                             std::uint32_t avoided) const;
    /// The connection that has been idle longest.
    [[nodiscard]] std::uint32_t oldest_idle(const record_tables& tables) const;
    /// The connection that has been idle longest among those that carried an exchange.
    [[nodiscard]] std::uint32_t oldest_used() const { return used_.back(); }
    /// The connection that has been draining a cancelled response longest.
    [[nodiscard]] std::uint32_t oldest_draining() const { return draining_.front(); }
    /// The connection that began to drain last.
    [[nodiscard]] std::uint32_t youngest_draining() const { return draining_.back(); }
    /// The dial that began first.
    [[nodiscard]] std::uint32_t oldest_coming() const { return coming_.front(); }
    /// The dial that began last.
    [[nodiscard]] std::uint32_t youngest_coming() const { return coming_.back(); }

    [[nodiscard]] std::uint32_t count(connection_state state) const {
        return counts_[static_cast<std::size_t>(state)];
    }
    [[nodiscard]] std::uint32_t coming() const {
        return count(connection_state::dialing) + count(connection_state::handshaking);
    }
    [[nodiscard]] std::uint32_t ready() const {
        return count(connection_state::idle) + count(connection_state::active) +
               count(connection_state::full);
    }
    /// Ready ones that carry exchanges.
    [[nodiscard]] std::uint32_t in_use() const {
        return count(connection_state::active) + count(connection_state::full);
    }
    /// Ready ones that do not leave.
    [[nodiscard]] std::uint32_t lasting() const { return ready() - leaving_; }
    /// Ready ones that leave, and no other came up in their place.
    [[nodiscard]] std::uint32_t to_replace() const {
        return leaving_ > replaced_ ? leaving_ - replaced_ : 0;
    }
    /// Ready ones that have room for an exchange.
    [[nodiscard]] std::uint32_t available() const {
        return count(connection_state::idle) + available_count_;
    }
    /// Exchanges that those which carry some have room for, as far as `most`.
    [[nodiscard]] std::uint32_t room(const record_tables& tables, std::uint32_t most) const;
    [[nodiscard]] std::uint32_t idle_used() const { return size_of(used_); }
    [[nodiscard]] std::uint32_t cancelled() const { return size_of(draining_); }

    // Waiters.
    void enqueue(record_tables& tables, std::uint32_t exchange);
    void dequeue(record_tables& tables, std::uint32_t exchange);
    /// The waiter that came first, or `no_index`.
    [[nodiscard]] std::uint32_t first_waiter(const record_tables& tables) const;
    /// The first waiter that can use a connection which has, or has not, carried an exchange.
    [[nodiscard]] std::uint32_t first_waiter_for(const record_tables& tables,
                                                 bool has_carried) const {
        return has_carried ? ordinary_.front() : first_waiter(tables);
    }
    /// The same from the other end of the queue.
    [[nodiscard]] std::uint32_t last_waiter_for(const record_tables& tables,
                                                bool has_carried) const;
    [[nodiscard]] std::uint32_t waiters() const { return size_of(ordinary_) + size_of(fresh_); }
    [[nodiscard]] std::uint32_t fresh_waiters() const { return size_of(fresh_); }

    /// Asserts that each list holds what it should, by a full scan of them.
    void check_invariants(const record_tables& tables, std::uint32_t origin) const;

private:
    /// Connections with this many exchanges or more are not told apart.
    static constexpr std::uint32_t max_buckets = 256;

    [[nodiscard]] static std::uint32_t size_of(const base::index_list& list) {
        return static_cast<std::uint32_t>(list.size());
    }
    [[nodiscard]] std::uint32_t next_idle(const base::index_list& list) const {
        return takes_oldest_ ? list.back() : list.front();
    }
    void file(record_tables& tables, connection_record& connection);
    void unfile(record_tables& tables, connection_record& connection);
    void file_available(record_tables& tables, connection_record& connection);
    void unfile_available(record_tables& tables, connection_record& connection);
    [[nodiscard]] base::index_list& queue_of(const exchange_record& exchange) {
        return exchange.wants_fresh ? fresh_ : ordinary_;
    }
    void check_list(const record_tables& tables, std::uint32_t origin, const base::index_list& list,
                    filed_in filed) const;
    void check_queue(const record_tables& tables, std::uint32_t origin,
                     const base::index_list& queue, bool fresh) const;

    // In the order of use on the warm path, which touches two cache lines of them.
    base::index_list used_;      // idle
    base::index_list unused_;    // idle
    base::index_list ordinary_;  // waiters
    base::index_list fresh_;     // waiters that want a fresh connection
    bool takes_oldest_ = false;
    std::array<std::uint32_t, connection_state_count> counts_{};
    std::uint32_t leaving_ = 0;   // ready
    std::uint32_t replaced_ = 0;  // of those, about
    std::uint32_t lowest_ = 0;    // no bucket below it holds anything
    std::uint32_t available_count_ = 0;
    std::vector<base::index_list> available_;  // by number of exchanges; empty for HTTP/1.1
    base::index_list coming_;
    base::index_list draining_;
};

}  // namespace hearth::core
