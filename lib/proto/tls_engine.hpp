// tls_engine: the client side of one TLS connection over memory, sans I/O (OpenSSL with custom
// BIOs).
//
// Handshake work happens only in `step()`: until it says done, `receive` merely stores. That is
// what lets core decide which handshake gets the CPU. Input is borrowed and read in place:
//   receive(ciphertext)  ->  step() or decrypt() while they make progress  ->  retain()
// `retain` copies what was not consumed into a buffer of the engine; `receive` after it appends
// logically behind what is held. Output is appended to `output()`, in whole records. An
// established, idle engine holds no buffer of ours, and OpenSSL's are released
// (SSL_MODE_RELEASE_BUFFERS).
//
// The first few calls are libssl's; then, with TLS 1.3, the engine protects data itself
// (`tls13_records`): a connection that is used again is worth the two ciphers that this takes.
// Nothing of it shows, but for the price. Profiles with a cipher list of their own stay with
// libssl.
//
// A ticket costs libssl a key derivation and a copy of the session. Where none are kept, and on a
// resumed connection while the stock is full of fresh ones, the engine reads from the start by
// itself, and what tickets come above that go no further.
//
// Bounds: 256 KiB of input until the handshake is done (then `step` fails); 64 handshake messages
// in a row and 16 KiB of unsent answers afterwards (then `decrypt` fails). Not bounded here: what
// the caller lets `retain` hold of an established connection, and what it encrypts. Renegotiation
// is refused. Nothing a peer sends throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/byte_queue.hpp"
#include "hearth/error.hpp"
#include "hearth/tls.hpp"
#include "proto/tls_chain_cache.hpp"
#include "proto/tls_session_cache.hpp"

namespace hearth::proto {

struct tls_settings {
    std::shared_ptr<const tls_profile> profile;
    std::string host;  ///< The origin's host: DNS name or IP literal without brackets.
    std::uint16_t port = 443;
    bool offer_http2 = false;               ///< ALPN "h2" before "http/1.1"; else "http/1.1" alone.
    tls_session_cache* sessions = nullptr;  ///< Must outlive the engine; null = no resumption.
    tls_chain_cache* chains = nullptr;      ///< The same; null = every chain is verified in full.
    /// Calls of `encrypt` and `decrypt` that libssl serves before the engine takes records over.
    unsigned libssl_calls = 8;
    static constexpr unsigned every_call = std::numeric_limits<unsigned>::max();
};

enum class tls_step : std::uint8_t {
    want_input,    ///< Output may have been added; the peer's next flight is needed.
    more,          ///< Progress was made and stored input allows another step now.
    done,          ///< Established; `step` must not be called again.
    failed,        ///< `error_code()` and `error_detail()`; an alert may be in the output.
    want_verdict,  ///< `take_question` is to be answered by `set_verdict`; then it goes on.
};

enum class tls_status : std::uint8_t {
    ok,          ///< The buffer has no room for the next record; there may be more.
    want_input,  ///< All complete records are read.
    closed,      ///< The peer's close_notify was read.
    failed,      ///< A record error or a fatal alert.
};

/// The key under which a connection of these settings stocks its tickets in the cache.
[[nodiscard]] std::string tls_session_key(const tls_settings& settings);

class tls_engine {
public:
    explicit tls_engine(const tls_settings& settings);
    ~tls_engine();
    tls_engine(const tls_engine&) = delete;
    tls_engine& operator=(const tls_engine&) = delete;

    // Input.
    void receive(std::span<const std::byte> ciphertext);
    void retain();
    /// Octets received and not consumed yet.
    [[nodiscard]] std::size_t pending_input() const;
    /// True if a complete record is there, so that a `step` or `decrypt` can do something (also if
    /// octets are decrypted already that the last buffer had no room for).
    [[nodiscard]] bool has_complete_record() const;
    /// Octets that were received and are not decrypted, or not taken, yet.
    [[nodiscard]] std::size_t pending() const;

    // Handshake.
    [[nodiscard]] tls_step step();
    [[nodiscard]] bool is_established() const;
    /// Whom `tls_options::verify` is asked about; only after `want_verdict`, once.
    [[nodiscard]] peer_to_verify take_question();
    /// `reason`: a sentence, where it is refused.
    void set_verdict(bool is_accepted, std::string reason);

    // Established.
    struct read_result {
        std::size_t size = 0;
        tls_status status = tls_status::want_input;
    };
    /// Decrypts as many records as fit. What `status` says comes behind the `size` octets, which
    /// are good whatever it is. Without close_notify the end of the connection is a truncation;
    /// only the caller knows whether that matters.
    [[nodiscard]] read_result decrypt(std::span<std::byte> plain);
    /// Encrypts all of `plain` into full records appended to the output; false: `error_*`.
    [[nodiscard]] bool encrypt(std::span<const std::byte> plain);
    /// Appends close_notify. Never waits for the peer's; the session stays good for resumption.
    void shut_down();

    [[nodiscard]] base::byte_queue& output();

    // Facts.
    [[nodiscard]] const std::shared_ptr<const tls_profile>& profile() const;
    [[nodiscard]] bool resumed() const;
    [[nodiscard]] bool is_resuming() const;  ///< In a handshake for which there was a ticket.
    [[nodiscard]] std::string_view version() const;  ///< "TLSv1.3"
    [[nodiscard]] std::string_view cipher() const;
    [[nodiscard]] std::string_view alpn() const;  ///< Empty if none was chosen.
    /// certificate_rejected, handshake_failed, peer_tls_error.
    [[nodiscard]] errc error_code() const;
    /// A sentence: what failed, the peer's alert or OpenSSL's reason, names concerned.
    [[nodiscard]] const std::string& error_detail() const;
    [[nodiscard]] std::size_t memory() const;  ///< Octets of our own buffers.

private:
    class implementation;
    std::unique_ptr<implementation> implementation_;
};

}  // namespace hearth::proto
