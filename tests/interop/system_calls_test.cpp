// What bodies cost in system calls, as strace counts them, and that they took the way they should:
// files of 256 MiB to and from real servers; and what a small GET costs.
#include <gtest/gtest.h>

#include <array>
#include <boost/version.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include "hearth/testing/origin.hpp"
#include "interop/servers.hpp"

namespace hearth::interop {
namespace {

constexpr std::uint64_t size = 256ULL << 20;
// What a process needs besides, and what comes before the body.
constexpr std::uint64_t few = 60;

struct counted {
    transfer took;
    std::map<std::string, std::uint64_t> calls;
    [[nodiscard]] std::uint64_t of(const std::string& name) const {
        const auto at = calls.find(name);
        return at == calls.end() ? 0 : at->second;
    }
    /// Of all that move octets or wait for that.
    [[nodiscard]] std::uint64_t sum() const {
        std::uint64_t all = 0;
        for (const char* const name :
             {"recvfrom", "sendto", "sendfile", "splice", "read", "write", "pread64", "pwrite64",
              "epoll_wait", "epoll_pwait", "epoll_ctl"}) {
            all += of(name);
        }
        return all;
    }
};

/// The standard output of a command.
std::string output_of(const std::string& command, int& status) {
    std::string text;
    std::FILE* const from = ::popen(command.c_str(), "r");
    std::array<char, 256> piece{};
    while (std::fgets(piece.data(), piece.size(), from) != nullptr) text += piece.data();
    status = ::pclose(from);
    return text;
}

class InteropSystemCallsTest : public ::testing::Test {
protected:
    void SetUp() override {
        int status = 0;
        (void)output_of("strace -c -o /dev/null true 2>/dev/null", status);
        may_trace_ = status == 0;
        if (!may_trace_) std::cout << "strace may not trace here: only octets are counted\n";
        ca_ = directory_.write("ca.pem", authority().ca_pem());
    }
    [[nodiscard]] std::filesystem::path file() const { return directory_.path() / "file"; }

    counted run(const std::string& action, const std::string& url) const {
        const std::string summary = (directory_.path() / "calls").string();
        const std::string tracer = "strace -f -c -U name,calls -o " + summary + " ";
        const std::string command = (may_trace_ ? tracer : std::string()) + HEARTH_BODY_PATHS +
                                    " " + action + " '" + url + "' " + ca_.string() + " " +
                                    file().string();
        int status = 0;
        const std::string text = output_of(command, status);
        counted result;
        EXPECT_EQ(status, 0) << text;
        EXPECT_EQ(std::sscanf(text.c_str(), "%lu %lu %lu %lu", &result.took.sent_copied,
                              &result.took.sent_from_file, &result.took.received_copied,
                              &result.took.received_to_file),
                  4)
            << text;
        std::ifstream lines(summary);
        std::string name;
        std::uint64_t number = 0;
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words(line);
            if (words >> name >> number) result.calls[name] = number;
        }
        std::cout << action << ": " << result.sum() << " calls that move octets or wait\n";
        return result;
    }
    /// Puts the pattern, or zeros, into a file of `size`.
    static void fill(const std::filesystem::path& where, bool with_pattern) {
        std::ofstream to(where, std::ios::binary);
        if (!with_pattern) {
            to.close();
            std::filesystem::resize_file(where, size);
            return;
        }
        constexpr std::uint64_t piece = 251ULL * 4096;  // whole periods of the pattern
        const std::string octets = testing::pattern_octets(0, piece);
        for (std::uint64_t at = 0; at < size; at += piece) {
            to.write(octets.data(), static_cast<std::streamsize>(std::min(piece, size - at)));
        }
    }

