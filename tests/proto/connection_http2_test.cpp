// connection with HTTP/2 in it, against an nghttp2 server session, with TLS and without.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "proto/connection.hpp"
#include "support/h2_server.hpp"
#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using hearth::testing::h2_server;
using support::octets;

constexpr exchange_id first{1, 1};
constexpr exchange_id second{2, 1};

// What one exchange has heard so far.
struct heard {
    unsigned status = 0;
    std::string body;
    bool ended = false;
    bool failed = false;
    errc error = errc::internal;
};

// A connection and its peer; the octets of the wire pass through `settle`.
class peers {
public:
    explicit peers(bool with_tls, const std::vector<nghttp2_settings_entry>& settings = {})
        : server(settings), context_(support::origin_identity()), tls_(context_) {
        if (with_tls) {
            tls_settings offer = support::settings_with();
            offer.offer_http2 = true;
            client = std::make_unique<connection>(std::make_unique<tls_engine>(offer),
                                                  h1_settings{}, buffers_);
            shake_hands();
        } else {
            client = std::make_unique<connection>(nullptr, h1_settings{}, buffers_);
        }
        client->use_http2({});
    }

    void begin(exchange_id exchange, const std::string& path, std::uint64_t body = 0) {
        static const headers none;
        outgoing_head head;
        head.method = body != 0 ? "POST" : "GET";
        head.target = path;
        head.authority = "origin.example";
        head.scheme = client->tls() != nullptr ? "https" : "http";
        head.fields = &none;
        head.has_body = body != 0;
        if (body != 0) head.content_length = body;
        client->http2()->begin(exchange, head);
    }

    /// What the client has to send, as it goes onto the wire.
    std::string take_wire() {
        EXPECT_TRUE(client->flush());
        return take_output();
    }
    std::string take_output() {
        const auto data = client->output().data();
        std::string text(reinterpret_cast<const char*>(data.data()), data.size());
        client->output().clear();
        return text;
    }
    void give_server(const std::string& wire) {
        if (client->tls() == nullptr) {
            EXPECT_TRUE(server.receive(wire));
            return;
        }
        tls_.receive(wire);
        EXPECT_TRUE(server.receive(tls_.read()));
    }
    std::string take_answer() {
        const std::string plain = server.send();
        if (client->tls() == nullptr) return plain;
        if (!plain.empty()) tls_.write(plain);
        return tls_.take_output();
    }

    /// Takes at most `limit` events.
    void poll(int limit = 100'000) {
        event e;
        for (int i = 0; i < limit && client->poll_event(e); ++i) {
            if (!e.exchange.is_valid()) {
                connection_failed |= e.kind == event_kind::error;
                continue;
            }
            note(e, all[e.exchange.index]);
        }
        client->retain();
    }

    /// Carries octets both ways until there are none.
    void settle() {
        for (int i = 0; i < 10'000; ++i) {
            const std::string there = take_wire();
            poll();
            give_server(there);
            const std::string back = take_answer();
            if (there.empty() && back.empty()) return;
            client->receive(octets(std::string_view(back)));
            poll();
        }
        ADD_FAILURE() << "it does not come to an end";
    }

    bool saw_close_notify() const { return tls_.saw_close(); }

    h2_server server;
    std::unique_ptr<connection> client;
    std::map<std::uint32_t, heard> all;
    bool connection_failed = false;

private:
    void shake_hands() {
        for (int i = 0; i < 10 && client->is_handshaking(); ++i) {
            (void)client->step();
            tls_.receive(take_output());
            tls_.advance();
            const std::string flight = tls_.take_output();
            client->receive(octets(std::string_view(flight)));
            client->retain();
        }
        tls_.receive(take_output());
        tls_.advance();
    }

    void note(const event& e, heard& one) {
        if (e.kind == event_kind::head) one.status = e.head->status;
        if (e.kind == event_kind::data) {
            one.body.append(reinterpret_cast<const char*>(e.data.data()), e.data.size());
            client->http2()->consume(e.exchange, e.data.size());
        }
        if (e.kind == event_kind::end) one.ended = true;
        if (e.kind == event_kind::error) {
            one.failed = true;
            one.error = e.error;
        }
    }

    work_buffers buffers_;
    support::tls_server_context context_;
    support::tls_server tls_;
};

std::size_t first_record(std::string_view wire) {
    return 5 + (static_cast<std::size_t>(static_cast<unsigned char>(wire[3])) << 8U) +
           static_cast<unsigned char>(wire[4]);
}

class ConnectionHttp2Test : public ::testing::TestWithParam<bool> {};

TEST_P(ConnectionHttp2Test, CarriesManyExchangesAtOnce) {
    peers p(GetParam());
    for (std::uint32_t i = 1; i <= 50; ++i) {
        p.begin({i, 1}, "/bytes/" + std::to_string(i * 1000));
    }
    p.settle();
    for (std::uint32_t i = 1; i <= 50; ++i) {
        EXPECT_EQ(p.all[i].status, 200U);
        EXPECT_EQ(p.all[i].body, std::string(std::size_t{i} * 1000, 'x'));
        EXPECT_TRUE(p.all[i].ended);
    }
    EXPECT_FALSE(p.client->wants_flush());
    EXPECT_FALSE(p.client->is_ended());
}

