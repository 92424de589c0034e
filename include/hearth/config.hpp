// `config`: everything that can be tuned. An aggregate with designated initialisers in mind:
//
//   hearth::client client{hearth::config{.pool = {.max_connections_per_origin = 64}}};
//
// Defaults are safe in production and every limit is finite. Limits are the whole client's, never
// multiples per thread. An empty optional means "off"; 0 means none and nothing else. Durations are
// `std::chrono`. Fields are only ever appended. `validate` explains contradictions; a client's
// constructor throws the first one as `errc::invalid_config`. Advice, which `validate` gives after
// them, does not keep a client from being built.
#pragma once

#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hearth/hooks.hpp"
#include "hearth/proxy.hpp"
#include "hearth/request.hpp"
#include "hearth/tls.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

using std::chrono::milliseconds;

/// What happens to an HTTP/1.1 connection whose exchange is cancelled after it was sent.
enum class cancel_policy : std::uint8_t {
    adaptive,  ///< Drain when that is cheaper than a new handshake and no live waiter needs the
               ///< slot.
    drain,     ///< Drain within the limits, giving way to live waiters.
    close,     ///< Close.
};

/// Which idle connection the next exchange takes.
enum class idle_order : std::uint8_t {
    most_recent,   ///< Used last: what is not needed ages out, and what is used is surely warm.
    least_recent,  ///< Used longest ago: all in turn, for balancers that count requests.
};

