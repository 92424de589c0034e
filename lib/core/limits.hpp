// limits: how many connections may exist, and who is next when there are fewer than wanted.
//
// Rules. A connection (dials included) takes one place at its origin and one lease from `open` to
// `close`; neither is ever overdrawn. Leases come from outside (`grant`) and go back only unused.
// A limit lowered below what is open opens nothing until enough has closed; leases that are owed
// since then are not used again, and given up as they are free.
// Origins that want to dial stand in one of two lines, those with waiters before those that only
// warm up; the head of the line gets one lease, then goes to its end, so that waiters of several
// origins share what is freed fairly. Origins are named by index.
// When the process is out of descriptors, what is open becomes the ceiling: no more are opened, as
// if there were no more leases, until it is raised.
//
// Invariants: used = sum of the origins' counts <= held and the ceiling; an origin is in a line iff
// its demand is not 0; `wanted` = sum of all demands.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/index_list.hpp"

namespace hearth::core {

class limits {
public:
    /// `leases`: held at first. `total`: more than this never exist in the client.
    limits(std::uint32_t leases, std::uint32_t total);

    void add_origin(std::uint32_t origin, std::uint32_t limit);
    /// One that has nothing and wants nothing.
    void remove_origin(std::uint32_t origin);
    void set_limit(std::uint32_t origin, std::uint32_t limit);
    void set_total(std::uint32_t total) { total_ = total; }

    // Places and leases.
    [[nodiscard]] bool has_room(std::uint32_t origin) const {
        return origins_[origin].count < origins_[origin].limit;
    }
    [[nodiscard]] std::uint32_t room(std::uint32_t origin) const {
        const origin_entry& entry = origins_[origin];
        return entry.limit > entry.count ? entry.limit - entry.count : 0;
    }
    [[nodiscard]] std::uint32_t limit(std::uint32_t origin) const { return origins_[origin].limit; }
    [[nodiscard]] std::uint32_t count(std::uint32_t origin) const { return origins_[origin].count; }
    [[nodiscard]] bool has_lease() const { return used_ + owed_ < held_ && used_ < ceiling_; }
    /// Leases that are held and could be used now.
    [[nodiscard]] std::uint32_t spare() const {
        const std::uint32_t most = std::min(held_, ceiling_);
        return most > used_ + owed_ ? most - used_ - owed_ : 0;
    }
    /// Connections that the origin has beyond its limit.
    [[nodiscard]] std::uint32_t beyond(std::uint32_t origin) const {
        const origin_entry& entry = origins_[origin];
        return entry.count > entry.limit ? entry.count - entry.limit : 0;
    }
    [[nodiscard]] std::size_t bound() const { return origins_.size(); }
    /// Another shard may hold leases that could come here and be used.
    [[nodiscard]] bool may_grow() const { return held_ < total_ && used_ < ceiling_; }
    [[nodiscard]] std::uint32_t held() const { return held_; }
    [[nodiscard]] std::uint32_t used() const { return used_; }
    /// Takes a place and a lease; both must be there.
    void open(std::uint32_t origin);
    void close(std::uint32_t origin);

    // The ceiling.
    /// No more than are open now.
    void set_ceiling() { ceiling_ = used_; }
    /// Room for that many more than are open now, if there is a ceiling.
    void raise_ceiling(std::uint32_t more);
    void lift_ceiling() { ceiling_ = no_ceiling; }
    [[nodiscard]] bool has_ceiling() const { return ceiling_ != no_ceiling; }
    [[nodiscard]] bool is_at_ceiling() const { return used_ >= ceiling_; }

    // The lines.
    /// How many dials `origin` would start now if leases were there; the first `for_waiters` of
    /// them are for exchanges that wait. Nothing: it leaves its line.
    void set_demand(std::uint32_t origin, std::uint32_t for_waiters, std::uint32_t in_all);
    /// The origin that may dial next; `no_index` if none wants to.
    [[nodiscard]] std::uint32_t first_in_line() const;
    [[nodiscard]] bool waiters_in_line() const { return !lines_[0].empty(); }
    [[nodiscard]] bool is_in_line(std::uint32_t origin) const {
        return origins_[origin].in_all != 0;
    }
    /// Sends the origin to the end of its line, if it is in one.
    void rotate(std::uint32_t origin);
    [[nodiscard]] std::uint64_t wanted() const { return wanted_; }

    // Traffic of leases.
    /// How many leases to ask for now; they count as asked for until granted.
    [[nodiscard]] std::uint32_t take_request();
    void grant(std::uint32_t leases);
    /// That many are to be given up, because fewer may exist now.
    void set_owed(std::uint32_t leases) { owed_ = leases; }
    [[nodiscard]] std::uint32_t owed() const { return owed_; }
    /// Gives up what is owed and unused; says how many.
    [[nodiscard]] std::uint32_t pay();
    /// Another shard waits for that many; a later call replaces it, 0 withdraws it.
    void set_recall(std::uint32_t leases) { recalled_ = leases; }
    [[nodiscard]] std::uint32_t recalled() const { return recalled_; }
    /// Gives up one unused lease that was recalled; false if there is none or nothing is recalled.
    [[nodiscard]] bool give_back();

    /// Asserts the invariants above by a full scan.
    void check_invariants() const;

private:
    static constexpr std::uint32_t no_ceiling = 0xffffffff;

    struct origin_entry {
        std::uint32_t limit = 0;
        std::uint32_t count = 0;
        std::uint32_t most = 0;  // of `count`: the limit, or what was open when it was lowered
        std::uint32_t for_waiters = 0;
        std::uint32_t in_all = 0;
        base::list_links links{};
    };
    [[nodiscard]] base::index_list& line_of(const origin_entry& entry) {
        return lines_[entry.for_waiters != 0 ? 0 : 1];
    }
    [[nodiscard]] auto links() {
        return [this](std::uint32_t i) -> base::list_links& { return origins_[i].links; };
    }

    std::vector<origin_entry> origins_;
    base::index_list lines_[2];  // with waiters; for warm-up only
    std::uint64_t wanted_ = 0;
    std::uint32_t held_;
    std::uint32_t used_ = 0;
    std::uint32_t ceiling_ = no_ceiling;
    std::uint32_t requested_ = 0;
    std::uint32_t recalled_ = 0;
    std::uint32_t owed_ = 0;
    std::uint32_t total_;
};

}  // namespace hearth::core
