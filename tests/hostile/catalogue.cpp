#include "hostile/catalogue.hpp"

#include <algorithm>

#include "hearth/testing/certificate_authority.hpp"
#include "support/awaited.hpp"
#include "support/server_process.hpp"

namespace hearth::hostile {
namespace {

using support::awaited_response;
using support::eventually;

// Pieces a delivery in small pieces consists of, at most: enough to cut small answers at every
// octet, few enough for answers of megabytes.
constexpr std::size_t max_pieces = 300;

// Answers that a polite connection can give; no case makes more calls.
constexpr int polite_answers = 6;

const testing::certificate_authority& authority() {
    static const testing::certificate_authority made;
    return made;
}

const testing::certificate& own_certificate() {
    static const testing::certificate made = authority().issue();
    return made;
}

std::shared_ptr<const tls_profile> trusting() {
    static const auto made = [] {
        tls_options options;
        options.ca_pem = authority().ca_pem();
        return tls_profile::make(options);
    }();
    return made;
}

void append_polite(script& steps) {
    for (int i = 0; i < polite_answers; ++i) {
        steps.push_back(testing::expect_request());
        steps.push_back(testing::send(sized(polite_body)));
    }
}

/// The script as it is played: in pieces or not, and polite behind its end.
script played(script steps, bool in_pieces) {
    for (testing::script_step& step : steps) {
        if (!in_pieces || step.what != testing::script_step::kind::send) continue;
        const std::size_t piece = std::max<std::size_t>(1, step.bytes.size() / max_pieces);
        step = testing::drip(std::move(step.bytes), piece, std::chrono::nanoseconds(0));
    }
    const bool ends = !steps.empty() && steps.back().what == testing::script_step::kind::close;
    if (!ends) append_polite(steps);
    return steps;
}

/// The client and the origin of one run.
class world {
public:
    world(const hostile_case& one, bool tls, bool in_pieces)
        : origin_(options_for(tls),
                  [&one, in_pieces](std::uint64_t connection) {
                      script steps;
                      if (connection < one.connections.size()) steps = one.connections[connection];
                      return played(std::move(steps), in_pieces);
                  }),
          client_(config_for(one)) {}

    void make(const call& one) {
        if (one.begins_with_open) await_open(*one.begins_with_open);
        request what = one.what;
        what.url = origin_.url(what.url);
        if (one.patience) what.deadline = in(*one.patience);
        const awaited_response done = support::begin_send(client_, std::move(what));
        const response& got = done.value();
        const outcome& expected = one.expected;
        EXPECT_EQ(done.error(), expected.error)
            << done.error().message() << " instead of " << expected.error.message() << "; "
            << got.failure.detail;
        EXPECT_EQ(got.failure.phase, expected.phase) << got.failure.detail;
        EXPECT_EQ(got.status, expected.status);
        EXPECT_EQ(got.attempts, expected.attempts);
        if (expected.body) {
            EXPECT_EQ(got.body, *expected.body);
        }
        if (done.error() && got.failure.bytes_sent != 0) {
            EXPECT_TRUE(got.failure.maybe_processed);
        }
        EXPECT_EQ(done.count(), 1U);
        ++calls_;
    }

    void be_polite(afterwards next) {
        if (next == afterwards::closed_by_itself) await_open(0);
        boost::system::error_code error;
        request what = get("/afterwards");
        what.url = origin_.url(what.url);
        const response got = client_.send(std::move(what), error);
        EXPECT_FALSE(error) << error.message() << "; " << got.failure.detail;
        EXPECT_EQ(got.body, polite_body);
        if (next != afterwards::either) {
            EXPECT_EQ(got.connection.reused, next == afterwards::same_connection);
        }
        ++calls_;
    }

