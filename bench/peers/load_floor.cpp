// The floor: what the work costs with nothing but epoll and OpenSSL, written for each case. One
// thread, level-triggered epoll, a socket registered once; 256 KiB of read-ahead; whole requests in
// one record and one call; uploads as gathered records in large writes, or by sendfile without TLS.
// No pool, no limits, no checks of HTTP, no deadlines: it is a bound, not a client.
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "load_options.hpp"

namespace {

constexpr std::size_t read_ahead = 256 * 1024;
constexpr std::size_t write_piece = 256 * 1024;

[[noreturn]] void die(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    ERR_print_errors_fp(stderr);
    std::exit(1);
}

/// Where records collect until they are sent together.
struct record_buffer {
    std::vector<char> bytes;
    std::size_t begin = 0;
    std::size_t end = 0;
};

int gather(BIO* bio, const char* data, int size) {
    auto& to = *static_cast<record_buffer*>(BIO_get_data(bio));
    const auto count = static_cast<std::size_t>(size);
    if (to.bytes.size() - to.end < count) to.bytes.resize(to.end + count);
    std::memcpy(to.bytes.data() + to.end, data, count);
    to.end += count;
    return size;
}

long control(BIO* /*bio*/, int command, long /*argument*/, void* /*pointer*/) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* gathering_method() {
    static BIO_METHOD* const made = [] {
        BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gather");
        BIO_meth_set_write(method, gather);
        BIO_meth_set_ctrl(method, control);
        return method;
    }();
    return made;
}

struct connection {
    int descriptor = -1;
    SSL* tls = nullptr;
    bool is_open = false;      // handshake done
    bool is_waiting = false;   // for an answer
    bool is_reading = false;   // the head is complete, `left` octets of the body are not
    bool is_unwanted = false;  // idle from now on
    std::uint32_t watched = 0;
    std::string head;
    bool is_ok = false;
    std::uint64_t left = 0;
    std::uint64_t body = 0;
    off_t upload_at = 0;
    bool is_uploading = false;
    record_buffer records;
    std::chrono::steady_clock::time_point started;
};

class floor_client {
public:
    explicit floor_client(const bench::load_options& given)
        : given_(given), record_(given), buffer_(read_ahead) {
        addrinfo hints{};
        hints.ai_family = AF_INET;
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        if (::getaddrinfo(given.host.c_str(), given.port.c_str(), &hints, &found) != 0) {
            die("getaddrinfo");
        }
        std::memcpy(&peer_, found->ai_addr, sizeof peer_);
        ::freeaddrinfo(found);
        epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
        if (given.is_tls) make_context();
        prepare_request();
    }

    int run() {
        connections_.resize(std::min(given_.concurrency, given_.warmup + given_.requests));
        for (auto& one : connections_) {
            one = std::make_unique<connection>();
            record_.on_start();
            one->started = std::chrono::steady_clock::now();
            start(*one);
        }
        loop([this] { return done_; });
        return record_.print(opened_);
    }

    int run_idle() {
        is_idle_run_ = true;
        open_idle(1);
        const std::uint64_t before = bench::resident_kib();
        open_idle(given_.idle);
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        record_.set_resident(before, bench::resident_kib());
        record_.print(opened_);
        return 0;
    }

private:
    void make_context() {
        context_ = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
        // As hearth asks for it by default, so that the same work is compared.
        SSL_CTX_set_ciphersuites(context_, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
        if (SSL_CTX_load_verify_file(context_, given_.ca.c_str()) != 1) die("load the CA");
        SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_read_ahead(context_, 1);
        SSL_CTX_set_default_read_buffer_len(context_, read_ahead);
        if (!given_.resumes) return;
        SSL_CTX_set_session_cache_mode(context_,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_set_app_data(context_, this);
        SSL_CTX_sess_set_new_cb(context_, [](SSL* tls, SSL_SESSION* ticket) {
            auto* self = static_cast<floor_client*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(tls)));
            self->tickets_.push_back(ticket);
            return 1;
        });
    }

    void prepare_request() {
        const std::string& authority = given_.host + ":" + given_.port;
        if (given_.upload.empty()) {
            request_ = "GET " + given_.path + " HTTP/1.1\r\nHost: " + authority + "\r\n\r\n";
        } else {
            upload_ = ::open(given_.upload.c_str(), O_RDONLY | O_CLOEXEC);
            struct stat about {};
            if (upload_ < 0 || ::fstat(upload_, &about) != 0) die("open the upload");
            upload_size_ = about.st_size;
            request_ = "PUT " + given_.path + " HTTP/1.1\r\nHost: " + authority +
                       "\r\nContent-Length: " + std::to_string(upload_size_) + "\r\n\r\n";
        }
        if (!given_.sink_path.empty()) {
            sink_ = ::open(given_.sink_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                           0644);  // as the others
            if (sink_ < 0) die("open the sink");
        }
    }

