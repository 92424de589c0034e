#include "proto/connection.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "support/h2_frames.hpp"
#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using support::octets;
using support::origin_identity;
using support::settings_with;
using support::tls_server;
using support::tls_server_context;

constexpr exchange_id some_exchange{3, 1};
const std::string small_answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

const headers& no_fields() {
    static const headers none;
    return none;
}

outgoing_head get_head() {
    outgoing_head head;
    head.method = "GET";
    head.target = "/";
    head.authority = "origin.example";
    head.scheme = "https";
    head.fields = &no_fields();
    return head;
}

// What a connection says in one turn: the kinds of its events, and the body.
struct heard {
    std::vector<event_kind> kinds;
    std::string body;
    errc error = errc::internal;
    bool reusable = false;
};

heard poll_all(connection& subject) {
    heard all;
    event e;
    for (int i = 0; i < 10'000 && subject.poll_event(e); ++i) {
        all.kinds.push_back(e.kind);
        if (e.kind == event_kind::data) {
            all.body.append(reinterpret_cast<const char*>(e.data.data()), e.data.size());
        }
        if (e.kind == event_kind::error) {
            all.error = e.error;
            break;
        }
        if (e.kind == event_kind::end) all.reusable = e.reusable;
    }
    subject.retain();
    return all;
}

std::string take(connection& subject) {
    EXPECT_TRUE(subject.flush());
    const auto data = subject.output().data();
    std::string text(reinterpret_cast<const char*>(data.data()), data.size());
    subject.output().clear();
    return text;
}

// A connection whose handshake with a server in memory is done.
struct secured {
    tls_server_context context{origin_identity()};
    tls_server server{context};
    work_buffers buffers;
    std::unique_ptr<connection> client;

    secured() {
        auto engine = std::make_unique<tls_engine>(settings_with());
        client = std::make_unique<connection>(std::move(engine), h1_settings{}, buffers);
        for (int i = 0; i < 10 && client->is_handshaking(); ++i) {
            (void)client->step();
            server.receive(take_raw());
            server.advance();
            const std::string flight = server.take_output();
            client->receive(octets(flight));
            client->retain();
        }
        server.receive(take_raw());
        server.advance();
    }
    std::string take_raw() {
        const auto data = client->output().data();
        std::string text(reinterpret_cast<const char*>(data.data()), data.size());
        client->output().clear();
        return text;
    }
    heard receive(const std::string& plain) {
        server.write(plain);
        const std::string wire = server.take_output();
        client->receive(octets(wire));
        return poll_all(*client);
    }
};

TEST(ConnectionTest, PlaintextCarriesAnExchange) {
    work_buffers buffers;
    connection subject(nullptr, {}, buffers);
    EXPECT_FALSE(subject.is_handshaking());
    subject.begin(some_exchange, get_head());
    EXPECT_TRUE(take(subject).starts_with("GET / HTTP/1.1\r\n"));
    subject.receive(octets(small_answer));
    const heard all = poll_all(subject);
    EXPECT_EQ(all.kinds, (std::vector{event_kind::head, event_kind::data, event_kind::end}));
    EXPECT_EQ(all.body, "ok");
    EXPECT_TRUE(all.reusable);
}

TEST(ConnectionTest, HandshakeBytesAreOnlyStoredUntilAStep) {
    secured s;
    EXPECT_FALSE(s.client->is_handshaking());
    tls_server other(s.context);
    auto engine = std::make_unique<tls_engine>(settings_with());
    connection subject(std::move(engine), {}, s.buffers);
    EXPECT_FALSE(subject.can_step());
    (void)subject.step();
    const auto hello = subject.output().data();
    other.receive({reinterpret_cast<const char*>(hello.data()), hello.size()});
    subject.output().clear();
    other.advance();
    const std::string flight = other.take_output();
    subject.receive(octets(flight));
    subject.retain();
    EXPECT_TRUE(subject.can_step());
    EXPECT_TRUE(subject.output().empty()) << "nothing was worked on yet";
    EXPECT_EQ(subject.step(), tls_step::done);
}

