// `raw_origin`: plays a script of octets and events on each connection, for hostile peers.
//
// Nothing in a script is checked: what is sent is what the script says, so answers that no HTTP
// server would give can be given, over TLS or in plaintext, HTTP/2 included (h2_frames.hpp). To be
// hostile below TLS, listen in plaintext and let the client speak TLS to it. A script that has
// ended leaves the connection open: what arrives is read and recorded until the client closes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hearth/testing/listen_options.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing {

/// One step of a script. Made by the functions below.
struct script_step {
    enum class kind : std::uint8_t {
        expect_request,
        expect_octets,
        expect_frame,
        expect_end,
        send,
        drip,
        wait,
        new_ticket,
        key_update,
        close,
    };
    kind what = kind::wait;
    std::string bytes = {};               ///< send, drip
    std::size_t size = 0;                 ///< expect_octets: how many; drip: octets at a time
    std::chrono::nanoseconds pause = {};  ///< wait; drip: between two pieces
    close_kind end = close_kind::clean;   ///< close
    unsigned frame_type = 0;              ///< expect_frame
};

using script = std::vector<script_step>;

/// Waits for one whole HTTP/1.1 request, its body included. What is not a legal request ends the
/// script with a reset and is counted as `requests_bad`.
[[nodiscard]] HEARTH_API script_step expect_request();
/// Waits until so many octets have arrived since the last step that expected something.
[[nodiscard]] HEARTH_API script_step expect_octets(std::size_t size);
/// Waits for the next whole HTTP/2 frame of that type (RFC 9113 6; see h2_frames.hpp); the client's
/// preface and frames of other types before it are passed over.
[[nodiscard]] HEARTH_API script_step expect_frame(unsigned type);
/// Waits until the client has ended its side.
[[nodiscard]] HEARTH_API script_step expect_end();
/// Sends octets, all at once.
[[nodiscard]] HEARTH_API script_step send(std::string bytes);
/// Sends octets in pieces of `size` (at least 1) with a pause between two pieces.
[[nodiscard]] HEARTH_API script_step drip(std::string bytes, std::size_t size,
                                          std::chrono::nanoseconds pause);
[[nodiscard]] HEARTH_API script_step wait(std::chrono::nanoseconds duration);
/// Sends a TLS 1.3 session ticket; does nothing on other connections.
[[nodiscard]] HEARTH_API script_step new_ticket();
/// Sends a TLS 1.3 KeyUpdate; does nothing on other connections.
[[nodiscard]] HEARTH_API script_step key_update();
/// Ends the connection after what was sent before has left. Nothing may follow.
[[nodiscard]] HEARTH_API script_step close(close_kind kind = close_kind::clean);

/// Gives the script of a connection by its index: 0 is the first one accepted. Called on one of the
/// origin's threads.
using script_source = std::function<script(std::uint64_t connection)>;

/// Threads: as `origin`.
class HEARTH_API raw_origin {
public:
    /// Listens and plays from here on; errors as the constructor of `origin`.
    raw_origin(listen_options options, script_source scripts);
    /// The same script on every connection.
    raw_origin(listen_options options, script every_connection);
    /// As stop().
    ~raw_origin();
    raw_origin(const raw_origin&) = delete;
    raw_origin& operator=(const raw_origin&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept;
    [[nodiscard]] std::string url(std::string_view path = "") const;
    [[nodiscard]] const std::string& ca_pem() const noexcept;
    /// `requests` counts what `expect_request` has read.
    [[nodiscard]] origin_counters counters() const;
    /// What arrived on that connection so far (after TLS): its first MiB, of the last 4096 ones.
    [[nodiscard]] std::string received(std::uint64_t connection) const;

    void stop();
    void close_all_connections(close_kind kind = close_kind::clean);

private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace testing
HEARTH_END_NAMESPACE
