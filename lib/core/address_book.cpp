#include "core/address_book.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "base/assert.hpp"

namespace hearth::core {

using base::duration;
using base::time_point;

namespace {

/// Alternates the families, the first one's first, and keeps the order within each.
void append_alternating(std::vector<std::uint32_t>& to, const std::vector<std::uint32_t>& from,
                        std::span<const address_book::address> all) {
    if (from.empty()) return;
    const bool first = all[from.front()].is_v6;
    std::vector<std::uint32_t> families[2];
    for (const std::uint32_t i : from) families[all[i].is_v6 == first ? 0 : 1].push_back(i);
    const std::size_t rounds = std::max(families[0].size(), families[1].size());
    for (std::size_t round = 0; round < rounds; ++round) {
        for (const auto& family : families) {
            if (round < family.size()) to.push_back(family[round]);
        }
    }
}

}  // namespace

address_book::slot address_book::find(std::string_view name) const {
    for (slot i = 0; i < entries_.size(); ++i) {
        if (!entries_[i].is_free && entries_[i].name == name) return i;
    }
    return no_slot;
}

address_book::slot address_book::find_or_add(const address& one) {
    if (const slot known = find(one.name); known != no_slot) return known;
    if (free_.empty()) {
        free_.push_back(static_cast<slot>(entries_.size()));
        entries_.emplace_back();
    }
    const slot added = free_.back();
    free_.pop_back();
    entries_[added] = entry();
    entries_[added].name = one.name;
    entries_[added].is_v6 = one.is_v6;
    if (has_breakers()) entries_[added].circuit.emplace(rules_, seeds_.next());
    return added;
}

// What nobody holds and the name service does not name is remembered while it rests, so that an
// answer with some of many addresses does not end the rest of the others.
void address_book::forget_unused(time_point now) {
    for (const bool is_crowded : {false, true}) {
        if (is_crowded && size() <= max_entries) return;
        for (slot i = 0; i < entries_.size(); ++i) {
            entry& one = entries_[i];
            if (one.is_free || one.is_current || one.load != 0 || one.exchanges != 0) continue;
            if (!is_crowded && one.rests_until > now) continue;
            one = entry();
            one.is_free = true;
            free_.push_back(i);
        }
    }
}

void address_book::update(time_point now, std::span<const address> all) {
    for (entry& one : entries_) one.is_current = false;
    for (const address& one : all) entries_[find_or_add(one)].is_current = true;
    forget_unused(now);
}

bool address_book::holds_any() const {
    return std::any_of(entries_.begin(), entries_.end(),
                       [](const entry& one) { return one.load != 0; });
}

bool address_book::holds_old() const {
    return std::any_of(entries_.begin(), entries_.end(), [](const entry& one) {
        return !one.is_free && !one.is_current && one.load != 0;
    });
}

/// Of one address there is no order, but the same is remembered of it.
void address_book::take_only(time_point now, entry& one) {
    if (one.rests_until == time_point::min()) {
        breaker::ticket unused;
        if (one.circuit) (void)one.circuit->admit(now, unused);
    } else if (one.rests_until <= now) {
        one.rests_until = base::after(now, settings_.min_rest);
        one.is_tried = true;
    }
    ++one.load;
}

std::vector<std::uint32_t> address_book::order(time_point now, std::span<const address> all,
                                               base::prng& random) {
    if (all.size() == 1) {
        take_only(now, entries_[find_or_add(all.front())]);
        return {0};
    }
    std::vector<slot> slots;
    for (const address& one : all) slots.push_back(find_or_add(one));
    const auto at = [&](std::uint32_t i) -> entry& { return entries_[slots[i]]; };

    std::vector<std::uint32_t> healthy;
    std::vector<std::uint32_t> recovering;
    std::vector<std::uint32_t> resting;
    std::uint32_t due = no_slot;
    for (std::uint32_t i = 0; i < all.size(); ++i) {
        entry& one = at(i);
        if (one.rests_until == time_point::min()) {
            breaker::ticket unused;
            const bool is_let_through = !one.circuit || one.circuit->admit(now, unused);
            (is_let_through ? healthy : recovering).push_back(i);
        } else if (one.rests_until <= now &&
                   (due == no_slot || one.rests_until < at(due).rests_until)) {
            if (due != no_slot) resting.push_back(due);
            due = i;
        } else {
            resting.push_back(i);
        }
    }
    std::vector<std::uint32_t> result;
    if (due != no_slot) {
        result.push_back(due);
        at(due).rests_until = base::after(now, settings_.min_rest);  // for all others
        at(due).is_tried = true;
    }
    if (!healthy.empty()) {
        const auto chosen =
            std::find(healthy.begin(), healthy.end(), choose(healthy, slots, random));
        std::rotate(healthy.begin(), chosen, chosen + 1);
    }
    append_alternating(result, healthy, all);
    append_alternating(result, recovering, all);
    std::stable_sort(resting.begin(), resting.end(), [&](std::uint32_t a, std::uint32_t b) {
        return at(a).rests_until < at(b).rests_until;
    });
    result.insert(result.end(), resting.begin(), resting.end());
    if (!result.empty()) ++at(result.front()).load;
    return result;
}

std::uint32_t address_book::choose(std::span<const std::uint32_t> healthy,
                                   std::span<const slot> slots, base::prng& random) {
    const auto at = [&](std::uint32_t i) -> const entry& { return entries_[slots[i]]; };
    std::vector<std::uint32_t> family;
    for (const std::uint32_t i : healthy) {
        if (at(i).is_v6 == at(healthy.front()).is_v6) family.push_back(i);
    }
    switch (settings_.balance) {
        case address_balance::first_healthy: break;
        case address_balance::round_robin: return family[turn_++ % family.size()];
        case address_balance::least_loaded: {
            if (family.size() == 1) break;
            const auto one = static_cast<std::size_t>(random.below(family.size()));
            auto other = static_cast<std::size_t>(random.below(family.size() - 1));
            if (other >= one) ++other;
            const bool is_lighter = at(family[other]).load < at(family[one]).load;
            return family[is_lighter ? other : one];
        }
    }
    return family.front();
}

address_book::slot address_book::hold(std::string_view name) {
    const slot found = find(name);
    if (found != no_slot) ++entries_[found].load;
    return found;
}

void address_book::release(slot held) {
    HEARTH_ASSERT(held < entries_.size() && entries_[held].load != 0);
    --entries_[held].load;
}

void address_book::rest(time_point now, entry& one, base::prng& random) {
    constexpr std::uint32_t most_doublings = 20;
    one.is_tried = false;
    const std::uint32_t doublings = std::min(one.failures, most_doublings);
    if (one.failures < most_doublings) ++one.failures;
    const duration longest = settings_.max_rest;
    const duration pause = std::min<duration>(settings_.min_rest * (1LL << doublings), longest);
    const auto less = std::chrono::duration_cast<duration>(pause * (random.unit() / 2));
    one.rests_until = base::after(now, pause - less);
}

// Attempts that were under way together fail together: they count once.
void address_book::on_failed(time_point now, std::string_view name, base::prng& random) {
    const slot found = find(name);
    if (found == no_slot) return;
    entry& one = entries_[found];
    if (one.rests_until > now && !one.is_tried) return;
    ++one.all_failures;
    rest(now, one, random);
}

void address_book::on_ready(slot held) {
    const entry& one = entries_[held];
    const bool is_ejected = settings_.eject_after && one.lost >= *settings_.eject_after;
    if (!is_ejected && !one.is_broken) recover(entries_[held]);  // else its first answers count
}

void address_book::on_answer(slot held) {
    entry& one = entries_[held];
    if (one.lost == 0 && one.failures == 0) return;
    one.lost = 0;
    if (!one.is_broken) recover(one);
}

void address_book::recover(entry& one) {
    one.failures = 0;
    one.is_tried = false;
    one.is_ejected = false;
    one.rests_until = time_point::min();
}

bool address_book::may_eject(time_point now) const {
    std::size_t current = 0;
    std::size_t resting = 0;
    for (const entry& one : entries_) {
        if (one.is_free || !one.is_current) continue;
        ++current;
        resting += one.rests_until > now ? 1 : 0;
    }
    const double share = settings_.max_ejected_share;
    return static_cast<double>(resting + 1) <= share * static_cast<double>(current);
}

bool address_book::on_lost(time_point now, slot held, base::prng& random) {
    entry& one = entries_[held];
    ++one.lost;
    ++one.all_lost;
    if (!settings_.eject_after || one.lost < *settings_.eject_after) return false;
    const bool is_new = one.rests_until <= now && may_eject(now);
    if (!is_new && !one.is_tried) return false;
    rest(now, one, random);
    one.is_ejected = true;
    return true;
}

std::vector<address_stats> address_book::stats(time_point now) const {
    std::vector<address_stats> all;
    for (const bool is_current : {true, false}) {
        for (const entry& one : entries_) {
            if (one.is_free || one.is_current != is_current) continue;
            address_stats& out = all.emplace_back();
            out.address = one.name;
            out.connections = one.load;
            out.failures = one.all_failures;
            out.lost = one.all_lost;
            out.is_current = is_current;
            out.is_ejected = one.is_ejected;
            if (one.rests_until > now) out.rests_until = one.rests_until;
        }
    }
    return all;
}

breaker::ticket address_book::begin(time_point now, slot held) {
    entry& one = entries_[held];
    HEARTH_ASSERT(one.circuit);
    ++one.exchanges;
    breaker::ticket ticket;
    (void)one.circuit->admit(now, ticket);  // it is on its connection: a probe, if one is due
    return ticket;
}

bool address_book::on_result(time_point now, slot on, breaker::ticket which,
                             attempt_result result) {
    entry& one = entries_[on];
    HEARTH_ASSERT(one.circuit && one.exchanges != 0);
    --one.exchanges;
    const std::uint64_t opened_before = one.circuit->times_opened();
    one.circuit->on_result(now, which, result);
    if (one.circuit->times_opened() == opened_before) {
        const breaker_state state = one.circuit->state(now);
        const bool is_open = state == breaker_state::open || state == breaker_state::half_open;
        if (!is_open && std::exchange(one.is_broken, false)) recover(one);
        return false;
    }
    if (!one.is_broken && !may_eject(now)) {
        one.circuit.emplace(rules_, seeds_.next());
        return false;
    }
    one.is_broken = true;
    one.is_ejected = true;
    one.is_tried = false;
    one.rests_until = one.circuit->until();
    return true;
}

void address_book::set_settings(const addresses_config& settings, const breaker_config& rules) {
    settings_ = settings;
    if (!has_breakers()) return;
    const bool may_open = rules.enabled && rules.per_address;
    rules_ = rules;
    rules_.enabled = rules_.per_address = true;
    if (!may_open) rules_.min_volume = std::numeric_limits<std::uint32_t>::max();
    for (entry& one : entries_) {
        if (one.circuit) one.circuit->set_rules(rules_);
    }
}

bool address_book::is_resting(time_point now, std::string_view name) const {
    const slot found = find(name);
    return found != no_slot && entries_[found].rests_until > now;
}

std::uint32_t address_book::load(std::string_view name) const {
    const slot found = find(name);
    return found == no_slot ? 0 : entries_[found].load;
}

}  // namespace hearth::core
