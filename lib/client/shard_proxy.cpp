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

bool is_http_proxy(const proxy& via) {
    return via.kind == proxy_kind::http || via.kind == proxy_kind::https;
}

/// What a tunnel is asked to lead to.
proto::tunnel_settings tunnel_of(const pool_key& key) {
    const proxy& via = *key.route.proxy;
    proto::tunnel_settings settings;
    settings.kind = is_http_proxy(via) ? proto::tunnel_kind::connect : proto::tunnel_kind::socks5;
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
    return key.route.proxy && is_http_proxy(*key.route.proxy) && !key.origin.tls &&
           key.protocol != protocol_policy::http2_only;
}

/// A connection to a proxy with TLS, on which that is not established yet.
bool shard::needs_proxy_tls(const link& l) const {
    const pool_key& key = origins_[l.origin.index].key;
    return key.route.proxy && key.route.proxy->kind == proxy_kind::https;
}

/// TLS to the proxy, below whatever is spoken through it. Requests that it sends on are spoken to
/// the proxy itself: their TLS is the connection's own.
std::unique_ptr<proto::tls_engine> shard::make_proxy_tls(const proxy& via) {
    proto::tls_settings settings;
    settings.profile = via.tls ? via.tls : tls_profile::system_default();
    settings.host = via.host;
    settings.port = via.port;
    settings.sessions = &sessions_;
    if (config_.tls.remember_chains) settings.chains = &chains_;
    return std::make_unique<proto::tls_engine>(settings);
}

void shard::begin_proxy_tls(link& l) {
    l.proxy_tls = make_proxy_tls(*origins_[l.origin.index].key.route.proxy);
    advance(l, phase::handshake);
    l.driver.wait_readable();
    core_.on_handshake_need(now_, l.id, core::handshake_need::hello);
}

/// Its octets are stored only, as those of every handshake.
void shard::read_proxy_tls(link& l) {
    const io::io_result result = l.driver.read(receive_buffer_);
    if (result.status == io::io_status::ok) {
        l.proxy_tls->receive(std::span(receive_buffer_).first(result.size));
        l.proxy_tls->retain();
    } else if (result.status != io::io_status::would_block) {
        proxy_tls_failed(l, core::dial_failure::connect_failed, errc::proxy_failed,
                         "The proxy closed the connection during the TLS handshake.");
        return;
    }
    if (!l.flight_reported && l.proxy_tls->has_complete_record()) {
        l.flight_reported = true;
        core_.on_handshake_need(now_, l.id, core::handshake_need::flight);
    }
    l.driver.wait_readable();
}

void shard::step_proxy_tls(link& l) {
    const auto timed = slice_clock_.start(kind_of_slice(l, *l.proxy_tls));
    const proto::tls_step step = l.proxy_tls->step();
    const auto cost = slice_clock_.stop(timed);
    const connection_id id = l.id;
    l.flight_reported = false;
    if (step == proto::tls_step::failed) {
        core_.on_slice_done(now_, id, cost, core::slice_outcome::failed);
        const errc code = l.proxy_tls->error_code();
        proxy_tls_failed(l, failure_of(code), code, l.proxy_tls->error_detail());
        return;
    }
    if (step == proto::tls_step::want_verdict) {
        core_.on_slice_done(now_, id, cost, core::slice_outcome::waiting);
        ask_verifier(l, *l.proxy_tls);
        (void)write_proxy_tls(l);
        return;
    }
    const bool has_more = step == proto::tls_step::more;
    core_.on_slice_done(now_, id, cost,
                        has_more ? core::slice_outcome::more : core::slice_outcome::waiting);
    if (step == proto::tls_step::done) {
        l.driver.secure(std::move(l.proxy_tls));
        begin_tunnel(l);
        return;
    }
    if (!write_proxy_tls(l) || has_more) return;
    if (l.proxy_tls->has_complete_record()) {
        l.flight_reported = true;
        core_.on_handshake_need(now_, id, core::handshake_need::flight);
    }
}

/// False: the dial has failed.
bool shard::write_proxy_tls(link& l) {
    const io::io_result result = l.driver.write(l.proxy_tls->output());
    if (result.status == io::io_status::would_block) l.driver.wait_writable();
    if (result.status != io::io_status::failed) return true;
    proxy_tls_failed(l, core::dial_failure::connect_failed, errc::proxy_failed,
                     "The proxy reset the connection.");
    return false;
}

void shard::proxy_tls_failed(link& l, core::dial_failure failure, error_code error,
                             const std::string& detail) {
    (void)l.driver.write(l.proxy_tls->output());  // an alert, if there is one
    const proxy& via = *origins_[l.origin.index].key.route.proxy;
    dial_failed(l, failure, error,
                detail + " That is with the proxy, " + describe_proxy(via) + ".");
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
