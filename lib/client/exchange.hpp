// live_exchange: one call in its shard, from acquisition to completion; and exchange_control, what
// the caller's handle of a streamed exchange shares with the shard.
//
// A live_exchange is touched on its shard only. Its stages: waiting (core has it as a waiter),
// assigned (on a connection), detached (its caller is gone; what is left of the response is
// discarded or its connection closes). It leaves the slab when it is completed, or when a detached
// one has ended. An exchange_control lives as long as the caller's handle; its results are written
// by the shard before the handler that reports them is called, and not after.
#pragma once

#include <algorithm>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/byte_queue.hpp"
#include "base/deadline_queue.hpp"
#include "base/id.hpp"
#include "base/time.hpp"
#include "client/address_race.hpp"
#include "client/decoding.hpp"
#include "client/target.hpp"
#include "client/upload.hpp"
#include "core/breaker.hpp"
#include "hearth/client.hpp"
#include "io/standing_post.hpp"

namespace hearth::detail {

class shard;
class send_flow;

/// A request on its way from its caller to its shard.
struct call {
    request what;
    std::shared_ptr<const target> where;
    base::time_point started;
    send_handler send;  ///< One of the two.
    open_handler open;
    reserve_handler reserve{};          ///< Or this: it wants a connection only.
    std::shared_ptr<send_flow> flow{};  ///< Set: this is one of its attempts.
    base::time_point not_before{};      ///< The pause before it.
    bool is_let_in = false;             ///< Core has been asked and does not refuse it at once.
    std::uint32_t slot = 0;             ///< Of its origin, in the table of origins.
    bool was_sent_on = false;           ///< By a shard that had no connection for it.
    static constexpr std::uint8_t no_place = 0xff;
    std::uint8_t claimed = no_place;  ///< Its place in that table, until it has come there.
};

/// How a caller reaches a call that may be cancelled before it has an exchange_id. All but `owner`
/// is touched on that shard only.
struct cancel_handle {
    std::shared_ptr<shard> owner;
    exchange_id exchange;
    bool cancelled = false;               // before it began
    std::shared_ptr<cancel_handle> next;  // it went on to another shard, with that one
};

/// Where a response body is written to.
struct file_target {
    file_range rest;
    std::size_t written = 0;
    bool is_copied_to = false;  ///< Nothing can be spliced into it.
    bool is_due = false;        ///< Written to when the turn ends.

    [[nodiscard]] std::size_t most(std::size_t size) const {
        return static_cast<std::size_t>(std::min<std::uint64_t>(size, rest.length));
    }
    void advance(std::size_t size) {
        rest.offset += size;
        rest.length -= size;
        written += size;
    }
};

class exchange_control {
public:
    explicit exchange_control(std::shared_ptr<shard> owner) : owner_(std::move(owner)) {}
    [[nodiscard]] const std::shared_ptr<shard>& owner() const { return owner_; }

    // The caller's.
    std::atomic<bool> is_cancelled{false};
    io::standing_post cancel_post;

    // Shard only.
    exchange_id exchange;  // dead once the exchange has ended
    size_handler write;    // with `give`n octets
    std::size_t write_size = 0;
    std::span<const std::byte> raw_write;  // of an upgraded connection, not taken yet
    done_handler finish;
    head_handler head;
    size_handler read;
    boost::asio::mutable_buffer read_buffer;  // what is left of it
    std::size_t filled = 0;                   // octets in front of that; 0 between turns
    std::optional<file_target> file;          // set: `read` is served into it
    std::optional<response_head> head_ready;
    base::byte_queue unread;  // received, not read: at most one receive of the shard
    std::unique_ptr<detail::decoding> decoding;  // set: `unread` is encoded
    bool head_taken = false;
    bool finished = false;  // the caller said the body is complete
    bool dropped = false;
    bool response_ended = false;
    boost::system::error_code final_error;  // of an exchange that failed

    // Results, see the file comment.
    headers trailers;
    hearth::timings timings;
    hearth::transfer transfer;
    hearth::failure failure;

private:
    std::shared_ptr<shard> owner_;
};

/// A connection that is its owner's, shared by the owner's handle and the shard. The exchange that
/// got the connection stays on it; the owner's requests take its place in it, one after the other.
class reservation {
public:
    reservation(std::shared_ptr<shard> owner, exchange_id id, connection_info about)
        : info(std::move(about)), exchange(id), owner_(std::move(owner)) {}
    [[nodiscard]] const std::shared_ptr<shard>& owner() const { return owner_; }

