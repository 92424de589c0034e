// endpoint: where a connection goes: an address and port, or a UNIX socket.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <cstdint>
#include <string>

namespace hearth::io {

using endpoint = boost::asio::generic::stream_protocol::endpoint;

/// "127.0.0.1:443", "[::1]:443" or "unix:/path".
[[nodiscard]] std::string to_string(const endpoint& value);
/// An endpoint of an address and port; of no address, one of size 0.
[[nodiscard]] endpoint make_tcp_endpoint(const std::string& address, std::uint16_t port);
/// A UNIX socket's endpoint; '@' first names an abstract one. Too long a path gives size 0.
[[nodiscard]] endpoint make_unix_endpoint(const std::string& path);

}  // namespace hearth::io
