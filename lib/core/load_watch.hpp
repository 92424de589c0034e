// load_watch: how busy the process is, and who is therefore refused before costing anything.
//
// The load is the highest of: how late our own thread comes to its work, how long exchanges wait
// for a connection, each over its limit, and what the application reports. Measured times follow a
// higher value by a quarter and a lower one by an eighth, so that neither one late turn sheds nor
// one quick one ends it. Without a new value a time halves every 100 ms: who refuses everything
// measures nothing, and must not refuse for ever. Called by the shard; `now` never goes back.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/time.hpp"
#include "hearth/config.hpp"

namespace hearth::core {

class load_watch {
public:
    explicit load_watch(const shed_config& rules) : rules_(rules) {}

    void set_rules(const shed_config& rules) { rules_ = rules; }

    [[nodiscard]] bool measures_lag() const { return rules_.loop_lag.has_value(); }
    void on_lag(base::time_point now, base::duration late) { lag_.follow(now, late); }
    void on_queue_delay(base::time_point now, base::duration waited) {
        if (rules_.queue_delay) delay_.follow(now, waited);
    }

    [[nodiscard]] double load(base::time_point now, double reported) const {
        double highest = reported;
        if (rules_.loop_lag) highest = std::max(highest, lag_.over(now, *rules_.loop_lag));
        if (rules_.queue_delay) highest = std::max(highest, delay_.over(now, *rules_.queue_delay));
        return highest;
    }
    [[nodiscard]] bool sheds(base::time_point now, priority_class priority, double reported) const {
        switch (priority) {
            case priority_class::critical: return false;
            case priority_class::normal: return load(now, reported) >= 2.0;
            case priority_class::sheddable: return load(now, reported) >= 1.0;
        }
        return false;
    }

private:
    struct smoothed {
        base::duration value{};
        base::time_point seen_at{};

        void follow(base::time_point now, base::duration seen) {
            value = faded(now);
            value += (seen - value) / (seen > value ? 4 : 8);
            seen_at = now;
        }
        [[nodiscard]] base::duration faded(base::time_point now) const {
            const auto halvings = (now - seen_at) / std::chrono::milliseconds(100);
            return halvings >= 40 ? base::duration::zero()
                                  : value / (std::int64_t{1} << static_cast<unsigned>(halvings));
        }
        [[nodiscard]] double over(base::time_point now, base::duration limit) const {
            return static_cast<double>(faded(now).count()) / static_cast<double>(limit.count());
        }
    };

    shed_config rules_;
    smoothed lag_;
    smoothed delay_;
};

}  // namespace hearth::core
