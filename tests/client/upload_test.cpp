#include "client/upload.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace hearth::detail {
namespace {

using boost::system::error_code;

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// All pieces of at most `limit` octets, until something else than octets comes.
std::string drain(upload& subject, std::size_t limit, piece_status& last) {
    std::array<std::byte, 64> scratch{};
    std::string all;
    for (int pieces = 0; pieces < 1000; ++pieces) {
        const upload_piece piece = subject.next(limit, scratch);
        last = piece.status;
        if (piece.status != piece_status::ready) return all;
        EXPECT_LE(piece.bytes.size(), limit);
        EXPECT_FALSE(piece.bytes.empty());
        all += text_of(piece.bytes);
    }
    return all;
}

class silent_source final : public body_source {
public:
    explicit silent_source(bool can_rewind) : can_rewind_(can_rewind) {}
    std::optional<std::uint64_t> size() const override { return std::nullopt; }
    void async_pull(std::span<char>, pull_handler) override {}
    bool rewind() override {
        ++rewinds;
        return can_rewind_;
    }
    int rewinds = 0;

private:
    bool can_rewind_;
};

struct temporary_file {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::tmpfile(), &std::fclose};
    explicit temporary_file(const std::string& text) {
        std::fwrite(text.data(), 1, text.size(), file.get());
        std::fflush(file.get());
    }
    int descriptor() const { return ::fileno(file.get()); }
};

TEST(UploadTest, NoBodyEndsAtOnce) {
    const body what;
    upload subject(what);
    piece_status last{};
    EXPECT_EQ(drain(subject, 10, last), "");
    EXPECT_EQ(last, piece_status::end);
}

TEST(UploadTest, OwnedBytesComeInPiecesOfTheLimit) {
    const body what("hello, world");
    for (std::size_t limit = 1; limit < 15; ++limit) {
        upload subject(what);
        piece_status last{};
        EXPECT_EQ(drain(subject, limit, last), "hello, world");
        EXPECT_EQ(last, piece_status::end);
    }
}

TEST(UploadTest, SegmentsComeInOrderAndEmptyOnesVanish) {
    const body what(body::segments_type{"", "one", "", "two", "three", ""});
    for (std::size_t limit = 1; limit < 8; ++limit) {
        upload subject(what);
        piece_status last{};
        EXPECT_EQ(drain(subject, limit, last), "onetwothree");
        EXPECT_EQ(last, piece_status::end);
    }
}

TEST(UploadTest, FileRangeIsReadAtItsOffset) {
    const temporary_file file("0123456789");
    const body what(file_range{file.descriptor(), 3, 5});
    upload subject(what);
    piece_status last{};
    EXPECT_EQ(drain(subject, 2, last), "34567");
    EXPECT_EQ(last, piece_status::end);
}

TEST(UploadTest, FileThatEndsEarlyFails) {
    const temporary_file file("0123");
    const body what(file_range{file.descriptor(), 0, 10});
    upload subject(what);
    piece_status last{};
    EXPECT_EQ(drain(subject, 100, last), "0123");
    EXPECT_EQ(last, piece_status::failed);
    EXPECT_NE(subject.detail().find("ends before"), std::string::npos);
}

TEST(UploadTest, FileThatCannotBeReadFails) {
    const body what(file_range{-1, 0, 10});
    upload subject(what);
    piece_status last{};
    EXPECT_EQ(drain(subject, 100, last), "");
    EXPECT_EQ(last, piece_status::failed);
    EXPECT_FALSE(subject.detail().empty());
}

TEST(UploadTest, FileThatIsSentByOthersIsCountedHere) {
    const temporary_file file("0123456789");
    const body what(file_range{file.descriptor(), 3, 6});
    upload subject(what);
    subject.skip(2);
    const auto rest = subject.file_rest();
    ASSERT_TRUE(rest);
    EXPECT_EQ(rest->descriptor, file.descriptor());
    EXPECT_EQ(rest->offset, 5U);
    EXPECT_EQ(rest->length, 4U);
    piece_status last{};
    EXPECT_EQ(drain(subject, 100, last), "5678");
    ASSERT_TRUE(subject.rewind());
    EXPECT_EQ(subject.file_rest()->length, 6U);
    subject.fail_short_file();
    EXPECT_NE(subject.detail().find("ends before"), std::string::npos);
    const body text("x");
    EXPECT_FALSE(upload(text).file_rest());
}

