#include "support/tls_server.hpp"

#include <openssl/pem.h>

#include <array>
#include <stdexcept>

#include "proto/openssl_error.hpp"

namespace hearth::support {
namespace {

using proto::bio_ptr;
using proto::clear_openssl_errors;
using proto::take_openssl_error;
using proto::tls_engine;
using proto::tls_status;
using proto::tls_step;
using proto::x509_ptr;

constexpr int max_rounds = 64;  // flights of a handshake; real ones take three

void require(bool is_ok, const char* what) {
    if (!is_ok) throw std::runtime_error(std::string("tls_server: ") + what);
}

std::string wire_format(const std::vector<std::string>& protocols) {
    std::string wire;
    for (const std::string& each : protocols) {
        wire += static_cast<char>(each.size());
        wire += each;
    }
    return wire;
}

void renew_tickets(SSL_CTX* context) {
    SSL_CTX_set_session_ticket_cb(
        context, [](SSL*, void*) { return 1; },
        [](SSL*, SSL_SESSION*, const unsigned char*, std::size_t, SSL_TICKET_STATUS status, void*) {
            const bool is_good = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
            return is_good ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_IGNORE_RENEW;
        },
        nullptr);
}

void require_client_certificate(SSL_CTX* context, const std::string& authority_pem) {
    const bio_ptr bio(
        BIO_new_mem_buf(authority_pem.data(), static_cast<int>(authority_pem.size())));
    const x509_ptr authority(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    require(authority != nullptr, "client_ca_pem");
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

}  // namespace

tls_server_context::tls_server_context(const identity& server, const tls_server_options& options)
    : options_(options),
      alpn_wire_(wire_format(options.alpn)),
      context_(SSL_CTX_new(TLS_server_method())) {
    require(context_ != nullptr, "out of memory");
    SSL_CTX* context = context_.get();
    SSL_CTX_set_min_proto_version(context, options.minimum_version);
    SSL_CTX_set_max_proto_version(context, options.maximum_version);
    if (!options.cipher_list.empty()) {
        require(SSL_CTX_set_cipher_list(context, options.cipher_list.c_str()) == 1, "ciphers");
    }
    require(SSL_CTX_use_certificate(context, server.certificate.get()) == 1, "certificate");
    require(SSL_CTX_use_PrivateKey(context, server.key.get()) == 1, "key");
    SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>("test"), 4);
    SSL_CTX_set_timeout(context, options.ticket_lifetime_s);
    SSL_CTX_set_num_tickets(context, options.tickets);
    if (options.tickets == 0) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    }
    if (options.renews_tickets) renew_tickets(context);
    if (!options.client_ca_pem.empty()) {
        require_client_certificate(context, options.client_ca_pem);
    }
    if (!options.staple.empty()) {
        SSL_CTX_set_tlsext_status_cb(
            context, +[](SSL* ssl, void* text) {
                const auto& staple = *static_cast<const std::string*>(text);
                void* const copy = OPENSSL_memdup(staple.data(), staple.size());
                SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(staple.size()));
                return SSL_TLSEXT_ERR_OK;
            });
        SSL_CTX_set_tlsext_status_arg(context, &options_.staple);
    }
    SSL_CTX_set_alpn_select_cb(
        context,
        [](SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
           unsigned in_size, void* self) {
            std::span<const unsigned char> chosen;
            const auto* shared = static_cast<const tls_server_context*>(self);
            const int result = shared->choose_alpn({in, in_size}, chosen);
            *out = chosen.data();
            *out_size = static_cast<unsigned char>(chosen.size());
            return result;
        },
        this);
}

void tls_server_context::add_chain(const identity& intermediate) {
    require(SSL_CTX_add1_chain_cert(context_.get(), intermediate.certificate.get()) == 1, "chain");
}

int tls_server_context::choose_alpn(std::span<const unsigned char> offered,
                                    std::span<const unsigned char>& chosen) const {
    const auto as_octets = [](const std::string& text) {
        return std::span(reinterpret_cast<const unsigned char*>(text.data()), text.size());
    };
    if (!options_.forced_alpn.empty()) {
        chosen = as_octets(options_.forced_alpn);
        return SSL_TLSEXT_ERR_OK;
    }
    const auto ours = as_octets(alpn_wire_);
    unsigned char* name = nullptr;
    unsigned char size = 0;
    const int result =
        SSL_select_next_proto(&name, &size, ours.data(), static_cast<unsigned>(ours.size()),
                              offered.data(), static_cast<unsigned>(offered.size()));
    chosen = {name, size};
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

tls_server::tls_server(const tls_server_context& context) : ssl_(SSL_new(context.get())) {
    require(ssl_ != nullptr, "out of memory");
    input_ = BIO_new(BIO_s_mem());
    output_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), input_, output_);
    SSL_set_accept_state(ssl_.get());
}

tls_server::~tls_server() = default;

void tls_server::receive(std::string_view octets) {
    BIO_write(input_, octets.data(), static_cast<int>(octets.size()));
}