    [[nodiscard]] bool is_same(const std::filesystem::path& other) const {
        int status = 0;
        (void)output_of("cmp " + file().string() + " " + other.string(), status);
        return status == 0;
    }

private:
    support::scratch_directory directory_;
    std::filesystem::path ca_;
    bool may_trace_ = false;
};

TEST_F(InteropSystemCallsTest, PlaintextUploadLeavesBySendfile) {
    const nginx_server server;
    fill(file(), true);
    const counted seen = run("upload", server.plain("/put/arrived"));
    EXPECT_EQ(seen.took.sent_from_file, size);
    EXPECT_EQ(seen.took.sent_copied, 0U);
    EXPECT_LE(seen.of("pread64"), few);
    EXPECT_LE(seen.of("sendto"), few);
    EXPECT_LE(seen.sum(), 5'000U / 4) << "5 thousand a GiB";
    EXPECT_TRUE(is_same(server.www() / "arrived"));
}

TEST_F(InteropSystemCallsTest, EncryptedUploadLeavesInLargeWrites) {
    for (const bool http2 : {false, true}) {
        const nginx_server server({.http2 = http2});
        fill(file(), true);
        const counted seen = run("upload", server.tls("/put/arrived"));
        EXPECT_EQ(seen.took.sent_from_file, 0U);
        EXPECT_EQ(seen.took.sent_copied, size);
        // Buffers of 256 KiB. How often a write takes only a part, and is waited for, is the peer's
        // matter; a write per record would be 16,384 of them.
        EXPECT_LE(seen.of("pread64"), size / (256 * 1024) + few);
        EXPECT_LE(seen.of("sendto"), size / (128 * 1024)) << "half a buffer a write";
        EXPECT_LE(seen.of("epoll_wait"), 2 * seen.of("sendto"));
        EXPECT_TRUE(is_same(server.www() / "arrived"));
    }
}

TEST_F(InteropSystemCallsTest, PlaintextDownloadGoesThroughThePipe) {
    const nginx_server server;
    fill(server.www() / "large", false);
    const counted seen = run("download", server.plain("/file/large"));
    EXPECT_GE(seen.took.received_to_file, size - 256 * 1024) << "but what came with the head";
    EXPECT_EQ(seen.took.received_to_file + seen.took.received_copied, size);
    EXPECT_LE(seen.of("recvfrom"), few);
    EXPECT_LE(seen.of("pwrite64"), 8U);
    EXPECT_LE(seen.sum(), 33'000U / 4);
    EXPECT_EQ(std::filesystem::file_size(file()), size);
}

TEST_F(InteropSystemCallsTest, EncryptedDownloadIsReadInLargePieces) {
    for (const bool http2 : {false, true}) {
        const nginx_server server({.http2 = http2});
        fill(server.www() / "large", false);
        const counted seen = run("download", server.tls("/file/large"));
        EXPECT_EQ(seen.took.received_copied, size);
        EXPECT_EQ(seen.took.received_to_file, 0U);
        EXPECT_LE(seen.sum() - seen.of("pwrite64"), 33'000U / 4) << "33 thousand a GiB";
        EXPECT_EQ(std::filesystem::file_size(file()), size);
    }
}

// A wait is one system call where Asio's reactor is known, else two.
constexpr unsigned waits = BOOST_VERSION == 108100 ? 1 : 2;

TEST_F(InteropSystemCallsTest, SmallGetIsOneWriteOneWaitAndOneRead) {
    for (const bool http2 : {false, true}) {
        const nginx_server server({.http2 = http2});
        const counted seen = run("gets", server.tls("/hello"));
        EXPECT_EQ(seen.took.received_to_file, 0U);
        EXPECT_LE(seen.sum(), (2 + waits) * 500 + 50 + few) << (http2 ? "HTTP/2" : "HTTP/1.1");
    }
}

// Three writes, three waits, two reads, some of them early, and one call to be told of all that.
TEST_F(InteropSystemCallsTest, ConnectionForOneGetTakesNoCallThatCanWait) {
    const nginx_server server;
    const counted seen = run("connects", server.tls("/hello"));
    EXPECT_LE(seen.of("setsockopt"), 500U + 10);
    EXPECT_LE(seen.sum(), (6 + 3 * waits) * 500 + 250 + few);
}

}  // namespace
}  // namespace hearth::interop
