#include "proto/content_decoder.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/allocations.hpp"
#include "support/encoded.hpp"

namespace hearth::proto {
namespace {

using namespace hearth::support;

struct outcome {
    std::string text;
    bool is_whole = false;
};

// Gives the pieces one after another, with room for `room` octets at a time.
outcome run(const std::vector<content_coding>& codings, const std::vector<std::string_view>& pieces,
            std::size_t room = 333) {
    content_decoder subject(codings);
    outcome result;
    std::string space(room, '\0');
    for (const std::string_view piece : pieces) {
        auto in = std::as_bytes(std::span(piece));
        for (;;) {
            const auto step = subject.decode(in, std::as_writable_bytes(std::span(space)));
            result.text.append(space, 0, step.produced);
            in = in.subspan(step.consumed);
            if (step.is_broken) return result;
            if (in.empty() && step.produced < room) break;
        }
    }
    result.is_whole = subject.may_end();
    EXPECT_EQ(subject.produced(), result.text.size());
    return result;
}

const std::string text = "A text that is encoded, encoded, and encoded once more: 0123456789.\n";

struct sample {
    std::vector<content_coding> codings;
    std::string encoded;
};

const std::vector<sample>& samples() {
    using enum content_coding;
    static const std::vector<sample> all{
        {{gzip}, gzip_encoded(text)},
        {{deflate}, deflate_encoded(text)},
        {{deflate}, raw_deflate_encoded(text)},
        {{br}, brotli_encoded(text)},
        {{zstd}, zstd_encoded(text)},
        {{gzip, br}, brotli_encoded(gzip_encoded(text))},
        {{zstd, deflate, gzip}, gzip_encoded(deflate_encoded(zstd_encoded(text)))},
    };
    return all;
}

TEST(ContentDecoderTest, SplitAtEveryOffsetGivesTheSame) {
    for (const sample& one : samples()) {
        const std::string_view all = one.encoded;
        for (std::size_t at = 0; at <= all.size(); ++at) {
            const outcome got = run(one.codings, {all.substr(0, at), all.substr(at)});
            EXPECT_TRUE(got.is_whole) << at;
            EXPECT_EQ(got.text, text) << at;
        }
    }
}

TEST(ContentDecoderTest, OctetByOctetInAndOutGivesTheSame) {
    for (const sample& one : samples()) {
        std::vector<std::string_view> pieces;
        for (std::size_t i = 0; i < one.encoded.size(); ++i) {
            pieces.push_back(std::string_view(one.encoded).substr(i, 1));
        }
        const outcome got = run(one.codings, pieces, 1);
        EXPECT_TRUE(got.is_whole);
        EXPECT_EQ(got.text, text);
    }
}

TEST(ContentDecoderTest, TruncatedAtAnyOctetIsNotWhole) {
    for (const sample& one : samples()) {
        for (std::size_t size = 1; size < one.encoded.size(); ++size) {
            EXPECT_FALSE(run(one.codings, {std::string_view(one.encoded).substr(0, size)}).is_whole)
                << size;
        }
    }
}

TEST(ContentDecoderTest, GarbageBehindTheEndIsNotWhole) {
    for (const sample& one : samples()) {
        EXPECT_FALSE(run(one.codings, {one.encoded, "x"}).is_whole);
        EXPECT_FALSE(run(one.codings, {one.encoded + std::string(3, '\0')}).is_whole);
    }
}

TEST(ContentDecoderTest, GarbageInsideAnInnerCodingIsNotWhole) {
    using enum content_coding;
    EXPECT_FALSE(run({deflate, gzip}, {gzip_encoded(deflate_encoded(text) + "x")}).is_whole);
    EXPECT_FALSE(
        run({deflate, gzip}, {gzip_encoded(deflate_encoded(text).substr(0, 20))}).is_whole);
}

TEST(ContentDecoderTest, NoOctetsAreAnEmptyBody) {
    for (const sample& one : samples()) EXPECT_TRUE(run(one.codings, {}).is_whole);
}

TEST(ContentDecoderTest, NothingIsProducedWithoutRoom) {
    content_decoder subject({content_coding::gzip});
    const std::string encoded = gzip_encoded(text);
    const auto step = subject.decode(std::as_bytes(std::span(encoded)), {});
    EXPECT_EQ(step.produced, 0U);
    EXPECT_FALSE(step.is_broken);
    EXPECT_FALSE(subject.may_end() && step.consumed != 0);
}

TEST(ContentDecoderTest, BombIsDecodedInBoundedMemory) {
    constexpr std::size_t size = std::size_t{64} << 20U;
    const std::string encoded = gzip_bomb(size);
    ASSERT_LT(encoded.size(), size / 1000 + 1024);
    content_decoder subject({content_coding::gzip});
    std::vector<std::byte> room(64 * 1024);
    auto in = std::as_bytes(std::span(encoded));
    const std::uint64_t before = allocations();
    for (std::size_t turns = 0; subject.produced() < size && turns < size; ++turns) {
        const auto step = subject.decode(in, room);
        ASSERT_FALSE(step.is_broken);
        in = in.subspan(step.consumed);
    }
    EXPECT_LE(allocations() - before, 4U);  // zlib makes its window when it needs it
    EXPECT_EQ(subject.produced(), size);
    EXPECT_TRUE(subject.may_end());
}

codings_found found(const headers& fields, std::size_t limit = 4) {
    return find_codings(fields, limit);
}

TEST(ContentDecoderTest, CodingsAreReadInTheirOrder) {
    using enum content_coding;
    const codings_found got =
        found({{"Content-Encoding", "GZIP , x-gzip"}, {"content-encoding", "br,identity,zstd"}});
    EXPECT_EQ(got.verdict, codings_verdict::known);
    EXPECT_EQ(got.codings, (std::vector{gzip, gzip, br, zstd}));
    EXPECT_EQ(found({{"content-encoding", "deflate"}}).codings, std::vector{deflate});
}

TEST(ContentDecoderTest, IdentityAndNothingAreNoCoding) {
    EXPECT_EQ(found({}).verdict, codings_verdict::none);
    EXPECT_EQ(found({{"content-encoding", ""}}).verdict, codings_verdict::none);
    EXPECT_EQ(found({{"content-encoding", "identity, ,"}}).verdict, codings_verdict::none);
}

TEST(ContentDecoderTest, UnknownAndTooManyAreTold) {
    EXPECT_EQ(found({{"content-encoding", "gzip, compress"}}).verdict, codings_verdict::unknown);
    EXPECT_EQ(found({{"content-encoding", "gzip,gzip,gzip"}}, 2).verdict,
              codings_verdict::too_many);
    EXPECT_EQ(found({{"content-encoding", "a,b,c"}}, 2).verdict, codings_verdict::too_many);
}

}  // namespace
}  // namespace hearth::proto
