// A peer that accepts connections, as far as the kernel does that, and never reads; or, when its
// queue is full, does not even accept.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

namespace hearth::support {

class deaf_listener {
public:
    explicit deaf_listener(int backlog = 16) {
        sockets_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address_;
        EXPECT_EQ(::bind(sockets_.front(), generic(), size), 0);
        EXPECT_EQ(::listen(sockets_.front(), backlog), 0);
        EXPECT_EQ(::getsockname(sockets_.front(), generic(), &size), 0);
    }
    ~deaf_listener() {
        for (const int descriptor : sockets_) ::close(descriptor);
    }
    deaf_listener(const deaf_listener&) = delete;
    deaf_listener& operator=(const deaf_listener&) = delete;

    /// Connects until nothing more is accepted; for a `backlog` of 0.
    void fill() {
        for (int i = 0; i < 4; ++i) {
            sockets_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            (void)::connect(sockets_.back(), generic(), sizeof address_);
        }
    }
    [[nodiscard]] std::uint16_t port() const { return ntohs(address_.sin_port); }
    [[nodiscard]] std::string url() const {
        return "http://127.0.0.1:" + std::to_string(port()) + "/";
    }

private:
    sockaddr* generic() { return reinterpret_cast<sockaddr*>(&address_); }

    sockaddr_in address_{};
    std::vector<int> sockets_;
};

}  // namespace hearth::support
