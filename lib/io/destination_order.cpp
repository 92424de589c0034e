#include "io/destination_order.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/udp.hpp>
#include <cstdint>

namespace hearth::io {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v6;

address_v6 mapped(const address& one) {
    if (one.is_v6()) return one.to_v6();
    return boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, one.to_v4());
}

struct policy {
    std::array<std::uint8_t, 16> prefix;
    unsigned bits;
    int precedence;
    int label;
};

// RFC 6724 2.1, the longest prefix first.
constexpr policy policies[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, 50, 0},  // ::1
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 35, 4},         // IPv4
    {{}, 96, 1, 3},                                                  // ::/96
    {{0x20, 0x01}, 32, 5, 5},                                        // Teredo
    {{0x20, 0x02}, 16, 30, 2},                                       // 6to4
    {{0x3f, 0xfe}, 16, 1, 12},                                       // 6bone
    {{0xfe, 0xc0}, 10, 1, 11},                                       // site-local
    {{0xfc}, 7, 3, 13},                                              // unique local
    {{}, 0, 40, 1},
};

bool is_within(const address_v6::bytes_type& octets, const policy& one) {
    for (unsigned bit = 0; bit < one.bits; ++bit) {
        const unsigned differs = octets[bit / 8] ^ one.prefix[bit / 8];
        if ((differs >> (7 - bit % 8) & 1U) != 0) return false;
    }
    return true;
}

const policy& policy_of(const address& one) {
    const auto octets = mapped(one).to_bytes();
    return *std::ranges::find_if(policies,
                                 [&](const policy& each) { return is_within(octets, each); });
}

// RFC 6724 3.1 and 3.2; the loopbacks count as link-local.
int scope_of(const address& one) {
    constexpr int link_local = 0x2;
    constexpr int site_local = 0x5;
    constexpr int global = 0xe;
    if (one.is_v4()) {
        const auto octets = one.to_v4().to_bytes();
        const bool is_local = octets[0] == 127 || (octets[0] == 169 && octets[1] == 254);
        return is_local ? link_local : global;
    }
    const address_v6 v6 = one.to_v6();
    if (v6.is_multicast()) return v6.to_bytes()[1] & 0xf;
    if (v6.is_loopback() || v6.is_link_local()) return link_local;
    return v6.is_site_local() ? site_local : global;
}

}  // namespace

std::optional<address> find_source(const address& destination) {
    boost::asio::ip::udp::endpoint peer(destination, 53);  // any port: nothing is sent
    const int family = destination.is_v6() ? AF_INET6 : AF_INET;
    const int probe = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) return std::nullopt;
    boost::asio::ip::udp::endpoint local;
    auto size = static_cast<socklen_t>(local.capacity());
    const bool is_found = ::connect(probe, peer.data(), static_cast<socklen_t>(peer.size())) == 0 &&
                          ::getsockname(probe, local.data(), &size) == 0;
    ::close(probe);
    if (!is_found) return std::nullopt;
    return local.address();
}

bool is_v4_first(const address& v6, const address& v4, const source_finder& source) {
    const auto from_v6 = source(v6);
    const auto from_v4 = source(v4);
    if (from_v6.has_value() != from_v4.has_value()) return from_v4.has_value();  // rule 1
    if (from_v6) {
        const bool has_scope_v6 = scope_of(v6) == scope_of(*from_v6);
        const bool has_scope_v4 = scope_of(v4) == scope_of(*from_v4);
        if (has_scope_v6 != has_scope_v4) return has_scope_v4;  // rule 2
        const bool has_label_v6 = policy_of(v6).label == policy_of(*from_v6).label;
        const bool has_label_v4 = policy_of(v4).label == policy_of(*from_v4).label;
        if (has_label_v6 != has_label_v4) return has_label_v4;  // rule 5
    }
    const int precedence_v6 = policy_of(v6).precedence;
    const int precedence_v4 = policy_of(v4).precedence;
    if (precedence_v6 != precedence_v4) return precedence_v4 > precedence_v6;  // rule 6
    return scope_of(v4) < scope_of(v6);                                        // rule 8
}

}  // namespace hearth::io
