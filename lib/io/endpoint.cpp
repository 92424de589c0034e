#include "io/endpoint.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/system/error_code.hpp>
#include <cstring>

namespace hearth::io {

namespace asio = boost::asio;

std::string to_string(const endpoint& value) {
    const int family = value.data()->sa_family;
    if (family == AF_INET || family == AF_INET6) {
        asio::ip::tcp::endpoint tcp;
        std::memcpy(tcp.data(), value.data(), value.size());
        const std::string host = tcp.address().to_string();
        const std::string port = std::to_string(tcp.port());
        return family == AF_INET6 ? "[" + host + "]:" + port : host + ":" + port;
    }
    if (family == AF_UNIX) {
        asio::local::stream_protocol::endpoint local;
        std::memcpy(local.data(), value.data(), value.size());
        local.resize(value.size());
        std::string path = local.path();
        if (!path.empty() && path.front() == '\0') path.front() = '@';
        return "unix:" + path;
    }
    return {};
}

endpoint make_tcp_endpoint(const std::string& address, std::uint16_t port) {
    boost::system::error_code error;
    const auto parsed = asio::ip::make_address(address, error);
    if (error) return {};
    return endpoint(asio::ip::tcp::endpoint(parsed, port));
}

endpoint make_unix_endpoint(const std::string& path) {
    std::string name = path;
    if (!name.empty() && name.front() == '@') name.front() = '\0';
    asio::local::stream_protocol::endpoint local;
    if (name.empty() || name.size() >= sizeof(sockaddr_un::sun_path)) return {};
    return endpoint(asio::local::stream_protocol::endpoint(name));
}

}  // namespace hearth::io
