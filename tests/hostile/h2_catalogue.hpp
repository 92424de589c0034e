// HTTP/2 origins that break RFC 9113, flood, or play with the client's patience: what one is and
// how it is run, by the real client, in plaintext with prior knowledge and under TLS.
//
// A case says what the call must come to, and what the client must have said about it to the peer:
// which streams it reset and with which code, and the code of its GOAWAY. After the case a polite
// request must be answered, on the same connection if the case leaves it whole, and the origin must
// have seen no request more than the attempts that were counted.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "hostile/catalogue.hpp"
#include "hostile/wire_peer.hpp"
#include "support/h2_frames.hpp"

namespace hearth::hostile {

namespace h2 = testing::h2;

/// Codes of RFC 9113 7.
enum h2_code : std::uint32_t {
    no_error = 0,
    protocol_error = 1,
    flow_control_error = 3,
    stream_closed = 5,
    frame_size_error = 6,
    refused_stream = 7,
    cancel = 8,
    compression_error = 9,
    enhance_your_calm = 11,
};

/// The server's side of one connection, frame by frame.
class h2_side {
public:
    h2_side(peer_connection& wire, bool is_tls) : wire_(wire), is_tls_(is_tls) {}

    /// Shakes hands, and says `greeting` when the client's preface has come. False if none comes.
    [[nodiscard]] bool open(std::string_view greeting);
    /// Shakes hands and says it at once.
    [[nodiscard]] bool open_first(std::string_view greeting);
    /// Waits for a request to be complete, and returns its stream; 0 if none comes.
    [[nodiscard]] std::uint32_t await_request();
    /// Waits for a request's head, whether its body follows or not.
    [[nodiscard]] std::uint32_t await_head();
    /// Waits for a frame of that type on a stream; false if none comes.
    bool await(h2::type type, std::uint32_t stream);
    /// Waits for so long, unless something comes.
    void await_octets(std::chrono::milliseconds patience) { (void)wire_.await_octets(patience); }
    bool say(std::string_view frames) { return wire_.write(frames); }
    /// Says it again and again, until the client has had enough.
    void flood(const std::string& frames);
    /// Says it again and again, with pauses, until the client has reset the stream or has gone.
    void drip(const std::string& frames, std::uint32_t stream);
    /// Answers every request that comes, until the client ends the connection.
    void be_polite();
    /// What the client has said so far.
    [[nodiscard]] const std::vector<h2::seen_frame>& heard() const { return heard_; }

private:
    [[nodiscard]] bool more();
    /// A frame of the client that is here.
    [[nodiscard]] std::optional<h2::seen_frame> take();
    /// The next frame of the client; none if it has ended.
    [[nodiscard]] std::optional<h2::seen_frame> next();

    peer_connection& wire_;
    bool is_tls_;
    std::string input_;
    std::vector<h2::seen_frame> heard_;
};

/// A server whose connections are played as a test says.
class h2_origin {
public:
    using play = std::function<void(h2_side&, std::uint64_t index)>;

    h2_origin(bool is_tls, play what);

    [[nodiscard]] std::string url() const;
    [[nodiscard]] std::uint64_t accepted() const { return peer_->accepted(); }
    /// Ends all connections; then `told` and `requests` are complete.
    void end() { peer_.reset(); }
    /// What the client complained of on a connection: "reset 1 8, goaway 1".
    [[nodiscard]] std::string told(std::uint64_t index) const;
    /// Request heads on all connections.
    [[nodiscard]] std::uint64_t requests() const;

private:
    void played(std::uint64_t index, const std::vector<h2::seen_frame>& heard);

    const support::tls_server_context context_;
    bool is_tls_;
    mutable std::mutex mutex_;
    std::vector<std::vector<h2::seen_frame>> heard_;
    std::uint16_t port_ = 0;
    std::optional<wire_peer> peer_;  // the last member: its threads use the others
};

/// What is said first where the first frame is not the case.
[[nodiscard]] inline std::string h2_greeting() { return h2::settings() + h2::settings_ack(); }
[[nodiscard]] inline std::string polite_answer(std::uint32_t stream) {
    return h2::status(stream, "200") + h2::data(stream, polite_body, h2::end_stream);
}
[[nodiscard]] inline std::string head_of(std::uint32_t stream) { return h2::status(stream, "200"); }

struct h2_case {
    std::string name;
    /// What the origin does on its first connection, once it has the first request, on `stream`.
    /// Afterwards what comes is answered politely.
    std::function<void(h2_side&, std::uint32_t stream)> play;
    outcome expected;
    /// What the client says to the peer about it.
    std::string told{};
    bool keeps_connection = false;  ///< The next request uses the same connection.
    std::uint64_t max_received_bytes = std::uint64_t{1} << 20U;
    request what = get();
    std::optional<std::chrono::milliseconds> patience{};  ///< Of the call, to its deadline.
    std::function<void(config&)> adjust{};
    std::string greeting = h2_greeting();
    bool at_head = false;  ///< The origin does not wait for the request's body.
    bool ends = false;     ///< The origin ends the connection behind its play.
};
inline std::ostream& operator<<(std::ostream& out, const h2_case& one) { return out << one.name; }

[[nodiscard]] config h2_config(bool is_tls);

/// Runs a case in plaintext and under TLS.
void run(const h2_case& one);

class HostileHttp2Test : public ::testing::TestWithParam<h2_case> {};

using frames_for = std::function<std::string(std::uint32_t stream)>;

/// The origin says that; whatever is wrong with it concerns the connection (code of GOAWAY).
[[nodiscard]] h2_case breaks_connection(std::string name, h2_code code, frames_for frames,
                                        outcome expected = refused(errc::peer_protocol_error));
/// It concerns the stream: it is reset with that code, and its connection is used again.
[[nodiscard]] h2_case breaks_stream(std::string name, frames_for frames,
                                    outcome expected = refused(errc::peer_protocol_error),
                                    h2_code code = protocol_error);
/// There is nothing to complain of.
[[nodiscard]] h2_case says(std::string name, frames_for frames, outcome expected,
                           bool keeps_connection = true);
/// The origin says `first`, and then `again` until the client ends the connection.
[[nodiscard]] h2_case floods(std::string name, frames_for first, frames_for again,
                             outcome expected = refused(errc::peer_protocol_error));

}  // namespace hearth::hostile
