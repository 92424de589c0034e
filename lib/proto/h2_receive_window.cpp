#include "proto/h2_receive_window.hpp"

#include <algorithm>

namespace hearth::proto {

std::uint32_t h2_receive_window::grow(std::uint32_t current) {
    if (current >= target_) return current;
    const std::uint32_t more = std::min(target_ - current, growth_left_);
    growth_left_ -= more;
    return current + more;
}

void h2_receive_window::begin_sample(std::uint64_t payload) {
    if (is_sampling_) return;
    is_sampling_ = true;
    sample_payload_ = payload;
    sampled_ = std::max(sampled_, arrived_before_);
}

bool h2_receive_window::on_pong(std::uint64_t payload) {
    if (!is_sampling_ || payload != sample_payload_) return false;
    is_sampling_ = false;
    const std::uint64_t sample = received_ - sampled_;
    sampled_ = received_;
    // Streams share the connection's window, so that a sample may be many streams' or one's.
    target_ = grown(target_, sample);
    const std::uint32_t before = connection_;
    connection_ = grown(connection_, sample);
    return connection_ != before;
}

std::uint32_t h2_receive_window::grown(std::uint32_t window, std::uint64_t sample) const {
    if (sample * 5 < std::uint64_t{window} * 2) return window;
    const std::uint64_t wanted = 2 * std::max<std::uint64_t>(sample, window);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, max_window_));
}

}  // namespace hearth::proto
