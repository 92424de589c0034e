#include "hostile/wire_peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "hostile/catalogue.hpp"

namespace hearth::hostile {

bool peer_connection::receive(std::string& octets) {
    std::array<char, 16384> buffer;
    const ssize_t got = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (got <= 0) return false;
    octets.assign(buffer.data(), static_cast<std::size_t>(got));
    return true;
}

bool peer_connection::exchange() {
    std::string octets;
    if (!receive(octets)) return false;
    server_->receive(octets);
    server_->advance();
    flush();
    return server_->error().empty();
}

bool peer_connection::handshake() {
    while (!server_->is_established()) {
        if (!exchange()) return false;
    }
    return true;
}

bool peer_connection::await_request() {
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
        std::string octets;
        if (!read(octets)) return false;
        head += octets;
    }
    return true;
}

bool peer_connection::read(std::string& plain) {
    if (!server_) return receive(plain);
    plain = server_->read();
    while (plain.empty()) {
        std::string octets;
        if (!receive(octets)) return false;
        server_->receive(octets);
        plain = server_->read();
        flush();
        const bool has_ended = !server_->error().empty() || server_->saw_close();
        if (plain.empty() && has_ended) return false;
    }
    return true;
}

bool peer_connection::write(std::string_view plain) {
    if (!server_) return send_wire(plain);
    server_->write(plain);
    return send_wire(server_->take_output());
}

bool peer_connection::send_wire(std::string_view octets) const {
    while (!octets.empty()) {
        const ssize_t sent = ::send(descriptor_, octets.data(), octets.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        octets.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

bool peer_connection::await_octets(std::chrono::milliseconds patience) const {
    pollfd one{descriptor_, POLLIN, 0};
    return ::poll(&one, 1, static_cast<int>(patience.count())) > 0;
}

void peer_connection::await_end() {
    std::string octets;
    while (receive(octets)) {
    }
}

wire_peer::wire_peer(const support::tls_server_context* context, play what)
    : context_(context),
      play_(std::move(what)),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, generic, &size) != 0) {
        throw std::runtime_error("wire_peer cannot listen");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
}

wire_peer::~wire_peer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
        for (const int each : descriptors_) ::shutdown(each, SHUT_RDWR);
    }
    for (std::thread& each : threads_) each.join();
    for (const int each : descriptors_) ::close(each);
    ::close(listener_);
}

void wire_peer::accept_all() {
    for (;;) {
        const int taken = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (taken < 0) return;
        const std::lock_guard lock(mutex_);
        descriptors_.push_back(taken);
        const std::uint64_t index = accepted_++;
        threads_.emplace_back([this, taken, index] {
            peer_connection connection(context_, taken);
            play_(connection, index);
            ::shutdown(taken, SHUT_RDWR);
        });
    }
}

void play_politely(peer_connection& to) {
    if (!to.handshake()) return;
    while (to.await_request()) to.answer(sized(polite_body));
}

}  // namespace hearth::hostile
