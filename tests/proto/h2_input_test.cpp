// What h2_engine makes of good responses, however their octets are split.

#include <gtest/gtest.h>

#include <string>

#include "proto/h2_script.hpp"

namespace hearth::proto {
namespace {

using testing::h2_client;
using testing::run;
using testing::run_all_ways;
namespace h2 = testing::h2;

TEST(H2InputTest, ReadsAMessageWithTrailers) {
    EXPECT_EQ(run_all_ways({.response = h2::headers(1, {{":status", "200"}, {"a", "b"}}) +
                                        h2::data(1, "hello ") + h2::padded_data(1, "world", 7) +
                                        h2::headers(1, {{"sum", "x"}}, h2::end_stream)}),
              "1 head 200 v20 {a=b}\n1 data hello world\n1 trailers {sum=x}\n1 end reusable\n");
}

TEST(H2InputTest, ReadsInformationalHeads) {
    EXPECT_EQ(
        run_all_ways({.response = h2::headers(1, {{":status", "103"}, {"link", "l"}}) +
                                  h2::status(1, "100") + h2::status(1, "200", h2::end_stream)}),
        "1 informational 103 v20 {link=l}\n1 proceed\n1 informational 100 v20 {}\n"
        "1 head 200 v20 {}\n1 end reusable\n");
}

TEST(H2InputTest, ReadsResponsesWithoutContent) {
    const h2::fields length{{":status", "200"}, {"content-length", "5"}};
    EXPECT_EQ(run_all_ways({.method = "HEAD", .response = h2::headers(1, length, h2::end_stream)}),
              "1 head 200 v20 {content-length=5}\n1 end reusable\n");
    EXPECT_EQ(run_all_ways({.method = "HEAD",
                            .response = h2::headers(1, length) + h2::data(1, "", h2::end_stream)}),
              "1 head 200 v20 {content-length=5}\n1 end reusable\n");
    EXPECT_EQ(run_all_ways({.response = h2::status(1, "204", h2::end_stream)}),
              "1 head 204 v20 {}\n1 end reusable\n");
}

TEST(H2InputTest, ReadsBlocksOverManyFrames) {
    const std::string block = h2::block({{":status", "200"}, {"name", "value"}});
    EXPECT_EQ(
        run_all_ways(
            {.response = h2::frame(h2::headers_frame, h2::end_stream, 1, block.substr(0, 5)) +
                         h2::frame(h2::continuation_frame, 0, 1, block.substr(5, 9)) +
                         h2::frame(h2::continuation_frame, 0, 1) +
                         h2::frame(h2::continuation_frame, h2::end_headers, 1, block.substr(14))}),
        "1 head 200 v20 {name=value}\n1 end reusable\n");
}

TEST(H2InputTest, ReadsPaddedAndPrioritisedHeads) {
    const std::string payload =
        h2::number(3, 1) + h2::number(0, 4) + h2::number(15, 1) + h2::block({{":status", "200"}});
    EXPECT_EQ(run_all_ways({.response = h2::frame(
                                h2::headers_frame,
                                h2::padded | h2::priority_flag | h2::end_headers | h2::end_stream,
                                1, payload + std::string(3, '\0'))}),
              "1 head 200 v20 {}\n1 end reusable\n");
}

TEST(H2InputTest, IgnoresWhatItNeedNotKnow) {
    EXPECT_EQ(run_all_ways({.response = h2::frame(10, 0, 0, "altsvc") + h2::frame(0xfa, 0xff, 1) +
                                        h2::settings({{0x77, 1}}) + h2::priority(1) +
                                        h2::priority(99) + h2::status(1, "200", h2::end_stream)}),
              "- settings\n1 head 200 v20 {}\n1 end reusable\n");
}

TEST(H2InputTest, AnswersBeforeTheRequestHasEnded) {
    EXPECT_EQ(run_all_ways({.response = h2::status(1, "200") + h2::data(1, "early") +
                                        h2::data(1, "", h2::end_stream) + h2::rst_stream(1, 0),
                            .is_upload_open = true}),
              "1 head 200 v20 {}\n1 data early\n1 end reusable\n");
}

TEST(H2InputTest, ReportsTruncationAtEveryOctet) {
    const std::string whole = h2::headers(1, {{":status", "200"}, {"content-length", "4"}}) +
                              h2::data(1, "body", h2::end_stream);
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        const std::string log = run({.response = whole.substr(0, cut), .is_closed = true});
        const bool is_complete = cut == whole.size();
        EXPECT_EQ(log.find(" end ") != std::string::npos, is_complete) << cut << log;
        EXPECT_EQ(log.find(" error ") == std::string::npos, is_complete) << cut << log;
    }
}

TEST(H2InputTest, HoldsNothingWhenIdle) {
    h2_client client;
    client.get(1);
    client.give(h2::settings() + h2::status(1, "200") + h2::data(1, std::string(10'000, 'x')) +
                h2::data(1, "", h2::end_stream));
    EXPECT_FALSE(client.engine().has_input());
    EXPECT_LE(client.engine().memory(), 1024U);
}

TEST(H2InputTest, StopsWhenTheCallerDoes) {
    h2_client client;
    client.get(1);
    client.give(h2::settings());
    std::string input = h2::status(1, "200");
    for (int i = 0; i < 10; ++i) input += h2::data(1, "0123456789");
    client.engine().receive(testing::octets_of(input));
    event what;
    ASSERT_TRUE(client.engine().poll_event(what));
    ASSERT_TRUE(client.engine().poll_event(what));
    EXPECT_EQ(what.kind, event_kind::data);
    EXPECT_TRUE(client.engine().has_input());
    client.engine().retain();
    input.assign(input.size(), '!');
    for (int i = 0; i < 9; ++i) {
        ASSERT_TRUE(client.engine().poll_event(what));
        EXPECT_EQ(std::string(reinterpret_cast<const char*>(what.data.data()), what.data.size()),
                  "0123456789");
        if (i == 4) client.engine().retain();
    }
    EXPECT_FALSE(client.engine().poll_event(what));
}

}  // namespace
}  // namespace hearth::proto
