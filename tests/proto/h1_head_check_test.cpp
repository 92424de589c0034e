#include "proto/h1_head_check.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/field_places.hpp"

namespace hearth::proto {
namespace {

using outcome = h1_head_check::outcome;
using section = h1_head_check::section;

constexpr h1_head_check::limits roomy{4096, 100};

headers dropped;

h1_head_check checked(std::string_view text, section kind = section::head,
                      headers& fields = dropped) {
    h1_head_check check;
    check.start(kind, roomy, fields);
    EXPECT_EQ(check.check(text), outcome::complete) << check.detail();
    return check;
}

TEST(H1HeadCheckTest, FindsTheEndBeforeTheBody) {
    const std::string head = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    EXPECT_EQ(checked(head + "body\r\n\r\n").size(), head.size());
}

TEST(H1HeadCheckTest, CollectsTheFactsOfFraming) {
    const h1_head_check check = checked(
        "HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nConnection: Close, x\r\nAb:  c d "
        "\r\n\r\n");
    const h1_head_facts& facts = check.facts();
    EXPECT_EQ(facts.status, 404U);
    EXPECT_EQ(facts.version, 11U);
    EXPECT_TRUE(facts.has_content_length);
    EXPECT_EQ(facts.content_length, 12U);
    EXPECT_FALSE(facts.is_chunked);
    EXPECT_TRUE(facts.says_close);
    EXPECT_FALSE(facts.says_keep_alive);
    EXPECT_EQ(facts.fields, 3U);
}

TEST(H1HeadCheckTest, FindsTheReasonInStatusLinesOfAnyForm) {
    const auto reason = [](const std::string& line) {
        const std::string head = line + "\r\n\r\n";
        const h1_head_facts facts = checked(head).facts();
        return head.substr(facts.reason_at, facts.reason_size);
    };
    EXPECT_EQ(reason("HTTP/1.1 200 Fine day"), "Fine day");
    EXPECT_EQ(reason("HTTP/1.4 200 Fine day"), "Fine day");
    EXPECT_EQ(reason("HTTP/1.1 200 "), "");
    EXPECT_EQ(reason("HTTP/1.0 204"), "");
    EXPECT_EQ(checked("HTTP/1.9 200 OK\r\n\r\n").facts().version, 11U);
    EXPECT_EQ(checked("HTTP/1.0 200 OK\r\n\r\n").facts().version, 10U);
}

TEST(H1HeadCheckTest, NotesWhereNamesAndValuesAre) {
    const std::string head = "HTTP/1.1 200 OK\r\nA:\t b  c \r\nEmpty:  \r\nC:d\r\n\r\nE: f\r\n";
    headers fields{{"old", "old"}};
    const h1_head_check check = checked(head, section::head, fields);
    base::field_places::complete(fields, std::string_view(head).substr(0, check.size()));
    EXPECT_EQ(fields, (headers{{"A", "b  c"}, {"Empty", ""}, {"C", "d"}}));
    fields.set("c", "other");
    EXPECT_EQ(fields, (headers{{"A", "b  c"}, {"Empty", ""}, {"c", "other"}}));

    (void)checked("T: u\r\n\r\n", section::trailers, fields);
    base::field_places::complete(fields, "T: u\r\n\r\n");
    EXPECT_EQ(fields, (headers{{"T", "u"}}));
}

TEST(H1HeadCheckTest, ResumesWhereItStopped) {
    const std::string head = "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n";
    h1_head_check check;
    headers fields;
    check.start(section::head, roomy, fields);
    for (std::size_t size = 0; size < head.size(); ++size) {
        const std::string known = head.substr(0, size);  // elsewhere in memory each time
        ASSERT_EQ(check.check(known), outcome::need_more) << size;
    }
    EXPECT_EQ(check.check(head), outcome::complete);
    EXPECT_EQ(check.facts().fields, 2U);
    base::field_places::complete(fields, head);
    EXPECT_EQ(fields, (headers{{"A", "b"}, {"C", "d"}}));
}

TEST(H1HeadCheckTest, RefusesWhatIsNoHttpAtItsFirstOctets) {
    h1_head_check check;
    check.start(section::head, roomy, dropped);
    EXPECT_EQ(check.check("H"), outcome::need_more);
    EXPECT_EQ(check.check("HE"), outcome::broken);
    EXPECT_EQ(check.error(), errc::peer_protocol_error);
    EXPECT_FALSE(check.detail().empty());
}

TEST(H1HeadCheckTest, ReadsTrailersWithoutAStatusLine) {
    const h1_head_check check = checked("A: b\r\n\r\nHTTP/1.1", section::trailers);
    EXPECT_EQ(check.size(), 8U);
    EXPECT_EQ(check.facts().fields, 1U);
    EXPECT_EQ(checked("\r\n", section::trailers).size(), 2U);
}

TEST(H1HeadCheckTest, StopsAtItsLimits) {
    h1_head_check check;
    check.start(section::head, {20, 1}, dropped);
    EXPECT_EQ(check.check("HTTP/1.1 200 OK\r\nA:"), outcome::need_more);
    EXPECT_EQ(check.check("HTTP/1.1 200 OK\r\nA: b"), outcome::broken);
    EXPECT_EQ(check.error(), errc::header_limit);

    check.start(section::head, {100, 1}, dropped);
    EXPECT_EQ(check.check("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n"), outcome::broken);
    EXPECT_EQ(check.error(), errc::header_limit);
}

TEST(H1HeadCheckTest, StartsAfreshAfterAnError) {
    h1_head_check check;
    check.start(section::head, roomy, dropped);
    ASSERT_EQ(check.check("x"), outcome::broken);
    check.start(section::head, roomy, dropped);
    EXPECT_EQ(check.check("HTTP/1.1 200 OK\r\n\r\n"), outcome::complete);
    EXPECT_EQ(check.facts().fields, 0U);
}

}  // namespace
}  // namespace hearth::proto
