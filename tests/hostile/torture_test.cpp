// Torture: a whole session of a client, again and again, in which each system call fails once, in
// each way it can; and sessions in which every transfer is short, interrupted or not possible yet.
//
// Whatever fails: each call completes once, with its own whole answer or an error that blames the
// connection; no descriptor and no count is lost; and the next request after the fault is answered.
#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <optional>
#include <thread>
#include <vector>

#include "hearth/testing/origin.hpp"
#include "hostile/name_server.hpp"
#include "hostile/system_faults.hpp"
#include "hostile/tunnel_proxy.hpp"
#include "support/awaited.hpp"
#include "support/encoded.hpp"
#include "support/server_process.hpp"

namespace hearth::hostile {
namespace {

using boost::system::error_code;
using std::chrono::milliseconds;
using support::awaited_exchange;
namespace asio = boost::asio;

constexpr std::size_t large = 100'000;
constexpr std::size_t small = 3'000;

/// On the way to the origin: a name and sendfile; a tunnel of a proxy.
enum class wire { plain, tls, http2, tunnel };

/// What there is beside the client; none of it is afflicted.
struct surroundings {
    explicit surroundings(wire chosen) : by(chosen), origin(options_for(chosen)) {
        if (by == wire::tunnel) proxy.emplace(origin.port());
        origin.on("/gzip", [body = support::gzip_encoded(testing::pattern_octets(0, small))](
                               const testing::request_view&, testing::responder out) {
            out.answer({.headers = {{"content-encoding", "gzip"}}, .body = body});
        });
    }
    [[nodiscard]] std::string url(const std::string& path) const {
        if (by != wire::plain) return origin.url(path);
        return "http://some.test:" + std::to_string(origin.port()) + path;
    }

    const wire by;
    testing::origin origin;
    name_server names;
    std::optional<tunnel_proxy> proxy;

private:
    static testing::origin_options options_for(wire by) {
        testing::origin_options options;
        options.listen.tls = by != wire::plain;
        if (by == wire::http2) options.listen.alpn = {"h2"};
        return options;
    }
};

/// A client whose one thread is afflicted.
class tormented_client {
public:
    explicit tormented_client(const surroundings& world)
        : work_(asio::make_work_guard(context_)),
          client_(std::in_place, client::executor_type(context_.get_executor()),
                  config_for(world)) {
        thread_ = std::thread([this] {
            const afflicted here;
            context_.run();
        });
    }
    ~tormented_client() {
        client_.reset();
        work_.reset();
        thread_.join();
    }
    tormented_client(const tormented_client&) = delete;
    tormented_client& operator=(const tormented_client&) = delete;

