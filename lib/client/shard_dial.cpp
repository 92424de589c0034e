// shard, dials: from core's `dial` to a usable connection. Core decides which address, when to give
// up and whose handshake gets the CPU; here it is done and reported.
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/system/errc.hpp>
#include <new>
#include <utility>

#include "base/assert.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"
#include "proto/tls_profile_impl.hpp"

namespace hearth::detail {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// More addresses than this of one name are not tried in one dial.
constexpr std::size_t max_addresses = 32;
std::shared_ptr<const io::socket_settings> make_socket_settings(const io_config& from,
                                                                const route& where) {
    auto settings = std::make_shared<io::socket_settings>();
    settings->nodelay = from.tcp_nodelay;
    settings->keepalive_idle = from.keepalive_idle;
    settings->keepalive_interval = from.keepalive_interval;
    settings->keepalive_count = static_cast<int>(from.keepalive_count);
    settings->user_timeout = from.tcp_user_timeout;
    settings->send_buffer = from.socket_send_buffer;
    settings->receive_buffer = from.socket_receive_buffer;
    settings->local_address = where.local_address;
    settings->interface_name = where.interface_name;
    settings->before_connect = from.before_connect;
    return settings;
}

std::string describe_attempt(const io::endpoint& peer, const pool_key& key, error_code error) {
    const route& where = key.route;
    std::string text = "Connecting to ";
    if (where.dialer) {
        text += "'" + first_host(key) + "' by the route's dialer";
    } else {
        text += io::to_string(peer);
    }
    if (!where.local_address.empty()) text += " from " + where.local_address;
    if (!where.interface_name.empty()) text += " over " + where.interface_name;
    return text + " failed: " + error.message() + ".";
}

}  // namespace

void shard::advance(link& l, phase where) {
    origin_entry& origin = origins_[l.origin.index];
    if (origin.dialing_phase < where) origin.dialing_phase = where;
}

void shard::dial(connection_id id, origin_id origin) {
    if (links_.size() <= id.index) links_.resize(id.index + 1);
    origin_entry& entry = origins_[origin.index];
    if (!sockets_) {
        sockets_ = std::make_shared<io::readiness_set>(executor_, weak_from_this());
    }
    if (!entry.names.sockets || entry.names.sockets_of != config_number_) {
        entry.names.sockets = make_socket_settings(config_.io, entry.key.route);
        entry.names.sockets_of = config_number_;
    }
    ++entry.links;
    links_[id.index] =
        std::make_unique<link>(id, origin, sockets_, shared_from_this(), entry.names.sockets);
    link& l = *links_[id.index];
    l.dial_began = now_;
    if (entry.dialing++ == 0) entry.dialing_phase = phase::name;
    const pool_key& key = entry.key;
    if (!key.route.unix_path.empty()) {
        const io::endpoint peer = io::make_unix_endpoint(key.route.unix_path);
        l.addresses.set(peer);
        if (peer.size() == 0) {
            dial_failed(l, core::dial_failure::name_failed, errc::name_failed,
                        "The path of the UNIX socket is longer than the system allows.");
            return;
        }
        l.resolved = now_;
        const bool family = false;
        core_.on_resolved(now_, id, std::span(&family, 1));
        return;
    }
    if (key.route.dialer) {  // it resolves names itself, if it has to
        l.addresses.set({});
        l.resolved = now_;
        const bool family = false;
        core_.on_resolved(now_, id, std::span(&family, 1));
        return;
    }
    if (auto known = resolver_->known(first_host(key), first_port(key))) {
        return take_addresses(l, std::move(*known));
    }
    l.resolve_ticket = resolver_->resolve(
        first_host(key), first_port(key),
        [weak = weak_from_this(), id](error_code error, std::string detail,
                                      io::address_list addresses) {
            const auto self = weak.lock();
            if (!self) return;
            self->enter(
                [&] { self->on_resolved(id, error, std::move(detail), std::move(addresses)); });
        });
}

void shard::on_resolved(connection_id id, error_code error, std::string detail,
                        io::address_list addresses) {
    link* l = find_link(id);
    if (l == nullptr || l->resolve_ticket == 0) return;
    l->resolve_ticket = 0;
    if (error) {
        if (error == asio::error::operation_aborted) error = errc::name_failed;
        auto failure = core::dial_failure::name_failed;
        if (error == errc::name_not_found) failure = core::dial_failure::name_not_found;
        if (error == errc::descriptor_limit) failure = core::dial_failure::descriptor_limit;
        dial_failed(*l, failure, error, std::move(detail));
        return;
    }
    take_addresses(*l, std::move(addresses));
}

