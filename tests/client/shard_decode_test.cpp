// shard, decoding: bodies under content codings, whole and streamed, good and bad.
#include <gtest/gtest.h>

#include "client/scripted.hpp"
#include "support/encoded.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using boost::system::error_code;
namespace asio = boost::asio;

config decoding_on() {
    config values = one_thread();
    values.decode.enabled = true;
    return values;
}

const std::string text = testing::pattern_octets(0, 50'000);

// Answers with `body` under `codings`.
testing::handler coded(std::string codings, std::string body, bool chunked = false) {
    return [codings = std::move(codings), body = std::move(body), chunked](
               const testing::request_view& /*seen*/, testing::responder reply) {
        testing::reply whole;
        whole.headers = {{"content-encoding", codings}, {"x-other", "kept"}};
        whole.body = body;
        whole.chunked = chunked;
        reply.answer(std::move(whole));
    };
}

TEST(ShardDecodeTest, WholeBodiesAreDecoded) {
    testing::origin origin(plaintext());
    client subject(decoding_on());
    const std::vector<std::pair<std::string, std::string>> bodies{
        {"gzip", gzip_encoded(text)},           {"deflate", deflate_encoded(text)},
        {"deflate", raw_deflate_encoded(text)}, {"br", brotli_encoded(text)},
        {"zstd", zstd_encoded(text)},           {"gzip, br", brotli_encoded(gzip_encoded(text))}};
    for (const auto& [codings, body] : bodies) {
        for (const bool chunked : {false, true}) {
            origin.on("/coded", coded(codings, body, chunked));
            const response got = subject.send(get(origin.url("/coded")));
            EXPECT_EQ(got.body, text);
            EXPECT_EQ(got.decoded_from, codings);
            EXPECT_FALSE(got.headers.contains("content-encoding"));
            EXPECT_FALSE(got.headers.contains("content-length"));
            EXPECT_EQ(got.headers["x-other"], "kept");
        }
    }
    EXPECT_EQ(subject.stats().total().opened, 1U);
}

TEST(ShardDecodeTest, NothingIsAskedForNorDecodedByDefault) {
    testing::origin origin(plaintext());
    awaited<bool> asked;
    const std::string encoded = gzip_encoded(text);
    origin.on("/coded", [&, tell = asked.handler()](const testing::request_view& seen,
                                                    testing::responder reply) {
        tell(seen.header("accept-encoding").has_value());
        coded("gzip", encoded)(seen, std::move(reply));
    });
    client subject(one_thread());
    const response got = subject.send(get(origin.url("/coded")));
    EXPECT_EQ(got.body, encoded);
    EXPECT_EQ(got.headers["content-encoding"], "gzip");
    EXPECT_TRUE(got.decoded_from.empty());
    EXPECT_FALSE(std::get<0>(asked.wait()));
}

TEST(ShardDecodeTest, RequestAsksWhereItsSwitchIsOn) {
    testing::origin origin(plaintext());
    origin.on("/said", [](const testing::request_view& seen, testing::responder reply) {
        testing::reply whole;
        whole.body = std::string(seen.header("accept-encoding").value_or("nothing"));
        reply.answer(std::move(whole));
    });
    client subject(one_thread());
    request what = get(origin.url("/said"));
    what.decode = true;
    EXPECT_EQ(subject.send(what).body, "zstd, br, gzip, deflate");
}

TEST(ShardDecodeTest, BrokenBodiesFailAndTheConnectionLives) {
    testing::origin origin(plaintext());
    client subject(decoding_on());
    const std::string encoded = gzip_encoded(text);
    std::string corrupt = encoded;
    corrupt[encoded.size() / 2] = static_cast<char>(corrupt[encoded.size() / 2] ^ 0x55);
    for (const std::string& body : {encoded.substr(0, encoded.size() - 3), encoded + "trailing",
                                    corrupt, std::string("not encoded at all")}) {
        origin.on("/coded", coded("gzip", body));
        error_code error;
        const response got = subject.send(get(origin.url("/coded")), error);
        EXPECT_EQ(error, errc::decode_failed);
        EXPECT_EQ(got.status, 200U);
        EXPECT_EQ(got.failure.phase, phase::body);
        EXPECT_FALSE(got.failure.detail.empty());
    }
    origin.on("/coded", coded("gzip, gzip, gzip", encoded));
    error_code error;
    (void)subject.send(get(origin.url("/coded")), error);
    EXPECT_EQ(error, errc::decode_failed);
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    expect_consistent(subject.stats());
}

TEST(ShardDecodeTest, EmptyBodiesAndHeadResponsesAreWhole) {
    testing::origin origin(plaintext());
    client subject(decoding_on());
    origin.on("/coded", coded("gzip", ""));
    EXPECT_EQ(subject.send(get(origin.url("/coded"))).body, "");
    request head = get(origin.url("/coded"));
    head.method = method::head;
    EXPECT_EQ(subject.send(head).headers["content-encoding"], "gzip");
}

TEST(ShardDecodeTest, BodyLimitCountsDecodedOctets) {
    testing::origin origin(plaintext());
    client subject(decoding_on());
    origin.on("/coded", coded("gzip", gzip_encoded(text)));
    request exact = get(origin.url("/coded"));
    exact.max_body_bytes = text.size();
    EXPECT_EQ(subject.send(exact).body, text);
    exact.max_body_bytes = text.size() - 1;
    error_code error;
    const response got = subject.send(exact, error);
    EXPECT_EQ(error, errc::body_limit);
    EXPECT_LT(got.body.size(), text.size());
}

TEST(ShardDecodeTest, BombStopsAtTheLimit) {
    testing::origin origin(plaintext());
    const std::string bomb = gzip_bomb(std::size_t{256} << 20U);
    origin.on("/bomb", coded("gzip", bomb));
    config values = decoding_on();
    values.max_body_bytes = std::uint64_t{1} << 20U;
    client limited(values);
    error_code error;
    const response got = limited.send(get(origin.url("/bomb")), error);
    EXPECT_EQ(error, errc::body_limit);
    EXPECT_LE(got.body.size(), values.max_body_bytes);
    values.max_body_bytes = ~0ULL;
    client by_ratio(values);
    const response grown = by_ratio.send(get(origin.url("/bomb")), error);
    EXPECT_EQ(error, errc::body_limit);
    EXPECT_LE(grown.body.size(), values.decode.ratio_allowance_bytes + 65'536);
}

TEST(ShardDecodeTest, StreamedBodiesAreDecodedInPiecesOfAnySize) {
    testing::origin origin(plaintext());
    client subject(decoding_on());
    origin.on("/coded", coded("br, gzip", gzip_encoded(brotli_encoded(text))));
    for (const std::size_t size : {std::size_t{700}, std::size_t{1} << 20U}) {
        exchange what = open(subject, get(origin.url("/coded")));
        const awaited_head head = read_head(what);
        ASSERT_FALSE(head.error());
        EXPECT_EQ(head.value().decoded_from, "br, gzip");
        EXPECT_FALSE(head.value().headers.contains("content-length"));
        std::string body;
        std::string piece(size, '\0');
        error_code error;
        while (!error) {
            const awaited_size read = begin_read(what, asio::buffer(piece));
            error = read.error();
            body.append(piece, 0, read.value());
        }
        EXPECT_EQ(error, asio::error::eof);
        EXPECT_EQ(body, text);
    }
}

TEST(ShardDecodeTest, StreamedBodyThatIsBrokenFailsItsReader) {
    testing::origin origin(plaintext());
    client subject(decoding_on());
    const std::string encoded = gzip_encoded(text);
    for (const std::string& bad : {encoded.substr(0, encoded.size() - 3), encoded + "trailing"}) {
        origin.on("/coded", coded("gzip", bad));
        exchange what = open(subject, get(origin.url("/coded")));
        error_code error;
        const std::string body = read_body(what, error);
        EXPECT_EQ(error, errc::decode_failed);
        EXPECT_EQ(body, text);
        EXPECT_EQ(what.failure().phase, phase::body);
        EXPECT_FALSE(what.failure().origin.empty());
    }
    EXPECT_EQ(subject.send(get(origin.url("/d/0"))).status, 200U);
    expect_consistent(subject.stats());
}

TEST(ShardDecodeTest, SlowReaderOfABombHoldsItBack) {
    testing::origin origin(plaintext());
    constexpr std::size_t size = std::size_t{512} << 20U;
    const std::string bomb = gzip_bomb(size);
    origin.on("/bomb", coded("gzip", bomb));
    config values = decoding_on();
    values.decode.max_ratio = {};
    values.io.receive_buffer = 16 * 1024;
    client subject(values);
    exchange what = open(subject, get(origin.url("/bomb")));
    std::string piece(64 * 1024, '\0');
    for (int i = 0; i < 20; ++i) {
        const awaited_size read = begin_read(what, asio::buffer(piece));
        ASSERT_FALSE(read.error());
    }
    // A mebibyte of zeros is a kibibyte encoded: hardly more than a receive was needed for that.
    EXPECT_LE(subject.stats().bytes_received, 64U * 1024);
    what.close();
}

TEST(ShardDecodeTest, StreamedBombIsRefusedByItsRatio) {
    testing::origin origin(plaintext());
    origin.on("/bomb", coded("gzip", gzip_bomb(std::size_t{128} << 20U)));
    client subject(decoding_on());
    exchange what = open(subject, get(origin.url("/bomb")));
    error_code error;
    const std::string body = read_body(what, error);
    EXPECT_EQ(error, errc::body_limit);
    EXPECT_LE(body.size(), config{}.decode.ratio_allowance_bytes + 65'536);
}

}  // namespace
}  // namespace hearth
