// shard, requests as they are sent: targets, and CONNECT over HTTP/1.1 and HTTP/2 (RFC 8441 too).
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "client/scripted.hpp"
#include "support/h2_frames.hpp"

namespace hearth {
namespace {

using namespace support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace h2 = testing::h2;
using boost::system::error_code;
using awaited_exchange = awaited<error_code, exchange>;

constexpr unsigned enable_connect_protocol = 8;

request connect_to(const std::string& url, const std::string& target) {
    request what = get(url);
    what.method = method::connect;
    what.target = target;
    return what;
}

request extended_connect(const std::string& url) {
    request what = get(url);
    what.method = method::connect;
    what.connect_protocol = "websocket";
    return what;
}

config http2() {
    config values = one_thread();
    values.protocol = protocol_policy::http2_only;
    return values;
}

awaited_exchange begin_open(client& from, request what) {
    awaited_exchange call;
    from.async_open(std::move(what), call.handler());
    return call;
}

std::string read_octets(stream& from, std::size_t size) {
    std::string got(size, '\0');
    awaited_size read;
    asio::async_read(from, asio::buffer(got), read.handler());
    EXPECT_FALSE(read.error()) << read.error().message();
    return got;
}

void write_octets(stream& to, std::string_view octets) {
    awaited_size written;
    asio::async_write(to, asio::buffer(octets), written.handler());
    EXPECT_FALSE(written.error()) << written.error().message();
}

error_code end_of(stream& from) {
    char octet = 0;
    awaited_size read;
    from.async_read_some(asio::buffer(&octet, 1), read.handler());
    return read.error();
}

TEST(ShardSendTest, TunnelOverHttp1) {
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{testing::expect_request(), testing::send("HTTP/1.1 200 OK\r\n\r\nahead"),
                        testing::expect_octets(5), testing::send("answer"), testing::close()});
    client subject(one_thread());
    exchange x = open(subject, connect_to(origin.url("/"), "far.example:25"));
    EXPECT_EQ(read_head(x).value().status, 200U);
    stream raw = x.release_stream();
    EXPECT_EQ(read_octets(raw, 5), "ahead");
    write_octets(raw, "hello");
    EXPECT_EQ(read_octets(raw, 6), "answer");
    EXPECT_EQ(end_of(raw), asio::error::eof);
    const std::string seen = origin.received(0);
    EXPECT_EQ(seen.find("CONNECT far.example:25 HTTP/1.1\r\nHost: far.example:25\r\n"), 0U) << seen;
    EXPECT_EQ(seen.substr(seen.size() - 5), "hello");
    expect_consistent(subject.stats());
}

TEST(ShardSendTest, RefusedTunnelIsAnAnswerLikeAnother) {
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{testing::expect_request(),
                        testing::send("HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\n\r\nno!")});
    client subject(one_thread());
    exchange x = open(subject, connect_to(origin.url("/"), "far.example:25"));
    EXPECT_EQ(read_head(x).value().status, 403U);
    error_code error;
    EXPECT_EQ(read_body(x, error), "no!");
    EXPECT_EQ(error, asio::error::eof);
    EXPECT_TRUE(eventually([&] { return subject.stats().total().idle == 1; }));
}

TEST(ShardSendTest, TunnelOverHttp2) {
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{testing::expect_frame(h2::settings_frame),
                        testing::send(h2::settings() + h2::settings_ack()),
                        testing::expect_frame(h2::headers_frame),
                        testing::send(h2::status(1, "200") + h2::data(1, "ahead")),
                        testing::expect_frame(h2::data_frame),
                        testing::send(h2::data(1, "answer", h2::end_stream))});
    client subject(http2());
    exchange x = open(subject, connect_to(origin.url("/"), "far.example:25"));
    EXPECT_EQ(read_head(x).value().status, 200U);
    stream raw = x.release_stream();
    EXPECT_EQ(read_octets(raw, 5), "ahead");
    write_octets(raw, "hello");
    EXPECT_EQ(read_octets(raw, 6), "answer");
    EXPECT_EQ(end_of(raw), asio::error::eof);
    raw.close();
    // Our side ends with the peer's, and the connection stays.
    const auto is_ended = [&] {
        for (const h2::seen_frame& f : h2::frames_of(origin.received(0).substr(24))) {
            if (f.type == h2::data_frame && f.has(h2::end_stream)) return true;
        }
        return false;
    };
    EXPECT_TRUE(eventually(is_ended));
    EXPECT_EQ(subject.stats().total().idle, 1U);
    expect_consistent(subject.stats());
}

