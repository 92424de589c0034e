// Overload: who is served when not all can be, and origins that answer nobody in time. Part of
// pool_core's inside, see pool_state.hpp.
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/pool_state.hpp"

namespace hearth::core {

using implementation = pool_core::implementation;
using namespace std::chrono_literals;

namespace {

// A tenth of a core, the rest is for whom the CPU can still serve.
constexpr int ration_share = 10;
// Before the first handshake was measured: a full one of TLS 1.3 takes 0.56-0.94 ms.
constexpr duration unknown_handshake_cost = 700us;
// Of a TCP connection, opened and closed.
constexpr duration connect_cost = 50us;
// Of those that seem too late, one in so many is sent: an estimate must be able to find out that it
// is wrong.
constexpr std::uint32_t tried_all_the_same = 16;
// A waiter that was tried too early is looked at again after this at the least.
constexpr duration shortest_look = 1ms;
// An overloaded origin is asked by so many at once in any case.
constexpr std::uint32_t fewest_asking = 16;
// So long after a measurement there still are waiters that it has caused.
constexpr duration measuring_echo = 300ms;
// After that long without a waiter for whom it mattered, what was learned may be wrong.
constexpr duration crowd_memory = 2s;

}  // namespace

// An exchange has its answer (the first octet of it). Only a live one says something of the origin.
void implementation::note_answer(connection_record& connection, exchange_record& exchange) {
    if (std::exchange(exchange.is_answered, true)) return;
    if (exchange.state != exchange_state::assigned) return;
    origin_record& origin = origin_of(connection);
    const bool is_late = now_ > exchange.deadline;  // its caller's time was over, and nobody saw it
    end_asking(origin, exchange, is_late);
    ++origin.answered;
    if (std::exchange(origin.has_to_prove_itself, false)) origin.backoff.on_success();
    if (!std::exchange(connection.has_served, true) && connection.is_handshake_complete) {
        ++origin.counters->handshakes_useful;
        origin.counters->handshake_cpu_useful += connection.handshake_cpu;
    }
    if (is_late) {
        ++origin.missed;
    } else {
        origin.answers.on_answer(now_, now_ - exchange.since);
    }
    if (origin.is_rationed || origin.pool.ready() < origin.part_of(settings_.pool.min_ready)) {
        touch(origin);
    }
}

// An exchange that is on a connection has no answer in time.
void implementation::note_miss(origin_record& origin, const exchange_record& exchange) {
    ++origin.missed;
    origin.answers.on_missed(now_, now_ - exchange.since);
}

// Decides anew whether dials to `origin` are rationed. Only origins somebody waits for share what
// is given to all of them.
void implementation::ration(origin_record& origin) {
    const bool is_due = settings_.overload.ration_dials && origin.pool.waiters() != 0 &&
                        origin.answers.is_silent(now_);
    if (is_due == origin.is_rationed) return;
    origin.is_rationed = is_due;
    is_due ? ++rationed_ : --rationed_;
}

// Between two dials to a rationed origin: all of them together may take `ration_share`.
duration implementation::ration_interval(const origin_record& origin) const {
    duration cost = connect_cost;
    if (origin.settings.tls) {
        const duration learned = scheduler_.hello_cost() + scheduler_.flight_cost();
        cost += scheduler_.flight_cost() == duration::zero() ? unknown_handshake_cost : learned;
    }
    return cost * ration_share * std::max<std::int64_t>(rationed_, 1);
}

// Whether nobody could have an answer by `deadline`, a connection at hand.
bool implementation::is_late(const origin_record& origin, time_point deadline) const {
    if (deadline == base::never || !settings_.overload.refuse_late) return false;
    const duration left = deadline - now_;
    if (origin.answers.is_too_short(now_, left)) return true;
    return origin.losses.margin > 1 && left < needed_when_late(origin);
}

// What must be left before a deadline, as far as is known, and how much more that is than an answer
// takes at the least.
refusal implementation::too_late(const origin_record& origin) const {
    refusal result{.failure = wait_failure::would_miss_deadline,
                   .needed = origin.answers.least(now_)};
    if (origin.losses.margin <= 1) return result;
    const duration with_margin = needed_when_late(origin);
    if (with_margin <= result.needed) return result;
    result.needed = with_margin;
    result.margin_percent = static_cast<std::uint32_t>(std::lround(origin.losses.margin * 100));
    return result;
}

// Where what is sent misses because it comes to the pool too late, just enough time is not enough,
// and an estimate that fades because nobody is answered must not let all of them try.
duration implementation::needed_when_late(const origin_record& origin) const {
    const duration quickest = origin.answers.quickest();
    const duration usual = quickest == duration::max() ? origin.answers.typical() : quickest;
    return std::chrono::duration_cast<duration>(origin.losses.margin * usual);
}

bool implementation::is_refused(origin_record& origin, time_point deadline) {
    if (!is_late(origin, deadline)) return false;
    return ++origin.late_ones % tried_all_the_same != 0;
}

// Whether an exchange is not worth a look at the pool.
refusal implementation::turn_away(origin_record& origin, time_point deadline) {
    if (is_refused(origin, deadline)) {
        ++origin.counters->queue_hopeless;
        const refusal why = too_late(origin);  // as it was judged, not as it is seen from now on
        watch_late_ones(origin);
        return why;
    }
    if (!origin.useful) return {};
    note_crowd(origin);
    const bool finds_waiters = origin.pool.waiters() != 0;
    if (!origin.door.refuses(now_, finds_waiters, random_.unit())) return {};
    ++origin.counters->queue_shed;
    return {.failure = wait_failure::shed};
}

// Whom a connection goes to. Those it would be wasted on fail on the way, and when there are too
// many, the oldest.
std::uint32_t implementation::next_waiter(origin_record& origin, bool has_carried) {
    if (origin.pool.waiters() == 0) return no_index;
    watch_queue(origin);
    if (note_crowd(origin)) return no_index;
    const bool newest_first = settings_.overload.target &&
                              (origin.queue.is_overloaded() || origin.useful || origin.is_rationed);
    for (;;) {
        const std::uint32_t index = newest_first
                                        ? origin.pool.last_waiter_for(tables_, has_carried)
                                        : origin.pool.first_waiter_for(tables_, has_carried);
        if (index == no_index) return no_index;
        if (!is_refused(origin, tables_.exchanges.at(index).deadline)) {
            origin.door.on_served();
            return index;
        }
        fail_waiter(index, wait_failure::would_miss_deadline);
    }
}

void implementation::watch_queue(origin_record& origin) {
    const auto& target = settings_.overload.target;
    if (!target) return;
    const duration interval = settings_.overload.interval;
    const time_point oldest = tables_.exchanges.at(origin.pool.first_waiter(tables_)).since;
    origin.queue.look(now_, oldest, origin.lost_waiters, *target, interval);
    watch_crowd(origin);
    // The last one is never shed: whatever comes free is his.
    if (origin.pool.waiters() > 1 && origin.queue.sheds(now_, interval)) {
        fail_waiter(origin.pool.first_waiter(tables_), wait_failure::shed);
    }
}

// Where calls wait for the CPU, ours or the origin's, a pool that sends whatever it has a
// connection for, and dials when it has none, has ever more of them under way, each for longer,
// until no answer comes in time. So once answers take a quarter of what waiters have, it is learned
// how many the origin can be asked at once without a queue, or with one in which they take no
// longer (`concurrency_limit`): who waits for that is served in the order for overload, and nobody
// is dialled for. Misses alone are no sign of it: an origin that stands still for a moment is asked
// as before, see `ration`.
void implementation::watch_crowd(origin_record& origin) {
    const exchange_record& newest =
        tables_.exchanges.at(origin.pool.last_waiter_for(tables_, false));
    if (newest.deadline == base::never) return;
    look_at_losses(origin);
    const duration typical = origin.answers.typical();
    const duration long_answer = (newest.deadline - newest.since) / 4;
    // Losses alone are no sign where answers always take long and there are no connections yet.
    const bool is_losing = origin.losses.are_many && typical >= 2 * origin.answers.quickest();
    const bool is_overloaded = origin.queue.is_overloaded() || is_losing;
    if (is_overloaded && typical >= long_answer) begin_crowd(origin, long_answer);
}

// Where our own CPU is late, calls come to the pool when little of their time is left. Those that
// have too little cost next to nothing, those that have a little more are sent and miss: that can
// go on for ever, without a waiter.
void implementation::watch_late_ones(origin_record& origin) {
    if (!settings_.overload.target) return;
    look_at_losses(origin);
    if (!origin.losses.are_late) return;
    begin_crowd(origin, duration::zero());
    if (origin.useful) origin.useful->on_miss(now_, now_, origin.asking);
}

void implementation::begin_crowd(origin_record& origin, duration tolerated) {
    if (origin.useful) return;
    const concurrency_config rules{.enabled = true,
                                   .initial_limit = std::max(origin.asking, fewest_asking),
                                   .min_limit = fewest_asking,
                                   .max_limit = no_index};
    const concurrency_limit::pace quickly{
        .measure_every = 1s,
        .growth = 0.5,
        .crowded = std::max<duration>(origin.answers.typical(), duration{1}),
        .tolerated = tolerated};
    origin.useful = std::make_unique<concurrency_limit>(rules, random_.next(), quickly);
    origin.crowded_at = now_;
    origin.door = {};
}

// What became of the calls of the last `interval`. A queue that is lost as a whole, again and
// again, is empty in between, and yet is overload.
void implementation::look_at_losses(origin_record& origin) {
    constexpr std::uint64_t some = 16;
    auto& seen = origin.losses;
    const duration interval = settings_.overload.interval;
    if (now_ - seen.since < interval) return;
    const std::uint64_t lost = origin.lost_waiters - seen.lost_before;
    const std::uint64_t late = origin.late_ones - seen.late_before;
    const std::uint64_t sent = origin.exchanges - seen.sent_before;
    const std::uint64_t answered = origin.answered - seen.answered_before;
    const std::uint64_t missed = origin.missed - seen.missed_before;
    const bool is_recent = now_ - seen.since < 2 * interval;
    const bool are_some = is_recent && lost >= some && lost * 4 >= answered;
    seen.are_many = are_some && seen.were_some;  // not for a moment, as at a cold start
    seen.were_some = are_some;
    seen.are_late = is_recent && late >= some && late * 4 >= sent && missed * 2 > sent;
    // Up at once, down to the half in a second and a half; what was before a pause is over.
    const double margin = seen.are_late ? std::max(2.0, seen.margin * 1.5) : seen.margin * 0.95;
    seen.margin = is_recent ? std::clamp(margin, 1.0, 4.0) : 1.0;
    seen.since = now_;
    seen.lost_before = origin.lost_waiters;
    seen.late_before = origin.late_ones;
    seen.sent_before = origin.exchanges;
    seen.answered_before = origin.answered;
    seen.missed_before = origin.missed;
}

// Whether more exchanges under way would only make each take longer.
bool implementation::is_crowded(const origin_record& origin) const {
    return origin.useful && !is_draining_ && origin.asking >= origin.useful->limit();
}

// The same, remembered: but not what comes of the limit being low only to measure.
bool implementation::note_crowd(origin_record& origin) {
    if (!is_crowded(origin)) return false;
    if (origin.useful->is_measuring()) {
        origin.measured_at = now_;
    } else if (now_ - origin.measured_at > measuring_echo) {
        origin.crowded_at = now_;
    }
    return true;
}

// An exchange has its answer, or will not be waited for any longer.
void implementation::end_asking(origin_record& origin, exchange_record& exchange, bool in_vain) {
    if (!std::exchange(exchange.is_asking, false)) return;
    HEARTH_ASSERT(origin.asking != 0);
    if (origin.useful) {
        const time_point asked = exchange.since;
        in_vain ? origin.useful->on_miss(now_, asked, origin.asking)
                : origin.useful->on_sample(now_, asked, now_ - asked, origin.asking);
        if (now_ - origin.crowded_at > crowd_memory) origin.useful.reset();
        touch(origin);
    }
    --origin.asking;
}

// Puts the waiter that is due on a connection with room. False: there is none for it.
bool implementation::serve_next(connection_record& connection) {
    origin_record& origin = origin_of(connection);
    const bool is_used = connection.has_carried && !is_fresh_out_of_reach(origin);
    const std::uint32_t index = next_waiter(origin, is_used);
    if (index == no_index) return false;
    origin.pool.dequeue(tables_, index);
    deadlines_.remove(tables_.exchanges.at(index).timer);
    assign(connection, index);
    return true;
}

// Gives what rests to those that had to wait though it was there.
void implementation::serve_waiters(origin_record& origin) {
    while (origin.pool.waiters() != 0 && !is_crowded(origin)) {
        const std::uint32_t picked = origin.pool.pick(false, ideal_streams());
        if (picked == no_index) return;
        if (!serve_next(tables_.connections.at(picked))) return;
    }
}

// A waiter is looked at when its time is up, or when that becomes certain.
void implementation::arm_waiter(std::uint32_t index) {
    exchange_record& exchange = tables_.exchanges.at(index);
    time_point when = exchange.deadline;
    if (when != base::never && settings_.overload.refuse_late) {
        const time_point last_chance = when - too_late(origins_.at(exchange.origin)).needed;
        when = std::min(when, std::max(last_chance, now_ + shortest_look));
    }
    when = std::min(when, base::after(exchange.since, settings_.timeouts.queue));
    deadlines_.set(exchange.timer, when, {timed_kind::waiter, index});
}

void implementation::on_waiter_due(std::uint32_t index) {
    exchange_record& exchange = tables_.exchanges.at(index);
    exchange.timer = 0;
    if (now_ >= exchange.deadline) return fail_waiter(index, wait_failure::deadline);
    if (now_ - exchange.since >= settings_.timeouts.queue) {
        const bool lacks_descriptors = limits_.is_at_ceiling() && limits_.has_room(exchange.origin);
        return fail_waiter(index, lacks_descriptors ? wait_failure::descriptor_limit
                                                    : wait_failure::queue_timeout);
    }
    if (is_late(origins_.at(exchange.origin), exchange.deadline)) {
        return fail_waiter(index, wait_failure::would_miss_deadline);
    }
    arm_waiter(index);
}

}  // namespace hearth::core
