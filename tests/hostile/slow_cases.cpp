// Slowness in every phase, and redirects that lead nowhere good: what ends the call, and where.
#include "hostile/catalogue.hpp"

namespace hearth::hostile {
namespace {

using std::chrono::milliseconds;
using testing::drip;
using testing::expect_request;
using testing::send;

// The polite request afterwards must be answered within it, also on a busy machine.
constexpr milliseconds soon{300};

void hasty(config& values) {
    values.timeouts.first_byte = soon;
    values.timeouts.body_idle = soon;
}

/// One answer that begins at once and then drips for longer than anybody waits.
hostile_case slow(std::string name, std::string at_once, std::string later, outcome expected,
                  void (*adjust)(config&)) {
    return {.name = std::move(name),
            .connections = {{expect_request(), send(std::move(at_once)),
                             drip(std::move(later), 1, milliseconds(10))}},
            .calls = {{get(), std::move(expected)}},
            .adjust = adjust,
            .deliveries = deliveries::whole_only};
}

/// The same where every piece comes in time; the deadline ends it.
hostile_case endless(std::string name, std::string at_once, std::string later, outcome expected) {
    expected.error = errc::deadline_exceeded;
    hostile_case one =
        slow(std::move(name), std::move(at_once), std::move(later), std::move(expected), nullptr);
    one.calls.front().patience = soon;
    return one;
}

std::vector<hostile_case> slow_origins() {
    const std::string octets(10'000, 'x');
    const std::string zeros(16, '0');
    const std::string hints = repeated("HTTP/1.1 103 Hints\r\n\r\n", 10);
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    const auto no_head = refused(errc::first_byte_timeout);
    const auto no_body = broken(errc::body_idle_timeout);
    return {
        slow("Silence", "", "", no_head, hasty),
        slow("StatusLineDrips", "", "HTTP/1.1 200 " + octets, no_head, hasty),
        slow("FieldDrips", ok, "A: " + octets, no_head, hasty),
        slow("HintsDrip", "", hints, no_head, hasty),
        slow("SilenceBehindHints", "HTTP/1.1 103 Hints\r\n\r\n", "", no_head, hasty),
        slow("SilenceInHead", ok + "A: b\r\n", "", no_head, hasty),
        slow("SilenceBehindHead", head_with("Content-Length: 5\r\n"), "", no_body, hasty),
        slow("SilenceInBody", head_with("Content-Length: 5\r\n") + "hel", "", no_body, hasty),
        slow("SilenceInChunk", chunked("5\r\nhel"), "", no_body, hasty),
        slow("SilenceInTrailers", chunked("5\r\nhello\r\n0\r\nA: b\r\n"), "", no_body, hasty),
        slow("SilenceWhereTheConnectionEndsTheBody", ok + "\r\nhello", "", no_body, hasty),
        endless("HeadDripsForEver", "", ok + "A: " + octets, refused({})),
        endless("BodyDripsForEver", head_with("Content-Length: 10000\r\n"), octets, broken({})),
        endless("ChunksDripForEver", chunked(""), repeated("1\r\nx\r\n", 1000), broken({})),
        endless("ChunkExtensionDripsForEver", chunked("5;a="), octets, broken({})),
        endless("TrailersDripForEver", chunked("0\r\nA: "), octets, broken({})),
    };
}
HEARTH_HOSTILE_CASES(Slow, slow_origins);

void following(config& values) { values.redirect.enabled = true; }

std::string redirect_to(std::string_view location) {
    return "HTTP/1.1 302 Go\r\nContent-Length: 0\r\n" + std::string(location) + "\r\n";
}

hostile_case redirected(std::string name, std::string_view location, errc expected) {
    hostile_case one = one_answer(std::move(name), redirect_to(location),
                                  {.error = expected, .phase = phase::body, .status = 302},
                                  afterwards::same_connection);
    one.adjust = following;
    return one;
}

std::vector<hostile_case> redirects() {
    const auto bad = errc::redirect_refused;
    std::vector<hostile_case> all = {
        redirected("OtherScheme", "Location: ftp://example.com/\r\n", bad),
        redirected("File", "Location: file:///etc/passwd\r\n", bad),
        redirected("Script", "Location: javascript:alert(1)\r\n", bad),
        redirected("UserName", "Location: http://user:password@127.0.0.1/\r\n", bad),
        redirected("BadPort", "Location: http://127.0.0.1:99999/\r\n", bad),
        redirected("EmptyHost", "Location: http:///x\r\n", bad),
        redirected("AddressInHexadecimal", "Location: http://0x7f.1/\r\n", bad),
        redirected("TwoLocations", "Location: /a\r\nLocation: /b\r\n", bad),
    };
    // Each answer leads one further.
    script endless;
    for (int hop = 0; hop < 12; ++hop) {
        endless.push_back(expect_request());
        endless.push_back(send(redirect_to("Location: /" + std::to_string(hop) + "\r\n")));
    }
    hostile_case one = redirected("WithoutEnd", "", errc::too_many_redirects);
    one.connections = {endless};
    one.calls.front().expected.attempts = 11;
    // The polite request gets what the script has left: another redirect.
    one.connections.front().resize(22);
    all.push_back(one);
    one = redirected("Loop", "", errc::too_many_redirects);
    one.connections = {{expect_request(), send(redirect_to("Location: /b\r\n")), expect_request(),
                        send(redirect_to("Location: /\r\n"))}};
    one.calls.front().expected.attempts = 2;
    all.push_back(one);
    return all;
}
HEARTH_HOSTILE_CASES(Redirect, redirects);

}  // namespace
}  // namespace hearth::hostile
