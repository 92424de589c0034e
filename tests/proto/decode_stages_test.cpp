// Each coding by itself: what its streams may look like, and what is refused.
#include "proto/decode_stages.hpp"

#include <gtest/gtest.h>

#include <string>

#include "support/encoded.hpp"

namespace hearth::proto {
namespace {

using namespace hearth::support;

struct outcome {
    std::string text;
    bool is_whole = false;  // nothing was broken, and the input may end where it did
    bool is_broken = false;
};

// Gives `encoded` in one piece, takes the output in pieces of `room` octets.
outcome run(content_coding coding, std::string_view encoded, std::size_t room = 64) {
    const auto stage = make_decode_stage(coding);
    auto in = std::as_bytes(std::span(encoded));
    outcome result;
    std::string piece(room, '\0');
    for (std::size_t turns = 0; turns < 100'000; ++turns) {
        const auto step = stage->decode(in, std::as_writable_bytes(std::span(piece)));
        in = in.subspan(step.consumed);
        result.text.append(piece, 0, step.produced);
        result.is_broken = step.is_broken;
        if (step.is_broken || step.consumed + step.produced == 0) break;
    }
    result.is_whole = !result.is_broken && in.empty() && stage->may_end();
    return result;
}

const std::string text = [] {
    std::string made;
    for (int i = 0; i < 400; ++i) made += "line " + std::to_string(i * 7919) + "\n";
    return made;
}();

struct sample {
    content_coding coding;
    std::string encoded;
};

const std::vector<sample>& samples() {
    static const std::vector<sample> all{{content_coding::gzip, gzip_encoded(text)},
                                         {content_coding::deflate, deflate_encoded(text)},
                                         {content_coding::deflate, raw_deflate_encoded(text)},
                                         {content_coding::br, brotli_encoded(text)},
                                         {content_coding::zstd, zstd_encoded(text)}};
    return all;
}

TEST(DecodeStagesTest, DecodeWhatEncodersWriteWhateverTheRoom) {
    for (const sample& one : samples()) {
        for (const std::size_t room : {std::size_t{1}, std::size_t{7}, std::size_t{100'000}}) {
            const outcome got = run(one.coding, one.encoded, room);
            EXPECT_TRUE(got.is_whole);
            EXPECT_EQ(got.text, text);
        }
    }
}

TEST(DecodeStagesTest, InputThatEndsEarlyIsNeverWhole) {
    for (const sample& one : samples()) {
        for (std::size_t size = 0; size < one.encoded.size(); ++size) {
            EXPECT_FALSE(run(one.coding, one.encoded.substr(0, size)).is_whole) << size;
        }
    }
}

TEST(DecodeStagesTest, OctetsBehindTheEndAreBroken) {
    for (const sample& one : samples()) {
        EXPECT_FALSE(run(one.coding, one.encoded + "x").is_whole);
        EXPECT_TRUE(run(one.coding, one.encoded + "garbage behind it").is_broken);
    }
}

TEST(DecodeStagesTest, GzipMembersAndZstdFramesFollowEachOther) {
    const outcome members =
        run(content_coding::gzip, gzip_encoded("one ") + gzip_encoded("") + gzip_encoded("two"));
    EXPECT_TRUE(members.is_whole);
    EXPECT_EQ(members.text, "one two");
    const outcome frames = run(content_coding::zstd, zstd_encoded("one ") + zstd_encoded("two"));
    EXPECT_TRUE(frames.is_whole);
    EXPECT_EQ(frames.text, "one two");
}

TEST(DecodeStagesTest, DeflateStreamsDoNotFollowEachOther) {
    EXPECT_TRUE(
        run(content_coding::deflate, deflate_encoded("one ") + deflate_encoded("two")).is_broken);
    EXPECT_TRUE(run(content_coding::br, brotli_encoded("one ") + brotli_encoded("two")).is_broken);
}

TEST(DecodeStagesTest, GzipChecksumIsVerified) {
    std::string encoded = gzip_encoded(text);
    encoded[encoded.size() - 5] = static_cast<char>(encoded[encoded.size() - 5] ^ 1);
    EXPECT_TRUE(run(content_coding::gzip, encoded).is_broken);
}

TEST(DecodeStagesTest, OneCodingIsNotTakenForAnother) {
    EXPECT_TRUE(run(content_coding::gzip, deflate_encoded(text)).is_broken);
    EXPECT_TRUE(run(content_coding::gzip, "<html>not encoded</html>").is_broken);
    EXPECT_TRUE(run(content_coding::deflate, "<html>not encoded</html>").is_broken);
    EXPECT_TRUE(run(content_coding::zstd, "<html>not encoded</html>").is_broken);
    EXPECT_FALSE(run(content_coding::br, "<html>not encoded</html>").is_whole);
}

TEST(DecodeStagesTest, ZstdWindowBeyondTheAllowedIsRefused) {
    // A frame header (RFC 8878 3.1.1.1): magic, no single segment, window of 2^24 octets.
    const std::string frame("\x28\xb5\x2f\xfd\x00\x70\x01\x00\x00", 9);
    EXPECT_TRUE(run(content_coding::zstd, frame).is_broken);
    const std::string allowed("\x28\xb5\x2f\xfd\x00\x68\x01\x00\x00", 9);  // 2^23, an empty block
    EXPECT_TRUE(run(content_coding::zstd, allowed).is_whole);
}

}  // namespace
}  // namespace hearth::proto
