// shard, usable connections: what the peer may do to them.
#include <gtest/gtest.h>

#include <mutex>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using boost::system::error_code;
using testing::expect_request;

struct hostile_answer {
    const char* name;
    std::string octets;
    errc code;
};

std::string many_fields(int count) {
    std::string text = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < count; ++i) text += "x-" + std::to_string(i) + ": 1\r\n";
    return text + "content-length: 0\r\n\r\n";
}

const hostile_answer hostile_answers[] = {
    {"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", errc::peer_protocol_error},
    {"length and chunks",
     "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n"
     "0\r\n\r\n",
     errc::peer_protocol_error},
    {"two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
     errc::peer_protocol_error},
    {"bare LF", "HTTP/1.1 200 OK\ncontent-length: 2\n\nok", errc::peer_protocol_error},
    {"obs-fold", "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok",
     errc::peer_protocol_error},
    {"bad chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
     errc::peer_protocol_error},
    {"NUL", std::string("HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\nok", 49),
     errc::peer_protocol_error},
    {"large head", "HTTP/1.1 200 OK\r\nx: " + std::string(5000, 'a') + "\r\n\r\n",
     errc::header_limit},
    {"many fields", many_fields(60), errc::header_limit},
};

TEST(ShardLinkTest, HostileAnswersFailAndTheirConnectionIsNotReused) {
    for (const hostile_answer& one : hostile_answers) {
        for (const bool tls : {false, true}) {
            testing::listen_options listen;
            listen.tls = tls;
            testing::raw_origin origin(
                listen, testing::script{expect_request(), testing::send(one.octets)});
            config values = tls ? trusting(origin.ca_pem()) : one_thread();
            values.http1.max_header_bytes = 4096;
            values.http1.max_header_count = 50;
            client subject(values);
            error_code error;
            const response result = subject.send(get(origin.url("/")), error);
            EXPECT_EQ(error, one.code) << one.name << ": " << error.message();
            EXPECT_FALSE(result.failure.detail.empty()) << one.name;
            EXPECT_EQ(result.attempts, 1U) << one.name;
            EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; })) << one.name;
            EXPECT_EQ(closed_by(subject.stats(), close_reason::peer_error), 1U) << one.name;
            EXPECT_TRUE(eventually([&] { return origin.counters().connections_open == 0; }));
        }
    }
}

TEST(ShardLinkTest, OctetsBehindAnAnswerSpoilTheConnection) {
    testing::raw_origin origin(plaintext_listen(), [](std::uint64_t connection) {
        if (connection != 0) return testing::script{expect_request(), testing::send(small_answer)};
        return testing::script{expect_request(),
                               testing::send(small_answer + "HTTP/1.1 200 OK\r\n\r\n")};
    });
    client subject(one_thread());
    EXPECT_EQ(subject.send(get(origin.url("/"))).body, "ok");
    const response second = subject.send(get(origin.url("/")));
    EXPECT_EQ(second.body, "ok");
    EXPECT_FALSE(second.connection.reused) << "an answer nobody asked for is never given to anyone";
}

TEST(ShardLinkTest, UnsolicitedOctetsOnAnIdleConnectionEndIt) {
    testing::raw_origin origin(plaintext_listen(),
                               testing::script{expect_request(), testing::send(small_answer),
                                               testing::wait(20ms), testing::send(small_answer)});
    client subject(one_thread());
    EXPECT_EQ(subject.send(get(origin.url("/"))).body, "ok");
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }));
    EXPECT_EQ(closed_by(subject.stats(), close_reason::peer_error), 1U);
    expect_consistent(subject.stats());
}

TEST(ShardLinkTest, TicketsAndKeyUpdatesOnAnIdleConnectionAreNoData) {
    testing::raw_origin origin(
        testing::listen_options{},
        testing::script{expect_request(), testing::send(small_answer), testing::new_ticket(),
                        testing::key_update(), expect_request(), testing::send(small_answer)});
    client subject(trusting(origin.ca_pem()));
    EXPECT_EQ(subject.send(get(origin.url("/"))).body, "ok");
    const auto before = subject.stats().bytes_received;
    (void)eventually([&, looks = 0]() mutable {
        return ++looks == 50 || subject.stats().bytes_received > before;
    });
    const response second = subject.send(get(origin.url("/")));
    EXPECT_TRUE(second.connection.reused);
    EXPECT_EQ(second.attempts, 1U);
}

