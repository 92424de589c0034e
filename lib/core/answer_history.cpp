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

}  // namespace

void answer_history::on_answer(time_point now, duration took) {
    typical_ = typical_ == duration::zero() ? took : typical_ + (took - typical_) / 8;
    if (last_answer_ == time_point::min()) {
        quick_ = took;
    } else {
        if (now - last_answer_ >= half_life) quick_ = least(now);
        quick_ += took < quick_ ? (took - quick_) / 2 : (took - quick_) / 32;
    }
    last_answer_ = now;
    unanswered_ = 0;
    missed_ = 0;
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
    const auto halvings = std::min<std::int64_t>((now - last_answer_) / half_life, 62);
    const duration decayed{quick_.count() >> halvings};
    return std::max(decayed, std::min(round_trip_, quick_));
}

}  // namespace hearth::core
