// decoding: what is asked for, which responses are decoded, and the limits.
#include "client/decoding.hpp"

#include <gtest/gtest.h>

#include "support/encoded.hpp"

namespace hearth::detail {
namespace {

using namespace hearth::support;
using boost::system::error_code;

decode_config switched_on() {
    decode_config values;
    values.enabled = true;
    return values;
}

response_head encoded_head(unsigned status = 200) {
    response_head head;
    head.status = status;
    head.headers = {{"Content-Encoding", "gzip"}, {"content-length", "40"}, {"etag", "\"1\""}};
    return head;
}

TEST(DecodingTest, CodingsAreAskedForOnlyWhereDecodingIsWanted) {
    request what;
    ask_for_codings(what, decode_config{});
    EXPECT_FALSE(what.headers.contains("accept-encoding"));
    ask_for_codings(what, switched_on());
    EXPECT_EQ(what.headers["accept-encoding"], "zstd, br, gzip, deflate");
    request wanted;
    wanted.decode = true;
    ask_for_codings(wanted, decode_config{});
    EXPECT_TRUE(wanted.headers.contains("accept-encoding"));
    request unwanted;
    unwanted.decode = false;
    ask_for_codings(unwanted, switched_on());
    EXPECT_FALSE(unwanted.headers.contains("accept-encoding"));
}

TEST(DecodingTest, CallersOwnWordAndRangesAreLeftAlone) {
    request own;
    own.headers.set("Accept-Encoding", "identity");
    ask_for_codings(own, switched_on());
    EXPECT_EQ(own.headers.values("accept-encoding"), std::vector<std::string_view>{"identity"});
    request range;
    range.headers.set("range", "bytes=0-9");
    ask_for_codings(range, switched_on());
    EXPECT_FALSE(range.headers.contains("accept-encoding"));
}

TEST(DecodingTest, FieldsOfTheEncodedBodyAreTakenOut) {
    response_head head = encoded_head();
    error_code error;
    EXPECT_NE(begin_decoding(request{}, head, switched_on(), error), nullptr);
    EXPECT_FALSE(error);
    EXPECT_EQ(head.headers, (headers{{"etag", "\"1\""}}));
    EXPECT_EQ(head.decoded_from, "gzip");
}

TEST(DecodingTest, ResponsesWithoutAWholeBodyAreLeftAlone) {
    for (const unsigned status : {101U, 204U, 205U, 206U, 304U}) {
        response_head head = encoded_head(status);
        error_code error;
        EXPECT_EQ(begin_decoding(request{}, head, switched_on(), error), nullptr) << status;
        EXPECT_EQ(head.headers, encoded_head().headers);
    }
    for (const method one : {method::head, method::connect}) {
        request what;
        what.method = one;
        response_head head = encoded_head();
        error_code error;
        EXPECT_EQ(begin_decoding(what, head, switched_on(), error), nullptr);
        EXPECT_TRUE(head.decoded_from.empty());
    }
}

TEST(DecodingTest, UnknownCodingsAreLeftAloneAndTooManyRefused) {
    response_head unknown;
    unknown.status = 200;
    unknown.headers = {{"content-encoding", "gzip, aws-chunked"}};
    error_code error;
    EXPECT_EQ(begin_decoding(request{}, unknown, switched_on(), error), nullptr);
    EXPECT_FALSE(error);
    EXPECT_TRUE(unknown.headers.contains("content-encoding"));
    unknown.headers = {{"content-encoding", "gzip, gzip, gzip"}};
    EXPECT_EQ(begin_decoding(request{}, unknown, switched_on(), error), nullptr);
    EXPECT_EQ(error, errc::decode_failed);
}

TEST(DecodingTest, RatioCountsBeyondTheAllowanceOnly) {
    decode_config limits = switched_on();
    limits.max_ratio = 50;
    limits.ratio_allowance_bytes = 100'000;
    const std::string encoded = gzip_bomb(1'000'000);
    decoding subject({proto::content_coding::gzip}, limits);
    std::vector<std::byte> room(10'000);
    auto in = std::as_bytes(std::span(encoded));
    std::size_t produced = 0;
    error_code error;
    for (int turns = 0; turns < 200 && !error; ++turns) {
        const auto step = subject.decode(in, room);
        in = in.subspan(step.consumed);
        produced += step.produced;
        error = step.error;
    }
    EXPECT_EQ(error, errc::body_limit);
    EXPECT_GT(produced, limits.ratio_allowance_bytes);
    EXPECT_LE(produced, limits.ratio_allowance_bytes + room.size());
    EXPECT_FALSE(subject.detail().empty());
    EXPECT_EQ(subject.decode(in, room).error, errc::body_limit);  // for good
    EXPECT_EQ(subject.end(), errc::body_limit);
}

TEST(DecodingTest, BodyThatEndsEarlyIsAnErrorAtItsEnd) {
    const std::string encoded = gzip_encoded("some text");
    decoding subject({proto::content_coding::gzip}, switched_on());
    std::vector<std::byte> room(100);
    const auto step =
        subject.decode(std::as_bytes(std::span(encoded)).first(encoded.size() - 1), room);
    EXPECT_FALSE(step.error);
    EXPECT_EQ(step.produced, 9U);
    EXPECT_EQ(subject.end(), errc::decode_failed);
}

}  // namespace
}  // namespace hearth::detail
