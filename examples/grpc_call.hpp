// gRPC calls over hearth: the framing of messages, the deadline that travels, the status in the
// trailers. What the messages say is the caller's (octets here, usually protobuf).
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md is what it follows.
#pragma once

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <functional>
#include <hearth/hearth.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace grpc_example {

constexpr int ok = 0;
constexpr int unknown = 2;
constexpr int deadline_exceeded = 4;
constexpr int internal = 13;
constexpr int unavailable = 14;

/// How a call ended: the server's status, or what became of the connection.
struct status {
    int code = unknown;
    std::string message;
};

/// A message as it is sent: not compressed, four octets of length, the octets.
inline std::string frame(std::string_view message) {
    std::string framed(1, '\0');
    for (int shift = 24; shift >= 0; shift -= 8) {
        framed += static_cast<char>((message.size() >> static_cast<unsigned>(shift)) & 0xffU);
    }
    return framed.append(message);
}

/// Takes messages out of a body that comes in pieces of any size.
class message_reader {
public:
    static constexpr std::size_t max_message_bytes = std::size_t{4} << 20U;

    void add(std::string_view octets) { input_.append(octets); }
    /// The next whole message. Nothing: more octets are needed, or `is_broken`.
    std::optional<std::string> next() {
        constexpr std::size_t head = 5;
        if (input_.size() < head || is_broken_) return std::nullopt;
        std::size_t size = 0;
        for (std::size_t i = 1; i < head; ++i) {
            size = (size << 8U) | static_cast<unsigned char>(input_[i]);
        }
        is_broken_ = input_[0] != 0 || size > max_message_bytes;
        if (is_broken_ || input_.size() < head + size) return std::nullopt;
        std::string message = input_.substr(head, size);
        input_.erase(0, head + size);
        return message;
    }
    /// It is compressed, which was not asked for, or too long.
    [[nodiscard]] bool is_broken() const { return is_broken_; }

private:
    std::string input_;
    bool is_broken_ = false;
};

/// The request of a call of `method` ("/package.Service/Method") with one message.
inline hearth::request make_call(const std::string& origin, const std::string& method,
                                 std::string_view message, std::chrono::milliseconds timeout) {
    hearth::request call{hearth::method::post, origin + method};
    call.headers.set("content-type", "application/grpc");
    call.headers.set("te", "trailers");
    call.headers.set("grpc-timeout", std::to_string(timeout.count()) + "m");
    call.body = hearth::body(frame(message));
    call.protocol = hearth::protocol_policy::http2_only;
    call.deadline = hearth::in(timeout);
    return call;
}

inline status status_of(const hearth::headers& fields) {
    const std::string_view text = fields["grpc-status"];
    status result{unknown, std::string(fields["grpc-message"])};
    std::from_chars(text.data(), text.data() + text.size(), result.code);
    return result;
}

inline status failed(boost::system::error_code error, const hearth::failure& why) {
    const bool is_late = error == hearth::errc::deadline_exceeded;
    return {is_late ? deadline_exceeded : unavailable,
            why.detail.empty() ? error.message() : why.detail};
}

/// Makes a call and gives each message of the answer to `on_message` as it comes: one for a unary
/// method, any number for one that streams. Nothing is kept that was not given away.
inline boost::asio::awaitable<status> call(hearth::client& client, hearth::request wanted,
                                           std::function<void(std::string)> on_message) {
    constexpr auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
    auto [open_error, exchange] = co_await client.async_open(std::move(wanted), token);
    if (open_error) co_return failed(open_error, exchange.failure());
    auto [head_error, head] = co_await exchange.async_read_head(token);
    if (head_error) co_return failed(head_error, exchange.failure());
    if (head.status != 200) {
        co_return status{unknown, "HTTP status " + std::to_string(head.status)};
    }
    message_reader reader;
    std::array<char, 16 * 1024> buffer{};
    for (;;) {
        auto [error, size] = co_await exchange.async_read_some(boost::asio::buffer(buffer), token);
        reader.add({buffer.data(), size});
        while (auto message = reader.next()) on_message(std::move(*message));
        if (reader.is_broken()) co_return status{internal, "a message is not as asked for"};
        if (error == boost::asio::error::eof) break;
        if (error) co_return failed(error, exchange.failure());
    }
    // A server that has nothing to say sends its status with the head.
    const hearth::headers& trailers = exchange.trailers();
    co_return status_of(trailers.contains("grpc-status") ? trailers : head.headers);
}

}  // namespace grpc_example
