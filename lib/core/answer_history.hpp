// answer_history: what the recent answers of an origin say about the next one.
//
// Theory. Only answers that reached a live caller count: late ones of cancelled exchanges say how
// bad it was, not how quick the origin can be, and an estimate that learns from them refuses
// everything after a hiccup, for ever.
//  - `typical`: smoothed over some eight answers.
//  - `least`: what an answer takes at the very least. It follows a quicker answer half of the way
//    at once and a slower one by a 32nd, so it stays near the quickest of the last few dozen.
//    Without an answer it halves every 100 ms, down to the connect round trip: what is not
//    confirmed is not certain. No value of it lasts, whatever it was. And it is never more than a
//    caller has waited in vain of late: an origin whose last answers all were slow ones (a warm-up,
//    a batch of reports) may be quick for the next caller, who is then not refused but asked for.
//  - `quickest`: the quickest one of the last ten to twenty seconds.
//  - `is_silent`: the origin answers nobody in time. Either `enough` exchanges are unanswered since
//    the last answer and that is four times longer ago than an answer takes (at least 20 ms), or
//    `enough` callers have left unanswered since.
//
// Called by the pool, one per origin; `now` never goes back.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace hearth::core {

using base::duration;
using base::time_point;

class answer_history {
public:
    /// Exchanges that must be without an answer before an origin is called silent: fewer may just
    /// be slow ones.
    static constexpr std::uint32_t enough = 10;

    /// An exchange was put on a connection.
    void on_assigned(time_point now) {
        if (unanswered_++ == 0) asking_since_ = now;
    }
    /// A live exchange has its answer, `took` after it was assigned.
    void on_answer(time_point now, duration took);
    /// The caller of an exchange without an answer has left, `waited` after it was assigned.
    void on_missed(time_point now, duration waited);
    /// A TCP connect took that long.
    void on_connected(duration took);

    [[nodiscard]] bool is_silent(time_point now) const;
    [[nodiscard]] duration typical() const { return typical_; }
    [[nodiscard]] duration quickest() const { return std::min(quickest_, quickest_before_); }
    /// The last answer that reached a live caller; `time_point::min()` if none did.
    [[nodiscard]] time_point last_answer() const { return last_answer_; }
    /// A low estimate of a TCP connect.
    [[nodiscard]] duration round_trip() const { return round_trip_; }
    [[nodiscard]] duration least(time_point now) const;
    /// Whether `left` is shorter than `least`.
    [[nodiscard]] bool is_too_short(time_point now, duration left) const {
        return left < (quick_ < round_trip_ ? round_trip_ : quick_) && left < least(now);
    }

private:
    void note_quickest(time_point now, duration took);

    std::uint32_t unanswered_ = 0;  // assigned since the last answer
    std::uint32_t missed_ = 0;      // left unanswered since the last answer
    time_point asking_since_{};     // when the first of `unanswered_` was assigned
    time_point last_answer_ = time_point::min();
    duration typical_{};
    duration quick_{};
    duration quickest_ = duration::max();
    duration quickest_before_ = duration::max();  // of the ten seconds before these
    time_point quickest_since_ = time_point::min();
    duration round_trip_{};
    duration vain_wait_{};  // the longest of late
    time_point vain_at_{};
};

}  // namespace hearth::core