void shard::take_addresses(link& l, io::address_list addresses) {
    l.resolved = now_;
    const pool_key& key = origins_[l.origin.index].key;
    keep_family(addresses, key.route.local_address);
    if (addresses.empty()) {
        dial_failed(l, core::dial_failure::connect_failed, errc::connect_failed,
                    "'" + first_host(key) + "' has no address of the family of the local address " +
                        key.route.local_address + ".");
        return;
    }
    if (addresses.size() > max_addresses) addresses.resize(max_addresses);
    auto& book = origins_[l.origin.index].names.book;
    if (!book)
        book = std::make_shared<core::address_book>(config_.addresses, config_.breaker,
                                                    random_.next());
    l.addresses.set(now_, book, addresses, random_);
    l.addresses.set_port(first_port(key));
    bool families[max_addresses] = {};
    for (std::uint32_t i = 0; i < addresses.size(); ++i) families[i] = l.addresses.is_v6(i);
    follow_name(l.origin);
    core_.on_resolved(now_, l.id, std::span(families, addresses.size()));
}

void shard::on_connect_result(connection_id id, std::uint32_t attempt, error_code error) {
    enter_from_socket([&] {
        link* l = find_link(id);
        if (l == nullptr || l->connected != base::time_point{}) return;
        if (!error) {
            if (const auto look_after = l->driver.adopt(attempt)) {
                keepalive_times_.set(l->keepalive_timer, base::after(now_, *look_after), id);
            }
            l->addresses.win(attempt);
            l->connected = now_;
            core_.on_connected(now_, id, attempt);
            if (!needs_tunnel(*l)) {
                begin_handshake(*l);
            } else if (needs_proxy_tls(*l)) {
                begin_proxy_tls(*l);
            } else {
                begin_tunnel(*l);
            }
            return;
        }
        l->driver.cancel_connect(attempt);
        attempt_failed_to_connect(*l, attempt, error);
    });
}

void shard::attempt_failed_to_connect(link& l, std::uint32_t attempt, error_code error) {
    const origin_entry& origin = origins_[l.origin.index];
    const io::endpoint& peer = l.addresses[attempt];
    l.connect_error = error;
    if (!l.connect_detail.empty()) l.connect_detail += " ";
    l.connect_detail += describe_attempt(peer, origin.key, error);
    if (io::is_descriptor_limit(error)) {
        dial_failed(l, core::dial_failure::descriptor_limit, errc::descriptor_limit,
                    l.connect_detail);
        return;
    }
    l.addresses.fail(now_, attempt, random_);
    // Each address has ports of its own; a family that the host has no address of lacks none.
    const bool is_last = l.addresses.all_failed() && !origin.key.route.dialer;
    if (is_last && error == boost::system::errc::address_not_available &&
        io::is_out_of_ports(peer, *origin.names.sockets)) {
        dial_failed(l, core::dial_failure::port_limit, errc::descriptor_limit,
                    l.connect_detail + " No local port is free for connections to it.");
        return;
    }
    core_.on_connect_failed(now_, l.id, attempt);
}

void shard::begin_handshake(link& l) {
    const pool_key& key = origins_[l.origin.index].key;
    l.info.peer_address = l.driver.peer_address();
    l.info.tls = key.origin.tls;
    const bool is_proxy_tls = is_forwarded(key) && needs_proxy_tls(l);
    std::unique_ptr<proto::tls_engine> tls;
    if (is_proxy_tls) {
        tls = make_proxy_tls(*key.route.proxy);
    } else if (key.origin.tls) {
        proto::tls_settings settings;
        settings.profile = key.profile ? key.profile : own_profile();
        if (!key.profile) l.profile = settings.profile->internals().id();
        settings.host = key.origin.host;
        settings.port = key.origin.port;
        settings.sessions = &sessions_;
        if (config_.tls.remember_chains) settings.chains = &chains_;
        settings.offer_http2 = key.protocol != protocol_policy::http1_only;
        tls = std::make_unique<proto::tls_engine>(settings);
    }
    proto::h1_settings h1;
    h1.max_header_bytes = config_.http1.max_header_bytes;
    h1.max_header_count = config_.http1.max_header_count;
    h1.max_informational = config_.http1.max_informational;
    l.wire = std::make_unique<proto::connection>(std::move(tls), h1, work_);
    if (!key.origin.tls && !is_proxy_tls) {
        become_ready(l);
        return;
    }
    advance(l, phase::handshake);
    l.driver.wait_readable();
    // Behind TLS to a proxy, core goes on with the same handshake.
    core_.on_handshake_need(now_, l.id,
                            needs_tunnel(l) && needs_proxy_tls(l) ? core::handshake_need::flight
                                                                  : core::handshake_need::hello);
}

