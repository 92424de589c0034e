#include "support/network_namespace.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace hearth::support {
namespace {

bool raise_loopback() {
    const int control = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq loopback{};
    std::memcpy(loopback.ifr_name, "lo", 3);
    loopback.ifr_flags = IFF_UP | IFF_RUNNING;
    const bool is_up = ::ioctl(control, SIOCSIFFLAGS, &loopback) == 0;
    ::close(control);
    return is_up;
}

/// What is not ours comes back in over the loopback, and is dropped there without a word.
bool route_to_nowhere() {
    const int control = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    in6_rtmsg way{};
    ::inet_pton(AF_INET6, "fd00::", &way.rtmsg_dst);
    way.rtmsg_dst_len = 16;
    way.rtmsg_metric = 1;
    way.rtmsg_flags = RTF_UP;
    way.rtmsg_ifindex = static_cast<int>(::if_nametoindex("lo"));
    const bool is_set = ::ioctl(control, SIOCADDRT, &way) == 0;
    ::close(control);
    return is_set;
}

}  // namespace

bool enter_network_with_silent_ipv6() {
    if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
    return raise_loopback() && route_to_nowhere();
}

bool enter_network_with_names(const std::filesystem::path& resolv_conf,
                              const std::filesystem::path& hosts) {
    constexpr int spaces = CLONE_NEWNET | CLONE_NEWNS;
    if (::unshare(spaces) != 0 && ::unshare(CLONE_NEWUSER | spaces) != 0) return false;
    const auto bind = [](const std::filesystem::path& from, const char* to) {
        return ::mount(from.c_str(), to, nullptr, MS_BIND, nullptr) == 0;
    };
    return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           bind(resolv_conf, "/etc/resolv.conf") && bind(hosts, "/etc/hosts") && raise_loopback();
}

}  // namespace hearth::support
