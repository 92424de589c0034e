// retry_policy: may an exchange whose attempt failed be tried again? Facts in, a verdict out.
//
// Repeating is safe when the peer certainly did not process the request (no octet of it reached the
// kernel), or when the method is idempotent (RFC 9110 9.2.2); in both cases only while the body can
// be produced again and nothing of the response has reached the caller. Being able to repeat a body
// never stands for being idempotent. What is repeated for free is one thing only: the loss of a
// reused connection before any octet of the response, which says nothing about the origin (RFC 9112
// 9.3.1).
#pragma once

#include <cstdint>

namespace hearth::core {

struct attempt_facts {
    bool connection_reused = false;  ///< It had carried an exchange, or idled, before this one.
    /// Closed or reset by the peer, not a protocol error or timeout.
    bool connection_lost = false;
    bool request_reached_kernel = true;  ///< At least one octet of the request was handed over.
    bool response_begun = false;         ///< At least one octet of a response came.
    bool idempotent = false;
    bool body_replayable = false;
    std::uint32_t stale_retries = 0;  ///< How often this exchange was repeated for this reason.
};

enum class retry_verdict : std::uint8_t {
    fail,
    again_fresh,  ///< At once, on a connection that has carried nothing.
};

[[nodiscard]] constexpr retry_verdict judge_attempt(const attempt_facts& facts,
                                                    bool stale_retry_allowed) {
    if (!stale_retry_allowed || facts.stale_retries != 0) return retry_verdict::fail;
    if (!facts.connection_lost || !facts.connection_reused) return retry_verdict::fail;
    if (facts.response_begun || !facts.body_replayable) return retry_verdict::fail;
    if (facts.request_reached_kernel && !facts.idempotent) return retry_verdict::fail;
    return retry_verdict::again_fresh;
}

}  // namespace hearth::core
