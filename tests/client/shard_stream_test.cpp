// shard, streamed bodies: pulls of sources, files, and upgraded connections.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <thread>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

enum class answering { at_once, from_a_thread };

// `total` octets of the pattern; says `announced`; fails behind `fails_at`.
class pattern_source final : public body_source {
public:
    struct shape {
        std::uint64_t total = 0;
        std::optional<std::uint64_t> announced = {};
        std::optional<std::uint64_t> fails_at = {};
        answering how = answering::at_once;
    };
    explicit pattern_source(shape what) : what_(what) {}
    ~pattern_source() override {
        if (thread_.joinable()) thread_.join();
    }
    std::optional<std::uint64_t> size() const override { return what_.announced; }
    void async_pull(std::span<char> buffer, pull_handler handler) override {
        ++pulls;
        if (what_.how == answering::at_once) return answer(buffer, handler);
        if (thread_.joinable()) thread_.join();
        thread_ =
            std::thread([this, buffer, handler = std::move(handler)] { answer(buffer, handler); });
    }
    bool rewind() override {
        at_ = 0;
        return true;
    }
    std::atomic<int> pulls{0};

private:
    void answer(std::span<char> buffer, const pull_handler& handler) {
        if (what_.fails_at && at_ >= *what_.fails_at) {
            return handler(make_error_code(errc::internal), 0);
        }
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), what_.total - at_));
        const std::string octets = testing::pattern_octets(at_, size);
        std::copy(octets.begin(), octets.end(), buffer.begin());
        at_ += size;
        handler({}, size);
    }

    shape what_;
    std::uint64_t at_ = 0;
    std::thread thread_;
};

body make_source(pattern_source::shape what) {
    return body::source_type(std::make_shared<pattern_source>(what));
}

struct upload_case {
    answering how;
    bool announced;
    std::uint64_t total;
};

