// Which protocol an origin speaks, and to whom.
#include "testing/negotiated_session.hpp"

#include <gtest/gtest.h>

#include "testing/frame_client.hpp"

namespace {

using namespace std::chrono_literals;
using namespace hearth::testing;
using namespace hearth::support;

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

TEST(NegotiatedSessionTest, SpeaksHttp1ToThoseWhoDoNotSendThePreface) {
    origin server(plaintext_http2());
    plain_client client(server.port());
    EXPECT_EQ(client.get("/d/0").body, "ok\n");
    EXPECT_EQ(server.counters().connections_http2, 0U);
}

TEST(NegotiatedSessionTest, DoesNotSpeakHttp2UnlessToldTo) {
    origin server({.listen = {.tls = false}});
    plain_client client(server.port());
    client.send(preface);
    EXPECT_EQ(client.read_response().status, 400);
}

TEST(NegotiatedSessionTest, ReadsThePrefaceSplitAtEveryOctet) {
    origin server(plaintext_http2());
    const std::string text = std::string(preface) + h2::settings() +
                             h2::headers(1, head_of("GET", "/d/0"), h2::end_stream);
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
        plain_client client(server.port());
        client.send(std::string_view(text).substr(0, cut));
        ASSERT_TRUE(
            wait_for(server, [cut](const auto& now) { return now.connections_accepted == cut; }));
        client.send(std::string_view(text).substr(cut));
        ASSERT_TRUE(wait_for(server, [cut](const auto& now) {
            return now.requests_completed == cut;
        })) << cut;
    }
}

TEST(NegotiatedSessionTest, IsChosenByAlpn) {
    origin server({.listen = {.alpn = {"h2", "http/1.1"}}});
    client_tls both(server.ca_pem());
    both.offer("\x02h2\x08http/1.1");
    EXPECT_EQ(plain_client(server.port(), &both).protocol(), "h2");
    client_tls old(server.ca_pem());
    old.offer("\x08http/1.1");
    plain_client client(server.port(), &old);
    EXPECT_EQ(client.protocol(), "http/1.1");
    EXPECT_EQ(client.get("/d/0").status, 200);
}

}  // namespace
