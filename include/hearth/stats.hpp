// `stats`: a snapshot of what a client is doing and has done. Plain values, taken shard by shard:
// each origin's numbers are consistent among themselves.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

/// Why a connection was closed.
enum class close_reason : std::uint8_t {
    idle_timeout,   ///< Idle for `pool.idle_timeout`.
    idle_limit,     ///< More idle connections than `pool.max_idle_per_origin`.
    lifetime,       ///< Older than `pool.max_lifetime`.
    evicted,        ///< Idle, closed to make room for another origin under
                    ///< `pool.max_connections`.
    peer,           ///< The peer closed it while idle, or after its last response.
    peer_error,     ///< Reset, a TLS error, or bytes that are no HTTP.
    not_reusable,   ///< The response or the request ruled reuse out (`connection: close`, ...).
    cancelled,      ///< Its exchange was cancelled or timed out, and it was not drained.
    drain_limit,    ///< Its exchange was cancelled and draining did not end within the limits.
    gave_way,       ///< It was draining and was closed for a live waiter.
    upgraded,       ///< Its byte stream was handed to the caller, who closed it.
    dial_failed,    ///< It never became usable.
    unused_dial,    ///< The dial was given up because nobody could use it.
    client_closed,  ///< The client was drained or destroyed.
    outdated,       ///< Its TLS profile was replaced.
    over_limit,     ///< A limit was lowered below what was open.
    count_,
};
[[nodiscard]] HEARTH_API std::string_view to_string(close_reason value) noexcept;

/// What a circuit breaker does; see `breaker_config`.
enum class breaker_state : std::uint8_t {
    closed,      ///< Lets everything through.
    open,        ///< Refuses.
    half_open,   ///< Probes.
    recovering,  ///< Lets a growing share through.
};
[[nodiscard]] HEARTH_API std::string_view to_string(breaker_state value) noexcept;

/// One address of an origin, or of its proxy; see `addresses_config`.
struct address_stats {
    std::string address;            ///< "10.0.0.1", "2001:db8::1".
    std::uint64_t connections = 0;  ///< Now: connections to it, and dials that begin with it.
    std::uint64_t failures = 0;     ///< Ever: attempts it refused, let others overtake, or did not
                                    ///< carry through TLS. Attempts at the same time count once.
    std::uint64_t lost = 0;         ///< Ever: exchanges lost on its connections.
    bool is_current = false;        ///< The name service still has it.
    bool is_ejected = false;        ///< Rests because of lost exchanges.
    /// It is tried last until then. None: it is tried in its turn.
    std::optional<std::chrono::steady_clock::time_point> rests_until;
};

