// Overload: rationed dials, exchanges that would be late, and who is served when not all can be.
#include <deque>

#include "core/pool_core.hpp"
#include "core/pool_harness.hpp"

namespace hearth::core {
namespace {

using kind = action_kind;

pool_settings roomy_settings() {
    pool_settings settings;
    settings.pool.jitter = 0;
    settings.pool.on_cancel = cancel_policy::drain;
    return settings;
}

struct busy {
    connection_id connection;
    exchange_id exchange;
};

// Exchanges on connections of their own.
std::vector<busy> make_busy(pool_harness& h, origin_id origin, int count,
                            time_point deadline = base::never) {
    std::vector<busy> made;
    for (int i = 0; i < count; ++i) {
        const exchange_id exchange = h.acquire(origin, deadline);
        if (h.last(kind::assign).exchange != exchange) h.finish_dial(h.last(kind::dial).connection);
        made.push_back({h.last(kind::assign).connection, exchange});
    }
    return made;
}

void answer(pool_harness& h, const busy& one) {
    h.pool.on_first_byte(h.now, one.connection, one.exchange);
    h.drain_actions();
    h.done(one.connection, one.exchange);
}

// An origin that used to answer after 5 ms and now has ten exchanges without an answer for long.
origin_id make_silent(pool_harness& h, std::vector<busy>* unanswered = nullptr) {
    const origin_id origin = h.add_origin();
    const busy one = make_busy(h, origin, 1)[0];
    h.wait(5ms);
    answer(h, one);
    const auto all = make_busy(h, origin, 10);
    h.wait(100ms);
    (void)h.take();
    if (unanswered != nullptr) *unanswered = all;
    return origin;
}

TEST(PoolOverloadTest, DialsToASilentOriginArePaced) {
    pool_harness h(roomy_settings());
    const origin_id origin = make_silent(h);
    for (int i = 0; i < 100; ++i) (void)h.acquire(origin);
    EXPECT_LE(h.count(kind::dial), 2U);
    h.wait(500ms);
    EXPECT_GT(h.count(kind::dial), 10U);
    EXPECT_LE(h.count(kind::dial), 1000U) << "each costs 50 us";
    EXPECT_EQ(h.stats(origin).waiting, 100U);
}

TEST(PoolOverloadTest, FirstAnswerEndsTheRation) {
    pool_harness h(roomy_settings());
    std::vector<busy> unanswered;
    const origin_id origin = make_silent(h, &unanswered);
    for (int i = 0; i < 100; ++i) (void)h.acquire(origin);
    h.pool.on_first_byte(h.now, unanswered[0].connection, unanswered[0].exchange);
    h.drain_actions();
    EXPECT_EQ(h.count(kind::dial), 100U);
}

TEST(PoolOverloadTest, LateAnswerOfADrainedExchangeDoesNotEndTheRation) {
    pool_harness h(roomy_settings());
    std::vector<busy> unanswered;
    const origin_id origin = make_silent(h, &unanswered);
    h.cancel_assigned(unanswered[0].connection, unanswered[0].exchange);
    for (int i = 0; i < 100; ++i) (void)h.acquire(origin);
    h.pool.on_first_byte(h.now, unanswered[0].connection, unanswered[0].exchange);
    h.done(unanswered[0].connection, unanswered[0].exchange);
    EXPECT_LE(h.count(kind::dial), 3U);
}

TEST(PoolOverloadTest, OriginWhoseCallersLeaveUnansweredIsRationed) {
    pool_harness h(roomy_settings());
    const origin_id origin = h.add_origin();
    for (const busy& one : make_busy(h, origin, 10))
        h.cancel_assigned(one.connection, one.exchange);
    (void)h.take();
    for (int i = 0; i < 50; ++i) (void)h.acquire(origin);
    EXPECT_LE(h.count(kind::dial), 2U);
}

TEST(PoolOverloadTest, RationCanBeSwitchedOff) {
    pool_settings settings = roomy_settings();
    settings.overload.ration_dials = false;
    pool_harness h(settings);
    const origin_id origin = make_silent(h);
    for (int i = 0; i < 100; ++i) (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::dial), 100U);
}

TEST(PoolOverloadTest, SilentOriginsShareOneRation) {
    const auto dials_of = [](int origins) {
        pool_settings settings = roomy_settings();
        settings.pool.max_connections = 1000;
        pool_harness h(settings);
        std::vector<origin_id> silent;
        silent.reserve(static_cast<std::size_t>(origins));
        for (int i = 0; i < origins; ++i) silent.push_back(make_silent(h));
        (void)h.take();
        for (const origin_id origin : silent) {
            for (int i = 0; i < 200; ++i) (void)h.acquire(origin);
        }
        h.wait(100ms);
        return h.count(kind::dial);
    };
    const std::size_t one = dials_of(1);
    EXPECT_LE(dials_of(5), one + 20) << "two at once for each";
}

TEST(PoolOverloadTest, DrainersGiveWayToASilentOriginsWaitersAtTheSamePace) {
    pool_settings settings = roomy_settings();
    settings.pool.max_connections_per_origin = 11;
    pool_harness h(settings);
    std::vector<busy> unanswered;
    const origin_id origin = make_silent(h, &unanswered);
    const busy last = make_busy(h, origin, 1)[0];
    for (const busy& one : unanswered) h.cancel_assigned(one.connection, one.exchange);
    h.cancel_assigned(last.connection, last.exchange);
    (void)h.take();
    for (int i = 0; i < 11; ++i) (void)h.acquire(origin);
    EXPECT_LE(h.count(kind::close), 2U);
}

TEST(PoolOverloadTest, NoMoreTlsDialsThanKeepTheHandshakesBusy) {
    pool_settings settings = roomy_settings();
    settings.handshake.max_concurrent = 4;
    pool_harness h(settings);
    const origin_id origin = h.add_origin({.tls = true});
    for (int i = 0; i < 100; ++i) (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::dial), 8U);
    const connection_id first = h.all(kind::dial)[0].connection;
    h.resolved(first, 2);
    h.wait(250ms);
    EXPECT_EQ(h.count(kind::dial), 9U) << "one that tries its next address holds up nobody";
    h.connected(first, 1);
    h.ready(first);
    EXPECT_EQ(h.count(kind::dial), 9U);
}

