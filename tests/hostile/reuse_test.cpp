// Connections after an answer: octets nobody asked for, ends while idle, and requests that meet a
// dead connection. What was meant for one request never answers another, and what may have been
// processed is not sent twice unless that is safe.
#include "hostile/catalogue.hpp"
#include "support/awaited.hpp"

namespace hearth::hostile {
namespace {

using std::chrono::milliseconds;
using testing::expect_request;
using testing::send;

const std::string evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

request with_method(const method& what) {
    request one = get();
    one.method = what;
    return one;
}

hostile_case surplus(std::string name, std::string octets, outcome expected,
                     const method& how = method::get) {
    hostile_case one = one_answer(std::move(name), std::move(octets), std::move(expected),
                                  afterwards::closed_by_itself);
    one.calls.front().what = with_method(how);
    return one;
}

// Response splitting: a second answer behind the first one belongs to nobody.
std::vector<hostile_case> surpluses() {
    const std::string five = "Content-Length: 5\r\n";
    return {
        surplus("BehindLength", sized("hello") + evil, answered(200, "hello")),
        surplus("BehindChunks", chunked("5\r\nhello\r\n0\r\n\r\n") + evil, answered(200, "hello")),
        surplus("BehindEmpty", head_with("Content-Length: 0\r\n") + evil, answered(200, "")),
        surplus("Behind204", "HTTP/1.1 204 No\r\n\r\n" + evil, answered(204, "")),
        surplus("Behind304", "HTTP/1.1 304 No\r\n" + five + "\r\n" + evil, answered(304, "")),
        surplus("BodyOf204", "HTTP/1.1 204 No\r\n\r\nhello", answered(204, "")),
        surplus("BodyOf304", "HTTP/1.1 304 No\r\n" + five + "\r\nhello", answered(304, "")),
        surplus("BodyOfHead", head_with(five) + "hello", answered(200, ""), method::head),
        surplus("ChunksOfHead", chunked("5\r\nhello\r\n0\r\n\r\n"), answered(200, ""),
                method::head),
        surplus("EvilBehindHead", head_with(five) + evil, answered(200, ""), method::head),
        surplus("OneOctet", sized("hello") + "x", answered(200, "hello")),
        surplus("Crlf", sized("hello") + "\r\n", answered(200, "hello")),
        surplus("Nul", sized("hello") + raw("\0"), answered(200, "hello")),
        surplus("Informational", sized("hello") + "HTTP/1.1 103 Hints\r\n\r\n",
                answered(200, "hello")),
        surplus("LengthTooShort", head_with("Content-Length: 3\r\n") + "hello",
                answered(200, "hel")),
        surplus("SecondLastChunk", chunked("5\r\nhello\r\n0\r\n\r\n0\r\n\r\n"),
                answered(200, "hello")),
    };
}
HEARTH_HOSTILE_CASES(Surplus, surpluses);

/// An answer, then something happens to the idle connection.
hostile_case while_idle(std::string name, script more, afterwards next) {
    hostile_case one = one_answer(std::move(name), sized("hello"), answered(200, "hello"), next);
    script& steps = one.connections.front();
    steps.insert(steps.end(), more.begin(), more.end());
    return one;
}

std::vector<hostile_case> idle_events() {
    const auto closed = afterwards::closed_by_itself;
    const script later = {testing::wait(milliseconds(20))};
    const auto with = [&](std::vector<testing::script_step> more) {
        script steps = later;
        steps.insert(steps.end(), more.begin(), more.end());
        return steps;
    };
    const std::string timeout =
        "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n";
    return {
        while_idle("Answer", with({send(evil)}), closed),
        while_idle("OneOctet", with({send("x")}), closed),
        while_idle("Informational", with({send("HTTP/1.1 100 Continue\r\n\r\n")}), closed),
        while_idle("Timeout408", with({send(timeout), testing::close()}), closed),
        while_idle("Close", with({testing::close()}), closed),
        while_idle("CloseWithoutNotify", with({testing::close(close_kind::without_close_notify)}),
                   closed),
        while_idle("Reset", with({testing::close(close_kind::reset)}), closed),
        while_idle("Ticket", with({testing::new_ticket()}), afterwards::same_connection),
        while_idle("KeyUpdate", with({testing::key_update()}), afterwards::same_connection),
    };
}
HEARTH_HOSTILE_CASES(Idle, idle_events);

/// A connection that has answered once and ends as soon as a second request has arrived.
script answers_once(close_kind how, std::string second = {}) {
    script steps = {expect_request(), send(sized("hello")), expect_request()};
    if (!second.empty()) steps.push_back(send(std::move(second)));
    steps.push_back(testing::close(how));
    return steps;
}
script dies_at_once(close_kind how) { return {expect_request(), testing::close(how)}; }

hostile_case stale(std::string name, std::vector<script> connections, request second,
                   outcome expected) {
    return {.name = std::move(name),
            .connections = std::move(connections),
            .calls = {{get(), answered(200, "hello")}, {std::move(second), std::move(expected)}},
            .next = expected.error ? afterwards::other_connection : afterwards::same_connection};
}

outcome again(outcome what, unsigned attempts) {
    what.attempts = attempts;
    return what;
}

// RFC 9110 9.2.2: the request reached the origin, which may have acted on it before it went away.
std::vector<hostile_case> stale_connections() {
    const auto clean = close_kind::clean;
    const auto reset = close_kind::reset;
    const auto polite = again(answered(200, polite_body), 2);
    request safe_post = post();
    safe_post.idempotent = true;
    request unsafe_get = get();
    unsafe_get.idempotent = false;
    return {
        stale("GetIsRepeated", {answers_once(clean)}, get(), polite),
        stale("GetIsRepeatedAfterReset", {answers_once(reset)}, get(), polite),
        stale("PutIsRepeated", {answers_once(clean)}, with_method(method::put), polite),
        stale("DeleteIsRepeated", {answers_once(clean)}, with_method(method::delete_), polite),
        stale("PostIsNot", {answers_once(clean)}, post(), refused(errc::peer_closed)),
        stale("PostIsNotAfterReset", {answers_once(reset)}, post(), refused(errc::peer_reset)),
        stale("PatchIsNot", {answers_once(clean)}, with_method(method::patch),
              refused(errc::peer_closed)),
        stale("UnknownMethodIsNot", {answers_once(clean)}, with_method("PURGE"),
              refused(errc::peer_closed)),
        stale("PostCalledIdempotentIsRepeated", {answers_once(clean)}, std::move(safe_post),
              polite),
        stale("GetCalledUnsafeIsNot", {answers_once(clean)}, std::move(unsafe_get),
              refused(errc::peer_closed)),
        stale("GetIsRepeatedOnce", {answers_once(clean), dies_at_once(clean)}, get(),
              again(refused(errc::peer_closed), 2)),
        stale("NotBehindHalfAHead", {answers_once(clean, "HTTP/1.1 2")}, get(),
              refused(errc::peer_closed)),
        stale("NotBehindHints", {answers_once(clean, "HTTP/1.1 103 Hints\r\n\r\n")}, get(),
              refused(errc::peer_closed)),
        stale("NotBehindHalfABody", {answers_once(clean, head_with("Content-Length: 5\r\n"))},
              get(), broken(errc::peer_truncated)),
        stale("NotWhenAnsweredByGarbage", {answers_once(clean, "garbage\r\n\r\n")}, get(),
              refused(errc::peer_protocol_error)),
        {.name = "FreshConnectionIsNotRepeated",
         .connections = {dies_at_once(clean)},
         .calls = {{get(), refused(errc::peer_closed)}}},
        {.name = "FreshConnectionIsNotRepeatedAfterReset",
         .connections = {dies_at_once(reset)},
         .calls = {{get(), refused(errc::peer_reset)}}},
    };
}
HEARTH_HOSTILE_CASES(Stale, stale_connections);

void draining(config& values) {
    values.pool.on_cancel = cancel_policy::drain;
    values.pool.drain_bytes = 1000;
}
void closing(config& values) { values.pool.on_cancel = cancel_policy::close; }

/// The first call gives up before the answer comes.
hostile_case given_up(std::string name, script late, afterwards next, void (*adjust)(config&)) {
    script steps = {expect_request(), testing::wait(milliseconds(200))};
    steps.insert(steps.end(), late.begin(), late.end());
    hostile_case one{.name = std::move(name),
                     .connections = {std::move(steps)},
                     .calls = {{get(), refused(errc::deadline_exceeded)}},
                     .next = next,
                     .adjust = adjust};
    one.calls.front().patience = milliseconds(50);
    return one;
}

// A drained answer goes to nobody, and only its sound end makes the connection usable again.
std::vector<hostile_case> drained() {
    const auto other = afterwards::other_connection;
    const auto closed = afterwards::closed_by_itself;
    return {
        given_up("EvilBehindDrained", {send(sized("late") + evil)}, closed, draining),
        given_up("DrainedTooLong", {send(head_with("Content-Length: 5000\r\n"))}, closed, draining),
        given_up("DrainedEndless", {send("HTTP/1.1 200 OK\r\n\r\n" + std::string(5000, 'x'))},
                 closed, draining),
        given_up("DrainedBadChunks", {send(chunked("5\r\nhelloevil"))}, closed, draining),
        given_up("DrainedBadHead", {send("garbage\r\n\r\n")}, closed, draining),
        given_up("DrainedCut", {send(head_with("Content-Length: 9\r\n")), testing::close()}, closed,
                 draining),
        given_up("Closed", {send(evil)}, other, closing),
    };
}
HEARTH_HOSTILE_CASES(GivenUp, drained);

TEST(HostileReuseTest, NoOctetsBeforeTheRequestAreItsAnswer) {
    // An origin that answers before it is asked: a warm connection with octets on it is no
    // connection.
    for (const std::string& early : {evil, std::string("x"), std::string("\r\n")}) {
        testing::raw_origin origin({.tls = false}, [&](std::uint64_t connection) -> script {
            if (connection == 0) return {send(early)};
            return {expect_request(), send(sized(polite_body))};
        });
        config values;
        values.io.threads = 1;
        client subject(values);
        EXPECT_EQ(subject.warm(hearth::origin::parse(origin.url()).value(), 1), 1U);
        ASSERT_TRUE(support::eventually([&] { return subject.stats().total().open == 0; }));
        request what = get();
        what.url = origin.url("/");
        const response got = subject.send(std::move(what));
        EXPECT_EQ(got.body, polite_body);
        EXPECT_FALSE(got.connection.reused);
    }
}

}  // namespace
}  // namespace hearth::hostile
