// shard, proxies: the tunnel between a TCP connection to a proxy and the origin's own protocol.
#include <boost/asio/ip/address.hpp>
#include <utility>

#include "base/assert.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

std::string octets_of(const asio::ip::address& address) {
    std::string octets;
    if (address.is_v4()) {
        for (const unsigned char one : address.to_v4().to_bytes()) octets += static_cast<char>(one);
    } else {
        for (const unsigned char one : address.to_v6().to_bytes()) octets += static_cast<char>(one);
    }
    return octets;
}

/// What a tunnel is asked to lead to.
proto::tunnel_settings tunnel_of(const pool_key& key) {
    const proxy& via = *key.route.proxy;
    proto::tunnel_settings settings;
    settings.kind =
        via.kind == proxy_kind::http ? proto::tunnel_kind::connect : proto::tunnel_kind::socks5;
    settings.host = key.route.connect_host.empty() ? key.origin.host : key.route.connect_host;
    settings.port = key.route.connect_port == 0 ? key.origin.port : key.route.connect_port;
    settings.user = via.user;
    settings.password = via.password;
    error_code no_address;
    const auto address = asio::ip::make_address(settings.host, no_address);
    if (!no_address) settings.address = octets_of(address);
    return settings;
}

}  // namespace

/// True if a fresh connection must be made one to its origin first.
bool shard::needs_tunnel(const link& l) const {
    const pool_key& key = origins_[l.origin.index].key;
    return key.route.proxy && !is_forwarded(key);
}

/// True if requests to the origin are handed to its proxy, which sends them on. HTTP/2 on plaintext
/// is by agreement with the origin itself.
bool shard::is_forwarded(const pool_key& key) {
    return key.route.proxy && key.route.proxy->kind == proxy_kind::http && !key.origin.tls &&
           key.protocol != protocol_policy::http2_only;
}

void shard::begin_tunnel(link& l) {
    const pool_key& key = origins_[l.origin.index].key;
    const proto::tunnel_settings settings = tunnel_of(key);
    if (key.route.proxy->kind != proxy_kind::socks5 || !settings.address.empty()) {
        open_tunnel(l, settings);
        return;
    }
    l.resolve_ticket = resolver_->resolve(
        settings.host, settings.port,
        [weak = weak_from_this(), id = l.id](error_code error, std::string detail,
                                             io::address_list addresses) {
            const auto self = weak.lock();
            if (!self) return;
            self->enter([&] { self->on_target_resolved(id, error, std::move(detail), addresses); });
        });
}

void shard::on_target_resolved(connection_id id, error_code error, std::string detail,
                               const io::address_list& addresses) {
    link* l = find_link(id);
    if (l == nullptr || l->resolve_ticket == 0) return;
    l->resolve_ticket = 0;
    if (error || addresses.empty()) {
        if (!error || error == asio::error::operation_aborted) error = errc::name_failed;
        const auto failure = error == errc::name_not_found ? core::dial_failure::name_not_found
                                                           : core::dial_failure::name_failed;
        dial_failed(*l, failure, error, std::move(detail));
        return;
    }
    proto::tunnel_settings settings = tunnel_of(origins_[l->origin.index].key);
    settings.address = octets_of(addresses.front());
    open_tunnel(*l, settings);
}

void shard::open_tunnel(link& l, const proto::tunnel_settings& settings) {
    l.tunnel = std::make_unique<proto::tunnel>(settings);
    if (write_tunnel(l)) l.driver.wait_readable();
}

/// False: the dial has failed.
bool shard::write_tunnel(link& l) {
    if (l.tunnel->output().empty()) return true;
    const io::io_result result = l.driver.write(l.tunnel->output());
    if (result.status == io::io_status::would_block) l.driver.wait_writable();
    if (result.status != io::io_status::failed) return true;
    dial_failed(l, core::dial_failure::connect_failed, errc::proxy_failed,
                "The proxy reset the connection.");
    return false;
}

void shard::read_tunnel(link& l) {
    const io::io_result result = l.driver.read(receive_buffer_);
    std::size_t taken = result.size;
    if (result.status == io::io_status::ok) {
        taken = l.tunnel->receive(std::span(receive_buffer_).first(result.size));
    } else if (result.status != io::io_status::would_block) {
        l.tunnel->on_peer_closed();
    }
    if (l.tunnel->status() == proto::tunnel_status::working) {
        if (write_tunnel(l)) l.driver.wait_readable();
        return;
    }
    const proxy& via = *origins_[l.origin.index].key.route.proxy;
    if (l.tunnel->status() == proto::tunnel_status::failed) {
        // What the proxy has decided it will decide again: nobody waits that out.
        dial_failed(l,
                    l.tunnel->is_refusal() ? core::dial_failure::certificate_rejected
                                           : core::dial_failure::connect_failed,
                    errc::proxy_failed, l.tunnel->detail() + " It is " + describe_proxy(via) + ".");
        return;
    }
    if (taken != result.size) {  // neither TLS nor HTTP servers speak first
        dial_failed(l, core::dial_failure::connect_failed, errc::proxy_failed,
                    "The proxy sent octets behind its answer.");
        return;
    }
    l.tunnel.reset();
    begin_handshake(l);
}

}  // namespace hearth::detail
