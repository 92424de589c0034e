// repeat_policy: is a request whose attempt came to nothing tried again, and after which pause?
// Facts in, a pause out. Off unless `retry.max_attempts` says more than one.
//
// What is repeated: failures that another attempt may not meet (no connection, a lost one, a
// timeout of a phase) and statuses that were opted in. When it is safe: the peer certainly did not
// process the request, or the request is idempotent (RFC 9110 9.2.2); in both cases the body can be
// produced again. The pause has full jitter, uniform in [0, bound) with a bound that doubles, so
// that clients do not come back together; the origin's own Retry-After is a lower bound of it. A
// pause that the deadline cannot hold is no pause: the caller has the failure at once. Every
// repetition draws on the origin's `budget`, asked last and by the caller of this.
#pragma once

#include <cstdint>
#include <optional>

#include "base/prng.hpp"
#include "base/time.hpp"

namespace hearth::core {

struct repeat_facts {
    bool is_transient = false;    ///< Another attempt may not meet this failure, or status.
    bool is_unprocessed = false;  ///< Certainly no octet of the request was acted upon.
    bool is_idempotent = false;
    bool is_replayable = false;
    std::uint32_t attempts = 1;                   ///< Made so far.
    std::optional<base::duration> retry_after{};  ///< What the origin asked for.
    base::time_point deadline = base::never;
};

struct repeat_rule {
    std::uint32_t max_attempts = 1;
    base::duration min_backoff{};
    base::duration max_backoff{};
    base::duration max_retry_after{};
};

/// The pause before the next attempt; nothing: the failure stands.
[[nodiscard]] std::optional<base::duration> pause_before_repeat(base::time_point now,
                                                                const repeat_facts& facts,
                                                                const repeat_rule& rule,
                                                                base::prng& random);

}  // namespace hearth::core
