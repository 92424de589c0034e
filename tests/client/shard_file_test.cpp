// shard, response bodies that go to files: which way they take, where they end, and what fails.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/error.hpp>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "client/scripted.hpp"
#include "support/encoded.hpp"

namespace hearth {
namespace {

using namespace support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t size = 3'000'000;

// A file in memory.
class memory_file {
public:
    memory_file() : descriptor_(::memfd_create("hearth", MFD_CLOEXEC)) {}
    ~memory_file() { ::close(descriptor_); }
    memory_file(const memory_file&) = delete;
    memory_file& operator=(const memory_file&) = delete;
    [[nodiscard]] int descriptor() const { return descriptor_; }
    [[nodiscard]] file_range from(std::uint64_t offset, std::uint64_t length = 1ULL << 40U) const {
        return {descriptor_, offset, length};
    }
    [[nodiscard]] std::string text() const {
        std::string all(static_cast<std::size_t>(::lseek(descriptor_, 0, SEEK_END)), '\0');
        EXPECT_EQ(::pread(descriptor_, all.data(), all.size(), 0),
                  static_cast<ssize_t>(all.size()));
        return all;
    }

private:
    int descriptor_;
};

awaited_size begin_read_to(exchange& from, file_range to) {
    awaited_size result;
    from.async_read_to(to, result.handler());
    return result;
}

enum class way { plaintext, tls, http2 };

struct FileWaysTest : ::testing::TestWithParam<way> {
    static testing::origin_options options() {
        testing::origin_options made;
        made.listen.tls = GetParam() != way::plaintext;
        if (GetParam() == way::http2) made.listen.alpn = {"h2"};
        return made;
    }
    static config settings(const testing::origin& from) {
        if (GetParam() == way::plaintext) return one_thread();
        config values = trusting(from.ca_pem());
        values.protocol = protocol_policy::automatic;
        return values;
    }
    testing::origin origin{options()};
    client subject{settings(origin)};
    memory_file file;
};

TEST_P(FileWaysTest, BodyGoesToItsPlaceInTheFile) {
    exchange x = open(subject, get(origin.url("/bytes/" + std::to_string(size))));
    EXPECT_EQ(read_head(x).value().status, 200U);
    const awaited_size read = begin_read_to(x, file.from(7));
    EXPECT_EQ(read.error(), asio::error::eof);
    EXPECT_EQ(read.value(), size);
    EXPECT_TRUE(file.text() == std::string(7, '\0') + testing::pattern_octets(0, size));
    EXPECT_EQ(x.transfer().received_to_file + x.transfer().received_copied, size);
    if (GetParam() == way::plaintext) {
        EXPECT_LE(x.transfer().received_copied, 256U * 1024) << "what came with the head";
        EXPECT_EQ(subject.stats().file_bytes_received, x.transfer().received_to_file);
    } else {
        EXPECT_EQ(x.transfer().received_to_file, 0U);
    }
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    EXPECT_EQ(subject.stats().total().opened, 1U) << "the connection goes on";
    expect_consistent(subject.stats());
}

TEST_P(FileWaysTest, ChunkedBodyIsWrittenAsItComes) {
    exchange x = open(subject, get(origin.url("/chunked/" + std::to_string(size))));
    const awaited_size read = begin_read_to(x, file.from(0));
    EXPECT_EQ(read.error(), asio::error::eof);
    EXPECT_TRUE(file.text() == testing::pattern_octets(0, size));
    EXPECT_EQ(x.transfer().received_copied, size);
}

TEST_P(FileWaysTest, RangesAreFilledOneAfterTheOther) {
    exchange x = open(subject, get(origin.url("/bytes/" + std::to_string(size))));
    for (std::uint64_t at = 0; at < 2'000'000; at += 500'000) {
        const awaited_size read = begin_read_to(x, file.from(at, 500'000));
        EXPECT_EQ(read.error(), error_code());
        EXPECT_EQ(read.value(), 500'000U);
    }
    std::string between(1000, '\0');
    for (std::size_t got = 0; got < between.size();) {
        const awaited_size read =
            begin_read(x, asio::buffer(between.data() + got, between.size() - got));
        ASSERT_EQ(read.error(), error_code());
        got += read.value();
    }
    EXPECT_EQ(between, testing::pattern_octets(2'000'000, 1000));
    EXPECT_EQ(begin_read_to(x, file.from(0, 0)).value(), 0U) << "an empty range is full";
    const awaited_size rest = begin_read_to(x, file.from(2'001'000, 5'000'000));
    EXPECT_EQ(rest.error(), asio::error::eof);
    EXPECT_EQ(rest.value(), size - 2'001'000);
    const awaited_size none = begin_read_to(x, file.from(0));
    EXPECT_EQ(none.error(), asio::error::eof);
    EXPECT_EQ(none.value(), 0U);
    EXPECT_TRUE(file.text().substr(0, 2'000'000) == testing::pattern_octets(0, 2'000'000));
}

TEST_P(FileWaysTest, FileThatTakesNoMoreEndsTheExchange) {
    const int read_only = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    exchange x = open(subject, get(origin.url("/bytes/" + std::to_string(size))));
    const awaited_size read = begin_read_to(x, {read_only, 0, size});
    EXPECT_EQ(read.error(), error_code(EBADF, boost::system::system_category()));
    EXPECT_NE(x.failure().detail.find("could not be written to its file"), std::string::npos)
        << x.failure().detail;
    EXPECT_EQ(x.failure().phase, phase::body);
    ::close(read_only);
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    expect_consistent(subject.stats());
}

TEST_P(FileWaysTest, CutBodyIsAnErrorWithWhatWasWritten) {
    exchange x = open(subject, get(origin.url("/truncate-at/" + std::to_string(size))));
    const awaited_size read = begin_read_to(x, file.from(0));
    EXPECT_TRUE(read.error() == errc::peer_truncated || read.error() == errc::peer_reset ||
                read.error() == errc::peer_closed)
        << read.error().message();
    EXPECT_LE(read.value(), size);
    EXPECT_TRUE(file.text() == testing::pattern_octets(0, read.value()));
}

TEST_P(FileWaysTest, CancelEndsAReadThatWaits) {
    exchange x = open(subject, get(origin.url("/drip/1000/20")));
    const awaited_size read = begin_read_to(x, file.from(0));
    EXPECT_TRUE(eventually([&] { return file.text().size() > 2; }));
    x.cancel();
    EXPECT_EQ(read.error(), asio::error::operation_aborted);
    EXPECT_GT(read.value(), 2U);
    EXPECT_EQ(begin_read_to(x, file.from(0)).error(), asio::error::operation_aborted);
}

TEST_P(FileWaysTest, OnlyOneReadAtATime) {
    exchange x = open(subject, get(origin.url("/drip/50/20")));
    const awaited_size first = begin_read_to(x, file.from(0));
    const memory_file other;
    EXPECT_EQ(begin_read_to(x, other.from(0)).error(), errc::invalid_state);
    EXPECT_EQ(first.error(), asio::error::eof);
    EXPECT_EQ(first.value(), 50U);
}

INSTANTIATE_TEST_SUITE_P(Ways, FileWaysTest,
                         ::testing::Values(way::plaintext, way::tls, way::http2),
                         [](const auto& which) {
                             switch (which.param) {
                                 case way::plaintext: return "Plaintext";
                                 case way::tls: return "Tls";
                                 case way::http2: return "Http2";
                             }
                             return "";
                         });

// A file that is opened to append cannot be spliced into, and is written nevertheless.
TEST(ShardFileTest, FileThatTakesNoSpliceIsWritten) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    const memory_file file;
    const std::string path = "/proc/self/fd/" + std::to_string(file.descriptor());
    const int appending = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    ASSERT_GE(appending, 0);
    exchange x = open(subject, get(origin.url("/bytes/" + std::to_string(size))));
    const awaited_size read = begin_read_to(x, {appending, 0, size + 1});
    EXPECT_EQ(read.error(), asio::error::eof);
    EXPECT_TRUE(file.text() == testing::pattern_octets(0, size));
    EXPECT_EQ(x.transfer().received_copied, size);
    EXPECT_EQ(x.transfer().received_to_file, 0U);
    ::close(appending);
    expect_consistent(subject.stats());
}

TEST(ShardFileTest, DecodedBodyIsWhatIsWritten) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.decode.enabled = true;
    client subject(values);
    const std::string text = testing::pattern_octets(0, 500'000);
    origin.on("/coded", [&](const testing::request_view& /*seen*/, testing::responder reply) {
        testing::reply whole;
        whole.headers = {{"content-encoding", "gzip"}};
        whole.body = gzip_encoded(text);
        reply.answer(std::move(whole));
    });
    const memory_file file;
    exchange x = open(subject, get(origin.url("/coded")));
    EXPECT_EQ(begin_read_to(x, file.from(0, 70'000)).error(), error_code());
    EXPECT_TRUE(file.text() == text.substr(0, 70'000));
    const awaited_size rest = begin_read_to(x, file.from(70'000));
    EXPECT_EQ(rest.error(), asio::error::eof);
    EXPECT_EQ(rest.value(), 430'000U);
    EXPECT_TRUE(file.text() == text);
}

TEST(ShardFileTest, CodingThatBreaksOffIsFoundAtTheEnd) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.decode.enabled = true;
    client subject(values);
    origin.on("/coded", [&](const testing::request_view& /*seen*/, testing::responder reply) {
        testing::reply whole;
        whole.headers = {{"content-encoding", "gzip"}};
        whole.body = gzip_encoded(testing::pattern_octets(0, 50'000));
        whole.body.resize(whole.body.size() - 6);
        reply.answer(std::move(whole));
    });
    const memory_file file;
    exchange x = open(subject, get(origin.url("/coded")));
    const awaited_size read = begin_read_to(x, file.from(0));
    EXPECT_EQ(read.error(), errc::decode_failed) << read.error().message();
    EXPECT_EQ(x.failure().origin + "/", origin.url("/"));
    EXPECT_EQ(x.failure().phase, phase::body);
}

// What was received before anybody asked is written first.
TEST(ShardFileTest, SmallBodyThatIsHereAlready) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    const memory_file file;
    exchange x = open(subject, get(origin.url("/bytes/1000")));
    EXPECT_EQ(read_head(x).error(), error_code());
    const awaited_size part = begin_read_to(x, file.from(0, 10));
    EXPECT_EQ(part.error(), error_code());
    EXPECT_EQ(part.value(), 10U);
    const awaited_size rest = begin_read_to(x, file.from(10));
    EXPECT_EQ(rest.error(), asio::error::eof);
    EXPECT_EQ(rest.value(), 990U);
    EXPECT_TRUE(file.text() == testing::pattern_octets(0, 1000));
}

// The process has no descriptor for a pipe: the body is copied.
TEST(ShardFileTest, WithoutADescriptorForThePipeTheBodyIsCopied) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    const memory_file file;
    exchange x = open(subject, get(origin.url("/bytes/" + std::to_string(size))));
    EXPECT_EQ(read_head(x).error(), error_code());
    std::vector<int> taken;
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit few{256, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int one = 0; (one = ::dup(file.descriptor())) >= 0;) taken.push_back(one);
    const awaited_size read = begin_read_to(x, file.from(0));
    EXPECT_EQ(read.error(), asio::error::eof);
    for (const int one : taken) ::close(one);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(x.transfer().received_copied, size);
    EXPECT_TRUE(file.text() == testing::pattern_octets(0, size));
}

// An origin that stops in the middle is noticed as with any other read.
TEST(ShardFileTest, StalledBodyMeetsTheIdleTimeout) {
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{testing::expect_request(),
                        testing::send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nten octets")});
    config values = one_thread();
    values.timeouts.body_idle = 100ms;
    client subject(values);
    const memory_file file;
    exchange x = open(subject, get(origin.url("/")));
    const awaited_size read = begin_read_to(x, file.from(0));
    EXPECT_EQ(read.error(), errc::body_idle_timeout);
    EXPECT_EQ(read.value(), 10U);
    EXPECT_EQ(file.text(), "ten octets");
}

// Octets behind the body are no part of it, whichever way it took.
TEST(ShardFileTest, NothingBehindTheBodyGetsIntoTheFile) {
    const std::string body = testing::pattern_octets(0, 600'000);
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{testing::expect_request(),
                        testing::send("HTTP/1.1 200 OK\r\ncontent-length: 600000\r\n\r\n"),
                        testing::wait(20ms), testing::send(body + small_answer)});
    client subject(one_thread());
    const memory_file file;
    exchange x = open(subject, get(origin.url("/")));
    const awaited_size read = begin_read_to(x, file.from(0));
    EXPECT_EQ(read.error(), asio::error::eof);
    EXPECT_TRUE(file.text() == body);
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }))
        << "a connection with an answer too many is not used again";
}

// Which way request bodies went.
TEST(ShardFileTest, RequestBodiesAreCountedByTheirWay) {
    testing::origin secure;
    testing::origin plain(plaintext());
    client subject(trusting(secure.ca_pem()));
    const memory_file file;
    const std::string text = testing::pattern_octets(0, 300'000);
    ASSERT_EQ(::pwrite(file.descriptor(), text.data(), text.size(), 0),
              static_cast<ssize_t>(text.size()));
    const body range = file.from(0, text.size());
    const transfer from_file = subject.send(post(plain.url("/upload"), range)).transfer;
    EXPECT_EQ(from_file.sent_from_file, text.size());
    EXPECT_EQ(from_file.sent_copied, 0U);
    EXPECT_GT(from_file.received_copied, 0U);
    EXPECT_EQ(subject.stats().file_bytes_sent, text.size());
    const transfer encrypted = subject.send(post(secure.url("/upload"), range)).transfer;
    EXPECT_EQ(encrypted.sent_from_file, 0U);
    EXPECT_EQ(encrypted.sent_copied, text.size());
    const transfer copied = subject.send(post(plain.url("/upload"), text)).transfer;
    EXPECT_EQ(copied.sent_from_file, 0U);
    EXPECT_EQ(copied.sent_copied, text.size());
}

}  // namespace
}  // namespace hearth
