// The dial machine, see dial_fsm.hpp.
#include "core/dial_fsm.hpp"

#include <algorithm>

namespace hearth::core {
namespace {
constexpr dial_effect ignored{.accepted = false};
}  // namespace

void dial_fsm::begin(time_point now, const dial_timeouts& timeouts) {
    *this = {};
    phase_ = dial_phase::resolving;
    began_ = now;
    phase_end_ = base::after(now, timeouts.name);
}

dial_effect dial_fsm::on_resolved(time_point now, const dial_timeouts& timeouts,
                                  std::size_t addresses) {
    if (phase_ != dial_phase::resolving) return ignored;
    if (addresses == 0) return fail(dial_failure::name_failed);
    phase_ = dial_phase::connecting;
    phase_end_ = base::after(now, timeouts.connect);
    addresses_ = static_cast<std::uint32_t>(std::min<std::size_t>(addresses, max_addresses));
    return {.connect = start_next(now, timeouts)};
}

dial_effect dial_fsm::on_connected(time_point now, const dial_timeouts& timeouts,
                                   std::uint32_t address) {
    if (phase_ != dial_phase::connecting || !is_running(address)) return ignored;
    const std::uint64_t losers = running_ & ~(std::uint64_t{1} << address);
    phase_ = dial_phase::securing;
    phase_end_ = base::after(now, timeouts.handshake);
    next_attempt_ = base::never;
    running_ = 0;
    return {.cancel = losers};
}

dial_effect dial_fsm::on_connect_failed(time_point now, const dial_timeouts& timeouts,
                                        std::uint32_t address) {
    if (phase_ != dial_phase::connecting || !is_running(address)) return ignored;
    running_ &= ~(std::uint64_t{1} << address);
    if (next_ < addresses_) return {.connect = start_next(now, timeouts)};
    if (running_ != 0) return {};
    return fail(dial_failure::connect_failed);
}

dial_effect dial_fsm::on_timer(time_point now, const dial_timeouts& timeouts) {
    if (phase_ == dial_phase::ended) return ignored;
    if (now >= phase_end_) {
        switch (phase_) {
            case dial_phase::resolving: return fail(dial_failure::name_timeout);
            case dial_phase::connecting: return fail(dial_failure::connect_timeout);
            default: return fail(dial_failure::handshake_timeout);
        }
    }
    if (now < next_attempt_) return {};
    return {.connect = start_next(now, timeouts)};
}

void dial_fsm::end() {
    phase_ = dial_phase::ended;
    phase_end_ = base::never;
    next_attempt_ = base::never;
    running_ = 0;
}

time_point dial_fsm::deadline() const { return std::min(phase_end_, next_attempt_); }

bool dial_fsm::is_running(std::uint32_t address) const {
    return address < max_addresses && (running_ >> address & 1) != 0;
}

std::uint32_t dial_fsm::start_next(time_point now, const dial_timeouts& timeouts) {
    const std::uint32_t address = next_++;
    running_ |= std::uint64_t{1} << address;
    next_attempt_ = next_ < addresses_ ? base::after(now, timeouts.attempt_delay) : base::never;
    return address;
}

dial_effect dial_fsm::fail(dial_failure failure) {
    end();
    return {.failure = failure};
}

}  // namespace hearth::core
