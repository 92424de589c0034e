// shard, reading: answers that are there at the same time share a buffer and a turn, nothing else.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace support;
using namespace std::chrono_literals;
using namespace std::string_literals;
namespace asio = boost::asio;
using boost::system::error_code;

// A client whose executor only the test runs, and a server that does what the test says: what was
// written is at the other end before the client looks.
struct ShardReadTest : ::testing::Test {
    asio::io_context context;
    asio::io_context peers;
    asio::ip::tcp::acceptor acceptor{peers, {asio::ip::make_address("127.0.0.1"), 0}};
    std::vector<asio::ip::tcp::socket> sockets;
    client subject{context.get_executor(), settings()};

    static config settings() {
        config values;
        values.io.receive_buffer = 16 * 1024;
        return values;
    }
    // Sends that many requests, each on a connection of its own that has seen its request.
    template <class Handler>
    void send(std::size_t count, Handler handler) {
        const std::string url =
            "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
        for (std::size_t i = 0; i < count; ++i) {
            subject.async_send(get(url + "/" + std::to_string(i)),
                               [handler, i](error_code error, response result) {
                                   handler(i, error, std::move(result));
                               });
        }
        acceptor.non_blocking(true);
        std::vector<asio::ip::tcp::socket> accepted;
        run_until([&] {
            error_code error;
            asio::ip::tcp::socket socket = acceptor.accept(error);
            if (!error) accepted.push_back(std::move(socket));
            return accepted.size() == count;
        });
        while (sockets.size() < count) sockets.emplace_back(peers);
        for (asio::ip::tcp::socket& socket : accepted) {
            run_until([&] { return socket.available() != 0; });
            std::string head(socket.available(), '\0');
            asio::read(socket, asio::buffer(head));
            EXPECT_TRUE(head.ends_with("\r\n\r\n"));
            sockets.at(std::stoul(head.substr(5))) = std::move(socket);
        }
    }
    stats snapshot() {
        std::optional<stats> result;
        subject.async_stats([&](stats now) { result = std::move(now); });
        run_until([&] { return result.has_value(); });
        return result.value_or(stats{});
    }
    void answer(std::size_t which, const std::string& body) {
        asio::write(sockets[which], asio::buffer("HTTP/1.1 200 OK\r\ncontent-length: " +
                                                 std::to_string(body.size()) + "\r\n\r\n" + body));
    }
    template <class Done>
    void run_until(Done done) {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (!done() && std::chrono::steady_clock::now() < end) {
            context.restart();
            context.run_for(1ms);
        }
        EXPECT_TRUE(done());
    }
};

// The client's end of the connection that `peer` is the other end of; -1 if it is closed.
int descriptor_of(const asio::ip::tcp::socket& peer) {
    const std::uint16_t port = peer.remote_endpoint().port();
    for (int descriptor = 0; descriptor < 1024; ++descriptor) {
        sockaddr_in own{};
        socklen_t size = sizeof own;
        auto* const address = reinterpret_cast<sockaddr*>(&own);
        if (::getsockname(descriptor, address, &size) != 0 || own.sin_family != AF_INET) continue;
        if (ntohs(own.sin_port) == port) return descriptor;
    }
    return -1;
}

// How many octets the kernel wakes the client for.
int wanted_at_least(const asio::ip::tcp::socket& peer) {
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(descriptor_of(peer), SOL_SOCKET, SO_RCVLOWAT, &value, &size), 0);
    return value;
}

int unread_of(const asio::ip::tcp::socket& peer) {
    int octets = 0;
    EXPECT_EQ(::ioctl(descriptor_of(peer), FIONREAD, &octets), 0);
    return octets;
}

TEST_F(ShardReadTest, AnswersInOneBufferAreNotMixed) {
    const std::vector<std::size_t> sizes{3000, 20'000, 100, 7000, 16'000, 0, 3000, 40'000, 5};
    std::vector<std::string> bodies(sizes.size());
    std::size_t done = 0;
    send(sizes.size(), [&](std::size_t i, error_code error, response result) {
        EXPECT_FALSE(error) << error.message();
        bodies[i] = std::move(result.body);
        ++done;
    });
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        answer(i, std::string(sizes[i], static_cast<char>('a' + i)));
    }
    run_until([&] { return done == sizes.size(); });
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        EXPECT_EQ(bodies[i], std::string(sizes[i], static_cast<char>('a' + i)));
    }
    expect_consistent(snapshot());
}

