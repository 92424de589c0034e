#include "hostile/system_faults.hpp"

#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <map>
#include <mutex>
#include <utility>

// Not from their headers, which may define them inline themselves.
struct sockaddr;
using socket_size = unsigned;

namespace hearth::hostile {
namespace {

constexpr std::size_t kinds = static_cast<std::size_t>(system_call::count_);
constexpr int option_level_socket = 1;  // SOL_SOCKET on Linux
constexpr int option_error = 4;         // SO_ERROR
constexpr int option_type = 3;          // SO_TYPE
constexpr int type_datagram = 2;        // SOCK_DGRAM

thread_local bool is_afflicted = false;

struct state {
    std::mutex mutex;
    fault_plan plan;
    std::array<std::uint64_t, kinds> made{};
    std::uint64_t transfers = 0;
    std::int64_t leapt = 0;    // seconds
    bool was_refused = false;  // the transfer before this one was made to be repeated
    std::uint64_t events = 0;
    std::map<int, bool> was_delayed;  // by set: an event of its last wait was
    struct watch {
        int set;
        epoll_event event;
    };
    std::map<int, watch> watched;
    std::map<int, int> doomed;  // connects that end with an error, by descriptor
};
state& shared() {
    static state one;
    return one;
}

/// The C library's function of that name.
template <class Function>
Function* real(const char* name) {
    void* const found = ::dlsym(RTLD_NEXT, name);
    if (found == nullptr) std::abort();
    return reinterpret_cast<Function*>(found);
}
auto* real_epoll_ctl() {
    static auto* const found = real<int(int, int, int, epoll_event*)>("epoll_ctl");
    return found;
}

/// The error this call must fail with, or 0. Under the mutex.
int fault_of(state& now, system_call call) {
    const std::uint64_t number = now.made[static_cast<std::size_t>(call)]++;
    return call == now.plan.call && number == now.plan.at ? now.plan.error : 0;
}
int fault_of(system_call call) {
    if (!is_afflicted) return 0;
    const std::lock_guard lock(shared().mutex);
    return fault_of(shared(), call);
}

/// Raises the edges of a descriptor again.
void raise_edges(state& now, int descriptor) {
    const auto at = now.watched.find(descriptor);
    if (at == now.watched.end()) return;
    const int error = errno;
    real_epoll_ctl()(at->second.set, EPOLL_CTL_MOD, descriptor, &at->second.event);
    errno = error;
}

/// Takes away what comes later, and turns the order of the rest around.
int delay_events(state& now, int set, epoll_event* events, int count) {
    if (now.plan.delays_every == 0 || count <= 0) return count;
    const bool may_delay = !std::exchange(now.was_delayed[set], false);
    int left = 0;
    for (int i = 0; i < count; ++i) {
        const auto at = std::find_if(now.watched.begin(), now.watched.end(), [&](const auto& one) {
            return one.second.set == set && one.second.event.data.u64 == events[i].data.u64;
        });
        if (may_delay && at != now.watched.end() && ++now.events % now.plan.delays_every == 0) {
            raise_edges(now, at->first);
            now.was_delayed[set] = true;
        } else {
            events[left++] = events[i];
        }
    }
    std::reverse(events, events + left);
    return left;
}

bool is_datagram(int descriptor) {
    int type = 0;
    socket_size size = sizeof type;
    static auto* const next = real<int(int, int, int, void*, socket_size*)>("getsockopt");
    return next(descriptor, option_level_socket, option_type, &type, &size) == 0 &&
           type == type_datagram;
}

/// How a recv or send goes: an error, or at most so many octets.
struct transfer {
    int error = 0;
    std::size_t size = 0;
};
transfer plan_transfer(system_call call, int descriptor, std::size_t size) {
    if (!is_afflicted) return {0, size};
    state& now = shared();
    const std::lock_guard lock(now.mutex);
    if (const int error = fault_of(now, call)) return {error, 0};
    const fault_plan& plan = now.plan;
    ++now.transfers;
    if (is_datagram(descriptor)) return {0, size};  // a name server's; they are not hard
    if (!now.was_refused && call != system_call::splice_out) {
        const auto is_due = [&](std::uint32_t every) {
            return every != 0 && now.transfers % every == 0;
        };
        if (is_due(plan.interrupts_every)) {
            now.was_refused = true;
            return {EINTR, 0};
        }
        if (is_due(plan.blocks_every)) {
            now.was_refused = true;
            raise_edges(now, descriptor);
            return {EAGAIN, 0};
        }
    }
    now.was_refused = false;
    const bool receives = call == system_call::recv || call == system_call::splice_in;
    const std::size_t most = receives ? plan.most_received : plan.most_sent;
    if (most == 0 || most >= size) return {0, size};
    return {0, most};
}
void end_short_transfer(int descriptor) {
    const std::lock_guard lock(shared().mutex);
    raise_edges(shared(), descriptor);
}

}  // namespace

void set_faults(const fault_plan& plan) {
    state& now = shared();
    const std::lock_guard lock(now.mutex);
    now.plan = plan;
    now.made = {};
    now.transfers = 0;
    now.was_refused = false;
    now.events = 0;
    now.was_delayed.clear();
    now.watched.clear();
    now.doomed.clear();
    now.leapt = 0;
}

std::uint64_t calls_made(system_call call) {
    const std::lock_guard lock(shared().mutex);
    return shared().made[static_cast<std::size_t>(call)];
}

afflicted::afflicted() { is_afflicted = true; }
afflicted::~afflicted() { is_afflicted = false; }

}  // namespace hearth::hostile

namespace {
using namespace hearth::hostile;

int failed(int error) {
    errno = error;
    return -1;
}
}  // namespace

