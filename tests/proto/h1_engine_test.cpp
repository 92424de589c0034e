#include "proto/h1_engine.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proto/h1_script.hpp"

namespace hearth::proto {
namespace {

using testing::ending;
using testing::octets;
using testing::run_all_ways;
using testing::script;
using testing::script_exchange;

std::string answer(std::string response, ending close = ending::open) {
    return run_all_ways({.response = std::move(response), .close = close});
}

std::string answer_to(std::string_view method, std::string response, ending close = ending::open) {
    return run_all_ways({.method = method, .response = std::move(response), .close = close});
}

constexpr int protocol_error = static_cast<int>(errc::peer_protocol_error);

TEST(H1EngineTest, GivesHeadBodyAndEndOfACountedResponse) {
    EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"),
              "head 200 v11 'OK' {Server=x|Content-Length=5}\ndata hello\nend reusable\n");
}

TEST(H1EngineTest, KeepsNamesOrderAndTrimsValues) {
    EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nb:  x y \t\r\nA:\r\nb:2\r\ncontent-length: 0\r\n\r\n"),
              "head 200 v11 'OK' {b=x y|A=|b=2|content-length=0}\nend reusable\n");
}

TEST(H1EngineTest, JoinsChunksAndGivesTrailers) {
    EXPECT_EQ(
        answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               "5\r\nhello\r\nA;x=\"q;\\\"\" ; y\r\n, world!..\r\n000\r\nDigest: 1\r\nE: \r\n\r\n"),
        "head 200 v11 'OK' {Transfer-Encoding=chunked}\ndata hello, world!..\n"
        "trailers {Digest=1|E=}\nend reusable\n");
}

