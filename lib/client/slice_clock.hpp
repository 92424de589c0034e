// slice_clock: what the slices of handshakes cost the thread that runs them.
//
// The thread's own clock is exact, whoever else has the core meanwhile, and each look at it is a
// system call; two of them are a hundredth of a slice. So it is asked for one slice in sixteen of a
// kind. The others are timed by the steady clock, which takes none, and believed as long as they
// take no more than twice what is usual: of one that took longer, other threads may have had a
// part. It counts as usual, and the next of its kind is measured exactly.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"
#include "client/handshake_workers.hpp"

namespace hearth::detail {

/// Slices that cost about the same.
enum class slice_kind : std::uint8_t {
    hello,           ///< Makes a ClientHello.
    full_flight,     ///< Answers the peer's flight, without a ticket.
    resumed_flight,  ///< The same where a ticket was offered.
};

/// The steady clock as what has passed since some time.
[[nodiscard]] inline std::chrono::nanoseconds steady_elapsed() {
    return std::chrono::steady_clock::now().time_since_epoch();
}

/// Of one thread. The clocks are functions so that a test can stop them.
class slice_clock {
public:
    using clock = std::chrono::nanoseconds (*)();
    struct running {
        slice_kind kind;
        bool is_exact;
        base::duration began;
    };

    explicit slice_clock(clock exact = &thread_cpu, clock quick = &steady_elapsed)
        : exact_(exact), quick_(quick) {}

    /// Before a slice.
    [[nodiscard]] running start(slice_kind kind) const {
        const bool is_exact = of(kind).until_exact == 0;
        return {kind, is_exact, is_exact ? exact_() : quick_()};
    }

    /// After it: what it cost.
    [[nodiscard]] base::duration stop(const running& slice) {
        facts& known = kinds_[static_cast<std::size_t>(slice.kind)];
        if (!slice.is_exact) {
            const base::duration took = quick_() - slice.began;
            --known.until_exact;
            if (took <= 2 * known.usual) return took;
            known.until_exact = 0;
            return known.usual;
        }
        const base::duration cost = exact_() - slice.began;
        // Moves a quarter of the way: one slice that met a page fault does not make all others
        // look cheap.
        known.usual =
            known.usual == base::duration::zero() ? cost : known.usual + (cost - known.usual) / 4;
        known.until_exact = timed_between;
        return cost;
    }

private:
    static constexpr std::uint32_t timed_between = 15;
    struct facts {
        base::duration usual{};
        std::uint32_t until_exact = 0;  // slices
    };
    [[nodiscard]] const facts& of(slice_kind kind) const {
        return kinds_[static_cast<std::size_t>(kind)];
    }

    clock exact_;
    clock quick_;
    std::array<facts, 3> kinds_{};
};

}  // namespace hearth::detail
