// TLS and plaintext octets over a socket that is never waited for.
#include "testing/transport.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {
namespace {

// Sizes given to OpenSSL are int; no single call moves more than this anyway.
constexpr std::size_t max_io_bytes = std::size_t{1} << 20U;

int version_number(tls_version version) {
    return version == tls_version::tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

io_result socket_outcome(ssize_t result, io_status blocked) {
    if (result > 0) return {io_status::done, static_cast<std::size_t>(result)};
    if (result == 0) return {io_status::end};
    const bool is_blocked = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    return {is_blocked ? blocked : io_status::failed};
}

void load_identity(SSL_CTX* context, const certificate& own) {
    const bio_ptr chain = text_bio(own.chain_pem);
    const x509_ptr leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
    require(leaf != nullptr && SSL_CTX_use_certificate(context, leaf.get()) == 1,
            "cannot use the origin's certificate");
    while (X509* next = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr)) {
        if (SSL_CTX_add0_chain_cert(context, next) != 1) {
            X509_free(next);
            throw_openssl("cannot use the origin's certificate chain");
        }
    }
    ERR_clear_error();  // the end of the text was reported as an error
    const bio_ptr key_bio = text_bio(own.key_pem);
    const key_ptr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
    require(key != nullptr && SSL_CTX_use_PrivateKey(context, key.get()) == 1,
            "cannot use the origin's private key");
}

}  // namespace

// The BIO between OpenSSL and the socket. One send per TLS record or handshake flight.
struct wire_bio {
    static int write(BIO* bio, const char* data, int size) {
        auto& self = *static_cast<transport*>(BIO_get_data(bio));
        BIO_clear_retry_flags(bio);
        const ssize_t sent = ::send(self.descriptor_, data, static_cast<std::size_t>(size),
                                    MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) self.counters_.bytes_sent.add(static_cast<std::uint64_t>(sent));
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
        return static_cast<int>(sent);
    }
    static int read(BIO* bio, char* data, int size) {
        auto& self = *static_cast<transport*>(BIO_get_data(bio));
        BIO_clear_retry_flags(bio);
        const io_result result = self.read_wire({data, static_cast<std::size_t>(size)});
        if (result.status == io_status::done) return static_cast<int>(result.size);
        if (result.status == io_status::want_read) BIO_set_retry_read(bio);
        return result.status == io_status::end ? 0 : -1;
    }
    static long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
        return command == BIO_CTRL_FLUSH ? 1 : 0;
    }
    static const BIO_METHOD* method() {
        static BIO_METHOD* const made = [] {
            BIO_METHOD* fresh = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "hearth testing wire");
            require(fresh != nullptr, "cannot make a BIO method");
            BIO_meth_set_write(fresh, &wire_bio::write);
            BIO_meth_set_read(fresh, &wire_bio::read);
            BIO_meth_set_ctrl(fresh, &wire_bio::control);
            return fresh;
        }();
        return made;
    }
};

tls_context::tls_context(const listen_options& options, const certificate& own)
    : context_(SSL_CTX_new(TLS_server_method())) {
    require(context_ != nullptr, "cannot make a TLS context");
    SSL_CTX* context = context_.get();
    const bool has_versions =
        SSL_CTX_set_min_proto_version(context, version_number(options.minimum_version)) == 1 &&
        SSL_CTX_set_max_proto_version(context, version_number(options.maximum_version)) == 1;
    require(has_versions, "cannot set the TLS versions");
    load_identity(context, own);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    if (options.tickets == 0) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    require(SSL_CTX_set_num_tickets(context, options.tickets) == 1, "cannot set the tickets");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets carry all state
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);  // one system call for the header and body of a record
    static constexpr unsigned char session_context[] = "hearth-testing";
    SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1);
    if (!options.client_ca_pem.empty()) require_client_certificate(options.client_ca_pem);
    for (const std::string& name : options.alpn) {
        if (name.empty() || name.size() > 255) {
            throw std::invalid_argument("an ALPN protocol name has 1 to 255 octets");
        }
        protocols_ += static_cast<char>(name.size());
        protocols_ += name;
    }
    const auto choose = [](SSL* /*ssl*/, const unsigned char** chosen, unsigned char* chosen_size,
                           const unsigned char* offered, unsigned int offered_size, void* self) {
        const auto* text = reinterpret_cast<const char*>(offered);
        const auto* found = static_cast<tls_context*>(self)->choose_protocol({text, offered_size});
        if (found == nullptr) return SSL_TLSEXT_ERR_NOACK;
        *chosen_size = *found;
        *chosen = found + 1;
        return SSL_TLSEXT_ERR_OK;
    };
    SSL_CTX_set_alpn_select_cb(context, choose, this);
}

