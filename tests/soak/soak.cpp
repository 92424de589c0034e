// hearth_soak: random load on one client for so many seconds, against origins that are restarted,
// fall silent, refuse and lie, with names that change their address and trust that is rotated.
//
//   hearth_soak [SECONDS [SEED [RATE]]]
//
// With a rate, at most so many operations a second are begun; without, as many as come to an end.
// Prints a line every ten seconds. Claims: every operation completes once; connections opened =
// closed + open; no broken invariant; at the end all descriptors are given back; memory and
// descriptors in the second half are not above those of the first by more than noise. Exit status 0
// if all of it holds.
#include <malloc.h>
#include <poll.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "hearth/testing/raw_origin.hpp"
#include "support/dns_server.hpp"
#include "support/h2_frames.hpp"
#include "support/server_process.hpp"
#include "threads/storm.hpp"

namespace {

using namespace hearth;
using namespace std::chrono_literals;
using std::chrono::steady_clock;
using threads::tally;
using threads::targets;

constexpr std::uint64_t most_begun_at_once = 200;
constexpr unsigned operations_of_a_turn = 20;
// Allocators keep and sanitizers quarantine; a leak of an octet per call would be far above.
constexpr double memory_noise = 1.25;
constexpr std::uint64_t memory_slack = 64ULL << 20U;
constexpr std::size_t descriptor_slack = 64;

/// An origin with something wrong on every connection.
testing::script lies(std::uint64_t connection) {
    using namespace testing;
    const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    switch (connection % 9) {
        case 0: return {expect_request(), testing::send(ok + ok)};
        case 1: return {expect_request(), testing::send("HTTP/1.1 200 OK\r\nA : b\r\n\r\n")};
        case 2: return {expect_request(), testing::send(ok.substr(0, 20)), close()};
        case 3: return {expect_request(), testing::send(ok), close(close_kind::reset)};
        case 4: return {expect_request(), drip(ok, 1, 1ms)};
        case 5:
            return {expect_request(), testing::send("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                                                    "chunked\r\n\r\n5\r\nhello!\r\n")};
        case 6: return {testing::send(ok), expect_request()};
        case 7: return {expect_request(), testing::send(std::string(300'000, 'x'))};
        default: return {expect_request(), testing::send(ok), expect_request()};
    }
}

/// The same over HTTP/2 with prior knowledge: answers one request of a connection, or not.
testing::script http2_lies(std::uint64_t connection) {
    using namespace testing;
    constexpr std::size_t preface_and_settings = 24 + 9;
    const std::string answer = h2::status(1, "200") + h2::data(1, "hello", h2::end_stream);
    std::string frames = h2::settings() + h2::settings_ack();
    switch (connection % 9) {
        case 0: frames += answer + h2::goaway(1, 0); break;
        case 1: frames += h2::rst_stream(1, 7) + h2::goaway(1, 0); break;
        case 2: frames += h2::data(0, "x"); break;
        case 3: frames += answer.substr(0, 20); break;
        case 4: frames += h2::goaway(0, 0); break;
        case 5: frames += h2::status(1, "200") + h2::data(1, std::string(10'000, 'x')); break;
        case 6: frames += answer; break;
        case 7: return {expect_octets(preface_and_settings), drip(frames + answer, 1, 1ms)};
        default: frames += answer + answer; break;
    }
    return {expect_octets(preface_and_settings), testing::send(frames), testing::wait(300ms),
            close()};
}

/// A name server whose one name moves between two addresses of the loopback.
class moving_name {
public:
    moving_name() : server_(context_) {
        move(0);
        thread_ = std::thread([this] {
            while (!context_.stopped()) context_.run_for(100ms);
        });
    }
    ~moving_name() {
        context_.stop();
        thread_.join();
    }
    moving_name(const moving_name&) = delete;
    moving_name& operator=(const moving_name&) = delete;

    [[nodiscard]] std::string server() const { return server_.address(); }
    void move_later(unsigned turn) {
        boost::asio::post(context_, [this, turn] { move(turn); });
    }

private:
    void move(unsigned turn) {
        support::dns_server::reply here{.addresses = {"127.0.0.1"}, .ttl = 1};
        if (turn % 4 == 1) here = {.code = 2};
        if (turn % 4 == 2) here.addresses.insert(here.addresses.begin(), "127.0.0.9");
        if (turn % 4 == 3) here = {.code = 3};
        server_.script("moving.example", support::dns_server::type_a, here);
        server_.script("moving.example", support::dns_server::type_aaaa,
                       {.addresses = {}, .ttl = 1});
    }

    boost::asio::io_context context_;
    support::dns_server server_;
    std::thread thread_;
};

/// Whether a claim holds soon. Bounded by waits and not by the clock: a program that is suspended
/// for a while, as whole machines are, has not been waiting.
template <class Claim>
bool soon(Claim claim) {
    constexpr int most_waits = 60'000;  // of a millisecond and more
    for (int i = 0; i < most_waits; ++i) {
        if (claim()) return true;
        ::poll(nullptr, 0, 1);
    }
    return claim();
}

struct sample {
    std::uint64_t memory = 0;
    std::size_t descriptors = 0;
    std::uint64_t allocated = 0;  ///< Of the memory, what the program holds; 0 under a sanitizer.
};

sample now() {
    const struct mallinfo2 all = ::mallinfo2();
    return {support::resident_bytes(), support::open_descriptors(), all.uordblks + all.hblkhd};
}

/// The highest of some samples.
sample peak(const std::vector<sample>& all, std::size_t from, std::size_t to) {
    sample most;
    for (std::size_t i = from; i < to; ++i) {
        most.memory = std::max(most.memory, all[i].memory);
        most.descriptors = std::max(most.descriptors, all[i].descriptors);
    }
    return most;
}

class soak {
public:
    soak(std::chrono::seconds length, unsigned seed, unsigned rate)
        : end_(steady_clock::now() + length),
          random_(seed),
          pause_(rate == 0 ? 0ms : std::chrono::milliseconds(1000 * operations_of_a_turn / rate)),
          origins_(4),
          liar_({.tls = false}, lies),
          http2_liar_({.tls = false}, http2_lies),
          settings_(make_settings()),
          client_(std::make_unique<client>(settings_)) {}

    bool run() {
        const auto began = steady_clock::now();
        auto next_line = began + 10s;
        for (unsigned turn = 0; steady_clock::now() < end_; ++turn) {
            for (unsigned i = 0; i < operations_of_a_turn; ++i) act();
            if (pause_ != 0ms) ::poll(nullptr, 0, static_cast<int>(pause_.count()));
            if (turn % 50 == 0) disturb(turn / 50);
            claim(soon([this] { return count_.begun - count_.completed <= most_begun_at_once; }),
                  "calls go on");
            if (steady_clock::now() < next_line) continue;
            next_line += 10s;
            samples_.push_back(now());
            print(began);
        }
        return finish();
    }

private:
    config make_settings() {
        config values = origins_.settings();
        values.dns.servers = {name_.server()};
        values.dns.min_ttl = 1s;
        values.dns.negative_ttl = 1s;
        // Each rotation of trust is a set of origins more; soon as many as are remembered.
        values.pool.max_origins = 256;
        values.timeouts.first_byte = 2s;
        values.timeouts.body_idle = 2s;
        values.timeouts.queue = 5s;
        values.retry.max_attempts = 2;
        return values;
    }

    void act() {
        request what;
        what.deadline = in(std::chrono::milliseconds(5 + random_() % 2000));
        switch (random_() % 7) {
            case 0: what.url = liar_.url("/"); break;
            case 3:
                what.url = http2_liar_.url("/");
                what.protocol = protocol_policy::http2_only;
                break;
            case 1: what.url = "http://moving.example:" + std::to_string(liar_.port()) + "/"; break;
            case 2: {
                what.url = origins_.url(random_, "/bytes/1000");
                tls_options trust;
                trust.ca_pem = origins_.ca_pem;
                if (random_() % 50 == 0) rotated_ = tls_profile::make(trust);
                what.tls = rotated_;
                break;
            }
            default: return threads::operate(*client_, pool_, origins_, count_, random_);
        }
        client_->async_send(std::move(what), [done = count_.watch()](boost::system::error_code,
                                                                     const response&) { done(); });
    }

    void disturb(unsigned turn) {
        testing::origin& one = *origins_.origins[random_() % origins_.origins.size()];
        switch (turn % 7) {
            case 0: one.restart(5ms); break;
            case 1: one.close_all_connections(testing::close_kind::reset); break;
            case 2: one.stall(50ms); break;
            case 3: one.set_refusing(true); break;
            case 4: name_.move_later(turn / 7); break;
            case 5: one.close_all_connections(testing::close_kind::without_close_notify); break;
            default:
                for (const auto& each : origins_.origins) each->set_refusing(false);
        }
    }

    void print(steady_clock::time_point began) {
        const stats seen = client_->stats();
        const origin_stats total = seen.total();
        const auto passed =
            std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - began);
        std::printf(
            "%5lld s: %llu operations, %llu calls, opened %llu, open %llu, %zu descriptors, "
            "%llu MiB, %llu KiB allocated\n",
            static_cast<long long>(passed.count()),
            static_cast<unsigned long long>(count_.completed.load()),
            static_cast<unsigned long long>(seen.completed),
            static_cast<unsigned long long>(total.opened),
            static_cast<unsigned long long>(total.open), samples_.back().descriptors,
            static_cast<unsigned long long>(samples_.back().memory >> 20U),
            static_cast<unsigned long long>(samples_.back().allocated >> 10U));
        std::fflush(stdout);
    }

    void claim(bool holds, const char* what) {
        if (holds) return;
        std::printf("does not hold: %s\n", what);
        all_hold_ = false;
    }

    bool finish() {
        for (const auto& each : origins_.origins) each->set_refusing(false);
        claim(soon([this] { return count_.is_quiet(); }), "everything completes");
        const stats seen = client_->stats();
        const origin_stats total = seen.total();
        claim(seen.calls == seen.completed && seen.in_flight == 0, "completions = calls");
        claim(total.opened == total.closed + total.open + total.dialing + total.handshaking,
              "opened = closed + open");
        claim(seen.internal_errors == 0, "no broken invariant");
        client_.reset();
        pool_.join();
        claim(count_.is_quiet() && count_.twice == 0, "each completes once");
        const std::size_t half = samples_.size() / 2;
        if (half > 1) {
            const sample first = peak(samples_, 1, half);
            const sample second = peak(samples_, half, samples_.size());
            std::printf("peaks: %llu MiB and %zu descriptors, then %llu MiB and %zu\n",
                        static_cast<unsigned long long>(first.memory >> 20U), first.descriptors,
                        static_cast<unsigned long long>(second.memory >> 20U), second.descriptors);
            claim(static_cast<double>(second.memory) <
                      static_cast<double>(first.memory) * memory_noise + double{memory_slack},
                  "memory is flat");
            claim(second.descriptors <= first.descriptors + descriptor_slack,
                  "descriptors are flat");
        }
        std::printf(
            "%llu operations, %llu calls, %llu completed, opened %llu = closed %llu + open "
            "%llu: %s\n",
            static_cast<unsigned long long>(count_.completed.load()),
            static_cast<unsigned long long>(seen.calls),
            static_cast<unsigned long long>(seen.completed),
            static_cast<unsigned long long>(total.opened),
            static_cast<unsigned long long>(total.closed),
            static_cast<unsigned long long>(total.open + total.dialing + total.handshaking),
            all_hold_ ? "sound" : "NOT SOUND");
        return all_hold_;
    }

    const steady_clock::time_point end_;
    std::minstd_rand random_;
    const std::chrono::milliseconds pause_;  ///< Between turns.
    moving_name name_;
    targets origins_;
    testing::raw_origin liar_;
    testing::raw_origin http2_liar_;
    config settings_;
    tally count_;
    boost::asio::thread_pool pool_{2};
    std::shared_ptr<const tls_profile> rotated_;
    std::unique_ptr<client> client_;
    std::vector<sample> samples_;
    bool all_hold_ = true;
};

}  // namespace

int main(int count, char** values) {
    const long seconds = count > 1 ? std::stol(values[1]) : 60;
    const auto seed = static_cast<unsigned>(count > 2 ? std::stoul(values[2]) : 1);
    const auto rate = static_cast<unsigned>(count > 3 ? std::stoul(values[3]) : 0);
    const std::size_t descriptors = support::open_descriptors();
    bool is_sound = soak(std::chrono::seconds(seconds), seed, rate).run();
    // Threads of the origins may still be ending.
    if (!soon([&] { return support::open_descriptors() <= descriptors + 1; })) {
        std::printf("does not hold: %zu descriptors were lost\n",
                    support::open_descriptors() - descriptors);
        is_sound = false;
    }
    return is_sound ? 0 : 1;
}
