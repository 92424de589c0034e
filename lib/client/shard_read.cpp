// shard, reading: what is ready at the same time is read first, then looked at in one turn, and
// only then are the handlers called and is what they send written. Code that ran for one
// connection is still in the processor's cache when it runs for the next.
#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

using boost::system::error_code;

namespace {

// Reads of one connection in one turn; the rest takes the next turn.
constexpr int max_reads = 4;

// How many reads in a row, each so soon after the last, are a bulk; and for how long
// `io.bulk_read` of it is waited for.
constexpr std::uint32_t reads_of_a_bulk = 8;
constexpr std::chrono::milliseconds quick{1};
constexpr std::chrono::milliseconds bulk_patience{2};

// Less than that is read together with what comes behind it.
constexpr std::uint64_t worth_a_read = 64 * 1024;

}  // namespace

void shard::on_readable(connection_id id) {
    link* const ready = find_link(id);
    if (ready == nullptr) return;
    const bool can_wait = ready->ready && !ready->paused && sockets_->is_telling() &&
                          direct_reader(*ready) == nullptr;
    if (!can_wait) {
        return enter_from_socket([&] {
            if (link* l = find_link(id)) l->ready ? read_link(*l) : read_handshake(*l);
        });
    }
    const auto room = std::span(receive_buffer_).subspan(received_octets_);
    received_.push_back({id, room, ready->driver.read(room)});
    received_octets_ += received_.back().result.size;
    // The next one is offered half of the buffer at least.
    const bool is_full = received_octets_ > receive_buffer_.size() / 2;
    if (is_full || received_.size() == most_together) take_received();
}

void shard::on_batch_told() { take_received(); }

/// What was read is looked at in a turn, all of it.
void shard::take_received() {
    if (!received_.empty()) enter_from_socket([] {});
}

/// Every turn begins with it: nothing may overtake octets that were read before.
void shard::look_at_received() {
    for (const received_piece& piece : received_) {
        if (link* l = find_link(piece.from)) read_link(*l, piece);
    }
    received_.clear();
    received_octets_ = 0;
}

/// Goes on after so many reads in this turn.
void shard::read_link(link& l, int reads) {
    for (; reads < max_reads && !l.paused; ++reads) {
        exchange_control* const reader = l.wire->tls() == nullptr ? direct_reader(l) : nullptr;
        const std::span<std::byte> room =
            reader != nullptr ? room_of(*reader, l) : std::span(receive_buffer_);
        const io::io_result result =
            reader != nullptr ? read_body(l, *reader) : l.driver.read(receive_buffer_);
        if (result.status == io::io_status::would_block) break;
        const auto octets = std::span(receive_buffer_).first(reader != nullptr ? 0 : result.size);
        if (!take_result(l, result, octets)) return;
        if (l.wire->is_peer_closed() || result.size < room.size()) break;
    }
    end_reading(l);
}

/// Takes what was read before. What lies behind it in the buffer is not touched: only the last
/// piece can have filled its room.
void shard::read_link(link& l, const received_piece& piece) {
    const io::io_result& result = piece.result;
    if (result.status == io::io_status::would_block) return end_reading(l);
    if (!take_result(l, result, piece.room.first(result.size))) return;
    if (result.size == piece.room.size()) return read_link(l, 1);
    end_reading(l);
}

/// False: the link is gone, or going.
bool shard::take_result(link& l, const io::io_result& result, std::span<const std::byte> octets) {
    const connection_id id = l.id;
    if (result.status != io::io_status::ok) {
        l.wire->on_peer_closed(result.status == io::io_status::failed);
    } else if (!octets.empty()) {
        heard_from(l);
        l.wire->receive(octets);
    }
    if (!poll_link(l)) return false;
    HEARTH_ASSERT(find_link(id) == &l);
    l.wire->retain();
    return true;
}

void shard::end_reading(link& l) {
    if (!l.paused) pace_reads(l);
    if (l.is_http2() && l.wire->wants_flush()) touch(l);  // acknowledgements
    if (!l.paused && !l.wire->is_peer_closed()) l.driver.wait_readable();
}

