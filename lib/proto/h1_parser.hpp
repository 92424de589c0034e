// h1_parser: Beast's basic_parser with our own storage. One object parses one response message.
//
// It is only given what h1_head_check and parse_chunk_line have passed, always as whole elements (a
// head, a chunk line, a trailer section, a slice of data), so it never has to wait for octets and
// never decides about framing: it must agree with what was decided, and a `false` from any function
// says that it does not.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "hearth/headers.hpp"
#include "hearth/response.hpp"
#include "proto/h1_head_check.hpp"

namespace hearth::proto {

class h1_parser : private boost::beast::http::basic_parser<false> {
public:
    /// `has_no_body`: whatever the head says, nothing follows it (HEAD, and CONNECT that
    /// succeeded).
    explicit h1_parser(bool has_no_body);

    /// Stores a whole, checked head in `into`.
    [[nodiscard]] bool put_head(std::string_view head, const h1_head_facts& facts,
                                response_head& into);
    /// Octets of the body: not beyond content-length, or the data of the current chunk.
    [[nodiscard]] bool put_data(std::span<const std::byte> bytes);
    /// A chunk of `size` octets (not 0) begins.
    [[nodiscard]] bool put_chunk(std::uint64_t size);
    /// The last chunk came, with this whole trailer section, its final empty line included.
    [[nodiscard]] bool put_last_chunk(std::string_view section, headers& into);
    /// The connection ended a body that ends with it.
    [[nodiscard]] bool put_end();

    using basic_parser::is_done;

private:
    using error_code = boost::beast::error_code;
    using string_view = boost::beast::string_view;

    [[nodiscard]] bool put_all(std::string_view octets);

    void on_request_impl(boost::beast::http::verb method, string_view method_text,
                         string_view target, int version, error_code& error) override;
    void on_response_impl(int status, string_view reason, int version, error_code& error) override;
    void on_field_impl(boost::beast::http::field field, string_view name, string_view value,
                       error_code& error) override;
    void on_header_impl(error_code& error) override;
    void on_body_init_impl(const boost::optional<std::uint64_t>& length,
                           error_code& error) override;
    std::size_t on_body_impl(string_view body, error_code& error) override;
    void on_chunk_header_impl(std::uint64_t size, string_view extensions,
                              error_code& error) override;
    std::size_t on_chunk_body_impl(std::uint64_t remaining, string_view body,
                                   error_code& error) override;
    void on_finish_impl(error_code& error) override;

    response_head* head_ = nullptr;  // only while put_head runs
    headers* fields_ = nullptr;      // only while put_head or put_last_chunk runs
    bool is_in_chunks_ = false;      // a chunk was there, whose CRLF the next element begins with
};

}  // namespace hearth::proto
