// shard, throughput floors: bodies that trickle end, slow readers and writers of ours do not count.
#include <gtest/gtest.h>

#include "client/deaf_listener.hpp"
#include "client/scripted.hpp"
#include "support/h2_frames.hpp"
#include "support/h2_origin.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using boost::system::error_code;

config with_floor() {
    config values = one_thread();
    values.timeouts.min_receive_rate = 10'000;
    values.timeouts.min_send_rate = 10'000;
    values.timeouts.rate_window = 500ms;
    return values;
}

TEST(ShardRateTest, TricklingResponseEnds) {
    testing::origin origin(plaintext());
    client subject(with_floor());
    error_code error;
    const response got = subject.send(get(origin.url("/drip/100000/5")), error);
    EXPECT_EQ(error, errc::throughput_timeout);
    EXPECT_EQ(error, errc_condition::timeout);
    EXPECT_EQ(got.failure.phase, phase::body);
    EXPECT_NE(got.failure.detail.find("the floor is 10000 a second"), std::string::npos)
        << got.failure.detail;
}

TEST(ShardRateTest, TricklingIsFineWithoutAFloor) {
    testing::origin origin(plaintext());
    client subject(one_thread());
    EXPECT_EQ(subject.send(get(origin.url("/drip/50/5"))).body.size(), 50U);
}

TEST(ShardRateTest, WaitingForTheHeadIsNotTrickling) {
    testing::origin origin(plaintext());
    client subject(with_floor());
    EXPECT_EQ(subject.send(get(origin.url("/d/1200"))).status, 200U);
}

TEST(ShardRateTest, SlowReaderOfOursIsNotTheOriginsFault) {
    testing::origin origin(plaintext());
    client subject(with_floor());
    exchange stream = open(subject, get(origin.url("/bytes/4000000")));
    awaited_head head;
    stream.async_read_head(head.handler());
    ASSERT_FALSE(head.error());
    // Several windows in which nothing moves, by our doing.
    EXPECT_EQ(subject.send(get(origin.url("/d/1200"))).status, 200U);
    std::vector<char> buffer(1 << 20);
    std::size_t total = 0;
    for (int reads = 0; reads < 100'000; ++reads) {
        awaited_size size;
        stream.async_read_some(boost::asio::buffer(buffer), size.handler());
        if (size.error()) {
            EXPECT_EQ(size.error(), boost::asio::error::eof);
            break;
        }
        total += size.value();
    }
    EXPECT_EQ(total, 4'000'000U);
}

TEST(ShardRateTest, PeerThatReadsTooSlowlyEndsTheUpload) {
    const deaf_listener deaf;
    client subject(with_floor());
    error_code error;
    const response got = subject.send(post(deaf.url(), std::string(64 * 1024 * 1024, 'x')), error);
    EXPECT_EQ(error, errc::throughput_timeout);
    EXPECT_EQ(got.failure.phase, phase::send);
}

TEST(ShardRateTest, SlowWriterOfOursIsNotTheOriginsFault) {
    testing::origin origin(plaintext());
    client subject(with_floor());
    request what = post(origin.url("/upload"), streamed_body{});
    exchange stream = open(subject, std::move(what));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(subject.send(get(origin.url("/d/600"))).status, 200U);  // time passes
        awaited_size size;
        stream.async_write_some(boost::asio::buffer("x", 1), size.handler());
        ASSERT_FALSE(size.error()) << i;
    }
    awaited_done done;
    stream.async_finish({}, done.handler());
    awaited_head head;
    stream.async_read_head(head.handler());
    ASSERT_FALSE(head.error());
    EXPECT_EQ(head.value().status, 200U);
}

config http2_with_floor() {
    config values = with_floor();
    values.protocol = protocol_policy::http2_only;
    return values;
}

TEST(ShardRateTest, Http2CountsTheExchangesOwnOctets) {
    h2_origin origin([](const h2_origin::seen& seen) -> h2_origin::answer {
        using kind = h2_origin::answer::kind;
        if (seen.path == "/trickle") {
            return {.what = kind::trickle, .body = std::string(100'000, 'x')};
        }
        return {.body = std::string(100'000, 'y'), .delay = 5ms};
    });
    client subject(http2_with_floor());
    const awaited_response slow = begin_send(subject, get(origin.url("/trickle")));
    // The connection as a whole is far above the floor.
    for (int i = 0; i < 10'000 && slow.count() == 0; ++i) {
        EXPECT_EQ(subject.send(get(origin.url("/"))).body.size(), 100'000U);
    }
    EXPECT_EQ(slow.error(), errc::throughput_timeout);
    EXPECT_TRUE(eventually([&] { return origin.cancelled() == 1; }));
    EXPECT_EQ(subject.stats().total().opened, 1U);
    EXPECT_EQ(subject.stats().total().closed, 0U);
}

TEST(ShardRateTest, Http2WindowThatStaysShutIsTheOriginsFault) {
    namespace h2 = testing::h2;
    testing::raw_origin origin(plaintext_listen(),
                               testing::script{testing::expect_octets(24 + 9),
                                               testing::send(h2::settings() + h2::settings_ack())});
    client subject(http2_with_floor());
    error_code error;
    (void)subject.send(post(origin.url("/"), body(std::string(1'000'000, 'x'))), error);
    EXPECT_EQ(error, errc::throughput_timeout);
}

}  // namespace
}  // namespace hearth
