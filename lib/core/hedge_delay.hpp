// hedge_delay: when has an exchange waited so long for its answer that a second attempt is worth
// making, and when is that everybody's fate and not worth it?
//
// Theory. The delay is a percentile of the answer times, learned without ever seeing the slow ones
// whole (a hedge cuts them short): whoever is overtaken by the delay makes it longer by a step,
// whoever answers before makes it shorter by a much smaller one, in the proportion that balances
// when exactly `1 - percentile` are overtaken. So hedges are that share of the requests whatever
// the times look like, and a delay that is wrong corrects itself. The first 64 answers only teach.
//
// When everybody is overtaken, the origin is slow, not unlucky, and more requests are the last
// thing it needs: once the overtaken are four times their share of the last few dozen, no hedge is
// made until it is less. Called by the shard, one per origin.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/time.hpp"

namespace hearth::core {

class hedge_delay {
public:
    static constexpr std::size_t lessons = 64;

    /// `percentile` as a share, 0.5 to 0.999.
    explicit hedge_delay(double percentile) : share_late_(1.0 - percentile), late_(share_late_) {}

    /// How long an exchange begun now waits before its hedge; nothing while there is too little to
    /// say.
    [[nodiscard]] std::optional<base::duration> delay() const;
    /// An exchange that may be hedged has its answer, before its delay was over.
    void on_answer(base::duration took);
    /// The delay of one was over first. True: the others are not late, it may be hedged.
    [[nodiscard]] bool on_late();

private:
    void follow(bool is_late);

    double share_late_;
    double late_;  // smoothed share of those that were late
    double delay_ = 0.0;
    std::array<base::duration, lessons> learned_{};
    std::size_t count_ = 0;
};

}  // namespace hearth::core