// An origin with one idle connection whose server answers a ClientHello after `wait`; a handshake
// takes 600 us of CPU.
connection_id measure(pool_harness& h, origin_id origin, duration wait) {
    const exchange_id first = h.acquire(origin);
    const connection_id dial = h.last(kind::dial).connection;
    h.resolved(dial);
    h.connected(dial);
    h.pool.on_handshake_need(h.now, dial, handshake_need::hello);
    h.pool.on_turn(h.now);
    h.pool.on_slice_done(h.now, dial, 100us, slice_outcome::waiting);
    h.wait(wait);
    h.pool.on_handshake_need(h.now, dial, handshake_need::flight);
    h.pool.on_turn(h.now);
    h.pool.on_slice_done(h.now, dial, 500us, slice_outcome::done);
    h.ready(dial);
    h.done(dial, first);
    (void)h.take();
    return dial;
}

// Dials that 100 waiters get from such an origin.
std::size_t dials_after_measuring(duration wait) {
    pool_harness h(roomy_settings());
    const origin_id origin = h.add_origin({.tls = true});
    measure(h, origin, wait);
    for (int i = 0; i < 101; ++i) (void)h.acquire(origin);
    return h.count(kind::dial);
}

TEST(PoolOverloadTest, DialsAreAsManyAsKeepTheCpuBusyWhileOneWaits) {
    EXPECT_EQ(dials_after_measuring(500us), 9U);
    EXPECT_EQ(dials_after_measuring(3ms), 18U);
    EXPECT_EQ(dials_after_measuring(30ms), 32U) << "twice handshake.max_concurrent at the most";
}

