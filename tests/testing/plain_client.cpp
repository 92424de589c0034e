// A plain blocking client.
#include "testing/plain_client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <future>
#include <stdexcept>

namespace hearth::support {
namespace {

using bio_ptr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using x509_ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

constexpr int wait_limit_s = 10;

bio_ptr open_text(const std::string& text) {
    return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

void require(bool is_done) {
    if (!is_done) throw std::runtime_error("the test client cannot be set up");
}

// OpenSSL writes to its socket without MSG_NOSIGNAL.
void ignore_broken_pipes() {
    static const auto before = std::signal(SIGPIPE, SIG_IGN);
    static_cast<void>(before);
}

}  // namespace

client_tls::client_tls(const std::string& ca_pem) : context_(SSL_CTX_new(TLS_client_method())) {
    require(context_ != nullptr);
    const bio_ptr bio = open_text(ca_pem);
    const x509_ptr root(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
    require(root != nullptr &&
            X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), root.get()) == 1);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_app_data(context_, this);
    SSL_CTX_set_session_cache_mode(context_,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context_, &client_tls::keep_session);
}

client_tls::~client_tls() {
    SSL_SESSION_free(session_);
    SSL_CTX_free(context_);
}

int client_tls::keep_session(SSL* ssl, SSL_SESSION* fresh) {
    auto* self = static_cast<client_tls*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    SSL_SESSION_free(self->session_);
    self->session_ = fresh;
    ++self->tickets_;
    return 1;  // the reference is ours now
}

void client_tls::use_certificate(const hearth::testing::certificate& own) {
    const bio_ptr chain = open_text(own.chain_pem);
    const x509_ptr leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr), &X509_free);
    const bio_ptr key_text = open_text(own.key_pem);
    const key_ptr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr),
                      &EVP_PKEY_free);
    require(SSL_CTX_use_certificate(context_, leaf.get()) == 1 &&
            SSL_CTX_use_PrivateKey(context_, key.get()) == 1);
}

void client_tls::use_versions(int minimum, int maximum) {
    require(SSL_CTX_set_min_proto_version(context_, minimum) == 1 &&
            SSL_CTX_set_max_proto_version(context_, maximum) == 1);
}

void client_tls::offer(std::string_view protocols) {
    require(SSL_CTX_set_alpn_protos(context_,
                                    reinterpret_cast<const unsigned char*>(protocols.data()),
                                    static_cast<unsigned int>(protocols.size())) == 0);
}

plain_client::plain_client(std::uint16_t port, client_tls* tls, bool resumes) {
    ignore_broken_pipes();
    connect(port);
    if (is_connected_ && tls != nullptr) handshake(*tls, resumes);
}

plain_client::~plain_client() { close(); }

void plain_client::connect(std::uint16_t port) {
    descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval limit{wait_limit_s, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const int on = 1;  // requests are sent in pieces on purpose: Nagle would wait 40 ms between
                       // them
    ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ =
        ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

void plain_client::handshake(client_tls& tls, bool resumes) {
    ssl_ = SSL_new(tls.native());
    require(ssl_ != nullptr && SSL_set_fd(ssl_, descriptor_) == 1);
    const auto& name = tls.verify_name;
    const bool is_ip = std::all_of(name.begin(), name.end(), [](char octet) {
        return octet == '.' || (octet >= '0' && octet <= '9');
    });
    if (is_ip) {
        require(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), name.c_str()) == 1);
    } else {
        require(SSL_set1_host(ssl_, name.c_str()) == 1);
    }
    if (resumes && tls.session() != nullptr) require(SSL_set_session(ssl_, tls.session()) == 1);
    ERR_clear_error();
    is_connected_ = SSL_connect(ssl_) == 1;
}

long plain_client::verify_result() const { return SSL_get_verify_result(ssl_); }
bool plain_client::is_resumed() const { return SSL_session_reused(ssl_) == 1; }
int plain_client::version() const { return SSL_version(ssl_); }

std::string plain_client::protocol() const {
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}

