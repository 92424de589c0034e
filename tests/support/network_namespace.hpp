// A network of its own for a forked test process.
#pragma once

#include <filesystem>

namespace hearth::support {

/// Moves this process, which must have one thread, into a new network namespace with nothing but
/// its loopback, where packets to fd00::/16 vanish. False where the system does not allow it.
[[nodiscard]] bool enter_network_with_silent_ipv6();

/// Moves it into a new network namespace with a loopback, and into one of mounts where these files
/// are /etc/resolv.conf and /etc/hosts.
[[nodiscard]] bool enter_network_with_names(const std::filesystem::path& resolv_conf,
                                            const std::filesystem::path& hosts);

}  // namespace hearth::support
