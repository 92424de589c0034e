// What h1_engine must refuse: every form of doubtful framing we know of, delivered in every way.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.hpp"
#include "proto/h1_engine.hpp"
#include "proto/h1_script.hpp"

namespace hearth::proto {
namespace {

using testing::ending;
using testing::run_all_ways;
using testing::script;

/// String literals with NULs in them.
template <std::size_t Size>
std::string raw(const char (&text)[Size]) {
    return std::string(text, Size - 1);
}

std::string code(errc error) { return "error " + std::to_string(static_cast<int>(error)) + " "; }

/// The event before the last, and the last, of all that the script gave.
void expect_refused(const std::string& response, const std::string& before) {
    const std::string log = run_all_ways({.response = response});
    EXPECT_TRUE(log.starts_with(before + code(errc::peer_protocol_error))) << "response:\n"
                                                                           << response << "\nlog:\n"
                                                                           << log;
    EXPECT_EQ(log.find('\n', before.size()), log.size() - 1) << "more than one event: " << log;
}

TEST(H1EngineHostileTest, RefusesBadStatusLines) {
    const std::vector<std::string> lines{
        "hello world\r\n",
        "\r\nHTTP/1.1 200 OK\r\n",
        " HTTP/1.1 200 OK\r\n",
        "\nHTTP/1.1 200 OK\r\n",
        "\rHTTP/1.1 200 OK\r\n",
        "http/1.1 200 OK\r\n",
        "HTTP/2.0 200 OK\r\n",
        "HTTP/2 200 OK\r\n",
        "HTTP/0.9 200 OK\r\n",
        "HTTP/3.1 200 OK\r\n",
        "HTTP/11 200 OK\r\n",
        "HTTP/1 200 OK\r\n",
        "HTTP/1. 200 OK\r\n",
        "HTTP/1.x 200 OK\r\n",
        "HTTP/1.10 200 OK\r\n",
        "HTTP/01.1 200 OK\r\n",
        "HTTP/1.1200 OK\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1\t200 OK\r\n",
        "HTTP/1.1 20 OK\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 2x0 OK\r\n",
        "HTTP/1.1 +20 OK\r\n",
        "HTTP/1.1 099 OK\r\n",
        "HTTP/1.1 600 OK\r\n",
        "HTTP/1.1 999 OK\r\n",
        "HTTP/1.1 200OK\r\n",
        "HTTP/1.1 200\tOK\r\n",
        "HTTP/1.1 \r\n",
        "HTTP/1.1\r\n",
        "HTTP/1.1 200 OK\n",
        "HTTP/1.1 200 O\rK\r\n",
        "HTTP/1.1 200 OK\r\r\n",
        raw("HTTP/1.1 200 O\0K\r\n"),
        "HTTP/1.1 200 O\x7fK\r\n",
        "HTTP/1.1 200 \x1b[2J\r\n",
        "ICY 200 OK\r\n",
        "RTSP/1.0 200 OK\r\n",
        "PRI * HTTP/2.0\r\n",
        raw("\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80"),
        "\x15\x03\x03\x00\x02\x02\x28",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "220 mail.example.com ESMTP\r\n",
    };
    for (const std::string& line : lines) expect_refused(line + "Content-Length: 0\r\n\r\n", "");
}

TEST(H1EngineHostileTest, RefusesBadFieldLines) {
    const std::vector<std::string> fields{
        " folded: first\r\n",
        "\tfolded: first\r\n",
        "A: b\r\n folded\r\n",
        "A: b\r\n\tfolded\r\n",
        "A: b\r\n \r\n",
        "Content-Length:\r\n 5\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "A : b\r\n",
        "A\t: b\r\n",
        "Content-Length : 0\r\n",
        "Transfer-Encoding : chunked\r\n",
        ": no name\r\n",
        "no colon\r\n",
        "no-colon\r\n",
        "A b: c\r\n",
        "A(b): c\r\n",
        "A\"b: c\r\n",
        "A{b}: c\r\n",
        "A\\b: c\r\n",
        raw("A\0b: c\r\n"),
        "\xC3\x84: c\r\n",
        "A\x7f: c\r\n",
        "A: b\n",
        "A: b\nContent-Length: 5\r\n",
        "A: b\rContent-Length: 5\r\n",
        "A: b\r\r\n",
        "A: \r\r\nB: c\r\n",
        raw("A: b\0c\r\n"),
        raw("A: \0\r\n"),
        "A: b\x01\r\n",
        "A: b\x0b\r\n",
        "A: b\x0c\r\n",
        "A: b\x7f\r\n",
        "A: 12345678\x1f"
        "9012345678\r\n",
        "Connection: a b\r\n",
        "Connection: \"close\"\r\n",
        "Connection: close; x\r\n",
        "\nA: b\r\n",
    };
    for (const std::string& field : fields) {
        expect_refused("HTTP/1.1 200 OK\r\n" + field + "X: y\r\n\r\n", "");
    }
}

TEST(H1EngineHostileTest, RefusesDoubtfulContentLengths) {
    const std::vector<std::string> values{"",
                                          "+5",
                                          "-5",
                                          "-0",
                                          "0x5",
                                          "5x",
                                          "5 5",
                                          "5,5",
                                          "5, 5",
                                          "5,",
                                          ",5",
                                          "5;",
                                          "5.0",
                                          "5e0",
                                          "1_0",
                                          "\"5\"",
                                          "five",
                                          "5 a",
                                          "0b1",
                                          "\xC2\xB2",
                                          "18446744073709551616",
                                          "18446744073709551621",
                                          "36893488147419103237",
                                          "99999999999999999999999999999999",
                                          "5\t5"};
    for (const std::string& value : values) {
        expect_refused("HTTP/1.1 200 OK\r\nContent-Length: " + value + "\r\n\r\nhello", "");
    }
}

TEST(H1EngineHostileTest, RefusesRepeatedAndConflictingLengths) {
    const std::vector<std::string> fields{
        "Content-Length: 10\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 10\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\ncontent-length: 05\r\n",
        "Content-Length: 0\r\nX: y\r\nCONTENT-LENGTH: 0\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    };
    for (const std::string& field : fields) {
        expect_refused("HTTP/1.1 200 OK\r\n" + field + "\r\n0\r\n\r\n", "");
    }
}

TEST(H1EngineHostileTest, RefusesTransferEncodingsThatAreNotExactlyChunked) {
    const std::vector<std::string> values{"",
                                          "identity",
                                          "gzip",
                                          "gzip, chunked",
                                          "chunked, gzip",
                                          "chunked, chunked",
                                          "chunked,",
                                          ",chunked",
                                          "chunked;q=1",
                                          "chunked x",
                                          "xchunked",
                                          "chunkedx",
                                          "\"chunked\"",
                                          "x-chunked",
                                          "chunked , identity"};
    for (const std::string& value : values) {
        expect_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + value + "\r\n\r\n0\r\n\r\n", "");
    }
    expect_refused(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"
        "\r\n0\r\n\r\n",
        "");
    expect_refused(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"
        "\r\n0\r\n\r\n",
        "");
    expect_refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "");
}

TEST(H1EngineHostileTest, RefusesTheSameFramingWhereNoBodyCanBe) {
    for (const std::string_view method : {"HEAD", "CONNECT"}) {
        for (const std::string field :
             {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: +5\r\n",
              "Transfer-Encoding: gzip\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n"}) {
            const std::string log = run_all_ways(
                {.method = method, .response = "HTTP/1.1 200 OK\r\n" + field + "\r\n"});
            EXPECT_TRUE(log.starts_with(code(errc::peer_protocol_error))) << log;
        }
    }
}

const std::string chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string chunked_log = "head 200 v11 'OK' {Transfer-Encoding=chunked}\n";

TEST(H1EngineHostileTest, RefusesBadChunkLines) {
    const std::vector<std::string> lines{"\r\n",
                                         "+5\r\n",
                                         "-5\r\n",
                                         "0x5\r\n",
                                         " 5\r\n",
                                         "\t5\r\n",
                                         "5 \r\n",
                                         "5\t\r\n",
                                         "5 5\r\n",
                                         "5,5\r\n",
                                         "g\r\n",
                                         "5h\r\n",
                                         "5\n",
                                         "5\r\r\n",
                                         "5\rx\r\n",
                                         "\n5\r\n",
                                         "\r\n5\r\n",
                                         "5;\r\n",
                                         "5; \r\n",
                                         "5;=x\r\n",
                                         "5;a=\r\n",
                                         "5;a=b \r\n",
                                         "5;a b\r\n",
                                         "5;a=\"b\r\n",
                                         "5;a=\"b\"c\r\n",
                                         "5;a\n",
                                         "5;a=b\n",
                                         "5;a=\"\n\"\r\n",
                                         "5;\x01\r\n",
                                         "5;a=\"\\\r\n",
                                         "00000000000000005\r\n",
                                         "10000000000000000\r\n",
                                         "ffffffffffffffffff\r\n",
                                         raw("5\0\r\n"),
                                         raw("5;a=\0\r\n"),
                                         "5;a=\"\x7f\"\r\n",
                                         ";5\r\n",
                                         "5:\r\n",
                                         "5.\r\n",
                                         "\xEF\xBC\x95\r\n",
                                         "5 ; a = \r\n"};
    for (const std::string& line : lines) {
        expect_refused(chunked_head + line + "hello\r\n0\r\n\r\n", chunked_log);
    }
}

TEST(H1EngineHostileTest, RefusesChunkDataThatIsNotFollowedByCrlf) {
    for (const std::string after : {"0\r\n\r\n", "\n0\r\n\r\n", "\rx0\r\n\r\n", " \r\n0\r\n\r\n",
                                    "x\r\n0\r\n\r\n", "\r\r\n0\r\n\r\n"}) {
        expect_refused(chunked_head + "5\r\nhello" + after, chunked_log + "data hello\n");
    }
}

TEST(H1EngineHostileTest, RefusesBadTrailers) {
    for (const std::string trailers :
         {"Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n", "Host: x\r\n\r\n",
          "Connection: close\r\n\r\n", " folded\r\n\r\n", "A: b\r\n c\r\n\r\n", "A : b\r\n\r\n",
          "no colon\r\n\r\n", "A: b\n\r\n", "\n", "A: b\r\n\n", "A: b\rc\r\n\r\n", ": x\r\n\r\n",
          "HTTP/1.1 200 OK\r\n\r\n"}) {
        expect_refused(chunked_head + "0\r\n" + trailers, chunked_log);
    }
}

TEST(H1EngineHostileTest, RefusesUnaskedSwitches) {
    expect_refused("HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "");
    const std::string log =
        run_all_ways({.method = "CONNECT", .response = "HTTP/1.1 101 Go\r\n\r\n"});
    EXPECT_TRUE(log.starts_with(code(errc::peer_protocol_error))) << log;
}

TEST(H1EngineHostileTest, RefusesInformationalResponsesWithBodies) {
    expect_refused("HTTP/1.1 103 Hi\r\nContent-Length: 5\r\n\r\n", "");
    expect_refused("HTTP/1.1 100 Hi\r\nTransfer-Encoding: chunked\r\n\r\n", "");
}

TEST(H1EngineHostileTest, TakesNoSplitResponseForTwo) {
    // What a peer smuggles behind its response must never answer the next request.
    const std::string smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for (const std::string first :
         {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No\r\n\r\n",
          "HTTP/1.1 304 No\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
        const std::string log = run_all_ways({.response = first + smuggled});
        EXPECT_EQ(log.find("evil"), std::string::npos) << log;
        EXPECT_NE(log.find("end\nidle error"), std::string::npos) << log;
    }
    const std::string log =
        run_all_ways({.method = "HEAD",
                      .response = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" + smuggled});
    EXPECT_NE(log.find("end\nidle error"), std::string::npos) << log;
}

// Limits.

constexpr h1_settings tight{.max_header_bytes = 60, .max_header_count = 3, .max_informational = 2};

std::string run_tight(const std::string& response) {
    return run_all_ways({.response = response, .settings = tight});
}

TEST(H1EngineHostileTest, BoundsTheHeadInOctets) {
    const std::string start = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: ";  // 39 octets
    const std::string fits = start + std::string(60 - 39 - 4, 'x') + "\r\n\r\n";
    ASSERT_EQ(fits.size(), 60U);
    EXPECT_TRUE(run_tight(fits).ends_with("end reusable\n"));
    const std::string larger = start + std::string(60 - 39 - 3, 'x') + "\r\n\r\n";
    EXPECT_TRUE(run_tight(larger).starts_with(code(errc::header_limit)));
    const std::string endless = "HTTP/1.1 200 " + std::string(500, 'x');
    EXPECT_TRUE(run_tight(endless).starts_with(code(errc::header_limit)));
}

TEST(H1EngineHostileTest, BoundsTheFieldsOfAHead) {
    EXPECT_TRUE(run_tight("HTTP/1.1 204 OK\r\nA:\r\nB:\r\nC:\r\n\r\n").ends_with("end reusable\n"));
    EXPECT_TRUE(run_tight("HTTP/1.1 204 OK\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n")
                    .starts_with(code(errc::header_limit)));
}

TEST(H1EngineHostileTest, BoundsTrailersInOctetsAndFields) {
    const std::string start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    const std::string log = "head 200 v11 'OK' {Transfer-Encoding=chunked}\n";
    EXPECT_TRUE(run_tight(start + "A:\r\nB:\r\nC:\r\n\r\n").ends_with("end reusable\n"));
    EXPECT_TRUE(run_tight(start + "A:\r\nB:\r\nC:\r\nD:\r\n\r\n")
                    .starts_with(log + code(errc::header_limit)));
    EXPECT_TRUE(
        run_tight(start + "A: " + std::string(53, 'x') + "\r\n\r\n").ends_with("end reusable\n"));
    EXPECT_TRUE(run_tight(start + "A: " + std::string(54, 'x') + "\r\n\r\n")
                    .starts_with(log + code(errc::header_limit)));
}

TEST(H1EngineHostileTest, BoundsInformationalResponses) {
    const std::string one = "HTTP/1.1 102 Wait\r\n\r\n";
    EXPECT_TRUE(run_tight(one + one + "HTTP/1.1 204 OK\r\n\r\n").ends_with("end reusable\n"));
    EXPECT_TRUE(run_tight(one + one + one + "HTTP/1.1 204 OK\r\n\r\n")
                    .ends_with(code(errc::informational_limit) +
                               "there are more 1xx responses than http1.max_informational\n"));
}

TEST(H1EngineHostileTest, BoundsAChunkLine) {
    const auto with_extension = [](std::size_t size) {
        return chunked_head + "0;" + std::string(size - 4, 'x') + "\r\n\r\n";
    };
    const std::vector<testing::delivery> ways{{}, {{100}}, {{3000, 4000}, true}};
    for (const testing::delivery& way : ways) {
        EXPECT_TRUE(testing::run({.response = with_extension(4096)}, way)
                        .text()
                        .ends_with("end reusable\n"));
        EXPECT_TRUE(testing::run({.response = with_extension(4097)}, way)
                        .text()
                        .starts_with(chunked_log + code(errc::peer_protocol_error)));
    }
}

TEST(H1EngineHostileTest, BoundsChunkExtensionsInProportionToTheData) {
    // One octet of data with a long extension each: refused after some 16 KiB of overhead.
    std::string response = chunked_head;
    for (int i = 0; i < 100; ++i) response += "1;" + std::string(1000, 'x') + "\r\ny\r\n";
    const std::string log = testing::run({.response = response}).text();
    EXPECT_NE(log.find(code(errc::peer_protocol_error)), std::string::npos);
    EXPECT_LT(log.find("error"), chunked_log.size() + 30);
}

TEST(H1EngineHostileTest, AcceptsManyTinyChunks) {
    std::string response = chunked_head;
    for (int i = 0; i < 20'000; ++i) response += "1\r\ny\r\n";
    EXPECT_TRUE(
        testing::run({.response = response + "0\r\n\r\n"}).text().ends_with("end reusable\n"));
}

/// Feeds `piece` over and over, as a peer without an end does; returns the error and checks memory.
errc flood(std::string beginning, const std::string& piece, std::size_t most_memory) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    event what;
    for (int i = 0; i < 100'000; ++i) {
        const std::string& slice = i == 0 ? beginning : piece;
        engine.receive(testing::octets(slice));
        while (engine.poll_event(what)) {
            if (what.kind == event_kind::error) return what.error;
        }
        engine.retain();
        EXPECT_LE(engine.memory(), most_memory);
    }
    return errc::internal;
}

TEST(H1EngineHostileTest, HoldsBoundedMemoryUnderEndlessOctets) {
    // Twice the limit, because buffers double as they grow.
    constexpr std::size_t most = 2 * 64 * 1024 + 4096;
    const std::string field = "X: " + std::string(1000, 'y') + "\r\n";
    EXPECT_EQ(flood("HTTP/1.1 200 OK\r\n", field, most), errc::header_limit);
    EXPECT_EQ(flood("HTTP/1.1 200 OK\r\nX: ", std::string(1000, 'y'), most), errc::header_limit);
    EXPECT_EQ(flood("HTTP/1.1 ", std::string(1000, '2'), most), errc::header_limit);
    EXPECT_EQ(flood(chunked_head + "0\r\n", field, most), errc::header_limit);
    EXPECT_EQ(flood(chunked_head + "0\r\n", "x:\r\n", most), errc::header_limit);
    EXPECT_EQ(flood(chunked_head, std::string(100, '0'), 16 * 1024), errc::peer_protocol_error);
    EXPECT_EQ(flood(chunked_head + "1;", std::string(100, 'x'), 16 * 1024),
              errc::peer_protocol_error);
    EXPECT_EQ(flood("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 Wait\r\n\r\n", most),
              errc::informational_limit);
}

TEST(H1EngineHostileTest, SaysWhyWithoutTheOctetsOfThePeer) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    engine.receive(testing::octets("HTTP/1.1 200 OK\r\nSecret-Name : secret\r\n\r\n"));
    event what;
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::error);
    EXPECT_FALSE(what.detail.empty());
    EXPECT_EQ(what.detail.find("ecret"), std::string_view::npos);
}

TEST(H1EngineHostileTest, TakesNothingAfterAnError) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    engine.receive(testing::octets("nonsense"));
    event what;
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_FALSE(engine.poll_event(what));
    engine.retain();
    engine.receive(testing::octets("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    EXPECT_FALSE(engine.poll_event(what));
    engine.on_peer_closed(true);
    EXPECT_FALSE(engine.poll_event(what));
    EXPECT_FALSE(engine.is_idle());
    EXPECT_FALSE(engine.has_input());
}

}  // namespace
}  // namespace hearth::proto
