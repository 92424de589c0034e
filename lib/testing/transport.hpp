// The octets of one connection: a TCP socket that is never waited for, with or without TLS on it.
//
// OpenSSL reads and writes the socket through a BIO of our own, because its socket BIO raises
// SIGPIPE. Who waits for readiness is the connection's business. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "testing/counter_block.hpp"
#include "testing/openssl_handles.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

/// What every connection of an origin shares: certificate, versions, tickets, client verification.
class tls_context {
public:
    /// Throws `std::runtime_error` when something cannot be used.
    tls_context(const listen_options& options, const certificate& own);
    [[nodiscard]] SSL_CTX* native() const { return context_.get(); }

private:
    void require_client_certificate(const std::string& roots_pem);
    /// Picks the origin's first protocol that is in `offered` (wire format), or null.
    [[nodiscard]] const unsigned char* choose_protocol(std::string_view offered) const;

    ssl_ctx_ptr context_;
    std::string protocols_;  // the ALPN list in wire format (RFC 7301 3.1)
};

enum class io_status : std::uint8_t { done, want_read, want_write, end, failed };

struct io_result {
    io_status status;
    std::size_t size = 0;
};

class transport {
public:
    /// `tls` null = plaintext. The descriptor stays the caller's.
    transport(int descriptor, const tls_context* tls, counter_block& counters);

    [[nodiscard]] bool is_tls() const { return ssl_ != nullptr; }
    io_result handshake();
    io_result read(std::span<char> into);
    io_result write(std::string_view from);
    /// Reads past TLS, for octets nobody wants.
    io_result read_wire(std::span<char> into);
    /// True when octets were read from the socket that `read` has not returned yet.
    [[nodiscard]] bool has_buffered_input() const;
    [[nodiscard]] bool is_resumed() const;
    /// The protocol chosen by ALPN, or nothing.
    [[nodiscard]] std::string_view alpn() const;
    void send_close_notify();
    void send_ticket();
    void send_key_update();

private:
    friend struct wire_bio;
    io_result outcome(int result) const;

    int descriptor_;
    counter_block& counters_;
    ssl_ptr ssl_;
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