    const connection_info info;
    std::atomic<bool> is_usable{true};  // written on the shard
    io::standing_post end_post;         // the handle's

    // Shard only.
    const exchange_id exchange;
    bool is_released = false;         // by its owner, while an exchange was under way
    boost::system::error_code ended;  // why it is not usable any more

private:
    std::shared_ptr<shard> owner_;
};

/// Attempts of one exchange that peers may leave unprocessed.
inline constexpr std::uint32_t max_moves = 5;

enum class exchange_stage : std::uint8_t { waiting, assigned, detached };

struct live_exchange {
    explicit live_exchange(call&& from)
        : what(std::move(from.what)),
          where(std::move(from.where)),
          send(std::move(from.send)),
          open(std::move(from.open)),
          reserve(std::move(from.reserve)),
          flow(std::move(from.flow)),
          body(what.body),
          is_let_in(from.is_let_in),
          started(from.started) {}
    live_exchange(const live_exchange&) = delete;
    live_exchange& operator=(const live_exchange&) = delete;

    exchange_id id;  // its own
    request what;
    std::shared_ptr<const target> where;
    origin_id origin;
    send_handler send;
    open_handler open;
    reserve_handler reserve;                      // set: wants a connection only
    std::shared_ptr<reservation> holder;          // set: its connection is reserved
    std::shared_ptr<send_flow> flow;              // set: one of its attempts
    std::shared_ptr<exchange_control> control;    // streamed only
    std::shared_ptr<cancel_handle> cancellation;  // with a slot only
    upload body;
    std::unique_ptr<detail::decoding> decoding;  // of a whole body
    response result;

    exchange_stage stage = exchange_stage::waiting;
    connection_id connection;
    std::uint32_t place = 0;     // HTTP/2: in its link's `streams`
    std::uint32_t moves = 0;     // attempts that no peer processed
    std::uint64_t received = 0;  // HTTP/2: octets of body from the engine
    std::uint64_t credited = 0;  // of these, given back to the stream's window
    std::uint64_t written = 0;   // HTTP/2: octets of the request's body when last looked at
    std::uint32_t stale_retries = 0;
    bool is_let_in = false;        // as in `call`
    bool was_misdirected = false;  // 421 was answered once
    bool awaits_settings = false;  // extended CONNECT: assigned, but not begun
    bool held = false;             // waits at the gate of its origin
    bool admitted = false;         // has passed it, and has not told its end
    core::breaker::ticket ticket;
    address_vote vote;
    bool is_hedge = false;   // began as one
    bool may_hedge = false;  // its answer teaches the origin's hedging
    exchange_id twin;        // the other of a hedged pair, while both are under way
    bool connection_reused = false;
    bool request_complete = false;
    bool more_to_send = false;  // the body goes on when the connection has taken what it has
    std::uint8_t pieces = 0;    // of the body, written in this turn
    bool body_held = false;     // waits for 100 (Continue)
    bool reads_file = false;    // its body is a file that cannot be sent from where it lies
    bool response_begun = false;
    bool shares_failure = false;    // HTTP/2: its connection broke, and another exchange told so
    bool response_whole = true;     // false: streamed to the caller
    std::uint64_t sent_before = 0;  // the connection's counter at assignment
    std::uint64_t discarded = 0;    // octets of a drained response
    std::uint64_t discard_limit = 0;

    base::time_point started;
    base::time_point assigned = base::never;
    base::time_point head_at = base::never;
    base::time_point deadline = base::never;     // the caller's, or from timeouts.total
    base::time_point phase_until = base::never;  // of the phase timeout that runs now
    errc phase_timeout = errc::first_byte_timeout;
    base::time_point continue_at = base::never;
    base::time_point resume_at = base::never;  // set: pauses before it is begun
    base::time_point hedge_at = base::never;   // its answer is late then
    base::time_point rate_at = base::never;    // its body is to have moved far enough by then
    std::uint64_t rate_from = 0;               // `body_octets` when that began
    std::uint64_t body_octets = 0;             // moved: of the request, then of the response
    base::deadline_handle timer = 0;
    base::time_point timer_at = base::never;

    [[nodiscard]] base::time_point next_time() const {
        return std::min({deadline, phase_until, continue_at, resume_at, hedge_at, rate_at});
    }
};

}  // namespace hearth::detail
