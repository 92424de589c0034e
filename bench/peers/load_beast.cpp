// The contract of hearth_load with plain Boost.Beast over asio::ssl::stream, as its examples do it:
// a connection per slot, async_write, async_read; large bodies through buffer_body and file_body.
// One thread.
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <vector>

#include "load_options.hpp"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr std::size_t body_piece = 64 * 1024;

struct world {
    asio::io_context context{1};
    asio::ssl::context tls{asio::ssl::context::tls_client};
    tcp::endpoint peer;
    const bench::load_options& given;
    bench::load_record& record;
    std::FILE* sink = nullptr;
    SSL_SESSION* ticket = nullptr;
    std::uint64_t opened = 0;
    std::uint64_t answered = 0;
    bool is_done = false;
};

template <class Stream>
class session {
public:
    explicit session(world& shared) : shared_(shared), piece_(body_piece) {}

    void start() {
        started_ = std::chrono::steady_clock::now();
        connect();
    }

private:
    static constexpr bool is_tls = !std::is_same_v<Stream, tcp::socket>;

    void connect() {
        ++shared_.opened;
        if constexpr (is_tls) {
            stream_.emplace(shared_.context, shared_.tls);
            SSL_set_tlsext_host_name(stream_->native_handle(), shared_.given.host.c_str());
            stream_->set_verify_mode(asio::ssl::verify_peer);
            stream_->set_verify_callback(asio::ssl::host_name_verification(shared_.given.host));
            if (shared_.ticket != nullptr) {
                SSL_set_session(stream_->native_handle(), shared_.ticket);
            }
        } else {
            stream_.emplace(shared_.context);
        }
        beast::get_lowest_layer(*stream_).async_connect(shared_.peer, [this](error_code error) {
            check(error, "connect");
            beast::get_lowest_layer(*stream_).set_option(tcp::no_delay(true));
            if constexpr (is_tls) {
                stream_->async_handshake(asio::ssl::stream_base::client, [this](error_code failed) {
                    check(failed, "handshake");
                    if (SSL_session_reused(stream_->native_handle())) shared_.record.on_resumed();
                    send();
                });
            } else {
                send();
            }
        });
    }

    template <class Body>
    void prepare(http::request<Body>& request, http::verb method) {
        request.method(method);
        request.target(shared_.given.path);
        request.version(11);
        request.set(http::field::host, shared_.given.host + ":" + shared_.given.port);
    }

    void send() {
        if (!shared_.given.upload.empty()) return send_file();
        if (get_.target().empty()) prepare(get_, http::verb::get);
        http::async_write(*stream_, get_, [this](error_code error, std::size_t) {
            check(error, "write");
            read();
        });
    }

    void send_file() {
        put_.emplace();
        prepare(*put_, http::verb::put);
        error_code error;
        put_->body().open(shared_.given.upload.c_str(), beast::file_mode::scan, error);
        check(error, "open the upload");
        put_->prepare_payload();
        http::async_write(*stream_, *put_, [this](error_code failed, std::size_t sent) {
            check(failed, "write");
            body_bytes_ = sent;
            read();
        });
    }

    void read() {
        parser_.emplace();
        parser_->body_limit(boost::none);
        http::async_read_header(*stream_, buffer_, *parser_, [this](error_code error, std::size_t) {
            check(error, "read the head");
            read_body();
        });
    }

    void read_body() {
        if (parser_->is_done()) return finish();
        parser_->get().body().data = piece_.data();
        parser_->get().body().size = piece_.size();
        http::async_read(*stream_, buffer_, *parser_, [this](error_code error, std::size_t) {
            if (error == http::error::need_buffer) error = {};
            check(error, "read");
            const std::size_t size = piece_.size() - parser_->get().body().size;
            body_bytes_ += size;
            if (shared_.sink != nullptr) std::fwrite(piece_.data(), 1, size, shared_.sink);
            read_body();
        });
    }

    void finish() {
        const bool ok =
            http::to_status_class(parser_->get().result()) == http::status_class::successful;
        shared_.is_done = shared_.record.on_answer(started_, ok, body_bytes_);
        body_bytes_ = 0;
        ++shared_.answered;
        if (shared_.sink != nullptr) std::rewind(shared_.sink);
        if (shared_.is_done) shared_.context.stop();
        if (shared_.given.idle != 0) {
            wait_idle();
            return;
        }
        if (shared_.is_done || !shared_.record.may_start()) return;
        shared_.record.on_start();
        started_ = std::chrono::steady_clock::now();
        if (!shared_.given.uses_new_connections) return send();
        leave();
    }

    // Then connects anew.
    void leave() {
        if constexpr (is_tls) {
            SSL* tls = stream_->native_handle();
            if (shared_.given.resumes) {
                SSL_SESSION_free(shared_.ticket);
                shared_.ticket = SSL_get1_session(tls);
            }
            SSL_set_shutdown(tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        }
        beast::get_lowest_layer(*stream_).close();
        buffer_.clear();
        // Not from inside its own completion.
        asio::post(shared_.context, [this] { connect(); });
    }

    void wait_idle() {
        stream_->async_read_some(asio::buffer(piece_.data(), 1), [](error_code, std::size_t) {});
    }

    static void check(error_code error, const char* what) {
        if (!error) return;
        std::fprintf(stderr, "%s: %s\n", what, error.message().c_str());
        std::exit(1);
    }

    world& shared_;
    std::optional<Stream> stream_;
    http::request<http::empty_body> get_;
    std::optional<http::request<http::file_body>> put_;
    std::optional<http::response_parser<http::buffer_body>> parser_;
    beast::flat_buffer buffer_;
    std::vector<char> piece_;
    std::uint64_t body_bytes_ = 0;
    std::chrono::steady_clock::time_point started_;
};

template <class Stream>
int run(world& shared) {
    std::vector<std::unique_ptr<session<Stream>>> sessions;
    const auto open = [&](std::uint64_t count) {
        const std::uint64_t goal = shared.answered + count;
        for (std::uint64_t i = 0; i < count; ++i) {
            sessions.push_back(std::make_unique<session<Stream>>(shared));
            shared.record.on_start();
            sessions.back()->start();
        }
        if (shared.given.idle == 0) {
            shared.context.run();
        } else {
            while (shared.answered < goal) shared.context.run_one();
        }
    };
    if (shared.given.idle == 0) {
        open(std::min(shared.given.concurrency, shared.given.warmup + shared.given.requests));
        return shared.record.print(shared.opened);
    }
    open(1);
    const std::uint64_t before = bench::resident_kib();
    for (std::uint64_t left = shared.given.idle; left != 0;) {
        const std::uint64_t batch = std::min<std::uint64_t>(left, 128);
        shared.context.restart();
        open(batch);
        left -= batch;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    shared.record.set_resident(before, bench::resident_kib());
    shared.record.print(shared.opened);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const bench::load_options given = bench::parse_load_options(argc, argv);
    if (given.is_http2) bench::unsupported("--proto h2");
    bench::raise_descriptor_limit();
    bench::load_record record(given);
    world shared{.peer = {}, .given = given, .record = record};
    if (given.is_tls) shared.tls.load_verify_file(given.ca);
    if (!given.sink_path.empty()) shared.sink = std::fopen(given.sink_path.c_str(), "w");
    tcp::resolver resolver(shared.context);
    shared.peer = resolver.resolve(given.host, given.port)->endpoint();
    return given.is_tls ? run<asio::ssl::stream<tcp::socket>>(shared) : run<tcp::socket>(shared);
}