// A connection that comes free each millisecond serves six waiters before a dial, which takes more
// than six, is through: few dials are begun for them, and more when it is lost.
TEST(PoolOverloadTest, FewDialsWhereWhatComesFreeServesTheWaiters) {
    pool_harness h(roomy_settings());
    const origin_id origin = h.add_origin({.tls = true});
    const connection_id only = measure(h, origin, 3ms);
    for (int i = 0; i < 30; ++i) {
        const exchange_id exchange = h.acquire(origin);
        h.wait(1ms);
        h.done(only, exchange);
    }
    EXPECT_EQ(h.count(kind::dial), 0U);
    for (int i = 0; i < 7; ++i) (void)h.acquire(origin);
    EXPECT_EQ(h.stats(origin).waiting, 6U);
    EXPECT_EQ(h.count(kind::dial), 4U);
    for (int i = 0; i < 10; ++i) (void)h.acquire(origin);
    EXPECT_EQ(h.count(kind::dial), 6U) << "until what comes free is enough for the rest";
    h.closed(only, close_reason::peer_error);
    EXPECT_EQ(h.count(kind::dial), 16U) << "nothing comes free any more";
}

TEST(PoolOverloadTest, UnscheduledHandshakesGetADialPerWaiter) {
    pool_settings settings = roomy_settings();
    settings.handshake.max_concurrent = 1;
    settings.overload.schedule_handshakes = false;
    pool_harness h(settings);
    const origin_id origin = h.add_origin({.tls = true});
    for (int i = 0; i < 20; ++i) {
        (void)h.acquire(origin);
        const connection_id dial = h.last(kind::dial).connection;
        h.resolved(dial);
        h.connected(dial);
        h.pool.on_handshake_need(h.now, dial, handshake_need::hello);
    }
    EXPECT_EQ(h.count(kind::dial), 20U);
    h.pool.on_turn(h.now);
    h.drain_actions();
    EXPECT_EQ(h.count(kind::step), 20U);
}

// An origin whose one connection answers after 5 ms; somebody has waited as long in vain.
busy make_quick(pool_harness& h, origin_id origin) {
    busy one = make_busy(h, origin, 1)[0];
    h.wait(5ms);
    h.cancel_assigned(one.connection, one.exchange);
    h.done(one.connection, one.exchange);
    for (int i = 0; i < 10; ++i) {
        one = make_busy(h, origin, 1)[0];
        h.wait(5ms);
        answer(h, one);
    }
    (void)h.take();
    return one;
}

TEST(PoolOverloadTest, ExchangeThatCannotBeInTimeIsNotSent) {
    pool_harness h(roomy_settings());
    const origin_id origin = h.add_origin();
    make_quick(h, origin);
    const exchange_id late = h.acquire(origin, h.now + 4ms);
    EXPECT_EQ(h.count(kind::assign), 0U);
    EXPECT_EQ(h.last(kind::fail).exchange, late);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::would_miss_deadline);
    EXPECT_EQ(duration(static_cast<duration::rep>(h.last(kind::fail).value)), 5ms);
    EXPECT_EQ(h.last(kind::fail).count, 100U);
    (void)h.acquire(origin, h.now + 6ms);
    EXPECT_EQ(h.count(kind::assign), 1U);
    (void)h.acquire(origin);
    EXPECT_EQ(h.stats(origin).queue_hopeless, 1U);
}