TEST_F(ShardReadTest, HandlerThatThrowsCostsTheOthersNothing) {
    std::size_t done = 0;
    send(5, [&](std::size_t, error_code error, const response& result) {
        EXPECT_FALSE(error);
        EXPECT_EQ(result.body, "ok");
        if (++done % 2 == 1) throw std::runtime_error("mine");
    });
    for (std::size_t i = 0; i < 5; ++i) answer(i, "ok");
    std::size_t thrown = 0;
    for (int i = 0; i < 1000 && done != 5; ++i) {
        try {
            context.restart();
            context.run_for(10ms);
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    EXPECT_EQ(done, 5U);
    EXPECT_EQ(thrown, 3U);
    EXPECT_EQ(snapshot().total().idle, 5U);
    expect_consistent(snapshot());
}

// The exception passes through the event of another connection, which must not be lost with it.
TEST_F(ShardReadTest, EventBehindAHandlerThatThrowsIsNotLost) {
    const std::string url = "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
    std::optional<exchange> open;
    std::size_t done = 0;
    send(1, [&](std::size_t, error_code, const response&) {
        ++done;
        throw std::runtime_error("mine");
    });
    subject.async_open(get(url), [&](error_code error, exchange opened) {
        EXPECT_FALSE(error);
        open.emplace(std::move(opened));
    });
    error_code none = asio::error::would_block;
    asio::ip::tcp::socket body(peers);
    run_until([&] {
        if (none) body = acceptor.accept(none);
        return open.has_value() && !none && body.available() != 0;
    });
    constexpr std::size_t size = 200'000;
    asio::write(body, asio::buffer("HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(size) +
                                   "\r\n\r\nfirst"));
    std::string buffer(size, '\0');
    std::size_t got = 0;
    std::size_t reads = 0;
    const auto read = [&] {
        open->async_read_some(asio::buffer(buffer), [&](error_code error, std::size_t octets) {
            EXPECT_FALSE(error);
            got += octets;
            ++reads;
        });
    };
    read();
    run_until([&] { return reads == 1; });
    read();  // straight from the socket
    context.restart();
    context.poll();
    answer(0, "ok");
    asio::write(body, asio::buffer(std::string(1000, 'x')));
    for (int i = 0; i < 100 && done + reads != 3; ++i) {
        try {
            context.restart();
            context.run_for(10ms);
        } catch (const std::runtime_error&) {
        }
    }
    EXPECT_EQ(done, 1U);
    EXPECT_EQ(got, 1005U);
}

TEST_F(ShardReadTest, BothAnswersOfAHedgedPairInOneTurnCostNoConnection) {
    config values = settings();
    values.hedge.enabled = true;
    values.budget.floor_per_second = 1000;
    client hedging(context.get_executor(), values);
    const std::string url = "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
    acceptor.non_blocking(true);
    const auto count_asking = [&] {
        error_code error;
        asio::ip::tcp::socket socket = acceptor.accept(error);
        if (!error) sockets.push_back(std::move(socket));
        std::size_t asking = 0;
        for (asio::ip::tcp::socket& one : sockets) asking += one.available() != 0 ? 1 : 0;
        return asking;
    };
    // It learns what is late from answers that are not; then they wait for the second to ask.
    bool was_hedged = false;
    for (int asked = 0; asked < 500 && !was_hedged; ++asked) {
        std::optional<response> result;
        hedging.async_send(get(url), [&](error_code error, response answer) {
            EXPECT_FALSE(error) << error.message();
            result = std::move(answer);
        });
        bool were_two = false;
        int rounds = asked < 70 ? 0 : 100;
        run_until([&] {
            const std::size_t asking = count_asking();
            if (asking == 1 && rounds-- > 0) return false;
            were_two = were_two || asking == 2;
            for (std::size_t i = 0; i < sockets.size(); ++i) {
                std::string head(sockets[i].available(), '\0');
                if (head.empty()) continue;
                asio::read(sockets[i], asio::buffer(head));
                answer(i, "ok");
            }
            return result.has_value();
        });
        was_hedged = were_two && result && result->hedged;
    }
    EXPECT_TRUE(was_hedged);
    std::optional<stats> now;
    hedging.async_stats([&](stats seen) { now = std::move(seen); });
    run_until([&] { return now.has_value(); });
    EXPECT_EQ(now->total().idle, 2U);
}

TEST_F(ShardReadTest, ConnectionThatEndsAmongOthersFailsAlone) {
    std::vector<error_code> errors(4);
    std::size_t done = 0;
    send(4, [&](std::size_t i, error_code error, const response&) {
        errors[i] = error;
        ++done;
    });
    answer(0, "ok");
    asio::write(sockets[1], asio::buffer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab"s));
    sockets[1].close();
    asio::write(sockets[2], asio::buffer("no answer at all"s));
    answer(3, "ok");
    run_until([&] { return done == 4; });
    EXPECT_EQ(errors[0], error_code());
    EXPECT_EQ(errors[1], errc::peer_truncated);
    EXPECT_EQ(errors[2], errc::peer_protocol_error);
    EXPECT_EQ(errors[3], error_code());
    EXPECT_EQ(snapshot().total().open, 2U);
    expect_consistent(snapshot());
}

// A slow reader takes the end of a body from memory; the next answer on its connection is small.
TEST_F(ShardReadTest, NothingIsWaitedForThatDoesNotCome) {
    const std::string url = "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
    std::optional<exchange> open;
    subject.async_open(get(url),
                       [&](error_code, exchange opened) { open.emplace(std::move(opened)); });
    acceptor.non_blocking(true);
    error_code none = asio::error::would_block;
    asio::ip::tcp::socket body(peers);
    run_until([&] {
        if (none) body = acceptor.accept(none);
        return open.has_value() && !none && body.available() != 0;
    });
    constexpr std::size_t size = 1'000'000;
    asio::write(body, asio::buffer("HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(size) +
                                   "\r\n\r\n"));
    std::string buffer(12'000, '\0');
    std::size_t got = 0;
    bool is_over = false;
    int most_wanted = 0;
    std::function<void()> read = [&] {
        open->async_read_some(asio::buffer(buffer), [&](error_code error, std::size_t octets) {
            got += octets;
            is_over = error == asio::error::eof;
            if (!error) read();
        });
    };
    read();
    for (std::size_t sent = 0; sent < size; sent += 10'000) {
        asio::write(body, asio::buffer(std::string(10'000, 'x')));
        context.restart();
        context.poll();
        most_wanted = std::max(most_wanted, wanted_at_least(body));
    }
    EXPECT_GT(most_wanted, 1);
    run_until([&] { return is_over; });
    EXPECT_EQ(got, size);
    EXPECT_EQ(wanted_at_least(body), 1);
}

TEST_F(ShardReadTest, BulkWakesForEachPieceWhereThatIsWanted) {
    config values = settings();
    values.io.bulk_read = 0;
    std::string wrong = "not told";
    subject.async_update(values, [&](error_code, std::string why) { wrong = std::move(why); });
    run_until([&] { return wrong.empty(); });
    bool is_over = false;
    send(1, [&](std::size_t, error_code, const response&) { is_over = true; });
    asio::write(sockets[0], asio::buffer("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"s));
    for (int i = 0; i < 100; ++i) {
        asio::write(sockets[0], asio::buffer(std::string(10'000, 'x')));
        context.restart();
        context.poll();
        EXPECT_EQ(wanted_at_least(sockets[0]), 1);
    }
    run_until([&] { return is_over; });
}

// A read may get what a whole turn brought, not only the first piece of it.
TEST_F(ShardReadTest, ReadIsFilledByAllThatIsThere) {
    std::optional<exchange> open;
    subject.async_open(get("http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port())),
                       [&](error_code error, exchange opened) {
                           EXPECT_FALSE(error);
                           open.emplace(std::move(opened));
                       });
    acceptor.non_blocking(true);
    error_code none = asio::error::would_block;
    asio::ip::tcp::socket socket(peers);
    run_until([&] {
        if (none) socket = acceptor.accept(none);
        return open.has_value() && !none && socket.available() != 0;
    });
    std::size_t got = 0;
    std::string buffer(1000, '\0');
    const auto read = [&] {
        got = 0;
        std::optional<error_code> outcome;
        open->async_read_some(asio::buffer(buffer), [&](error_code error, std::size_t size) {
            outcome = error;
            got = size;
        });
        run_until([&] { return outcome.has_value(); });
        return outcome.value_or(error_code());
    };
    asio::write(socket, asio::buffer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
                                     "3\r\nabc\r\n4\r\ndefg\r\n1\r\nh\r\n"s));
    EXPECT_EQ(read(), error_code());
    EXPECT_EQ(buffer.substr(0, got), "abcdefgh");
    // More than the buffer has room for is kept; what stands before an error is not lost to it.
    asio::write(socket, asio::buffer("3e8\r\n" + std::string(1000, 'x') +
                                     "\r\n5\r\n12345\r\nnonsense\r\n"));
    EXPECT_EQ(read(), error_code());
    EXPECT_EQ(buffer.substr(0, got), std::string(1000, 'x'));
    EXPECT_EQ(read(), error_code());
    EXPECT_EQ(buffer.substr(0, got), "12345");
    EXPECT_EQ(read(), errc::peer_protocol_error);
}

// Where a large body comes quickly, the client lets octets gather; but none for ever.
TEST_F(ShardReadTest, BulkIsReadInLargePiecesToItsLastOctet) {
    constexpr std::size_t size = 3'000'000;
    std::optional<response> result;
    send(1, [&](std::size_t, error_code error, response answer) {
        EXPECT_FALSE(error) << error.message();
        result = std::move(answer);
    });
    const std::string piece(10'000, 'x');
    asio::write(
        sockets[0],
        asio::buffer("HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(size) + "\r\n\r\n"));
    std::size_t sent = 0;
    int most_wanted = 0;
    const auto put = [&] {
        asio::write(sockets[0], asio::buffer(piece));
        sent += piece.size();
        context.restart();
        context.poll();
        most_wanted = std::max(most_wanted, wanted_at_least(sockets[0]));
    };
    while (sent < 2'000'000) put();
    EXPECT_EQ(most_wanted, 16 * 1024) << "io.bulk_read, but not more than io.receive_buffer";
    // The peer rests: what it has sent is read, though it is less than was waited for.
    run_until([&] { return wanted_at_least(sockets[0]) == 1; });
    run_until([&] { return unread_of(sockets[0]) == 0; });
    while (sent < size) put();
    run_until([&] { return result.has_value(); });
    EXPECT_EQ(result.value_or(response{}).body, std::string(size, 'x'));
    EXPECT_EQ(wanted_at_least(sockets[0]), 1);
    EXPECT_EQ(snapshot().total().idle, 1U);
}

// What the first of them sends is written when the others were called, so they may take it back.
TEST_F(ShardReadTest, HandlerMayEndWhatAnotherOfItsBatchReads) {
    asio::cancellation_signal signal;
    const std::string url = "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
    std::size_t done = 0;
    error_code second;
    send(2, [&](std::size_t, error_code error, const response&) {
        EXPECT_FALSE(error);
        if (++done == 1) {
            subject.async_send(get(url + "/more"),
                               asio::bind_cancellation_slot(
                                   signal.slot(), [&](error_code failed, const response&) {
                                       second = failed;
                                       ++done;
                                   }));
        } else {
            signal.emit(asio::cancellation_type::terminal);
        }
    });
    answer(0, "ok");
    answer(1, "ok");
    run_until([&] { return done == 3; });
    EXPECT_EQ(second, asio::error::operation_aborted);
    expect_consistent(snapshot());
}

}  // namespace
}  // namespace hearth
