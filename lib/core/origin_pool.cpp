// Lists of one origin, see origin_pool.hpp.
#include "core/origin_pool.hpp"

#include <algorithm>
#include <utility>

namespace hearth::core {

void origin_pool::add(record_tables& tables, connection_record& connection) {
    HEARTH_ASSERT(connection.state == connection_state::dialing);
    ++counts_[static_cast<std::size_t>(connection.state)];
    file(tables, connection);
}

void origin_pool::change(record_tables& tables, connection_record& connection,
                         connection_event event) {
    const connection_state from = connection.state;
    HEARTH_ASSERT(is_legal(from, event));
    if (!is_legal(from, event)) return;
    const connection_state to = next_state(from, event);
    const bool keeps_place = is_coming(from) && is_coming(to);  // in the order the dials began
    if (!keeps_place) unfile(tables, connection);
    connection.state = to;
    if (connection.is_leaving && is_ready(from) != is_ready(to)) {
        is_ready(to) ? ++leaving_ : --leaving_;
        if (!is_ready(to) && replaced_ != 0) --replaced_;
    }
    --counts_[static_cast<std::size_t>(from)];
    ++counts_[static_cast<std::size_t>(to)];
    if (!keeps_place) file(tables, connection);
}

void origin_pool::leave(connection_record& connection) {
    if (std::exchange(connection.is_leaving, true)) return;
    if (is_ready(connection.state)) ++leaving_;
}

std::uint32_t origin_pool::pick(bool fresh, std::uint32_t ideal) const {
    if (fresh) return next_idle(unused_);
    if (available_count_ != 0 && lowest_ < ideal) return available_[lowest_].front();
    if (!used_.empty()) return next_idle(used_);
    if (!unused_.empty()) return next_idle(unused_);
    return available_count_ == 0 ? no_index : available_[lowest_].front();
}

std::uint32_t origin_pool::pick_besides(const record_tables& tables, std::uint32_t avoided) const {
    const connection_record& connection = tables.connections.at(avoided);
    const std::uint32_t next = connection.origin_links.next;  // of the same list
    if (next != no_index || connection.filed != filed_in::available) {
        return next != no_index ? next : avoided;
    }
    if (!used_.empty()) return next_idle(used_);
    if (!unused_.empty()) return next_idle(unused_);
    for (std::size_t bucket = connection.bucket + 1; bucket < available_.size(); ++bucket) {
        if (!available_[bucket].empty()) return available_[bucket].front();
    }
    return avoided;
}

std::uint32_t origin_pool::oldest_idle(const record_tables& tables) const {
    if (used_.empty()) return unused_.back();
    if (unused_.empty()) return used_.back();
    const bool used_is_older = tables.connections.at(used_.back()).idle_since <=
                               tables.connections.at(unused_.back()).idle_since;
    return used_is_older ? used_.back() : unused_.back();
}

void origin_pool::enqueue(record_tables& tables, std::uint32_t exchange) {
    queue_of(tables.exchanges.at(exchange)).push_back(exchange, tables.exchange_links());
}

void origin_pool::dequeue(record_tables& tables, std::uint32_t exchange) {
    queue_of(tables.exchanges.at(exchange)).remove(exchange, tables.exchange_links());
}

std::uint32_t origin_pool::first_waiter(const record_tables& tables) const {
    if (fresh_.empty()) return ordinary_.front();
    if (ordinary_.empty()) return fresh_.front();
    const bool ordinary_came_first =
        tables.exchanges.at(ordinary_.front()).since <= tables.exchanges.at(fresh_.front()).since;
    return ordinary_came_first ? ordinary_.front() : fresh_.front();
}

std::uint32_t origin_pool::last_waiter_for(const record_tables& tables, bool has_carried) const {
    if (has_carried || fresh_.empty()) return ordinary_.back();
    if (ordinary_.empty()) return fresh_.back();
    const bool ordinary_came_last =
        tables.exchanges.at(ordinary_.back()).since >= tables.exchanges.at(fresh_.back()).since;
    return ordinary_came_last ? ordinary_.back() : fresh_.back();
}

void origin_pool::file(record_tables& tables, connection_record& connection) {
    const std::uint32_t index = connection.id.index;
    switch (connection.state) {
        case connection_state::dialing:
        case connection_state::handshaking:
            connection.filed = filed_in::coming;
            coming_.push_back(index, tables.origin_links());
            return;
        case connection_state::idle:
            connection.filed = connection.has_carried ? filed_in::used : filed_in::unused;
            (connection.has_carried ? used_ : unused_).push_front(index, tables.origin_links());
            ++tables.idle_count;
            return;
        case connection_state::active: file_available(tables, connection); return;
        case connection_state::draining:
            if (!connection.is_cancelled) break;
            connection.filed = filed_in::draining;
            draining_.push_back(index, tables.origin_links());
            tables.draining_by_age.push_back(index, tables.shared_links());
            return;
        case connection_state::full:
        case connection_state::closed: break;
    }
    connection.filed = filed_in::nothing;
}

void origin_pool::unfile(record_tables& tables, connection_record& connection) {
    const std::uint32_t index = connection.id.index;
    switch (connection.filed) {
        case filed_in::nothing: return;
        case filed_in::coming: coming_.remove(index, tables.origin_links()); return;
        case filed_in::unused:
        case filed_in::used:
            (connection.filed == filed_in::used ? used_ : unused_)
                .remove(index, tables.origin_links());
            --tables.idle_count;
            return;
        case filed_in::available: unfile_available(tables, connection); return;
        case filed_in::draining:
            draining_.remove(index, tables.origin_links());
            tables.draining_by_age.remove(index, tables.shared_links());
            return;
    }
}

void origin_pool::file_available(record_tables& tables, connection_record& connection) {
    const std::uint32_t bucket = std::min(connection.streams(), max_buckets - 1);
    if (bucket >= available_.size()) available_.resize(bucket + 1);
    connection.filed = filed_in::available;
    connection.bucket = bucket;
    available_[bucket].push_back(connection.id.index, tables.origin_links());
    lowest_ = available_count_ == 0 ? bucket : std::min(lowest_, bucket);
    ++available_count_;
}

void origin_pool::unfile_available(record_tables& tables, connection_record& connection) {
    available_[connection.bucket].remove(connection.id.index, tables.origin_links());
    --available_count_;
    if (available_count_ == 0) return;
    while (available_[lowest_].empty()) ++lowest_;  // ends: something is available
}

std::uint32_t origin_pool::room(const record_tables& tables, std::uint32_t most) const {
    std::uint32_t room = 0;
    std::uint32_t left = available_count_;
    for (std::uint32_t bucket = lowest_; left != 0 && room < most; ++bucket) {
        for (std::uint32_t i = available_[bucket].front(); i != no_index;
             i = tables.connections.at(i).origin_links.next) {
            const connection_record& one = tables.connections.at(i);
            room += one.max_exchanges - std::min(one.streams(), one.max_exchanges);
            --left;
        }
    }
    return std::min(room, most);
}

void origin_pool::check_invariants(const record_tables& tables, std::uint32_t origin) const {
    check_list(tables, origin, coming_, filed_in::coming);
    check_list(tables, origin, used_, filed_in::used);
    check_list(tables, origin, unused_, filed_in::unused);
    check_list(tables, origin, draining_, filed_in::draining);
    std::size_t available = 0;
    for (std::uint32_t bucket = 0; bucket < available_.size(); ++bucket) {
        check_list(tables, origin, available_[bucket], filed_in::available);
        available += available_[bucket].size();
        HEARTH_ASSERT(bucket >= lowest_ || available_count_ == 0 || available_[bucket].empty());
    }
    HEARTH_ASSERT(available == available_count_);
    HEARTH_ASSERT(coming_.size() == coming());
    HEARTH_ASSERT(used_.size() + unused_.size() == count(connection_state::idle));
    HEARTH_ASSERT(available == count(connection_state::active));
    HEARTH_ASSERT(draining_.size() <= count(connection_state::draining));
    HEARTH_ASSERT(leaving_ <= ready());
    check_queue(tables, origin, ordinary_, false);
    check_queue(tables, origin, fresh_, true);
}

void origin_pool::check_list(const record_tables& tables, std::uint32_t origin,
                             const base::index_list& list, filed_in filed) const {
    std::size_t seen = 0;
    std::uint32_t previous = no_index;
    for (std::uint32_t i = list.front(); i != no_index && seen <= list.size();) {
        const connection_record& c = tables.connections.at(i);
        HEARTH_ASSERT(c.filed == filed && c.origin == origin);
        HEARTH_ASSERT(c.origin_links.previous == previous);
        previous = i;
        i = c.origin_links.next;
        ++seen;
    }
    HEARTH_ASSERT(seen == list.size() && list.back() == previous);
}

void origin_pool::check_queue(const record_tables& tables, std::uint32_t origin,
                              const base::index_list& queue, bool fresh) const {
    std::size_t seen = 0;
    base::time_point latest = base::time_point::min();
    for (std::uint32_t i = queue.front(); i != no_index && seen <= queue.size();) {
        const exchange_record& x = tables.exchanges.at(i);
        HEARTH_ASSERT(x.state == exchange_state::waiting && x.origin == origin);
        HEARTH_ASSERT(x.wants_fresh == fresh && x.since >= latest);
        HEARTH_ASSERT(x.timer != 0);
        latest = x.since;
        i = x.links.next;
        ++seen;
    }
    HEARTH_ASSERT(seen == queue.size());
}

}  // namespace hearth::core
