// A plain blocking HTTP/1.1 client on sockets and OpenSSL, to test origins with.
//
// It shares no code with the origins: what both got wrong would otherwise cancel out. Each wait
// ends after ten seconds, so a test that hangs fails.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "hearth/testing/origin.hpp"

namespace hearth::support {

/// How the origin ended a connection.
enum class stream_end : std::uint8_t { none, clean, truncated, reset, timed_out };

/// What a TLS client trusts and says. Shared by its connections; carries the last session seen.
class client_tls {
public:
    explicit client_tls(const std::string& ca_pem);
    ~client_tls();
    client_tls(const client_tls&) = delete;
    client_tls& operator=(const client_tls&) = delete;

    void use_certificate(const hearth::testing::certificate& own);
    void use_versions(int minimum, int maximum);
    /// Protocols in wire format.
    void offer(std::string_view protocols);
    [[nodiscard]] SSL_CTX* native() const { return context_; }
    /// The newest session the origin gave, or null.
    [[nodiscard]] SSL_SESSION* session() const { return session_; }
    [[nodiscard]] int tickets() const { return tickets_; }

    std::string verify_name = "localhost";

private:
    static int keep_session(SSL* ssl, SSL_SESSION* fresh);

    SSL_CTX* context_;
    SSL_SESSION* session_ = nullptr;
    int tickets_ = 0;
};

struct plain_response {
    int status = 0;
    std::string head;  ///< With the status line and the empty line.
    std::string body;  ///< Decoded when chunked.
    std::string trailers;
    bool is_whole = false;

    [[nodiscard]] bool has(std::string_view text) const {
        return head.find(text) != std::string::npos;
    }
};

class plain_client {
public:
    /// Connects, and does the TLS handshake when `tls` is not null.
    explicit plain_client(std::uint16_t port, client_tls* tls = nullptr, bool resumes = false);
    ~plain_client();
    plain_client(const plain_client&) = delete;
    plain_client& operator=(const plain_client&) = delete;

    /// TCP is connected and the client's side of the handshake is done.
    [[nodiscard]] bool is_connected() const { return is_connected_; }
    /// What verifying the origin's certificate found; X509_V_OK if nothing.
    [[nodiscard]] long verify_result() const;
    [[nodiscard]] bool is_resumed() const;
    [[nodiscard]] std::string protocol() const;
    [[nodiscard]] int version() const;

    bool send(std::string_view text);
    /// Reads one answer; informational ones too. `has_body` false: it answers a HEAD.
    plain_response read_response(bool has_body = true);
    plain_response get(const std::string& target, const std::string& fields = "");
    /// Reads up to that many octets that have not been read yet.
    std::string read_octets(std::size_t size);
    /// Reads until the connection ends.
    std::string read_all();
    /// How it ended, after a read that came to the end.
    [[nodiscard]] stream_end end() const { return end_; }
    /// Ends this side: close_notify and FIN.
    void finish();
    /// Closes at once.
    void close();

private:
    void connect(std::uint16_t port);
    void handshake(client_tls& tls, bool resumes);
    bool fill();
    std::string take(std::size_t size);
    bool fill_until(std::string_view mark, std::size_t& at);
    void read_chunks(plain_response& response);

    int descriptor_ = -1;
    SSL* ssl_ = nullptr;
    std::string input_;
    stream_end end_ = stream_end::none;
    bool is_connected_ = false;
};

/// Waits until the counters satisfy `is_reached`; false after ten seconds.
[[nodiscard]] bool wait_for(
    hearth::testing::origin& watched,
    const std::function<bool(const hearth::testing::origin_counters&)>& is_reached);

}  // namespace hearth::support
