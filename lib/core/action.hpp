// What core tells the shard to do, and the small vocabulary of its inputs.
//
// An action names things by id and carries no bytes. The shard drains all actions after every
// input.
#pragma once

#include <cstdint>

#include "base/id.hpp"
#include "base/time.hpp"
#include "hearth/stats.hpp"

namespace hearth::core {

enum class action_kind : std::uint8_t {
    none,
    dial,            ///< `connection` exists now: resolve the name of `origin` for it.
    connect,         ///< Start a TCP connect of `connection` to its address number `value`.
    cancel_connect,  ///< Abandon the attempt number `value`: another one won or time is up.
    step,            ///< Run one handshake slice of `connection`, then `on_slice_done`.
    assign,          ///< Put `exchange` on `connection`.
    drain,           ///< `exchange` is cancelled and has left its caller: read and discard the rest
                     ///< of its response, `value` octets at most, then `on_exchange_done`. Beyond
                     ///< that bound: `on_closed` with `drain_limit`. On a multiplexed connection
                     ///< there is no such bound: `reset` may come.
    reset,           ///< Multiplexed: reset the stream of `exchange`, which core has forgotten, and
                     ///< say `on_resets_seen` once the peer has answered something sent after it.
    close,           ///< End `connection` (with close_notify if it was usable), `reason`. Core has
                     ///< already forgotten it: no further fact about it is needed.
    fail,            ///< `exchange` (a waiter) will not get a connection: `failure`, and the error
                     ///< of the last dial to `origin` if `failure` is `dial`.
    warmed,          ///< The warm-up number `value` has ended; `count` connections are ready, as
                     ///< many as asked for and the limits allow, unless `failure` says why not.
    drained,         ///< The drain asked for has ended: no exchange, no connection is left.
    want_lease,      ///< `value` more of the client-wide connection leases would be used.
    return_lease,    ///< `value` leases are not needed any more.
};

/// Why a waiter was failed.
enum class wait_failure : std::uint8_t {
    none,
    queue_full,
    queue_timeout,
    deadline,             ///< Its deadline passed while it waited.
    would_miss_deadline,  ///< Its deadline cannot be met any more: `value` ns must be left, which
                          ///< is `count` hundredths of what an answer takes at the least.
    shed,                 ///< Its origin is overloaded, and others came later.
    dial,                 ///< A dial failed, see the shard's record of the last one.
    descriptor_limit,
    draining,
};

/// How a dial ended badly. `transient` ones are repeated while waiters have patience.
enum class dial_failure : std::uint8_t {
    none,
    name_not_found,
    name_failed,
    name_timeout,
    connect_failed,
    connect_timeout,
    handshake_failed,
    handshake_timeout,
    certificate_rejected,
    descriptor_limit,
    port_limit,  ///< No local port is left for connections to the origin.
};

struct action {
    action_kind kind = action_kind::none;
    close_reason reason = close_reason::idle_timeout;  // close
    wait_failure failure = wait_failure::none;         // fail, warmed
    dial_failure dial = dial_failure::none;            // close of a dial core gave up by a timeout
    connection_id connection{};
    exchange_id exchange{};
    origin_id origin{};
    std::uint64_t value = 0;
    std::uint32_t count = 0;
};

/// How an exchange left its connection.
enum class exchange_outcome : std::uint8_t {
    reusable,      ///< Response complete, the connection can carry another exchange.
    not_reusable,  ///< Ended, but the connection must close (`connection: close`, upgrade, ...).
    failed,        ///< The connection broke under it.
    refused,       ///< Multiplexed: this exchange failed alone, the connection stays.
};

/// What a handshake can do next, reported when it changes.
enum class handshake_need : std::uint8_t {
    none,    ///< Waits for the network: free.
    hello,   ///< TCP is up; the ClientHello is to be made.
    flight,  ///< The server's flight is here: the costly step, nearest to done.
};

/// How a slice ended.
enum class slice_outcome : std::uint8_t {
    waiting,  ///< It wrote what it had; the peer's next flight is awaited.
    more,     ///< The peer's bytes are here already: another slice can run.
    done,     ///< The handshake is complete; `on_ready` follows.
    failed,   ///< It failed; `on_dial_failed` follows.
};

}  // namespace hearth::core