TEST(ShardSendTest, ExtendedConnectSharesAConnection) {
    testing::origin_options offers_http2;
    offers_http2.listen.alpn = {"h2", "http/1.1"};
    testing::origin origin(offers_http2);
    config values = trusting(origin.ca_pem());
    values.protocol = protocol_policy::automatic;
    client subject(values);
    exchange x = open(subject, extended_connect(origin.url("/upgrade")));
    EXPECT_EQ(read_head(x).value().status, 200U);
    stream raw = x.release_stream();
    const std::string sent = testing::pattern_octets(0, 500'000);
    awaited_size written;
    asio::async_write(raw, asio::buffer(sent), written.handler());
    EXPECT_TRUE(read_octets(raw, sent.size()) == sent);
    EXPECT_FALSE(written.error());
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).connection.reused, true);
    EXPECT_EQ(subject.stats().total().opened, 1U);
    EXPECT_EQ(subject.stats().total().active, 1U) << "it counts until it is closed";
    raw.close();
    EXPECT_TRUE(eventually([&] { return subject.stats().total().idle == 1; }));
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).connection.reused, true);
    expect_consistent(subject.stats());
}

TEST(ShardSendTest, ExtendedConnectWaitsForSettings) {
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{
            testing::expect_frame(h2::settings_frame), testing::wait(100ms),
            testing::send(h2::settings({{enable_connect_protocol, 1}}) + h2::settings_ack()),
            testing::expect_frame(h2::headers_frame),
            testing::send(h2::status(1, "200", h2::end_stream))});
    client subject(http2());
    exchange x = open(subject, extended_connect(origin.url("/chat")));
    EXPECT_EQ(read_head(x).value().status, 200U);
    const auto frames = h2::frames_of(origin.received(0).substr(24));
    const auto ack = std::find_if(frames.begin(), frames.end(), [](const h2::seen_frame& f) {
        return f.type == h2::settings_frame && f.has(h2::ack);
    });
    const auto asked = std::find_if(frames.begin(), frames.end(), [](const h2::seen_frame& f) {
        return f.type == h2::headers_frame;
    });
    ASSERT_NE(asked, frames.end());
    EXPECT_LT(ack, asked) << "they had arrived";
}

TEST(ShardSendTest, PeerThatDoesNotTakeItIsNotAsked) {
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{testing::expect_frame(h2::settings_frame), testing::wait(50ms),
                        testing::send(h2::settings() + h2::settings_ack())});
    client subject(http2());
    const awaited_exchange waits = begin_open(subject, extended_connect(origin.url("/chat")));
    EXPECT_EQ(waits.error(), errc::unsupported_by_peer);
    const awaited_exchange knows = begin_open(subject, extended_connect(origin.url("/chat")));
    EXPECT_EQ(knows.error(), errc::unsupported_by_peer);
    EXPECT_EQ(origin.received(0).find("websocket"), std::string::npos);
    EXPECT_EQ(subject.stats().total().opened, 1U);
    EXPECT_EQ(subject.stats().total().idle, 1U) << "the connection is as good as before";
    expect_consistent(subject.stats());
}

TEST(ShardSendTest, Http1CannotCarryExtendedConnect) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    for (int i = 0; i < 2; ++i) {
        const awaited_exchange call = begin_open(subject, extended_connect(origin.url("/upgrade")));
        EXPECT_EQ(call.error(), errc::unsupported_by_peer);
    }
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    EXPECT_EQ(subject.stats().total().opened, 1U);
    expect_consistent(subject.stats());
}

TEST(ShardSendTest, WaitForSettingsEndsAsAnyOther) {
    testing::raw_origin origin(plaintext_listen(), testing::script{testing::expect_octets(24)});
    client subject(http2());
    request what = extended_connect(origin.url("/chat"));
    what.deadline = in(100ms);
    const awaited_exchange late = begin_open(subject, what);
    asio::cancellation_signal stop;
    what.deadline.reset();
    awaited_exchange cancelled;
    subject.async_open(what, asio::bind_cancellation_slot(stop.slot(), cancelled.handler()));
    EXPECT_EQ(late.error(), errc::deadline_exceeded);
    stop.emit(asio::cancellation_type::terminal);
    EXPECT_EQ(cancelled.error(), asio::error::operation_aborted);
    EXPECT_EQ(subject.stats().in_flight, 0U);
    expect_consistent(subject.stats());
}

TEST(ShardSendTest, LostConnectionWhileWaitingForSettings) {
    testing::raw_origin origin(plaintext_listen(),
                               testing::script{testing::expect_octets(24), testing::close()});
    config values = http2();
    values.pool.dial_patience = 0ms;
    client subject(values);
    const awaited_exchange call = begin_open(subject, extended_connect(origin.url("/chat")));
    EXPECT_TRUE(call.error());
    EXPECT_EQ(subject.stats().in_flight, 0U);
    expect_consistent(subject.stats());
}

TEST(ShardSendTest, AsteriskTargetOfOptions) {
    testing::raw_origin origin(plaintext_listen(), testing::script{testing::expect_request(),
                                                                   testing::send(small_answer)});
    client subject(one_thread());
    request what = get(origin.url("/"));
    what.method = method::options;
    what.target = "*";
    EXPECT_EQ(subject.send(what).status, 200U);
    EXPECT_EQ(origin.received(0).find("OPTIONS * HTTP/1.1\r\n"), 0U);
}

