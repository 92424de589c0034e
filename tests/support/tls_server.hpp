// A TLS server in memory, for tests of the client side: plain OpenSSL over memory BIOs.
//
// `tls_server_context` is what connections share (certificate, ticket keys); `tls_server` is one
// connection. The test carries the octets, or lets `connect` and `exchange` do it. Every loop here
// has a bound; a handshake that does not end is a test that fails.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/openssl_ptr.hpp"
#include "proto/tls_engine.hpp"
#include "support/certificates.hpp"

namespace hearth::support {

struct tls_server_options {
    int minimum_version = TLS1_2_VERSION;
    int maximum_version = TLS1_3_VERSION;
    std::vector<std::string> alpn = {"h2", "http/1.1"};  ///< In order of preference; empty: none.
    std::string forced_alpn = {};  ///< Answers this without asking what was offered.
    std::string client_ca_pem =
        {};                   ///< If set, a client certificate of this authority is required.
    std::size_t tickets = 2;  ///< TLS 1.3 tickets per handshake; 0: no tickets in any version.
    long ticket_lifetime_s = 7200;
    bool renews_tickets = false;   ///< A new ticket whenever one is used, also before TLS 1.3.
    std::string staple = {};       ///< An OCSP response (DER) for those who ask; empty: none.
    std::string cipher_list = {};  ///< With a security level below the default, for old versions.
};

class tls_server_context {
public:
    explicit tls_server_context(const identity& server, const tls_server_options& options = {});
    tls_server_context(const tls_server_context&) = delete;
    tls_server_context& operator=(const tls_server_context&) = delete;
    /// Sent behind the server's own certificate.
    void add_chain(const identity& intermediate);
    [[nodiscard]] SSL_CTX* get() const { return context_.get(); }

private:
    int choose_alpn(std::span<const unsigned char> offered,
                    std::span<const unsigned char>& chosen) const;

    tls_server_options options_;
    std::string alpn_wire_;
    proto::ssl_ctx_ptr context_;
};

class tls_server {
public:
    explicit tls_server(const tls_server_context& context);
    ~tls_server();
    tls_server(const tls_server&) = delete;
    tls_server& operator=(const tls_server&) = delete;

    void receive(std::string_view octets);
    /// Works off what was received, as far as the handshake goes.
    void advance();
    /// What is to be sent.
    [[nodiscard]] std::string take_output();

    [[nodiscard]] bool is_established() const;
    [[nodiscard]] bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
    [[nodiscard]] std::string server_name() const;  ///< The SNI received; empty if none.
    [[nodiscard]] bool has_client_certificate() const;
    [[nodiscard]] const std::string& error() const { return error_; }

    void write(std::string_view plain);
    /// All plaintext that can be read.
    [[nodiscard]] std::string read();
    /// True if close_notify was received.
    [[nodiscard]] bool saw_close() const;
    void close();
    void update_keys(bool ask_for_same);
    void ask_for_renegotiation();
    void send_ticket();

private:
    void note_error(int result);

    proto::ssl_ptr ssl_;
    BIO* input_ = nullptr;   // owned by ssl_
    BIO* output_ = nullptr;  // owned by ssl_
    std::string error_;
};

/// The authority of the tests, and certificates of it for "origin.example"; made once.
[[nodiscard]] const identity& test_authority();
[[nodiscard]] const identity& origin_identity(key_kind key = key_kind::ecdsa);
/// Options that trust `test_authority` alone.
[[nodiscard]] tls_options trusting_options();
/// `tls_settings::libssl_calls` of the settings below.
inline unsigned libssl_calls = proto::tls_settings{}.libssl_calls;
/// Takes no part in a connection's records; all of them.
inline constexpr unsigned never = 0;
inline constexpr unsigned always = proto::tls_settings::every_call;
/// Settings for a new profile and "origin.example":443.
[[nodiscard]] proto::tls_settings settings_with(const tls_options& options = trusting_options());

/// Octets of text.
[[nodiscard]] inline std::span<const std::byte> octets(std::string_view text) {
    return std::as_bytes(std::span(text));
}
/// What an engine borrows must live until it is read.
template <std::same_as<std::string> Text>
void octets(Text&& text) = delete;

/// Takes what the engine wants to send.
[[nodiscard]] std::string take_output(proto::tls_engine& client);

/// Steps while there is something to do.
proto::tls_step step_all(proto::tls_engine& client);

/// Runs both sides until neither has anything to send; true if both are established.
bool connect(proto::tls_engine& client, tls_server& server);

/// Gives the client what the server has to send, and returns what it decrypts.
struct received {
    std::string plain;
    proto::tls_status status = proto::tls_status::want_input;
};
received receive_from(proto::tls_engine& client, tls_server& server);
received decrypt_all(proto::tls_engine& client);
/// Gives the server what the client has to send, and returns what it decrypts.
std::string send_to(tls_server& server, proto::tls_engine& client);

}  // namespace hearth::support