TEST_P(ConnectionHttp2Test, ResetEndsOneStreamAndNothingElse) {
    peers p(GetParam());
    p.begin(first, "/bytes/5000000");
    p.begin(second, "/bytes/1000");
    p.give_server(p.take_wire());
    p.client->http2()->reset(first, h2_error_code::cancel);
    p.settle();
    EXPECT_EQ(p.server.requests[1].close_code, NGHTTP2_CANCEL);
    EXPECT_FALSE(p.all[first.index].ended);
    EXPECT_TRUE(p.all[second.index].ended);
    p.begin({3, 1}, "/bytes/7");
    p.settle();
    EXPECT_EQ(p.all[3].body, "xxxxxxx") << "the connection goes on";
}

TEST_P(ConnectionHttp2Test, BodiesWaitInTheEngineWhileTheOutputIsFull) {
    constexpr std::size_t frame = 16'384 + 9;
    constexpr std::size_t size = 1'000'000;
    peers p(GetParam(), {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2 * size}});
    nghttp2_submit_window_update(p.server.session(), NGHTTP2_FLAG_NONE, 0, 2 * size);
    p.settle();
    p.begin(first, "/echo", size);
    p.client->http2()->write_body(first, octets(std::string_view(std::string(size, 'u'))));
    p.client->http2()->finish_body(first, {});
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(p.client->flush());
        EXPECT_GE(p.client->queued(), connection::max_output);
        EXPECT_LE(p.client->queued(), connection::max_output + frame + 1024);
        EXPECT_TRUE(p.client->wants_flush());
    }
    p.settle();
    EXPECT_EQ(p.server.requests[1].received, size);
    EXPECT_TRUE(p.all[first.index].ended);
}

TEST_P(ConnectionHttp2Test, StoppingAtAnyEventLosesNothing) {
    for (int stop_at = 1; stop_at < 6; ++stop_at) {
        peers p(GetParam());
        p.begin(first, "/bytes/60000");
        p.give_server(p.take_wire());
        std::string wire = p.take_answer();
        p.client->receive(octets(std::string_view(wire)));
        p.poll(stop_at);
        std::fill(wire.begin(), wire.end(), '\0');  // the shard's buffer is used again
        p.poll();
        p.settle();
        EXPECT_EQ(p.all[first.index].body, std::string(60'000, 'x')) << stop_at;
        EXPECT_TRUE(p.all[first.index].ended) << stop_at;
    }
}

TEST_P(ConnectionHttp2Test, EveryExchangeHearsThatThePeerIsGone) {
    peers p(GetParam());
    p.begin(first, "/bytes/10");
    p.begin(second, "/bytes/10");
    (void)p.take_wire();
    p.client->on_peer_closed(false);
    p.poll();
    for (const exchange_id id : {first, second}) {
        EXPECT_TRUE(p.all[id.index].failed);
        EXPECT_EQ(p.all[id.index].error, errc::peer_closed);
    }
    EXPECT_TRUE(p.client->is_ended());
}

TEST_P(ConnectionHttp2Test, ShutDownSaysGoaway) {
    peers p(GetParam());
    p.begin(first, "/bytes/10");
    p.settle();
    p.client->shut_down();
    p.give_server(p.take_output());
    EXPECT_EQ(nghttp2_session_want_read(p.server.session()), 0)
        << "GOAWAY came and nothing is open";
    EXPECT_EQ(p.saw_close_notify(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Transports, ConnectionHttp2Test, ::testing::Bool(),
                         [](const auto& made) { return made.param ? "Tls" : "Plaintext"; });

TEST(ConnectionHttp2RecordTest, FramesOfATurnLeaveInOneRecord) {
    peers p(true);
    EXPECT_EQ(p.client->tls()->alpn(), "h2");
    for (std::uint32_t i = 1; i <= 20; ++i) p.begin({i, 1}, "/bytes/1");
    const std::string wire = p.take_wire();
    ASSERT_GT(wire.size(), 5U);
    EXPECT_EQ(first_record(wire), wire.size());
}

TEST(ConnectionHttp2RecordTest, BrokenRecordFailsTheConnection) {
    peers p(true);
    p.begin(first, "/bytes/10");
    p.settle();
    const std::string garbage = std::string("\x17\x03\x03\0\x10", 5) + std::string(16, 'x');
    p.client->receive(octets(std::string_view(garbage)));
    p.poll();
    EXPECT_TRUE(p.connection_failed);
    EXPECT_TRUE(p.client->is_ended());
}

TEST(ConnectionHttp2RecordTest, SpeaksHttp1UntilToldOtherwise) {
    work_buffers buffers;
    connection subject(nullptr, {}, buffers);
    EXPECT_EQ(subject.http2(), nullptr);
    subject.use_http2({});
    EXPECT_NE(subject.http2(), nullptr);
    ASSERT_TRUE(subject.flush());
    const auto data = subject.output().data();
    const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
    EXPECT_TRUE(text.starts_with("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
}

}  // namespace
}  // namespace hearth::proto