// A refusal says how much more than a quick answer must be left, and only while that is so.
TEST(PoolOverloadTest, MoreMustBeLeftWhileCallsComeLateAndWhatIsSentMisses) {
    pool_harness h(roomy_settings());
    const origin_id origin = h.add_origin();
    const std::vector<busy> connections = make_busy(h, origin, 40);
    h.wait(5ms);
    for (const busy& one : connections) answer(h, one);
    make_quick(h, origin);
    struct sent {
        time_point over;
        busy which;
        bool is_answered;
    };
    std::deque<sent> under_way;
    const auto call = [&](duration left, bool is_answered) {
        const std::size_t refused_before = h.count(kind::fail);
        const exchange_id name = h.acquire(origin, h.now + left);
        if (h.count(kind::fail) != refused_before) {
            EXPECT_GT(duration(static_cast<duration::rep>(h.last(kind::fail).value)), left);
            return;
        }
        const action assigned = h.last(kind::assign);
        if (assigned.exchange != name) return;
        under_way.push_back({h.now + 5ms, {assigned.connection, name}, is_answered});
    };
    // For a while most misses, then nothing does.
    for (int i = 0; i < 2400; ++i) {
        if (i < 800) {
            call(4ms, false);
            call(6ms, false);
            if (i % 5 == 0) call(50ms, true);
        } else {
            call(5ms + i % 60 * 250us, true);
        }
        h.wait(1ms);
        while (!under_way.empty() && under_way.front().over <= h.now) {
            const sent one = under_way.front();
            under_way.pop_front();
            if (one.is_answered) {
                answer(h, one.which);
                continue;
            }
            h.cancel_assigned(one.which.connection, one.which.exchange);
            h.done(one.which.connection, one.which.exchange);
        }
    }
    std::uint32_t most = 0;
    for (const action& refused : h.all(kind::fail)) {
        if (refused.failure != wait_failure::would_miss_deadline || refused.count <= 100) continue;
        const duration needed(static_cast<duration::rep>(refused.value));
        EXPECT_NEAR(std::chrono::duration<double>(needed) / 5ms, refused.count / 100.0, 0.006);
        most = std::max(most, refused.count);
    }
    EXPECT_GE(most, 200U);
    EXPECT_LE(most, 400U);
}

// What was slow may have been another path: a caller is refused once one like him was not served.
TEST(PoolOverloadTest, SlowAnswersRefuseNobodyWhoMayGetAQuickOne) {
    pool_harness h(roomy_settings());
    const origin_id origin = h.add_origin();
    const auto slow = make_busy(h, origin, 20);
    h.wait(400ms);
    for (const busy& one : slow) answer(h, one);
    for (int i = 0; i < 20; ++i) {
        const busy one = make_busy(h, origin, 1, h.now + 50ms)[0];
        h.wait(5ms);
        answer(h, one);
    }
    EXPECT_EQ(h.stats(origin).queue_hopeless, 0U);
}

TEST(PoolOverloadTest, OneInSixteenThatSeemTooLateIsSent) {
    pool_harness h(roomy_settings());
    const origin_id origin = h.add_origin();
    make_quick(h, origin);
    for (int i = 0; i < 64; ++i) {
        const exchange_id late = h.acquire(origin, h.now + 4ms);
        if (h.last(kind::assign).exchange != late) continue;
        h.wait(5ms);
        h.done(h.last(kind::assign).connection, late);
    }
    EXPECT_EQ(h.count(kind::assign), 4U);
}

TEST(PoolOverloadTest, LateRefusalCanBeSwitchedOff) {
    pool_settings settings = roomy_settings();
    settings.overload.refuse_late = false;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    make_quick(h, origin);
    (void)h.acquire(origin, h.now + 1ns);
    EXPECT_EQ(h.count(kind::assign), 1U);
}

TEST(PoolOverloadTest, WaiterFailsAsSoonAsItIsSureToBeLate) {
    pool_settings settings = roomy_settings();
    settings.pool.max_connections_per_origin = 1;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    make_quick(h, origin);
    (void)h.acquire(origin);
    const exchange_id waiter = h.acquire(origin, h.now + 50ms);
    h.wait(44ms);
    EXPECT_EQ(h.count(kind::fail), 0U);
    h.wait(2ms);
    EXPECT_EQ(h.last(kind::fail).exchange, waiter);
    EXPECT_EQ(h.last(kind::fail).failure, wait_failure::would_miss_deadline);
}

