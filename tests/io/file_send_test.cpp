#include "io/file_send.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <utility>

namespace hearth::io {
namespace {

// Both ends of a connection, and a file.
struct FileSendTest : ::testing::Test {
    FileSendTest() {
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
        file = ::memfd_create("hearth", MFD_CLOEXEC);
        EXPECT_EQ(::write(file, "0123456789", 10), 10);
    }
    ~FileSendTest() override {
        for (const int each : {ends[0], ends[1], file}) {
            if (each >= 0) ::close(each);
        }
    }
    void close_peer() { ::close(std::exchange(ends[1], -1)); }

    std::array<int, 2> ends{-1, -1};
    int file = -1;
};

bool is_pipe_signal_blocked() {
    sigset_t now{};
    ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
    return sigismember(&now, SIGPIPE) == 1;
}

TEST_F(FileSendTest, SendsOctetsFromAnOffset) {
    EXPECT_EQ(send_file(ends[0], file, 3, 4), 4);
    std::string got(16, '\0');
    EXPECT_EQ(::read(ends[1], got.data(), got.size()), 4);
    EXPECT_EQ(got.substr(0, 4), "3456");
    EXPECT_EQ(send_file(ends[0], file, 8, 100), 2) << "to its end";
    EXPECT_EQ(send_file(ends[0], file, 10, 1), 0) << "nothing is there";
}

TEST_F(FileSendTest, TakesNoMoreThanTheSocketDoes) {
    ASSERT_EQ(::ftruncate(file, 64 << 20), 0);
    ssize_t sent = 0;
    while ((sent = send_file(ends[0], file, 0, 1 << 20)) > 0) continue;
    EXPECT_EQ(sent, -1);
    EXPECT_EQ(errno, EAGAIN);
}

TEST_F(FileSendTest, PeerThatIsGoneIsAnErrorAndNoSignal) {
    close_peer();
    EXPECT_EQ(send_file(ends[0], file, 0, 10), -1);
    EXPECT_EQ(errno, EPIPE);
    EXPECT_FALSE(is_pipe_signal_blocked());
}

TEST_F(FileSendTest, ASignalThatWasBlockedBeforeStaysPending) {
    sigset_t only{};
    sigemptyset(&only);
    sigaddset(&only, SIGPIPE);
    sigset_t before{};
    ::pthread_sigmask(SIG_BLOCK, &only, &before);
    ::raise(SIGPIPE);
    close_peer();
    EXPECT_EQ(send_file(ends[0], file, 0, 10), -1);
    EXPECT_TRUE(is_pipe_signal_blocked());
    const timespec now{};
    EXPECT_EQ(::sigtimedwait(&only, nullptr, &now), SIGPIPE);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(FileSendTest, SaysWhichErrorsAreOfTheFile) {
    const auto of_system = [](int code) {
        return boost::system::error_code(code, boost::system::system_category());
    };
    EXPECT_EQ(send_file(ends[0], ends[1], 0, 1), -1);  // a socket has no offsets
    EXPECT_TRUE(is_unsendable(of_system(errno)));
    EXPECT_TRUE(is_unsendable(of_system(EINVAL)));
    EXPECT_FALSE(is_unsendable(of_system(EPIPE)));
    EXPECT_FALSE(is_unsendable(of_system(ECONNRESET)));
    EXPECT_FALSE(is_unsendable({EINVAL, boost::system::generic_category()}));
}

}  // namespace
}  // namespace hearth::io