TEST(H1EngineTest, EndsChunksWithoutTrailersWithoutTheirEvent) {
    EXPECT_EQ(answer("HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
              "head 200 v11 'OK' {transfer-encoding=CHUNKED}\ndata x\nend reusable\n");
    EXPECT_EQ(answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
              "head 200 v11 'OK' {transfer-encoding=chunked}\nend reusable\n");
}

TEST(H1EngineTest, ReadsToTheCloseWithoutAnyLength) {
    EXPECT_EQ(answer("HTTP/1.1 200 OK\r\n\r\nall of it", ending::clean),
              "head 200 v11 'OK' {}\ndata all of it\nend\n");
    EXPECT_EQ(answer("HTTP/1.1 200 OK\r\n\r\n", ending::clean), "head 200 v11 'OK' {}\nend\n");
}

TEST(H1EngineTest, CallsABrokenOffCloseDelimitedBodyTruncated) {
    const std::string log = answer("HTTP/1.1 200 OK\r\n\r\nall of", ending::broken);
    EXPECT_TRUE(log.starts_with("head 200 v11 'OK' {}\ndata all of\nerror " +
                                std::to_string(static_cast<int>(errc::peer_truncated))))
        << log;
}

TEST(H1EngineTest, TakesNoBodyWhereNoneCanBe) {
    EXPECT_EQ(answer_to("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
              "head 200 v11 'OK' {Content-Length=99}\nend reusable\n");
    EXPECT_EQ(answer_to("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
              "head 200 v11 'OK' {Transfer-Encoding=chunked}\nend reusable\n");
    EXPECT_EQ(answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"),
              "head 304 v11 'Not Modified' {Content-Length=99}\nend reusable\n");
    EXPECT_EQ(answer("HTTP/1.1 204 No Content\r\n\r\n"),
              "head 204 v11 'No Content' {}\nend reusable\n");
    EXPECT_EQ(answer("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"),
              "head 204 v11 'No Content' {Content-Length=3}\nend\n");
}

TEST(H1EngineTest, GivesInformationalResponsesBeforeTheFinalOne) {
    EXPECT_EQ(answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                     "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
              "proceed\ninformational 100 v11 'Continue' {}\n"
              "informational 103 v11 'Early Hints' {Link=</a>}\n"
              "head 201 v11 'Created' {Content-Length=0}\nend reusable\n");
}

TEST(H1EngineTest, AcceptsAStatusLineWithoutReasonOrItsSpace) {
    EXPECT_EQ(answer("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
              "head 200 v11 '' {Content-Length=0}\nend reusable\n");
    EXPECT_EQ(answer("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
              "head 200 v11 '' {Content-Length=0}\nend reusable\n");
    EXPECT_EQ(answer("HTTP/1.0 200\r\n\r\nx", ending::clean), "head 200 v10 '' {}\ndata x\nend\n");
}

TEST(H1EngineTest, TreatsLaterMinorVersionsAsTheLatestKnown) {
    EXPECT_EQ(answer("HTTP/1.7 200 Fine\r\nContent-Length: 1\r\n\r\nx"),
              "head 200 v11 'Fine' {Content-Length=1}\ndata x\nend reusable\n");
}

TEST(H1EngineTest, KeepsOnlyExplicitlyPersistentOldConnections) {
    EXPECT_EQ(answer("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"),
              "head 200 v10 'OK' {Content-Length=1}\ndata x\nend\n");
    EXPECT_EQ(answer("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx"),
              "head 200 v10 'OK' {Connection=Keep-Alive|Content-Length=1}\ndata x\nend reusable\n");
}

TEST(H1EngineTest, DoesNotReuseWhatThePeerCloses) {
    EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nConnection: foo, CLOSE\r\nContent-Length: 1\r\n\r\nx"),
              "head 200 v11 'OK' {Connection=foo, CLOSE|Content-Length=1}\ndata x\nend\n");
    EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\n"
                     "Content-Length: 0\r\n\r\nsurplus that nobody reads"),
              "head 200 v11 'OK' {Connection=keep-alive|Connection=close|Content-Length=0}\nend\n");
}

TEST(H1EngineTest, DoesNotReuseWhatTheRequestCloses) {
    EXPECT_EQ(run_all_ways({.response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                            .request_fields = {{"connection", "close"}}}),
              "head 200 v11 'OK' {Content-Length=0}\nend\n");
}

TEST(H1EngineTest, GivesAnEarlyAnswerButDoesNotReuseItsConnection) {
    EXPECT_EQ(run_all_ways({.method = "POST",
                            .response = "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno",
                            .is_upload_open = true}),
              "head 413 v11 'No' {Content-Length=2}\ndata no\nend\n");
}

TEST(H1EngineTest, GivesRawOctetsAfterAnUpgrade) {
    EXPECT_EQ(run_all_ways({.response = "HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\nHTTP/1.1 \1raw\r",
                            .close = ending::clean,
                            .request_fields = {{"Connection", "upgrade"}, {"Upgrade", "x"}}}),
              "head 101 v11 'Go' {Upgrade=x}\ndata HTTP/1.1 \1raw\r\nend\n");
}

TEST(H1EngineTest, GivesRawOctetsAfterASuccessfulConnect) {
    EXPECT_EQ(
        answer_to("CONNECT", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", ending::clean),
        "head 200 v11 'OK' {Content-Length=3}\ndata abcdef\nend\n");
    EXPECT_EQ(answer_to("CONNECT", "HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nabc"),
              "head 407 v11 'No' {Content-Length=3}\ndata abc\nend reusable\n");
}

TEST(H1EngineTest, RefusesSurplusOctetsAfterTheResponse) {
    const std::string log = answer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK");
    EXPECT_EQ(log, "head 200 v11 'OK' {Content-Length=1}\ndata x\nend\nidle error " +
                       std::to_string(protocol_error) +
                       " octets came on a connection where no response was due\n");
}

TEST(H1EngineTest, DoesNotCallAConnectionReusableWhileSurplusIsInSight) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    engine.receive(octets("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx"));
    event what;
    ASSERT_TRUE(engine.poll_event(what));
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::end);
    EXPECT_FALSE(what.reusable);
    EXPECT_FALSE(engine.is_idle());
}

TEST(H1EngineTest, RefusesOctetsBeforeAnyRequest) {
    h1_engine engine{h1_settings{}};
    engine.receive(octets("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    event what;
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::error);
    EXPECT_EQ(what.error, errc::peer_protocol_error);
    EXPECT_FALSE(what.exchange.is_valid());
    EXPECT_FALSE(engine.poll_event(what));
    EXPECT_FALSE(engine.is_idle());
}

TEST(H1EngineTest, ServesManyExchangesOneAfterTheOther) {
    h1_engine engine{h1_settings{}};
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(engine.is_idle());
        testing::event_log log;
        testing::begin_script({}, engine);
        EXPECT_FALSE(engine.is_idle());
        testing::deliver({.response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}, {{20, 39}},
                         engine, log);
        ASSERT_EQ(log.text(), "head 200 v11 'OK' {Content-Length=2}\ndata ok\nend reusable\n");
    }
}

TEST(H1EngineTest, NamesTheExchangeInItsEvents) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    engine.receive(octets("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
    event what;
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(engine.poll_event(what));
        EXPECT_EQ(what.exchange, script_exchange);
    }
    EXPECT_EQ(what.kind, event_kind::end);
}

TEST(H1EngineTest, GivesDataWhereItLiesInTheInput) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    const std::string text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    engine.receive(octets(text));
    event what;
    ASSERT_TRUE(engine.poll_event(what));
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.data.data(), octets(text).data() + text.find("abc"));
}