void tls_server::advance() {
    if (is_established() || !error_.empty()) return;
    clear_openssl_errors();
    const int result = SSL_do_handshake(ssl_.get());
    if (result != 1) note_error(result);
}

std::string tls_server::take_output() {
    std::string taken(static_cast<std::size_t>(BIO_pending(output_)), '\0');
    if (!taken.empty()) BIO_read(output_, taken.data(), static_cast<int>(taken.size()));
    return taken;
}

bool tls_server::is_established() const { return SSL_is_init_finished(ssl_.get()) == 1; }

std::string tls_server::server_name() const {
    const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
    return name != nullptr ? name : "";
}

bool tls_server::has_client_certificate() const {
    return SSL_get0_peer_certificate(ssl_.get()) != nullptr;
}

void tls_server::write(std::string_view plain) {
    std::size_t written = 0;
    if (plain.empty()) return;
    require(SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written) == 1, "write");
}

std::string tls_server::read() {
    std::string plain;
    std::array<char, 16384> buffer;
    std::size_t count = 0;
    clear_openssl_errors();
    int result = 0;
    while ((result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &count)) == 1) {
        plain.append(buffer.data(), count);
    }
    note_error(result);
    return plain;
}

bool tls_server::saw_close() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

void tls_server::close() { SSL_shutdown(ssl_.get()); }

void tls_server::update_keys(bool ask_for_same) {
    const int kind = ask_for_same ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
    require(SSL_key_update(ssl_.get(), kind) == 1, "key update");
    require(SSL_do_handshake(ssl_.get()) == 1, "key update");
}

void tls_server::ask_for_renegotiation() {
    require(SSL_renegotiate(ssl_.get()) == 1, "renegotiate");
    SSL_do_handshake(ssl_.get());
}

void tls_server::send_ticket() {
    require(SSL_new_session_ticket(ssl_.get()) == 1, "ticket");
    require(SSL_do_handshake(ssl_.get()) == 1, "ticket");
}

void tls_server::note_error(int result) {
    const int why = SSL_get_error(ssl_.get(), result);
    if (why == SSL_ERROR_SSL) error_ = take_openssl_error();
}

const identity& test_authority() {
    static const identity made = make_authority();
    return made;
}

const identity& origin_identity(key_kind key) {
    const auto make = [](key_kind kind) {
        certificate_request request;
        request.names = {"DNS:origin.example"};
        request.key = kind;
        return issue(request, test_authority());
    };
    static const identity ecdsa = make(key_kind::ecdsa);
    static const identity rsa = make(key_kind::rsa);
    return key == key_kind::ecdsa ? ecdsa : rsa;
}

tls_options trusting_options() {
    tls_options options;
    options.ca_pem = test_authority().certificate_pem();
    return options;
}

proto::tls_settings settings_with(const tls_options& options) {
    proto::tls_settings settings;
    settings.profile = tls_profile::make(options);
    settings.host = "origin.example";
    settings.libssl_calls = libssl_calls;
    return settings;
}

std::string take_output(tls_engine& client) {
    auto& queue = client.output();
    const auto data = queue.data();
    std::string taken(reinterpret_cast<const char*>(data.data()), data.size());
    queue.consume(data.size());
    return taken;
}

tls_step step_all(tls_engine& client) {
    tls_step result = tls_step::more;
    for (int i = 0; i < max_rounds && result == tls_step::more; ++i) result = client.step();
    return result;
}

bool connect(tls_engine& client, tls_server& server) {
    std::string from_server;
    tls_step result = tls_step::want_input;
    for (int round = 0; round < max_rounds; ++round) {
        client.receive(octets(from_server));
        if (result == tls_step::want_input) result = step_all(client);
        if (result == tls_step::failed) {
            server.receive(take_output(client));
            server.advance();
            return false;
        }
        const std::string from_client = take_output(client);
        // What follows the handshake stays inside for decrypt, as a connection would do it.
        client.retain();
        server.receive(from_client);
        server.advance();
        from_server = server.take_output();
        if (from_client.empty() && from_server.empty()) break;
    }
    return client.is_established() && server.is_established();
}

received decrypt_all(tls_engine& client) {
    constexpr int max_reads = 100'000;
    received all;
    std::array<std::byte, 4096> buffer;
    for (int i = 0; i < max_reads; ++i) {
        const auto result = client.decrypt(buffer);
        all.plain.append(reinterpret_cast<const char*>(buffer.data()), result.size);
        all.status = result.status;
        if (result.status != tls_status::ok) break;
    }
    return all;
}

received receive_from(tls_engine& client, tls_server& server) {
    const std::string sent = server.take_output();
    client.receive(octets(sent));
    received all = decrypt_all(client);
    client.retain();
    return all;
}

std::string send_to(tls_server& server, tls_engine& client) {
    server.receive(take_output(client));
    return server.read();
}

}  // namespace hearth::support