TEST(ShardSendTest, PriorityOfTheResponse) {
    testing::origin origin(plaintext());
    origin.on("/", [](const testing::request_view& seen, testing::responder reply) {
        testing::reply whole;
        for (const auto& [name, value] : seen.headers) {
            if (name == "priority") whole.body.append(value) += ";";
        }
        reply.answer(std::move(whole));
    });
    client subject(one_thread());
    request what = get(origin.url("/"));
    EXPECT_EQ(subject.send(what).body, "");
    what.response_priority = response_priority{.urgency = 1, .incremental = true};
    EXPECT_EQ(subject.send(what).body, "u=1, i;");
    what.response_priority = response_priority{.urgency = 7};
    EXPECT_EQ(subject.send(what).body, "u=7;");
    what.headers.add("priority", "u=0");
    EXPECT_EQ(subject.send(what).body, "u=0;") << "the caller's own";
    what.response_priority->urgency = 8;
    EXPECT_EQ(begin_send(subject, what).error(), errc::invalid_header);
}

struct refused_case {
    std::string name;
    errc code;
    bool whole = false;
    request what;
};

TEST(ShardSendTest, WhatIsWrongIsRefusedBeforeAnythingIsSent) {
    const std::string url = "http://127.0.0.1:9/";
    request protocol_of_get = get(url);
    protocol_of_get.connect_protocol = "websocket";
    request no_token = extended_connect(url);
    no_token.connect_protocol = "web socket";
    const refused_case cases[] = {
        {"no target", errc::invalid_target, false, connect_to(url, "")},
        {"a path", errc::invalid_target, false, connect_to(url, "/where")},
        {"two lines", errc::invalid_target, false, connect_to(url, "a:1\r\nx: y")},
        {"a whole send", errc::invalid_method, true, connect_to(url, "far.example:25")},
        {"a long target", errc::invalid_target, false, connect_to(url, std::string(70'000, 'a'))},
        {"a protocol of GET", errc::invalid_method, false, protocol_of_get},
        {"no token", errc::invalid_method, false, no_token},
    };
    client subject(one_thread());
    for (const refused_case& one : cases) {
        if (one.whole) {
            EXPECT_EQ(begin_send(subject, one.what).error(), one.code) << one.name;
        } else {
            EXPECT_EQ(begin_open(subject, one.what).error(), one.code) << one.name;
        }
    }
    config values = one_thread();
    values.proxy.for_http = proxy::parse("http://127.0.0.1:9").value();
    client proxied(values);
    EXPECT_EQ(begin_open(proxied, connect_to(url, "far.example:25")).error(), errc::invalid_method);
    EXPECT_EQ(subject.stats().total().opened, 0U);
}

// Bodies that are files.

using file_ptr = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

file_ptr file_of(const std::string& text) {
    file_ptr file(std::tmpfile(), &std::fclose);
    std::fwrite(text.data(), 1, text.size(), file.get());
    std::fflush(file.get());
    return file;
}

TEST(ShardSendTest, FileGoesFromWhereItLiesOnPlaintext) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    const std::string text = testing::pattern_octets(0, 16'000'000);
    const file_ptr file = file_of(text);
    const int descriptor = ::fileno(file.get());
    const auto digest_of = [&](body what) {
        return subject.send(post(origin.url("/upload"), std::move(what))).body;
    };
    EXPECT_EQ(digest_of(file_range{descriptor, 0, text.size()}), digest_of(text));
    EXPECT_EQ(digest_of(file_range{descriptor, 5, 100}), digest_of(text.substr(5, 100)));
    EXPECT_EQ(digest_of(file_range{descriptor, 7, 0}), digest_of(std::string()));
    EXPECT_EQ(subject.stats().total().opened, 1U) << "the connection goes on after each";
}

TEST(ShardSendTest, FileThatEndsTooEarlyFailsOnPlaintext) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    const std::string text = testing::pattern_octets(0, 100'000);
    const file_ptr file = file_of(text);
    error_code error;
    const response got = subject.send(
        post(origin.url("/upload"), file_range{::fileno(file.get()), 0, text.size() + 1}), error);
    EXPECT_EQ(error, errc::invalid_body);
    EXPECT_NE(got.failure.detail.find("ends before"), std::string::npos) << got.failure.detail;
}

TEST(ShardSendTest, FileThatCannotBeSentFromWhereItLiesIsRead) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    const file_ptr file(std::fopen("/proc/self/limits", "r"), &std::fclose);
    ASSERT_TRUE(file);
    std::string text(64 * 1024, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    ASSERT_NE(text.size(), 0U);
    const std::string read = subject.send(post(origin.url("/upload"), text)).body;
    const file_range range{::fileno(file.get()), 0, text.size()};
    EXPECT_EQ(subject.send(post(origin.url("/upload"), range)).body, read);
}

TEST(ShardSendTest, PeerThatResetsWhileAFileIsSentIsAFailure) {
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{testing::expect_octets(1000), testing::close(testing::close_kind::reset)});
    client subject(one_thread());
    const file_ptr file = file_of(testing::pattern_octets(0, 16'000'000));
    error_code error;
    (void)subject.send(post(origin.url("/"), file_range{::fileno(file.get()), 0, 16'000'000}),
                       error);
    EXPECT_TRUE(error == errc::peer_reset || error == errc::peer_closed) << error.message();
}

}  // namespace
}  // namespace hearth