extern "C" {

int socket(int domain, int type, int protocol) {
    static auto* const next = real<int(int, int, int)>("socket");
    if (const int error = fault_of(system_call::socket)) return failed(error);
    return next(domain, type, protocol);
}

int clock_gettime(clockid_t clock, timespec* time) noexcept {
    static auto* const next = real<int(clockid_t, timespec*)>("clock_gettime");
    const int result = next(clock, time);
    if (!is_afflicted || clock != CLOCK_MONOTONIC || result != 0) return result;
    state& now = shared();
    const std::lock_guard lock(now.mutex);
    if (now.made[static_cast<std::size_t>(system_call::clock)]++ == now.plan.at &&
        now.plan.call == system_call::clock) {
        now.leapt = now.plan.leap_seconds;
    }
    time->tv_sec += now.leapt;
    return result;
}

int connect(int descriptor, const sockaddr* address, socket_size size) {
    static auto* const next = real<int(int, const sockaddr*, socket_size)>("connect");
    if (const int error = fault_of(system_call::connect)) return failed(error);
    if (const int error = fault_of(system_call::socket_error)) {
        // A socket that is not connected is ready and hung up, as one whose connect has failed.
        const std::lock_guard lock(shared().mutex);
        shared().doomed[descriptor] = error;
        return failed(EINPROGRESS);
    }
    return next(descriptor, address, size);
}

int getsockopt(int descriptor, int level, int name, void* value, socket_size* size) {
    static auto* const next = real<int(int, int, int, void*, socket_size*)>("getsockopt");
    if (level == option_level_socket && name == option_error) {
        const std::lock_guard lock(shared().mutex);
        if (const auto at = shared().doomed.find(descriptor); at != shared().doomed.end()) {
            *static_cast<int*>(value) = at->second;
            shared().doomed.erase(at);
            return 0;
        }
    }
    return next(descriptor, level, name, value, size);
}

int epoll_ctl(int set, int operation, int descriptor, epoll_event* event) noexcept {
    if (is_afflicted && operation != EPOLL_CTL_DEL) {
        const std::lock_guard lock(shared().mutex);
        if (operation == EPOLL_CTL_ADD) {
            if (const int error = fault_of(shared(), system_call::epoll_add)) return failed(error);
            std::erase_if(shared().watched, [&](const auto& one) {  // of one that was closed
                return one.second.set == set && one.second.event.data.u64 == event->data.u64;
            });
        }
        shared().watched[descriptor] = {set, *event};
    }
    return real_epoll_ctl()(set, operation, descriptor, event);
}

int epoll_wait(int set, epoll_event* events, int most, int patience) {
    static auto* const next = real<int(int, epoll_event*, int, int)>("epoll_wait");
    const int count = next(set, events, most, patience);
    if (!is_afflicted) return count;
    const std::lock_guard lock(shared().mutex);
    return delay_events(shared(), set, events, count);
}

// The resolver's datagrams.
ssize_t recvfrom(int descriptor, void* octets, std::size_t size, int flags, sockaddr* from,
                 socket_size* from_size) {
    using recvfrom_function = ssize_t(int, void*, std::size_t, int, sockaddr*, socket_size*);
    static auto* const next = real<recvfrom_function>("recvfrom");
    const transfer how = plan_transfer(system_call::recv, descriptor, size);
    if (how.error != 0) return failed(how.error);
    return next(descriptor, octets, size, flags, from, from_size);
}

ssize_t recv(int descriptor, void* octets, std::size_t size, int flags) {
    static auto* const next = real<ssize_t(int, void*, std::size_t, int)>("recv");
    const transfer how = plan_transfer(system_call::recv, descriptor, size);
    if (how.error != 0) return failed(how.error);
    const ssize_t got = next(descriptor, octets, how.size, flags);
    if (got > 0 && how.size < size) end_short_transfer(descriptor);
    return got;
}

ssize_t send_file_hard(int descriptor, int file, off_t* offset, std::size_t size) {
    static auto* const next = real<ssize_t(int, int, off_t*, std::size_t)>("sendfile64");
    const transfer how = plan_transfer(system_call::sendfile, descriptor, size);
    if (how.error != 0) return failed(how.error);
    const ssize_t sent = next(descriptor, file, offset, how.size);
    if (sent > 0 && how.size < size) end_short_transfer(descriptor);
    return sent;
}
// The name of the C library's function depends on what off_t is.
ssize_t sendfile(int descriptor, int file, off_t* offset, std::size_t size) noexcept {
    return send_file_hard(descriptor, file, offset, size);
}
ssize_t sendfile64(int descriptor, int file, off_t* offset, std::size_t size) noexcept {
    return send_file_hard(descriptor, file, offset, size);
}

ssize_t splice(int from, off64_t* from_at, int to, off64_t* to_at, std::size_t size,
               unsigned flags) {
    using splice_function = ssize_t(int, off64_t*, int, off64_t*, std::size_t, unsigned);
    static auto* const next = real<splice_function>("splice");
    const bool is_in = to_at == nullptr;
    const transfer how =
        plan_transfer(is_in ? system_call::splice_in : system_call::splice_out, from, size);
    if (how.error != 0) return failed(how.error);
    const ssize_t moved = next(from, from_at, to, to_at, how.size, flags);
    if (is_in && moved > 0 && how.size < size) end_short_transfer(from);
    return moved;
}

ssize_t send(int descriptor, const void* octets, std::size_t size, int flags) {
    static auto* const next = real<ssize_t(int, const void*, std::size_t, int)>("send");
    const transfer how = plan_transfer(system_call::send, descriptor, size);
    if (how.error != 0) return failed(how.error);
    const ssize_t sent = next(descriptor, octets, how.size, flags);
    if (sent > 0 && how.size < size) end_short_transfer(descriptor);
    return sent;
}
}
