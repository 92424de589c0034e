// socket_setup: sockets as the config and the route want them, before they connect.
//
// Options that tune are best effort: one the kernel refuses costs its effect, not the connection.
// What decides where a connection comes from (local address, interface) and what the caller's hook
// says is binding: it fails the attempt.
#pragma once

#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "io/endpoint.hpp"

namespace hearth::io {

/// Of TCP sockets; UNIX sockets get buffers and the hook only.
struct socket_settings {
    bool nodelay = true;
    std::optional<std::chrono::seconds> keepalive_idle;
    std::chrono::seconds keepalive_interval{15};
    int keepalive_count = 4;
    std::optional<std::chrono::milliseconds> user_timeout;
    std::optional<std::uint32_t> send_buffer;
    std::optional<std::uint32_t> receive_buffer;
    std::string local_address;   ///< Empty: the kernel's choice.
    std::string interface_name;  ///< Empty: as the routes say.
    std::function<boost::system::error_code(int descriptor, std::string_view peer)> before_connect;
};

/// What errno says.
[[nodiscard]] boost::system::error_code last_error();

/// A descriptor until it is released.
class owned_descriptor {
public:
    explicit owned_descriptor(int value = -1) : value_(value) {}
    owned_descriptor(owned_descriptor&& from) noexcept : value_(from.release()) {}
    owned_descriptor& operator=(owned_descriptor&&) = delete;
    ~owned_descriptor();
    [[nodiscard]] int get() const { return value_; }
    [[nodiscard]] int release() { return std::exchange(value_, -1); }

private:
    int value_;
};

/// A non-blocking, close-on-exec socket for a connection to `peer`. With an error there is none.
[[nodiscard]] boost::system::error_code open_socket(const endpoint& peer,
                                                    const socket_settings& settings,
                                                    int& descriptor);

/// Has the kernel look whether the peer lives, as the settings say. The first look counts from what
/// came last, not from this call, so it may wait until that is near: a connection that is closed
/// before then saves four system calls.
void keep_alive(int descriptor, const socket_settings& settings);
/// True if `open_socket` leaves `keep_alive` to the caller: with a hook, which may want it
/// otherwise, it does not.
[[nodiscard]] bool keeps_alive_later(const endpoint& peer, const socket_settings& settings);

/// Makes a stream socket of somebody else's non-blocking and close-on-exec.
[[nodiscard]] boost::system::error_code take_socket(const owned_descriptor& socket);

/// After EADDRNOTAVAIL, which means either: true if a connection to `peer` lacks a free port, false
/// if it lacks an address of its own to come from.
[[nodiscard]] bool is_out_of_ports(const endpoint& peer, const socket_settings& settings);

/// The process or the system has no descriptor left.
[[nodiscard]] bool is_descriptor_limit(const boost::system::error_code& error);
/// The same, found by trying: for libraries that do not tell.
[[nodiscard]] bool is_out_of_descriptors();

}  // namespace hearth::io
