#include "io/socket_setup.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace hearth::io {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::seconds;

// A socket that was opened for a connection to 127.0.0.1:443 or another peer.
class opened {
public:
    explicit opened(const socket_settings& settings,
                    const endpoint& peer = make_tcp_endpoint("127.0.0.1", 443))
        : error(open_socket(peer, settings, descriptor)) {}
    ~opened() {
        if (descriptor >= 0) ::close(descriptor);
    }
    opened(const opened&) = delete;
    opened& operator=(const opened&) = delete;

    [[nodiscard]] int option(int level, int name) const {
        int value = -1;
        socklen_t size = sizeof value;
        EXPECT_EQ(::getsockopt(descriptor, level, name, &value, &size), 0);
        return value;
    }
    [[nodiscard]] asio::ip::tcp::endpoint local() const {
        asio::ip::tcp::endpoint result;
        auto size = static_cast<socklen_t>(result.capacity());
        EXPECT_EQ(::getsockname(descriptor, result.data(), &size), 0);
        return result;
    }

    int descriptor = -1;
    error_code error;
};

// Connections from one port of our choice: the second to the same peer finds it taken.
struct one_port {
    asio::io_context context;
    asio::ip::tcp::acceptor acceptor{context, {asio::ip::make_address("127.0.0.1"), 0}};
    endpoint peer{acceptor.local_endpoint()};

