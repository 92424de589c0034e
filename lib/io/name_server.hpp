// "address:port" of a name server, as configured.
#pragma once

#include <boost/asio/ip/udp.hpp>
#include <optional>
#include <string_view>

namespace hearth::io {

/// Parses "127.0.0.1:53" or "[::1]:5353"; nothing if it is neither. The port is needed and not 0.
[[nodiscard]] std::optional<boost::asio::ip::udp::endpoint> parse_name_server(
    std::string_view text);

}  // namespace hearth::io