bool plain_client::send(std::string_view text) {
    while (!text.empty()) {
        ERR_clear_error();
        const auto sent =
            ssl_ != nullptr
                ? SSL_write(ssl_, text.data(), static_cast<int>(text.size()))
                : static_cast<int>(::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL));
        if (sent <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

// Reads once; false when the connection ended, and how is in `end_`.
bool plain_client::fill() {
    if (end_ != stream_end::none) return false;
    std::array<char, 16384> piece;
    ERR_clear_error();
    errno = 0;
    const int size = static_cast<int>(piece.size());
    const int got = ssl_ != nullptr
                        ? SSL_read(ssl_, piece.data(), size)
                        : static_cast<int>(::recv(descriptor_, piece.data(), piece.size(), 0));
    if (got > 0) {
        input_.append(piece.data(), static_cast<std::size_t>(got));
        return true;
    }
    if (errno == ECONNRESET) {
        end_ = stream_end::reset;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        end_ = stream_end::timed_out;
    } else if (ssl_ != nullptr && SSL_get_error(ssl_, got) != SSL_ERROR_ZERO_RETURN) {
        end_ = stream_end::truncated;
    } else {
        end_ = stream_end::clean;
    }
    return false;
}

std::string plain_client::take(std::size_t size) {
    std::string taken = input_.substr(0, size);
    input_.erase(0, taken.size());
    return taken;
}

bool plain_client::fill_until(std::string_view mark, std::size_t& at) {
    at = input_.find(mark);
    while (at == std::string::npos) {
        if (!fill()) return false;
        at = input_.find(mark);
    }
    return true;
}

std::string plain_client::read_octets(std::size_t size) {
    while (input_.size() < size && fill()) {
    }
    return take(size);
}

std::string plain_client::read_all() {
    while (fill()) {
    }
    return take(input_.size());
}

void plain_client::read_chunks(plain_response& response) {
    for (;;) {  // ends with the last chunk or with the connection
        std::size_t at = 0;
        if (!fill_until("\r\n", at)) return;
        std::size_t size = 0;
        std::from_chars(input_.data(), input_.data() + at, size, 16);
        take(at + 2);
        if (size == 0) break;
        response.body += read_octets(size);
        if (read_octets(2) != "\r\n") return;
    }
    for (std::size_t at = 0; fill_until("\r\n", at) && at != 0;) {
        response.trailers += take(at + 2);
    }
    response.is_whole = read_octets(2) == "\r\n";
}

plain_response plain_client::read_response(bool has_body) {
    plain_response response;
    std::size_t at = 0;
    if (!fill_until("\r\n\r\n", at)) return response;
    response.head = take(at + 4);
    const char* const digits = response.head.data() + std::string_view("HTTP/1.1 ").size();
    std::from_chars(digits, digits + 3, response.status);
    constexpr std::string_view length_name = "content-length: ";
    const std::size_t length_at = response.head.find(length_name);
    if (!has_body || response.status < 200 || response.status == 204 || response.status == 304) {
        response.is_whole = true;
    } else if (response.has("transfer-encoding: chunked")) {
        read_chunks(response);
    } else if (length_at != std::string::npos) {
        std::size_t size = 0;
        const char* const from = response.head.data() + length_at + length_name.size();
        std::from_chars(from, response.head.data() + response.head.size(), size);
        response.body = read_octets(size);
        response.is_whole = response.body.size() == size;
    } else {
        response.body = read_all();
        response.is_whole = end_ == stream_end::clean;
    }
    return response;
}

plain_response plain_client::get(const std::string& target, const std::string& fields) {
    send("GET " + target + " HTTP/1.1\r\nhost: localhost\r\n" + fields + "\r\n");
    return read_response();
}

void plain_client::finish() {
    if (ssl_ != nullptr) SSL_shutdown(ssl_);
    ::shutdown(descriptor_, SHUT_WR);
}

void plain_client::close() {
    // OpenSSL makes the session of a connection that was not shut down unfit for resumption.
    if (ssl_ != nullptr) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
    ssl_ = nullptr;
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
}

bool wait_for(hearth::testing::origin& watched,
              const std::function<bool(const hearth::testing::origin_counters&)>& is_reached) {
    std::promise<void> reached;
    bool is_told = false;
    watched.watch(std::chrono::milliseconds{1}, [&](const auto& counters) {
        if (is_told || !is_reached(counters)) return;
        is_told = true;
        reached.set_value();
    });
    const auto status = reached.get_future().wait_for(std::chrono::seconds{wait_limit_s});
    watched.watch(std::chrono::milliseconds{1}, {});
    return status == std::future_status::ready;
}

}  // namespace hearth::support
