// token_bucket: so many a second, and a burst after a pause. One per origin with a rate limit; kept
// as the time at which it is full again, so that no rounding adds up.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace hearth::core {

class token_bucket {
public:
    token_bucket(double per_second, std::uint32_t burst)
        : step_(static_cast<base::duration::rep>(1e9 / per_second)), burst_(burst) {}

    [[nodiscard]] bool take(base::time_point now) {
        if (next_at() > now) return false;
        full_at_ = std::max(full_at_, now) + step_;
        return true;
    }
    /// Takes all that are there.
    void drain(base::time_point now) { full_at_ = std::max(full_at_, now + step_ * burst_); }
    /// When a token is there, of `ahead` that are taken before it.
    [[nodiscard]] base::time_point next_at(std::uint64_t ahead = 0) const {
        return full_at_ + step_ * static_cast<base::duration::rep>(ahead) -
               step_ * (static_cast<base::duration::rep>(burst_) - 1);
    }

private:
    base::duration step_;  // a token's time
    std::uint32_t burst_;
    base::time_point full_at_{};
};

}  // namespace hearth::core
