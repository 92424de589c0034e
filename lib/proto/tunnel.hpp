// tunnel: how a fresh connection to a proxy is made one to its origin: CONNECT (RFC 9110 9.3.6) or
// SOCKS5 (RFC 1928, with RFC 1929 for names and passwords). Octets in, octets out; no I/O.
//
// Calling order: send `output()`, give what arrives to `receive`, until `status()` is `open` or
// `failed`. What `receive` leaves (it says how many octets it took) belongs to the origin's
// protocol. An answer of the proxy is bounded; a proxy that breaks its protocol is an error, never
// a guess. A CONNECT that is refused says with which status, and whether asking again can help.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/byte_queue.hpp"

namespace hearth::proto {

enum class tunnel_kind : std::uint8_t { connect, socks5 };
enum class tunnel_status : std::uint8_t {
    working,
    open,
    failed,
};

struct tunnel_settings {
    tunnel_kind kind = tunnel_kind::connect;
    std::string host;     ///< Of the origin: a name, or an address without brackets.
    std::string address;  ///< socks5: its 4 or 16 octets; empty: the proxy resolves `host`.
    std::uint16_t port = 0;
    std::string user;  ///< With `password`, if not empty.
    std::string password;
};

class tunnel {
public:
    /// Octets of an answer to CONNECT.
    static constexpr std::size_t max_head = 16 * 1024;

    explicit tunnel(const tunnel_settings& settings);

    /// Returns how many of `bytes` were the proxy's.
    [[nodiscard]] std::size_t receive(std::span<const std::byte> bytes);
    /// The proxy ended the connection.
    void on_peer_closed();
    [[nodiscard]] base::byte_queue& output() { return output_; }
    [[nodiscard]] tunnel_status status() const { return status_; }
    /// failed: a sentence with the cause, without credentials.
    [[nodiscard]] const std::string& detail() const { return detail_; }
    /// failed: the proxy's decision, which it would repeat.
    [[nodiscard]] bool is_refusal() const { return is_refusal_; }

private:
    enum class step : std::uint8_t { head, method, login, answer };
    void send_connect();
    void send_greeting();
    void send_login();
    void send_request();
    void put(std::string_view text);
    void fail(std::string detail, bool refusal = false);
    [[nodiscard]] bool take_head();
    [[nodiscard]] bool take_method();
    [[nodiscard]] bool take_login();
    [[nodiscard]] bool take_answer();
    [[nodiscard]] std::uint8_t octet(std::size_t index) const {
        return static_cast<std::uint8_t>(input_[index]);
    }

    tunnel_settings settings_;
    step step_ = step::head;
    tunnel_status status_ = tunnel_status::working;
    bool is_refusal_ = false;
    std::string input_;
    std::string detail_;
    base::byte_queue output_;
};

/// "Basic " and the credentials in base64 (RFC 7617 2).
[[nodiscard]] std::string basic_credentials(std::string_view user, std::string_view password);

}  // namespace hearth::proto
