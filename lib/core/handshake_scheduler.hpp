// handshake_scheduler: which handshake runs its next slice, and whether one may run at all.
//
// Theory. The costly step of a TLS handshake is the client's answer to the server's flight. Running
// all handshakes a little makes all of them late; running the one nearest to done first makes as
// many as possible useful. So slices whose server flight is here come first, then ClientHellos,
// each by age of the dial; and a ClientHello, which brings a costly slice later, leaves only while
// fewer than `max_concurrent` handshakes are past theirs. What waits for the network costs nothing
// and is in no queue. Each turn runs at most `slices_per_turn`, after established exchanges had
// theirs. Where slices run on threads of their own (`threads`), as many may run at once as there
// are threads, and the turn has no say: what waits, waits here, in order. Where several cores share
// the limit it is kept by permits (`handshake_permits`), one for each that is past its ClientHello.
//
//   parked ──hello──▶ queued ──next──▶ running ──waiting──▶ parked ──flight──▶ queued ...
//                                         └──done, failed──▶ (past its hello until removed)
//
// Invariant: `past_hello` = handshakes that ran their hello slice and are not removed or done.
#pragma once

#include <cstdint>
#include <vector>

#include "base/handle_heap.hpp"
#include "base/id.hpp"
#include "base/time.hpp"
#include "core/action.hpp"
#include "core/handshake_permits.hpp"
#include "hearth/config.hpp"

namespace hearth::core {

using base::duration;

class handshake_scheduler {
public:
    /// Not `ordered`: slices run in the order they become possible, without any limit. `permits`:
    /// null where nobody shares the limit; else it outlives this.
    explicit handshake_scheduler(const handshake_config& config, bool ordered = true,
                                 handshake_permits* permits = nullptr);
    ~handshake_scheduler();
    handshake_scheduler(const handshake_scheduler&) = delete;
    handshake_scheduler& operator=(const handshake_scheduler&) = delete;

    /// Other numbers from now on. What is past its ClientHello goes on.
    void set_limits(const handshake_config& config);

    /// TCP of `connection` is up. `age`: smaller is older.
    void add(connection_id connection, std::uint64_t age);
    /// Its next slice became possible, or (`none`) is not any more. False if there is no such
    /// handshake.
    [[nodiscard]] bool set_need(connection_id connection, handshake_need need);
    /// The slice given out by `next` has ended. False if none was running.
    [[nodiscard]] bool on_slice_done(connection_id connection, duration cost,
                                     slice_outcome outcome);
    /// It became usable or is gone. Nothing happens if it is unknown.
    void remove(connection_id connection);

    /// A new turn: `slices_per_turn` slices may run.
    void begin_turn() {
        slices_left_ = config_.threads != 0 ? config_.threads : config_.slices_per_turn;
    }
    /// There may be permits again.
    void on_permits() { is_refused_ = false; }
    /// Takes the slice to run next; an invalid id if none may run in this turn.
    [[nodiscard]] connection_id next();
    /// Whether a slice could run, given a turn.
    [[nodiscard]] bool wants_turn() const;

    [[nodiscard]] std::uint32_t past_hello() const { return past_hello_; }
    /// The most there have been at once.
    [[nodiscard]] std::uint32_t most_past_hello() const { return most_past_hello_; }
    /// Never more than the limit are, or than there were when it was lowered.
    [[nodiscard]] bool is_within_limit() const { return !is_ordered_ || past_hello_ <= allowed_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    /// Smoothed CPU cost of a slice that makes a ClientHello, and of one that answers a flight.
    [[nodiscard]] duration hello_cost() const { return hello_cost_; }
    [[nodiscard]] duration flight_cost() const { return flight_cost_; }

private:
    enum class place : std::uint8_t { absent, parked, queued, running, finished };
    struct entry {
        std::uint32_t generation = 0;
        place at = place::absent;
        bool is_past_hello = false;
        handshake_need need = handshake_need::none;     // queued: which queue; running: what runs
        handshake_need pending = handshake_need::none;  // reported while running
        base::heap_handle handle = 0;
        std::uint64_t age = 0;
    };
    using queue = base::handle_heap<std::uint64_t, connection_id>;

    [[nodiscard]] entry* find(connection_id connection);
    [[nodiscard]] queue& queue_of(handshake_need need) {
        return need == handshake_need::flight || !is_ordered_ ? flights_ : hellos_;
    }
    [[nodiscard]] bool may_say_hello() const {
        return !hellos_.empty() && past_hello_ < config_.max_concurrent && !is_refused_;
    }
    [[nodiscard]] bool take_permit();
    [[nodiscard]] bool has_thread() const {
        return config_.threads == 0 || running_ < config_.threads;
    }
    void enqueue(connection_id connection, entry& e, handshake_need need);
    void park(entry& e);
    void leave_hello(entry& e);

    handshake_config config_;
    const bool is_ordered_;
    handshake_permits* const permits_;
    bool is_refused_ = false;  // the last permit that was asked for
    std::uint32_t allowed_;
    std::uint32_t most_past_hello_ = 0;
    std::uint64_t enqueued_ = 0;
    std::vector<entry> entries_;  // by connection index
    queue flights_;
    queue hellos_;
    std::uint32_t slices_left_ = 0;
    std::uint32_t past_hello_ = 0;
    std::uint32_t running_ = 0;
    std::size_t size_ = 0;
    duration hello_cost_{};
    duration flight_cost_{};
};

}  // namespace hearth::core
