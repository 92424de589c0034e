// The steps of an answer against a sink that only writes down what it is told.
#include "testing/exchange.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace {

using namespace std::chrono_literals;
using namespace hearth::testing;
using namespace hearth::testing::internal;

class recording_sink final : public response_sink {
public:
    std::shared_ptr<void> hold() override { return nullptr; }
    void send_interim(int status, const std::vector<header_field>& /*headers*/) override {
        log += "interim " + std::to_string(status) + "; ";
    }
    void send_head(const reply& head, bool is_whole) override {
        log += (is_whole ? "whole " : "head ") + std::to_string(head.status) + "; ";
    }
    void send_body(std::string_view piece) override { log.append(piece).append("; "); }
    void send_end(const std::vector<header_field>& /*trailers*/) override {
        log += "end; ";
        if (ends != nullptr) ends->detach();
    }
    void send_raw(std::string_view bytes) override {
        log.append("raw ").append(bytes).append("; ");
    }
    void cut_at(std::uint64_t octets, close_kind /*kind*/) override {
        log += "cut " + std::to_string(octets) + "; ";
    }
    void end_connection(close_kind kind) override {
        log += kind == close_kind::reset ? "reset; " : "close; ";
        if (ends != nullptr) ends->detach();
    }
    void reset(std::uint32_t error_code) override {
        log += "reset " + std::to_string(error_code) + "; ";
        if (ends != nullptr) ends->detach();
    }
    void start_tunnel() override { log += "tunnel; "; }
    void invite_body() override { log += "invite; "; }
    bool has_room() override { return room-- > 0; }
    void flush() override { ++flushes; }

    std::string log;
    int room = 1000;
    int flushes = 0;
    exchange* ends = nullptr;  // what is over when its answer is
};

struct exchange_world {
    exchange_world() { sink.ends = subject.get(); }
    ~exchange_world() { subject->detach(); }
    void run_timers() {
        while (home.context().run_one_for(10s) != 0 && !subject->is_gone()) {
        }
    }

    worker home;
    behaviour knobs;
    recording_sink sink;
    std::shared_ptr<exchange> subject = std::make_shared<exchange>(sink, home, knobs);
};

TEST(ExchangeTest, DoesItsStepsInOrder) {
    exchange_world world;
    world.subject->gather([&] {
        world.subject->add(interim_step{103, {}});
        world.subject->add(begin_step{{.body = "a"}});
        world.subject->add(body_step{"b"});
        world.subject->add(finish_step{});
    });
    EXPECT_EQ(world.sink.log, "interim 103; head 200; a; b; end; ");
    EXPECT_EQ(world.sink.flushes, 1);
    EXPECT_TRUE(world.subject->is_answered());
}

TEST(ExchangeTest, StepsAfterAWaitAreDoneAfterIt) {
    exchange_world world;
    world.subject->add(wait_step{1ms});
    world.subject->answer({.body = "x"});
    EXPECT_EQ(world.sink.log, "");
    world.run_timers();
    EXPECT_EQ(world.sink.log, "whole 200; x; end; ");
}

TEST(ExchangeTest, DetachingDropsTimersAndSteps) {
    exchange_world world;
    bool is_told = false;
    world.subject->set_on_gone([&] { is_told = true; });
    world.subject->add(wait_step{1h});
    world.subject->answer({});
    world.subject->detach();
    EXPECT_TRUE(is_told);
    EXPECT_TRUE(world.subject->is_gone());
    EXPECT_EQ(world.home.context().poll(), 1U);  // the cancelled wait
    world.subject->answer({});
    EXPECT_EQ(world.sink.log, "");
}

TEST(ExchangeTest, WaitsForRoomAndGoesOnWhenRunAgain) {
    exchange_world world;
    world.sink.room = 2;
    int pieces = 0;
    world.subject->add(begin_step{});
    world.subject->add(
        source_step{[&] { return ++pieces > 3 ? std::string() : std::to_string(pieces); }, {}});
    world.subject->add(finish_step{});
    world.subject->run();
    EXPECT_EQ(world.sink.log, "head 200; 1; 2; ");
    world.sink.room = 10;
    world.subject->run();
    EXPECT_EQ(world.sink.log, "head 200; 1; 2; 3; end; ");
}

