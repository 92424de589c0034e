#include "core/breaker.hpp"

#include <algorithm>

namespace hearth::core {
namespace {

// What recovering lets through at its beginning, and how much an open time is shortened at random.
constexpr double first_share = 0.1;
constexpr double open_jitter = 0.2;

}  // namespace

void breaker::set_rules(const breaker_config& rules) {
    const bool is_switched = rules.enabled != rules_.enabled;
    if (is_switched) enter(breaker_state::closed);
    if (is_switched || rules.window != rules_.window) {  // its slices are of another length
        window_ = {};
        slice_ = 0;
    }
    rules_ = rules;
}

breaker_state breaker::state(base::time_point now) const {
    if (state_ == breaker_state::open && now >= until_) return breaker_state::half_open;
    if (state_ == breaker_state::recovering && now >= until_) return breaker_state::closed;
    return state_;
}

void breaker::enter(breaker_state next) {
    state_ = next;
    ++era_;
    probing_ = 0;
    succeeded_ = 0;
    share_left_ = 0.0;
}

/// Changes of state that time brings.
void breaker::settle(base::time_point now) {
    const breaker_state next = state(now);
    if (next == state_) return;
    if (next == breaker_state::closed) {
        state_ = next;  // the same era: what recovering let through counts on
        return;
    }
    enter(next);
}

void breaker::open(base::time_point now) {
    opened_by_ = sum();
    ++times_opened_;
    enter(breaker_state::open);
    const auto shortest = static_cast<double>(base::duration(rules_.open_for).count()) *
                          (1.0 - open_jitter * random_.unit());
    until_ = base::after(now, base::duration(static_cast<base::duration::rep>(shortest)));
}

/// Every n-th passes, for a share of 1/n; evenly, not at random.
bool breaker::pass_share(double share) {
    share_left_ += share;
    if (share_left_ < 1.0) return false;
    share_left_ -= 1.0;
    return true;
}

bool breaker::admit(base::time_point now, ticket& out) {
    settle(now);
    out = {era_, false};
    switch (state_) {
        case breaker_state::closed: return true;
        case breaker_state::open: return pass_share(rules_.panic_share);
        case breaker_state::half_open:
            if (probing_ + succeeded_ >= rules_.probes) return pass_share(rules_.panic_share);
            ++probing_;
            out.is_probe = true;
            return true;
        case breaker_state::recovering: {
            const auto left = static_cast<double>((until_ - now).count());
            const auto whole =
                std::max(static_cast<double>(base::duration(rules_.recovery).count()), left);
            return pass_share(first_share + (1.0 - first_share) * (1.0 - left / whole));
        }
    }
    return true;
}

void breaker::on_result(base::time_point now, ticket which, attempt_result result) {
    settle(now);
    if (which.era != era_) return;
    if (state_ == breaker_state::half_open) {
        if (!which.is_probe) return;
        --probing_;
        if (result == attempt_result::failure) {
            tally last = opened_by_;
            open(now);
            opened_by_ = last;  // why it opened is still why
        } else if (result == attempt_result::success && ++succeeded_ >= rules_.probes) {
            window_ = {};
            enter(breaker_state::recovering);
            until_ = base::after(now, rules_.recovery);
        }
        return;
    }
    if (state_ == breaker_state::open || result == attempt_result::unknown) return;
    count(now, result == attempt_result::failure);
    const tally all = sum();
    if (all.results < rules_.min_volume) return;
    if (static_cast<double>(all.failures) >=
        rules_.failure_ratio * static_cast<double>(all.results)) {
        open(now);
    }
}

void breaker::count(base::time_point now, bool failed) {
    const auto length = std::max<base::duration::rep>(
        base::duration(rules_.window).count() / static_cast<base::duration::rep>(slices), 1);
    const std::int64_t current = now.time_since_epoch().count() / length;
    const std::int64_t passed =
        std::clamp<std::int64_t>(current - slice_, 0, static_cast<std::int64_t>(slices));
    for (std::int64_t i = 0; i < passed; ++i) {
        window_[static_cast<std::size_t>(current - i) % slices] = {};
    }
    slice_ = std::max(slice_, current);
    tally& newest = window_[static_cast<std::size_t>(slice_) % slices];
    ++newest.results;
    if (failed) ++newest.failures;
}

breaker::tally breaker::sum() const {
    tally all;
    for (const tally& one : window_) {
        all.failures += one.failures;
        all.results += one.results;
    }
    return all;
}

}  // namespace hearth::core
