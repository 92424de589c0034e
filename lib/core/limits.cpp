// Places, leases and the lines for them, see limits.hpp.
#include "core/limits.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace hearth::core {

limits::limits(std::uint32_t leases, std::uint32_t total) : held_(leases), total_(total) {}

void limits::add_origin(std::uint32_t origin, std::uint32_t limit) {
    if (origins_.size() <= origin) origins_.resize(std::size_t{origin} + 1);
    origins_[origin] = {.limit = limit, .most = limit};
}

void limits::remove_origin(std::uint32_t origin) {
    HEARTH_ASSERT(origins_[origin].count == 0 && origins_[origin].in_all == 0);
    origins_[origin] = {};
}

void limits::set_limit(std::uint32_t origin, std::uint32_t limit) {
    origin_entry& entry = origins_[origin];
    entry.limit = limit;
    entry.most = std::max(limit, entry.count);
}

void limits::open(std::uint32_t origin) {
    HEARTH_ASSERT(has_room(origin) && has_lease());
    ++origins_[origin].count;
    ++used_;
}

void limits::close(std::uint32_t origin) {
    HEARTH_ASSERT(origins_[origin].count > 0 && used_ > 0);
    origin_entry& entry = origins_[origin];
    --entry.count;
    entry.most = std::max(entry.limit, entry.count);
    --used_;
}

void limits::raise_ceiling(std::uint32_t more) {
    if (has_ceiling()) ceiling_ = std::max(ceiling_, used_ + more);
}

void limits::set_demand(std::uint32_t origin, std::uint32_t for_waiters, std::uint32_t in_all) {
    origin_entry& entry = origins_[origin];
    const bool was_in_line = entry.in_all != 0;
    const bool will_be_in_line = in_all != 0;
    const bool same_line = (entry.for_waiters != 0) == (for_waiters != 0);
    if (was_in_line && !(will_be_in_line && same_line)) line_of(entry).remove(origin, links());
    wanted_ += in_all;
    wanted_ -= entry.in_all;
    entry.for_waiters = for_waiters;
    entry.in_all = in_all;
    if (will_be_in_line && !(was_in_line && same_line)) line_of(entry).push_back(origin, links());
}

std::uint32_t limits::first_in_line() const {
    return lines_[0].empty() ? lines_[1].front() : lines_[0].front();
}

void limits::rotate(std::uint32_t origin) {
    origin_entry& entry = origins_[origin];
    if (entry.in_all == 0) return;
    line_of(entry).remove(origin, links());
    line_of(entry).push_back(origin, links());
}

std::uint32_t limits::take_request() {
    if (is_at_ceiling()) return 0;
    const std::uint64_t coming = std::uint64_t{held_} - used_ + requested_;
    const std::uint64_t may_come = total_ > held_ ? total_ - held_ : 0;
    if (wanted_ <= coming || requested_ >= may_come) return 0;
    const auto more = static_cast<std::uint32_t>(std::min(wanted_ - coming, may_come - requested_));
    requested_ += more;
    return more;
}

void limits::grant(std::uint32_t leases) {
    held_ += leases;
    requested_ -= std::min(requested_, leases);
}

bool limits::give_back() {
    if (recalled_ == 0 || used_ + owed_ >= held_) return false;
    --recalled_;
    --held_;
    return true;
}

std::uint32_t limits::pay() {
    const std::uint32_t paid = std::min(owed_, held_ - used_);
    held_ -= paid;
    owed_ -= paid;
    return paid;
}

void limits::check_invariants() const {
    std::uint64_t used = 0;
    std::uint64_t wanted = 0;
    std::size_t in_line = 0;
    for (const origin_entry& entry : origins_) {
        HEARTH_ASSERT(entry.count <= entry.most);
        HEARTH_ASSERT(entry.for_waiters <= entry.in_all);
        used += entry.count;
        wanted += entry.in_all;
        in_line += entry.in_all != 0 ? 1 : 0;
    }
    HEARTH_ASSERT(used == used_ && used_ <= held_ && used_ <= ceiling_);
    HEARTH_ASSERT(wanted == wanted_);
    HEARTH_ASSERT(in_line == lines_[0].size() + lines_[1].size());
}

}  // namespace hearth::core
