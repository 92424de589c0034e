// placement: on which threads of the client the calls of an origin are served, and when that
// changes.
//
// An origin begins on one thread, and as few threads work as can: one that serves many calls at a
// time spends less on each. Where a thread has little time left, the origins that it serves most
// calls of are served by a second one too, then by a third; when one thread could do the work
// again, the one that came last goes. The thread that was first stays.
//
// Load is CPU time of a thread against the clock, which each shard reports every `look_every` while
// it has something to do. A thread that waits for a core does not look busy, rightly: another
// thread would wait as well. More threads than there are cores for them are not used.
//
// Limits are exact meanwhile. Each of the threads has its part of them (core/origin_part.hpp). One
// is added when the others have let go of what is to be its part; one is taken away by giving it
// no new calls, and the others' parts grow when it has no connection any more. Shards are told by
// orders and answer with `done`; a slot has one change at a time.
//
// Thread-safe, by a mutex: all of this is off the path of a call, which reads the table.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

#include "base/time.hpp"
#include "client/origin_table.hpp"
#include "core/origin_part.hpp"

namespace hearth::detail {

/// What a shard is to do about the origins of one slot.
struct placement_order {
    std::uint32_t slot = 0;
    std::uint32_t number = 0;  ///< To be given back with the answer.
    core::origin_part part;    ///< None: as soon as it has no exchange of theirs.
};

class placement {
public:
    /// Between two reports of a shard that works.
    static constexpr std::chrono::milliseconds look_every{100};
    /// Shards that change at once have at most so many orders each.
    static constexpr std::size_t most_changes = 16;

    /// Gives shard `index` an order. Called without the lock; where it throws std::bad_alloc the
    /// shard is told again at the next report.
    using tell_function = std::function<void(std::size_t index, const placement_order& order)>;
    /// Of that many shards. Of its own accord it uses the first `useful` ones, for which there are
    /// cores. `most_takers` as for `set_most_takers`.
    placement(std::size_t shards, std::size_t useful, std::size_t most_takers, tell_function tell);

    [[nodiscard]] const origin_table& table() const { return table_; }
    [[nodiscard]] std::size_t useful() const { return useful_; }
    /// The shards of a slot, which get their first one if they have none.
    [[nodiscard]] takers place(std::size_t slot, base::time_point now);
    // What the shard at this place among those of a slot has a connection for. Without the lock.
    void set_free(std::size_t slot, std::size_t place, std::uint32_t calls) {
        table_.set_free(slot, place, calls);
    }
    void reset_free(std::size_t slot, std::size_t place, std::uint32_t calls) {
        table_.reset_free(slot, place, calls);
    }
    [[nodiscard]] bool claim(std::size_t slot, std::size_t place) {
        return table_.claim(slot, place);
    }
    void arrive(std::size_t slot, std::size_t place) { table_.arrive(slot, place); }
    /// At most so many threads for one origin from now on.
    void set_most_takers(std::size_t most);

    /// What shard `index` has done since its last report: the share of the time that its thread was
    /// on a core, 0..1, and how many calls it has begun of each slot. The answer is the share of
    /// what it has in flight that others should go on with.
    [[nodiscard]] double report(std::size_t index, base::time_point now, double load,
                                std::span<const std::uint32_t> calls);
    /// Shard `index` has done what it was told.
    void done(std::size_t index, const placement_order& order, base::time_point now);

    /// Adds a thread to the origins of a slot; false: that cannot be now.
    bool spread(std::size_t slot, std::size_t index);
    /// Takes the thread away that came last; false: that cannot be now.
    bool gather(std::size_t slot);

private:
    enum class change : std::uint8_t {
        none,
        making_room,  ///< Those that are there let go of what is beyond their new part.
        joining,      ///< The new one is told its part.
        leaving,      ///< The last one has no new calls any more.
        growing,      ///< The others are told their parts.
    };
    struct slot_state {
        takers all;  ///< That have a part, or are about to.
        change now = change::none;
        std::uint8_t waits_for = 0;       ///< A bit for each of them that has not answered.
        std::uint8_t untold = 0;          ///< Of these, that could not be told.
        std::uint32_t number = 0;         ///< Of the orders.
        double last_load = 0;             ///< Of the last one, by this slot.
        base::time_point quiet_since{};   ///< One thread fewer could do it; never: it could not.
        base::time_point began{};         ///< The change that is under way.
        base::time_point spread_after{};  ///< Not again before: there was no room last time.
    };
    struct shard_state {
        double load = 0;
        base::time_point reported_at{};
        bool was_hot = false;
        std::size_t slots = 0;  ///< That it was the first of.
    };
    struct message {
        std::size_t index;
        placement_order order;
    };

    [[nodiscard]] double load_of(std::size_t index, base::time_point now) const;
    [[nodiscard]] std::size_t helper_for(const slot_state& slot, std::size_t index,
                                         base::time_point now) const;
    void note_spread(std::size_t index, base::time_point now, double load,
                     std::span<const std::uint32_t> calls, std::uint64_t sum);
    void note_quiet(std::size_t slot, base::time_point now);
    [[nodiscard]] bool may_gather(base::time_point now) const;
    void give_up_late(base::time_point now);
    void publish(std::size_t slot, takers all);
    void relieve(std::size_t index, base::time_point now, std::span<const std::uint32_t> calls,
                 std::uint64_t sum);
    [[nodiscard]] double passing(std::size_t index, base::time_point now,
                                 std::span<const std::uint32_t> calls) const;
    [[nodiscard]] bool may_spread(const slot_state& slot, std::size_t index) const;
    bool begin_spread(std::size_t slot, std::size_t index);
    bool begin_gather(std::size_t slot);
    void begin(std::size_t slot, change what, std::size_t from, std::size_t to);
    void end(std::size_t slot, base::time_point now);
    [[nodiscard]] bool take_untold(message& out);
    void tell_all();

    const std::size_t useful_;
    const tell_function tell_;
    origin_table table_;

    std::mutex mutex_;
    std::vector<shard_state> shards_;
    std::vector<slot_state> slots_;
    std::size_t most_takers_;
    std::array<std::uint16_t, most_changes> changing_{};  // slots
    std::size_t changes_ = 0;                             // of these
    std::size_t spread_ = 0;                              // slots with several shards
    std::uint32_t numbers_ = 0;
    base::time_point changed_at_{};  // last
    base::time_point now_{};         // of the last report
};

}  // namespace hearth::detail
