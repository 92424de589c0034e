#include "io/connection_driver.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "support/tls_server.hpp"

namespace hearth::io {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

struct recording final : driver_listener, readiness_owner {
    std::optional<error_code> connected;
    std::uint32_t attempt = 0;
    int results = 0;
    int readable = 0;
    int writable = 0;

    void on_batch_told() override {}
    void on_connect_result(connection_id /*connection*/, std::uint32_t number,
                           error_code error) override {
        connected = error;
        attempt = number;
        ++results;
    }
    void on_readable(connection_id /*connection*/) override { ++readable; }
    void on_writable(connection_id /*connection*/) override { ++writable; }
};

// A listener on loopback, and a driver that may connect to it.
struct pair {
    asio::io_context context;
    asio::ip::tcp::acceptor acceptor{context, {asio::ip::make_address("127.0.0.1"), 0}};
    asio::ip::tcp::socket peer{context};
    std::shared_ptr<recording> heard = std::make_shared<recording>();
    std::shared_ptr<readiness_set> sockets =
        std::make_shared<readiness_set>(context.get_executor(), heard);
    std::shared_ptr<socket_settings> settings = std::make_shared<socket_settings>();
    connection_driver driver{sockets, heard, connection_id{0, 1}, settings};

    [[nodiscard]] endpoint there() const { return endpoint(acceptor.local_endpoint()); }
    void run() {
        context.restart();
        context.run();
    }
    void connect() {
        driver.connect(0, there());
        run();
        ASSERT_TRUE(heard->connected && !*heard->connected);
        driver.adopt(0);
        acceptor.accept(peer);
    }
};

TEST(ConnectionDriverTest, ConnectTellsOnceAndNamesThePeer) {
    pair p;
    p.connect();
    EXPECT_EQ(p.heard->results, 1);
    EXPECT_EQ(p.driver.peer_address(),
              "127.0.0.1:" + std::to_string(p.acceptor.local_endpoint().port()));
}

// The socket of this process that the listener's `peer` is connected to.
int descriptor_of(const asio::ip::tcp::socket& peer) {
    for (int descriptor = 3; descriptor < 256; ++descriptor) {
        asio::ip::tcp::endpoint local;
        auto size = static_cast<socklen_t>(local.capacity());
        if (::getsockname(descriptor, local.data(), &size) == 0 &&
            local == peer.remote_endpoint()) {
            return descriptor;
        }
    }
    return -1;
}

int keep_alive_of(const asio::ip::tcp::socket& peer) {
    int value = -1;
    socklen_t size = sizeof value;
    ::getsockopt(descriptor_of(peer), SOL_SOCKET, SO_KEEPALIVE, &value, &size);
    return value;
}

TEST(ConnectionDriverTest, TheKernelLooksAfterThePeerOnceItIsTold) {
    pair p;
    p.settings->keepalive_idle = std::chrono::seconds(60);
    p.driver.connect(0, p.there());
    p.driver.keep_alive();  // there is none yet
    p.run();
    EXPECT_EQ(p.driver.adopt(0), std::chrono::seconds(30));
    p.acceptor.accept(p.peer);
    EXPECT_EQ(keep_alive_of(p.peer), 0);
    p.driver.keep_alive();
    EXPECT_EQ(keep_alive_of(p.peer), 1);
}

TEST(ConnectionDriverTest, RefusedConnectIsToldNeverFromInsideTheCall) {
    pair p;
    const endpoint gone = p.there();
    p.acceptor.close();
    p.driver.connect(7, gone);
    EXPECT_EQ(p.heard->results, 0);
    p.run();
    EXPECT_EQ(p.heard->results, 1);
    EXPECT_EQ(p.heard->attempt, 7U);
    EXPECT_EQ(*p.heard->connected, boost::system::errc::connection_refused);
}

TEST(ConnectionDriverTest, CancelledAttemptIsNotTold) {
    pair p;
    p.driver.connect(0, p.there());
    p.driver.cancel_connect(0);
    p.run();
    EXPECT_EQ(p.heard->results, 0);
}

TEST(ConnectionDriverTest, AdoptClosesTheOtherAttempts) {
    pair p;
    p.driver.connect(0, p.there());
    p.driver.connect(1, p.there());
    p.run();
    EXPECT_EQ(p.heard->results, 2);
    p.driver.adopt(1);
    asio::ip::tcp::socket first = p.acceptor.accept();
    asio::ip::tcp::socket second = p.acceptor.accept();
    char octet = 0;
    error_code error;
    first.read_some(asio::buffer(&octet, 1), error);
    EXPECT_EQ(error, asio::error::eof);
}

TEST(ConnectionDriverTest, ReadTellsDataThenNothingThenTheEnd) {
    pair p;
    p.connect();
    std::array<std::byte, 64> buffer{};
    EXPECT_EQ(p.driver.read(buffer).status, io_status::would_block);
    p.driver.wait_readable();
    p.driver.wait_readable();  // one wait at a time
    asio::write(p.peer, asio::buffer("hello", 5));
    p.run();
    EXPECT_EQ(p.heard->readable, 1);
    const io_result got = p.driver.read(buffer);
    EXPECT_EQ(got.status, io_status::ok);
    EXPECT_EQ(got.size, 5U);
    EXPECT_EQ(p.driver.bytes_received, 5U);
    p.peer.close();
    p.driver.wait_readable();
    p.run();
    EXPECT_EQ(p.heard->readable, 2);
    EXPECT_EQ(p.driver.read(buffer).status, io_status::closed);
}

TEST(ConnectionDriverTest, EndThatCameWithTheLastOctetsIsNotMissed) {
    pair p;
    p.connect();
    asio::write(p.peer, asio::buffer("bye", 3));
    p.peer.close();
    p.driver.wait_readable();
    p.run();
    std::array<std::byte, 64> buffer{};
    EXPECT_EQ(p.driver.read(buffer).size, 3U);
    EXPECT_EQ(p.heard->readable, 1);
    p.driver.wait_readable();  // there will be no other edge
    p.run();
    EXPECT_EQ(p.heard->readable, 2);
    EXPECT_EQ(p.driver.read(buffer).status, io_status::closed);
}

TEST(ConnectionDriverTest, WhatAReadLeftIsToldAgain) {
    pair p;
    p.connect();
    asio::write(p.peer, asio::buffer("hello", 5));
    std::array<std::byte, 2> buffer{};
    std::size_t got = 0;
    for (int reads = 1; got < 5; ++reads) {
        p.driver.wait_readable();
        EXPECT_EQ(p.heard->readable, reads - 1);  // never from inside the call
        p.run();
        EXPECT_EQ(p.heard->readable, reads);
        got += p.driver.read(buffer).size;
    }
    EXPECT_EQ(p.driver.read_calls, 3U);
}

TEST(ConnectionDriverTest, WhatCameWhileNobodyWaitedIsToldOnceSomebodyDoes) {
    pair p;
    p.connect();
    std::array<std::byte, 64> buffer{};
    EXPECT_EQ(p.driver.read(buffer).status, io_status::would_block);
    asio::write(p.peer, asio::buffer("hello", 5));
    p.run();
    EXPECT_EQ(p.heard->readable, 0);
    p.driver.wait_readable();
    p.run();
    EXPECT_EQ(p.heard->readable, 1);
    EXPECT_EQ(p.driver.read(buffer).size, 5U);
}

TEST(ConnectionDriverTest, ResetIsAFailure) {
    pair p;
    p.connect();
    p.peer.set_option(asio::socket_base::linger(true, 0));
    p.peer.close();
    p.driver.wait_readable();
    p.run();
    std::array<std::byte, 64> buffer{};
    const io_result got = p.driver.read(buffer);
    EXPECT_EQ(got.status, io_status::failed);
    EXPECT_EQ(got.error, boost::system::errc::connection_reset);
}

TEST(ConnectionDriverTest, WriteStopsWhenTheKernelTakesNoMoreAndGoesOnWhenItDoes) {
    pair p;
    p.connect();
    base::byte_queue queue;
    const std::string block(1 << 20, 'x');
    io_result result;
    std::uint64_t queued = 0;
    for (int i = 0; i < 256 && result.status == io_status::ok; ++i) {
        queue.append(block);
        queued += block.size();
        result = p.driver.write(queue);
    }
    ASSERT_EQ(result.status, io_status::would_block);
    EXPECT_EQ(p.driver.bytes_sent + queue.size(), queued);
    p.driver.wait_writable();
    EXPECT_TRUE(p.driver.is_waiting_writable());
    std::string sink(4 << 20, '\0');
    std::uint64_t read = 0;
    while (read < p.driver.bytes_sent) read += p.peer.read_some(asio::buffer(sink));
    p.run();
    EXPECT_EQ(p.heard->writable, 1);
    EXPECT_EQ(p.driver.write(queue).status, io_status::ok);
    EXPECT_TRUE(queue.empty());
}

TEST(ConnectionDriverTest, WriteToAGonePeerFailsWithoutASignal) {
    pair p;
    p.connect();
    p.peer.set_option(asio::socket_base::linger(true, 0));
    p.peer.close();
    p.driver.wait_readable();
    p.run();  // the reset is here
    base::byte_queue queue;
    queue.append("x");
    EXPECT_EQ(p.driver.write(queue).status, io_status::failed);
}

TEST(ConnectionDriverTest, SendsOctetsOfAFileAndCountsThem) {
    pair p;
    p.connect();
    const int file = ::memfd_create("hearth", MFD_CLOEXEC);
    ASSERT_EQ(::write(file, "0123456789", 10), 10);
    EXPECT_TRUE(p.driver.can_send_files());
    const io_result sent = p.driver.send_file(file, 2, 5);
    EXPECT_EQ(sent.status, io_status::ok);
    EXPECT_EQ(sent.size, 5U);
    EXPECT_EQ(p.driver.send_file(file, 10, 5).status, io_status::closed) << "it ends there";
    std::string got(5, '\0');
    asio::read(p.peer, asio::buffer(got));
    EXPECT_EQ(got, "23456");
    EXPECT_EQ(p.driver.bytes_sent, 5U);
    EXPECT_EQ(p.driver.file_bytes_sent, 5U);
    EXPECT_EQ(p.driver.write_calls, 2U);
    ASSERT_EQ(::ftruncate(file, 256 << 20), 0);
    io_result result;
    for (int i = 0; i < 1000 && result.status == io_status::ok; ++i) {
        result = p.driver.send_file(file, 0, 1 << 20);
    }
    EXPECT_EQ(result.status, io_status::would_block);
    ::close(file);
}

TEST(ConnectionDriverTest, TellsOfReadabilityWhenAsMuchIsThereAsIsWanted) {
    pair p;
    p.connect();
    p.driver.want_at_least(1000);
    EXPECT_EQ(p.driver.wanted(), 1000U);
    p.driver.wait_readable();
    const std::string text(999, 'x');
    asio::write(p.peer, asio::buffer(text));
    p.context.restart();
    p.context.poll();
    EXPECT_EQ(p.heard->readable, 0);
    asio::write(p.peer, asio::buffer("x", 1));
    p.run();
    EXPECT_EQ(p.heard->readable, 1);
    std::array<std::byte, 2000> buffer{};
    EXPECT_EQ(p.driver.read(buffer).size, 1000U);

    p.driver.wait_readable();
    asio::write(p.peer, asio::buffer("few", 3));
    p.driver.want_at_least(1);  // what is there is enough now
    p.run();
    EXPECT_EQ(p.heard->readable, 2);
    EXPECT_EQ(p.driver.read(buffer).size, 3U);

    p.driver.want_at_least(1000);
    p.driver.wait_readable();
    asio::write(p.peer, asio::buffer("end", 3));
    p.peer.close();  // nothing more will come
    p.run();
    EXPECT_EQ(p.heard->readable, 3);
    EXPECT_EQ(p.driver.read(buffer).size, 3U);
}

TEST(ConnectionDriverTest, CloseEndsWaitsWithoutACall) {
    pair p;
    p.connect();
    p.driver.wait_readable();
    p.driver.close();
    p.run();
    EXPECT_EQ(p.heard->readable, 0);
    char octet = 0;
    error_code error;
    p.peer.read_some(asio::buffer(&octet, 1), error);
    EXPECT_EQ(error, asio::error::eof);
}

TEST(ConnectionDriverTest, ASocketThatIsConnectedAlreadyWillDo) {
    pair p;
    int ends[2] = {-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    p.settings->keepalive_idle = std::chrono::seconds(60);
    p.driver.connect(3, owned_descriptor(ends[0]));
    EXPECT_EQ(p.heard->results, 0);
    p.run();
    EXPECT_EQ(p.heard->attempt, 3U);
    ASSERT_TRUE(p.heard->connected && !*p.heard->connected);
    EXPECT_EQ(p.driver.adopt(3), std::nullopt) << "its owner set it up";
    ASSERT_EQ(::send(ends[1], "hi", 2, 0), 2);
    std::array<std::byte, 16> into;
    EXPECT_EQ(p.driver.read(into).size, 2U);
    EXPECT_EQ(p.driver.read(into).status, io_status::would_block) << "it was made non-blocking";
    ::close(ends[1]);
}

TEST(ConnectionDriverTest, WhatIsNoStreamSocketIsAnError) {
    pair p;
    int ends[2] = {-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    p.driver.connect(0, owned_descriptor(ends[0]));
    p.run();
    EXPECT_EQ(*p.heard->connected, boost::system::errc::wrong_protocol_type);
    ::close(ends[1]);
}

// A connection under a layer of TLS, whose peer the test holds.
struct secured : pair {
    support::tls_server_context context_of_peer{support::origin_identity()};
    support::tls_server server{context_of_peer};

    void secure() {
        connect();
        auto layer = std::make_unique<proto::tls_engine>(support::settings_with());
        ASSERT_TRUE(support::connect(*layer, server));
        driver.secure(std::move(layer));
        peer.non_blocking(true);
    }
    // What has arrived there, decrypted.
    std::string take() {
        std::array<char, 64 * 1024> octets;
        std::string plain;
        error_code error;
        for (;;) {
            const std::size_t size = peer.read_some(asio::buffer(octets), error);
            if (error) return plain;
            server.receive(std::string_view(octets.data(), size));
            plain += server.read();
        }
    }
    void send(std::string_view plain) {
        server.write(plain);
        asio::write(peer, asio::buffer(server.take_output()));
    }
};

std::string text_of(std::span<const std::byte> octets) {
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

TEST(ConnectionDriverTest, ALayerEncryptsWhatIsWrittenAndDecryptsWhatIsRead) {
    secured p;
    p.secure();
    base::byte_queue out;
    out.append(support::octets("question"));
    EXPECT_EQ(p.driver.write(out).size, 8U);
    EXPECT_TRUE(out.empty());
    EXPECT_EQ(p.take(), "question");
    p.send("answer");
    p.driver.wait_readable();
    p.run();
    EXPECT_EQ(p.heard->readable, 1);
    std::array<std::byte, 64> into;
    const io_result got = p.driver.read(into);
    EXPECT_EQ(text_of(std::span(into).first(got.size)), "answer");
    EXPECT_EQ(p.driver.read(into).status, io_status::would_block);
}

TEST(ConnectionDriverTest, WhatALayerHoldsIsReadableToo) {
    secured p;
    p.secure();
    p.send("first");
    p.send("second");
    std::array<std::byte, 5> into;  // one record at a time, or less
    std::string all;
    for (int i = 0; i < 3; ++i) {  // all of it left the kernel with the first read
        p.driver.wait_readable();
        p.run();
        all += text_of(std::span(into).first(p.driver.read(into).size));
    }
    EXPECT_EQ(all, "firstsecond");
    EXPECT_EQ(p.heard->readable, 3);
}

TEST(ConnectionDriverTest, ALayerKeepsWhatTheKernelDoesNotTake) {
    secured p;
    p.secure();
    const std::string much(16 * 1024 * 1024, 'x');
    base::byte_queue out;
    out.append(support::octets(much));
    std::string arrived;
    io_result last = p.driver.write(out);
    EXPECT_EQ(last.status, io_status::would_block);
    EXPECT_FALSE(out.empty());
    for (int i = 0; i < 100'000 && last.status == io_status::would_block; ++i) {
        arrived += p.take();
        last = p.driver.write(out);
    }
    EXPECT_EQ(last.status, io_status::ok);
    EXPECT_TRUE(out.empty());
    arrived += p.take();
    EXPECT_TRUE(arrived == much) << arrived.size();
}

TEST(ConnectionDriverTest, TheEndOfALayerIsTheEnd) {
    secured p;
    p.secure();
    p.server.close();
    p.send("");
    std::array<std::byte, 16> into;
    p.driver.wait_readable();
    p.run();
    EXPECT_EQ(p.driver.read(into).status, io_status::closed);
    EXPECT_EQ(p.driver.read(into).status, io_status::closed);
}

TEST(ConnectionDriverTest, OctetsThatAreNoRecordsFailUnderALayer) {
    secured p;
    p.secure();
    asio::write(p.peer, asio::buffer(std::string(100, 'x')));
    std::array<std::byte, 16> into;
    p.driver.wait_readable();
    p.run();
    const io_result result = p.driver.read(into);
    EXPECT_EQ(result.status, io_status::failed);
    EXPECT_EQ(result.error, errc::peer_tls_error);
}

}  // namespace
}  // namespace hearth::io
