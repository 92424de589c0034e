// Custom handlers: what they see, and every way they can answer.
#include "hearth/testing/handler.hpp"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <thread>

#include "testing/plain_client.hpp"

namespace {

using namespace std::chrono_literals;
using namespace hearth::testing;
using hearth::support::plain_client;
using hearth::support::plain_response;
using hearth::support::stream_end;

// An origin with one handler, and a client for it.
struct served {
    explicit served(handler answer, handler_call call = handler_call::after_body) {
        server.on("/h", std::move(answer), call);
    }
    origin server{{.listen = {.tls = false}}};
    plain_client client{server.port()};
};

TEST(HandlerTest, SeesTheWholeRequest) {
    served it([](const request_view& request, responder answer) {
        std::string text(request.method);
        text.append(" ").append(request.path).append(" ").append(request.query).append(" ");
        text.append(request.header("X-A").value_or("none")).append(" ");
        text.append(request.header("x-b") ? "some" : "none").append(" ").append(request.body);
        text += " " + std::to_string(request.connection) + " " + std::to_string(request.index);
        if (!request.trailers.empty()) text += " " + request.trailers[0].value;
        answer.answer({.status = 201, .headers = {{"x-c", "d"}}, .body = text});
    });
    it.client.send("PUT /h?q=1 HTTP/1.1\r\nhost: x\r\nx-a: v\r\ncontent-length: 4\r\n\r\nbody");
    const plain_response first = it.client.read_response();
    EXPECT_EQ(first.status, 201);
    EXPECT_TRUE(first.has("x-c: d\r\n"));
    EXPECT_EQ(first.body, "PUT /h q=1 v none body 0 0");
    it.client.send(
        "PUT /h HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nt: "
        "9\r\n\r\n");
    EXPECT_EQ(it.client.read_response().body, "PUT /h  none none z 0 1 9");
}

TEST(HandlerTest, AnswersInSteps) {
    served it([](const request_view&, responder answer) {
        answer.interim(103, {{"link", "<a>"}})
            .begin({.headers = {{"x-a", "1"}}, .body = "one "})
            .delay(1ms)
            .write("two ")
            .stream([left = 3]() mutable { return left-- > 0 ? std::string("s") : std::string(); },
                    1ms)
            .finish({{"x-t", "2"}});
    });
    EXPECT_EQ(it.client.get("/h").status, 103);
    const plain_response response = it.client.read_response();
    EXPECT_EQ(response.body, "one two sss");
    EXPECT_EQ(response.trailers, "x-t: 2\r\n");
    EXPECT_TRUE(response.is_whole);
}

TEST(HandlerTest, AnswersFromAnotherThreadLater) {
    std::promise<responder> kept;
    served it([&](const request_view&, responder answer) { kept.set_value(std::move(answer)); });
    it.client.send("GET /h HTTP/1.1\r\nhost: x\r\n\r\n");
    auto waiting = kept.get_future();
    ASSERT_EQ(waiting.wait_for(10s), std::future_status::ready);
    std::thread([answer = waiting.get()]() mutable { answer.answer({.body = "late"}); }).join();
    EXPECT_EQ(it.client.read_response().body, "late");
}

TEST(HandlerTest, AnAnswerOfAnotherThreadIsNotOvertakenByTheEndOfTheHandler) {
    served it([](const request_view&, responder answer) {
        std::thread([&answer] { answer.answer({.body = "mine"}); }).join();
    });
    for (int i = 0; i < 10; ++i) EXPECT_EQ(it.client.get("/h").body, "mine");
}

TEST(HandlerTest, LiesAboutTheLength) {
    served it([](const request_view&, responder answer) {
        answer.answer({.body = "short", .content_length = 100, .close = true});
    });
    const plain_response response = it.client.get("/h");
    EXPECT_TRUE(response.has("content-length: 100\r\n"));
    EXPECT_EQ(response.body, "short");
    EXPECT_FALSE(response.is_whole);
}

TEST(HandlerTest, SendsRawOctetsAndGoesOn) {
    served it([](const request_view&, responder answer) {
        answer.send_raw("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nraw").finish();
    });
    EXPECT_EQ(it.client.get("/h").body, "raw");
    EXPECT_EQ(it.client.get("/h").body, "raw");
    EXPECT_EQ(it.server.counters().connections_accepted, 1U);
}

TEST(HandlerTest, CutsTheAnswer) {
    served it([](const request_view&, responder answer) {
        answer.cut_at(20).answer({.body = std::string(100, 'x')});
    });
    it.client.send("GET /h HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_EQ(it.client.read_all().size(), 20U);
    EXPECT_EQ(it.client.end(), stream_end::clean);
}

TEST(HandlerTest, ResetsInTheMiddle) {
    served it([](const request_view&, responder answer) {
        answer.begin({.body = "some", .content_length = 10}).close(close_kind::reset);
    });
    it.client.send("GET /h HTTP/1.1\r\nhost: x\r\n\r\n");
    it.client.read_all();
    EXPECT_EQ(it.client.end(), stream_end::reset);
    EXPECT_EQ(it.server.counters().requests_aborted, 1U);
}

TEST(HandlerTest, AHandlerThatThrowsIsAnsweredWith500) {
    served it([](const request_view&, responder answer) {
        answer.begin({});
        throw std::runtime_error("the reason");
    });
    const plain_response response = it.client.get("/h");
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(response.body, "the reason\n");
}

TEST(HandlerTest, AHandlerThatForgetsToAnswerIsAnsweredWith500) {
    served it([](const request_view&, const responder&) {});
    EXPECT_EQ(it.client.get("/h").status, 500);
}

TEST(HandlerTest, HalfAnAnswerThatIsDroppedIsReset) {
    served it([](const request_view&, responder answer) {
        answer.begin({.body = "half", .content_length = 8});
    });
    it.client.send("GET /h HTTP/1.1\r\nhost: x\r\n\r\n");
    it.client.read_all();
    EXPECT_EQ(it.client.end(), stream_end::reset);
}

TEST(HandlerTest, ASourceThatThrowsResets) {
    served it([](const request_view&, responder answer) {
        answer.begin({.content_length = 8}).stream([]() -> std::string {
            throw std::runtime_error("no more");
        });
    });
    it.client.send("GET /h HTTP/1.1\r\nhost: x\r\n\r\n");
    it.client.read_all();
    EXPECT_EQ(it.client.end(), stream_end::reset);
}

TEST(HandlerTest, IsToldWhenTheClientGoesAway) {
    std::promise<bool> told;
    served it([&](const request_view&, responder answer) {
        answer.never_answer().on_gone([&told, answer] { told.set_value(answer.is_gone()); });
    });
    it.client.send("GET /h HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_TRUE(hearth::support::wait_for(
        it.server, [](const auto& now) { return now.requests_active == 1; }));
    it.client.close();
    auto waiting = told.get_future();
    ASSERT_EQ(waiting.wait_for(10s), std::future_status::ready);
    EXPECT_TRUE(waiting.get());
}

TEST(HandlerTest, IsNotToldWhenItHasAnswered) {
    std::atomic<bool> is_told{false};
    served it([&](const request_view&, responder answer) {
        answer.on_gone([&] { is_told = true; }).answer({});
    });
    EXPECT_EQ(it.client.get("/h").status, 200);
    it.server.stop();
    EXPECT_FALSE(is_told);
}

TEST(HandlerTest, AnswersBeforeTheBodyWhenAskedTo) {
    served it(
        [](const request_view& request, responder answer) {
            answer.answer({.status = 413, .body = std::string(request.body)});
        },
        handler_call::after_head);
    it.client.send("POST /h HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n");
    const plain_response response = it.client.read_response();
    EXPECT_EQ(response.status, 413);
    EXPECT_EQ(response.body, "");
    it.client.send("helloGET /d/0 HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_EQ(it.client.read_response().status, 200);
}

TEST(HandlerTest, AResponderMayOutliveTheOrigin) {
    std::promise<responder> kept;
    auto waiting = kept.get_future();
    {
        served it(
            [&](const request_view&, responder answer) { kept.set_value(std::move(answer)); });
        it.client.send("GET /h HTTP/1.1\r\nhost: x\r\n\r\n");
        ASSERT_EQ(waiting.wait_for(10s), std::future_status::ready);
    }
    responder answer = waiting.get();
    EXPECT_TRUE(answer.is_gone());
    answer.delay(1ms).answer({});
}

TEST(HandlerTest, ReplacesABuiltinPath) {
    origin server({.listen = {.tls = false}});
    server.on("/d/*",
              [](const request_view&, responder answer) { answer.answer({.body = "mine"}); });
    plain_client client(server.port());
    EXPECT_EQ(client.get("/d/5").body, "mine");
    EXPECT_EQ(client.get("/status/404").status, 404);
}

}  // namespace