TEST(ExchangeTest, TheKnobsHoldTheFirstStepThatSends) {
    exchange_world world;
    world.knobs.stall(behaviour::clock::now(), 1h);
    world.subject->add(cut_step{5, close_kind::clean});
    world.subject->answer({});
    EXPECT_EQ(world.sink.log, "cut 5; ");
    EXPECT_FALSE(world.subject->is_answered());
}

TEST(ExchangeTest, AHeldAnswerLeavesWhenTheWindowEnds) {
    exchange_world world;
    world.knobs.stall(behaviour::clock::now(), 2ms);
    world.subject->answer({.body = "x"});
    world.run_timers();
    EXPECT_EQ(world.sink.log, "whole 200; x; end; ");
}

TEST(ExchangeTest, AnAbandonedExchangeIsAnsweredOrReset) {
    exchange_world silent;
    silent.subject->abandon();
    EXPECT_EQ(silent.sink.log.rfind("whole 500; ", 0), 0U);
    exchange_world half;
    half.subject->add(begin_step{});
    half.subject->abandon();
    EXPECT_EQ(half.sink.log, "head 200; reset; ");
    exchange_world meant;
    meant.subject->never_answer();
    meant.subject->abandon();
    EXPECT_EQ(meant.sink.log, "");
}

TEST(ExchangeTest, AnAbandonedExchangeStillDoesItsSteps) {
    exchange_world world;
    world.subject->add(wait_step{1ms});
    world.subject->add(answer_step{{.body = "x"}});
    world.subject->abandon();
    EXPECT_EQ(world.sink.log, "");
    world.run_timers();
    EXPECT_EQ(world.sink.log, "whole 200; x; end; ");
}

TEST(ExchangeTest, CollectsTheBodyUpToItsLimit) {
    exchange_world world;
    std::string seen;
    world.subject->collect_body(4, [&] { seen = world.subject->request().body; });
    world.subject->on_body("ab");
    world.subject->on_body("cd");
    world.subject->on_body_end({{"t", "1"}});
    EXPECT_EQ(seen, "abcd");
    EXPECT_EQ(world.subject->request().trailers.size(), 1U);
    exchange_world large;
    large.subject->collect_body(4, [] { FAIL(); });
    large.subject->on_body("abcde");
    EXPECT_EQ(large.sink.log.rfind("invite; whole 413; ", 0), 0U);
}

TEST(ExchangeTest, AnInvitationCanBeDelayed) {
    exchange_world world;
    world.subject->delay_invitation();
    world.subject->read_body([](std::string_view) {}, [] {});
    EXPECT_EQ(world.sink.log, "");
    world.subject->invite_body();
    EXPECT_EQ(world.sink.log, "invite; ");
}

TEST(ExchangeTest, SplitsTheTargetIntoPathAndQuery) {
    exchange_world world;
    ASSERT_EQ(world.subject->parse("GET /a?b?c HTTP/1.1\r\nhost: x\r\n\r\n"), "");
    world.subject->describe(3, 4, true);
    const request_view& request = world.subject->request();
    EXPECT_EQ(request.path, "/a");
    EXPECT_EQ(request.query, "b?c");
    EXPECT_EQ(request.connection, 3U);
    EXPECT_EQ(request.index, 4U);
    EXPECT_TRUE(request.is_resumed);
}

TEST(ExchangeTest, AResetIsAStepLikeOthers) {
    exchange_world world;
    world.subject->add(begin_step{{}});
    world.subject->add(reset_step{8});
    world.subject->add(finish_step{});
    world.subject->run();
    EXPECT_EQ(world.sink.log, "head 200; reset 8; ");
}

TEST(ExchangeTest, AnAdoptedRequestIsSeenAsItWasSent) {
    exchange_world world;
    world.subject->adopt({.method = "POST",
                          .target = "/a?b",
                          .authority = "x:1",
                          .protocol = "",
                          .fields = {{"expect", "100-Continue"}}});
    world.subject->describe(1, 2, false);
    const request_view& seen = world.subject->request();
    EXPECT_EQ(seen.method, "POST");
    EXPECT_EQ(seen.path, "/a");
    EXPECT_EQ(seen.query, "b");
    EXPECT_EQ(seen.version_major, 2U);
    EXPECT_EQ(seen.header("host"), "x:1");
    EXPECT_TRUE(world.subject->head().expects_continue);
}

}  // namespace
