// dial_fsm: one dial up to TLS, as far as it can be decided without knowing what an address is.
//
// Theory. A dial is a name to resolve, then a race of TCP connects over the addresses in the order
// given (RFC 8305 5): one attempt at once, the next one `attempt_delay` later or as soon as an
// attempt fails, whichever is first; the first that connects wins and the others are abandoned.
// Then the connection is secured (TLS, HTTP/2 preface), which the handshake scheduler paces. Each
// phase has a timeout of its own; time spent in one is never charged to another.
//
//   resolving ──resolved──▶ connecting ──connected──▶ securing      any of them ──▶ ended
//
// Inputs return a `dial_effect`: what to start and abandon, and whether the dial has failed. An
// input that does not fit the phase (an abandoned attempt that connects after all) changes nothing
// and says so. Called by the pool, one machine per dial. Addresses beyond `max_addresses` are not
// tried.
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "core/action.hpp"

namespace hearth::core {

using base::duration;
using base::time_point;

enum class dial_phase : std::uint8_t { resolving, connecting, securing, ended };

struct dial_timeouts {
    duration name;
    duration connect;        ///< All attempts together.
    duration handshake;      ///< Waiting for its turn included.
    duration attempt_delay;  ///< Between the starts of two attempts.
};

struct dial_effect {
    static constexpr std::uint32_t no_attempt = 0xffffffff;

    bool accepted = true;                       ///< False: the input did not fit and was ignored.
    std::uint32_t connect = no_attempt;         ///< Start this attempt.
    std::uint64_t cancel = 0;                   ///< Abandon these attempts, one bit each.
    dial_failure failure = dial_failure::none;  ///< The dial has ended with this failure.
};

class dial_fsm {
public:
    /// RFC 8305 leaves the number open; more than this would be tried only after 16 s of silence.
    static constexpr std::uint32_t max_addresses = 64;

    /// Enters `resolving`.
    void begin(time_point now, const dial_timeouts& timeouts);
    [[nodiscard]] dial_effect on_resolved(time_point now, const dial_timeouts& timeouts,
                                          std::size_t addresses);
    [[nodiscard]] dial_effect on_connected(time_point now, const dial_timeouts& timeouts,
                                           std::uint32_t address);
    [[nodiscard]] dial_effect on_connect_failed(time_point now, const dial_timeouts& timeouts,
                                                std::uint32_t address);
    /// To be called when `deadline` has come; harmless before.
    [[nodiscard]] dial_effect on_timer(time_point now, const dial_timeouts& timeouts);
    /// The connection is usable or gone: nothing is timed any more.
    void end();

    [[nodiscard]] dial_phase phase() const { return phase_; }
    [[nodiscard]] time_point deadline() const;
    /// When `begin` was called.
    [[nodiscard]] time_point began() const { return began_; }

private:
    [[nodiscard]] bool is_running(std::uint32_t address) const;
    [[nodiscard]] std::uint32_t start_next(time_point now, const dial_timeouts& timeouts);
    [[nodiscard]] dial_effect fail(dial_failure failure);

    time_point began_{};
    time_point phase_end_ = base::never;
    time_point next_attempt_ = base::never;
    std::uint64_t running_ = 0;  // attempts in progress, one bit each
    std::uint32_t addresses_ = 0;
    std::uint32_t next_ = 0;  // the first address not tried yet
    dial_phase phase_ = dial_phase::ended;
};

}  // namespace hearth::core
