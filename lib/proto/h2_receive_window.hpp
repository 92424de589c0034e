// h2_receive_window: how large the receive windows of a connection and its streams should be.
// Numbers only; h2_connection applies them.
//
// A ping that rides along with data measures how much arrives within a round trip. When that comes
// near half the window (two fifths), the window may be what limits it, for windows are given back
// by halves; it becomes twice the larger of the two, up to `max_window`. It never shrinks: an
// unused window costs nothing.
//
// The connection's window is given back on arrival and so bounds nothing but what is on its way:
// one caller who does not read must not stall the others. What such callers can make the process
// hold is bounded by the streams' windows, which are given back as callers consume. They grow to
// the target only for callers who keep up, and only within a budget for all streams of the
// connection together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "proto/h2_settings.hpp"

namespace hearth::proto {

class h2_receive_window {
public:
    explicit h2_receive_window(const h2_settings& settings)
        : target_(settings.initial_stream_window),
          connection_(settings.initial_connection_window),
          max_window_(settings.max_window),
          growth_left_(settings.max_window_growth) {}

    /// What the connection's window should be.
    [[nodiscard]] std::uint32_t connection() const { return connection_; }
    /// The window that a stream of `current` should have, and takes the difference from the budget.
    /// For streams whose caller keeps up.
    [[nodiscard]] std::uint32_t grow(std::uint32_t current);
    /// A stream that had grown by `octets` is gone.
    void release(std::uint32_t octets) { growth_left_ += octets; }

    /// Octets that arrived together follow. A ping answers the first of them, so that a sample
    /// begins with them: a peer that has used up its window sends nothing more before it answers.
    void on_input() { arrived_before_ = received_; }
    void on_data(std::size_t octets) { received_ += octets; }
    /// True if a ping sent now would tell something new.
    [[nodiscard]] bool wants_sample() const {
        return !is_sampling_ && target_ < max_window_ && received_ != sampled_;
    }
    void begin_sample(std::uint64_t payload);
    /// The answer to a ping came; true if the connection's window should grow.
    [[nodiscard]] bool on_pong(std::uint64_t payload);

private:
    [[nodiscard]] std::uint32_t grown(std::uint32_t window, std::uint64_t sample) const;

    std::uint32_t target_;  // of a stream
    std::uint32_t connection_;
    std::uint32_t max_window_;
    std::uint32_t growth_left_;
    std::uint64_t received_ = 0;        // all octets of data so far
    std::uint64_t arrived_before_ = 0;  // what arrived last
    std::uint64_t sampled_ = 0;         // where the running sample begins, or the last one ended
    std::uint64_t sample_payload_ = 0;
    bool is_sampling_ = false;
};

}  // namespace hearth::proto
