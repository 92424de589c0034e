// The TLS engine against the least that OpenSSL can be used with: the same handshakes and records
// over plain memory BIOs, with the same trust, names and sessions. The time is the client's CPU
// time alone; the server works while the watch stands still.
//
// Full and resumed handshakes (TLS 1.3, ECDSA P-256, chain of two), full ones whose chain is
// remembered, 256 KiB of 16 KiB records each way, and a small exchange (300 octets out, 500 in)
// with the buffers given back in between.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/openssl_error.hpp"
#include "proto/tls_engine.hpp"
#include "support/certificates.hpp"
#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using support::octets;
using support::tls_server;
using support::tls_server_context;

constexpr std::size_t bulk_size = 256 * 1024;
constexpr std::size_t request_size = 300;
constexpr std::size_t response_size = 500;
constexpr int max_rounds = 16;

// Adds up the CPU time of this thread between start and stop, less what reading the clock costs (it
// is a system call), so that other load on the machine shows little.
class stopwatch {
public:
    stopwatch() {
        constexpr int trials = 1000;
        for (int i = 0; i < trials; ++i) time([] {});
        overhead_s_ = take_seconds() / trials;
    }

    template <typename Work>
    auto time(Work&& work) -> decltype(work()) {
        struct stopper {
            explicit stopper(stopwatch& watch) : watch_(watch), start_s_(now_s()) {}
            ~stopper() { watch_.spent_s_ += now_s() - start_s_ - watch_.overhead_s_; }
            stopwatch& watch_;
            double start_s_;
        } const stop{*this};
        return work();
    }
    [[nodiscard]] double take_seconds() { return std::max(0.0, std::exchange(spent_s_, 0.0)); }

private:
    static double now_s() {
        std::timespec now{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
    }

    double overhead_s_ = 0.0;
    double spent_s_ = 0.0;
};

// What both kinds of client share: one profile or context, and one session at a time.
class engine_client {
public:
    struct shared {
        tls_settings settings = support::settings_with();
        tls_session_cache cache{8};
        tls_chain_cache chains{std::chrono::minutes(5)};
    };

    explicit engine_client(shared& common, bool resumes, bool remembers = false)
        : engine_(with_cache(common, resumes, remembers)) {}

    bool step(std::string_view input) {
        engine_.receive(octets(input));
        const bool is_done = engine_.is_established() || engine_.step() == tls_step::done;
        engine_.retain();
        return is_done;
    }
    std::string_view output() {
        const auto data = engine_.output().data();
        return {reinterpret_cast<const char*>(data.data()), data.size()};
    }
    void sent() {
        engine_.output().clear();
        engine_.retain();
    }
    std::size_t decrypt(std::string_view input, std::span<std::byte> plain) {
        engine_.receive(octets(input));
        const std::size_t size = engine_.decrypt(plain).size;
        engine_.retain();
        return size;
    }
    void encrypt(std::string_view plain) {
        if (!engine_.encrypt(octets(plain))) std::abort();
    }
    [[nodiscard]] bool resumed() const { return engine_.resumed(); }

private:
    static tls_settings with_cache(shared& common, bool resumes, bool remembers) {
        tls_settings settings = common.settings;
        if (resumes) settings.sessions = &common.cache;
        if (remembers) settings.chains = &common.chains;
        return settings;
    }

    tls_engine engine_;
};

// The chain of the server was verified before.
class remembering_client : public engine_client {
public:
    explicit remembering_client(shared& common, bool resumes)
        : engine_client(common, resumes, true) {}
};

class bare_client {
public:
    struct shared {
        shared() : context(SSL_CTX_new(TLS_client_method())) {
            X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()),
                                support::test_authority().certificate.get());
            SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
            SSL_CTX_set1_groups_list(context.get(), "X25519:P-256:P-384");
            SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
            SSL_CTX_set_session_cache_mode(context.get(),
                                           SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
            SSL_CTX_set_app_data(context.get(), this);
            SSL_CTX_sess_set_new_cb(context.get(), [](SSL* ssl, SSL_SESSION* made) {
                auto* self = static_cast<shared*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
                self->session.reset(made);
                return 1;
            });
        }
        ssl_ctx_ptr context;
        ssl_session_ptr session;
    };