void tls_context::require_client_certificate(const std::string& roots_pem) {
    X509_STORE* store = SSL_CTX_get_cert_store(context_.get());
    const bio_ptr bio = text_bio(roots_pem);
    bool has_root = false;
    while (const x509_ptr root{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
        require(X509_STORE_add_cert(store, root.get()) == 1 &&
                    SSL_CTX_add_client_CA(context_.get(), root.get()) == 1,
                "cannot use the roots of client certificates");
        has_root = true;
    }
    require(has_root, "no certificate in the roots of client certificates");
    ERR_clear_error();
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

// Both lists are names with their size in an octet before each (RFC 7301 3.1).
const unsigned char* tls_context::choose_protocol(std::string_view offered) const {
    const auto size_at = [](std::string_view list) {
        return std::size_t{1} + static_cast<unsigned char>(list.front());
    };
    for (std::string_view ours = protocols_; !ours.empty(); ours.remove_prefix(size_at(ours))) {
        const std::string_view name = ours.substr(0, size_at(ours));
        for (std::string_view rest = offered; !rest.empty();) {
            const std::size_t size = std::min(size_at(rest), rest.size());
            if (rest.substr(0, size) == name) {
                return reinterpret_cast<const unsigned char*>(name.data());
            }
            rest.remove_prefix(size);
        }
    }
    return nullptr;
}

transport::transport(int descriptor, const tls_context* tls, counter_block& counters)
    : descriptor_(descriptor), counters_(counters) {
    if (tls == nullptr) return;
    ssl_.reset(SSL_new(tls->native()));
    require(ssl_ != nullptr, "cannot make a TLS session");
    BIO* bio = BIO_new(wire_bio::method());
    require(bio != nullptr, "cannot make a BIO");
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_accept_state(ssl_.get());
}

io_result transport::outcome(int result) const {
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ: return {io_status::want_read};
        case SSL_ERROR_WANT_WRITE: return {io_status::want_write};
        case SSL_ERROR_ZERO_RETURN: return {io_status::end};
        default: return {io_status::failed};
    }
}

io_result transport::handshake() {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    return result == 1 ? io_result{io_status::done} : outcome(result);
}

io_result transport::read(std::span<char> into) {
    if (!is_tls()) return read_wire(into);
    ERR_clear_error();
    const int size = static_cast<int>(std::min(into.size(), max_io_bytes));
    const int result = SSL_read(ssl_.get(), into.data(), size);
    if (result > 0) return {io_status::done, static_cast<std::size_t>(result)};
    return outcome(result);
}

io_result transport::write(std::string_view from) {
    if (is_tls()) {
        ERR_clear_error();
        const int size = static_cast<int>(std::min(from.size(), max_io_bytes));
        const int result = SSL_write(ssl_.get(), from.data(), size);
        if (result > 0) return {io_status::done, static_cast<std::size_t>(result)};
        return outcome(result);
    }
    const ssize_t sent = ::send(descriptor_, from.data(), std::min(from.size(), max_io_bytes),
                                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) counters_.bytes_sent.add(static_cast<std::uint64_t>(sent));
    return socket_outcome(sent, io_status::want_write);
}

io_result transport::read_wire(std::span<char> into) {
    const ssize_t received = ::recv(descriptor_, into.data(), into.size(), MSG_DONTWAIT);
    if (received > 0) counters_.bytes_received.add(static_cast<std::uint64_t>(received));
    return socket_outcome(received, io_status::want_read);
}

bool transport::has_buffered_input() const { return is_tls() && SSL_has_pending(ssl_.get()) == 1; }

std::string_view transport::alpn() const {
    if (!is_tls()) return {};
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}

bool transport::is_resumed() const { return is_tls() && SSL_session_reused(ssl_.get()) == 1; }

void transport::send_close_notify() {
    if (!is_tls() || SSL_is_init_finished(ssl_.get()) == 0) return;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
}

void transport::send_ticket() {
    if (!is_tls() || SSL_version(ssl_.get()) != TLS1_3_VERSION) return;
    ERR_clear_error();
    if (SSL_new_session_ticket(ssl_.get()) == 1) SSL_do_handshake(ssl_.get());
}

void transport::send_key_update() {
    if (!is_tls() || SSL_version(ssl_.get()) != TLS1_3_VERSION) return;
    ERR_clear_error();
    if (SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED) == 1) SSL_do_handshake(ssl_.get());
}

}  // namespace testing::internal
HEARTH_END_NAMESPACE