/// Where octets of a large body come quickly, the shard is woken for many of them at a time. It
/// looks again when none came for a moment, so that what is there is late by no more than that.
void shard::pace_reads(link& l) {
    const bool is_quick = now_ - l.read_at < quick;
    l.read_at = now_;
    l.quick_reads = is_quick ? std::min(l.quick_reads + 1, reads_of_a_bulk) : 0;
    if (l.quick_reads < reads_of_a_bulk) return end_bulk(l);
    // Over HTTP/2 it is nobody else's octets that wait.
    const bool is_alone = !l.is_http2() || l.streams.size() == 1;
    const exchange_id id = l.is_http2() && is_alone ? l.streams.front() : l.exchange;
    const std::uint32_t octets = std::min(config_.io.bulk_read, config_.io.receive_buffer);
    if (!is_alone || octets == 0 || l.wire->due(id) < octets) return end_bulk(l);
    l.driver.want_at_least(octets);
    if (l.bulk_timer == 0) bulk_times_.set(l.bulk_timer, now_ + bulk_patience, l.id);
}

void shard::end_bulk(link& l) { l.driver.want_at_least(1); }

void shard::on_bulk_times() {
    connection_id id;
    while (bulk_times_.pop_due(now_, id)) {
        link& l = *find_link(id);
        l.bulk_timer = 0;
        if (l.driver.wanted() == 1) continue;
        if (now_ < l.read_at + bulk_patience) {
            bulk_times_.set(l.bulk_timer, l.read_at + bulk_patience, id);
            continue;
        }
        l.quick_reads = 0;
        end_bulk(l);
        if (!l.paused && !l.wire->is_peer_closed()) read_link(l);
    }
}

/// Who reads the body that comes next on a connection, if he may have it as it comes: nothing has
/// to look at it, and it goes to a file by a pipe, to a buffer in which a read of the socket is
/// worth its system call, or to any by decryption.
exchange_control* shard::direct_reader(const link& l) const {
    if (l.is_http2()) return nullptr;
    const live_exchange* x = exchanges_.find(l.exchange);
    if (x == nullptr || x->stage != exchange_stage::assigned || !x->control) return nullptr;
    exchange_control& control = *x->control;
    if (!control.read || control.decoding || !control.unread.empty()) return nullptr;
    const std::uint64_t octets = l.wire->engine().bypassable();
    if (octets == 0) return nullptr;
    const bool is_encrypted = l.wire->tls() != nullptr;
    if (control.file) {
        const bool has_pipe = !is_encrypted && l.driver.can_splice() && !control.file->is_copied_to;
        return has_pipe ? &control : nullptr;
    }
    const bool is_large =
        control.read_buffer.size() >= std::min<std::uint64_t>(octets, worth_a_read);
    return is_encrypted || is_large ? &control : nullptr;
}

/// Where octets of the body may be read to; nowhere if they go to a file.
std::span<std::byte> shard::room_of(const exchange_control& reader, const link& l) {
    if (reader.file) return {};
    const std::uint64_t most =
        std::min<std::uint64_t>(reader.read_buffer.size(), l.wire->engine().bypassable());
    return {static_cast<std::byte*>(reader.read_buffer.data()), static_cast<std::size_t>(most)};
}

/// Reads from a socket in plaintext to where the octets belong.
io::io_result shard::read_body(link& l, exchange_control& to) {
    if (to.file) return splice_body(l);
    const io::io_result result = l.driver.read(room_of(to, l));
    if (result.status != io::io_status::ok) return result;
    l.wire->bypass(result.size);
    give_direct(to, l, result.size);
    return result;
}

/// Decrypts into the buffer of the reader that waits. False: there is none, or nothing for him.
bool shard::decrypt_body(link& l) {
    if (l.wire->tls() == nullptr) return false;
    exchange_control* const to = direct_reader(l);
    if (to == nullptr) return false;
    const std::size_t size = l.wire->decrypt_body(room_of(*to, l));
    if (size != 0) give_direct(*to, l, size);
    return size != 0;
}

void shard::give_direct(exchange_control& control, link& l, std::size_t size) {
    live_exchange& x = exchanges_[control.exchange];
    x.body_octets += size;
    x.result.transfer.received_copied += size;
    fill_reader(control, size);
    if (!control.read) l.paused = true;
}

}  // namespace hearth::detail
