// shard, verification by the caller: what it is told, what its answer does, and how long it may
// take.
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;
using boost::system::error_code;

/// Keeps questions until the test answers them.
class desk {
public:
    [[nodiscard]] auto verifier() {
        return [this](peer_to_verify who, verification_answer answer) {
            const std::lock_guard lock(mutex_);
            open_.emplace_back(std::move(who), std::move(answer));
            ++asked_;
        };
    }
    [[nodiscard]] int asked() {
        const std::lock_guard lock(mutex_);
        return asked_;
    }
    /// The oldest that was not taken yet; waits for one.
    [[nodiscard]] std::pair<peer_to_verify, verification_answer> take() {
        const bool has_one = eventually([this] {
            const std::lock_guard lock(mutex_);
            return !open_.empty();
        });
        if (!has_one) throw std::runtime_error("nobody asked");
        const std::lock_guard lock(mutex_);
        auto one = std::move(open_.front());
        open_.pop_front();
        return one;
    }

private:
    std::mutex mutex_;
    std::deque<std::pair<peer_to_verify, verification_answer>> open_;
    int asked_ = 0;
};

struct asking {
    explicit asking(bool trusts = true, tls_version version = tls_version::tls_1_3) {
        testing::origin_options listen;
        listen.listen.maximum_version = version;
        listen.listen.tickets = 0;
        origin.emplace(listen);
        options.ca_pem = trusts ? origin->ca_pem() : other.ca_pem();
        options.verify = questions.verifier();
    }
    [[nodiscard]] config values() const {
        config result = one_thread();
        result.tls.profile = tls_profile::make(options);
        return result;
    }

    desk questions;
    testing::certificate_authority other{testing::key_type::ecdsa_p256, "nobody's"};
    std::optional<testing::origin> origin;
    tls_options options;
};

TEST(ShardVerifyTest, HandshakeWaitsForTheAnswerWithoutBlockingTheThread) {
    for (const tls_version version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
        asking world(true, version);
        client subject(world.values());
        const awaited_response call = begin_send(subject, get(world.origin->url("/d/0")));
        auto [who, answer] = world.questions.take();
        EXPECT_TRUE(who.is_accepted) << who.reason;
        EXPECT_EQ(who.host, "127.0.0.1");
        EXPECT_EQ(who.name, "127.0.0.1");
        EXPECT_EQ(who.chain.size(), 2U) << "the leaf and its root";
        testing::origin plain(plaintext());
        EXPECT_EQ(subject.send(get(plain.url("/d/0"))).status, 200U) << "the thread is free";
        EXPECT_EQ(call.count(), 0U);
        EXPECT_FALSE(answer.is_abandoned());
        answer.accept();
        EXPECT_FALSE(call.error()) << call.error().message();
        EXPECT_EQ(subject.send(get(world.origin->url("/d/0"))).status, 200U);
        EXPECT_EQ(world.questions.asked(), 1);
    }
}

TEST(ShardVerifyTest, RefusalSaysWhatTheVerifierSaid) {
    asking world;
    client subject(world.values());
    const awaited_response call = begin_send(subject, get(world.origin->url("/d/0")));
    world.questions.take().second.refuse("its owner is on our list");
    EXPECT_EQ(call.error(), errc::certificate_rejected);
    EXPECT_EQ(call.value().failure.phase, phase::handshake);
    EXPECT_NE(call.value().failure.dial_detail.find("its owner is on our list"), std::string::npos)
        << call.value().failure.dial_detail;
}

TEST(ShardVerifyTest, RulesThatRefuseCanBeOverruled) {
    asking world(false);
    client subject(world.values());
    const awaited_response call = begin_send(subject, get(world.origin->url("/d/0")));
    const auto [who, answer] = world.questions.take();
    EXPECT_FALSE(who.is_accepted);
    EXPECT_NE(who.reason.find("127.0.0.1"), std::string::npos) << who.reason;
    EXPECT_FALSE(who.chain.empty());
    answer.accept();
    EXPECT_FALSE(call.error()) << call.error().message();
}

TEST(ShardVerifyTest, NoAnswerIsBoundedByTheHandshakeTimeout) {
    asking world;
    config values = world.values();
    values.timeouts.handshake = 50ms;
    values.pool.dial_patience = 0ms;
    client subject(values);
    error_code error;
    const response failed = subject.send(get(world.origin->url("/d/0")), error);
    EXPECT_EQ(error, errc::handshake_timeout);
    EXPECT_NE(failed.failure.dial_detail.find("has not answered"), std::string::npos)
        << failed.failure.dial_detail;
    const auto late = world.questions.take();
    EXPECT_TRUE(late.second.is_abandoned());
    late.second.accept();  // nobody waits; nothing happens
    EXPECT_EQ(subject.stats().total().open, 0U);
}

TEST(ShardVerifyTest, AnswerThatIsDroppedRefuses) {
    asking world;
    client subject(world.values());
    const awaited_response call = begin_send(subject, get(world.origin->url("/d/0")));
    { const auto dropped = world.questions.take(); }
    EXPECT_EQ(call.error(), errc::certificate_rejected);
    EXPECT_NE(call.value().failure.dial_detail.find("gave no answer"), std::string::npos);
}

TEST(ShardVerifyTest, SecondAnswerIsIgnored) {
    asking world;
    client subject(world.values());
    const awaited_response call = begin_send(subject, get(world.origin->url("/d/0")));
    const auto question = world.questions.take();
    question.second.accept();
    question.second.refuse("too late");
    EXPECT_FALSE(call.error());
}

TEST(ShardVerifyTest, AnswerAfterTheClientIsOfNoUse) {
    asking world;
    std::optional<client> subject(world.values());
    const awaited_response call = begin_send(*subject, get(world.origin->url("/d/0")));
    const auto question = world.questions.take();
    subject.reset();
    EXPECT_EQ(call.error(), errc::client_closed);
    EXPECT_TRUE(question.second.is_abandoned());
    question.second.accept();
}

/// Forty exchanges whose handshakes are each judged by a thread of its own.
void judge_by_many_threads(std::uint32_t handshake_threads) {
    testing::origin origin;
    tls_options options;
    options.ca_pem = origin.ca_pem();
    options.session_resumption = false;
    std::vector<std::thread> threads;
    std::mutex mutex;
    options.verify = [&](peer_to_verify who, verification_answer answer) {
        const std::lock_guard lock(mutex);
        threads.emplace_back([who = std::move(who), answer = std::move(answer)] {
            who.is_accepted ? answer.accept() : answer.refuse(who.reason);
        });
    };
    config values;
    values.io.threads = 2;
    values.handshake.threads = handshake_threads;
    values.tls.profile = tls_profile::make(options);
    client subject(values);
    std::vector<awaited_response> calls;
    for (int i = 0; i < 40; ++i) calls.push_back(begin_send(subject, get(origin.url("/d/20"))));
    for (const awaited_response& call : calls) EXPECT_FALSE(call.error());
    subject.drain();
    const std::lock_guard lock(mutex);
    EXPECT_GE(threads.size(), 2U);
    for (std::thread& one : threads) one.join();
}

TEST(ShardVerifyTest, AnswersFromManyThreadsReachTheirHandshakes) { judge_by_many_threads(0); }

TEST(ShardVerifyTest, AnswersReachHandshakesOnThreadsOfTheirOwn) { judge_by_many_threads(2); }

}  // namespace
}  // namespace hearth