    void watch(connection& one, std::uint32_t events) {
        if (one.watched == events) return;
        epoll_event event{};
        event.events = events;
        event.data.ptr = &one;
        const int how = one.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        if (::epoll_ctl(epoll_, how, one.descriptor, &event) != 0) die("epoll_ctl");
        one.watched = events;
    }

    template <class Done>
    void loop(Done is_done) {
        epoll_event events[256];
        while (!is_done()) {
            const int count = ::epoll_wait(epoll_, events, 256, -1);
            for (int i = 0; i < count && !is_done(); ++i) {
                on_ready(*static_cast<connection*>(events[i].data.ptr));
            }
        }
    }

    // A connection on which a request is to go out.
    void start(connection& one) {
        ++opened_;
        one.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const int on = 1;
        ::setsockopt(one.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (::connect(one.descriptor, reinterpret_cast<sockaddr*>(&peer_), sizeof peer_) != 0 &&
            errno != EINPROGRESS) {
            die("connect");
        }
        watch(one, EPOLLOUT);
    }

    void begin_tls(connection& one) {
        one.tls = SSL_new(context_);
        if (given_.upload.empty()) {
            SSL_set_fd(one.tls, one.descriptor);
        } else {
            BIO* out = BIO_new(gathering_method());
            BIO_set_data(out, &one.records);
            BIO_set_init(out, 1);
            SSL_set_bio(one.tls, BIO_new_socket(one.descriptor, BIO_NOCLOSE), out);
        }
        X509_VERIFY_PARAM* names = SSL_get0_param(one.tls);
        if (X509_VERIFY_PARAM_set1_ip_asc(names, given_.host.c_str()) != 1) {
            SSL_set1_host(one.tls, given_.host.c_str());
            SSL_set_tlsext_host_name(one.tls, given_.host.c_str());
        }
        if (!tickets_.empty()) {
            SSL_set_session(one.tls, tickets_.back());
            SSL_SESSION_free(tickets_.back());
            tickets_.pop_back();
        }
        SSL_set_connect_state(one.tls);
    }

    void on_ready(connection& one) {
        if (one.is_open) {
            if (one.is_uploading) return upload_more(one);
            return one.is_waiting ? read_answer(one) : drop_input(one);
        }
        if (!given_.is_tls) {
            one.is_open = true;
            return send_request(one);
        }
        if (one.tls == nullptr) begin_tls(one);
        const int result = SSL_do_handshake(one.tls);
        (void)send_records(one);
        if (result != 1) {
            if (SSL_get_error(one.tls, result) != SSL_ERROR_WANT_READ) die("handshake");
            return watch(one, EPOLLIN);
        }
        if (SSL_session_reused(one.tls) == 1) record_.on_resumed();
        one.is_open = true;
        send_request(one);
    }

    void send_request(connection& one) {
        one.is_waiting = true;
        one.is_reading = false;
        one.body = 0;
        one.head.clear();
        put(one, request_.data(), request_.size());
        if (upload_ < 0) return watch(one, EPOLLIN);
        one.is_uploading = true;
        one.upload_at = 0;
        upload_more(one);
    }

    void put(connection& one, const char* data, std::size_t size) {
        if (one.tls != nullptr) {
            std::size_t written = 0;
            if (SSL_write_ex(one.tls, data, size, &written) != 1) die("write");
        } else if (::send(one.descriptor, data, size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) {
            die("send");
        }
    }

    /// False: the socket is full.
    bool send_records(connection& one) {
        record_buffer& from = one.records;
        while (from.begin != from.end) {
            const ssize_t sent = ::send(one.descriptor, from.bytes.data() + from.begin,
                                        from.end - from.begin, MSG_NOSIGNAL);
            if (sent < 0) {
                if (errno == EAGAIN) return false;
                die("send");
            }
            from.begin += static_cast<std::size_t>(sent);
        }
        from.begin = from.end = 0;
        return true;
    }

    void upload_more(connection& one) {
        for (;;) {
            if (!send_records(one)) return watch(one, EPOLLOUT);
            if (one.upload_at == upload_size_) break;
            if (one.tls == nullptr) {
                const ssize_t sent =
                    ::sendfile(one.descriptor, upload_, &one.upload_at,
                               static_cast<std::size_t>(upload_size_ - one.upload_at));
                if (sent >= 0) continue;
                if (errno == EAGAIN) return watch(one, EPOLLOUT);
                die("sendfile");
            }
            const std::size_t piece =
                std::min(write_piece, static_cast<std::size_t>(upload_size_ - one.upload_at));
            const ssize_t got = ::pread(upload_, buffer_.data(), piece, one.upload_at);
            if (got <= 0) die("pread");
            put(one, buffer_.data(), static_cast<std::size_t>(got));
            one.upload_at += got;
        }
        one.is_uploading = false;
        watch(one, EPOLLIN);
    }

    /// Octets read; 0: none there.
    std::size_t read(connection& one) {
        if (one.tls == nullptr) {
            const ssize_t got = ::recv(one.descriptor, buffer_.data(), buffer_.size(), 0);
            if (got < 0 && errno == EAGAIN) return 0;
            if (got <= 0) die("recv");
            return static_cast<std::size_t>(got);
        }
        std::size_t got = 0;
        const int result = SSL_read_ex(one.tls, buffer_.data(), buffer_.size(), &got);
        if (result == 1) return got;
        if (SSL_get_error(one.tls, result) == SSL_ERROR_WANT_READ) return 0;
        die("read");
    }

    void drop_input(connection& one) {
        if (read(one) != 0) die("an answer without a request");
    }

    void read_answer(connection& one) {
        while (one.is_waiting) {
            const std::size_t got = read(one);
            if (got == 0) return;
            take(one, buffer_.data(), got);
        }
    }

    void take(connection& one, const char* data, std::size_t size) {
        if (!one.is_reading) {
            const std::size_t before = one.head.size();
            one.head.append(data, size);
            const std::size_t end = one.head.find("\r\n\r\n");
            if (end == std::string::npos) return;
            const std::size_t used = end + 4 - before;
            read_head(one, end + 2);
            data += used;
            size -= used;
        }
        if (sink_ >= 0 && size != 0 &&
            ::pwrite(sink_, data, size, static_cast<off_t>(one.body)) !=
                static_cast<ssize_t>(size)) {
            die("write the sink");
        }
        one.body += size;
        one.left -= size;
        if (one.left == 0) finish(one);
    }

    static void read_head(connection& one, std::size_t size) {
        one.is_reading = true;
        one.is_ok = one.head.compare(0, 10, "HTTP/1.1 2") == 0;
        one.left = 0;
        const std::size_t at = one.head.find("\r\nContent-Length: ");
        if (at < size) one.left = std::strtoull(one.head.c_str() + at + 18, nullptr, 10);
    }

    void finish(connection& one) {
        one.is_waiting = false;
        done_ = record_.on_answer(one.started, one.is_ok,
                                  one.body + static_cast<std::uint64_t>(upload_size_));
        if (is_idle_run_) {
            ++idle_;
            if (one.tls != nullptr) drop_input(one);  // lets OpenSSL release its buffer
            return;
        }
        if (done_) return;
        if (!record_.may_start()) return;
        record_.on_start();
        one.started = std::chrono::steady_clock::now();
        if (!given_.uses_new_connections) return send_request(one);
        close(one);
        start(one);
    }

    static void close(connection& one) {
        if (one.tls != nullptr) {
            SSL_shutdown(one.tls);
            SSL_free(one.tls);
        }
        ::close(one.descriptor);
        one = connection{};
        one.started = std::chrono::steady_clock::now();
    }

    void open_idle(std::uint64_t count) {
        constexpr std::uint64_t batch = 128;
        for (std::uint64_t opened = 0; opened < count;) {
            const std::uint64_t now = std::min(batch, count - opened);
            const std::uint64_t goal = idle_ + now;
            for (std::uint64_t i = 0; i < now; ++i) {
                connections_.push_back(std::make_unique<connection>());
                connections_.back()->started = std::chrono::steady_clock::now();
                start(*connections_.back());
            }
            loop([&] { return idle_ == goal; });
            opened += now;
        }
    }

    const bench::load_options& given_;
    bench::load_record record_;
    std::vector<char> buffer_;
    sockaddr_in peer_{};
    int epoll_ = -1;
    SSL_CTX* context_ = nullptr;
    std::vector<SSL_SESSION*> tickets_;
    std::string request_;
    int upload_ = -1;
    int sink_ = -1;
    off_t upload_size_ = 0;
    std::vector<std::unique_ptr<connection>> connections_;
    std::uint64_t opened_ = 0;
    std::uint64_t idle_ = 0;
    bool is_idle_run_ = false;
    bool done_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    const bench::load_options given = bench::parse_load_options(argc, argv);
    if (given.is_http2) bench::unsupported("--proto h2");
    bench::raise_descriptor_limit();
    floor_client client(given);
    return given.idle != 0 ? client.run_idle() : client.run();
}
