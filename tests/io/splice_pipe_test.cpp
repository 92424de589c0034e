#include "io/splice_pipe.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>

namespace hearth::io {
namespace {

// Both ends of a connection, and a file.
struct SplicePipeTest : ::testing::Test {
    SplicePipeTest() {
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
        file = ::memfd_create("hearth", MFD_CLOEXEC);
    }
    ~SplicePipeTest() override {
        for (const int each : {ends[0], ends[1], file}) {
            if (each >= 0) ::close(each);
        }
    }
    void send(const std::string& text) const {
        EXPECT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    [[nodiscard]] std::string text() const {
        std::string all(100, '\0');
        all.resize(
            static_cast<std::size_t>(std::max<ssize_t>(::pread(file, all.data(), 100, 0), 0)));
        return all;
    }

    std::array<int, 2> ends{-1, -1};
    int file = -1;
    splice_pipe pipe;
};

TEST_F(SplicePipeTest, MovesOctetsToAnOffset) {
    send("0123456789");
    EXPECT_EQ(pipe.fill(ends[0], 6), 6);
    EXPECT_EQ(pipe.size(), 6U);
    EXPECT_EQ(pipe.empty_into(file, 2), 6);
    EXPECT_EQ(pipe.size(), 0U);
    EXPECT_EQ(pipe.fill(ends[0], 100), 4) << "what there is";
    EXPECT_EQ(pipe.empty_into(file, 8), 4);
    EXPECT_EQ(text(), std::string(2, '\0') + "0123456789");
}

TEST_F(SplicePipeTest, SocketWithoutOctetsDoesNotBlock) {
    EXPECT_EQ(pipe.fill(ends[0], 10), -1);
    EXPECT_EQ(errno, EAGAIN);
    ::close(std::exchange(ends[1], -1));
    EXPECT_EQ(pipe.fill(ends[0], 10), 0) << "the peer has ended";
}

TEST_F(SplicePipeTest, FileThatTakesNoneLeavesThemToBeRead) {
    const std::string path = "/proc/self/fd/" + std::to_string(file);
    const int appending = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    send("0123456789");
    EXPECT_EQ(pipe.fill(ends[0], 10), 10);
    EXPECT_EQ(pipe.empty_into(appending, 0), -1);
    EXPECT_TRUE(is_unspliceable({errno, boost::system::system_category()}));
    std::array<std::byte, 4> some{};
    EXPECT_EQ(pipe.read(some), 4);
    EXPECT_EQ(some[3], std::byte{'3'});
    EXPECT_EQ(pipe.size(), 6U);
    ::close(appending);
}

TEST_F(SplicePipeTest, DroppedOneBeginsAnew) {
    send("lost");
    EXPECT_EQ(pipe.fill(ends[0], 10), 4);
    pipe.drop();
    EXPECT_EQ(pipe.size(), 0U);
    send("kept");
    EXPECT_EQ(pipe.fill(ends[0], 10), 4);
    EXPECT_EQ(pipe.empty_into(file, 0), 4);
    EXPECT_EQ(text(), "kept");
}

TEST_F(SplicePipeTest, ErrorsOfFilesAreNoReasonToCopy) {
    for (const int code : {ENOSPC, EBADF, EIO, EFBIG, EPIPE, ECONNRESET}) {
        EXPECT_FALSE(is_unspliceable({code, boost::system::system_category()})) << code;
    }
    EXPECT_FALSE(is_unspliceable({EINVAL, boost::system::generic_category()}));
}

}  // namespace
}  // namespace hearth::io
