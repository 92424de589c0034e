// destination_order: which family of a name's addresses is tried first (RFC 6724 6, as RFC 8305 4
// asks). c-ares and getaddrinfo sort what one question of theirs brought; the families are asked
// for apart here, so the best of each is compared once more.
//
// Of the ten rules these are decided: 1 (avoid what no local address leads to), 2 (matching scope),
// 5 (matching label), 6 (precedence) and 8 (smaller scope). Rules 3, 4 and 7 need facts about
// interfaces that a program cannot have cheaply, rule 9 is for one family, and rule 10 leaves it.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <functional>
#include <optional>

#include "io/resolver.hpp"

namespace hearth::io {

/// The local address that packets to a destination come from; nothing if none can.
using source_finder =
    std::function<std::optional<boost::asio::ip::address>(const boost::asio::ip::address&)>;

/// As the kernel routes now. Two system calls and no packet.
[[nodiscard]] std::optional<boost::asio::ip::address> find_source(
    const boost::asio::ip::address& destination);

/// True if an IPv4 destination is to be tried before an IPv6 one.
[[nodiscard]] bool is_v4_first(const boost::asio::ip::address& v6,
                               const boost::asio::ip::address& v4,
                               const source_finder& source = find_source);

}  // namespace hearth::io
