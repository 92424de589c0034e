// The floor of HTTP/2: one connection, nothing but epoll, OpenSSL and nghttp2. One thread; 256 KiB
// of read-ahead; all frames of a turn in one write of full records; windows large enough never to
// be waited for. No pool, no limits, no checks beyond nghttp2's own, no deadlines: it is a bound,
// not a client.
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "load_options.hpp"

namespace {

constexpr std::size_t read_ahead = 256 * 1024;
constexpr std::size_t turn_bytes = 256 * 1024;
constexpr std::int32_t window_bytes = 16 << 20;

[[noreturn]] void die(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    ERR_print_errors_fp(stderr);
    std::exit(1);
}

int gather(BIO* bio, const char* data, int size) {
    static_cast<std::string*>(BIO_get_data(bio))->append(data, static_cast<std::size_t>(size));
    return size;
}

long control(BIO* /*bio*/, int command, long /*argument*/, void* /*pointer*/) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

struct stream {
    std::chrono::steady_clock::time_point started;
    std::uint64_t body = 0;
    off_t upload_at = 0;
    bool is_ok = false;
};

class floor_client {
public:
    explicit floor_client(const bench::load_options& given)
        : given_(given),
          record_(given),
          buffer_(read_ahead),
          streams_(std::min(given.concurrency, given.warmup + given.requests)) {
        if (!given.upload.empty()) {
            upload_ = ::open(given.upload.c_str(), O_RDONLY | O_CLOEXEC);
            struct stat about {};
            if (upload_ < 0 || ::fstat(upload_, &about) != 0) die("open the upload");
            upload_size_ = about.st_size;
            length_ = std::to_string(upload_size_);
        }
        if (!given.sink_path.empty()) {
            sink_ = ::open(given.sink_path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
            if (sink_ < 0) die("open the sink");
        }
        authority_ = given.host + ":" + given.port;
        connect();
        begin_tls();
        begin_session();
    }

    int run() {
        for (stream& one : streams_) submit(one);
        epoll_event event{};
        event.events = EPOLLIN;
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor_, &event) != 0) die("epoll_ctl");
        send_frames();
        while (!done_) {
            watch(output_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
            if (::epoll_wait(epoll_, &event, 1, -1) < 0) die("epoll_wait");
            if ((event.events & EPOLLIN) != 0) receive();
            send_frames();
        }
        return record_.print(1);
    }

private:
    void connect() {
        addrinfo hints{};
        hints.ai_family = AF_INET;
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        if (::getaddrinfo(given_.host.c_str(), given_.port.c_str(), &hints, &found) != 0) {
            die("getaddrinfo");
        }
        epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
        descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::connect(descriptor_, found->ai_addr, found->ai_addrlen) != 0) die("connect");
        ::freeaddrinfo(found);
        const int on = 1;
        ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }

