// Work for one client from many threads at once: calls, cancellations, streams dropped at any
// moment. All of it is counted, so that a test can claim that everything completed exactly once.
#pragma once

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "hearth/hearth.hpp"
#include "hearth/testing/testing.hpp"
#include "support/awaited.hpp"

namespace hearth::threads {

namespace asio = boost::asio;
using boost::system::error_code;

/// Operations begun and completed. Each is watched by an object of its own, which counts it twice
/// if it completes twice and complains when it dies without.
struct tally {
    std::atomic<std::uint64_t> begun{0};
    std::atomic<std::uint64_t> completed{0};
    std::atomic<std::uint64_t> twice{0};

    /// To be called by the completion of one operation.
    [[nodiscard]] auto watch() {
        ++begun;
        return [this, seen = std::make_shared<std::atomic<bool>>(false)] {
            if (seen->exchange(true)) ++twice;
            ++completed;
        };
    }
    [[nodiscard]] bool is_quiet() const { return begun == completed; }
};

/// The origins a storm is aimed at; several, so that several shards work.
struct targets {
    std::vector<std::unique_ptr<testing::origin>> origins;
    std::string ca_pem;

    explicit targets(std::size_t count) {
        const testing::certificate_authority authority;
        ca_pem = authority.ca_pem();
        for (std::size_t i = 0; i < count; ++i) {
            testing::origin_options options;
            options.listen.server_certificate = authority.issue();
            options.listen.tls = i % 2 == 0;
            origins.push_back(std::make_unique<testing::origin>(options));
        }
    }
    [[nodiscard]] std::string url(std::minstd_rand& random, const std::string& path) const {
        return origins[random() % origins.size()]->url(path);
    }
    [[nodiscard]] config settings() const {
        tls_options options;
        options.ca_pem = ca_pem;
        config values;
        values.io.threads = 4;
        values.tls.profile = tls_profile::make(options);
        values.pool.max_connections_per_origin = 6;
        values.pool.max_connections = 12;
        values.timeouts.queue = std::chrono::seconds(60);
        // Together they bound a warm-up that the limits leave no room for.
        values.timeouts.name = std::chrono::milliseconds(500);
        values.timeouts.connect = std::chrono::milliseconds(500);
        values.timeouts.handshake = std::chrono::milliseconds(500);
        return values;
    }
};

/// One streamed exchange that is read or written for some pieces and then dropped.
class streaming : public std::enable_shared_from_this<streaming> {
public:
    streaming(tally& count, unsigned pieces) : count_(count), pieces_left_(pieces) {}

    void begin(client& subject, request what) {
        is_upload_ = what.body.is_streamed();
        subject.async_open(std::move(what), [self = shared_from_this(), done = count_.watch()](
                                                error_code error, exchange opened) {
            done();
            if (error) return;
            self->exchange_ = std::move(opened);
            self->read_head();
            if (self->is_upload_) self->write();
        });
    }

private:
    void read_head() {
        exchange_.async_read_head(
            [self = shared_from_this(), done = count_.watch()](error_code error, response_head) {
                done();
                if (!error && !self->is_upload_) self->read();
            });
    }
    void read() {
        exchange_.async_read_some(
            asio::buffer(piece_),
            [self = shared_from_this(), done = count_.watch()](error_code error, std::size_t) {
                done();
                if (!error && self->pieces_left_-- > 1) self->read();
            });
    }
    void write() {
        exchange_.async_write_some(
            asio::buffer(piece_),
            [self = shared_from_this(), done = count_.watch()](error_code error, std::size_t) {
                done();
                if (error) return;
                if (self->pieces_left_-- > 1) return self->write();
                self->finish();
            });
    }
    void finish() {
        exchange_.async_finish(
            {}, [self = shared_from_this(), done = count_.watch()](error_code) { done(); });
    }

    tally& count_;
    unsigned pieces_left_;
    bool is_upload_ = false;
    exchange exchange_;
    std::vector<char> piece_ = std::vector<char>(3000, 'x');
};

/// A call whose cancellation signal is fired on the strand its handler runs on: by a thread that is
/// none of the client's.
inline void send_and_cancel(client& subject, asio::thread_pool& pool, request what, tally& count,
                            asio::cancellation_type type) {
    struct cancellable {
        explicit cancellable(asio::thread_pool& where) : strand(asio::make_strand(where)) {}
        asio::strand<asio::thread_pool::executor_type> strand;
        asio::cancellation_signal signal;
    };
    auto state = std::make_shared<cancellable>(pool);
    auto what_ptr = std::make_shared<request>(std::move(what));
    auto begun = count.watch();
    asio::post(state->strand, [&subject, state, what_ptr, begun, type] {
        subject.async_send(
            std::move(*what_ptr),
            asio::bind_cancellation_slot(
                state->signal.slot(),
                asio::bind_executor(state->strand,
                                    [state, begun](error_code, const response&) { begun(); })));
        asio::post(state->strand, [state, type] { state->signal.emit(type); });
    });
}

/// One random operation.
inline void operate(client& subject, asio::thread_pool& pool, const targets& where, tally& count,
                    std::minstd_rand& random) {
    using namespace std::chrono_literals;
    const std::string paths[] = {"/d/0",        "/d/2",     "/bytes/20000",  "/chunked/5000",
                                 "/reset-at/3", "/garbage", "/no-keepalive", "/truncate-at/300"};
    request what;
    what.url = where.url(random, paths[random() % std::size(paths)]);
    switch (random() % 9) {
        case 0:
            what.url = where.url(random, "/stall");
            what.deadline = in(3ms);
            [[fallthrough]];
        case 1:
        case 2:
            subject.async_send(std::move(what),
                               [done = count.watch()](error_code, const response&) { done(); });
            return;
        case 3: {
            const asio::cancellation_type types[] = {asio::cancellation_type::terminal,
                                                     asio::cancellation_type::partial,
                                                     asio::cancellation_type::total};
            return send_and_cancel(subject, pool, std::move(what), count, types[random() % 3]);
        }
        case 4:
            what.url = where.url(random, "/bytes/200000");
            return std::make_shared<streaming>(count, random() % 8)->begin(subject, what);
        case 5:
            what.method = method::post;
            what.url = where.url(random, "/upload");
            what.body = streamed_body{};
            return std::make_shared<streaming>(count, random() % 8)->begin(subject, what);
        case 6: subject.async_stats([done = count.watch()](const stats&) { done(); }); return;
        case 7:
            subject.async_warm(origin::parse(where.url(random, "")).value(),
                               static_cast<std::uint32_t>(1 + random() % 3),
                               [done = count.watch()](error_code, std::uint32_t) { done(); });
            return;
        default: {
            const auto done = count.watch();
            error_code ignored;
            (void)subject.send(std::move(what), ignored);
            done();
        }
    }
}

}  // namespace hearth::threads
