// shard, dialers: HTTP over byte streams that the caller opens.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using boost::system::error_code;

int connect_to(std::uint16_t port) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(port);
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(descriptor, reinterpret_cast<const sockaddr*>(&peer), sizeof peer), 0);
    return descriptor;
}

// Does what the test says, and keeps what it was asked.
class scripted_dialer final : public dialer {
public:
    using script = std::function<void(const std::stop_token&, const dial_done&)>;
    explicit scripted_dialer(script what) : what_(std::move(what)) {}

    void dial(const std::string& host, std::uint16_t port, std::stop_token stop,
              dial_done done) const override {
        {
            const std::lock_guard lock(mutex_);
            asked_.push_back(host + ":" + std::to_string(port));
        }
        what_(stop, done);
    }
    [[nodiscard]] std::vector<std::string> asked() const {
        const std::lock_guard lock(mutex_);
        return asked_;
    }

private:
    const script what_;
    mutable std::mutex mutex_;
    mutable std::vector<std::string> asked_;
};

std::shared_ptr<scripted_dialer> dial_to(std::uint16_t port) {
    return std::make_shared<scripted_dialer>(
        [port](const std::stop_token&, const dial_done& done) { done({}, connect_to(port)); });
}

std::shared_ptr<scripted_dialer> failing_with(error_code error) {
    return std::make_shared<scripted_dialer>(
        [error](const std::stop_token&, const dial_done& done) { done(error, -1); });
}

error_code error_of(client& subject, const std::string& url, failure& why) {
    awaited_response call = begin_send(subject, get(url));
    why = call.value().failure;
    return call.error();
}

config impatient(std::shared_ptr<const dialer> by) {
    config values = one_thread();
    values.pool.dial_patience = 0ms;
    values.route.dialer = std::move(by);
    return values;
}

TEST(ShardDialerTest, PlaintextAndTlsRunOverWhatItGives) {
    testing::origin plain(plaintext());
    testing::origin secure;
    config values = trusting(secure.ca_pem());
    values.protocol = protocol_policy::http1_only;
    client subject(values);
    for (testing::origin* one : {&plain, &secure}) {
        const auto by = dial_to(one->port());
        request what = get(one == &plain ? "http://shop.test/d/0" : "https://localhost/d/0");
        what.route = route{.dialer = by};
        for (const bool is_reused : {false, true}) {
            const response answer = subject.send(request(what));
            EXPECT_EQ(answer.status, 200U);
            EXPECT_EQ(answer.connection.reused, is_reused);
            EXPECT_EQ(answer.connection.peer_address, "127.0.0.1:" + std::to_string(one->port()));
        }
        const std::vector<std::string> once = {one == &plain ? "shop.test:80" : "localhost:443"};
        EXPECT_EQ(by->asked(), once) << "a name goes to the dialer as it is";
    }
    expect_consistent(subject.stats());
}

TEST(ShardDialerTest, AnswersFromAnyThreadAndManyTimesAtOnce) {
    testing::origin origin(plaintext());
    std::vector<std::thread> threads;
    const auto by =
        std::make_shared<scripted_dialer>([&](const std::stop_token&, const dial_done& done) {
            threads.emplace_back([done, port = origin.port()] { done({}, connect_to(port)); });
        });
    config values = one_thread();
    values.route.dialer = by;
    {
        client subject(values);
        std::vector<awaited_response> calls;
        for (int i = 0; i < 20; ++i) calls.push_back(begin_send(subject, get("http://a.test/d/5")));
        for (const awaited_response& call : calls) EXPECT_EQ(call.value().status, 200U);
        expect_consistent(subject.stats());
    }
    for (std::thread& one : threads) one.join();
}

