#include "proto/tunnel.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace hearth::proto {
namespace {

constexpr char socks_version = 5;
constexpr char login_version = 1;
constexpr char no_login = 0;
constexpr char by_password = 2;
constexpr std::uint8_t nothing_acceptable = 0xff;
constexpr char connect_command = 1;
constexpr char ipv4 = 1;
constexpr char domain = 3;
constexpr char ipv6 = 4;

const char* socks_reply(std::uint8_t code) {
    switch (code) {
        case 1: return "general failure";
        case 2: return "not allowed by its rules";
        case 3: return "network unreachable";
        case 4: return "host unreachable";
        case 5: return "connection refused";
        case 6: return "TTL expired";
        case 7: return "command not supported";
        case 8: return "address type not supported";
        default: return "unknown reason";
    }
}

bool is_ipv6(const std::string& host) { return host.find(':') != std::string::npos; }

}  // namespace

std::string basic_credentials(std::string_view user, std::string_view password) {
    static constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::string plain = std::string(user) + ":" + std::string(password);
    std::string text = "Basic ";
    for (std::size_t i = 0; i < plain.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            const bool is_there = i + k < plain.size();
            group = (group << 8) | (is_there ? static_cast<unsigned char>(plain[i + k]) : 0U);
        }
        for (std::size_t k = 0; k < 4; ++k) {
            const bool is_padding = i + k > plain.size();
            text += is_padding ? '=' : digits[(group >> (18 - 6 * k)) & 63U];
        }
    }
    return text;
}

tunnel::tunnel(const tunnel_settings& settings) : settings_(settings) {
    if (settings_.kind == tunnel_kind::connect) {
        send_connect();
    } else {
        send_greeting();
    }
}

void tunnel::put(std::string_view text) { output_.append(std::as_bytes(std::span(text))); }

void tunnel::fail(std::string detail, bool refusal) {
    status_ = tunnel_status::failed;
    detail_ = std::move(detail);
    is_refusal_ = refusal;
}

void tunnel::send_connect() {
    const std::string host = is_ipv6(settings_.host) ? "[" + settings_.host + "]" : settings_.host;
    const std::string authority = host + ":" + std::to_string(settings_.port);
    std::string text = "CONNECT " + authority + " HTTP/1.1\r\nhost: " + authority + "\r\n";
    if (!settings_.user.empty()) {
        text += "proxy-authorization: " + basic_credentials(settings_.user, settings_.password) +
                "\r\n";
    }
    put(text + "\r\n");
    step_ = step::head;
}

void tunnel::send_greeting() {
    std::string text{socks_version, 1, no_login};
    if (!settings_.user.empty()) text = {socks_version, 2, no_login, by_password};
    put(text);
    step_ = step::method;
}

void tunnel::send_login() {
    std::string text{login_version};
    text += static_cast<char>(settings_.user.size());
    text += settings_.user;
    text += static_cast<char>(settings_.password.size());
    text += settings_.password;
    put(text);
    step_ = step::login;
}

void tunnel::send_request() {
    std::string text{socks_version, connect_command, 0};
    if (settings_.address.empty()) {
        text += domain;
        text += static_cast<char>(settings_.host.size());
        text += settings_.host;
    } else {
        text += settings_.address.size() == 4 ? ipv4 : ipv6;
        text += settings_.address;
    }
    text += static_cast<char>(settings_.port >> 8);
    text += static_cast<char>(settings_.port & 0xff);
    put(text);
    step_ = step::answer;
}

std::size_t tunnel::receive(std::span<const std::byte> bytes) {
    const std::size_t before = input_.size();
    input_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::size_t all = before + bytes.size();
    std::size_t size_before_step = all + 1;
    while (status_ == tunnel_status::working && input_.size() != size_before_step) {
        size_before_step = input_.size();
        bool took = false;
        switch (step_) {
            case step::head: took = take_head(); break;
            case step::method: took = take_method(); break;
            case step::login: took = take_login(); break;
            case step::answer: took = take_answer(); break;
        }
        if (!took) break;
    }
    if (status_ == tunnel_status::working) return bytes.size();
    // What is left came in this very call: nothing is kept that was enough before.
    const std::size_t left = std::min(input_.size(), bytes.size());
    input_.clear();
    return bytes.size() - left;
}

bool tunnel::take_head() {
    const std::size_t end = input_.find("\r\n\r\n");
    if (end == std::string::npos) {
        if (input_.size() > max_head) fail("The answer of the proxy to CONNECT is too long.");
        return false;
    }
    const std::string_view line = std::string_view(input_).substr(0, input_.find("\r\n"));
    const bool is_status_line = line.size() >= 12 && line.starts_with("HTTP/1.") &&
                                line[8] == ' ' && line.find_first_not_of("0123456789", 9) >= 12 &&
                                (line.size() == 12 || line[12] == ' ');
    if (!is_status_line) {
        fail("The proxy did not answer CONNECT with HTTP.");
        return false;
    }
    const std::string status(line.substr(9, 3));
    input_.erase(0, end + 4);
    if (status.front() == '1' && status != "101") return true;  // an interim answer
    if (status.front() == '2') {
        status_ = tunnel_status::open;
    } else {
        fail("The proxy answered CONNECT with status " + status + ".", status.front() == '4');
    }
    return true;
}

bool tunnel::take_method() {
    if (input_.size() < 2) return false;
    const std::uint8_t method = octet(1);
    if (octet(0) != socks_version) {
        fail("The proxy does not speak SOCKS5.");
    } else if (method == nothing_acceptable) {
        fail(settings_.user.empty() ? "The SOCKS5 proxy wants a login."
                                    : "The SOCKS5 proxy takes no login by password.",
             true);
    } else if (method == no_login) {
        send_request();
    } else if (method == by_password && !settings_.user.empty()) {
        send_login();
    } else {
        fail("The SOCKS5 proxy chose a login that was not offered.");
    }
    input_.erase(0, 2);
    return true;
}

bool tunnel::take_login() {
    if (input_.size() < 2) return false;
    if (octet(1) != 0) {
        fail("The SOCKS5 proxy refused the login.", true);
    } else {
        send_request();
    }
    input_.erase(0, 2);
    return true;
}

bool tunnel::take_answer() {
    if (input_.size() < 5) return false;
    if (octet(0) != socks_version) {
        fail("The proxy does not speak SOCKS5.");
        return false;
    }
    if (octet(1) != 0) {
        fail(std::string("The SOCKS5 proxy answered: ") + socks_reply(octet(1)) + ".",
             octet(1) == 2);
        return false;
    }
    std::size_t size = 6;
    switch (input_[3]) {
        case ipv4: size += 4; break;
        case ipv6: size += 16; break;
        case domain: size += 1 + std::size_t{octet(4)}; break;
        default: fail("The SOCKS5 proxy answered with an unknown kind of address."); return false;
    }
    if (input_.size() < size) return false;
    input_.erase(0, size);
    status_ = tunnel_status::open;
    return true;
}

void tunnel::on_peer_closed() {
    if (status_ == tunnel_status::working) fail("The proxy closed the connection.");
}

}  // namespace hearth::proto
