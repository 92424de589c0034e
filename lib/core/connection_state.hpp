// The states of a pooled connection and the one table of legal transitions between them.
//
//   dialing ──connected──▶ handshaking ──ready──▶ idle ◀──emptied── active ◀──▶ full
//      └──────────────ready (plaintext)────────────▲  ╲──taken, filled──▶ ╱
//                                                  │                    drain
//                                                  └──recovered── draining
//   Every state but `closed` may close; nothing leaves `closed`.
//
// - `dialing`: resolving or connecting. `handshaking`: TCP is up, TLS and preface are not done.
// - `idle`: usable, no exchange. `active`: usable, has exchanges and room for more. `full`: usable,
//   no room (HTTP/1.1: one exchange).
// - `draining`: gets no new exchange. Either the peer or its age ended it (it closes when its
//   exchanges have ended), or it reads the rest of a cancelled response (it recovers when that has
//   ended).
//
// `origin_pool::change` is the only writer of a state; a transition that the table does not have is
// a broken invariant, never a peer's doing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hearth::core {

enum class connection_state : std::uint8_t {
    dialing,
    handshaking,
    idle,
    active,
    full,
    draining,
    closed,
};
inline constexpr std::size_t connection_state_count = 7;

enum class connection_event : std::uint8_t {
    connected,  ///< TCP is up and TLS begins.
    ready,      ///< It can carry exchanges.
    taken,      ///< It has exchanges now and room for more.
    filled,     ///< It has as many exchanges as it can carry.
    emptied,    ///< Its last exchange ended.
    drain,      ///< It gets no new exchange from now on.
    recovered,  ///< The cancelled response has been read to its end.
    close,      ///< It ends.
};
inline constexpr std::size_t connection_event_count = 8;

/// What one state makes of each event. `closed` under any event but `close` means: not legal.
using connection_row = std::array<connection_state, connection_event_count>;

inline constexpr auto connection_table = [] {
    using enum connection_state;
    constexpr connection_state none = closed;  // not legal, see `is_legal`
    return std::array<connection_row, connection_state_count>{{
        // connected   ready taken   filled emptied drain     recovered close
        {handshaking, idle, none, none, none, none, none, closed},  // dialing
        {none, idle, none, none, none, none, none, closed},         // handshaking
        {none, none, active, full, none, none, none, closed},       // idle
        {none, none, active, full, idle, draining, none, closed},   // active
        {none, none, active, full, idle, draining, none, closed},   // full
        {none, none, none, none, none, draining, idle, closed},     // draining
        {none, none, none, none, none, none, none, none},           // closed
    }};
}();

[[nodiscard]] constexpr connection_state next_state(connection_state from, connection_event event) {
    return connection_table[static_cast<std::size_t>(from)][static_cast<std::size_t>(event)];
}

[[nodiscard]] constexpr bool is_legal(connection_state from, connection_event event) {
    if (from == connection_state::closed) return false;
    return event == connection_event::close || next_state(from, event) != connection_state::closed;
}

/// Usable for exchanges, now or after one of its exchanges has ended.
[[nodiscard]] constexpr bool is_ready(connection_state state) {
    return state == connection_state::idle || state == connection_state::active ||
           state == connection_state::full;
}

/// A dial in progress.
[[nodiscard]] constexpr bool is_coming(connection_state state) {
    return state == connection_state::dialing || state == connection_state::handshaking;
}

}  // namespace hearth::core