/// What came behind the handshake (tickets, SETTINGS, or an early end) is looked at before core
/// hears that the connection is there: it must not give an exchange to one that is lost. False: the
/// link is gone.
bool shard::take_what_follows(link& l) {
    proto::event e;
    while (l.wire->poll_event(e)) {
        if (e.kind == proto::event_kind::error || e.kind == proto::event_kind::goaway) {
            if (l.is_http2()) (void)l.wire->flush();  // GOAWAY says why
            const bool is_goaway = e.kind == proto::event_kind::goaway;
            dial_failed(l, failure_of(e.error), is_goaway ? errc::peer_closed : e.error,
                        std::string(e.detail));
            return false;
        }
    }
    if (l.wire->is_ended()) {
        dial_failed(l, core::dial_failure::connect_failed, errc::handshake_failed,
                    "The peer closed the connection right behind the TLS handshake.");
        return false;
    }
    l.wire->retain();
    return true;
}

void shard::become_ready(link& l) {
    touch(l.origin);
    const protocol_policy policy = origins_[l.origin.index].key.protocol;
    const bool chose_http2 = l.wire->tls() != nullptr && l.wire->tls()->alpn() == "h2";
    if (policy == protocol_policy::http2_only && l.wire->tls() != nullptr && !chose_http2) {
        dial_failed(
            l, core::dial_failure::handshake_failed, errc::handshake_failed,
            "The origin did not choose HTTP/2 (h2) by ALPN, and nothing else may be spoken.");
        return;
    }
    if (chose_http2 || policy == protocol_policy::http2_only) {
        try {
            begin_http2(l);
        } catch (const std::bad_alloc&) {
            return dial_failed(l, core::dial_failure::connect_failed, errc::out_of_memory,
                               "There was no memory for HTTP/2 on the new connection.");
        }
    }
    if (l.wire->tls() != nullptr && !take_what_follows(l)) return;
    origin_entry& origin = origins_[l.origin.index];
    HEARTH_ASSERT(origin.dialing != 0);
    --origin.dialing;
    origin.dial_error = {};
    origin.dial_detail.clear();
    l.ready = true;
    l.addresses.ready();
    l.became_ready = now_;
    core::ready_facts facts;
    if (const proto::tls_engine* tls = l.wire->tls()) {
        facts.resumed = tls->resumed();
        l.info.tls_resumed = tls->resumed();
        l.info.tls_version = tls->version();
        l.info.tls_cipher = tls->cipher();
        l.info.alpn = tls->alpn();
    }
    if (l.is_http2()) {
        facts.is_multiplexed = true;
        facts.max_streams = l.wire->http2()->max_streams();
    }
    core_.on_ready(now_, l.id, facts);
    check_profile(l);
    l.driver.wait_readable();
}

/// A connection broke or let an exchange wait too long.
void shard::note_lost(link& l) {
    if (l.addresses.lose(now_, random_)) let_go_address(l.addresses.book(), l.addresses.held());
}

/// An address is ejected: the connections to it end with what they carry.
void shard::let_go_address(const core::address_book* book, core::address_book::slot address) {
    for (const auto& one : links_) {
        if (one && one->ready && one->addresses.is_at(book, address)) {
            core_.on_draining(now_, one->id);
        }
    }
}

/// The exchange has left its address: what it says to the breaker of it. True: that has opened.
bool shard::end_vote(live_exchange& x, core::attempt_result result) {
    const address_vote vote = std::exchange(x.vote, {});
    if (vote.book == nullptr) return false;
    if (!vote.book->on_result(now_, vote.address, vote.ticket, result)) return false;
    let_go_address(vote.book.get(), vote.address);
    return true;
}

void shard::note_dial_failure(link& l, phase where, error_code error, std::string detail) {
    origin_entry& origin = origins_[l.origin.index];
    origin.dial_error = error;
    origin.dial_detail = detail.empty() ? error.message() : std::move(detail);
    origin.dial_phase = where;
}

/// A dial core does not know the end of yet.
void shard::dial_failed(link& l, core::dial_failure failure, error_code error, std::string detail) {
    const phase where = l.wire                             ? phase::handshake
                        : l.resolved == base::time_point{} ? phase::name
                                                           : phase::connect;
    note_dial_failure(l, where, error, std::move(detail));
    const bool is_limit = failure == core::dial_failure::descriptor_limit ||
                          failure == core::dial_failure::port_limit;
    if (!is_limit) l.addresses.fail(now_, random_);
    if (l.wire) (void)l.driver.write(l.wire->output());  // an alert, if there is one
    const connection_id id = l.id;
    erase_link(id);
    core_.on_dial_failed(now_, id, failure);
}

}  // namespace hearth::detail
