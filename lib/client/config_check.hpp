// config_check: what is wrong with a config, in words.
//
// Findings are contradictions, which keep a client from being built, or advice. Every field has a
// line here; after the check nothing else validates configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hearth/config.hpp"

namespace hearth::detail {

/// Descriptors left to the process: standard streams, the event loops' own, name service sockets,
/// files.
inline constexpr std::uint64_t reserved_descriptors = 64;

struct config_finding {
    std::string sentence;    ///< Begins with the field, "pool.jitter", or "Advice: " and the field.
    bool is_advice = false;  ///< Legal, but without effect or costly.
};

/// All findings, contradictions first. `descriptor_limit` is the soft RLIMIT_NOFILE.
[[nodiscard]] std::vector<config_finding> check_config(const config& value,
                                                       std::uint64_t descriptor_limit);

/// The soft RLIMIT_NOFILE of this process; the largest number if there is none.
[[nodiscard]] std::uint64_t descriptor_limit();

/// Throws `send_error` (`errc::invalid_config`) with the first contradiction, if there is one.
void require_valid(const config& value);

}  // namespace hearth::detail
