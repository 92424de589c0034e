// `exchange`: one request and its response, streamed both ways with real back-pressure; and
// `stream`, the raw byte stream an upgraded exchange turns into.
//
// An exchange comes from `client::async_open`. One write and one read may be outstanding at a time,
// from any thread. What is not read is not received: a slow reader slows its connection and holds
// bounded memory. Buffers given to an operation stay valid until its handler was called. Dropping
// an exchange cancels it. Errors are those of `errc`; `asio::error::eof` ends the response body.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <memory>
#include <utility>

#include "hearth/body.hpp"
#include "hearth/error.hpp"
#include "hearth/handler.hpp"
#include "hearth/headers.hpp"
#include "hearth/response.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

namespace detail {

class exchange_control;
using control_ptr = std::shared_ptr<exchange_control>;
using size_handler = handler_ptr<boost::system::error_code, std::size_t>;
using done_handler = handler_ptr<boost::system::error_code>;
using head_handler = handler_ptr<boost::system::error_code, response_head>;

HEARTH_API void start_write(const control_ptr& control, boost::asio::const_buffer bytes,
                            size_handler handler);
HEARTH_API void start_finish(const control_ptr& control, headers trailers, done_handler handler);
HEARTH_API void start_read_head(const control_ptr& control, head_handler handler);
HEARTH_API void start_read(const control_ptr& control, boost::asio::mutable_buffer bytes,
                           size_handler handler);
HEARTH_API void start_read_to(const control_ptr& control, file_range to, size_handler handler);
HEARTH_API void cancel_exchange(const control_ptr& control);
HEARTH_API boost::asio::any_io_executor executor_of(const control_ptr& control);

/// The first buffer of a sequence that is not empty.
template <class Buffer, class Sequence>
Buffer first_buffer(const Sequence& buffers) {
    auto last = boost::asio::buffer_sequence_end(buffers);
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != last; ++at) {
        Buffer buffer(*at);
        if (buffer.size() != 0) return buffer;
    }
    return Buffer();
}

}  // namespace detail

/// The bytes after a 101 response, or after a 2xx one to CONNECT: usable where AsyncReadStream and
/// AsyncWriteStream are asked for. What the peer sent behind its response head is read first.
/// Counted in the pool's limits until closed: a connection over HTTP/1.1, a stream over HTTP/2.
/// When the peer has ended its side, ours ends too.
class HEARTH_API stream {
public:
    using executor_type = boost::asio::any_io_executor;

    stream() = default;
    explicit stream(detail::control_ptr control) : control_(std::move(control)) {}
    stream(stream&&) noexcept = default;
    stream& operator=(stream&& other) noexcept;
    ~stream();

    [[nodiscard]] executor_type get_executor() const { return detail::executor_of(control_); }
    [[nodiscard]] bool is_open() const noexcept { return control_ != nullptr; }
    /// Ends the stream, and over HTTP/1.1 its connection.
    void close();

    /// Reads what is there, at least one octet; `asio::error::eof` when the peer has ended.
    template <class MutableBufferSequence,
              boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)>
                  Token = boost::asio::deferred_t>
    auto async_read_some(const MutableBufferSequence& buffers, Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [](auto handler, detail::control_ptr control, boost::asio::mutable_buffer bytes) {
                detail::start_read(control, bytes,
                                   detail::make_handler<boost::system::error_code, std::size_t>(
                                       std::move(handler)));
            },
            token, control_, detail::first_buffer<boost::asio::mutable_buffer>(buffers));
    }
    /// Writes all of the first buffer that is not empty.
    template <class ConstBufferSequence,
              boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)>
                  Token = boost::asio::deferred_t>
    auto async_write_some(const ConstBufferSequence& buffers, Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [](auto handler, detail::control_ptr control, boost::asio::const_buffer bytes) {
                detail::start_write(control, bytes,
                                    detail::make_handler<boost::system::error_code, std::size_t>(
                                        std::move(handler)));
            },
            token, control_, detail::first_buffer<boost::asio::const_buffer>(buffers));
    }

private:
    detail::control_ptr control_;
};

class HEARTH_API exchange {
public:
    using executor_type = boost::asio::any_io_executor;