struct origin_stats {
    std::string origin;  ///< "https://host:port", with route and profile if not default.
    // Now.
    std::uint64_t open = 0;  ///< Usable connections: idle + active + draining.
    std::uint64_t idle = 0;
    std::uint64_t active = 0;
    std::uint64_t dialing = 0;      ///< Resolving or connecting.
    std::uint64_t handshaking = 0;  ///< In TLS.
    std::uint64_t draining = 0;
    std::uint64_t waiting = 0;  ///< Exchanges without a connection.
    std::chrono::steady_clock::duration oldest_wait{};
    // Ever.
    std::uint64_t opened = 0;  ///< Dials begun.
    std::uint64_t closed = 0;  ///< Connections and dials ended; opened = closed + what exists.
    std::array<std::uint64_t, static_cast<std::size_t>(close_reason::count_)> closed_by_reason{};
    std::uint64_t handshakes_full = 0;
    std::uint64_t handshakes_resumed = 0;
    std::uint64_t handshakes_failed = 0;
    std::uint64_t handshakes_wasted = 0;  ///< Completed, but the connection never carried an
                                          ///< exchange.
    std::uint64_t handshakes_useful = 0;  ///< Completed, and a live caller got an answer on it.
    std::chrono::steady_clock::duration handshake_cpu{};         ///< Spent in handshake slices.
    std::chrono::steady_clock::duration handshake_cpu_useful{};  ///< Of that, by the useful ones.
    std::uint64_t exchanges = 0;  ///< Attempts assigned to a connection.
    std::uint64_t answered = 0;   ///< Of these, whose response head came to a live caller.
    std::uint64_t drained = 0;    ///< Cancelled, and read to the end: the connection stayed.
    std::uint64_t failed_dials = 0;
    std::uint64_t stale_retries = 0;
    std::uint64_t queue_refused = 0;
    std::uint64_t queue_timeouts = 0;
    std::uint64_t queue_hopeless = 0;  ///< Failed, or not sent, with `errc::would_miss_deadline`.
    std::uint64_t queue_shed = 0;      ///< Failed with `errc::overloaded`, not waiting any longer.
    /// Now: exchanges that an overloaded origin is given at once, see `overload_config`; 0: it is
    /// not overloaded.
    std::uint64_t overload_limit = 0;
    std::uint64_t streams_reset = 0;  ///< HTTP/2: cancelled, and the peer was told.
    // The gate before the queue: breaker, rate limit, concurrency limit and load.
    breaker_state breaker = breaker_state::closed;  ///< Now; of a sum the worst.
    std::uint64_t concurrency_limit = 0;            ///< Now; 0: off.
    std::uint64_t held = 0;                         ///< Now: exchanges that wait at the gate.
    std::uint64_t breaker_opened = 0;               ///< Times.
    std::uint64_t breaker_refused = 0;              ///< Failed with `errc::breaker_open`.
    std::uint64_t rate_refused = 0;                 ///< Failed with `errc::rate_limited`.
    std::uint64_t concurrency_refused = 0;  ///< Failed with `errc::overloaded`: no place in time.
    std::uint64_t load_refused = 0;         ///< The same, by the load of the process.
    std::uint64_t hedges = 0;               ///< Second attempts begun.
    std::uint64_t hedges_won = 0;           ///< Of these, that gave the answer.
    std::uint64_t hedges_withheld = 0;      ///< Not begun: everybody was late, or no budget left.
    /// What is known of its addresses: those of the name service, and others that carry connections
    /// or rest. At most 128. Of a sum none.
    std::vector<address_stats> addresses;
    std::uint64_t outdated = 0;  ///< Now: usable, of a TLS profile that was replaced.
    /// Now: of the client, that serve it. One, and more where load asks for it; of a sum the most.
    std::uint64_t threads = 0;
};

struct stats {
    std::vector<origin_stats> origins;
    std::uint64_t calls = 0;      ///< Exchanges begun by callers.
    std::uint64_t completed = 0;  ///< Of these, completed (each exactly once).
    std::uint64_t in_flight = 0;  ///< calls - completed.
    /// There was no memory for all of it: what some threads or origins have to tell is missing.
    bool is_partial = false;
    std::uint64_t bytes_received = 0;  ///< From the network, ciphertext included.
    std::uint64_t bytes_sent = 0;
    std::uint64_t file_bytes_received = 0;  ///< Of these, to files by `splice`.
    std::uint64_t file_bytes_sent = 0;      ///< Of these, from files by `sendfile`.
    std::uint64_t read_calls = 0;           ///< System calls that read from connections.
    std::uint64_t write_calls = 0;
    std::uint64_t kernel_tls_connections = 0;  ///< Always 0: OpenSSL 3.0 offers it over sockets
                                               ///< only.
    std::uint64_t internal_errors = 0;     ///< Broken invariants that were contained; report them.
    std::uint64_t stale_messages = 0;      ///< Facts about dead ids, legal and dropped.
    std::uint64_t chains_remembered = 0;   ///< Full handshakes that `tls.remember_chains` saved the
                                           ///< verification of the chain.
    std::uint64_t handshakes_at_once = 0;  ///< The most past their ClientHello at once, ever.
    std::uint64_t origins_forgotten = 0;   ///< By `pool.max_origins`; their numbers are gone.
    std::uint64_t identity = 1;            ///< Of `tls.profile`: one more with each replacement.
    std::uint64_t identity_failures = 0;   ///< Changed files that could not be used.
    std::string identity_failure;          ///< Why the last of them could not; empty: it could.

    /// Sums over all origins.
    [[nodiscard]] HEARTH_API origin_stats total() const;
};

HEARTH_END_NAMESPACE
