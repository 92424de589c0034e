// Octets over a socket pair: plaintext, and TLS against a plain OpenSSL client.
#include "testing/transport.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace {

using namespace hearth::testing;
using namespace hearth::testing::internal;

struct socket_pair {
    socket_pair() {
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    }
    ~socket_pair() {
        close_client();
        ::close(ends[0]);
    }
    void close_client() {
        if (ends[1] >= 0) ::close(ends[1]);
        ends[1] = -1;
    }
    std::array<int, 2> ends{};
};

TEST(TransportTest, PlaintextNeverWaits) {
    socket_pair sockets;
    counter_block counts;
    transport wire(sockets.ends[0], nullptr, counts);
    std::array<char, 16> into;
    EXPECT_EQ(wire.read(into).status, io_status::want_read);
    EXPECT_EQ(::send(sockets.ends[1], "abc", 3, 0), 3);
    EXPECT_EQ(wire.read(into).size, 3U);
    EXPECT_EQ(counts.bytes_received.value(), 3U);
    const std::string large(1'000'000, 'x');
    io_result last{io_status::done};
    for (int i = 0; i < 1000 && last.status == io_status::done; ++i) last = wire.write(large);
    EXPECT_EQ(last.status, io_status::want_write);
    sockets.close_client();
    EXPECT_EQ(wire.write(large).status, io_status::failed);  // and no SIGPIPE
}

TEST(TransportTest, PlaintextSeesTheEnd) {
    socket_pair sockets;
    counter_block counts;
    transport wire(sockets.ends[0], nullptr, counts);
    sockets.close_client();
    std::array<char, 16> into;
    EXPECT_EQ(wire.read(into).status, io_status::end);
}

// A server's transport and a client's SSL at the two ends of a pair.
struct tls_pair {
    tls_pair() {
        SSL_set_fd(client.get(), sockets.ends[1]);
        SSL_set_connect_state(client.get());
    }
    bool shake_hands() {
        bool is_server_done = false;
        bool is_client_done = false;
        for (int round = 0; round < 10 && !(is_server_done && is_client_done); ++round) {
            is_client_done = SSL_do_handshake(client.get()) == 1;
            is_server_done = is_server_done || wire.handshake().status == io_status::done;
        }
        return is_server_done && is_client_done;
    }

    socket_pair sockets;
    counter_block counts;
    listen_options options;
    tls_context context{options, certificate_authority().issue()};
    transport wire{sockets.ends[0], &context, counts};
    ssl_ctx_ptr client_context{SSL_CTX_new(TLS_client_method())};
    ssl_ptr client{SSL_new(client_context.get())};
};

TEST(TransportTest, TlsCarriesOctetsBothWays) {
    tls_pair pair;
    ASSERT_TRUE(pair.shake_hands());
    EXPECT_FALSE(pair.wire.is_resumed());
    std::array<char, 100> into;
    EXPECT_EQ(pair.wire.read(into).status, io_status::want_read);
    EXPECT_EQ(SSL_write(pair.client.get(), "hello", 5), 5);
    EXPECT_EQ(pair.wire.read(into).size, 5U);
    EXPECT_FALSE(pair.wire.has_buffered_input());
    EXPECT_EQ(pair.wire.write("world!").size, 6U);
    EXPECT_EQ(SSL_read(pair.client.get(), into.data(), 100), 6);
    EXPECT_GT(pair.counts.bytes_sent.value(), 6U);
}

TEST(TransportTest, BufferedInputIsKnown) {
    tls_pair pair;
    ASSERT_TRUE(pair.shake_hands());
    EXPECT_EQ(SSL_write(pair.client.get(), "hello", 5), 5);
    std::array<char, 2> into;
    EXPECT_EQ(pair.wire.read(into).size, 2U);
    EXPECT_TRUE(pair.wire.has_buffered_input());
}

TEST(TransportTest, CloseNotifyIsACleanEnd) {
    tls_pair pair;
    ASSERT_TRUE(pair.shake_hands());
    std::array<char, 16> into;
    pair.wire.send_close_notify();
    EXPECT_EQ(SSL_read(pair.client.get(), into.data(), 16), 0);
    EXPECT_EQ(SSL_get_error(pair.client.get(), 0), SSL_ERROR_ZERO_RETURN);
    SSL_shutdown(pair.client.get());
    EXPECT_EQ(pair.wire.read(into).status, io_status::end);
}

TEST(TransportTest, AnEndWithoutCloseNotifyIsAFailure) {
    tls_pair pair;
    ASSERT_TRUE(pair.shake_hands());
    pair.sockets.close_client();
    std::array<char, 16> into;
    EXPECT_EQ(pair.wire.read(into).status, io_status::failed);
}

TEST(TransportTest, AFailedHandshakeIsReported) {
    tls_pair pair;
    EXPECT_EQ(pair.wire.handshake().status, io_status::want_read);
    EXPECT_EQ(::send(pair.sockets.ends[1], "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    EXPECT_EQ(pair.wire.handshake().status, io_status::failed);
    pair.wire.send_close_notify();  // legal, does nothing
}

}  // namespace