    void check(std::uint64_t max_received_bytes) {
        const stats seen = client_.stats();
        const origin_stats total = seen.total();
        EXPECT_GE(seen.calls, calls_);  // what a redirect leads to counts as well
        EXPECT_EQ(seen.completed, seen.calls);
        EXPECT_EQ(seen.in_flight, 0U);
        EXPECT_EQ(seen.internal_errors, 0U);
        EXPECT_EQ(total.opened, total.closed + total.open + total.dialing + total.handshaking);
        EXPECT_LE(seen.bytes_received, max_received_bytes);
    }

private:
    static testing::listen_options options_for(bool tls) {
        testing::listen_options options;
        options.tls = tls;
        options.server_certificate = own_certificate();
        return options;
    }
    static config config_for(const hostile_case& one) {
        config values;
        values.io.threads = 1;
        values.protocol = protocol_policy::http1_only;
        values.tls.profile = trusting();
        values.pool.dial_patience = std::chrono::milliseconds(0);
        // Of cases that end otherwise: not waited for a whole minute when they do not.
        values.timeouts.first_byte = std::chrono::seconds(20);
        values.timeouts.body_idle = std::chrono::seconds(20);
        if (one.adjust) one.adjust(values);
        return values;
    }
    void await_open(std::uint64_t count) {
        EXPECT_TRUE(eventually([&] { return client_.stats().total().open == count; }))
            << client_.stats().total().open << " connections are open";
    }

    testing::raw_origin origin_;
    client client_;
    std::uint64_t calls_ = 0;
};

void run_once(const hostile_case& one, bool tls, bool in_pieces) {
    SCOPED_TRACE(one.name + (tls ? " under TLS" : " in plaintext") +
                 (in_pieces ? ", in pieces" : ", at once"));
    world both(one, tls, in_pieces);
    for (const call& each : one.calls) both.make(each);
    both.be_polite(one.next);
    both.check(one.max_received_bytes);
}

}  // namespace

void run(const hostile_case& one) {
    (void)trusting();  // what is made once is not a leak
    (void)own_certificate();
    const std::size_t descriptors = support::open_descriptors();
    for (const bool tls : {false, true}) {
        if (one.wires == (tls ? wires::plain_only : wires::tls_only)) continue;
        run_once(one, tls, false);
        if (one.deliveries == deliveries::both) run_once(one, tls, true);
    }
    EXPECT_EQ(support::open_descriptors(), descriptors);
}

request get(std::string path) {
    request what;
    what.url = std::move(path);
    return what;
}

request post(std::string body) {
    request what = get();
    what.method = method::post;
    what.body = std::move(body);
    return what;
}

outcome answered(unsigned status, std::optional<std::string> body) {
    return {.error = {}, .status = status, .body = std::move(body)};
}

outcome refused(errc error, hearth::phase where) { return {.error = error, .phase = where}; }

outcome broken(errc error, unsigned status) {
    return {.error = error, .phase = phase::body, .status = status};
}

hostile_case one_answer(std::string name, std::string octets, outcome expected, afterwards next) {
    return {.name = std::move(name),
            .connections = {{testing::expect_request(), testing::send(std::move(octets))}},
            .calls = {{get(), std::move(expected)}},
            .next = next};
}

hostile_case closing_answer(std::string name, std::string octets, close_kind how,
                            outcome expected) {
    hostile_case one = one_answer(std::move(name), std::move(octets), std::move(expected));
    one.connections.front().push_back(testing::close(how));
    return one;
}

std::string repeated(std::string_view text, std::size_t times) {
    std::string all;
    all.reserve(text.size() * times);
    for (std::size_t i = 0; i < times; ++i) all += text;
    return all;
}

std::string head_with(std::string_view fields) {
    return std::string("HTTP/1.1 200 OK\r\n").append(fields).append("\r\n");
}

std::string chunked(std::string_view rest) {
    return head_with("Transfer-Encoding: chunked\r\n").append(rest);
}

std::string sized(std::string_view body) {
    return head_with("Content-Length: " + std::to_string(body.size()) + "\r\n").append(body);
}

TEST_P(HostileTest, Holds) { run(GetParam()); }

}  // namespace hearth::hostile
