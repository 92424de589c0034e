// shard, requests: what is sent of an exchange that has a connection.
#include <algorithm>
#include <utility>

#include "client/deadline.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"
#include "io/file_send.hpp"
#include "proto/tunnel.hpp"

namespace hearth::detail {

using boost::system::error_code;

namespace {

// Of a file in one turn.
constexpr std::uint64_t most_of_a_file = std::uint64_t{4} << 20U;

}  // namespace

void shard::fill_connection(live_exchange& x, const link& l) const {
    x.connection_reused = l.served > 1 || l.became_ready < x.started;
    x.result.connection = l.info;
    x.result.connection.reused = x.connection_reused;
    x.result.timings.queued = now_ - x.started;
    if (x.connection_reused) return;
    x.result.timings.name = l.resolved - l.dial_began;
    x.result.timings.connect = l.connected - l.resolved;
    x.result.timings.handshake = l.became_ready - l.connected;
}

/// Adds what depends on the attempt. Returns the request target where it is not in origin form.
std::string shard::finish_fields(live_exchange& x) const {
    if (!config_.deadline.header.empty() && x.deadline != base::never) {
        x.what.headers.set(config_.deadline.header,
                           text_of_remaining(x.deadline - now_ - config_.deadline.margin,
                                             config_.deadline.format));
    }
    const pool_key& key = origins_[x.origin.index].key;
    if (!is_forwarded(key)) return {};
    const auto& via = key.route.proxy;
    if (!via->user.empty()) {
        x.what.headers.set("proxy-authorization",
                           proto::basic_credentials(via->user, via->password));
    }
    // RFC 9112 3.2.4: "*" is what no path at all becomes at the last proxy.
    const bool is_asterisk = x.where->path_and_query == "*";
    return "http://" + x.where->authority + (is_asterisk ? "" : x.where->path_and_query);
}

void shard::begin_request(live_exchange& x, link& l) {
    const exchange_id id = x.id;
    if (x.open) {
        x.control = std::make_shared<exchange_control>(shared_from_this());
        x.control->exchange = id;
        x.response_whole = false;
    }
    const std::string absolute_target = finish_fields(x);
    proto::outgoing_head head;
    head.method = x.what.method.text();
    head.target = absolute_target.empty() ? x.where->path_and_query : absolute_target;
    head.protocol = x.what.connect_protocol;
    const bool is_tunnel = x.what.method == method::connect && head.protocol.empty();
    head.authority = is_tunnel ? head.target : std::string_view(x.where->authority);
    head.scheme = x.where->origin.tls ? "https" : "http";
    head.fields = &x.what.headers;
    head.user_agent = config_.user_agent;
    head.has_body = !x.what.body.is_none();
    head.has_trailers = !x.what.trailers.empty();
    head.trailers = &x.what.trailers;
    if (head.has_body && !head.has_trailers) head.content_length = x.what.body.size();
    head.expect_continue = x.what.expect_continue && head.has_body;
    l.wire->begin(id, head);
    touch(l);
    if (x.open) {
        complete<error_code, exchange>(std::move(x.open), error_code{}, exchange(x.control));
    }
    if (!head.has_body) {
        end_request(x, l);
        return;
    }
    if (head.expect_continue) {
        x.body_held = true;
        x.continue_at = base::after(now_, config_.http1.continue_timeout);
    }
    set_phase(x, id, config_.timeouts.write_stall, errc::write_timeout);
    begin_rate(x, id, config_.timeouts.min_send_rate);
    pump_request(x, l);
}

/// Puts as much of the body into the connection as its output may hold.
void shard::pump_request(live_exchange& x, link& l) {
    if (x.stage != exchange_stage::assigned || x.request_complete || x.body_held) return;
    const exchange_id id = x.id;
    const std::size_t limit = config_.io.send_buffer;
    if (sends_file(x, l)) {  // when the connection has taken what is before it
        x.more_to_send = true;
        touch(l);
        return;
    }
    x.more_to_send = false;
    const bool is_file = std::holds_alternative<file_range>(x.what.body.value());
    if (is_file && !l.is_http2() && file_buffer_.empty()) file_buffer_.resize(limit);
    for (;;) {
        const std::size_t room = l.wire->room(id, limit);
        // A body that HTTP/2 has in full is asked once more, for nothing else tells of its end.
        const bool is_whole = l.is_http2() && l.wire->body_remaining(id) == 0U;
        if (room == 0 && !is_whole) break;
        // A file is read to where its octets wait for the peer's window.
        const auto file = is_file ? x.body.file_rest() : std::nullopt;
        const std::uint64_t rest = file ? std::min<std::uint64_t>(room, file->length) : 0;
        const auto in_place = l.wire->body_room(id, static_cast<std::size_t>(rest));
        const upload_piece piece = x.body.next(std::clamp<std::size_t>(room, 1, limit),
                                               in_place.empty() ? file_buffer_ : in_place);
        switch (piece.status) {
            case piece_status::ready:
                if (!put_body(x, l, piece.bytes, !in_place.empty())) return;
                continue;
            case piece_status::end: end_request(x, l); return;
            case piece_status::pull: start_pull(x, id); break;
            case piece_status::wait: break;
            case piece_status::failed:
                fail_assigned(id, errc::invalid_body, x.body.detail());
                return;
        }
        touch(l);
        if (x.control && x.control->write && x.body.wants_more()) {
            complete<error_code, std::size_t>(std::move(x.control->write), error_code{},
                                              x.control->write_size);
            end_phase(x, id);  // the caller's turn now
        }
        return;
    }
    if (l.is_http2()) {  // `writable` tells of room
        x.written = l.wire->http2()->sent(id);
        set_phase(x, id, config_.timeouts.write_stall, errc::write_timeout);
    } else {
        x.more_to_send = true;
    }
    touch(l);
}

/// Whether what is left of the body goes from its file to the socket without being read.
bool shard::sends_file(const live_exchange& x, const link& l) {
    if (x.reads_file || l.is_http2() || l.wire->tls() != nullptr) return false;
    if (!l.driver.can_send_files() || !l.wire->body_remaining(x.id)) return false;
    const auto rest = x.body.file_rest();
    return rest && rest->length != 0;
}

/// Sends some of the file. False: the connection failed.
bool shard::push_file(live_exchange& x, link& l) {
    const file_range rest = x.body.file_rest().value_or(file_range{});
    const auto wanted = static_cast<std::size_t>(std::min(rest.length, most_of_a_file));
    const io::io_result result = l.driver.send_file(rest.descriptor, rest.offset, wanted);
    if (result.status == io::io_status::failed) {
        if (!io::is_unsendable(result.error)) return false;
        x.reads_file = true;
        pump_request(x, l);
        return true;
    }
    if (result.status == io::io_status::closed) {
        x.body.fail_short_file();
        fail_assigned(x.id, errc::invalid_body, x.body.detail());
        return true;
    }
    x.body.skip(result.size);
    x.body_octets += result.size;
    x.result.transfer.sent_from_file += result.size;
    l.wire->skip_body(result.size);
    if (result.size == rest.length) {
        end_request(x, l);
        return true;
    }
    if (result.size != 0 && x.head_at == base::never) {
        set_phase(x, x.id, config_.timeouts.write_stall, errc::write_timeout);
    }
    l.driver.wait_writable();
    return true;
}

/// False: the body was longer than it said and the exchange has failed.
bool shard::put_body(live_exchange& x, link& l, std::span<const std::byte> bytes, bool in_place) {
    const auto remaining = l.wire->body_remaining(x.id);
    if (remaining && bytes.size() > *remaining) {
        fail_assigned(x.id, errc::invalid_body,
                      "The request body is longer than the size it was announced with.");
        return false;
    }
    if (in_place) {
        l.wire->commit_body(x.id, bytes.size());
    } else {
        l.wire->write_body(x.id, bytes);
    }
    x.body_octets += bytes.size();
    x.result.transfer.sent_copied += bytes.size();
    return true;
}

void shard::end_request(live_exchange& x, link& l) {
    const exchange_id id = x.id;
    if (!x.what.body.is_none()) {
        const auto remaining = l.wire->body_remaining(id);
        if (remaining && *remaining != 0) {
            fail_assigned(id, errc::invalid_body,
                          "The request body is shorter than the size it was announced with.");
            return;
        }
        l.wire->finish_body(id, x.what.trailers);
    }
    x.request_complete = true;
    x.more_to_send = false;
    if (x.head_at == base::never) x.rate_at = base::never;
    touch(l);
    if (x.control) {
        complete<error_code, std::size_t>(std::move(x.control->write), error_code{},
                                          x.control->write_size);
        complete<error_code>(std::move(x.control->finish), error_code{});
    }
    if (x.head_at == base::never) {
        set_phase(x, id, config_.timeouts.first_byte, errc::first_byte_timeout);
    }
}

/// 100 (Continue) came, or its time is over.
void shard::release_body(live_exchange& x, link& l) {
    if (!x.body_held) return;
    x.body_held = false;
    x.continue_at = base::never;
    set_timer(x, x.id);
    pump_request(x, l);
}

}  // namespace hearth::detail
