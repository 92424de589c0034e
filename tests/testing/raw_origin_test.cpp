// Scripts as a client meets them, over TLS and in plaintext.
#include "hearth/testing/raw_origin.hpp"

#include <gtest/gtest.h>

#include "testing/plain_client.hpp"

namespace {

using namespace std::chrono_literals;
using namespace hearth::testing;
using hearth::support::client_tls;
using hearth::support::plain_client;
using hearth::support::stream_end;

constexpr std::string_view request = "GET /a HTTP/1.1\r\nhost: x\r\n\r\n";
const std::string answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

TEST(RawOriginTest, PlaysAScriptInOrder) {
    raw_origin server({.tls = false}, script{expect_request(), send("one "), wait(1ms),
                                             drip("two", 1, 1ms), close()});
    plain_client client(server.port());
    client.send(request);
    EXPECT_EQ(client.read_all(), "one two");
    EXPECT_EQ(client.end(), stream_end::clean);
    EXPECT_EQ(server.received(0), request);
    EXPECT_EQ(server.counters().requests, 1U);
}

TEST(RawOriginTest, ChoosesTheScriptByConnection) {
    raw_origin server({.tls = false}, [](std::uint64_t connection) {
        return script{send("this is " + std::to_string(connection)), close()};
    });
    for (int i = 0; i < 3; ++i) {
        plain_client client(server.port());
        EXPECT_EQ(client.read_all(), "this is " + std::to_string(i));
    }
}

TEST(RawOriginTest, EndsAsTheScriptSays) {
    raw_origin server({}, [](std::uint64_t connection) {
        constexpr close_kind kinds[] = {close_kind::clean, close_kind::without_close_notify,
                                        close_kind::reset};
        return script{expect_request(), send(answer), close(kinds[connection])};
    });
    client_tls tls(server.ca_pem());
    for (const stream_end expected :
         {stream_end::clean, stream_end::truncated, stream_end::reset}) {
        plain_client client(server.port(), &tls);
        client.send(request);
        client.read_all();
        EXPECT_EQ(client.end(), expected);
    }
}

TEST(RawOriginTest, ExpectsBodiesOctetsAndTheEnd) {
    raw_origin server({.tls = false}, script{expect_request(), send("1"), expect_octets(3),
                                             send("2"), expect_end(), send("3"), close()});
    plain_client client(server.port());
    client.send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n");
    client.send("0\r\n\r\n");
    EXPECT_EQ(client.read_octets(1), "1");
    client.send("xyz");
    EXPECT_EQ(client.read_octets(1), "2");
    client.finish();
    EXPECT_EQ(client.read_all(), "3");
}

TEST(RawOriginTest, CountsRequestsThatAreNotLegal) {
    raw_origin server({.tls = false}, script{expect_request(), send(answer)});
    plain_client client(server.port());
    client.send("GET / HTTP/1.1\r\n\r\n");
    client.read_all();
    EXPECT_EQ(client.end(), stream_end::reset);
    EXPECT_EQ(server.counters().requests_bad, 1U);
}

TEST(RawOriginTest, AfterTheScriptTheConnectionStaysOpen) {
    raw_origin server({.tls = false}, script{expect_request(), send(answer)});
    plain_client client(server.port());
    client.send(request);
    EXPECT_EQ(client.read_response().body, "ok");
    client.send("more");
    client.finish();
    EXPECT_EQ(client.read_all(), "");
    EXPECT_EQ(client.end(), stream_end::clean);
    EXPECT_EQ(server.received(0), std::string(request) + "more");
}

TEST(RawOriginTest, SendsTicketsAndKeyUpdatesBetweenAnswers) {
    raw_origin server({.tickets = 1},
                      script{expect_request(), send(answer), new_ticket(), key_update(),
                             expect_request(), send(answer), close()});
    client_tls tls(server.ca_pem());
    plain_client client(server.port(), &tls);
    client.send(request);
    EXPECT_EQ(client.read_response().body, "ok");
    EXPECT_EQ(tls.tickets(), 1);
    client.send(request);
    EXPECT_EQ(client.read_response().body, "ok");
    EXPECT_EQ(tls.tickets(), 2);
    EXPECT_EQ(client.read_all(), "");
    EXPECT_EQ(client.end(), stream_end::clean);
}

TEST(RawOriginTest, TlsStepsDoNothingInPlaintext) {
    raw_origin server({.tls = false}, script{new_ticket(), key_update(), send("x"), close()});
    plain_client client(server.port());
    EXPECT_EQ(client.read_all(), "x");
}

TEST(RawOriginTest, ATlsClientMeetsGarbage) {
    raw_origin server({.tls = false}, script{expect_octets(5), send("not TLS at all"), close()});
    client_tls tls(certificate_authority().ca_pem());
    const plain_client client(server.port(), &tls);
    EXPECT_FALSE(client.is_connected());
}

TEST(RawOriginTest, ClosesWhenTheClientEndsBeforeWhatIsExpected) {
    for (const script_step& expected : {expect_request(), expect_octets(5)}) {
        raw_origin server({.tls = false}, script{send("x"), expected, send(answer)});
        plain_client client(server.port());
        client.send("GET");
        client.finish();
        EXPECT_EQ(client.read_all(), "x");
        EXPECT_EQ(client.end(), stream_end::clean);
    }
}

TEST(RawOriginTest, StopsInTheMiddleOfAScript) {
    raw_origin server({.tls = false}, script{send("x"), wait(1h), send("y")});
    plain_client client(server.port());
    EXPECT_EQ(client.read_octets(1), "x");
    server.stop();
    EXPECT_EQ(client.read_all(), "");
    EXPECT_EQ(server.counters().connections_open, 0U);
}

}  // namespace