TEST(ConnectionTest, HeadAndSmallBodyLeaveInOneRecord) {
    secured s;
    const headers fields;
    outgoing_head head = get_head();
    head.method = "POST";
    head.fields = &fields;
    head.has_body = true;
    head.content_length = 4;
    s.client->begin(some_exchange, head);
    s.client->write_body({}, octets("body"));
    s.client->finish_body({}, {});
    const std::string wire = take(*s.client);
    const std::size_t first =
        5 + (static_cast<std::size_t>(static_cast<unsigned char>(wire[3])) << 8U) +
        static_cast<unsigned char>(wire[4]);
    EXPECT_EQ(first, wire.size());
    s.server.receive(wire);
    EXPECT_TRUE(s.server.read().ends_with("\r\n\r\nbody"));
}

// The lengths of the records that `wire` is made of.
std::vector<std::size_t> records_of(const std::string& wire) {
    std::vector<std::size_t> sizes;
    for (std::size_t at = 0; at + 5 <= wire.size(); at += 5 + sizes.back()) {
        sizes.push_back(static_cast<std::size_t>(static_cast<unsigned char>(wire[at + 3])) << 8U |
                        static_cast<unsigned char>(wire[at + 4]));
    }
    return sizes;
}

TEST(ConnectionTest, FramesOfALargeBodyAreARecordEach) {
    namespace h2 = testing::h2;
    secured s;
    s.client->use_http2({});
    s.server.receive(take(*s.client));
    (void)s.server.read();
    (void)s.receive(h2::settings({{4, 1U << 20U}}) + h2::window_update(0, 1U << 20U));
    outgoing_head head = get_head();
    head.method = "POST";
    head.has_body = true;
    head.content_length = 400'000;
    s.client->begin(some_exchange, head);
    std::string body(400'000, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i % 251);
    std::string plain;
    std::vector<std::size_t> records;
    for (std::size_t at = 0; at < body.size();) {  // some of it copied, some put in place
        const std::size_t size = std::min<std::size_t>(60'000, body.size() - at);
        const auto room = s.client->body_room(some_exchange, size);
        if (at % 120'000 == 0 && room.size() == size) {
            std::copy_n(octets(body).data() + at, size, room.data());
            s.client->commit_body(some_exchange, size);
        } else {
            s.client->write_body(some_exchange, octets(body).subspan(at, size));
        }
        at += size;
        if (at == body.size()) s.client->finish_body(some_exchange, {});
        const std::string wire = take(*s.client);
        for (const std::size_t one : records_of(wire)) records.push_back(one);
        s.server.receive(wire);
        plain += s.server.read();
    }
    std::string arrived;
    for (const h2::seen_frame& frame : h2::frames_of(plain)) {
        if (frame.type == h2::data_frame) arrived += frame.payload;
    }
    EXPECT_EQ(arrived, body);
    EXPECT_LE(records.size(), 400'000 / 16'384 + 2 * 7U) << "whole ones, and what was left over";
}

TEST(ConnectionTest, LargeChunkedBodyArrivesWhole) {
    secured s;
    const std::string body(200'000, 'b');
    outgoing_head head = get_head();
    head.method = "POST";
    head.has_body = true;
    s.client->begin(some_exchange, head);
    s.client->write_body({}, octets(std::string_view(body)));
    s.client->finish_body({}, {});
    s.server.receive(take(*s.client));
    const std::string got = s.server.read();
    const std::size_t begin = got.find("\r\n\r\n30d40\r\n");
    ASSERT_NE(begin, std::string::npos);
    EXPECT_EQ(got.substr(begin + 11, body.size()), body);
    EXPECT_TRUE(got.ends_with("\r\n0\r\n\r\n"));
}

TEST(ConnectionTest, AnswerLargerThanTheWorkBufferIsDeliveredWhole) {
    secured s;
    s.client->begin(some_exchange, get_head());
    (void)take(*s.client);
    const std::string body(3 * work_buffers::plain_size, 'd');
    const heard all = s.receive(
        "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    EXPECT_EQ(all.body, body);
    EXPECT_EQ(all.kinds.back(), event_kind::end);
}

TEST(ConnectionTest, KnowsWhatMustStillArrive) {
    secured s;
    s.client->begin(some_exchange, get_head());
    s.client->finish_body({}, {});
    s.server.receive(take(*s.client));
    EXPECT_EQ(s.client->due(some_exchange), 0U) << "no head yet";
    (void)s.receive("HTTP/1.1 200 OK\r\ncontent-length: 50000\r\n\r\n" + std::string(100, 'x'));
    EXPECT_EQ(s.client->due(some_exchange), 49'900U);
    s.server.write(std::string(20'000, 'x'));
    const std::string wire = s.server.take_output();
    s.client->receive(octets(wire));
    EXPECT_LE(s.client->due(some_exchange), 29'900U) << "what is here need not arrive";
    (void)poll_all(*s.client);
    EXPECT_EQ(s.client->due(some_exchange), 29'900U);
    (void)s.receive(std::string(29'900, 'x'));
    EXPECT_EQ(s.client->due(some_exchange), 0U);
}

TEST(ConnectionTest, StoppingAtAnyEventLosesNothing) {
    for (int stop_at = 1; stop_at < 5; ++stop_at) {
        secured s;
        s.client->begin(some_exchange, get_head());
        (void)take(*s.client);
        const std::string body(100'000, 'e');
        s.server.write("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + body);
        std::string wire = s.server.take_output();
        s.client->receive(octets(std::string_view(wire)));
        std::string got;
        event e;
        for (int i = 0; i < stop_at && s.client->poll_event(e); ++i) {
            got.append(reinterpret_cast<const char*>(e.data.data()), e.data.size());
        }
        s.client->retain();
        std::fill(wire.begin(), wire.end(), '\0');  // the shard's buffer is used again
        got += poll_all(*s.client).body;
        EXPECT_EQ(got, body) << stop_at;
    }
}

TEST(ConnectionTest, CloseNotifyEndsACloseDelimitedBody) {
    secured s;
    s.client->begin(some_exchange, get_head());
    (void)take(*s.client);
    EXPECT_EQ(s.receive("HTTP/1.1 200 OK\r\n\r\npart").body, "part");
    s.server.close();
    const std::string wire = s.server.take_output();
    s.client->receive(octets(wire));
    const heard all = poll_all(*s.client);
    EXPECT_EQ(all.kinds, std::vector{event_kind::end});
    EXPECT_TRUE(s.client->is_ended());
}

TEST(ConnectionTest, FinWithoutCloseNotifyIsATruncation) {
    secured s;
    s.client->begin(some_exchange, get_head());
    (void)take(*s.client);
    (void)s.receive("HTTP/1.1 200 OK\r\n\r\npart");
    s.client->on_peer_closed(false);
    const heard all = poll_all(*s.client);
    ASSERT_EQ(all.kinds, std::vector{event_kind::error});
    EXPECT_EQ(all.error, errc::peer_truncated);
}

TEST(ConnectionTest, BrokenRecordIsThePeersError) {
    secured s;
    s.client->begin(some_exchange, get_head());
    (void)take(*s.client);
    const std::string garbage = std::string("\x17\x03\x03\0\x10", 5) + std::string(16, 'x');
    s.client->receive(octets(std::string_view(garbage)));
    const heard all = poll_all(*s.client);
    ASSERT_EQ(all.kinds, std::vector{event_kind::error});
    EXPECT_EQ(all.error, errc::peer_tls_error);
}

TEST(ConnectionTest, IdleConnectionHoldsNoBuffers) {
    secured s;
    s.client->begin(some_exchange, get_head());
    s.server.receive(take(*s.client));
    s.client->output().release();
    (void)s.receive(small_answer);
    EXPECT_LT(s.client->memory(), 4096U);
}

}  // namespace
}  // namespace hearth::proto
