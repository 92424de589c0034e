// A GiB in each direction, in memory that does not grow with it.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "hearth/testing/origin.hpp"
#include "interop/servers.hpp"
#include "support/awaited.hpp"

namespace hearth::interop {
namespace {

using namespace hearth::support;
namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::uint64_t gib = 1ULL << 30;
// What buffers, sessions and the allocator's slack may take; a GiB that is kept would not fit.
// AddressSanitizer keeps 256 MiB of what was freed.
#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t allowed_growth = 400ULL << 20;
#else
constexpr std::uint64_t allowed_growth = 48ULL << 20;
#endif
constexpr std::size_t period = 251;

/// The pattern from any offset, as long as one piece may be.
class pattern {
public:
    explicit pattern(std::size_t longest) : octets_(testing::pattern_octets(0, longest + period)) {}
    [[nodiscard]] const char* at(std::uint64_t offset) const {
        return octets_.data() + offset % period;
    }

private:
    std::string octets_;
};

struct growth {
    std::uint64_t before = resident_bytes();
    std::uint64_t most = before;
    void look() { most = std::max(most, resident_bytes()); }
};

/// Reads a body to its end; `expected` is null for a body of zeros.
std::uint64_t read_all(exchange& from, const pattern* expected, growth& memory) {
    std::vector<char> piece(256 * 1024);
    const std::vector<char> zeros(piece.size());
    std::uint64_t total = 0;
    for (;;) {
        const awaited_size read = begin_read(from, asio::buffer(piece));
        const std::size_t size = read.value();
        const char* wanted = expected == nullptr ? zeros.data() : expected->at(total);
        if (std::memcmp(piece.data(), wanted, size) != 0) ADD_FAILURE() << "wrong octets";
        if (total % (64 << 20) > (total + size) % (64 << 20)) memory.look();
        total += size;
        if (read.error()) {
            EXPECT_EQ(read.error(), asio::error::eof) << read.error().message();
            return total;
        }
    }
}

TEST(InteropBulkTest, GibDownFromNginxOverTls) {
    const nginx_server server;
    std::ofstream(server.www() / "large").flush();
    std::filesystem::resize_file(server.www() / "large", gib);
    client subject(client_config(1));
    exchange x = open(subject, get(server.tls("/file/large")));
    EXPECT_EQ(read_head(x).value().headers["content-length"], std::to_string(gib));
    growth memory;
    EXPECT_EQ(read_all(x, nullptr, memory), gib);
    EXPECT_LE(memory.most - memory.before, allowed_growth);
    EXPECT_GE(subject.stats().bytes_received, gib);
}

TEST(InteropBulkTest, GibDownFromGoChunked) {
    const go_server server;
    client subject(client_config(1));
    const pattern expected(256 * 1024);
    exchange x = open(subject, get(server.plain("/chunked?n=" + std::to_string(gib))));
    EXPECT_EQ(read_head(x).value().status, 200U);
    growth memory;
    EXPECT_EQ(read_all(x, &expected, memory), gib);
    EXPECT_LE(memory.most - memory.before, allowed_growth);
}

TEST(InteropBulkTest, GibUpToGoThroughAnExchange) {
    const go_server server;
    client subject(client_config(1));
    const std::size_t piece = 256 * 1024;
    const pattern octets(piece);
    exchange x = open(subject, post(server.plain("/upload"), streamed_body{gib}));
    growth memory;
    for (std::uint64_t at = 0; at < gib; at += piece) {
        const awaited_size write = begin_write(x, asio::buffer(octets.at(at), piece));
        ASSERT_FALSE(write.error()) << write.error().message();
        if (at % (64 << 20) == 0) memory.look();
    }
    EXPECT_FALSE(finish(x));
    EXPECT_EQ(read_head(x).value().status, 200U);
    error_code error;
    EXPECT_EQ(read_body(x, error), std::to_string(gib) + " true");
    EXPECT_LE(memory.most - memory.before, allowed_growth);
}

/// A GiB of the pattern, of unknown size.
class large_source final : public body_source {
public:
    explicit large_source(growth& memory) : memory_(memory) {}
    [[nodiscard]] std::optional<std::uint64_t> size() const override { return std::nullopt; }
    void async_pull(std::span<char> buffer, pull_handler handler) override {
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), gib - at_));
        std::memcpy(buffer.data(), octets_.at(at_), size);
        if (at_ % (64 << 20) == 0) memory_.look();
        at_ += size;
        handler({}, size);
    }

private:
    growth& memory_;
    const pattern octets_{1 << 20};
    std::uint64_t at_ = 0;
};

TEST(InteropBulkTest, GibUpToGoFromASourceOverTls) {
    const go_server server;
    client subject(client_config(1));
    growth memory;
    const body::source_type source = std::make_shared<large_source>(memory);
    const response result = subject.send(post(server.tls("/upload"), source));
    EXPECT_EQ(result.body, std::to_string(gib) + " true");
    EXPECT_EQ(result.headers["x-framing"], "chunked");
    EXPECT_LE(memory.most - memory.before, allowed_growth);
}

}  // namespace
}  // namespace hearth::interop