TEST(ShardStreamTest, SourceIsPulledToItsEnd) {
    testing::origin origin;
    origin.on("/same", [](const testing::request_view& request, testing::responder to) {
        const bool same = request.body == testing::pattern_octets(0, request.body.size());
        const bool chunked = request.header("transfer-encoding").has_value();
        to.answer({.body = std::to_string(request.body.size()) + (same ? " same" : " other") +
                           (chunked ? " chunked" : "")});
    });
    client subject(trusting(origin.ca_pem()));
    const upload_case cases[] = {
        {answering::at_once, true, 300'000},
        {answering::at_once, false, 300'000},
        {answering::from_a_thread, true, 300'000},
        {answering::from_a_thread, false, 300'000},
        {answering::at_once, true, 0},
        {answering::at_once, false, 0},
        {answering::at_once, true, 1},
        {answering::from_a_thread, false, 65'536},
    };
    for (const upload_case& one : cases) {
        pattern_source::shape shape{.total = one.total, .how = one.how};
        if (one.announced) shape.announced = one.total;
        const response result = subject.send(post(origin.url("/same"), make_source(shape)));
        EXPECT_EQ(result.body,
                  std::to_string(one.total) + " same" + (one.announced ? "" : " chunked"));
    }
    EXPECT_EQ(origin.counters().connections_accepted, 1U);
}

TEST(ShardStreamTest, FailingSourceFailsTheCall) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    error_code error;
    const response result = subject.send(
        post(origin.url("/upload"), make_source({.total = 200'000, .fails_at = 100'000})), error);
    EXPECT_EQ(error, errc::invalid_body);
    EXPECT_EQ(result.failure.phase, phase::send);
    EXPECT_TRUE(result.failure.maybe_processed);
    EXPECT_EQ(origin.counters().requests_completed, 0U);
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
}

TEST(ShardStreamTest, SourceOfAnotherSizeThanAnnouncedFailsTheCall) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    for (const std::uint64_t announced : {99'999U, 100'001U}) {
        error_code error;
        const response result = subject.send(
            post(origin.url("/upload"), make_source({.total = 100'000, .announced = announced})),
            error);
        EXPECT_EQ(error, errc::invalid_body);
        EXPECT_FALSE(result.failure.detail.empty());
    }
    EXPECT_EQ(origin.counters().requests_completed, 0U);
}

TEST(ShardStreamTest, SourceOutlivesItsCancelledCall) {
    class waiting_source final : public body_source {
    public:
        std::optional<std::uint64_t> size() const override { return std::nullopt; }
        void async_pull(std::span<char> into, pull_handler handler) override {
            buffer = into;
            kept = std::move(handler);
            asked = true;
        }
        std::span<char> buffer;
        pull_handler kept;
        std::atomic<bool> asked{false};
    };
    testing::origin origin(plaintext());
    const auto source = std::make_shared<waiting_source>();
    {
        client subject(one_thread());
        request what = post(origin.url("/upload"), body::source_type(source));
        what.deadline = in(30ms);
        const awaited_response call = begin_send(subject, std::move(what));
        ASSERT_TRUE(eventually([&] { return source->asked.load(); }));
        EXPECT_EQ(call.error(), errc::deadline_exceeded);
        EXPECT_EQ(call.value().failure.phase, phase::send);
    }
    source->buffer.front() = 'x';  // still ours until the handler was called
    source->kept({}, 1);
    source->kept = nullptr;
}

TEST(ShardStreamTest, FileAndSegmentBodies) {
    testing::origin origin;
    client subject(trusting(origin.ca_pem()));
    const std::string text = testing::pattern_octets(0, 1'000'000);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
    std::fwrite(text.data(), 1, text.size(), file.get());
    std::fflush(file.get());
    const std::string whole = subject.send(post(origin.url("/upload"), text)).body;
    const file_range range{::fileno(file.get()), 0, text.size()};
    EXPECT_EQ(subject.send(post(origin.url("/upload"), range)).body, whole);
    body::segments_type segments{text.substr(0, 10), "", text.substr(10, 500'000),
                                 text.substr(500'010)};
    EXPECT_EQ(subject.send(post(origin.url("/upload"), std::move(segments))).body, whole);
    error_code error;
    (void)subject.send(
        post(origin.url("/upload"), file_range{range.descriptor, 0, text.size() + 1}), error);
    EXPECT_EQ(error, errc::invalid_body);
}

// Upgrades.

request upgrade_of(const std::string& url) {
    request what = get(url);
    what.headers.add("connection", "upgrade");
    what.headers.add("upgrade", "echo");
    return what;
}

TEST(ShardStreamTest, UpgradeGivesAStreamBothWays) {
    testing::origin origin;
    client subject(trusting(origin.ca_pem()));
    exchange x = open(subject, upgrade_of(origin.url("/upgrade")));
    EXPECT_EQ(read_head(x).value().status, 101U);
    stream raw = x.release_stream();
    EXPECT_FALSE(x.is_open());
    ASSERT_TRUE(raw.is_open());
    const std::string sent = testing::pattern_octets(0, 500'000);
    awaited_size written;
    asio::async_write(raw, asio::buffer(sent), written.handler());
    std::string got(sent.size(), '\0');
    awaited_size received;
    asio::async_read(raw, asio::buffer(got), received.handler());
    EXPECT_FALSE(written.error());
    EXPECT_FALSE(received.error());
    EXPECT_EQ(got, sent);
    EXPECT_EQ(subject.stats().total().active, 1U) << "it counts until it is closed";
    raw.close();
    EXPECT_TRUE(eventually([&] { return origin.counters().connections_open == 0; }));
    EXPECT_EQ(closed_by(subject.stats(), close_reason::upgraded), 1U);
}

TEST(ShardStreamTest, WhatWasReadAheadOfAnUpgradeComesFirst) {
    testing::raw_origin origin(
        plaintext_listen(),
        testing::script{testing::expect_request(),
                        testing::send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
                                      "upgrade: echo\r\n\r\nahead"),
                        testing::expect_octets(4), testing::send("behind"), testing::close()});
    client subject(one_thread());
    exchange x = open(subject, upgrade_of(origin.url("/")));
    EXPECT_EQ(read_head(x).value().status, 101U);
    stream raw = x.release_stream();
    std::string got(5, '\0');
    awaited_size first;
    asio::async_read(raw, asio::buffer(got), first.handler());
    EXPECT_FALSE(first.error());
    EXPECT_EQ(got, "ahead");
    awaited_size written;
    asio::async_write(raw, asio::buffer("more", 4), written.handler());
    EXPECT_FALSE(written.error());
    awaited_size rest;
    std::string tail(100, '\0');
    asio::async_read(raw, asio::buffer(tail), rest.handler());
    EXPECT_EQ(rest.error(), asio::error::eof);
    EXPECT_EQ(tail.substr(0, rest.value()), "behind");
}

TEST(ShardStreamTest, UpgradedConnectionIsNeverReused) {
    testing::origin origin(plaintext());
    config values = one_thread();
    values.pool.max_connections_per_origin = 1;
    client subject(values);
    exchange x = open(subject, upgrade_of(origin.url("/upgrade")));
    EXPECT_EQ(read_head(x).value().status, 101U);
    stream raw = x.release_stream();
    request blocked = get(origin.url("/d/0"));
    blocked.deadline = in(30ms);
    error_code error;
    (void)subject.send(std::move(blocked), error);
    EXPECT_EQ(error, errc_condition::timeout) << "the stream holds the only connection";
    raw.close();
    const response next = subject.send(get(origin.url("/d/0")));
    EXPECT_FALSE(next.connection.reused);
}

TEST(ShardStreamTest, UpgradeOfAWholeSendIsNoResponse) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    request what = upgrade_of(origin.url("/upgrade"));
    what.deadline = in(2s);
    error_code error;
    const response result = subject.send(std::move(what), error);
    EXPECT_TRUE(error || result.status == 101U);
    EXPECT_TRUE(eventually([&] { return subject.stats().total().open == 0; }));
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
}

TEST(ShardStreamTest, StreamOutlivesItsClient) {
    testing::origin origin(plaintext());
    auto subject = std::make_unique<client>(one_thread());
    exchange x = open(*subject, upgrade_of(origin.url("/upgrade")));
    EXPECT_EQ(read_head(x).value().status, 101U);
    stream raw = x.release_stream();
    char byte = 0;
    awaited_size read;
    raw.async_read_some(asio::buffer(&byte, 1), read.handler());
    subject.reset();
    EXPECT_EQ(read.error(), errc::client_closed);
    awaited_size written;
    raw.async_write_some(asio::buffer("x", 1), written.handler());
    EXPECT_EQ(written.error(), errc::client_closed);
}

}  // namespace
}  // namespace hearth
