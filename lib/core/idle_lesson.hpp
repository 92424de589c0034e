// idle_lesson: after what time does this origin close idle connections?
//
// Theory. Servers close what was idle for a time of their own, and seldom say so. A request that
// meets such a close is lost, or has to be repeated; closing a little earlier ourselves avoids
// that. One close says nothing: a restart ends connections of every age. But three closes in a row,
// each in a moment of its own, after about the same time are a rule: we stay below the shortest of
// them. Closes of one moment count once, as those of a restart under a burst that all became idle
// together. What was learned is forgotten after ten minutes, so that a server that was given more
// patience is found out; the price are three more closes.
//
// Called by the pool, one per origin.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/time.hpp"

namespace hearth::core {

class idle_lesson {
public:
    /// The origin closed a connection that had been idle for so long.
    void on_closed(base::time_point now, base::duration idle) {
        if (idle < shortest) return;  // no timer of an idle connection, but an end right behind
        const bool agrees = seen_ != 0 && now - last_ < memory &&
                            std::chrono::abs(idle - least_) <= least_ / 4 + tolerance;
        if (!agrees) {
            seen_ = 0;
            least_ = idle;
        }
        least_ = std::min(least_, idle);
        last_ = now;
        const bool is_same_moment = seen_ != 0 && now - counted_ <= least_ / 4 + tolerance;
        if (is_same_moment) return;
        counted_ = now;
        if (seen_ < needed) ++seen_;
    }

    /// How long a connection may be idle before we close it; nothing while nothing is known.
    [[nodiscard]] std::optional<base::duration> limit(base::time_point now) const {
        if (seen_ < needed || now - last_ >= memory) return {};
        return least_ - std::min<base::duration>(std::chrono::seconds(1), least_ / 4);
    }

private:
    static constexpr std::uint32_t needed = 3;
    static constexpr std::chrono::milliseconds shortest{100};
    static constexpr std::chrono::milliseconds tolerance{100};
    static constexpr std::chrono::minutes memory{10};

    std::uint32_t seen_ = 0;  // closes in a row that agree
    base::duration least_{};  // of them
    base::time_point last_{};
    base::time_point counted_{};  // the last one that was counted
};

}  // namespace hearth::core