    exchange() = default;
    explicit exchange(detail::control_ptr control) : control_(std::move(control)) {}
    exchange(exchange&&) noexcept = default;
    exchange& operator=(exchange&& other) noexcept;
    ~exchange();

    [[nodiscard]] executor_type get_executor() const { return detail::executor_of(control_); }
    [[nodiscard]] bool is_open() const noexcept { return control_ != nullptr; }

    /// Writes octets of a `streamed_body`. Completes with all of them when the connection has taken
    /// them; that is the back-pressure. `invalid_state`: no streamed body, ended, or a write is
    /// outstanding; `invalid_body`: more than the size said.
    template <boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)>
                  Token = boost::asio::deferred_t>
    auto async_write_some(boost::asio::const_buffer bytes, Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [](auto handler, detail::control_ptr control, boost::asio::const_buffer data) {
                detail::start_write(control, data,
                                    detail::make_handler<boost::system::error_code, std::size_t>(
                                        std::move(handler)));
            },
            token, control_, bytes);
    }
    /// Ends a `streamed_body`; trailers need a body of unknown size.
    template <boost::asio::completion_token_for<void(boost::system::error_code)> Token =
                  boost::asio::deferred_t>
    auto async_finish(headers trailers = {}, Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
            [](auto handler, detail::control_ptr control, headers fields) {
                detail::start_finish(
                    control, std::move(fields),
                    detail::make_handler<boost::system::error_code>(std::move(handler)));
            },
            token, control_, std::move(trailers));
    }
    /// Completes when the final response head is here. May be called while the body is being
    /// written.
    template <boost::asio::completion_token_for<void(boost::system::error_code, response_head)>
                  Token = boost::asio::deferred_t>
    auto async_read_head(Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, response_head)>(
            [](auto handler, detail::control_ptr control) {
                detail::start_read_head(
                    control, detail::make_handler<boost::system::error_code, response_head>(
                                 std::move(handler)));
            },
            token, control_);
    }
    /// Reads octets of the response body, at least one; `asio::error::eof` after the last.
    template <boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)>
                  Token = boost::asio::deferred_t>
    auto async_read_some(boost::asio::mutable_buffer bytes, Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [](auto handler, detail::control_ptr control, boost::asio::mutable_buffer data) {
                detail::start_read(control, data,
                                   detail::make_handler<boost::system::error_code, std::size_t>(
                                       std::move(handler)));
            },
            token, control_, bytes);
    }

    /// Writes octets of the response body to a range of a file, which need not be that long yet, as
    /// `pwrite` does. Completes without an error once the whole range is written, with
    /// `asio::error::eof` once the body has ended before, and else with what ended the exchange;
    /// always with the octets written. A file that takes no more ends the exchange with the
    /// system's error (ENOSPC, EBADF). Counts as a read: one may be outstanding. Over plaintext
    /// HTTP/1.1 the octets of a body of known length go from the socket to the file by `splice`,
    /// see `transfer`; the client keeps a pipe per thread for it. Writes to the file are made on
    /// the client's threads: a slow file holds up what they serve.
    template <boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)>
                  Token = boost::asio::deferred_t>
    auto async_read_to(file_range file, Token&& token = Token{}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [](auto handler, detail::control_ptr control, file_range to) {
                detail::start_read_to(control, to,
                                      detail::make_handler<boost::system::error_code, std::size_t>(
                                          std::move(handler)));
            },
            token, control_, file);
    }

    /// Ends the exchange; outstanding operations complete with operation_aborted.
    void cancel();
    /// The same, and forgets it: the exchange is closed then.
    void close();
    /// After a head of 101, or of 2xx to CONNECT: takes the byte stream out; the exchange is closed
    /// then.
    [[nodiscard]] stream release_stream();

    /// The trailers; valid after eof was read.
    [[nodiscard]] const headers& trailers() const;
    /// How it went; valid after an operation completed with an error or eof.
    [[nodiscard]] const hearth::timings& timings() const;
    /// Which way the bodies' octets took; valid when `timings` is.
    [[nodiscard]] const hearth::transfer& transfer() const;
    /// Why it failed; valid after an operation completed with an error.
    [[nodiscard]] const hearth::failure& failure() const;

private:
    detail::control_ptr control_;
};

HEARTH_END_NAMESPACE