struct pool_config {
    /// Connections to one origin, dials in progress included; never overshot. Range 1..1,000,000.
    /// Reached: exchanges wait. Default 256: enough for 256 concurrent HTTP/1.1 exchanges.
    std::uint32_t max_connections_per_origin = 256;
    /// Connections of the whole client, dials included. Range 1..1,000,000. Reached: the least
    /// recently used idle connection of another origin is closed, else exchanges wait. Must leave
    /// 64 of the process's soft limit of file descriptors (RLIMIT_NOFILE) free, which `validate`
    /// checks. Default 768: fits the usual limit of 1,024 and leaves the process a quarter of it.
    std::uint32_t max_connections = 768;
    /// Idle connections kept per origin. None: as many as the connection limit allows, so that a
    /// burst's connections survive until `idle_timeout` (a small constant here is the classic cause
    /// of reconnect storms).
    std::optional<std::uint32_t> max_idle_per_origin{};
    /// Exchanges that may wait for one origin. 0: never wait. An exchange that a free connection or
    /// a permitted dial can serve is not counted. Reached: `errc::queue_full`.
    std::uint32_t max_waiters = 10'000;
    /// An idle connection is closed after this, jittered down by up to `jitter`. Default 60 s,
    /// below the keep-alive of common servers (nginx 75 s), which avoids losing the reuse race. A
    /// server that says how long it waits (Keep-Alive: timeout) is believed: less a quarter of it,
    /// 1 s at most, and never longer than this.
    milliseconds idle_timeout{60'000};
    /// A connection is retired when idle and older than this, jittered. Default 10 min: DNS and
    /// certificates change.
    milliseconds max_lifetime{600'000};
    /// Share of each lifetime and idle timeout that is random, 0..0.9, so that connections do not
    /// age out together. Default 0.1.
    double jitter = 0.1;
    /// How long a waiter outlives failed dials before it fails with the dial's error; the dial is
    /// repeated with back-off meanwhile. 0: the first failure is its own. Certificate and
    /// unknown-name failures are not waited out. Default 250 ms: spans a quick restart of the
    /// origin.
    milliseconds dial_patience{250};
    /// First pause after a failed dial to an origin; doubles, with full jitter, up to
    /// `max_backoff`.
    milliseconds min_backoff{20};
    milliseconds max_backoff{1'000};
    /// HTTP/1.1 exchanges cancelled after they were sent, see `cancel_policy`.
    hearth::cancel_policy on_cancel = hearth::cancel_policy::adaptive;
    /// Draining gives up beyond this many octets, this time, or this many connections per origin.
    std::uint64_t drain_bytes = 256 * 1024;
    milliseconds drain_timeout{2'000};
    std::uint32_t max_draining_per_origin = 1024;
    /// Connections to each origin that are kept ready for the next burst: what is lost or retires
    /// is dialled anew in the background, one dial at a time, when no waiter needs the place, with
    /// the back-off of failed dials, and only while the origin has answered within `max_lifetime`.
    /// Range 0..`max_connections_per_origin`, at most `max_idle_per_origin`. Default 0: an origin
    /// nobody asks costs nothing.
    std::uint32_t min_ready = 0;
    /// Exchanges that one connection carries before it is replaced, so that balancers between us
    /// and the origin get to choose again. Range 1..1,000,000,000. None: no limit. An HTTP/2
    /// connection takes no more once that many were begun and an answer is here.
    std::optional<std::uint32_t> max_exchanges_per_connection{};
    /// Default `most_recent`: the pool shrinks to what is needed, and seldom meets a close.
    hearth::idle_order idle_order = hearth::idle_order::most_recent;
    /// Close idle connections before an origin does that has closed them after the same time again
    /// and again, by about a second. Default on. Off: `idle_timeout` and what the origin says hold.
    bool learn_idle_timeout = true;
    /// How long before the end of its lifetime another connection is dialled in place of one, if
    /// `min_ready` or the use of the last seconds needs as many; at most a quarter of the lifetime.
    /// An HTTP/2 connection that its origin ends (GOAWAY) is replaced at once in the same way. Such
    /// dials are paced as those for `min_ready` are, and take no place that is not free. Range
    /// 1 ms..1 h. None: off. Default 5 s: a slow dial, and many that end together.
    std::optional<milliseconds> replace_ahead{5'000};
    /// Origins the client remembers: what it has learned of each, and its counters. Range
    /// 256..1,000,000, shared out evenly among the client's threads. Reached: the one used longest
    /// ago is forgotten that has neither connection nor exchange; one whose last dials failed, or
    /// whose breaker is not closed, only if there is no other. Default 10,000: some 30 MiB at most.
    std::uint32_t max_origins = 10'000;
};

struct handshake_config {
    /// TLS handshakes past their ClientHello at once, client-wide. What waits for the network
    /// counts, what waits for CPU does not. Range 1..10,000. Default 16: some round trips' worth.
    std::uint32_t max_concurrent = 16;
    /// Handshake slices (CPU steps) one turn of a thread may run before established connections are
    /// served again. Range 1..64. Default 1: a slice delays a warm exchange by at most one slice.
    std::uint32_t slices_per_turn = 1;
    /// Threads of the client's that run the slices in place of those that serve connections; all
    /// shards share them. Then a turn is never delayed by a slice. Range 0..64. Default 0: at one
    /// slice per turn a warm exchange waits for half a millisecond at the most, and moving a
    /// handshake from thread to thread costs a little, and a core.
    std::uint32_t threads = 0;
};

/// What happens when more is wanted than the origin or the CPU can do. Each rule can be switched
/// off to see what it is worth, or because a layer above does the same.
struct overload_config {
    /// While an origin answers nobody in time, dials to it are paced to a tenth of a core (and so
    /// are draining connections that would give way to them), until its first answer in time. Such
    /// an origin has at least 10 exchanges unanswered for 20 ms and four times its usual answer, or
    /// 10 callers in a row have left unanswered. Default on: connections opened for waiters that
    /// nobody will answer cost what is needed for those that come when the origin is back.
    bool ration_dials = true;
    /// An exchange whose deadline is nearer than the quickest answers of late is not sent but fails
    /// with `errc::would_miss_deadline`. What counts as quickest is a low estimate which fades to
    /// the connect round trip when no answer comes, and every 16th such exchange is sent all the
    /// same: it may be wrong, never for long. Where calls come to the client with too little time
    /// left and most of what is sent misses, two to four times the quickest answer must be left
    /// until that is over. Default on: what cannot be answered in time takes a connection from one
    /// that can.
    bool refuse_late = true;
    /// Waiters are served in the order they came. Once the oldest has waited longer than `target`
    /// throughout `interval`, and waiters ran out of time meanwhile, those that came last are
    /// served first and the oldest fail one by one with `errc::overloaded`, until the oldest has
    /// waited less than `target`. If answers take a quarter of the time that callers give them by
    /// then, or come too late, an origin is asked by no more at once than it answers without a
    /// queue, which is learned (`origin_stats::overload_limit`), and nobody is dialled for
    /// meanwhile; of further calls only a quarter more than are served may wait, the others fail at
    /// once with `errc::overloaded`, which costs next to nothing. None: always in the order they
    /// came, nobody is shed, and whoever has a connection is sent. Default 20 ms. Range 1 ms..1 h.
    std::optional<milliseconds> target{20};
    /// Default 100 ms: several round trips. Range 1 ms..1 h.
    milliseconds interval{100};
    /// Handshake slices run in the order of remaining work, as `handshake` limits them, and no more
    /// dials are in progress than keep them busy. Off: in the order they become possible, all at
    /// once, a dial per waiter. Off only to measure.
    bool schedule_handshakes = true;
    /// A dial goes on when the caller it was begun for leaves: its connection serves another, or
    /// is there for the next burst. Off: a waiter that leaves takes the oldest dial of its origin
    /// along, as clients do whose callers dial for themselves. Off only to measure.
    bool keep_dials = true;
};

struct tls_config {
    /// The profile of requests that do not bring their own; null = `tls_profile::system_default()`.
    std::shared_ptr<const tls_profile> profile{};
    /// Session tickets kept per origin and profile. Range 0..64. TLS 1.3 tickets are used once.
    std::uint32_t tickets_per_origin = 8;
    /// A certificate chain that was verified for the same profile and name within this time is not
    /// verified again when an origin presents exactly it once more: a full handshake costs a good
    /// part less. Never beyond the validity of its certificates. Each thread remembers 256 chains.
    /// Range 1 s..1 h. None: each handshake verifies in full. Default 5 min.
    std::optional<std::chrono::seconds> remember_chains{300};
    /// How long connections of a profile that was replaced (`client::update`, `watch_files`) may
    /// get new exchanges: they end one after the other from a quarter of this time on, others in
    /// their place first. Range 100 ms..1 h. Default 30 s.
    milliseconds replace_within{30'000};
    /// How often the files that `profile` was built from are looked at; when one has changed, the
    /// profile is built anew and replaced. Files that cannot be used change nothing: the old
    /// profile stays, and `on_identity` and `stats` say why. Looked at by a thread of its own.
    /// Range 50 ms..1 h. None, the default: files are read once.
    std::optional<milliseconds> watch_files{};
    /// Told what came of changed files, on the thread that looks at them; must not throw, and must
    /// not destroy the client. Default none.
    std::function<void(const identity_report&)> on_identity{};
};

struct http1_config {
    /// Octets of a response head, and of a trailer section. Default 64 KiB. Range 1 KiB..16 MiB.
    /// Reached: `errc::header_limit`.
    std::uint32_t max_header_bytes = 64 * 1024;
    /// Fields of a response head or trailer section. Default 256. Reached: `errc::header_limit`.
    std::uint32_t max_header_count = 256;
    /// 1xx responses before the final one. Default 16. Reached: `errc::informational_limit`.
    std::uint32_t max_informational = 16;
    /// How long a body waits for 100 (Continue) when the request asked. Default 1 s (RFC 9110
    /// 10.1.1 says never to wait indefinitely).
    milliseconds continue_timeout{1'000};
};

struct http2_config {
    /// Streams at once on one connection; the peer's SETTINGS_MAX_CONCURRENT_STREAMS holds when it
    /// is less. Range 1..1,000,000. Default 1,000. Reached: another connection, else waiting.
    std::uint32_t max_streams = 1000;
    /// Streams on every connection of an origin from which on another one is opened ahead of need,
    /// to spread load. Range 1..1,000,000. None, the default: when the streams run out.
    std::optional<std::uint32_t> ideal_streams{};
    /// Connections to one origin that speaks HTTP/2, beside those that only end their exchanges.
    /// Range 1..1,000,000, `pool.max_connections_per_origin` holds when it is less. Default 16.
    std::uint32_t max_connections = 16;
    /// Streams at once until the peer's SETTINGS are here. Range 1..1,000. Default 100, which RFC
    /// 9113 6.5.2 recommends as the least.
    std::uint32_t assumed_streams = 100;
    /// Streams of cancelled exchanges that may be reset at once on one connection, and per second
    /// after that. Peers drop connections that reset more than they like: servers on nghttp2 1,000
    /// and 33 per second. Beyond it the response of a cancelled exchange is received and thrown
    /// away, for `pool.drain_timeout` at the most. Range 0..1,000,000. Defaults 900 and 30.
    std::uint32_t reset_burst = 900;
    std::uint32_t reset_rate = 30;
    /// Octets of a response head or trailer section, 32 more for each field. Default 64 KiB. Range
    /// 1 KiB..16 MiB. Reached: `errc::header_limit`.
    std::uint32_t max_header_bytes = 64 * 1024;
    /// Fields of a response head or trailer section. Range 8..65,536. Default 256. Reached:
    /// `errc::header_limit`.
    std::uint32_t max_header_count = 256;
    /// Octets of a body that a stream may send before its caller has read any: what a reader that
    /// does not read holds. Range 65,535..2^31-1. Default 512 KiB.
    std::uint32_t initial_stream_window = 512 * 1024;
    /// Windows of streams grow with bandwidth and delay up to this; the connection's has this size
    /// from its beginning, for it is given back on arrival and holds no memory. Range
    /// `initial_stream_window`..2^31-1. Default 16 MiB.
    std::uint32_t max_window = 16 * 1024 * 1024;
    /// A connection with open streams from which nothing came for so long is asked for a sign of
    /// life (PING), and gets no new exchange until it answers; without an answer within
    /// `ping_timeout` it is lost. Range 1 s..1 h. Defaults 10 s and 5 s.
    milliseconds ping_after{10'000};
    milliseconds ping_timeout{5'000};
};

/// What a peer may send over HTTP/2 without saying anything, and how large what it says may be; on
/// each connection. Reached: the connection fails with ENHANCE_YOUR_CALM, its exchanges with
/// `errc::peer_protocol_error`. Of the counts of frames a tenth comes back per second, and more
/// with useful traffic. Where no other range is named: 1..1,000,000.
struct http2_flood_config {
    std::uint32_t settings = 100;
    std::uint32_t pings = 200;
    /// RST_STREAM on streams that are not open.
    std::uint32_t stray_resets = 200;
    std::uint32_t window_updates = 1000;
    std::uint32_t priorities = 200;
    /// DATA without an octet of data, padding alone included, that does not end its stream.
    std::uint32_t empty_data = 200;
    /// Unknown types, repeated GOAWAY, and frames on streams that are gone.
    std::uint32_t other_frames = 500;
    /// Acknowledgements (of SETTINGS, PING) that wait because the peer does not read. Range
    /// 16..10,000.
    std::uint32_t pending_acks = 1000;
    /// Entries of one SETTINGS frame. Range 8..1,024.
    std::uint32_t settings_entries = 32;
    /// CONTINUATION frames of one header block. Range 1..1,024.
    std::uint32_t continuations = 16;
    /// Octets of a compressed header block, all its frames. Range 1 KiB..16 MiB.
    std::uint32_t header_block_bytes = 128 * 1024;
    /// The dynamic table of the header decoder (RFC 7541 2.3.2), announced to the peer. Range
    /// 0..1 MiB.
    std::uint32_t header_table_bytes = 4096;
};

struct io_config {
    /// Threads of a client without an executor of its caller. 0: min(cores, 4). Range 0..256. As
    /// few of them work as the load needs; an origin that is too much for one is served by several,
    /// as long as each has 16 connections of its limit (2 of `http2.max_connections`).
    std::uint32_t threads = 0;
    /// One receive buffer per thread, in octets; a read system call asks for all of it. Default
    /// 256 KiB. Range 16 KiB..16 MiB.
    std::uint32_t receive_buffer = 256 * 1024;
    /// Where octets of a large body come quickly, a thread is woken when so many of them are there
    /// (SO_RCVLOWAT), not for each packet; when none came for 2 ms it looks anyway. No more than
    /// `receive_buffer` is waited for. Default 128 KiB. Range 0..16 MiB; 0: woken for each.
    std::uint32_t bulk_read = 128 * 1024;
    /// Octets of output that may wait in one connection; a body is pulled only below it. Default
    /// 256 KiB. Range 16 KiB..16 MiB.
    std::uint32_t send_buffer = 256 * 1024;
    /// TCP_NODELAY. Off only to measure.
    bool tcp_nodelay = true;
    /// SO_KEEPALIVE with this idle time; none = off. Default 60 s.
    std::optional<std::chrono::seconds> keepalive_idle{60};
    /// TCP_KEEPINTVL and TCP_KEEPCNT: an unanswered probe is repeated after this time, and after so
    /// many the connection is lost. Ranges 1 s..32,767 s and 1..127. Defaults 15 s and 4: a peer
    /// that vanished is noticed two minutes after its last sign, where the kernel takes 12.
    std::chrono::seconds keepalive_interval{15};
    std::uint32_t keepalive_count = 4;
    /// TCP_USER_TIMEOUT: the connection is lost when octets stay unacknowledged for so long; the
    /// count of keep-alive probes gives way to it. Range 1 s..1 h. None: the kernel's own, some 15
    /// min. Default none: `timeouts` end the exchange and PING the HTTP/2 connection before that.
    std::optional<milliseconds> tcp_user_timeout{};
    /// SO_SNDBUF and SO_RCVBUF, in octets, within what the system allows (net.core.wmem_max and
    /// rmem_max). Range 4 KiB..64 MiB. None: the kernel fits them to bandwidth and delay, which a
    /// fixed size ends. Default none: a guess is too small far away and too large nearby.
    std::optional<std::uint32_t> socket_send_buffer{};
    std::optional<std::uint32_t> socket_receive_buffer{};
    /// Called with each new socket (its descriptor is lent, non-blocking, not connected) and the
    /// peer ("127.0.0.1:443"), to set what is not offered here. An error fails this attempt to
    /// connect, and so does an exception. On a thread of the client, inside its work: must not
    /// block. Default none.
    std::function<boost::system::error_code(int descriptor, std::string_view peer)>
        before_connect{};
};

struct timeouts_config {
    milliseconds queue{30'000};        ///< Waiting for a connection. Range 1 ms..1 h.
    milliseconds name{5'000};          ///< Resolving, per dial.
    milliseconds connect{10'000};      ///< TCP connect, all addresses of a dial.
    milliseconds handshake{10'000};    ///< TLS of a dial, waiting for its turn included.
    milliseconds first_byte{60'000};   ///< From the end of the request to the response head.
    milliseconds body_idle{60'000};    ///< Between octets of a response body while it is read.
    milliseconds write_stall{60'000};  ///< Without progress in writing a request.
    /// The whole exchange, when the request has no deadline. None = no total limit.
    std::optional<milliseconds> total{};
    /// Least octets of a response body, and of a request body, per second, over each `rate_window`
    /// in which we wait for the network: not for a slow reader, writer or source of ours. Range
    /// 1..1 GiB. None: `body_idle` and `write_stall` alone hold. Below: `errc::throughput_timeout`.
    std::optional<std::uint64_t> min_receive_rate{};
    std::optional<std::uint64_t> min_send_rate{};
    milliseconds rate_window{10'000};  ///< Range 100 ms..1 h.
};

/// How a remaining time is written in a header field.
enum class deadline_format : std::uint8_t {
    whole_milliseconds,  ///< "1500"
    decimal_seconds,     ///< "1.500"
    grpc,                ///< "1500m", as in grpc-timeout
};

/// The deadline of a request with one is told to its origin as the time that is left, anew with
/// each attempt; `adopt_deadline` reads the same from incoming requests.
struct deadline_config {
    /// Name of the field, as "x-request-timeout-ms"; a field of that name in the request is
    /// replaced. Empty: not told.
    std::string header{};
    deadline_format format = deadline_format::whole_milliseconds;
    /// Taken off: what an answer needs for its way. Range 0..1 h. Default none.
    milliseconds margin{0};
};

struct retry_config {
    /// Repeat a request once on a fresh connection when its reused connection turned out dead
    /// before any octet of a response, and repeating is safe: not a single octet left, or the
    /// method is idempotent and the body can be replayed.
    bool stale_connection = true;
    /// Attempts of one request, the first one included; `request.max_attempts` overrides it. Range
    /// 1..10. Default 1: off. Repeated are failures that another attempt may not meet (no or a lost
    /// connection, a timeout of a phase) and `statuses`, if the request certainly was not processed
    /// or is idempotent, its body can be replayed, the deadline holds, and `budget` is not spent.
    std::uint32_t max_attempts = 1;
    /// Bound of the pause before the first repetition; doubles with each, up to `max_backoff`. The
    /// pause is uniform below it (full jitter). Range 0..1 h. Defaults 25 ms and 1 s.
    milliseconds min_backoff{25};
    milliseconds max_backoff{1'000};
    /// Statuses that are repeated, for idempotent requests: 429, 502, 503 and 504 are candidates.
    /// Range of each 400..599. Default none: a status is an answer.
    std::vector<unsigned> statuses{};
    /// An origin that asks for more patience (Retry-After, in seconds) than this is not asked
    /// again; for less, it is the least pause. A date there counts as more. Default 2 s.
    milliseconds max_retry_after{2'000};
};

/// Work that multiplies requests, per origin: what `retry` repeats and `hedge` doubles. The one
/// free repetition of `retry.stale_connection` does not draw on it.
struct budget_config {
    /// Extra requests per request of the last 10 s. Range 0..1. Default 0.1: an origin in trouble
    /// gets at most 1.1 times its traffic, over two seconds 1.15 times (half as much again as the
    /// share), and `floor_per_second`. Reached: the failure stands.
    double share = 0.1;
    /// Extra requests in any case, so that an origin with little traffic can be retried. Range
    /// 0..1,000. Default 1.
    double floor_per_second = 1.0;
};

/// A second attempt of an idempotent request whose answer is late (later than `percentile` of the
/// answers of its origin, which is learned), on another connection (HTTP/2: on another one with
/// room, else on the same); the first good answer counts, the other attempt is cancelled. Draws on
/// `budget`; none is made while everybody's answer is late. Not for streamed exchanges, and not for
/// bodies that come from a source.
struct hedge_config {
    bool enabled = false;
    /// Range 0.5..0.999. Default 0.95: about 5 % more requests.
    double percentile = 0.95;
    /// Never earlier than this. Range 0..1 h. Default 1 ms.
    milliseconds min_delay{1};
};

/// A circuit breaker per origin, and per address of it: refuses exchanges with an origin that fails
/// nearly everything, with `errc::breaker_open` and, in `failure`, until when and why. Failures are
/// dials that fail, connections that break, broken HTTP, timeouts of a phase, deadlines that pass
/// on a connection, and `statuses`; what the caller or a limit of ours ended counts for nothing. A
/// connection that breaks counts once, whatever it carried.
struct breaker_config {
    bool enabled = false;
    /// Opens when this share of the results within `window` were failures, of at least
    /// `min_volume` results. Range 0.01..1. Default 0.8: an origin that still answers half of what
    /// it is asked (a brown-out) is worth asking.
    double failure_ratio = 0.8;
    /// Range 1..1,000,000. Default 20: fewer say nothing.
    std::uint32_t min_volume = 20;
    /// Range 100 ms..10 min. Default 5 s.
    milliseconds window{5'000};
    /// How long it stays open, shortened by up to a fifth at random, before it probes. Range 1
    /// ms..10 min. Default 250 ms: four probes a second are no load, and a longer time would
    /// lengthen every outage by itself.
    milliseconds open_for{250};
    /// Exchanges let through at once to see if the origin is back; as many successes in a row end
    /// the outage, one failure opens again. Range 1..1000. Default 2.
    std::uint32_t probes = 2;
    /// After that, the share let through grows from a tenth to all over this time. Range 0..10 min.
    /// Default 250 ms.
    milliseconds recovery{250};
    /// Share of exchanges that an open breaker lets through in any case. Range 0..1. Default 0.
    double panic_share = 0.0;
    /// Statuses that are failures. Range of each 400..599. Default 503: 500 may be the request's
    /// own fault; 502 and 504 are candidates where a gateway stands for one server.
    std::vector<unsigned> statuses{503};
    /// Each address of an origin has a breaker of its own beside the origin's, by the same rules.
    /// One that opens lets go of the connections to its address, which is dialled last from then
    /// on; `open_for` later one dial tries it, the exchanges of that connection are the probes, and
    /// while it recovers a growing share of the dials goes there first. As with
    /// `addresses.eject_after`, `addresses.max_ejected_share` bounds how many are out at once.
    bool per_address = true;
};

/// A limit on exchanges begun per second, per origin. What is beyond it waits for its turn, or
/// fails with `errc::rate_limited` at once when that would be after `max_wait`.
struct rate_limit_config {
    /// Exchanges, repetitions and hedges included. Range 0.001..1,000,000. None: off.
    std::optional<double> per_second{};
    /// Exchanges that may be begun at once after a pause. Range 1..1,000,000. Default 10.
    std::uint32_t burst = 10;
    /// Range 0..1 h. Default 1 s.
    milliseconds max_wait{1'000};
};

/// A limit on exchanges in flight per origin that is learned from its response times: it falls when
/// they grow, so that the origin's queue stays short whatever its capacity is. Who finds no place
/// waits, critical requests first, and fails with `errc::overloaded` after `max_wait`. A streamed
/// exchange takes a place until its response head is here.
struct concurrency_config {
    bool enabled = false;
    /// Range 1..1,000,000, from least to most. Defaults 20, 4 and 1000.
    std::uint32_t initial_limit = 20;
    std::uint32_t min_limit = 4;
    std::uint32_t max_limit = 1000;
    /// How much longer than without a queue (learned) an answer may take before the limit falls.
    /// Range 1.05..10. Default 1.5.
    double tolerance = 1.5;
    /// Range 0..1 h. Default 100 ms.
    milliseconds max_wait{100};
};

/// When the process itself has too much to do, requests are refused with `errc::overloaded` before
/// they cost anything: sheddable ones from a load of 1, all but critical ones from a load of 2.
/// The load is the highest of the measured times over these limits, and of what the application
/// says by `client::report_load`.
struct shed_config {
    /// Load 1: work waits so long for the client's thread. Range 1 ms..1 h. None: not looked at.
    std::optional<milliseconds> loop_lag{};
    /// Load 1: exchanges wait so long for a connection, smoothed. Range 1 ms..1 h. None: not looked
    /// at.
    std::optional<milliseconds> queue_delay{};
};

/// Redirects (RFC 9110 15.4), followed by `async_send` and `send`; a streamed exchange shows them.
struct redirect_config {
    /// Off by default: a 3xx is the answer. `request.follow_redirects` overrides it.
    bool enabled = false;
    /// Redirects followed for one request. Range 1..50, default 10. Reached, or a loop:
    /// `errc::too_many_redirects`.
    std::uint32_t max_hops = 10;
    /// Refuse every redirect to http (`errc::redirect_refused`). From https to http with
    /// credentials in the request is refused in any case.
    bool https_only = false;
    /// Header fields dropped, beside authorization, cookie and proxy-authorization, when a redirect
    /// changes scheme, host or port.
    std::vector<std::string> sensitive_headers{};
};

/// Undoing content codings of responses (RFC 9110 8.4): gzip, deflate, br and zstd.
struct decode_config {
    /// Ask for these codings (`accept-encoding`, unless the request has one or a `range`) and undo
    /// them. Off by default; `request.decode` overrides it. Responses without a whole body (HEAD,
    /// 204, 205, 206, 304) and those with a coding we do not know stay as they are. What is broken,
    /// ends early or goes on behind its end is `errc::decode_failed`.
    bool enabled = false;
    /// Codings applied to one body. Range 1..8, default 2. Reached: `errc::decode_failed`.
    std::uint32_t max_codings = 2;
    /// Decoded octets per encoded octet, beyond `ratio_allowance_bytes`. Range 1..1,000,000.
    /// Default 100, far above what text compresses to. None: only `max_body_bytes` holds, which
    /// streamed bodies do not have. Reached: `errc::body_limit`.
    std::optional<std::uint32_t> max_ratio{100};
    /// Decoded octets of a body whose ratio does not matter. Default 16 MiB: what a bomb may cost.
    std::uint64_t ratio_allowance_bytes = 16ULL * 1024 * 1024;
};

/// A fixed answer of the name service: no query is made for `host`.
struct name_override {
    std::string host{};
    std::uint16_t port = 0;                ///< 0 = any port.
    std::vector<std::string> addresses{};  ///< IP literals, tried in this order.
};

enum class resolver_kind : std::uint8_t {
    c_ares,  ///< Asynchronous queries with TTLs; reads /etc/hosts and /etc/resolv.conf.
    system,  ///< getaddrinfo on `dns.system_threads`, for systems where nsswitch matters.
    custom,  ///< `dns.hook`.
};

struct dns_config {
    resolver_kind resolver = resolver_kind::c_ares;
    std::vector<name_override> overrides{};
    /// An answer is used at most this long, whatever its TTL, and at least `min_ttl`.
    std::chrono::seconds max_ttl{300};
    std::chrono::seconds min_ttl{1};
    /// How long "no such name" is remembered.
    std::chrono::seconds negative_ttl{2};
    /// Names kept in the cache; the least recently used goes first. Range 1..1,000,000.
    std::uint32_t cache_entries = 4096;
    /// Pause before the next address is tried while one is still connecting (RFC 8305 5).
    milliseconds attempt_delay{250};
    /// Name servers to ask, as "address:port" ("127.0.0.1:53", "[::1]:5353"), instead of the
    /// system's. For `c_ares` only. Empty: those of /etc/resolv.conf.
    std::vector<std::string> servers{};
    /// An answer whose life ended at most so long ago is still used, at once, while it is asked for
    /// anew. Range 0..7 days. Default 0: a dial waits for the new answer, which is true.
    std::chrono::seconds stale_while_refresh{0};
    /// The same while the name service fails, or has not answered for half a second; it is asked
    /// again every 2 s at the most. "No such name" is an answer. Range 0..7 days. Default 1 h: an
    /// old address is worth trying while nobody knows a new one.
    std::chrono::seconds stale_if_error{3600};
    /// Threads of the whole client that wait in getaddrinfo: so many slow names delay no other.
    /// They are started when needed. For `system` only. Range 1..64. Default 4.
    std::uint32_t system_threads = 4;
    /// Who is asked where `resolver` is `custom`, and only there.
    name_hook hook{};
};

/// Which address of an origin a new connection tries first, of those that work.
enum class address_balance : std::uint8_t {
    first_healthy,  ///< The first, in the order of the name service.
    round_robin,    ///< All in turn.
    least_loaded,   ///< Of two at random the one with fewer connections.
};

/// What is remembered of an origin's addresses (those of its proxy, if it has one).
struct addresses_config {
    address_balance balance = address_balance::first_healthy;
    /// An address that refuses, or does not connect before the next one does, is tried last for so
    /// long; doubles with each time in a row up to `max_rest`, and is shortened by up to a half at
    /// random. Range 10 ms..1 h. Defaults 1 s and 60 s.
    milliseconds min_rest{1'000};
    milliseconds max_rest{60'000};
    /// An address whose connections lose so many exchanges in a row (broken, or no answer within
    /// `timeouts.first_byte`) rests too, and its connections are let go. It is back when a trial
    /// has been answered. Range 1..1,000. None: off. Default 5.
    std::optional<std::uint32_t> eject_after{5};
    /// Share of the addresses that may rest for that reason: with more, the fault is elsewhere.
    /// Range 0..1. Default 0.5.
    double max_ejected_share = 0.5;
};

/// Proxies by the scheme of the origin, where the route names none.
/// `proxies_from_environment` fills it as the environment says; nothing reads it unasked.
struct proxy_config {
    hearth::proxy for_http{};   ///< Of http origins. Default none.
    hearth::proxy for_https{};  ///< Of https origins. Default none.
    /// Origins that are reached without a proxy, each as a host ("example.com": it and what is
    /// below it; ".example.com": the same), an address, a network ("10.0.0.0/8"), one of the first
    /// two with ":port", or "*".
    std::vector<std::string> no_proxy{};
};

struct config {
    // Behaviour.
    pool_config pool{};
    handshake_config handshake{};
    overload_config overload{};
    tls_config tls{};
    http1_config http1{};
    http2_config http2{};
    http2_flood_config http2_floods{};
    /// The HTTP versions of requests that do not bring their own. What an origin speaks is told by
    /// the first connection to it; the next dial begins when it is there, or half a second later.
    protocol_policy protocol = protocol_policy::automatic;
    hearth::route route{};
    proxy_config proxy{};
    dns_config dns{};
    timeouts_config timeouts{};
    deadline_config deadline{};
    retry_config retry{};
    decode_config decode{};
    redirect_config redirect{};
    budget_config budget{};
    hedge_config hedge{};
    breaker_config breaker{};
    rate_limit_config rate_limit{};
    concurrency_config concurrency{};
    shed_config shed{};
    /// Cap on the octets of a whole-body response, after decoding. Default 64 MiB. Reached:
    /// `errc::body_limit`.
    std::uint64_t max_body_bytes = 64ULL * 1024 * 1024;
    /// Sent as `user-agent` when a request has none; empty = not sent.
    std::string user_agent{};
    // Performance.
    io_config io{};
    addresses_config addresses{};
};

/// All contradictions of a config, a sentence each, naming the field as `pool.max_idle_per_origin`;
/// then advice on what is legal but cannot take effect or is costly, each beginning with "Advice:
/// ". Empty if there is neither. Reads the process's limit of file descriptors.
[[nodiscard]] HEARTH_API std::vector<std::string> validate(const config& value);

HEARTH_END_NAMESPACE
