// address_book: what is known of the addresses of one origin, and the order in which a dial tries
// them.
//
// Theory. A race over addresses (RFC 8305) finds one that works, but each dial pays for the dead
// ones before it anew. So failures are remembered: an address that refused, or let others overtake
// it, rests for a pause that doubles with each failure in a row, up to a maximum, less up to half
// of it at random. Those that rest are tried last, never left out: when all of them rest the race
// is as good as without a memory. When a pause is over, one dial tries the address first while the
// others still avoid it, so one dial per pause pays for it at most. A success ends it all.
//
// Who is first among the others is for `address_balance` to say, within the family of the first
// healthy address; the families alternate behind it (RFC 8305 4).
//
// An address whose connections lose so many exchanges in a row rests too and is said to be ejected:
// the caller lets go of its connections. Only so large a share of the addresses is ejected, because
// the fault is then likely somewhere else, and the others could not carry the load.
//
// Where breakers are switched on, each address has one as well, fed by the results of the exchanges
// on its connections. One that opens ejects its address likewise, or, beyond that share, begins
// anew. Its half-open state is a trial dial: the exchanges on that connection are the probes. While
// it recovers, the share of the dials that it lets through may go to its address first.
//
// Addresses are named by octets that mean nothing here. Called by the shard, one book per origin. A
// slot is an address that somebody holds: it does not change hands meanwhile.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.hpp"
#include "base/time.hpp"
#include "core/breaker.hpp"
#include "hearth/config.hpp"
#include "hearth/stats.hpp"

namespace hearth::core {

class address_book {
public:
    using slot = std::uint32_t;
    static constexpr slot no_slot = 0xffffffff;
    /// Entries are forgotten beyond this, those that nobody holds or names first.
    static constexpr std::size_t max_entries = 128;

    struct address {
        std::string name;
        bool is_v6 = false;
    };

    explicit address_book(const addresses_config& settings) : settings_(settings) {}
    /// With a breaker for each address, if `rules` say so.
    address_book(const addresses_config& settings, const breaker_config& rules, std::uint64_t seed)
        : settings_(settings), rules_(rules), seeds_(seed) {}
    /// For what happens from now on. A book without breakers gets none; one that has them and is to
    /// have none lets none of them open any more.
    void set_settings(const addresses_config& settings, const breaker_config& rules);

    /// The name service says that these are all there are.
    void update(base::time_point now, std::span<const address> all);
    /// In which order to try them, as indices. The first is held by the caller from now on.
    [[nodiscard]] std::vector<std::uint32_t> order(base::time_point now,
                                                   std::span<const address> all,
                                                   base::prng& random);
    /// The caller holds this one as well.
    [[nodiscard]] slot hold(std::string_view name);
    void release(slot held);

    // Facts.
    /// It refused, was overtaken in the race or did not finish its handshake.
    void on_failed(base::time_point now, std::string_view name, base::prng& random);
    void on_ready(slot held);
    void on_answer(slot held);
    /// A connection to it lost an exchange. True: that was one too many, it is ejected.
    [[nodiscard]] bool on_lost(base::time_point now, slot held, base::prng& random);

    // Exchanges, where addresses have breakers.
    [[nodiscard]] bool has_breakers() const { return rules_.enabled && rules_.per_address; }
    /// One begins on a connection to it, and ends in one `on_result` with what this returns.
    [[nodiscard]] breaker::ticket begin(base::time_point now, slot held);
    /// True: its breaker has opened, it is ejected.
    [[nodiscard]] bool on_result(base::time_point now, slot on, breaker::ticket which,
                                 attempt_result result);

    [[nodiscard]] bool is_resting(base::time_point now, std::string_view name) const;
    /// The name service still has it.
    [[nodiscard]] bool is_current(slot held) const { return entries_[held].is_current; }
    [[nodiscard]] bool holds_any() const;
    /// Somebody holds one that the name service does not have any more.
    [[nodiscard]] bool holds_old() const;
    /// How many hold it.
    [[nodiscard]] std::uint32_t load(std::string_view name) const;
    [[nodiscard]] std::size_t size() const { return entries_.size() - free_.size(); }
    /// What is known of each, those that the name service has first.
    [[nodiscard]] std::vector<address_stats> stats(base::time_point now) const;

private:
    struct entry {
        std::string name;
        std::uint32_t load = 0;
        std::uint32_t exchanges = 0;  // begun, without a result
        std::uint32_t failures = 0;   // in a row
        std::uint32_t lost = 0;       // exchanges, in a row
        std::uint64_t all_failures = 0;
        std::uint64_t all_lost = 0;
        base::time_point rests_until = base::time_point::min();
        bool is_v6 = false;
        bool is_current = false;
        bool is_tried = false;  // by one dial, while it rests for the others
        bool is_ejected = false;
        bool is_broken = false;  // by its breaker, until that lets more through than probes
        bool is_free = false;
        std::optional<breaker> circuit{};
    };
    [[nodiscard]] slot find(std::string_view name) const;
    slot find_or_add(const address& one);
    void forget_unused(base::time_point now);
    void take_only(base::time_point now, entry& one);
    [[nodiscard]] std::uint32_t choose(std::span<const std::uint32_t> healthy,
                                       std::span<const slot> slots, base::prng& random);
    void rest(base::time_point now, entry& one, base::prng& random);
    static void recover(entry& one);
    [[nodiscard]] bool may_eject(base::time_point now) const;

    addresses_config settings_;
    breaker_config rules_{};
    base::prng seeds_{0};
    std::vector<entry> entries_;
    std::vector<slot> free_;
    std::uint64_t turn_ = 0;  // of round robin
};

}  // namespace hearth::core
