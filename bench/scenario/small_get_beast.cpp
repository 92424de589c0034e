// The small GET with plain Boost.Beast over asio::ssl::stream, as its examples do it: a connection
// per slot, async_write, async_read. One thread.
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <vector>

#include "load_options.hpp"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

class session {
public:
    session(asio::io_context& context, asio::ssl::context& tls, const bench::load_options& given,
            bench::load_record& record)
        : context_(context), stream_(context, tls), record_(record) {
        request_.method(http::verb::get);
        request_.target(given.path);
        request_.version(11);
        request_.set(http::field::host, given.host + ":" + given.port);
        SSL_set_tlsext_host_name(stream_.native_handle(), given.host.c_str());
        stream_.set_verify_mode(asio::ssl::verify_peer);
        stream_.set_verify_callback(asio::ssl::host_name_verification(given.host));
    }

    void start(const asio::ip::tcp::endpoint& peer) {
        asio::ip::tcp::socket& socket = stream_.next_layer();
        socket.async_connect(peer, [this](error_code error) {
            check(error, "connect");
            stream_.next_layer().set_option(asio::ip::tcp::no_delay(true));
            stream_.async_handshake(asio::ssl::stream_base::client, [this](error_code failed) {
                check(failed, "handshake");
                send();
            });
        });
    }

private:
    void send() {
        if (!record_.may_start()) return;
        record_.on_start();
        started_ = std::chrono::steady_clock::now();
        http::async_write(stream_, request_, [this](error_code error, std::size_t) {
            check(error, "write");
            response_ = {};
            http::async_read(stream_, buffer_, response_, [this](error_code failed, std::size_t) {
                check(failed, "read");
                const bool ok = response_.result() == http::status::ok;
                if (record_.on_answer(started_, ok, response_.body().size())) {
                    context_.stop();
                    return;
                }
                send();
            });
        });
    }
    static void check(error_code error, const char* what) {
        if (!error) return;
        std::fprintf(stderr, "%s: %s\n", what, error.message().c_str());
        std::exit(1);
    }

    asio::io_context& context_;
    asio::ssl::stream<asio::ip::tcp::socket> stream_;
    bench::load_record& record_;
    http::request<http::empty_body> request_;
    http::response<http::string_body> response_;
    beast::flat_buffer buffer_;
    std::chrono::steady_clock::time_point started_;
};

}  // namespace

int main(int argc, char** argv) {
    const bench::load_options given = bench::parse_load_options(argc, argv);
    asio::io_context context(1);
    asio::ssl::context tls(asio::ssl::context::tls_client);
    tls.load_verify_file(given.ca);
    bench::load_record record(given);
    asio::ip::tcp::resolver resolver(context);
    const auto peer = resolver.resolve(given.host, given.port)->endpoint();
    std::vector<std::unique_ptr<session>> sessions;
    for (std::uint64_t i = 0; i < given.concurrency; ++i) {
        sessions.push_back(std::make_unique<session>(context, tls, given, record));
        sessions.back()->start(peer);
    }
    context.run();
    return record.print(given.concurrency);
}
