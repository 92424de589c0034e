#include "proto/memory_bio.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace hearth::proto {
namespace {

std::span<const std::byte> octets(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string record(std::string_view fragment, char type = 23) {
    std::string made{type, 3, 3, static_cast<char>(fragment.size() >> 8U),
                     static_cast<char>(fragment.size())};
    return made.append(fragment);
}

// One read of at most `size`; empty if there is nothing now.
std::string read(BIO* bio, int size = 20'000) {
    std::string target(static_cast<std::size_t>(size), '\0');
    const int count = BIO_read(bio, target.data(), size);
    target.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return target;
}

TEST(MemoryBioTest, GivesOneWholeRecordPerRead) {
    memory_bio memory;
    const bio_ptr bio = memory.make_bio();
    const std::string sent = record("first") + record("second") + record("cut off").substr(0, 9);
    memory.receive(octets(sent));
    EXPECT_TRUE(memory.has_record());
    EXPECT_EQ(read(bio.get()), record("first"));
    EXPECT_EQ(read(bio.get()), record("second"));
    EXPECT_FALSE(memory.has_record());
    EXPECT_EQ(read(bio.get()), "");
    EXPECT_TRUE(BIO_should_retry(bio.get()));
    EXPECT_EQ(memory.pending(), 9U);
}

TEST(MemoryBioTest, RecordMayBeReadInPieces) {
    memory_bio memory;
    const bio_ptr bio = memory.make_bio();
    const std::string sent = record("abcdef");
    memory.receive(octets(sent));
    EXPECT_EQ(read(bio.get(), 5), sent.substr(0, 5));
    memory.retain();
    EXPECT_TRUE(memory.has_record());
    EXPECT_EQ(read(bio.get(), 3), "abc");
    EXPECT_EQ(read(bio.get()), "def");
}

TEST(MemoryBioTest, JoinsHeldAndBorrowedAtEveryOffset) {
    const std::string sent = record("0123456789") + record("abc");
    for (std::size_t split = 0; split <= sent.size(); ++split) {
        memory_bio memory;
        const bio_ptr bio = memory.make_bio();
        memory.receive(octets(std::string_view(sent).substr(0, split)));
        memory.retain();
        memory.receive(octets(std::string_view(sent).substr(split)));
        EXPECT_EQ(memory.pending(), sent.size());
        std::string all = read(bio.get());
        all += read(bio.get());
        EXPECT_EQ(all, sent) << split;
        EXPECT_EQ(memory.pending(), 0U);
    }
}

TEST(MemoryBioTest, RetainCopiesWhatWasBorrowed) {
    memory_bio memory;
    const bio_ptr bio = memory.make_bio();
    std::string sent = record("text");
    const std::string expected = sent;
    memory.receive(octets(sent));
    memory.retain();
    sent.assign(sent.size(), 'X');
    EXPECT_EQ(read(bio.get()), expected);
}

TEST(MemoryBioTest, EmptyRecordIsARecord) {
    memory_bio memory;
    const bio_ptr bio = memory.make_bio();
    const std::string sent = record("");
    memory.receive(octets(sent));
    EXPECT_TRUE(memory.has_record());
    EXPECT_EQ(read(bio.get()), sent);
}

TEST(MemoryBioTest, ImpossibleHeadersArePassedThrough) {
    using std::string_literals::operator""s;
    for (const std::string& sent :
         {"HTTP/1.1"s, "\x16\x02\x00\x00\xff.."s, "\x17\x03\x03\xff\xff.."s, "\x19\x03\x03.."s}) {
        memory_bio memory;
        const bio_ptr bio = memory.make_bio();
        memory.receive(octets(sent));
        EXPECT_TRUE(memory.has_record());
        EXPECT_EQ(read(bio.get()), sent);
    }
}

TEST(MemoryBioTest, LargestFragmentIsWaitedForAndOneMoreIsNot) {
    memory_bio memory;
    const std::string largest{23, 3, 3, 0x48, 0x00};
    memory.receive(octets(largest));
    EXPECT_FALSE(memory.has_record());
    memory_bio other;
    const std::string beyond{23, 3, 3, 0x48, 0x01};
    other.receive(octets(beyond));
    EXPECT_TRUE(other.has_record());
}

TEST(MemoryBioTest, StoredInputIsLimited) {
    memory_bio memory;
    const bio_ptr bio = memory.make_bio();
    memory.limit_input(20);
    const std::string sent = record("1234567890");
    memory.receive(octets(sent));
    memory.retain();
    EXPECT_FALSE(memory.is_over_limit());
    memory.receive(octets(sent));
    memory.retain();
    EXPECT_TRUE(memory.is_over_limit());
    EXPECT_EQ(memory.pending(), sent.size());
    EXPECT_EQ(read(bio.get()), "");
    EXPECT_FALSE(BIO_should_retry(bio.get()));
}

TEST(MemoryBioTest, InputReadIsLimitedInTotal) {
    memory_bio memory;
    const bio_ptr bio = memory.make_bio();
    memory.limit_input(20);
    const std::string sent = record("1234567890");
    memory.receive(octets(sent));
    EXPECT_EQ(read(bio.get()), sent);
    memory.receive(octets(sent));
    EXPECT_EQ(read(bio.get()), "");
    EXPECT_TRUE(memory.is_over_limit());
    EXPECT_FALSE(BIO_should_retry(bio.get()));
}

TEST(MemoryBioTest, LiftedLimitDoesNotCount) {
    memory_bio memory;
    const bio_ptr bio = memory.make_bio();
    memory.limit_input(20);
    memory.limit_input(memory_bio::no_limit);
    const std::string sent = record("1234567890");
    for (int i = 0; i < 10; ++i) {
        memory.receive(octets(sent));
        EXPECT_EQ(read(bio.get()), sent);
    }
    EXPECT_FALSE(memory.is_over_limit());
}

TEST(MemoryBioTest, RefusedInputFailsReads) {
    memory_bio memory;
    const bio_ptr bio = memory.make_bio();
    const std::string sent = record("x");
    memory.receive(octets(sent));
    memory.refuse_input();
    EXPECT_EQ(read(bio.get()), "");
    EXPECT_FALSE(BIO_should_retry(bio.get()));
    EXPECT_FALSE(memory.is_over_limit());
    EXPECT_TRUE(memory.has_record());
}

TEST(MemoryBioTest, WritesGoToTheOutput) {
    memory_bio memory;
    const bio_ptr bio = memory.make_bio();
    EXPECT_EQ(BIO_write(bio.get(), "abc", 3), 3);
    EXPECT_EQ(BIO_write(bio.get(), "def", 3), 3);
    EXPECT_EQ(BIO_flush(bio.get()), 1);
    const auto data = memory.output().data();
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(data.data()), data.size()), "abcdef");
}

TEST(MemoryBioTest, HoldsNothingWhenNothingIsStored) {
    memory_bio memory;
    const bio_ptr bio = memory.make_bio();
    EXPECT_EQ(memory.memory(), 0U);
    const std::string sent = record("abc");
    memory.receive(octets(sent));
    memory.retain();
    EXPECT_GT(memory.memory(), 0U);
    (void)read(bio.get());
    BIO_write(bio.get(), "abc", 3);
    memory.retain();
    EXPECT_GT(memory.memory(), 0U);  // the output waits
    memory.output().consume(3);
    memory.retain();
    EXPECT_EQ(memory.memory(), 0U);
}

}  // namespace
}  // namespace hearth::proto