    explicit bare_client(shared& common, bool resumes) : ssl_(SSL_new(common.context.get())) {
        constexpr std::string_view protocols = "\x08http/1.1";
        SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(ssl_.get());
        SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                            static_cast<unsigned>(protocols.size()));
        SSL_set_tlsext_host_name(ssl_.get(), "origin.example");
        SSL_set1_host(ssl_.get(), "origin.example");
        if (resumes && common.session) SSL_set_session(ssl_.get(), common.session.get());
    }
    ~bare_client() { SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }
    bare_client(const bare_client&) = delete;
    bare_client& operator=(const bare_client&) = delete;

    bool step(std::string_view input) {
        put(input);
        return SSL_do_handshake(ssl_.get()) == 1;
    }
    std::string_view output() {
        char* data = nullptr;
        const long size = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &data);
        return {data, static_cast<std::size_t>(size)};
    }
    void sent() { (void)BIO_reset(SSL_get_wbio(ssl_.get())); }
    std::size_t decrypt(std::string_view input, std::span<std::byte> plain) {
        put(input);
        std::size_t size = 0;
        std::size_t count = 0;
        while (size < plain.size() &&
               SSL_read_ex(ssl_.get(), plain.data() + size, plain.size() - size, &count) == 1) {
            size += count;
        }
        clear_openssl_errors();
        return size;
    }
    void encrypt(std::string_view plain) {
        std::size_t written = 0;
        if (SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written) != 1) std::abort();
    }
    [[nodiscard]] bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

private:
    void put(std::string_view input) {
        if (input.empty()) return;
        BIO_write(SSL_get_rbio(ssl_.get()), input.data(), static_cast<int>(input.size()));
    }

    ssl_ptr ssl_;
};

// Connects, and reads the tickets; the watch counts the client's part.
template <typename Client>
void connect(Client& client, tls_server& server, stopwatch& watch) {
    std::array<std::byte, 1024> nothing;
    std::string input;
    for (int round = 0; round < max_rounds && !server.is_established(); ++round) {
        (void)watch.time([&] { return client.step(input); });
        server.receive(client.output());
        client.sent();
        server.advance();
        input = server.take_output();
    }
    (void)watch.time([&] { return client.decrypt(input, nothing); });
    if (!server.is_established()) std::abort();
}

template <typename Client, bool Resumes>
void handshake(benchmark::State& state) {
    typename Client::shared common;
    const tls_server_context context(support::origin_identity());
    stopwatch watch;
    {
        Client first(common, Resumes);
        tls_server server(context);
        connect(first, server, watch);
        (void)watch.take_seconds();
    }
    for (auto _ : state) {
        tls_server server(context);
        auto client = watch.time([&] { return std::make_unique<Client>(common, Resumes); });
        connect(*client, server, watch);
        if (client->resumed() != Resumes) std::abort();
        watch.time([&] { client.reset(); });
        state.SetIterationTime(watch.take_seconds());
    }
}

// A connected client and server.
template <typename Client>
struct pair {
    pair() : context(support::origin_identity()), server(context), client(common, false) {
        connect(client, server, watch);
        (void)watch.take_seconds();
    }

    typename Client::shared common;
    tls_server_context context;
    tls_server server;
    Client client;
    stopwatch watch;
};

template <typename Client>
void decrypt(benchmark::State& state) {
    pair<Client> link;
    const std::string body(bulk_size, 'x');
    std::vector<std::byte> plain(bulk_size);
    for (auto _ : state) {
        link.server.write(body);
        const std::string input = link.server.take_output();
        const std::size_t size = link.watch.time([&] { return link.client.decrypt(input, plain); });
        if (size != bulk_size) std::abort();
        state.SetIterationTime(link.watch.take_seconds());
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(bulk_size) * state.iterations());
}

template <typename Client>
void encrypt(benchmark::State& state) {
    pair<Client> link;
    const std::string body(bulk_size, 'x');
    for (auto _ : state) {
        link.watch.time([&] {
            link.client.encrypt(body);
            benchmark::DoNotOptimize(link.client.output().data());
            link.client.sent();
        });
        state.SetIterationTime(link.watch.take_seconds());
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(bulk_size) * state.iterations());
}

template <typename Client>
void small_exchange(benchmark::State& state) {
    pair<Client> link;
    const std::string request(request_size, 'q');
    const std::string response(response_size, 'r');
    std::array<std::byte, 4096> plain;
    for (auto _ : state) {
        link.watch.time([&] { link.client.encrypt(request); });
        link.server.receive(link.client.output());
        if (link.server.read().size() != request_size) std::abort();
        link.server.write(response);
        const std::string input = link.server.take_output();
        const std::size_t size = link.watch.time([&] {
            link.client.sent();
            return link.client.decrypt(input, plain);
        });
        if (size != response_size) std::abort();
        state.SetIterationTime(link.watch.take_seconds());
    }
}

BENCHMARK(handshake<engine_client, false>)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(handshake<bare_client, false>)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(handshake<remembering_client, false>)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(handshake<engine_client, true>)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(handshake<bare_client, true>)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(decrypt<engine_client>)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(decrypt<bare_client>)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(encrypt<engine_client>)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(encrypt<bare_client>)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(small_exchange<engine_client>)->UseManualTime();
BENCHMARK(small_exchange<bare_client>)->UseManualTime();

}  // namespace
}  // namespace hearth::proto

BENCHMARK_MAIN();
