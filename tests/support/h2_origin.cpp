#include "support/h2_origin.hpp"

#include <nghttp2/nghttp2.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <map>
#include <thread>
#include <utility>

namespace hearth::support {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

struct counters {
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> cancelled{0};
};

class h2_session final : public std::enable_shared_from_this<h2_session> {
public:
    h2_session(tcp::socket socket, std::uint64_t index, const h2_origin::plan& plan,
               counters& counts)
        : socket_(std::move(socket)), index_(index), plan_(plan), counts_(counts) {
        nghttp2_session_callbacks* callbacks = nullptr;
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
        nghttp2_session* raw = nullptr;
        nghttp2_session_server_new(&raw, callbacks, this);
        nghttp2_session_callbacks_del(callbacks);
        session_.reset(raw);
    }

    void start(std::uint32_t max_streams) {
        const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, max_streams};
        nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, &entry, 1);
        write();
        read();
    }

private:
    struct deleter {
        void operator()(nghttp2_session* p) const { nghttp2_session_del(p); }
    };
    struct exchange {
        std::string path;
        std::string body;
        std::size_t sent = 0;
        bool trickles = false;
        bool may_send = false;  // trickles: an octet is due
    };
    static h2_session& self(void* data) { return *static_cast<h2_session*>(data); }

    static int on_header(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                         const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                         std::size_t value_size, std::uint8_t /*flags*/, void* data) {
        const std::string key(reinterpret_cast<const char*>(name), name_size);
        if (key == ":path") {
            self(data).exchanges_[frame->hd.stream_id].path =
                std::string(reinterpret_cast<const char*>(value), value_size);
        }
        return 0;
    }
    static int on_frame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* data) {
        if (frame->hd.type == NGHTTP2_HEADERS) self(data).on_request(frame->hd.stream_id);
        return 0;
    }
    static int on_close(nghttp2_session* /*session*/, std::int32_t stream, std::uint32_t code,
                        void* data) {
        if (code == NGHTTP2_CANCEL) ++self(data).counts_.cancelled;
        self(data).exchanges_.erase(stream);
        return 0;
    }

    void on_request(std::int32_t stream) {
        const h2_origin::answer what =
            plan_({index_, counts_.requests.fetch_add(1), exchanges_[stream].path});
        if (what.delay.count() == 0) return respond(stream, what);
        auto timer = std::make_shared<asio::steady_timer>(socket_.get_executor(), what.delay);
        timer->async_wait([keep = shared_from_this(), timer, stream, what](error_code error) {
            if (error || !keep->exchanges_.contains(stream)) return;
            keep->respond(stream, what);
            keep->write();
        });
    }

    void respond(std::int32_t stream, const h2_origin::answer& what) {
        using kind = h2_origin::answer::kind;
        switch (what.what) {
            case kind::stay_silent: return;
            case kind::cut: {
                error_code ignored;
                socket_.close(ignored);
                return;
            }
            case kind::reset:
                nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream, what.code);
                return;
            case kind::respond:
            case kind::trickle: break;
        }
        exchange& x = exchanges_[stream];
        x.body = what.body;
        std::string name = ":status";
        std::string status = std::to_string(what.status);
        const nghttp2_nv field{reinterpret_cast<std::uint8_t*>(name.data()),
                               reinterpret_cast<std::uint8_t*>(status.data()), name.size(),
                               status.size(), NGHTTP2_NV_FLAG_NONE};
        nghttp2_data_provider source{};
        source.source.ptr = &x;
        source.read_callback = read_body;
        nghttp2_submit_response(session_.get(), stream, &field, 1, &source);
        x.trickles = what.what == kind::trickle;
        if (x.trickles) trickle(stream);
    }
    void trickle(std::int32_t stream) {
        auto timer = std::make_shared<asio::steady_timer>(socket_.get_executor(),
                                                          std::chrono::milliseconds(5));
        timer->async_wait([keep = shared_from_this(), timer, stream](error_code error) {
            const auto found = keep->exchanges_.find(stream);
            if (error || found == keep->exchanges_.end()) return;
            found->second.may_send = true;
            nghttp2_session_resume_data(keep->session_.get(), stream);
            keep->write();
            keep->trickle(stream);
        });
    }
    static ssize_t read_body(nghttp2_session* /*session*/, std::int32_t /*stream*/,
                             std::uint8_t* octets, std::size_t size, std::uint32_t* flags,
                             nghttp2_data_source* source, void* /*data*/) {
        exchange& x = *static_cast<exchange*>(source->ptr);
        if (x.trickles && !std::exchange(x.may_send, false)) return NGHTTP2_ERR_DEFERRED;
        const std::size_t most = x.trickles ? 1 : size;
        const std::size_t part = std::min(most, x.body.size() - x.sent);
        std::memcpy(octets, x.body.data() + x.sent, part);
        x.sent += part;
        if (x.sent == x.body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<ssize_t>(part);
    }

    void read() {
        socket_.async_read_some(
            asio::buffer(input_), [keep = shared_from_this()](error_code error, std::size_t size) {
                if (error) return;
                const ssize_t taken =
                    nghttp2_session_mem_recv(keep->session_.get(), keep->input_.data(), size);
                if (taken < 0) return;
                keep->write();
                if (keep->socket_.is_open()) keep->read();
            });
    }
    void write() {
        if (is_writing_) return;
        output_.clear();
        const std::uint8_t* octets = nullptr;
        for (;;) {
            const ssize_t size = nghttp2_session_mem_send(session_.get(), &octets);
            if (size <= 0) break;
            output_.append(reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size));
        }
        if (output_.empty() || !socket_.is_open()) return;
        is_writing_ = true;
        asio::async_write(socket_, asio::buffer(output_),
                          [keep = shared_from_this()](error_code error, std::size_t /*size*/) {
                              keep->is_writing_ = false;
                              if (!error) keep->write();
                          });
    }

    tcp::socket socket_;
    std::uint64_t index_;
    const h2_origin::plan& plan_;
    counters& counts_;
    std::unique_ptr<nghttp2_session, deleter> session_;
    std::map<std::int32_t, exchange> exchanges_;
    std::array<std::uint8_t, 16 * 1024> input_{};
    std::string output_;
    bool is_writing_ = false;
};

}  // namespace

struct h2_origin::state {
    state(plan what, std::uint32_t most)
        : does(std::move(what)),
          max_streams(most),
          acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
          port(acceptor.local_endpoint().port()) {
        accept();
        thread = std::thread([this] { context.run(); });
    }
    ~state() {
        context.stop();
        thread.join();
    }
    state(const state&) = delete;
    state& operator=(const state&) = delete;

    void accept() {
        acceptor.async_accept([this](error_code error, tcp::socket socket) {
            if (error) return;
            socket.set_option(tcp::no_delay(true));
            std::make_shared<h2_session>(std::move(socket), connections++, does, counts)
                ->start(max_streams);
            accept();
        });
    }

    plan does;
    std::uint32_t max_streams;
    counters counts;
    std::uint64_t connections = 0;
    asio::io_context context{1};
    tcp::acceptor acceptor;
    std::uint16_t port;
    std::thread thread;
};

h2_origin::h2_origin(plan what, std::uint32_t max_streams)
    : state_(std::make_unique<state>(std::move(what), max_streams)) {}
h2_origin::~h2_origin() = default;

std::uint16_t h2_origin::port() const { return state_->port; }
std::string h2_origin::url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port()) + path;
}
std::uint64_t h2_origin::requests() const { return state_->counts.requests; }
std::uint64_t h2_origin::cancelled() const { return state_->counts.cancelled; }

}  // namespace hearth::support