    client& operator*() { return *client_; }
    client* operator->() { return &*client_; }

private:
    static config config_for(const surroundings& world) {
        config values;
        values.dns.servers = {world.names.address()};
        if (world.proxy)
            values.proxy.for_https = {proxy_kind::http, "127.0.0.1", world.proxy->port()};
        values.pool.dial_patience = milliseconds(0);
        values.pool.min_backoff = milliseconds(1);
        values.pool.max_backoff = milliseconds(1);
        values.redirect.enabled = true;
        values.decode.enabled = true;
        values.io.receive_buffer = large / 4;  // no large body comes with its head, all of it
        if (!world.origin.ca_pem().empty()) {
            tls_options options;
            options.ca_pem = world.origin.ca_pem();
            values.tls.profile = tls_profile::make(options);
        }
        return values;
    }

    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::optional<client> client_;
    std::thread thread_;
};

struct expected_answer {
    request what;
    unsigned status = 200;
    std::optional<std::string> body{};
};

/// A file of `large` octets, for as long as the process lives.
int large_file() {
    static const int descriptor = [] {
        const std::string octets = testing::pattern_octets(0, large);
        const int made = ::memfd_create("large", MFD_CLOEXEC);
        EXPECT_EQ(::write(made, octets.data(), octets.size()), static_cast<ssize_t>(large));
        return made;
    }();
    return descriptor;
}

bool is_excused(error_code error) {
    return error == errc_condition::peer_fault || error == errc::connect_failed ||
           error == errc::handshake_failed || error == errc::descriptor_limit ||
           error == errc::name_failed || error == errc::proxy_failed ||
           error == errc_condition::timeout;
}

/// Receives a body into a file; true if all of it came.
bool download(client& subject, const surroundings& world, std::size_t size) {
    const int file = ::memfd_create("download", MFD_CLOEXEC);
    request what;
    what.url = world.url("/bytes/" + std::to_string(size));
    awaited_exchange opened;
    subject.async_open(std::move(what), opened.handler());
    error_code error = opened.error();
    std::size_t written = 0;
    if (!error) {
        exchange& from = opened.value();
        support::awaited_size read;
        from.async_read_to({.descriptor = file, .offset = 0, .length = 2 * size}, read.handler());
        error = read.error();
        written = read.value();
        EXPECT_EQ(read.count(), 1U);
    }
    std::string octets(written, '\0');
    EXPECT_EQ(::pread(file, octets.data(), written, 0), static_cast<ssize_t>(written));
    EXPECT_TRUE(octets == testing::pattern_octets(0, written)) << "octets are wrong";
    ::close(file);
    if (error == asio::error::eof) {
        EXPECT_EQ(written, size);
        return true;
    }
    const bool is_of_file = error.category() == boost::system::system_category();
    EXPECT_TRUE(is_excused(error) || is_of_file) << error.message();
    return false;
}

/// Asks for a body and lets go of it.
void abandon(client& subject, const surroundings& world, std::size_t size) {
    request what;
    what.url = world.url("/chunked/" + std::to_string(size));
    awaited_exchange opened;
    subject.async_open(std::move(what), opened.handler());
    EXPECT_TRUE(!opened.error() || is_excused(opened.error())) << opened.error().message();
}

/// What a client does in a day.
std::vector<expected_answer> session(const surroundings& world, std::size_t size) {
    const auto get = [&](const std::string& path) {
        request what;
        what.url = world.url(path);
        return what;
    };
    const std::string octets = testing::pattern_octets(0, size);
    std::vector<expected_answer> all;
    all.push_back({get("/bytes/10"), 200, testing::pattern_octets(0, 10)});
    all.push_back({get("/bytes/" + std::to_string(size)), 200, octets});
    all.push_back({get("/chunked/" + std::to_string(size)), 200, octets});
    all.push_back({get("/status/204"), 204, ""});
    all.push_back({get("/redirect/2"), 200});
    all.push_back({get("/trailers"), 200});
    all.push_back({get("/no-keepalive"), 200});
    all.push_back({get("/status/103"), 200});
    all.push_back({get("/gzip"), 200, testing::pattern_octets(0, small)});
    request echo = get("/echo");
    echo.method = method::post;
    echo.body = octets;
    all.push_back({std::move(echo), 200});
    all.push_back({get("/status/503"), 503});
    request head = get("/bytes/10");
    head.method = method::head;
    all.push_back({std::move(head), 200, ""});
    for (const bool waits : {false, true}) {
        request up = get(waits ? "/continue" : "/upload");
        up.method = method::put;
        up.body = octets;
        up.expect_continue = waits;
        all.push_back({std::move(up), 200});
    }
    request file = get("/upload");
    file.method = method::put;
    file.body = file_range{.descriptor = large_file(), .offset = 0, .length = size};
    all.push_back({std::move(file), 200});
    return all;
}

void expect_sound(error_code error, const response& got, const expected_answer& expected) {
    if (!error) {
        EXPECT_EQ(got.status, expected.status);
        if (expected.body) {
            EXPECT_TRUE(got.body == *expected.body) << "octets are wrong";
        }
        return;
    }
    EXPECT_TRUE(is_excused(error)) << error.message() << "; " << got.failure.detail;
    EXPECT_NE(got.failure.phase, phase::none);
}

/// Runs the session under the plan; true if every call was answered.
bool run_session(const surroundings& world, const fault_plan& plan, std::size_t size = large) {
    set_faults(plan);
    bool all_answered = true;
    const std::size_t descriptors = support::open_descriptors();
    {
        tormented_client subject(world);
        std::uint64_t calls = 0;
        const auto check = [&](const support::awaited_response& done,
                               const expected_answer& expected) {
            expect_sound(done.error(), done.value(), expected);
            if (done.error()) all_answered = false;
            ++calls;
        };
        if (!download(*subject, world, size)) all_answered = false;
        abandon(*subject, world, size);
        // One after the other, so that connections are used again; then all at once.
        for (const expected_answer& each : session(world, size)) {
            check(support::begin_send(*subject, each.what), each);
        }
        std::vector<support::awaited_response> begun;
        const std::vector<expected_answer> all = session(world, size);
        for (const expected_answer& each : all) {
            begun.push_back(support::begin_send(*subject, each.what));
        }
        for (std::size_t i = 0; i < all.size(); ++i) check(begun[i], all[i]);
        if (plan.call != system_call::count_) {  // the fault is over
            request last;
            last.url = world.url("/bytes/10");
            error_code error;
            EXPECT_EQ(subject->send(std::move(last), error).status, 200U) << error.message();
            ++calls;
        }
        for (const support::awaited_response& each : begun) EXPECT_EQ(each.count(), 1U);
        const stats seen = subject->stats();
        const origin_stats total = seen.total();
        EXPECT_EQ(seen.calls, seen.completed);
        EXPECT_GT(seen.calls, calls);
        EXPECT_EQ(seen.internal_errors, 0U);
        EXPECT_EQ(total.opened, total.closed + total.open + total.dialing + total.handshaking);
    }
    // The origin may still be about to notice the ends.
    EXPECT_TRUE(support::eventually([&] { return support::open_descriptors() <= descriptors; }));
    return all_answered;
}

class HostileTortureTest : public ::testing::TestWithParam<wire> {
protected:
    HostileTortureTest() {
        (void)large_file();  // what is made once is made now
        EXPECT_TRUE(run_session(world_, {}));
    }
    const surroundings world_{GetParam()};
};

TEST_P(HostileTortureTest, EveryCallMayFailInEveryWay) {
    const std::vector<std::pair<system_call, std::vector<int>>> ways = {
        {system_call::socket, {EMFILE, ENFILE, ENOBUFS}},
        {system_call::connect, {ECONNREFUSED, ENETUNREACH, EADDRNOTAVAIL, ETIMEDOUT}},
        {system_call::socket_error, {ECONNREFUSED, ETIMEDOUT}},
        {system_call::epoll_add, {ENOMEM, ENOSPC}},
        {system_call::recv, {ECONNRESET, ETIMEDOUT}},
        {system_call::send, {EPIPE, ECONNRESET}},
        {system_call::sendfile, {EPIPE, ECONNRESET, EINVAL}},
        {system_call::splice_in, {ECONNRESET, EINVAL, ENOMEM, ETIMEDOUT}},
        {system_call::splice_out, {EINVAL, ENOSPC, EIO}},
    };
    for (const auto& [call, errors] : ways) {
        if (call >= system_call::sendfile && GetParam() != wire::plain) continue;  // TLS has none
        std::uint64_t at = 0;
        for (;; ++at) {
            const int error = errors[at % errors.size()];
            SCOPED_TRACE("call " + std::to_string(static_cast<int>(call)) + " number " +
                         std::to_string(at) + " error " + std::to_string(error));
            (void)run_session(world_, {.call = call, .at = at, .error = error});
            if (HasFailure()) return;
            if (calls_made(call) <= at) break;
        }
        EXPECT_GT(at, 0U) << "call " << static_cast<int>(call) << " is never made";
    }
}

// A suspended machine, or a debugger: every timer is due at once, wherever that happens.
TEST_P(HostileTortureTest, TimeMayLeapAtAnyMoment) {
    constexpr std::uint64_t stride = 7;  // there are some thousand looks at the clock
    for (const std::int64_t seconds : {1, 70, 100'000}) {
        std::uint64_t at = 0;
        for (;; at += stride) {
            SCOPED_TRACE(std::to_string(seconds) + " s at look number " + std::to_string(at));
            (void)run_session(world_,
                              {.call = system_call::clock, .at = at, .leap_seconds = seconds});
            if (HasFailure()) return;
            if (calls_made(system_call::clock) <= at) break;
        }
        EXPECT_GT(at, 10 * stride) << "the clock is looked at more often than that";
    }
}

TEST_P(HostileTortureTest, EveryTransferMayBeShort) {
    for (std::size_t most = 1; most <= 64; ++most) {
        SCOPED_TRACE("at most " + std::to_string(most) + " octets");
        EXPECT_TRUE(run_session(world_, {.most_received = most, .most_sent = most}, small));
    }
    for (const std::size_t most : {100U, 1'000U, 16'383U, 16'384U, 16'385U}) {
        SCOPED_TRACE("at most " + std::to_string(most) + " octets");
        EXPECT_TRUE(run_session(world_, {.most_received = most, .most_sent = most}));
    }
}

TEST_P(HostileTortureTest, EveryTransferMayHaveToBeRepeated) {
    for (const std::uint32_t every : {1U, 2U, 3U, 7U}) {
        SCOPED_TRACE("every " + std::to_string(every));
        EXPECT_TRUE(run_session(world_, {.blocks_every = every}));
        EXPECT_TRUE(run_session(world_, {.interrupts_every = every}));
        EXPECT_TRUE(run_session(world_, {.most_received = 1000,
                                         .most_sent = 1000,
                                         .blocks_every = every,
                                         .interrupts_every = every + 2}));
    }
}

TEST_P(HostileTortureTest, ReadinessMayComeLaterAndInAnotherOrder) {
    for (const std::uint32_t every : {1U, 2U, 3U, 5U}) {
        SCOPED_TRACE("every " + std::to_string(every));
        EXPECT_TRUE(run_session(world_, {.delays_every = every}));
        EXPECT_TRUE(run_session(
            world_,
            {.most_received = 1000, .most_sent = 1000, .blocks_every = 3, .delays_every = every}));
    }
}

std::string name_of(const ::testing::TestParamInfo<wire>& one) {
    if (one.param == wire::plain) return "Plain";
    if (one.param == wire::tls) return "Tls";
    return one.param == wire::http2 ? "Http2" : "Tunnel";
}
INSTANTIATE_TEST_SUITE_P(Wire, HostileTortureTest,
                         ::testing::Values(wire::plain, wire::tls, wire::http2, wire::tunnel),
                         name_of);

}  // namespace
}  // namespace hearth::hostile
