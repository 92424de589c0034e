// Hooks for what a client does itself unless told otherwise: to look up names and to connect.
//
// Both are called on a thread of the client, inside its work, and by several of them at once where
// it has several: they must not block, and must not call the client. They answer by calling `done`,
// now or later, from any thread; what is said after the first time is dropped, and so is what comes
// after the client has gone. `stop` says that the answer is of no use any more: `done` may still be
// called, but need not be. Callbacks of `stop` run on a thread of the client and must not throw. An
// exception of a hook is a failure of this one lookup or dial.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

/// What a name was found to be.
struct name_result {
    /// None: it has `addresses`. `errc::name_not_found`: there is no such name, and that is
    /// remembered for `dns.negative_ttl`. Anything else: nobody can say now (`errc::name_failed`).
    boost::system::error_code error{};
    /// A sentence for `failure.dial_detail`, if not empty.
    std::string detail{};
    /// In the order to try; of more than 64 the first. None at all: `errc::name_not_found`.
    std::vector<boost::asio::ip::address> addresses{};
    /// How long that is true, within `dns.min_ttl` and `dns.max_ttl`.
    std::chrono::seconds ttl{0};
};

using name_done = std::function<void(name_result)>;

/// Looks up one name: lower case, without brackets or a dot at its end, never an IP literal. Asked
/// once per name and thread of the client, however many wait; told to stop after `timeouts.name`.
using name_hook =
    std::function<void(const std::string& name, std::stop_token stop, name_done done)>;

/// No error: `descriptor` is a connected stream socket, which belongs to the client from now on,
/// wanted or not. Of what is no socket (a tunnel of one's own, a simulation): one end of a
/// socketpair.
using dial_done = std::function<void(boost::system::error_code error, int descriptor)>;

/// Opens byte streams where the client would connect by TCP: HTTP and TLS run over what it gives.
/// The socket is made non-blocking and close-on-exec; its other options are left as they are.
class HEARTH_API dialer {
public:
    dialer() = default;
    virtual ~dialer() = default;
    dialer(const dialer&) = delete;
    dialer& operator=(const dialer&) = delete;

    /// Connects to a host and port: the origin's, or those of its proxy, or those of the route.
    /// Told to stop after `timeouts.connect`.
    virtual void dial(const std::string& host, std::uint16_t port, std::stop_token stop,
                      dial_done done) const = 0;
};

HEARTH_END_NAMESPACE
