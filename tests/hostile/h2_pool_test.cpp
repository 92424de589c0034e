// What an HTTP/2 origin can make of the others on its connection, and of repeats: resets, GOAWAY,
// ends of connections, limits on streams, answers nobody waits for any more.
#include <algorithm>

#include "hostile/h2_catalogue.hpp"
#include "support/awaited.hpp"

namespace hearth::hostile {
namespace {

using std::chrono::milliseconds;
using support::awaited_response;
using support::begin_send;
using s = std::uint32_t;

outcome again(outcome what) {
    what.attempts = 2;
    return what;
}
h2_case posting(h2_case one) {
    one.name = "Post" + one.name;
    one.what = post();
    return one;
}
frames_for reset(std::uint32_t code) {
    return [code](s n) { return h2::rst_stream(n, code); };
}

// What is certainly not processed is repeated; nothing else is, whatever the method.
std::vector<h2_case> resets() {
    const outcome lost = refused(errc::peer_reset);
    const outcome cut = broken(errc::peer_truncated);
    const outcome good = answered(200, polite_body);
    std::vector<h2_case> all = {
        says("WithoutError", reset(no_error), lost),
        says("ProtocolError", reset(protocol_error), lost),
        says("InternalError", reset(2), lost),
        says("Cancel", reset(cancel), lost),
        says("UnknownCode", reset(0xbad), lost),
        says("Refused", reset(refused_stream), again(good)),
    };
    for (std::size_t i = 0, plain = all.size(); i < plain; ++i) all.push_back(posting(all[i]));
    const auto in_body = [&](std::string name, std::uint32_t code) {
        return says(
            std::move(name),
            [code](s n) { return head_of(n) + h2::data(n, "part") + h2::rst_stream(n, code); },
            cut);
    };
    all.push_back(in_body("WithoutErrorInBody", no_error));
    all.push_back(in_body("CancelInBody", cancel));
    all.push_back(in_body("RefusedInBody", refused_stream));
    all.push_back(says(
        "RefusedBehindHead", [](s n) { return head_of(n) + h2::rst_stream(n, refused_stream); },
        cut));
    all.push_back(says(
        "DataBehindReset",
        [](s n) { return h2::rst_stream(n, cancel) + h2::data(n, "x", h2::end_stream); }, lost));
    all.push_back(says(
        "AnswerBehindReset", [](s n) { return h2::rst_stream(n, cancel) + polite_answer(n); },
        lost));
    all.push_back(says(
        "Twice", [](s n) { return h2::rst_stream(n, cancel) + h2::rst_stream(n, cancel); }, lost));
    return all;
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, Reset, resets);

std::vector<h2_case> goaways() {
    const outcome good = answered(200, polite_body);
    const auto goaway = [](s last, std::uint32_t code) {
        return [last, code](s) { return h2::goaway(last, code); };
    };
    return {
        says("BelowTheRequest", goaway(0, no_error), again(good), false),
        says("BelowTheRequestWithError", goaway(0, enhance_your_calm), again(good), false),
        says(
            "BelowTheRequestThenItsAnswer",
            [](s n) { return h2::goaway(0, 0) + h2::status(n, "200", h2::end_stream); },
            again(good), false),
        posting(says("BelowTheRequest", goaway(0, no_error), again(good), false)),
        says(
            "ThenAnswer", [](s n) { return h2::goaway(n, 0) + polite_answer(n); }, good, false),
        says(
            "WithErrorThenAnswer", [](s n) { return h2::goaway(n, 2) + polite_answer(n); }, good,
            false),
        says(
            "InBody",
            [](s n) {
                return head_of(n) + h2::goaway(n, 0) + h2::data(n, polite_body, h2::end_stream);
            },
            good, false),
        says(
            "AnnouncedThenMeant",
            [](s n) { return h2::goaway(0x7fffffff, 0) + h2::goaway(n, 0) + polite_answer(n); },
            good, false),
        says(
            "AnnouncedThenBelowTheRequest",
            [](s) { return h2::goaway(0x7fffffff, 0) + h2::goaway(0, 0); }, again(good), false),
        says(
            "ThenReset", [](s n) { return h2::goaway(n, 0) + h2::rst_stream(n, 2); },
            refused(errc::peer_reset), false),
        says(
            "ThenRefused", [](s n) { return h2::goaway(n, 0) + h2::rst_stream(n, 7); }, again(good),
            false),
        breaks_connection("ThatGrows", protocol_error,
                          [](s n) { return h2::goaway(n, 0) + h2::goaway(n + 2, 0); }),
        breaks_connection("ThenFault", protocol_error,
                          [](s n) { return h2::goaway(n, 0) + h2::window_update(0, 0); }),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, Goaway, goaways);

// Ends of connections, announced or not.
std::vector<h2_case> ends() {
    const auto ending = [](h2_case one) {
        one.ends = true;
        return one;
    };
    const outcome closed = refused(errc::peer_closed);
    std::vector<h2_case> all = {
        ending(says(
            "Unannounced", [](s) { return std::string(); }, closed, false)),
        ending(says(
            "BehindGoaway", [](s n) { return h2::goaway(n, 0); }, closed, false)),
        ending(says(
            "BehindGoawayBelowTheRequest", [](s) { return h2::goaway(0, 0); },
            again(answered(200, polite_body)), false)),
        ending(says(
            "InHead", [](s n) { return h2::frame_head(9, h2::headers_frame, 4, n) + "x"; }, closed,
            false)),
        ending(says(
            "InBody", [](s n) { return head_of(n) + h2::data(n, "part"); },
            broken(errc::peer_truncated), false)),
    };
    for (std::size_t i = 0, plain = all.size(); i < plain; ++i) all.push_back(posting(all[i]));
    return all;
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, End, ends);

// Many exchanges on one connection.

class HostileHttp2PoolTest : public ::testing::TestWithParam<bool> {
protected:
    [[nodiscard]] static bool is_tls() { return GetParam(); }

    /// Waits for so many requests, and returns their streams.
    static std::vector<s> await_requests(h2_side& side, std::size_t count) {
        std::vector<s> streams;
        while (streams.size() < count) {
            const s stream = side.await_request();
            if (stream == 0) break;
            streams.push_back(stream);
        }
        return streams;
    }
    static std::vector<awaited_response> begin(client& subject, const h2_origin& origin,
                                               std::size_t count, bool posts) {
        std::vector<awaited_response> calls;
        for (std::size_t i = 0; i < count; ++i) {
            request what = posts ? post() : get();
            what.url = origin.url();
            calls.push_back(begin_send(subject, std::move(what)));
        }
        return calls;
    }
    static std::size_t answered_of(const std::vector<awaited_response>& calls) {
        return static_cast<std::size_t>(
            std::count_if(calls.begin(), calls.end(), [](const awaited_response& call) {
                return !call.error() && call.value().body == polite_body;
            }));
    }
};

TEST_P(HostileHttp2PoolTest, ConnectionErrorFailsEveryOpenStreamOnce) {
    h2_origin origin(is_tls(), [](h2_side& side, std::uint64_t index) {
        if (!side.open(h2_greeting())) return;
        if (index == 0) {
            const auto streams = await_requests(side, 6);
            if (streams.size() == 6) (void)side.say(polite_answer(streams[2]) + h2::data(0, "x"));
        }
        side.be_polite();
    });
    client subject(h2_config(is_tls()));
    auto calls = begin(subject, origin, 3, false);
    for (auto& each : begin(subject, origin, 3, true)) calls.push_back(each);
    EXPECT_EQ(answered_of(calls), 1U);
    for (const awaited_response& call : calls) {
        EXPECT_TRUE(!call.error() || call.error() == errc::peer_protocol_error);
        EXPECT_EQ(call.value().attempts, 1U);
    }
    const auto after = begin(subject, origin, 2, true);
    EXPECT_EQ(answered_of(after), 2U);
    EXPECT_EQ(origin.accepted(), 2U);
    for (const awaited_response& call : calls) EXPECT_EQ(call.count(), 1U);
    origin.end();
    EXPECT_EQ(origin.told(0), "goaway 1");
    EXPECT_EQ(origin.requests(), 8U);
}

TEST_P(HostileHttp2PoolTest, StreamErrorFailsItsStreamOnly) {
    h2_origin origin(is_tls(), [](h2_side& side, std::uint64_t) {
        if (!side.open(h2_greeting())) return;
        const auto streams = await_requests(side, 5);
        std::string answers;
        for (const s n : streams) {
            answers += n == 5 ? h2::headers(n, {{"a", "b"}}, h2::end_stream) : polite_answer(n);
        }
        (void)side.say(answers);
        side.be_polite();
    });
    client subject(h2_config(is_tls()));
    const auto calls = begin(subject, origin, 5, true);
    EXPECT_EQ(answered_of(calls), 4U);
    EXPECT_EQ(subject.stats().total().opened, 1U);
    origin.end();
    EXPECT_EQ(origin.told(0), "reset 5 1");
}

TEST_P(HostileHttp2PoolTest, EndOfConnectionRepeatsOnlyWhatMayBe) {
    h2_origin origin(is_tls(), [](h2_side& side, std::uint64_t index) {
        if (!side.open(h2_greeting())) return;
        if (index == 0) {
            if (const s first = side.await_request()) (void)side.say(polite_answer(first));
            (void)await_requests(side, 4);
            return;
        }
        side.be_polite();
    });
    client subject(h2_config(is_tls()));
    EXPECT_EQ(answered_of(begin(subject, origin, 1, false)), 1U);
    const auto posts = begin(subject, origin, 2, true);
    const auto gets = begin(subject, origin, 2, false);
    EXPECT_EQ(answered_of(posts), 0U);
    for (const awaited_response& call : posts) {
        EXPECT_EQ(call.error(), errc::peer_closed) << call.value().failure.detail;
        EXPECT_TRUE(call.value().failure.maybe_processed);
    }
    EXPECT_EQ(answered_of(gets), 2U);
    origin.end();
    EXPECT_EQ(origin.requests(), 7U);
}

TEST_P(HostileHttp2PoolTest, GoawayMovesWhatIsAboveItsLastStream) {
    h2_origin origin(is_tls(), [](h2_side& side, std::uint64_t index) {
        if (!side.open(h2_greeting())) return;
        if (index == 0 && await_requests(side, 4).size() == 4) {
            (void)side.say(h2::goaway(3, 0) + polite_answer(3) + polite_answer(1));
        }
        side.be_polite();
    });
    client subject(h2_config(is_tls()));
    const auto calls = begin(subject, origin, 4, true);
    EXPECT_EQ(answered_of(calls), 4U);
    unsigned attempts = 0;
    for (const awaited_response& call : calls) attempts += call.value().attempts;
    EXPECT_EQ(attempts, 6U);
    EXPECT_EQ(origin.accepted(), 2U);
    origin.end();
    EXPECT_EQ(origin.told(0), "");
    EXPECT_EQ(origin.requests(), 6U);
}

TEST_P(HostileHttp2PoolTest, LateAnswersOfCancelledExchangesAreNobodys) {
    h2_origin origin(is_tls(), [](h2_side& side, std::uint64_t) {
        if (!side.open(h2_greeting())) return;
        if (const s n = side.await_request()) {
            side.await(h2::rst_stream_frame, n);
            (void)side.say(h2::status(n, "500") + h2::data(n, "evil", h2::end_stream));
        }
        side.be_polite();
    });
    client subject(h2_config(is_tls()));
    request what = get();
    what.url = origin.url();
    what.deadline = in(milliseconds(100));
    boost::system::error_code error;
    (void)subject.send(std::move(what), error);
    EXPECT_EQ(error, errc::deadline_exceeded);
    EXPECT_EQ(answered_of(begin(subject, origin, 3, true)), 3U);
    EXPECT_EQ(origin.accepted(), 1U);
    origin.end();
    EXPECT_EQ(origin.told(0), "reset 1 8");
}

TEST_P(HostileHttp2PoolTest, FaultInALateAnswerBreaksTheConnectionNotTheNextExchange) {
    h2_origin origin(is_tls(), [](h2_side& side, std::uint64_t index) {
        if (!side.open(h2_greeting())) return;
        if (index == 0) {
            if (const s n = side.await_request()) {
                side.await(h2::rst_stream_frame, n);
                (void)side.say(
                    h2::frame(h2::headers_frame, h2::end_headers, n, "\xff\xff\xff\x7f"));
            }
        }
        side.be_polite();
    });
    client subject(h2_config(is_tls()));
    request what = get();
    what.url = origin.url();
    what.deadline = in(milliseconds(100));
    boost::system::error_code error;
    (void)subject.send(std::move(what), error);
    EXPECT_TRUE(support::eventually([&] { return subject.stats().total().open == 0; }));
    EXPECT_EQ(answered_of(begin(subject, origin, 1, true)), 1U);
    origin.end();
    EXPECT_EQ(origin.told(0), "reset 1 8, goaway 9");
}

TEST_P(HostileHttp2PoolTest, ReaderWhoDoesNotReadIsNotOverrun) {
    h2_origin origin(is_tls(), [](h2_side& side, std::uint64_t) {
        if (!side.open(h2_greeting())) return;
        if (const s n = side.await_request()) {
            std::string body;
            for (int i = 0; i < 64; ++i) body += h2::data(n, std::string(16'000, 'x'));
            (void)side.say(head_of(n) + body);  // a mebibyte: twice the window
        }
        side.be_polite();
    });
    client subject(h2_config(is_tls()));
    request what = get();
    what.url = origin.url();
    exchange opened = support::open(subject, std::move(what));
    EXPECT_EQ(support::read_head(opened).value().status, 200U);
    EXPECT_EQ(answered_of(begin(subject, origin, 1, true)), 1U);  // behind the flood
    boost::system::error_code end;
    const std::string body = support::read_body(opened, end);
    EXPECT_EQ(end, errc::peer_protocol_error);
    EXPECT_LE(body.size(), 512U * 1024U);
    EXPECT_EQ(origin.accepted(), 1U);
    origin.end();
    EXPECT_EQ(origin.told(0), "reset 1 3");
}

TEST_P(HostileHttp2PoolTest, BodyWithoutEndBehindItsResetEndsTheConnection) {
    h2_origin origin(is_tls(), [](h2_side& side, std::uint64_t index) {
        if (!side.open(h2_greeting())) return;
        if (index == 0) {
            if (const s n = side.await_request()) {
                (void)side.say(head_of(n));
                side.flood(h2::data(n, std::string(16'000, 'x')));
            }
        }
        side.be_polite();
    });
    config values = h2_config(is_tls());
    values.max_body_bytes = 1000;
    client subject(values);
    EXPECT_EQ(begin(subject, origin, 1, false).front().error(), errc::body_limit);
    EXPECT_TRUE(support::eventually([&] { return subject.stats().total().open == 0; }));
    EXPECT_LE(subject.stats().bytes_received, std::uint64_t{16} << 20U);
    EXPECT_EQ(answered_of(begin(subject, origin, 1, true)), 1U);
    origin.end();
    EXPECT_EQ(origin.told(0), "reset 1 8, goaway 11");
}

// An origin that never serves anybody gets few connections.

void expect_few_connections(bool is_tls, const std::function<void(h2_side&)>& play) {
    h2_origin origin(is_tls, [&](h2_side& side, std::uint64_t) {
        play(side);
        side.be_polite();
    });
    client subject(h2_config(is_tls));
    std::vector<awaited_response> calls;
    for (int i = 0; i < 5; ++i) {
        request what = get();
        what.url = origin.url();
        what.deadline = in(milliseconds(700));
        calls.push_back(begin_send(subject, std::move(what)));
    }
    for (const awaited_response& call : calls) {
        EXPECT_TRUE(call.error());
        EXPECT_EQ(call.count(), 1U);
    }
    EXPECT_LE(origin.accepted(), 20U);
    const stats seen = subject.stats();
    EXPECT_EQ(seen.calls, seen.completed);
    EXPECT_EQ(seen.internal_errors, 0U);
}

TEST_P(HostileHttp2PoolTest, GoawayInPlaceOfAGreetingGetsFewConnections) {
    expect_few_connections(is_tls(), [](h2_side& side) {
        (void)side.open_first(h2::settings() + h2::goaway(0, no_error));
    });
}

TEST_P(HostileHttp2PoolTest, GoawayBehindTheGreetingGetsFewConnections) {
    expect_few_connections(
        is_tls(), [](h2_side& side) { (void)side.open(h2_greeting() + h2::goaway(0, no_error)); });
}

TEST_P(HostileHttp2PoolTest, GoawayForEveryRequestGetsFewConnections) {
    expect_few_connections(is_tls(), [](h2_side& side) {
        if (side.open(h2_greeting()) && side.await_head() != 0) {
            (void)side.say(h2::goaway(0, enhance_your_calm));
        }
    });
}

TEST_P(HostileHttp2PoolTest, NoStreamsAtAllGetFewConnections) {
    expect_few_connections(is_tls(), [](h2_side& side) {
        (void)side.open(h2::settings({{3, 0}}) + h2::settings_ack());
        while (const s n = side.await_head()) (void)side.say(h2::rst_stream(n, refused_stream));
    });
}

TEST_P(HostileHttp2PoolTest, RefusalOfEveryStreamEndsInAnError) {
    expect_few_connections(is_tls(), [](h2_side& side) {
        if (!side.open(h2_greeting())) return;
        while (const s n = side.await_head()) (void)side.say(h2::rst_stream(n, refused_stream));
    });
}

INSTANTIATE_TEST_SUITE_P(Wire, HostileHttp2PoolTest, ::testing::Bool(),
                         [](const auto& one) { return one.param ? "Tls" : "Plain"; });

}  // namespace
}  // namespace hearth::hostile