TEST(PoolOverloadTest, FreedConnectionGoesPastThoseItWouldBeWastedOn) {
    pool_settings settings = roomy_settings();
    settings.pool.max_connections_per_origin = 1;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    make_quick(h, origin);
    const busy holder = make_busy(h, origin, 1)[0];
    const exchange_id dying = h.acquire(origin, h.now + 20ms);
    const exchange_id living = h.acquire(origin, h.now + 1s);
    h.now += 16ms;  // the timer is late
    h.done(holder.connection, holder.exchange);
    EXPECT_EQ(h.last(kind::fail).exchange, dying);
    EXPECT_EQ(h.last(kind::assign).exchange, living);
}

// A wrong estimate may cost, never lock: an origin that was slow once and is quick now serves short
// deadlines again, whatever it was before and however late nobody comes.
TEST(PoolOverloadTest, NoEstimateLocksAnOriginForLong) {
    for (const duration initial : {1ms, 100ms, 10'000ms, 3'600'000ms}) {
        pool_settings settings = roomy_settings();
        settings.pool.max_lifetime = 24h;
        pool_harness h(settings);
        const origin_id origin = h.add_origin();
        const auto both = make_busy(h, origin, 2);
        h.wait(initial);
        h.cancel_assigned(both[1].connection, both[1].exchange, {});  // it waited so long in vain
        answer(h, both[0]);
        int served = 0;
        for (int i = 0; i < 2000; ++i) {  // a call each millisecond, answered after half of one
            const exchange_id call = h.acquire(origin, h.now + 2ms);
            if (h.last(kind::assign).exchange == call) {
                h.wait(500us);
                answer(h, {h.last(kind::assign).connection, call});
                served += i >= 1000 ? 1 : 0;
                h.wait(500us);
            } else {
                h.wait(1ms);
            }
        }
        EXPECT_EQ(served, 1000) << "after a second, from " << initial.count() << " ns";
    }
}

// Waiters of one connection that is freed each 10 ms; more come than it serves. Which of them is
// served after `time`, counted from the newest?
struct queue_outcome {
    std::size_t behind = 0;  ///< Waiters that came later than the one served.
    std::size_t shed = 0;
};
queue_outcome serve_queue(const pool_settings& settings, duration time, duration patience) {
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    busy holder = make_busy(h, origin, 1)[0];
    std::vector<exchange_id> came;
    for (duration at{}; at < time; at += 10ms) {
        for (int i = 0; i < 5; ++i) {
            const time_point deadline =
                patience == duration::max() ? base::never : h.now + patience;
            came.push_back(h.acquire(origin, deadline));
            h.wait(2ms);
        }
        h.done(holder.connection, holder.exchange);
        holder.exchange = h.last(kind::assign).exchange;
    }
    queue_outcome out;
    const auto served = std::find(came.begin(), came.end(), holder.exchange);
    out.behind = static_cast<std::size_t>(came.end() - served) - 1;
    for (const action& one : h.all(kind::fail)) out.shed += one.failure == wait_failure::shed;
    EXPECT_EQ(h.stats(origin).queue_shed, out.shed);
    return out;
}

pool_settings narrow_settings() {
    pool_settings settings = roomy_settings();
    settings.pool.max_connections_per_origin = 1;
    settings.overload.refuse_late = false;
    settings.overload.target = 20ms;
    settings.overload.interval = 100ms;
    return settings;
}

TEST(PoolOverloadTest, SustainedOverloadServesTheNewestAndShedsTheOldest) {
    const queue_outcome out = serve_queue(narrow_settings(), 1s, 100ms);
    EXPECT_EQ(out.behind, 0U);
    EXPECT_GT(out.shed, 5U);
}

TEST(PoolOverloadTest, ShortOverloadIsServedInOrder) {
    const queue_outcome out = serve_queue(narrow_settings(), 90ms, 100ms);
    EXPECT_GT(out.behind, 20U);
    EXPECT_EQ(out.shed, 0U);
}

TEST(PoolOverloadTest, LongQueueThatLosesNobodyIsServedInOrder) {
    const queue_outcome out = serve_queue(narrow_settings(), 1s, duration::max());
    EXPECT_GT(out.behind, 300U);
    EXPECT_EQ(out.shed, 0U);
}

TEST(PoolOverloadTest, WithoutTargetTheOrderIsKept) {
    pool_settings settings = narrow_settings();
    settings.overload.target.reset();
    const queue_outcome out = serve_queue(settings, 1s, 100ms);
    EXPECT_GT(out.behind, 20U);
    EXPECT_EQ(out.shed, 0U);
}

// 80 calls come at once to 40 connections, one of which comes free for those that wait. The others
// run out of time together, so that nobody waits when the next ones come.
void lose_a_queue(pool_harness& h, origin_id origin) {
    (void)h.take();
    for (int i = 0; i < 40; ++i) (void)h.acquire(origin, h.now + 200ms);
    for (int i = 0; i < 40; ++i) (void)h.acquire(origin, h.now + 80ms);
    EXPECT_EQ(h.count(kind::assign), 40U);
    const action first = h.last(kind::assign);
    h.wait(50ms);
    answer(h, {first.connection, first.exchange});
    h.wait(35ms);
    EXPECT_EQ(h.stats(origin).waiting, 0U);
    for (const action& one : h.all(kind::assign)) {
        if (one.exchange != first.exchange) answer(h, {one.connection, one.exchange});
    }
    h.wait(15ms);
}

// No queue lasts for `overload.interval`, and yet it is overload. Once may be chance.
TEST(PoolOverloadTest, QueueThatIsLostAsAWholeAgainAndAgainIsOverload) {
    pool_settings settings = narrow_settings();
    settings.pool.max_connections_per_origin = 40;
    pool_harness h(settings);
    const origin_id origin = h.add_origin();
    const std::vector<busy> connections = make_busy(h, origin, 40);
    h.wait(5ms);
    for (const busy& one : connections) answer(h, one);
    for (int i = 0; i < 3; ++i) lose_a_queue(h, origin);  // each time 40 are asked at once
    (void)h.take();
    for (int i = 0; i < 40; ++i) (void)h.acquire(origin, h.now + 200ms);
    EXPECT_LE(h.count(kind::assign), 20U) << "of 40 that are idle";
    EXPECT_EQ(h.stats(origin).overload_limit, h.count(kind::assign));
}

TEST(PoolOverloadTest, SilentOriginServesTheNewestFirst) {
    pool_harness h(roomy_settings());
    std::vector<busy> unanswered;
    const origin_id origin = make_silent(h, &unanswered);
    exchange_id newest{};
    for (int i = 0; i < 20; ++i) newest = h.acquire(origin);
    h.finish_dial(h.last(kind::dial).connection);
    EXPECT_EQ(h.last(kind::assign).exchange, newest);
}

// An origin that answers a call each millisecond, in the order they came, `delay` later: with 20 ms
// it has use for some 20 at once.
class one_worker {
public:
    explicit one_worker(const pool_settings& settings, duration delay = 20ms)
        : h(settings, 100'000), origin_(h.add_origin()), delay_(delay) {}

    /// A call each `interval`, each with 200 ms: answered in time in the second half.
    int run(duration length, duration interval) {
        const time_point begin = h.now;
        const time_point end = begin + length;
        for (time_point next = begin; next < end; next += interval) {
            go_on(next);
            const exchange_id call = h.acquire(origin_, next + 200ms);
            callers_.push_back({next + 200ms, call});
            look();
        }
        int in_time = 0;
        for (const time_point when : answered_) in_time += when >= begin + length / 2 ? 1 : 0;
        return in_time;
    }
    [[nodiscard]] std::uint64_t opened() const { return h.stats(origin_).opened; }
    /// How many are asked at once; 0: as many as come.
    [[nodiscard]] std::uint64_t limit() const { return h.stats(origin_).overload_limit; }

private:
    struct caller {
        time_point deadline;
        exchange_id call;
    };
    struct asked {
        time_point answered;
        busy which;
        bool is_alive = true;
    };

    // What the pool did: dials succeed at once.
    void look() {
        for (bool more = true; more;) {
            more = false;
            for (const action& a : h.take()) {
                if (a.kind == kind::dial) h.finish_dial(a.connection), more = true;
                if (a.kind != kind::assign) continue;
                free_ = std::max(free_ + 1ms, h.now + delay_);
                asked_.push_back({free_, {a.connection, a.exchange}});
            }
        }
    }
    void go_on(time_point until) {
        for (;;) {
            const time_point answer = asked_.empty() ? base::never : asked_.front().answered;
            const time_point deadline = callers_.empty() ? base::never : callers_.front().deadline;
            if (std::min(answer, deadline) > until) break;
            h.wait(std::max(std::min(answer, deadline) - h.now, duration::zero()));
            if (answer <= deadline) {
                const asked one = asked_.front();
                asked_.pop_front();
                if (one.is_alive) answered_.push_back(h.now);
                h.done(one.which.connection, one.which.exchange);
            } else {
                leave(callers_.front().call);
                callers_.pop_front();
            }
            look();
        }
        h.wait(until - h.now);
        look();
    }
    void leave(exchange_id call) {
        for (asked& one : asked_) {
            if (one.which.exchange != call) continue;
            one.is_alive = false;
            h.cancel_assigned(one.which.connection, call);
        }
    }

    pool_harness h;
    const origin_id origin_;
    const duration delay_;
    std::deque<caller> callers_;
    std::deque<asked> asked_;
    std::vector<time_point> answered_;
    time_point free_ = t0;
};

TEST(PoolOverloadTest, OverloadedOriginIsAskedByNoMoreThanItAnswersInTime) {
    one_worker origin(roomy_settings());
    EXPECT_GE(origin.run(10s, 700us), 4500) << "of 5000 that it can answer";
    const std::uint64_t opened = origin.opened();
    EXPECT_GE(origin.run(10s, 700us), 4500);
    EXPECT_EQ(origin.opened(), opened) << "more connections are of no use";
}

TEST(PoolOverloadTest, WithoutTargetAnOverloadedOriginIsAskedByAll) {
    pool_settings settings = roomy_settings();
    settings.overload.target.reset();
    one_worker origin(settings);
    EXPECT_LE(origin.run(10s, 700us), 1000);
}

// Calls wait while the limit is low to measure, and because of those that did also just after it.
// That does not show that there still is a crowd: two seconds after its end it is given up.
TEST(PoolOverloadTest, CrowdOfWhichOnlyMeasuringLeavesWaitersIsOver) {
    for (const duration interval : {1200us, 1300us}) {
        one_worker origin(roomy_settings(), 40ms);
        (void)origin.run(3s, 700us);
        (void)origin.run(1s, interval);
        EXPECT_NE(origin.limit(), 0U);
        (void)origin.run(1500ms, interval);
        EXPECT_EQ(origin.limit(), 0U);
        EXPECT_EQ(origin.run(2s, interval), 1s / interval) << "all";
    }
}

TEST(PoolOverloadTest, OriginThatKeepsUpIsAskedByAllThatCome) {
    one_worker origin(roomy_settings());
    EXPECT_EQ(origin.run(4s, 1100us), 1818) << "all";
}

}  // namespace
}  // namespace hearth::core