TEST(ShardDialerTest, ASocketpairIsAByteStreamToo) {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    std::thread server([peer = ends[1]] {
        char request[4096];
        EXPECT_GT(::recv(peer, request, sizeof request, 0), 0);
        EXPECT_EQ(::send(peer, small_answer.data(), small_answer.size(), 0),
                  static_cast<ssize_t>(small_answer.size()));
        ::close(peer);
    });
    client subject(impatient(std::make_shared<scripted_dialer>(
        [&](const std::stop_token&, const dial_done& done) { done({}, ends[0]); })));
    EXPECT_EQ(subject.send(get("http://a.test/")).body, "ok");
    server.join();
}

TEST(ShardDialerTest, ItsErrorIsTheErrorOfTheDial) {
    const error_code refused(ECONNREFUSED, boost::system::system_category());
    client subject(impatient(failing_with(refused)));
    failure why;
    EXPECT_EQ(error_of(subject, "http://a.test/", why), errc::connect_failed);
    EXPECT_EQ(why.dial_detail,
              "Connecting to 'a.test' by the route's dialer failed: Connection refused.");
}

TEST(ShardDialerTest, AnExceptionIsAFailedDial) {
    for (const bool is_standard : {false, true}) {
        client subject(impatient(
            std::make_shared<scripted_dialer>([=](const std::stop_token&, const dial_done&) {
                if (is_standard) throw std::runtime_error("no tunnel");
                throw 1;
            })));
        failure why;
        EXPECT_EQ(error_of(subject, "http://a.test/", why), errc::connect_failed);
        const char* sentence = is_standard ? "The dialer threw: no tunnel." : "The dialer threw.";
        EXPECT_TRUE(why.dial_detail.starts_with(sentence)) << why.dial_detail;
    }
}

TEST(ShardDialerTest, WhatIsNoStreamSocketIsRefusedAndClosed) {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::pipe(ends), 0);
    client subject(impatient(std::make_shared<scripted_dialer>(
        [&](const std::stop_token&, const dial_done& done) { done({}, ends[0]); })));
    failure why;
    EXPECT_EQ(error_of(subject, "http://a.test/", why), errc::connect_failed);
    EXPECT_NE(why.dial_detail.find("non-socket"), std::string::npos) << why.dial_detail;
    EXPECT_EQ(::close(ends[0]), -1);
    ::close(ends[1]);
}

TEST(ShardDialerTest, IsToldToStopWhenItTakesTooLongAndItsLateStreamIsClosed) {
    awaited<std::stop_token, dial_done> told;
    config values = impatient(std::make_shared<scripted_dialer>(
        [handler = told.handler(), is_first = std::make_shared<bool>(true)](
            const std::stop_token& stop, const dial_done& done) {
            if (std::exchange(*is_first, false)) handler(stop, done);
        }));
    values.timeouts.connect = 20ms;
    client subject(values);
    failure why;
    EXPECT_EQ(error_of(subject, "http://a.test/", why), errc::connect_timeout);
    const auto& [stop, done] = told.wait();
    EXPECT_TRUE(stop.stop_requested());
    int ends[2] = {-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    done({}, ends[0]);
    char nothing = 0;
    EXPECT_EQ(::recv(ends[1], &nothing, 1, 0), 0) << "the other end was closed";
    ::close(ends[1]);
}

TEST(ShardDialerTest, MayAnswerWhenTheClientIsGone) {
    awaited<std::stop_token, dial_done> told;
    {
        client subject(impatient(std::make_shared<scripted_dialer>(
            [handler = told.handler()](const std::stop_token& stop, const dial_done& done) {
                handler(stop, done);
            })));
        (void)begin_send(subject, get("http://a.test/"));
        (void)told.wait();
    }
    const auto& [stop, done] = told.wait();
    EXPECT_TRUE(stop.stop_requested());
    int ends[2] = {-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    done({}, ends[0]);
    char nothing = 0;
    EXPECT_EQ(::recv(ends[1], &nothing, 1, 0), 0);
    ::close(ends[1]);
}

}  // namespace
}  // namespace hearth
