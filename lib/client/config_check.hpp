// config_check: what is wrong with a config, in words.
//
// Findings are contradictions, which keep a client from being built, or advice. Every field has a
// line here; after the check nothing else validates configuration.
#pragma once

#include <cstdint>
#include <limits>
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

/// What the process may have.
struct system_limits {
    /// The soft RLIMIT_NOFILE.
    std::uint64_t descriptors = std::numeric_limits<std::uint64_t>::max();
    /// Local ports that the kernel gives to connections (net.ipv4.ip_local_port_range), each once
    /// per address and port of a peer.
    std::uint64_t ports = 65'535;
};

/// All findings, contradictions first.
[[nodiscard]] std::vector<config_finding> check_config(const config& value,
                                                       const system_limits& system);

/// Those of this process; what cannot be read does not limit.
[[nodiscard]] system_limits read_system_limits();

/// What is wrong with where connections are to come from, as a sentence; empty if nothing is.
[[nodiscard]] std::string check_source(const route& where);

/// The first contradiction as a sentence; empty if there is none.
[[nodiscard]] std::string first_contradiction(const config& value);

/// Throws `send_error` (`errc::invalid_config`) with the first contradiction, if there is one.
void require_valid(const config& value);

}  // namespace hearth::detail