TEST(H1EngineTest, LetsTheHeadBeMovedOut) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    engine.receive(octets("HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 1\r\n\r\nx"));
    event what;
    ASSERT_TRUE(engine.poll_event(what));
    const response_head head = std::move(*what.head);
    ASSERT_TRUE(engine.poll_event(what));
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::end);
    EXPECT_EQ(head.headers["a"], "b");
}

// Octets of a counted body may go around the engine, which then goes on behind them.
TEST(H1EngineTest, CountsWhatGoesAroundIt) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    const std::string beginning = head + "ab";
    EXPECT_EQ(engine.bypassable(), 0U) << "there is no body yet";
    engine.receive(octets(beginning));
    event what;
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::head);
    EXPECT_EQ(engine.bypassable(), 0U) << "there is input to be seen";
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::data);
    ASSERT_FALSE(engine.poll_event(what));
    engine.retain();
    EXPECT_EQ(engine.bypassable(), 8U);
    engine.bypass(5);
    EXPECT_EQ(engine.bypassable(), 3U);
    EXPECT_EQ(engine.received(), head.size() + 7);
    ASSERT_FALSE(engine.poll_event(what));
    engine.receive(octets("c"));
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::data);
    EXPECT_EQ(what.data.size(), 1U);
    ASSERT_FALSE(engine.poll_event(what));
    engine.retain();
    engine.bypass(2);
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::end);
    EXPECT_TRUE(what.reusable);
    EXPECT_EQ(engine.bypassable(), 0U);
    EXPECT_TRUE(engine.is_idle());
}

TEST(H1EngineTest, BodyCutWhileItGoesAroundIsTruncated) {
    h1_engine engine{h1_settings{}};
    testing::begin_script({}, engine);
    engine.receive(octets("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"));
    event what;
    ASSERT_TRUE(engine.poll_event(what));
    ASSERT_FALSE(engine.poll_event(what));
    engine.retain();
    engine.bypass(9);
    engine.on_peer_closed(true);
    ASSERT_TRUE(engine.poll_event(what));
    EXPECT_EQ(what.kind, event_kind::error);
    EXPECT_EQ(what.error, errc::peer_truncated);
}

TEST(H1EngineTest, NothingGoesAroundWhatHasToBeRead) {
    for (const char* const response :
         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
          "HTTP/1.1 200 OK\r\n\r\nto the end", "HTTP/1.1 204 No Content\r\n\r\n"}) {
        h1_engine engine{h1_settings{}};
        testing::begin_script({}, engine);
        engine.receive(octets(response));
        event what;
        while (engine.poll_event(what)) EXPECT_EQ(engine.bypassable(), 0U);
        EXPECT_EQ(engine.bypassable(), 0U) << response;
    }
}

}  // namespace
}  // namespace hearth::proto