TEST(ShardLinkTest, InformationalAnswersAreTold) {
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{expect_request(),
                        testing::send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
                                      "HTTP/1.1 102 Processing\r\n\r\n" +
                                      small_answer)});
    client subject(one_thread());
    std::mutex mutex;
    std::string seen;
    request what = get(origin.url("/"));
    what.on_informational = [&](unsigned status, const headers& fields) {
        const std::lock_guard lock(mutex);
        seen += std::to_string(status) + std::string(fields["link"]) + " ";
    };
    const response result = subject.send(std::move(what));
    EXPECT_EQ(result.status, 200U);
    EXPECT_FALSE(result.headers.contains("link"));
    const std::lock_guard lock(mutex);
    EXPECT_EQ(seen, "103</a> 102 ");
}

TEST(ShardLinkTest, InformationalAnswersAreBounded) {
    std::string octets;
    for (int i = 0; i < 5; ++i) octets += "HTTP/1.1 102 Processing\r\n\r\n";
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{expect_request(), testing::send(octets + small_answer)});
    for (const std::uint32_t limit : {4U, 5U}) {
        config values = one_thread();
        values.http1.max_informational = limit;
        client subject(values);
        error_code error;
        const response result = subject.send(get(origin.url("/")), error);
        if (limit == 5) {
            EXPECT_FALSE(error);
            EXPECT_EQ(result.status, 200U);
        } else {
            EXPECT_EQ(error, errc::informational_limit);
        }
    }
}

TEST(ShardLinkTest, TruncatedAnswersAreErrors) {
    struct cut {
        std::string octets;
        errc code;
        bool clean;
    };
    const cut cuts[] = {
        {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", errc::peer_truncated, true},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", errc::peer_truncated,
         true},
        {"HTTP/1.1 200 OK\r\ncontent-le", errc::peer_closed, true},
        {"HTTP/1.1 200 OK\r\n\r\nto the end", errc::peer_truncated, false},
    };
    for (const cut& one : cuts) {
        testing::raw_origin origin(
            testing::listen_options{},
            testing::script{expect_request(), testing::send(one.octets),
                            testing::close(one.clean ? testing::close_kind::clean
                                                     : testing::close_kind::without_close_notify)});
        client subject(trusting(origin.ca_pem()));
        error_code error;
        (void)subject.send(get(origin.url("/")), error);
        EXPECT_TRUE(error == one.code || error == errc::peer_truncated)
            << one.octets << ": " << error.message();
    }
}

TEST(ShardLinkTest, CloseDelimitedAnswersEndCleanly) {
    for (const bool tls : {false, true}) {
        testing::listen_options listen;
        listen.tls = tls;
        testing::raw_origin origin(
            listen,
            testing::script{expect_request(), testing::send("HTTP/1.0 200 OK\r\n\r\nto the end"),
                            testing::close()});
        client subject(tls ? trusting(origin.ca_pem()) : one_thread());
        const response result = subject.send(get(origin.url("/")));
        EXPECT_EQ(result.body, "to the end");
        EXPECT_EQ(result.version, 10U);
        EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }));
    }
}

TEST(ShardLinkTest, ConnectionCloseIsObeyed) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(subject.send(get(origin.url("/no-keepalive"))).connection.reused);
    }
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }));
    EXPECT_EQ(closed_by(subject.stats(), close_reason::not_reusable), 3U);
    EXPECT_EQ(origin.counters().connections_accepted, 3U);
}

TEST(ShardLinkTest, RequestThatSaysCloseIsTheLastOfItsConnection) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    request what = get(origin.url("/d/0"));
    what.headers.add("connection", "close");
    EXPECT_EQ(subject.send(std::move(what)).status, 200U);
    EXPECT_FALSE(subject.send(get(origin.url("/d/0"))).connection.reused);
}

TEST(ShardLinkTest, ManyAnswersOnOneConnectionNeverMix) {
    testing::origin origin;
    config values = trusting(origin.ca_pem());
    values.pool.max_connections_per_origin = 3;
    client subject(values);
    std::vector<std::pair<std::size_t, awaited_response>> calls;
    for (std::size_t i = 0; i < 300; ++i) {
        const std::size_t size = i * 37 % 5000;
        const std::string path = (i % 2 == 0 ? "/bytes/" : "/chunked/") + std::to_string(size);
        calls.emplace_back(size, begin_send(subject, get(origin.url(path))));
    }
    for (const auto& [size, call] : calls) {
        EXPECT_FALSE(call.error());
        EXPECT_EQ(call.value().body, testing::pattern_octets(0, size));
    }
    EXPECT_EQ(origin.counters().connections_accepted, 3U);
}

}  // namespace
}  // namespace hearth
