#include "core/admission.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/assert.hpp"

namespace hearth::core {

admission::admission(const admission_rules& rules, std::uint64_t seed)
    : rules_(rules), seed_(seed), breaker_(rules.breaker, seed) {
    const rate_limit_config& rate = rules.rate_limit;
    if (rate.per_second) tokens_.emplace(*rate.per_second, rate.burst);
    if (rules.concurrency.enabled) places_.emplace(rules.concurrency, ~seed);
    set_waits();
}

void admission::set_waits() {
    max_wait_ = {};
    if (tokens_) max_wait_ += rules_.rate_limit.max_wait;
    if (places_) max_wait_ += rules_.concurrency.max_wait;
}

void admission::set_rules(base::time_point now, const admission_rules& rules) {
    const admission_rules before = std::exchange(rules_, rules);
    breaker_.set_rules(rules.breaker);
    const rate_limit_config& rate = rules.rate_limit;
    const bool is_same_rate =
        before.rate_limit.per_second == rate.per_second && before.rate_limit.burst == rate.burst;
    if (!is_same_rate) {
        tokens_.reset();
        if (rate.per_second) {
            tokens_.emplace(*rate.per_second, rate.burst);
            // Empty: whoever changes a rate often must not get a burst each time.
            if (before.rate_limit.per_second) tokens_->drain(now);
        }
    }
    if (!rules.concurrency.enabled) {
        places_.reset();
    } else if (places_) {
        places_->set_rules(rules.concurrency);
    } else {
        places_.emplace(rules.concurrency, ~seed_);
    }
    set_waits();
}

std::size_t admission::held() const { return held_[0].size() + held_[1].size() + held_[2].size(); }

std::optional<std::uint32_t> admission::limit() const {
    if (!places_) return {};
    return places_->limit();
}

bool admission::has_place(priority_class priority) const {
    if (!places_) return true;
    const std::uint32_t limit = places_->limit();
    switch (priority) {
        case priority_class::critical: return in_flight_ < limit + std::max(limit / 10, 1U);
        case priority_class::normal: return in_flight_ < limit;
        case priority_class::sheddable: return in_flight_ < std::max(limit * 3 / 4, 1U);
    }
    return false;
}

/// Nothing but probes and the panic share would pass.
bool admission::is_open(base::time_point now) const {
    return rules_.breaker.enabled && breaker_.state(now) == breaker_state::open;
}

admission_answer admission::refuse(admission_refusal why, base::time_point again) const {
    return {admission_verdict::refused, why, again, {}};
}

admission_answer admission::ask(base::time_point now, exchange_id exchange,
                                priority_class priority) {
    const auto rank = static_cast<std::size_t>(priority);
    bool first = true;  // nobody of its class or above is held
    for (std::size_t i = 0; i <= rank; ++i) first = first && held_[i].empty();
    const bool has_token = !tokens_ || tokens_->next_at() <= now;
    if (first && has_token && has_place(priority)) {
        admission_answer answer;
        if (rules_.breaker.enabled && !breaker_.admit(now, answer.ticket)) {
            return refuse(admission_refusal::breaker, breaker_.until());
        }
        if (tokens_) (void)tokens_->take(now);
        ++in_flight_;
        return answer;
    }
    if (is_open(now)) return refuse(admission_refusal::breaker, breaker_.until());
    std::uint64_t ahead = 0;
    for (std::size_t i = 0; i <= rank; ++i) ahead += held_[i].size();
    if (tokens_) {
        const base::time_point token_at = tokens_->next_at(ahead);
        if (token_at > now && (priority == priority_class::sheddable ||
                               token_at > now + rules_.rate_limit.max_wait)) {
            return refuse(admission_refusal::rate, token_at);
        }
    }
    if (priority == priority_class::sheddable || held() >= rules_.max_held) {
        return refuse(admission_refusal::concurrency, base::never);
    }
    held_[rank].push_back({exchange, now + max_wait_});
    return {admission_verdict::held, admission_refusal::none, base::never, {}};
}

std::optional<admission_release> admission::next_release(base::time_point now) {
    for (std::size_t rank = 0; rank < classes; ++rank) {
        auto& queue = held_[rank];
        if (queue.empty()) continue;
        const waiter first = queue.front();
        const bool has_token = !tokens_ || tokens_->next_at() <= now;
        admission_answer answer;
        if (is_open(now)) {
            answer = refuse(admission_refusal::breaker, breaker_.until());
        } else if (has_token && has_place(static_cast<priority_class>(rank))) {
            if (rules_.breaker.enabled && !breaker_.admit(now, answer.ticket)) {
                answer = refuse(admission_refusal::breaker, breaker_.until());
            } else {
                if (tokens_) (void)tokens_->take(now);
                ++in_flight_;
            }
        } else if (first.until <= now) {
            answer = has_token ? refuse(admission_refusal::concurrency, base::never)
                               : refuse(admission_refusal::rate, tokens_->next_at());
        } else {
            continue;
        }
        queue.pop_front();
        return admission_release{first.exchange, answer};
    }
    return {};
}

void admission::end(base::time_point now, breaker::ticket ticket, attempt_result result) {
    HEARTH_ASSERT(in_flight_ != 0);
    if (in_flight_ != 0) --in_flight_;
    if (rules_.breaker.enabled) breaker_.on_result(now, ticket, result);
}

void admission::sample(base::time_point now, base::time_point asked) {
    if (places_) places_->on_sample(now, asked, now - asked, in_flight_);
}

base::time_point admission::next_time(base::time_point now) const {
    base::time_point next = base::never;
    for (const auto& queue : held_) {
        if (queue.empty()) continue;
        next = std::min(next, queue.front().until);
        if (tokens_ && tokens_->next_at() > now) next = std::min(next, tokens_->next_at());
    }
    return next;
}

}  // namespace hearth::core
