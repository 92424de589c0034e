// connection: TLS (or none) and one HTTP engine behind one face, sans I/O. The driver feeds it
// bytes and sends what it puts out; the shard polls its events.
//
// Input, in this order, in one turn of the shard:
//   receive(bytes) -> poll_event() until none, or stop for back-pressure -> retain()
// `receive` borrows its bytes until `retain`. While a handshake runs, bytes are only stored;
// `step()` is the one place that works on them. Output collects in `output()` after `flush()`; what
// one turn wrote (head, small body) leaves in one TLS record and one system call.
// It speaks HTTP/1.1 until `use_http2`, which is legal before the first exchange: after ALPN chose
// h2, or at once with prior knowledge. Then exchanges are reset, discarded and consumed at
// `http2()`, and `flush` puts the frames of a turn behind each other; events may follow it: poll
// again. An error event without an exchange ends whatever exchange the connection still has: TLS
// may fail under all of them.
// Plain text on its way into records, and out of them, passes through buffers of the shard
// (`work_buffers`): an idle connection holds none.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_queue.hpp"
#include "proto/h1_engine.hpp"
#include "proto/h2_engine.hpp"
#include "proto/message.hpp"
#include "proto/tls_engine.hpp"

namespace hearth::proto {

/// Buffers that all connections of a shard share; used only inside one call chain.
struct work_buffers {
    static constexpr std::size_t plain_size = 64 * 1024;
    std::vector<std::byte> plain = std::vector<std::byte>(plain_size);  ///< Decrypted input.
};

class connection final : private frame_sink {
public:
    /// `tls` may be null: plaintext.
    connection(std::unique_ptr<tls_engine> tls, const h1_settings& settings, work_buffers& buffers);

    // Handshake.
    [[nodiscard]] bool is_handshaking() const;
    /// True if stored input lets a step make progress.
    [[nodiscard]] bool can_step() const;
    [[nodiscard]] tls_step step();
    [[nodiscard]] const tls_engine* tls() const { return tls_.get(); }
    [[nodiscard]] tls_engine* tls() { return tls_.get(); }

    // Protocol.
    /// Speaks HTTP/2 from here on; the next `flush` sends the preface. Only before the first
    /// exchange, and once the handshake is done.
    void use_http2(const h2_settings& settings);
    /// Null while the connection speaks HTTP/1.1.
    [[nodiscard]] h2_engine* http2() { return h2_ ? &*h2_ : nullptr; }
    [[nodiscard]] const h2_engine* http2() const { return h2_ ? &*h2_ : nullptr; }

    // Input.
    void receive(std::span<const std::byte> bytes);
    [[nodiscard]] bool poll_event(event& out);
    void retain();
    /// The socket will give no more octets: `reset` for an error, else FIN.
    void on_peer_closed(bool reset);
    /// True once the peer has ended (FIN, close_notify, reset) and all its octets became events.
    [[nodiscard]] bool is_ended() const { return end_reported_; }
    [[nodiscard]] bool is_peer_closed() const { return peer_closed_; }
    [[nodiscard]] bool was_reset() const { return peer_reset_; }

    // Request, in either version. HTTP/1.1 has one exchange and does not look at its name.
    void begin(exchange_id exchange, const outgoing_head& head);
    void write_body(exchange_id exchange, std::span<const std::byte> bytes);
    /// As in h2_engine; HTTP/1.1 has no room.
    [[nodiscard]] std::span<std::byte> body_room(exchange_id exchange, std::size_t most) {
        return h2_ ? h2_->body_room(exchange, most) : std::span<std::byte>();
    }
    void commit_body(exchange_id exchange, std::size_t size) { h2_->commit_body(exchange, size); }
    /// Octets of a body with content-length that leave by another way, behind the output. HTTP/1.1.
    void skip_body(std::uint64_t octets) { (void)h1_.frame_body(octets); }
    void finish_body(exchange_id exchange, const headers& trailers);
    /// As in h1_engine: octets of the response's body that came by another way. HTTP/1.1.
    void bypass(std::uint64_t octets) { h1_.bypass(octets); }
    /// Decrypts octets of the response's body straight into `into`, where the engine would only
    /// count them. How many; 0: there are none, or `poll_event` has news. HTTP/1.1.
    [[nodiscard]] std::size_t decrypt_body(std::span<std::byte> into);
    /// Octets of a body the connection likes to take now, its output holding at most `limit`.
    [[nodiscard]] std::size_t room(exchange_id exchange, std::size_t limit) const;
    /// Octets that content-length still demands; nothing without one.
    [[nodiscard]] std::optional<std::uint64_t> body_remaining(exchange_id exchange) const;
    /// Octets of the response received so far.
    [[nodiscard]] std::uint64_t received(exchange_id exchange) const;
    /// Octets of the response's body that must still arrive, and that its peer may send at once; 0
    /// where that is not known.
    [[nodiscard]] std::uint64_t due(exchange_id exchange) const;
    /// True if the exchange carries another protocol's octets now.
    [[nodiscard]] bool is_raw(exchange_id exchange) const;
    [[nodiscard]] const h1_engine& engine() const { return h1_; }

    // Output.
    /// Turns what was written into output; false: TLS failed and the connection is dead. HTTP/2:
    /// bodies wait in their engine while the output holds `max_output` octets or more.
    [[nodiscard]] bool flush();
    static constexpr std::size_t max_output = 256 * 1024;
    /// TLS has failed, ours or the peer's: an `error` event says how.
    [[nodiscard]] bool is_tls_broken() const { return tls_failed_; }
    /// True if `flush` has something to do, or would have once the output has room.
    [[nodiscard]] bool wants_flush() const;
    /// Appends GOAWAY where HTTP/2 is spoken, and close_notify where there is TLS.
    void shut_down();
    [[nodiscard]] base::byte_queue& output();
    /// Octets that wait to be sent, staged ones included.
    [[nodiscard]] std::size_t queued() const;

    /// Octets of our own buffers this connection holds now.
    [[nodiscard]] std::size_t memory() const;

private:
    bool poll_engine(event& out);
    void feed_engine(std::span<const std::byte> bytes);
    void retain_engine();
    void end_engine(bool clean);
    bool decrypt_more(event& out);
    std::size_t decrypt(std::span<std::byte> into);
    void write_h1_body(std::span<const std::byte> bytes);
    bool encrypt(std::span<const std::byte> plain);
    bool put_frame(std::span<const std::byte> frame, std::size_t more) override;
    bool encrypt_staged();

    std::unique_ptr<tls_engine> tls_;
    h1_engine h1_;
    std::optional<h2_engine> h2_;
    work_buffers* buffers_;
    base::byte_queue staged_;  // plaintext not yet encrypted; all of the output without TLS
    bool tls_ended_ = false;
    bool tls_failed_ = false;
    bool encrypt_failed_ = false;
    bool peer_closed_ = false;
    bool peer_reset_ = false;
    bool end_reported_ = false;
};

}  // namespace hearth::proto