TEST(UploadTest, OwnedBodiesStartAgain) {
    const temporary_file file("from a file");
    const body bodies[] = {body("text"), body(body::segments_type{"a", "bc"}),
                           body(file_range{file.descriptor(), 0, 11})};
    for (const body& what : bodies) {
        upload subject(what);
        piece_status last{};
        const std::string first = drain(subject, 3, last);
        EXPECT_TRUE(subject.is_replayable());
        ASSERT_TRUE(subject.rewind());
        EXPECT_EQ(drain(subject, 3, last), first);
        EXPECT_EQ(last, piece_status::end);
    }
}

TEST(UploadTest, SourceIsPulledOnceAtATime) {
    const body what(std::make_shared<silent_source>(false));
    upload subject(what);
    piece_status last{};
    EXPECT_EQ(drain(subject, 10, last), "");
    EXPECT_EQ(last, piece_status::pull);
    const auto buffer = subject.pull_buffer();
    (void)drain(subject, 10, last);
    EXPECT_EQ(last, piece_status::wait);
    std::copy_n("abc", 3, buffer->begin());
    subject.on_pulled(3, {});
    EXPECT_EQ(drain(subject, 2, last), "abc");
    EXPECT_EQ(last, piece_status::pull);
    (void)subject.pull_buffer();
    subject.on_pulled(0, {});
    EXPECT_EQ(drain(subject, 2, last), "");
    EXPECT_EQ(last, piece_status::end);
}

TEST(UploadTest, FailingSourceFailsTheBody) {
    const body what(std::make_shared<silent_source>(false));
    upload subject(what);
    (void)subject.pull_buffer();
    subject.on_pulled(7, errc::internal);
    piece_status last{};
    EXPECT_EQ(drain(subject, 10, last), "");
    EXPECT_EQ(last, piece_status::failed);
    EXPECT_FALSE(subject.detail().empty());
}

TEST(UploadTest, SourceThatClaimsMoreThanItsBufferIsCut) {
    const body what(std::make_shared<silent_source>(false));
    upload subject(what);
    const std::size_t room = subject.pull_buffer()->size();
    subject.on_pulled(room + 1, {});
    piece_status last{};
    EXPECT_EQ(drain(subject, 1 << 20, last).size(), room);
}

TEST(UploadTest, TouchedSourceIsAskedToRewind) {
    for (const bool can_rewind : {true, false}) {
        const auto source = std::make_shared<silent_source>(can_rewind);
        const body what(source);
        upload subject(what);
        EXPECT_TRUE(subject.rewind());
        EXPECT_EQ(source->rewinds, 0) << "an untouched source needs no rewind";
        (void)subject.pull_buffer();
        EXPECT_FALSE(subject.rewind()) << "a pull is under way";
        subject.on_pulled(3, {});
        EXPECT_EQ(subject.rewind(), can_rewind);
        EXPECT_EQ(source->rewinds, 1);
    }
}

TEST(UploadTest, StreamedBodyTakesWhatIsGiven) {
    const body what(streamed_body{});
    upload subject(what);
    piece_status last{};
    EXPECT_TRUE(subject.is_replayable());
    EXPECT_EQ(drain(subject, 10, last), "");
    EXPECT_EQ(last, piece_status::wait);
    subject.give(std::as_bytes(std::span("abcdef", 6)));
    EXPECT_FALSE(subject.wants_more());
    EXPECT_EQ(drain(subject, 4, last), "abcdef");
    EXPECT_TRUE(subject.wants_more());
    EXPECT_FALSE(subject.is_replayable());
    subject.give_end();
    EXPECT_EQ(drain(subject, 4, last), "");
    EXPECT_EQ(last, piece_status::end);
}

}  // namespace
}  // namespace hearth::detail
