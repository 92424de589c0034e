// What h1_engine costs per exchange on a warm connection: begin, parse, take the head, end. Counts
// the allocations too (`allocs`, per exchange). Beast's own parser into `fields` stands beside it.
#include <benchmark/benchmark.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <span>
#include <string>
#include <utility>

#include "proto/h1_engine.hpp"
#include "support/allocations.hpp"

namespace {

using namespace hearth;

std::string response_of(std::size_t body) {
    return "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
           "Content-Type: application/json\r\nContent-Length: " +
           std::to_string(body) +
           "\r\nConnection: keep-alive\r\nETag: \"65920080-d\"\r\n"
           "X-Request-Id: 0123456789abcdef\r\n\r\n" +
           std::string(body, 'x');
}

std::string chunked_response(std::size_t chunks, std::size_t chunk) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", chunk);
    std::string text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t i = 0; i < chunks; ++i) text += size + std::string(chunk, 'x') + "\r\n";
    return text + "0\r\n\r\n";
}

std::span<const std::byte> octets(const std::string& text) {
    return std::as_bytes(std::span(text));
}

struct warm_connection {
    warm_connection() {
        head.method = "GET";
        head.target = "/v1/users/42";
        head.authority = "users.internal";
        head.scheme = "https";
        head.fields = &fields;
        head.user_agent = "hearth/0.1";
    }
    /// One exchange; returns the octets of the body.
    std::size_t exchange(const std::string& response) {
        engine.begin({1, 1}, head, out);
        out.clear();
        engine.receive(octets(response));
        std::size_t body = 0;
        event what;
        response_head taken;
        while (engine.poll_event(what)) {
            if (what.kind == event_kind::head) taken = std::move(*what.head);
            if (what.kind == event_kind::data) body += what.data.size();
        }
        engine.retain();
        benchmark::DoNotOptimize(taken.headers.size());
        return body;
    }

    using event = proto::event;
    using event_kind = proto::event_kind;
    headers fields{{"accept", "application/json"}, {"x-request-id", "42"}};
    proto::outgoing_head head;
    proto::h1_engine engine{proto::h1_settings{}};
    base::byte_queue out;
};

void run(benchmark::State& state, const std::string& response) {
    warm_connection connection;
    connection.exchange(response);
    const std::uint64_t before = support::allocations();
    std::size_t body = 0;
    for (auto _ : state) body += connection.exchange(response);
    state.counters["allocs"] = static_cast<double>(support::allocations() - before) /
                               static_cast<double>(state.iterations());
    state.SetBytesProcessed(static_cast<std::int64_t>(body));
}

void small_get(benchmark::State& state) { run(state, response_of(13)); }

void body_of_64_kib(benchmark::State& state) { run(state, response_of(64 * 1024)); }

void chunks_of_1_kib(benchmark::State& state) { run(state, chunked_response(64, 1024)); }

void begin_only(benchmark::State& state) {
    warm_connection connection;
    const std::string response = "HTTP/1.1 204 No\r\n\r\n";
    for (auto _ : state) connection.exchange(response);
}

void beast_parser(benchmark::State& state) {
    namespace http = boost::beast::http;
    const std::string response = response_of(13);
    const std::uint64_t before = support::allocations();
    for (auto _ : state) {
        http::response_parser<http::string_body> parser;
        parser.eager(true);
        boost::beast::error_code error;
        parser.put(boost::asio::buffer(response), error);
        http::response<http::string_body> taken = parser.release();
        benchmark::DoNotOptimize(taken.body().size());
    }
    state.counters["allocs"] = static_cast<double>(support::allocations() - before) /
                               static_cast<double>(state.iterations());
}

BENCHMARK(small_get);
BENCHMARK(begin_only);
BENCHMARK(body_of_64_kib);
BENCHMARK(chunks_of_1_kib);
BENCHMARK(beast_parser);

}  // namespace

BENCHMARK_MAIN();