    [[nodiscard]] int connect_from(const opened& socket, std::uint16_t port) const {
        const int yes = 1;
        EXPECT_EQ(::setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
        const endpoint local = make_tcp_endpoint("127.0.0.1", port);
        const auto size = static_cast<socklen_t>(local.size());
        EXPECT_EQ(::bind(socket.descriptor, local.data(), size), 0);
        const int flags = ::fcntl(socket.descriptor, F_GETFL);
        EXPECT_EQ(::fcntl(socket.descriptor, F_SETFL, flags & ~O_NONBLOCK), 0);
        const auto peer_size = static_cast<socklen_t>(peer.size());
        return ::connect(socket.descriptor, peer.data(), peer_size) == 0 ? 0 : errno;
    }
};

TEST(SocketSetupTest, SocketsDoNotBlockAndEndAtExec) {
    const opened socket({});
    ASSERT_FALSE(socket.error);
    EXPECT_NE(::fcntl(socket.descriptor, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(socket.descriptor, F_GETFD) & FD_CLOEXEC, 0);
}

TEST(SocketSetupTest, KeepAliveHasIdleTimeIntervalAndCount) {
    socket_settings settings;
    settings.keepalive_idle = seconds(31);
    settings.keepalive_interval = seconds(7);
    settings.keepalive_count = 3;
    const opened socket(settings);
    EXPECT_EQ(socket.option(SOL_SOCKET, SO_KEEPALIVE), 0) << "that can wait";
    EXPECT_TRUE(keeps_alive_later(make_tcp_endpoint("127.0.0.1", 443), settings));
    EXPECT_TRUE(keeps_alive_later(make_tcp_endpoint("::1", 443), settings));
    EXPECT_FALSE(keeps_alive_later(make_unix_endpoint("/run/origin"), settings));
    keep_alive(socket.descriptor, settings);
    EXPECT_EQ(socket.option(SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(socket.option(IPPROTO_TCP, TCP_KEEPIDLE), 31);
    EXPECT_EQ(socket.option(IPPROTO_TCP, TCP_KEEPINTVL), 7);
    EXPECT_EQ(socket.option(IPPROTO_TCP, TCP_KEEPCNT), 3);
}

TEST(SocketSetupTest, KeepAliveIsOffWithoutAnIdleTime) {
    const opened socket({});
    EXPECT_FALSE(keeps_alive_later(make_tcp_endpoint("127.0.0.1", 443), {}));
    keep_alive(socket.descriptor, {});
    EXPECT_EQ(socket.option(SOL_SOCKET, SO_KEEPALIVE), 0);
}

TEST(SocketSetupTest, AHookHasTheLastWordAboutKeepAlive) {
    socket_settings settings;
    settings.keepalive_idle = seconds(31);
    settings.before_connect = [](int descriptor, std::string_view) {
        const int idle = 99;
        ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
        return error_code();
    };
    const opened socket(settings);
    EXPECT_FALSE(keeps_alive_later(make_tcp_endpoint("127.0.0.1", 443), settings));
    EXPECT_EQ(socket.option(SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(socket.option(IPPROTO_TCP, TCP_KEEPIDLE), 99);
}

TEST(SocketSetupTest, NoDelayIsOnUnlessSwitchedOff) {
    EXPECT_EQ(opened({}).option(IPPROTO_TCP, TCP_NODELAY), 1);
    socket_settings settings;
    settings.nodelay = false;
    EXPECT_EQ(opened(settings).option(IPPROTO_TCP, TCP_NODELAY), 0);
}

TEST(SocketSetupTest, UserTimeoutIsInMilliseconds) {
    EXPECT_EQ(opened({}).option(IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    socket_settings settings;
    settings.user_timeout = seconds(9);
    EXPECT_EQ(opened(settings).option(IPPROTO_TCP, TCP_USER_TIMEOUT), 9000);
}

TEST(SocketSetupTest, BuffersAreTheKernelsUnlessSet) {
    const opened usual({});
    const int send = usual.option(SOL_SOCKET, SO_SNDBUF);
    const int receive = usual.option(SOL_SOCKET, SO_RCVBUF);
    socket_settings settings;
    settings.send_buffer = 8192;
    EXPECT_EQ(opened(settings).option(SOL_SOCKET, SO_SNDBUF), 2 * 8192);  // the kernel doubles it
    EXPECT_EQ(opened(settings).option(SOL_SOCKET, SO_RCVBUF), receive);
    settings.send_buffer.reset();
    settings.receive_buffer = 8192;
    EXPECT_EQ(opened(settings).option(SOL_SOCKET, SO_SNDBUF), send);
    EXPECT_EQ(opened(settings).option(SOL_SOCKET, SO_RCVBUF), 2 * 8192);
}

TEST(SocketSetupTest, LocalAddressIsBoundWithoutAPort) {
    socket_settings settings;
    settings.local_address = "127.0.0.2";
    const opened socket(settings);
    ASSERT_FALSE(socket.error) << socket.error.message();
    EXPECT_EQ(socket.option(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), 1);
    EXPECT_EQ(socket.local().address().to_string(), "127.0.0.2");
    EXPECT_EQ(socket.local().port(), 0);
}

TEST(SocketSetupTest, ForeignLocalAddressFailsAndIsNoLackOfPorts) {
    socket_settings settings;
    settings.local_address = "192.0.2.1";
    const opened socket(settings);
    EXPECT_EQ(socket.error, boost::system::errc::address_not_available);
    EXPECT_EQ(socket.descriptor, -1);
    EXPECT_FALSE(is_out_of_ports(make_tcp_endpoint("127.0.0.1", 443), settings));
}

TEST(SocketSetupTest, TakenPortIsALackOfPorts) {
    const one_port world;
    const opened first({}, world.peer);
    ASSERT_EQ(world.connect_from(first, 0), 0);
    const opened second({}, world.peer);
    EXPECT_EQ(world.connect_from(second, first.local().port()), EADDRNOTAVAIL);
    EXPECT_TRUE(is_out_of_ports(world.peer, {}));
}

TEST(SocketSetupTest, UnknownInterfaceFails) {
    socket_settings settings;
    settings.interface_name = "no-such-one";
    EXPECT_EQ(opened(settings).error, boost::system::errc::no_such_device);
    settings.interface_name = "lo";
    EXPECT_FALSE(opened(settings).error);
}

TEST(SocketSetupTest, HookSeesTheSocketAndItsPeerLast) {
    socket_settings settings;
    std::string seen;
    settings.before_connect = [&](int descriptor, std::string_view peer) -> error_code {
        seen = peer;
        const int priority = 3;
        EXPECT_EQ(::setsockopt(descriptor, SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority), 0);
        return {};
    };
    EXPECT_EQ(opened(settings).option(SOL_SOCKET, SO_PRIORITY), 3);
    EXPECT_EQ(seen, "127.0.0.1:443");
    EXPECT_FALSE(opened(settings, make_unix_endpoint("@x")).error);
    EXPECT_EQ(seen, "unix:@x");
}

TEST(SocketSetupTest, ErrorOrExceptionOfTheHookFailsTheAttempt) {
    socket_settings settings;
    settings.before_connect = [](int, std::string_view) -> error_code {
        return boost::system::errc::make_error_code(boost::system::errc::permission_denied);
    };
    EXPECT_EQ(opened(settings).error, boost::system::errc::permission_denied);
    settings.before_connect = [](int, std::string_view) -> error_code {
        throw std::runtime_error("no");
    };
    EXPECT_EQ(opened(settings).error, boost::system::errc::operation_canceled);
    EXPECT_EQ(opened(settings).descriptor, -1);
}

TEST(SocketSetupTest, DescriptorLimitIsKnownByItsCodesAndByTrying) {
    EXPECT_TRUE(is_descriptor_limit({EMFILE, boost::system::system_category()}));
    EXPECT_TRUE(is_descriptor_limit({ENFILE, boost::system::system_category()}));
    EXPECT_FALSE(is_descriptor_limit({ECONNREFUSED, boost::system::system_category()}));
    EXPECT_FALSE(is_out_of_descriptors());
    rlimit usual{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &usual), 0);
    rlimit none = usual;
    none.rlim_cur = 0;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const bool is_out = is_out_of_descriptors();
    const opened socket({});
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
    EXPECT_TRUE(is_out);
    EXPECT_TRUE(is_descriptor_limit(socket.error));
}

}  // namespace
}  // namespace hearth::io
