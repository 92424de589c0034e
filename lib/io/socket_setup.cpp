#include "io/socket_setup.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/system/error_category.hpp>
#include <cerrno>

namespace hearth::io {
namespace {

using boost::system::error_code;

int family_of(const endpoint& peer) { return peer.data()->sa_family; }

void set_option(int descriptor, int level, int name, int value) {
    (void)::setsockopt(descriptor, level, name, &value, sizeof value);
}

void tune(int descriptor, int family, const socket_settings& settings) {
    // Before the connect: the window scale is agreed on in it.
    if (settings.send_buffer) {
        set_option(descriptor, SOL_SOCKET, SO_SNDBUF, static_cast<int>(*settings.send_buffer));
    }
    if (settings.receive_buffer) {
        set_option(descriptor, SOL_SOCKET, SO_RCVBUF, static_cast<int>(*settings.receive_buffer));
    }
    if (family != AF_INET && family != AF_INET6) return;
    if (settings.nodelay) set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    // What the hook sets goes on top of it.
    if (settings.before_connect) keep_alive(descriptor, settings);
    if (settings.user_timeout) {
        set_option(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT,
                   static_cast<int>(settings.user_timeout->count()));
    }
}

/// Where the connection comes from.
error_code bind_socket(int descriptor, int family, const socket_settings& settings) {
    if (family != AF_INET && family != AF_INET6) return {};
    if (!settings.interface_name.empty()) {
        const std::string& name = settings.interface_name;
        if (::setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, name.data(),
                         static_cast<socklen_t>(name.size())) != 0) {
            return last_error();
        }
    }
    if (settings.local_address.empty()) return {};
    const endpoint local = make_tcp_endpoint(settings.local_address, 0);
    if (local.size() == 0) return {EINVAL, boost::system::system_category()};
    // The port is chosen with the peer known: one port serves connections to many peers.
    set_option(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (::bind(descriptor, local.data(), static_cast<socklen_t>(local.size())) != 0) {
        return last_error();
    }
    return {};
}

error_code call_hook(int descriptor, const endpoint& peer, const socket_settings& settings) {
    if (!settings.before_connect) return {};
    try {
        return settings.before_connect(descriptor, to_string(peer));
    } catch (...) {
        return {ECANCELED, boost::system::system_category()};
    }
}

}  // namespace

error_code last_error() { return {errno, boost::system::system_category()}; }

owned_descriptor::~owned_descriptor() {
    if (value_ >= 0) ::close(value_);
}

error_code open_socket(const endpoint& peer, const socket_settings& settings, int& descriptor) {
    const int family = family_of(peer);
    owned_descriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (socket.get() < 0) return last_error();
    tune(socket.get(), family, settings);
    if (const error_code error = bind_socket(socket.get(), family, settings)) return error;
    if (const error_code error = call_hook(socket.get(), peer, settings)) return error;
    descriptor = socket.release();
    return {};
}

void keep_alive(int descriptor, const socket_settings& settings) {
    if (!settings.keepalive_idle) return;
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE,
               static_cast<int>(settings.keepalive_idle->count()));
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL,
               static_cast<int>(settings.keepalive_interval.count()));
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, settings.keepalive_count);
}

bool keeps_alive_later(const endpoint& peer, const socket_settings& settings) {
    const int family = family_of(peer);
    return settings.keepalive_idle && !settings.before_connect &&
           (family == AF_INET || family == AF_INET6);
}

error_code take_socket(const owned_descriptor& socket) {
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0) return last_error();
    if (type != SOCK_STREAM) return {EPROTOTYPE, boost::system::system_category()};
    const int flags = ::fcntl(socket.get(), F_GETFL);
    if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
        ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC) != 0) {
        return last_error();
    }
    return {};
}

bool is_out_of_ports(const endpoint& peer, const socket_settings& settings) {
    // UDP finds an address of its own in the same way, and needs no port that is free for TCP.
    const int family = family_of(peer);
    const owned_descriptor probe(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (probe.get() < 0 || bind_socket(probe.get(), family, settings)) return false;
    return ::connect(probe.get(), peer.data(), static_cast<socklen_t>(peer.size())) == 0;
}

bool is_descriptor_limit(const error_code& error) {
    if (error.category() != boost::system::system_category()) return false;
    return error.value() == EMFILE || error.value() == ENFILE || error.value() == ENOBUFS;
}

bool is_out_of_descriptors() {
    const owned_descriptor probe(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return probe.get() < 0 && is_descriptor_limit(last_error());
}

}  // namespace hearth::io
