// A network of its own for a forked test process.
#pragma once

namespace hearth::support {

/// Moves this process, which must have one thread, into a new network namespace with nothing but
/// its loopback, where packets to fd00::/16 vanish. False where the system does not allow it.
[[nodiscard]] bool enter_network_with_silent_ipv6();

}  // namespace hearth::support