    // The handshake blocks; everything after it does not.
    void begin_tls() {
        SSL_CTX* context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        // As hearth asks for it by default, so that the same work is compared.
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
        if (SSL_CTX_load_verify_file(context, given_.ca.c_str()) != 1) die("load the CA");
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_read_ahead(context, 1);
        SSL_CTX_set_default_read_buffer_len(context, read_ahead);
        static constexpr std::array<unsigned char, 3> h2 = {2, 'h', '2'};
        SSL_CTX_set_alpn_protos(context, h2.data(), h2.size());
        tls_ = SSL_new(context);
        SSL_set_fd(tls_, descriptor_);
        if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls_), given_.host.c_str()) != 1) {
            SSL_set1_host(tls_, given_.host.c_str());
            SSL_set_tlsext_host_name(tls_, given_.host.c_str());
        }
        if (SSL_connect(tls_) != 1) die("handshake");
        BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gather");
        BIO_meth_set_write(method, gather);
        BIO_meth_set_ctrl(method, control);
        BIO* out = BIO_new(method);
        BIO_set_data(out, &output_);
        BIO_set_init(out, 1);
        SSL_set0_wbio(tls_, out);
        ::fcntl(descriptor_, F_SETFL, O_NONBLOCK);
    }

    void begin_session() {
        nghttp2_session_callbacks* all = nullptr;
        nghttp2_session_callbacks_new(&all);
        nghttp2_session_callbacks_set_on_header_callback(all, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(all, on_close);
        nghttp2_session_client_new(&session_, all, this);
        const std::array entries{
            nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
            nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window_bytes}};
        nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
        nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, window_bytes);
    }

    static nghttp2_nv field(std::string_view name, std::string_view value) {
        const auto octets = [](std::string_view text) {
            return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
        };
        return {octets(name), octets(value), name.size(), value.size(),
                NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
    }

    void submit(stream& one) {
        record_.on_start();
        one = {.started = std::chrono::steady_clock::now()};
        const std::array head{field(":method", upload_ < 0 ? "GET" : "PUT"),
                              field(":scheme", "https"), field(":path", given_.path),
                              field(":authority", authority_), field("content-length", length_)};
        nghttp2_data_provider body{};
        body.source.ptr = &one;
        body.read_callback = read_upload;
        const bool has_body = upload_ >= 0;
        if (nghttp2_submit_request(session_, nullptr, head.data(), head.size() - (has_body ? 0 : 1),
                                   has_body ? &body : nullptr, &one) < 0) {
            die("submit");
        }
    }

    static ssize_t read_upload(nghttp2_session* /*session*/, std::int32_t /*id*/,
                               std::uint8_t* into, std::size_t size, std::uint32_t* flags,
                               nghttp2_data_source* source, void* user) {
        const auto& self = *static_cast<floor_client*>(user);
        auto& one = *static_cast<stream*>(source->ptr);
        const ssize_t got = ::pread(self.upload_, into, size, one.upload_at);
        if (got < 0) die("pread");
        one.upload_at += got;
        if (one.upload_at == self.upload_size_) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return got;
    }

    static int on_header(nghttp2_session* session, const nghttp2_frame* frame,
                         const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                         std::size_t /*value_size*/, std::uint8_t /*flags*/, void* /*user*/) {
        if (name_size != 7 || std::memcmp(name, ":status", 7) != 0) return 0;
        auto* one = static_cast<stream*>(
            nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
        if (one != nullptr) one->is_ok = value[0] == '2';
        return 0;
    }

    static int on_data(nghttp2_session* session, std::uint8_t /*flags*/, std::int32_t id,
                       const std::uint8_t* octets, std::size_t size, void* user) {
        const auto& self = *static_cast<floor_client*>(user);
        auto* one = static_cast<stream*>(nghttp2_session_get_stream_user_data(session, id));
        if (one == nullptr) return 0;
        if (self.sink_ >= 0 && ::pwrite(self.sink_, octets, size, static_cast<off_t>(one->body)) !=
                                   static_cast<ssize_t>(size)) {
            die("write the sink");
        }
        one->body += size;
        return 0;
    }

    static int on_close(nghttp2_session* session, std::int32_t id, std::uint32_t error_code,
                        void* user) {
        auto& self = *static_cast<floor_client*>(user);
        auto* one = static_cast<stream*>(nghttp2_session_get_stream_user_data(session, id));
        if (one == nullptr) return 0;
        const auto bytes = one->body + static_cast<std::uint64_t>(one->upload_at);
        const bool is_ok = one->is_ok && error_code == NGHTTP2_NO_ERROR;
        self.done_ = self.record_.on_answer(one->started, is_ok, bytes);
        if (!self.done_ && self.record_.may_start()) self.submit(*one);
        return 0;
    }

    void receive() {
        for (;;) {
            std::size_t got = 0;
            const int result = SSL_read_ex(tls_, buffer_.data(), buffer_.size(), &got);
            if (result != 1) {
                if (SSL_get_error(tls_, result) == SSL_ERROR_WANT_READ) return;
                die("read");
            }
            if (nghttp2_session_mem_recv(session_, buffer_.data(), got) < 0) die("receive");
            if (done_ || SSL_has_pending(tls_) == 0) return;
        }
    }

    // Frames in full records, records in one call.
    void send_frames() {
        while (flush()) {
            frames_.clear();
            while (frames_.size() < turn_bytes) {
                const std::uint8_t* octets = nullptr;
                const ssize_t size = nghttp2_session_mem_send(session_, &octets);
                if (size < 0) die("send frames");
                if (size == 0) break;
                frames_.append(reinterpret_cast<const char*>(octets),
                               static_cast<std::size_t>(size));
            }
            if (frames_.empty()) return;
            std::size_t written = 0;
            if (SSL_write_ex(tls_, frames_.data(), frames_.size(), &written) != 1) die("write");
        }
    }

    /// False: the socket is full.
    bool flush() {
        std::size_t at = 0;
        while (at != output_.size()) {
            const ssize_t sent =
                ::send(descriptor_, output_.data() + at, output_.size() - at, MSG_NOSIGNAL);
            if (sent < 0) {
                if (errno != EAGAIN) die("send");
                output_.erase(0, at);
                return false;
            }
            at += static_cast<std::size_t>(sent);
        }
        output_.clear();
        return true;
    }

    void watch(std::uint32_t events) {
        if (events == watched_) return;
        epoll_event event{};
        event.events = events;
        if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor_, &event) != 0) die("epoll_ctl");
        watched_ = events;
    }

    const bench::load_options& given_;
    bench::load_record record_;
    std::vector<std::uint8_t> buffer_;
    std::vector<stream> streams_;
    std::string authority_;
    std::string length_;
    std::string frames_;
    std::string output_;  // records
    SSL* tls_ = nullptr;
    nghttp2_session* session_ = nullptr;
    std::uint32_t watched_ = EPOLLIN;
    off_t upload_size_ = 0;
    int epoll_ = -1;
    int descriptor_ = -1;
    int upload_ = -1;
    int sink_ = -1;
    bool done_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    const bench::load_options given = bench::parse_load_options(argc, argv);
    if (!given.is_tls || given.idle != 0 || given.uses_new_connections) {
        bench::unsupported("a plaintext URL, --idle or --new-connections over HTTP/2");
    }
    floor_client client(given);
    return client.run();
}
