// What recent answers say, see answer_history.hpp.
#include "core/answer_history.hpp"

#include <algorithm>
#include <chrono>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

// Shorter silences are a scheduler's or a garbage collector's.
constexpr duration shortest_answer = 5ms;
constexpr int silence_factor = 4;
// Half-life of `least` without answers; a caller's usual patience is longer.
constexpr duration half_life = 100ms;
// Of `quickest`, and once more.
constexpr duration memory = 10s;

[[nodiscard]] duration faded(duration value, duration age) {
    return duration{value.count() >> std::min<std::int64_t>(age / half_life, 62)};
}

}  // namespace

void answer_history::on_answer(time_point now, duration took) {
    note_quickest(now, took);
    typical_ = typical_ == duration::zero() ? took : typical_ + (took - typical_) / 8;
    if (last_answer_ == time_point::min()) {
        quick_ = took;
    } else {
        quick_ = std::max(faded(quick_, now - last_answer_), std::min(round_trip_, quick_));
        quick_ += took < quick_ ? (took - quick_) / 2 : (took - quick_) / 32;
    }
    last_answer_ = now;
    unanswered_ = 0;
    missed_ = 0;
}

void answer_history::note_quickest(time_point now, duration took) {
    if (quickest_since_ == time_point::min() || now - quickest_since_ >= memory) {
        const bool is_recent =
            quickest_since_ != time_point::min() && now - quickest_since_ < 2 * memory;
        quickest_before_ = is_recent ? quickest_ : duration::max();
        quickest_ = duration::max();
        quickest_since_ = now;
    }
    quickest_ = std::min(quickest_, took);
}

void answer_history::on_missed(time_point now, duration waited) {
    ++missed_;
    if (waited < faded(vain_wait_, now - vain_at_)) return;
    vain_wait_ = waited;
    vain_at_ = now;
}

void answer_history::on_connected(duration took) {
    if (round_trip_ == duration::zero() || took < round_trip_) {
        round_trip_ = took;
    } else {
        round_trip_ += (took - round_trip_) / 32;
    }
}

bool answer_history::is_silent(time_point now) const {
    if (missed_ >= enough) return true;
    if (unanswered_ < enough || last_answer_ == time_point::min()) return false;
    return now - asking_since_ > silence_factor * std::max(shortest_answer, typical_);
}

duration answer_history::least(time_point now) const {
    if (last_answer_ == time_point::min()) return round_trip_;
    const duration likely = faded(quick_, now - last_answer_);
    const duration certain = std::min(likely, faded(vain_wait_, now - vain_at_));
    return std::max(certain, std::min(round_trip_, quick_));
}

}  // namespace hearth::core
