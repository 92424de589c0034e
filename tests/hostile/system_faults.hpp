// Faults in the system calls under the real drivers: the test program defines recv, send, connect
// and the others itself, passes them on to the C library, and lets chosen ones of chosen threads
// fail, stop short or have to be repeated.
//
// Only threads that have an `afflicted` object are touched, so a client can be tormented by an
// origin in the same process that is well. Readiness that a fault took away is given back
// (EPOLL_CTL_MOD raises an edge again), as a kernel would: what hangs then is the client's doing.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace hearth::hostile {

enum class system_call : std::uint8_t {
    socket,
    connect,
    epoll_add,
    socket_error,  ///< A connect that begins well: what getsockopt(SO_ERROR) tells of its end.
    recv,
    send,
    sendfile,    ///< From a file to a socket; counts as a send where all are hard.
    splice_in,   ///< From a socket to a pipe; counts as a recv where all are hard.
    splice_out,  ///< From a pipe to a file, which does not block.
    clock,       ///< A look at the monotonic clock; does not fail, see `leap_seconds`.
    count_,
};

struct fault_plan {
    // One call fails.
    system_call call = system_call::count_;
    std::uint64_t at = 0;  ///< Which one, from 0.
    int error = 0;
    std::int64_t leap_seconds = 0;  ///< With `clock`: time passes at once, as in a suspension.
    // All calls are hard.
    std::size_t most_received = 0;       ///< Octets of a recv; 0 = as asked for.
    std::size_t most_sent = 0;           ///< Octets of a send.
    std::uint32_t blocks_every = 0;      ///< EAGAIN before every so many recv and send; 0 = never.
    std::uint32_t interrupts_every = 0;  ///< EINTR likewise.
    /// Every so many events of readiness come one wait later, the others in reverse order; 0 = no.
    std::uint32_t delays_every = 0;
};

/// What the afflicted threads of this process suffer from now on; counts begin at 0.
void set_faults(const fault_plan& plan);
/// Calls of a kind since then.
[[nodiscard]] std::uint64_t calls_made(system_call call);

/// While it lives its thread is afflicted.
class afflicted {
public:
    afflicted();
    ~afflicted();
    afflicted(const afflicted&) = delete;
    afflicted& operator=(const afflicted&) = delete;
};

}  // namespace hearth::hostile
