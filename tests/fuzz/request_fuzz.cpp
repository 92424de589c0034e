// Fuzz target: check_request and the writer of heads. Whatever a caller hands over is either
// refused with a printable sentence, or written as exactly one request that a parser reads back as
// it was meant.
#include <fuzzer/FuzzedDataProvider.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "proto/h1_engine.hpp"
#include "proto/http_grammar.hpp"
#include "proto/message.hpp"

namespace {

using namespace hearth;
namespace http = boost::beast::http;

void require(bool holds, const char* claim, const std::string& text) {
    if (holds) return;
    std::fprintf(stderr, "%s\n%s\n", claim, text.c_str());
    std::abort();
}

std::string name_of_field(FuzzedDataProvider& from) {
    static const char* const known[] = {"Host",
                                        "Content-Length",
                                        "Transfer-Encoding",
                                        "Connection",
                                        "TE",
                                        "Upgrade",
                                        "Expect",
                                        "Trailer",
                                        "User-Agent",
                                        "Keep-Alive",
                                        "Proxy-Connection",
                                        "X-Other"};
    const auto choice = from.ConsumeIntegralInRange<std::size_t>(0, 15);
    return choice < std::size(known) ? known[choice] : from.ConsumeRandomLengthString(20);
}

std::string value_of_field(FuzzedDataProvider& from) {
    static const char* const known[] = {"close",    "keep-alive", "upgrade", "te",
                                        "trailers", "0",          "4",       "100-continue",
                                        "chunked",  "example.com"};
    const auto choice = from.ConsumeIntegralInRange<std::size_t>(0, 15);
    return choice < std::size(known) ? known[choice] : from.ConsumeRandomLengthString(30);
}

headers some_fields(FuzzedDataProvider& from) {
    headers fields;
    for (auto left = from.ConsumeIntegralInRange<int>(0, 6); left != 0; --left) {
        const std::string name = name_of_field(from);
        fields.add(name, value_of_field(from));
    }
    return fields;
}

body some_body(FuzzedDataProvider& from) {
    switch (from.ConsumeIntegralInRange<int>(0, 4)) {
        case 0: return {};
        case 1: return std::string("body");
        case 2: return std::string();
        case 3: return streamed_body{4};
        default: return streamed_body{};
    }
}

/// The head as a parser of others reads it: one request, nothing left over, nothing unforeseen in
/// it.
void check_written(const std::string& text, const request& asked, const std::string& target) {
    http::parser<true, http::empty_body> parser;
    parser.header_limit(1 << 20);
    parser.body_limit(boost::none);
    boost::beast::error_code error;
    const std::size_t taken = parser.put(boost::asio::buffer(text), error);
    require(!error && parser.is_header_done() && taken == text.size(), "not one whole head", text);
    const auto& head = parser.get();
    require(std::string_view(head.method_string()) == asked.method.text(), "another method", text);
    require(std::string_view(head.target()) == target, "another target", text);
    require(head.count(http::field::host) == 1, "not one Host", text);
    require(
        head.count(http::field::content_length) + head.count(http::field::transfer_encoding) <= 1,
        "doubtful framing", text);
    std::size_t fields = 0;
    for (const auto& field : head) {
        (void)field;
        ++fields;
    }
    // Host, Content-Length or Transfer-Encoding, Connection, Trailer and Expect may come to them.
    require(fields <= asked.headers.size() + 5, "fields from nowhere", text);
    std::size_t line_ends = 0;
    for (const char c : text) line_ends += c == '\n' ? 1 : 0;
    require(line_ends == fields + 2, "lines from nowhere", text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider from(data, size);
    request asked;
    asked.method =
        method(from.ConsumeBool() ? std::string("POST") : from.ConsumeRandomLengthString(8));
    const std::string target = "/" + from.ConsumeRandomLengthString(30);
    asked.headers = some_fields(from);
    asked.body = some_body(from);
    if (from.ConsumeBool()) asked.trailers = some_fields(from);
    asked.expect_continue = from.ConsumeBool();
    if (const auto refused = proto::check_request(asked, target)) {
        require(!refused->detail.empty() && proto::is_field_text(refused->detail), "a bad sentence",
                refused->detail);
        return 0;
    }
    proto::outgoing_head head;
    head.method = asked.method.text();
    head.target = target;
    head.authority = "example.com";
    head.fields = &asked.headers;
    head.has_body = !asked.body.is_none();
    head.content_length = asked.body.size();
    head.has_trailers = !asked.trailers.empty();
    head.trailers = &asked.trailers;
    head.expect_continue = asked.expect_continue;
    proto::h1_engine engine{proto::h1_settings{}};
    base::byte_queue out;
    engine.begin({1, 1}, head, out);
    check_written({reinterpret_cast<const char*>(out.data().data()), out.size()}, asked, target);
    return 0;
}
